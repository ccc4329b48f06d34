"""`import svdmv` and `svdmv --help` stay light: the heavy packages come in only when they are used."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = ["torch", "diffusers", "transformers", "numba", "trimesh", "scipy", "skimage", "cv2", "onnxruntime", "av"]
NO_TORCH_ROOMS = ["core", "io", "geometry", "subject", "render", "asset"]


def loaded_after(code: str, *arguments: str) -> tuple[set[str], str]:
    """Run code in a fresh interpreter; the packages of HEAVY that it loaded, and what it printed."""
    report = "\nimport json, sys\nsys.stderr.write('\\nLOADED ' + json.dumps([m for m in %r if m in sys.modules]))"
    done = subprocess.run(
        [sys.executable, "-c", code + report % HEAVY, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert "LOADED " in done.stderr, done.stderr
    return set(json.loads(done.stderr.rsplit("LOADED ", 1)[1])), done.stdout


def test_the_probe_sees_a_heavy_package() -> None:
    assert loaded_after("import scipy")[0] == {"scipy"}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_after("import svdmv; print(svdmv.__version__)")[0] == set()


@pytest.mark.parametrize("room", NO_TORCH_ROOMS)
def test_importing_a_room_loads_nothing_heavy(room: str) -> None:
    assert loaded_after(f"import svdmv.{room}")[0] == set()


def test_help_loads_nothing_heavy() -> None:
    code = (
        "import runpy, sys\nsys.argv = ['svdmv', '--help']\n"
        "try:\n    runpy.run_module('svdmv', run_name='__main__')\n"
        "except SystemExit as stop:\n    assert not stop.code, stop.code"
    )
    loaded, printed = loaded_after(code)
    assert loaded == set()
    assert "run" in printed
    assert "generate" in printed
