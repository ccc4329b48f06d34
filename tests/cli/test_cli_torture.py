"""Models that cannot be used: each command says it in one block, leaves with code 2 and writes nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODELS = ROOT.parent / "shared" / "data" / "gltf_torture"
TABLE = json.loads((ROOT / "tests" / "io" / "torture_outcomes.json").read_text(encoding="utf-8"))["files"]
REFUSED = {row["file"]: row["says"] for row in TABLE if row["status"] != "ok"}

pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason="the shared models are not here")


@pytest.mark.parametrize("command", ["export", "render"])
def test_each_model_that_fails_is_refused_in_one_block(
    command: str, tmp_path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(REFUSED) == 19
    out = tmp_path / ("x.glb" if command == "export" else "views")
    for name, sentence in REFUSED.items():
        assert call(command, MODELS / name, "-o", out) == 2, name
        printed = capsys.readouterr()
        lines = printed.err.strip().splitlines()
        assert sentence in lines[0], name
        assert any(line.strip().startswith("next:") for line in lines), name
        assert 2 <= len(lines) <= 5, name
        assert "Traceback" not in printed.err
        assert list(tmp_path.iterdir()) == [], name


def test_what_was_left_out_is_printed(
    tmp_path: Path, call: Callable[..., int], capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("export", MODELS / "khr_MeshPrimitiveModes.gltf", "-o", tmp_path / "x.ply") == 0
    assert capsys.readouterr().out.splitlines()[1:] == ["  note: points are left out", "  note: lines are left out"]
