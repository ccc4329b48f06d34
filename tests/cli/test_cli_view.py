"""svdmv view: one page that needs nothing from outside."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browser import opened_page
from PIL import Image
from quick_runs import QUICK_OPTIONS, draw_picture

from svdmv.dataset.shapes import shape_from_seed
from svdmv.io.gltf import write_glb
from svdmv.render.page import Pane, page_from_panes

Call = Callable[..., int]


def sprites(page: str) -> list[Image.Image]:
    found = re.findall(r"url\(data:image/webp;base64,([^)]+)\)", page)
    return [Image.open(io.BytesIO(base64.b64decode(data))) for data in found]


def test_frames_stand_side_by_side_and_words_are_escaped() -> None:
    """Frame k of a pane is column k of its sprite; a title cannot become markup; nothing is fetched."""
    levels = np.array([10, 120, 230], np.uint8)
    frames = np.broadcast_to(levels[:, None, None, None], (3, 24, 24, 3)).copy()
    page = page_from_panes(
        "<b>&", [Pane("a", frames), Pane("b", frames[:1])], ["<script>alert(1)</script>"], [("x", "<")]
    )
    many, one = sprites(page)
    assert (many.size, one.size) == ((72, 24), (24, 24))
    middle = np.asarray(many.convert("L"))[12, [12, 36, 60]].astype(int)
    assert np.abs(middle - levels).max() <= 4
    assert "&lt;b&gt;&amp;" in page
    assert "alert(1)</script>" not in page
    assert not re.search(r"https?://|src=", page)


def test_a_sprite_never_outgrows_its_format() -> None:
    page = page_from_panes("t", [Pane("a", np.zeros((60, 400, 400, 3), np.uint8))], [], [])
    assert sprites(page)[0].size[0] <= 16_383
    assert 'data-count="30"' in page


def test_a_run_and_a_model(tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    picture = draw_picture(tmp_path / "egg.png")
    assert call("run", picture, "-o", tmp_path / "out", *QUICK_OPTIONS, "--quiet") == 0
    assert call("view", tmp_path / "out", "-o", tmp_path / "run.html") == 0
    page = (tmp_path / "run.html").read_text("utf-8")
    assert re.findall(r"<figcaption>([^<:]+)", page) == ["mesh.glb", "views", "input"]
    assert "IoU" in page
    write_glb(tmp_path / "shape.glb", shape_from_seed(3))
    assert call("view", tmp_path / "shape.glb", "-o", tmp_path / "shape.html") == 0
    sprite = np.asarray(sprites((tmp_path / "shape.html").read_text("utf-8"))[0].convert("L"))
    assert (sprite < 250).mean() > 0.1


def test_the_page_runs_in_a_browser(tmp_path: Path) -> None:
    frames = np.full((3, 24, 24, 3), 90, np.uint8)
    (tmp_path / "page.html").write_text(page_from_panes("t", [Pane("a", frames)], [], []), "utf-8")
    shown, console = opened_page(tmp_path / "page.html")
    assert console == []
    assert "background-position: 0% 0px" in shown  # the script ran


def test_what_cannot_be_looked_at(tmp_path: Path, call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "words.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    for path, told in (("words.txt", "nothing to look at"), ("empty", "no view folder"), ("absent", "nothing to look")):
        assert call("view", tmp_path / path, "-o", tmp_path / "x.html") == 2
        assert told in capsys.readouterr().err
    (tmp_path / "there.html").write_text("mine")
    assert call("view", tmp_path / "words.txt", "-o", tmp_path / "there.html") == 2
    assert (tmp_path / "there.html").read_text() == "mine"
    assert not (tmp_path / "x.html").exists()
