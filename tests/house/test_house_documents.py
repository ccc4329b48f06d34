"""Version, changelog, licence, error codes and the README's test command say the same everywhere."""

from __future__ import annotations

import hashlib
import importlib.util
import re
import subprocess
import sys
import tomllib
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType

import pytest

import svdmv
from svdmv.core import errors

ROOT = Path(__file__).resolve().parents[2]
APACHE_2_SHA256 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"  # the text as apache.org gives it


def text_of(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_version_is_one() -> None:
    settings = tomllib.loads(text_of("pyproject.toml"))["project"]["version"]
    newest = re.search(r"^## \[(\d+\.\d+\.\d+[^\]]*)\]", text_of("CHANGELOG.md"), re.MULTILINE)
    assert newest is not None
    assert settings == svdmv.__version__ == newest[1]


def test_licence_is_the_whole_apache_text() -> None:
    assert hashlib.sha256((ROOT / "LICENSE").read_bytes()).hexdigest() == APACHE_2_SHA256
    assert tomllib.loads(text_of("pyproject.toml"))["project"]["license"] == "Apache-2.0"


def test_every_error_and_exit_code_is_documented_with_its_meaning() -> None:
    page = text_of("docs/errors.md")
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.SvdmvError)]
    assert len(kinds) >= 7
    for kind in kinds:
        if kind is not errors.SvdmvError:
            row = re.search(rf"^\| {kind.exit_code} \|.*$", page, re.MULTILINE)
            assert row is not None
            assert f"`{kind.__name__}`" in row[0]
    codes = {value for name, value in vars(errors).items() if name.startswith("EXIT_")}
    assert codes == {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}


def test_error_block_in_the_documents_is_what_an_error_prints() -> None:
    error = errors.InputError(
        "The subject is too small",
        where="photos/ant.png",
        seen="5x3 px of the picture's 800x600",
        expected="at least 8 px along its longer side",
        next_step="use a larger picture of the object",
    )
    assert "\n".join("    " + line for line in str(error).splitlines()) in text_of("docs/errors.md")


def test_decisions_are_numbered_without_gaps_and_short() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert [int(p.name[:4]) for p in records] == list(range(1, len(records) + 1))
    for record in records:
        lines = record.read_text(encoding="utf-8").splitlines()
        assert len(lines) <= 15, record.name
        assert lines[0].startswith(f"# {record.name[:4]} "), record.name


def test_links_between_documents_lead_somewhere() -> None:
    broken = []
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in target and not (page.parent / target).exists():
                broken.append(f"{page.relative_to(ROOT)} -> {target}")
    assert broken == []


@pytest.fixture(scope="module")
def test_command_script() -> ModuleType:
    loader = SourceFileLoader("test_command_script", str(ROOT / "scripts" / "test_command"))
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_test_command_is_found_in_either_kind_of_code_block(test_command_script: ModuleType) -> None:
    find = test_command_script.test_commands
    assert find('# x\n```bash\npip install -e ".[test]" && pytest\n```\n') == ['pip install -e ".[test]" && pytest']
    assert find("text\n\n    $ python -m pytest -q  # all\n") == ["python -m pytest -q"]
    assert find("pytest in prose\n") == []


def test_readme_gives_one_test_command() -> None:
    done = subprocess.run(
        [sys.executable, ROOT / "scripts" / "test_command"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "pytest" in done.stdout
