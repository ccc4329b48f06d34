"""The commands one after the other, as a user calls them, and what they say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from quick_runs import digests

import svdmv
from svdmv.cli.main import COMMANDS
from svdmv.io.meshes import read_asset
from svdmv.io.video import read_video
from svdmv.io.views import load_views

Call = Callable[..., int]
Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("command", [(), *((name,) for name in COMMANDS)])
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(command: tuple[str, ...], flag: str, call: Call, capsys: Capture) -> None:
    assert call(*command, flag) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert said.out.startswith(" ".join(["Usage: svdmv", *command]))
    assert not [line for line in said.out.splitlines() if len(line) > 80]
    if not command:
        assert "Exit codes: 0 ok" in said.out
        assert all(name in said.out for name in COMMANDS)


def test_no_command_shows_the_help(call: Call, capsys: Capture) -> None:
    assert call() == 0
    assert capsys.readouterr().out.startswith("Usage: svdmv")


@pytest.mark.parametrize("word", ["version", "--version"])
def test_version(word: str, call: Call, capsys: Capture) -> None:
    assert call(word) == 0
    assert capsys.readouterr().out == f"svdmv {svdmv.__version__}\n"


def test_list_names_what_options_take(call: Call, capsys: Capture) -> None:
    from svdmv.io.meshes import EXPORTERS
    from svdmv.render import RENDERERS
    from svdmv.subject import SEGMENTERS

    assert call("list", "--json") == 0
    tables = json.loads(capsys.readouterr().out)
    named = {title.split("(")[-1].strip(")"): rows for title, rows in tables.items()}
    assert {"svdmv-mini"} <= set(named["--model"])
    assert {"hull"} <= set(named["--method"])
    assert set(SEGMENTERS) == set(named["--segmenter"])
    assert set(RENDERERS) <= set(named["--renderer"])
    assert set(EXPORTERS) <= set(named["export formats"])
    assert call("list") == 0
    said = capsys.readouterr().out
    assert all(f"  {name}" in said for rows in tables.values() for name in rows)


def test_doctor(call: Call, capsys: Capture) -> None:
    """Everything that `svdmv run` needs is on a machine that runs the tests."""
    assert call("doctor", "--json") == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert {row["state"] for row in rows.values()} <= {"ok", "absent"}
    assert rows["weights svdmv-mini"]["state"] == "ok"
    assert rows["package torch"]["state"] == "ok"
    assert {"device cpu", "device cuda", "disk here", "video H.264", "weights saliency"} <= set(rows)


def test_step_by_step(egg: Path, quick_run: Path, tmp_path: Path, call: Call, capsys: Capture) -> None:
    """generate, reconstruct, render, export: the same views and the same mesh as run makes in one go."""
    views, model = tmp_path / "views", tmp_path / "model"
    assert call("generate", egg, "-o", views, "--steps", 1) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"egg.png -> {views}: 21 views of ")
    assert "  note: elevation assumed: 10 degrees" in said
    ours, whole = digests(views), digests(quick_run)
    assert {n: d for n, d in ours.items() if n.startswith("views/")} == {
        n: d for n, d in whole.items() if n.startswith("views/")
    }

    words = ("reconstruct", views, "-o", model, "--method", "quick", "--faces", 500, "--texture-size", 64)
    assert call(*words) == 0
    assert f"views -> {model / 'mesh.glb'}: " in capsys.readouterr().out
    assert sorted(p.name for p in model.iterdir()) == ["mesh.glb", "provenance.json", "texture_origin.png"]
    assert call(*words) == 2
    assert "not empty" in capsys.readouterr().err
    assert call(*words, "--overwrite", "--quiet") == 0

    turned = tmp_path / "turned"
    assert call("render", model / "mesh.glb", "-o", turned, "--size", 32, "--views", 4) == 0
    assert len(load_views(turned)) == 4

    other = tmp_path / "mesh.obj"
    assert call("export", model / "mesh.glb", "-o", other) == 0
    assert other.is_file()
    capsys.readouterr()
    assert call("export", model / "mesh.glb", "--check", "--json") in (0, 4)
    rows = json.loads(capsys.readouterr().out)
    assert all(set(row) == {"name", "ok", "value"} for row in rows)
    assert call("export", model / "mesh.glb", "--check", "--json", "--views", views) in (0, 4)
    again = {row["name"]: row["value"] for row in json.loads(capsys.readouterr().out)}["faces the picture"]
    recorded = {row["name"]: row["value"] for row in rows}["faces the picture"]
    assert again.endswith("rendered again")
    assert recorded.endswith("as recorded")
    assert again.split(",")[0] == recorded.split(",")[0]  # the same figures, in dB

    turn = ("export", model / "mesh.glb", "-o", tmp_path / "turn.webp", "--frames", 3, "--size", 32, "--transparent")
    assert call(*turn) == 0
    small = ("export", model / "mesh.glb", "-o", tmp_path / "small.glb", "--metres", 0.2, "--lods", "200,60")
    assert call(*small, "--delight") == 0
    for name, most in (("small_lod1.glb", 200), ("small_lod2.glb", 60)):
        assert len(read_asset(tmp_path / name).mesh.faces) <= most
    assert np.ptp(read_asset(tmp_path / "small_lod2.glb").mesh.bounds, axis=0).max() == pytest.approx(0.2, rel=0.1)
    assert call(*small, "--delight") == 2
    assert call("export", views, "--cameras", "colmap", "-o", tmp_path / "colmap") == 0
    assert (tmp_path / "colmap" / "sparse" / "0" / "images.bin").is_file()
    capsys.readouterr()
    assert call("export", model / "mesh.glb", "-o", tmp_path / "x.glb", "--lods", "3") == 2
    assert "no levels of detail" in capsys.readouterr().err
    assert not (tmp_path / "x.glb").exists()


def test_overwriting_one_commands_files_leaves_the_others(
    quick_run: Path, tmp_path: Path, call: Call, capsys: Capture
) -> None:
    """A model in OUT survives that its own renders go there."""
    import shutil

    copy = Path(shutil.copytree(quick_run, tmp_path / "out"))
    mesh = (copy / "mesh.glb").read_bytes()
    assert call("render", copy / "mesh.glb", "-o", copy, "--size", 16, "--views", 2, "--overwrite", "-q") == 0
    assert (copy / "mesh.glb").read_bytes() == mesh
    assert len(load_views(copy)) == 2
    assert len(read_video(copy / "turntable.mp4")[0]) == 42
    assert capsys.readouterr().out == ""
