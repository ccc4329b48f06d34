"""Rules that every source file keeps, read from its syntax tree."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = sorted((ROOT / "svdmv").rglob("*.py"))
SCRIPTS = [p for p in sorted((ROOT / "scripts").iterdir()) if p.is_file() and b"python" in p.read_bytes()[:40]]
TESTS = sorted((ROOT / "tests").rglob("*.py"))
LONGEST = 400
EXECUTABLE_DATA = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "jsonpickle"}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "manager", "misc"}


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def where(path: Path, node: ast.AST) -> str:
    return f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 1)}"


def name_of(node: ast.expr) -> str:
    """Dotted name of what is called: torch.load, eval, self.x.load."""
    if isinstance(node, ast.Attribute):
        return f"{name_of(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def forbidden_code(tree: ast.Module) -> Iterator[tuple[ast.AST, str]]:
    """Calls and imports through which data could run as code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            roots = {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            roots = {(node.module or "").split(".")[0]}
            if any(alias.name == "*" for alias in node.names):
                yield node, "star import"
        else:
            roots = set()
        for root in roots & EXECUTABLE_DATA:
            yield node, f"import of {root}"
        if not isinstance(node, ast.Call):
            continue
        name, keywords = name_of(node.func), {k.arg: k.value for k in node.keywords}

        def says(key: str, value: object, keywords: dict[str | None, ast.expr] = keywords) -> bool:
            given = keywords.get(key)
            return isinstance(given, ast.Constant) and given.value is value

        if name in {"eval", "exec", "compile", "__import__", "builtins.eval", "builtins.exec"}:
            yield node, f"{name}()"
        if name == "torch.load" and not says("weights_only", True):
            yield node, "torch.load without weights_only=True"
        if "trust_remote_code" in keywords and not says("trust_remote_code", False):
            yield node, "trust_remote_code"
        if "allow_pickle" in keywords and not says("allow_pickle", False):
            yield node, "allow_pickle"
        if "shell" in keywords and not says("shell", False):
            yield node, "a shell"
        if name in {"os.system", "os.popen"} or re.fullmatch(r"yaml\.(unsafe_|full_)?load(_all)?", name):
            yield node, name


@pytest.mark.parametrize(
    "code",
    [
        "eval('1')",
        "exec(text)",
        "import pickle",
        "from pickle import load",
        "from os.path import *",
        "import torch\ntorch.load(path)",
        "import torch\ntorch.load(path, weights_only=False)",
        "model.from_pretrained(name, trust_remote_code=True)",
        "import numpy as np\nnp.load(path, allow_pickle=True)",
        "subprocess.run(line, shell=True)",
        "yaml.load(text)",
    ],
)
def test_the_search_for_forbidden_code_finds_it(code: str) -> None:
    assert len(list(forbidden_code(ast.parse(code)))) == 1


def test_the_search_for_forbidden_code_passes_the_safe_forms() -> None:
    code = "torch.load(path, weights_only=True)\nre.compile('x')\nmodel.eval()\nyaml.safe_load(text)\nnp.load(path)"
    assert list(forbidden_code(ast.parse(code))) == []


def test_no_data_is_run_as_code() -> None:
    found = [f"{where(p, node)}: {what}" for p in PACKAGE + SCRIPTS for node, what in forbidden_code(tree_of(p))]
    assert found == []


def test_files_are_short() -> None:
    long = {
        str(p.relative_to(ROOT)): len(p.read_text(encoding="utf-8").splitlines()) for p in PACKAGE + SCRIPTS + TESTS
    }
    assert {name: lines for name, lines in long.items() if lines >= LONGEST} == {}


def public_definitions(path: Path) -> Iterator[ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef]:
    """Public functions, classes and their public methods, at the top of a module that is not private itself."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    for node in tree_of(path).body:
        if isinstance(node, kinds) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from (n for n in node.body if isinstance(n, kinds) and not n.name.startswith("_"))


def test_everything_public_has_a_docstring() -> None:
    bare = [str(p.relative_to(ROOT)) for p in PACKAGE + SCRIPTS + TESTS if not ast.get_docstring(tree_of(p))]
    bare += [
        f"{where(p, node)} {node.name}"
        for p in PACKAGE
        if not p.name.startswith("_") or p.name == "__init__.py"
        for node in public_definitions(p)
        if not ast.get_docstring(node) and not any("overload" in name_of(d) for d in node.decorator_list)
    ]
    assert bare == []


def test_no_module_is_named_after_nothing() -> None:
    assert [str(p.relative_to(ROOT)) for p in PACKAGE if EMPTY_NAMES & set(p.stem.strip("_").split("_"))] == []


def test_every_extra_that_an_error_names_exists() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    unknown = []
    for path in PACKAGE:
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Call) and name_of(node.func) == "require" and len(node.args) > 1:
                extra = node.args[1]
                if isinstance(extra, ast.Constant) and extra.value is not None and extra.value not in extras:
                    unknown.append(f"{where(path, node)}: {extra.value}")
        named = re.findall(r"svdmv\[([\w,-]+)\]", path.read_text(encoding="utf-8"))
        unknown += [f"{path.name}: {e}" for group in named for e in group.split(",") if e not in extras]
    assert unknown == []


def test_no_file_speaks_of_somebodys_machine_or_of_things_undone() -> None:
    """Absolute home paths, and remarks about work that is not done, do not belong in a finished tree."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout, so the tracked files are unknown")
    marks = "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"))
    pattern = re.compile(rf"(?<![\w.:/~-])/(?:home|root|Users|work)/\w|\b(?:{marks})\b")
    found = []
    for name in listed.stdout.split("\0"):
        path = ROOT / name
        if not path.is_file() or path.suffix not in {".py", ".md", ".toml", ".yaml", ".yml", ".txt", ".sh", ""}:
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            if pattern.search(line):
                found.append(f"{name}:{number}: {line.strip()[:80]}")
    assert found == []
