"""The folder of a run holds what is promised, and every file in it is what it says."""

from __future__ import annotations

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from PIL import Image
from quick_runs import BLUE, GREEN, OUTPUTS, QUICK, RED, draw_picture

import svdmv
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.io.meshes import read_asset
from svdmv.io.pictures import read_picture
from svdmv.io.run_folder import OUTPUTS as DOCUMENTED
from svdmv.io.video import read_video
from svdmv.io.views import load_views
from svdmv.pipeline import RunSettings, run_picture
from svdmv.render import render_views
from svdmv.subject import frame_subject

STAGES = ("load model", "frame", "generate", "reconstruct", "orbit video", "turntable")


@pytest.fixture(scope="module")
def folder(egg: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the method that users get."""
    settings = RunSettings(**{**QUICK, "method": "auto", "steps": 2, "seed": 3})
    return run_picture(egg, tmp_path_factory.mktemp("layout") / "a b ü", settings).folder


@pytest.fixture(scope="module")
def provenance(folder: Path) -> dict[str, Any]:
    """provenance.json."""
    values: dict[str, Any] = json.loads((folder / "provenance.json").read_text("utf-8"))
    return values


def test_all_that_is_promised_and_nothing_else(folder: Path) -> None:
    assert sorted(p.name for p in folder.iterdir()) == OUTPUTS == sorted(DOCUMENTED)
    assert sorted(p.name for p in (folder / "views").iterdir()) == [f"{k:03d}.png" for k in range(21)]


def test_the_framed_picture_keeps_its_pixels_and_the_texture_is_baked_from_it(tmp_path: Path) -> None:
    """Stripes too fine for the network's size are in the texture."""
    rgba = np.asarray(Image.open(draw_picture(tmp_path / "egg.png", size=600))).copy()
    rgba[:, (np.arange(600) // 6) % 2 == 0, :3] = 255
    Image.fromarray(rgba).save(tmp_path / "striped.png")
    settings = RunSettings(**{**QUICK, "texture_size": 1024})
    made = run_picture(tmp_path / "striped.png", tmp_path / "out", settings).folder
    with Image.open(made / "input.png") as image:
        assert image.size[0] > 500
    asset = read_asset(made / "mesh.glb")
    views = load_views(made)
    assert views.orbit is not None
    camera = views.orbit.cameras(512, 512)[0]
    row = render_views(asset, [camera], shading="unlit").images[0, 300, 200:312].astype(float).mean(-1)
    assert np.abs(np.diff(row)).sum() > 8 * 60  # up and down more than eight times


def test_views_are_rgba_and_the_first_is_the_framed_input(folder: Path, egg: Path) -> None:
    info = load_checkpoint("svdmv-mini").info
    for path in sorted((folder / "views").iterdir()):
        with Image.open(path) as image:
            assert (image.mode, image.size) == ("RGBA", (info.image_size, info.image_size))
    framed = frame_subject(
        read_picture(egg), size=info.image_size, foreground_ratio=info.framing.foreground_ratio
    ).rgba.astype(int)
    first = np.asarray(Image.open(folder / "views" / "000.png")).astype(int)
    np.testing.assert_array_equal(first[..., 3], framed[..., 3])
    assert np.abs(first - framed)[framed[..., 3] > 0].max() <= 1


def test_cameras_load_here_and_have_what_nerfstudio_reads(folder: Path) -> None:
    views = load_views(folder)
    assert views.orbit is not None
    np.testing.assert_allclose(views.orbit.azimuths_deg, np.arange(21) * 360 / 21)
    np.testing.assert_allclose(views.orbit.elevations_deg, 10)
    tree = json.loads((folder / "transforms.json").read_text("utf-8"))
    assert {"fl_x", "fl_y", "cx", "cy", "w", "h", "frames"} <= set(tree)
    assert len(tree["frames"]) == 21
    for frame in tree["frames"]:
        assert (folder / frame["file_path"]).is_file()
        pose = np.array(frame["transform_matrix"])
        np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-6)


def test_the_orbit_video_shows_the_views(folder: Path) -> None:
    frames, _ = read_video(folder / "orbit.mp4")
    assert frames.shape == (21, 256, 256, 3)
    views = load_views(folder).on_background()
    side = views.shape[1]
    shown = frames.reshape(21, side, 256 // side, side, 256 // side, 3).mean((2, 4)) / 255
    apart = np.abs(shown - views).mean((1, 2, 3))
    assert apart.max() < 0.02
    assert np.abs(shown - np.roll(views, 1, 0)).mean((1, 2, 3)).min() > 2 * apart.min(), "the order would not be seen"


def test_the_turntable_shows_the_mesh_on_white(folder: Path) -> None:
    frames, _ = read_video(folder / "turntable.mp4")
    assert frames.shape == (42, 256, 256, 3)
    assert (frames[:, 128, 128].min(-1) < 240).all()
    assert (frames[:, 2, 2] > 245).all()


def test_the_turntable_begins_with_the_input_view(folder: Path) -> None:
    """Blue above; below, the left is redder than the right and the right greener than the left."""
    first = read_video(folder / "turntable.mp4")[0][0].astype(float)
    assert nearest(first[80, 128]) == 0
    left, right = first[150:180, 80:110].mean((0, 1)), first[150:180, 146:176].mean((0, 1))
    assert left[0] - left[1] > 20 + right[0] - right[1]


def nearest(colour: Any) -> int:
    """0 BLUE, 1 RED, 2 GREEN: by hue."""
    rows = np.array([BLUE, RED, GREEN], float)
    rows, colour = rows - rows.mean(1, keepdims=True), np.asarray(colour, float) - np.mean(colour)
    return int((rows @ colour / np.linalg.norm(rows, axis=1)).argmax())


def test_the_mesh_stands_upright_and_faces_the_viewer(folder: Path) -> None:
    """Read by trimesh: +Y is up, +Z shows what the picture shows, +X is the picture's right."""
    mesh = trimesh.load(folder / "mesh.glb", force="mesh")
    assert len(mesh.faces) <= QUICK["faces"]
    texture = np.asarray(mesh.visual.material.baseColorTexture.convert("RGB"))
    assert texture.shape[:2] == (QUICK["texture_size"],) * 2
    uv = mesh.visual.uv
    columns, rows = (np.clip((value * 64).astype(int), 0, 63) for value in (uv[:, 0], 1 - uv[:, 1]))
    found = np.array([nearest(colour) for colour in texture[rows, columns].astype(float)])
    middle = mesh.bounds.mean(0)
    x, y, _ = ((mesh.vertices - middle) / (mesh.bounds[1] - mesh.bounds[0])).T
    front = mesh.vertex_normals[:, 2] > 0.7
    for where, colour in (((y > 0.12), 0), ((y < -0.12) & (x < -0.1), 1), ((y < -0.12) & (x > 0.1), 2)):
        assert (front & where).sum() >= 3
        assert (found[front & where] == colour).mean() > 0.6


def test_the_mesh_carries_its_story(folder: Path, provenance: dict[str, Any]) -> None:
    data = (folder / "mesh.glb").read_bytes()
    length = struct.unpack_from("<I", data, 12)[0]
    story = json.loads(data[20 : 20 + length])["asset"]["extras"]["svdmv"]
    for name in ("model", "weights_sha256", "licence", "settings", "input", "photo_consistency"):
        assert story[name] == provenance[name]


def test_the_preview_shows_the_input(folder: Path) -> None:
    with Image.open(folder / "preview.png") as image:
        assert image.width > 3 * image.height
        side = image.height
        corner = np.asarray(image.convert("RGB"))[:, :side].astype(float)
    assert nearest(corner[int(0.35 * side), side // 2]) == 0
    assert nearest(corner[int(0.65 * side), int(0.42 * side)]) == 1
    assert nearest(corner[int(0.65 * side), int(0.58 * side)]) == 2


def test_provenance_tells_all(folder: Path, provenance: dict[str, Any], egg: Path) -> None:
    info = load_checkpoint("svdmv-mini").info
    assert provenance["svdmv"] == svdmv.__version__
    assert {"python", "torch", "diffusers", "numpy"} <= set(provenance["versions"])
    assert (provenance["model"], provenance["licence"]) == (info.name, info.licence)
    assert provenance["weights_sha256"] == info.sha256
    assert len(info.sha256) == 64
    assert provenance["sampling"]["seed"] == provenance["settings"]["seed"] == 3
    assert provenance["sampling"]["num_steps"] == 2
    assert set(provenance["settings"]) == set(RunSettings.__dataclass_fields__)
    assert provenance["input"]["sha256"] == hashlib.sha256(egg.read_bytes()).hexdigest()
    assert provenance["input"]["segmenter"] == "alpha"
    assert provenance["elevation"]["degrees"] == 10
    assert provenance["elevation"]["error_deg"] > 0
    assert any("elevation assumed" in note for note in provenance["notes"])
    assert set(provenance["stages"]) == set(STAGES)
    for row in provenance["stages"].values():
        assert row["seconds"] >= 0
        assert 50 < row["peak_memory_mb"] < 8000
    assert provenance["seconds"] == pytest.approx(sum(r["seconds"] for r in provenance["stages"].values()), abs=0.02)
    assert provenance["peak_memory_mb"] == max(r["peak_memory_mb"] for r in provenance["stages"].values())
    assert provenance["photo_consistency"]["foreground_psnr_db"] > 8
    assert 0.5 < provenance["photo_consistency"]["iou"] <= 1
    assert sorted(provenance["files"]) == OUTPUTS
