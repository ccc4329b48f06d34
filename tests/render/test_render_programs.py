"""Cycles and Mitsuba behind the door: cameras, missing programs, and, where they are there, the same picture."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest
from render_solids import WHITE, box_mesh, quad_asset

from svdmv.core import Asset, Camera, ConfigError, Material, MissingDependency, ViewSet
from svdmv.render import RENDERERS, render_views
from svdmv.render.cycles import PROGRAM_VARIABLE, blender_camera, blender_command, border_of, with_normals

LEAST_PSNR_DB = 30.0  # on the object, at 48 px and few samples; noise of the path tracers included


def scene() -> tuple[Asset, list[Camera]]:
    """A textured plastic box and a camera whose axis is off the middle."""
    box = box_mesh((-0.4, -0.3, -0.2), (0.3, 0.4, 0.4))
    colors = np.random.default_rng(1).integers(40, 256, (8, 3), np.uint8)
    mesh = with_normals(Asset(box)).mesh
    index = np.abs(mesh.vertices[:, None] - box.vertices[None]).sum(-1).argmin(1)
    camera = Camera.looking_at((0.8, 0.6, 1.5), (0, 0, 0), 33.8, 48, 40)
    K = camera.K.copy()
    K[:2, 2] += (4, -3)
    material = Material(base_color_factor_linear=(1, 1, 1, 1), roughness=0.6)
    asset = Asset(type(mesh)(mesh.vertices, mesh.faces, mesh.normals, None, colors[index]), (material,))
    return asset, [Camera(K, camera.world_from_camera, 48, 40)]


def psnr(a: ViewSet, b: ViewSet) -> float:
    assert b.alphas is not None
    error = (a.on_background() - b.on_background())[b.alphas > 0]
    return float(-10 * np.log10((error**2).mean()))


def test_blenders_camera_projects_to_the_same_pixels() -> None:
    """Blender's rules written out: lens over sensor width, shifts in widths, tall pixels; world (x, -z, y)."""
    plain = Camera.looking_at((0.9, 0.7, 1.4), (0, 0.05, 0), 35, 64, 48)
    K = np.array([[70.0, 0, 29.5], [0, 90.0, 21.0], [0, 0, 1]])
    camera = Camera(K, plain.world_from_camera, 64, 48)
    row = blender_camera(camera)
    points = np.random.default_rng(0).uniform(-0.4, 0.4, (20, 3))
    in_blender = np.stack([points[:, 0], -points[:, 2], points[:, 1]], 1)
    local = (in_blender - np.array(row["matrix"])[:3, 3]) @ np.array(row["matrix"])[:3, :3]
    assert (local[:, 2] < 0).all()  # it looks along -Z
    plane = local[:, :2] / -local[:, 2:] * row["lens_mm"] / 36.0 - np.array(row["shift"])  # in widths, y up
    tall = row["aspect"][1] / row["aspect"][0]
    pixels = np.stack([64 * (0.5 + plane[:, 0]), 24 - 64 * plane[:, 1] / tall], 1)
    np.testing.assert_allclose(pixels, camera.project(points)[0], atol=1e-6)
    assert min(row["aspect"]) == 1


def test_the_border_around_a_model_holds_all_of_it() -> None:
    """Shares of the picture from the left and from the bottom; as the whole picture where the model leaves it."""
    camera = Camera.looking_at((0, 0, 2), (0, 0, 0), 33.8, 100, 80)
    corners = np.array([[-0.1, -0.2, 0.0], [0.3, 0.1, 0.0]])
    left, right, bottom, top = border_of(camera, corners) or []
    places = camera.project(corners)[0]
    assert 100 * left == np.floor(places[:, 0].min()) - 3
    assert 100 * right == np.ceil(places[:, 0].max()) + 3
    assert 80 * (1 - top) == pytest.approx(np.floor(places[:, 1].min()) - 3)
    assert 80 * (1 - bottom) == pytest.approx(np.ceil(places[:, 1].max()) + 3)
    assert border_of(camera, corners * 40) == [0, 1, 0, 1]
    assert border_of(camera, np.array([[0, 0, 3.0]])) is None


def test_a_missing_blender_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv(PROGRAM_VARIABLE, raising=False)
    with pytest.raises(MissingDependency, match=PROGRAM_VARIABLE):
        blender_command()
    monkeypatch.setenv(PROGRAM_VARIABLE, str(tmp_path / "nowhere"))
    with pytest.raises(MissingDependency, match="nowhere"):
        render_views(*scene(), renderer="cycles")


def test_blender_and_a_python_with_bpy_are_called_in_their_own_ways(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, words in (("blender", 6), ("python3", 2)):
        program = tmp_path / name
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        monkeypatch.setenv(PROGRAM_VARIABLE, str(program))
        command = blender_command()
        assert len(command) == words
        assert any(word.endswith("blender_job.py") for word in command)


def test_a_program_that_fails_says_its_last_words(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from svdmv.core import SvdmvError

    program = tmp_path / "blender"
    program.write_text("#!/bin/sh\necho out of luck\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv(PROGRAM_VARIABLE, str(program))
    with pytest.raises(SvdmvError, match="out of luck"):
        render_views(*scene(), renderer="cycles")


@pytest.mark.parametrize("name", ["cycles", "mitsuba"])
def test_shadings_that_others_do_not_know_are_refused(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    program = tmp_path / "blender"
    program.write_text("#!/bin/sh\nexit 3\n")
    program.chmod(0o755)
    monkeypatch.setenv(PROGRAM_VARIABLE, str(program))
    assert name in RENDERERS
    with pytest.raises(ConfigError, match="shading"):
        render_views(quad_asset(WHITE), scene()[1], renderer=name, shading="unlit")


@pytest.mark.skipif(PROGRAM_VARIABLE not in os.environ, reason="SVDMV_BLENDER names no Blender")
@pytest.mark.parametrize("shading", ["matte", "pbr"])
def test_cycles_shows_the_same_picture(shading: str) -> None:
    asset, cameras = scene()
    ours, theirs = (
        render_views(asset, cameras, light="sky", shading=shading, renderer=r, exposure_stops=-0.5, supersampling=ss)  # type: ignore[arg-type]
        for r, ss in (("raster", 3), ("cycles", 1))
    )
    assert psnr(ours, theirs) > LEAST_PSNR_DB
    assert theirs.depths is not None


@pytest.mark.skipif(importlib.util.find_spec("mitsuba") is None, reason="mitsuba is not installed")
def test_mitsuba_shows_the_same_picture() -> None:
    asset, cameras = scene()
    ours, theirs = (
        render_views(asset, cameras, light="sky", shading="matte", renderer=r, exposure_stops=-0.5, supersampling=ss)
        for r, ss in (("raster", 3), ("mitsuba", 1))
    )
    assert psnr(ours, theirs) > LEAST_PSNR_DB
    assert theirs.depths is not None
