"""svdmv data: what it prints, and its exit codes. Bad input: test_cli_data_bad_input.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

Call = Callable[..., int]
Capture = pytest.CaptureFixture[str]
CUBE = """\
v -1 -1 -1 1 0 0\nv 1 -1 -1 0 1 0\nv 1 1 -1 0 0 1\nv -1 1 -1 1 1 0
v -1 -1 1 0 1 1\nv 1 -1 1 1 0 1\nv 1 1 1 1 1 1\nv -1 1 1 0.2 0.3 0.4
f 1 4 3 2\nf 5 6 7 8\nf 1 2 6 5\nf 4 8 7 3\nf 1 5 8 4\nf 2 3 7 6
"""


def test_build_check_stats(tmp_path: Path, call: Call, capsys: Capture) -> None:
    """A cube, a flat line and a text that is no model: one rendered, one rejected, one failed, and all is said."""
    models, out = tmp_path / "models", tmp_path / "out"
    models.mkdir()
    (models / "cube.obj").write_text(CUBE)
    (models / "line.obj").write_text("v 0 0 0\nv 1 1 1\nv 2 2 2\nf 1 2 3\n")
    (models / "text.glb").write_text("no model")
    build = ["data", "build", "preset=small", f"sources.folder.folder={models}", "sources.folder.licence=CC0-1.0"]
    build += [f"out={out}", "orbits.size=16", "orbits.shading=unlit", "orbits.num_views=4", "engine.workers=1"]
    assert call(*build) == 0
    said = capsys.readouterr().out
    assert "3 objects, 4 orbits" in said
    assert "1  rendered" in said
    assert "1  rejected (degenerate)" in said
    assert "1  failed (load_error)" in said
    assert said.endswith("finished\n")
    assert call(*build) == 0
    assert call("data", "check", f"data={out}") == 0
    assert "1 shards, 4 orbits, 20 members" in capsys.readouterr().out
    assert call("data", "stats", f"data={out}") == 0
    said = capsys.readouterr().out
    assert "rejected degenerate" in said
    assert "elevation of view 0, degrees" in said
    page = (out / "stats.html").read_text()
    assert page.count("<svg") == page.count("<figcaption>") >= 8
    assert "<script" not in page
    assert "cube.obj" in (out / "ATTRIBUTION.md").read_text()
    shard = out / "shards" / "00000.tar"
    data = bytearray(shard.read_bytes())
    data[700] ^= 1
    shard.write_bytes(data)
    assert call("data", "check", f"data={out}") == 4
    assert "other bytes than were written" in capsys.readouterr().out
