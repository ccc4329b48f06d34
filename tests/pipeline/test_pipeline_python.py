"""What `import svdmv` offers: every name loads, means what its room means, and type checkers see the same."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import svdmv
from svdmv import pipeline


def declared() -> dict[str, tuple[str, str]]:
    """Name -> (room, name there), from the imports that type checkers read."""
    tree = ast.parse(Path(svdmv.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    found = {}
    for node in block.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            found[str(alias.asname)] = (str(node.module), alias.name)
    return found


def test_every_name_is_what_type_checkers_are_told() -> None:
    assert sorted([*declared(), "__version__"]) == sorted(svdmv.__all__)
    for name, (room, there) in declared().items():
        assert getattr(svdmv, name) is getattr(importlib.import_module(room), there), name


def test_all_offers_have_words() -> None:
    assert [n for n in svdmv.__all__ if n != "__version__" and not inspect.getdoc(getattr(svdmv, n))] == []
    assert set(svdmv.__all__) <= set(dir(svdmv))
    assert svdmv.run is pipeline.run_picture


@pytest.mark.parametrize("name", ["nosuch", "run_picture", "_x", "runs"])
def test_other_names_are_refused_as_python_does(name: str) -> None:
    with pytest.raises(AttributeError, match=f"module 'svdmv' has no attribute '{name}'"):
        getattr(svdmv, name)


def test_star_import_and_rooms() -> None:
    code = (
        "from svdmv import *\nimport svdmv, svdmv.core\n"
        "assert Camera is svdmv.core.Camera\nprint(Orbit.static(10).num_views)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "21\n"), done.stderr
