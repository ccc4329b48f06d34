"""View folders: ours, and what other programs leave."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svdmv.core import InputError, Orbit, SvdmvError, ViewSet
from svdmv.io.pictures import write_png
from svdmv.io.transforms import transforms_from_cameras
from svdmv.io.views import load_views, save_views

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "multiview"


def shot(value: int, size: tuple[int, int] = (6, 4), alpha: int | None = None) -> np.ndarray:
    picture = np.full((size[1], size[0], 3 if alpha is None else 4), value, np.uint8)
    if alpha is not None:
        picture[..., 3] = alpha
    return picture


def foreign(folder: Path, names: list[str], **more: Any) -> dict[str, Any]:
    cameras = Orbit.static(10, len(names)).cameras(6, 4)
    tree = transforms_from_cameras(cameras, names)
    del tree["svdmv"]
    tree |= more
    (folder / "transforms.json").write_text(json.dumps(tree))
    return tree


def ours(folder: Path, **more: Any) -> ViewSet:
    orbit = Orbit.static(5, 3)
    views = ViewSet(np.stack([shot(i) for i in range(3)]), orbit.cameras(6, 4), orbit=orbit, **more)
    save_views(views, folder)
    return views


def test_the_layout_of_the_folder(tmp_path: Path):
    ours(tmp_path / "out", alphas=np.full((3, 4, 6), 9, np.uint8), depths=np.ones((3, 4, 6), np.float32))
    found = sorted(str(p.relative_to(tmp_path / "out")) for p in (tmp_path / "out").rglob("*") if p.is_file())
    assert found == ["geometry.npz", "transforms.json", "views/000.png", "views/001.png", "views/002.png"]
    tree = json.loads((tmp_path / "out" / "transforms.json").read_text())
    assert [f["file_path"] for f in tree["frames"]] == ["views/000.png", "views/001.png", "views/002.png"]
    assert set(tree["svdmv"]) == {"conventions", "alpha", "provenance", "orbit"}


def test_saving_again_replaces_every_view_and_touches_nothing_else(tmp_path: Path):
    ours(tmp_path, depths=np.ones((3, 4, 6), np.float32))
    (tmp_path / "mesh.glb").write_bytes(b"mine")
    orbit = Orbit.static(0, 2)
    save_views(ViewSet(np.stack([shot(7), shot(8)]), orbit.cameras(6, 4), orbit=orbit), tmp_path)
    again = load_views(tmp_path)
    assert again.images[:, 0, 0, 0].tolist() == [7, 8]
    assert again.depths is None
    assert (tmp_path / "mesh.glb").read_bytes() == b"mine"
    assert len(list((tmp_path / "views").iterdir())) == 2


def test_equal_views_give_equal_bytes(tmp_path: Path):
    depths = np.random.default_rng(0).random((3, 4, 6)).astype(np.float32)
    for name in "ab":
        ours(tmp_path / name, depths=depths)
    for path in (tmp_path / "a").rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_float_views_are_rounded_to_eight_bits(tmp_path: Path):
    orbit = Orbit.static(0, 1)
    images = np.full((1, 4, 6, 3), 0.5, np.float32)
    save_views(ViewSet(images, orbit.cameras(6, 4), alphas=images[..., 0], orbit=orbit), tmp_path)
    again = load_views(tmp_path)
    assert set(np.unique(again.images)) == {128}
    assert set(np.unique(again.alphas)) == {128}


def test_nerfstudio_folder_with_unsorted_names_and_masks(tmp_path: Path):
    names = ["images/f_10.png", "images/f_2.png", "images/f_1.png"]
    (tmp_path / "images").mkdir()
    for name, value in zip(names, (10, 2, 1), strict=True):
        write_png(tmp_path / name, shot(value))
    tree = foreign(tmp_path, names)
    views = load_views(tmp_path)
    assert views.images[:, 0, 0, 0].tolist() == [1, 2, 10]
    assert views.alphas is None
    assert views.orbit is None
    by_name = dict(zip(names, Orbit.static(10, 3).cameras(6, 4), strict=True))
    np.testing.assert_array_equal(views.cameras[0].world_from_camera, by_name["images/f_1.png"].world_from_camera)
    mask = np.zeros((4, 6), np.uint8)
    mask[1:3] = 255
    write_png(tmp_path / "mask.png", mask)
    tree["frames"][1]["mask_path"] = "mask.png"
    (tmp_path / "transforms.json").write_text(json.dumps(tree))
    views = load_views(tmp_path)
    np.testing.assert_array_equal(views.alphas[1], mask)
    assert (views.alphas[[0, 2]] == 255).all()


def test_nerf_folder_without_suffixes(tmp_path: Path):
    (tmp_path / "train").mkdir()
    write_png(tmp_path / "train" / "r_0.png", shot(50, (8, 8), alpha=100))
    matrix = [[1, 0, 0, 0], [0, 0, -1, -4], [0, 1, 0, 0], [0, 0, 0, 1]]
    tree = {"camera_angle_x": math.radians(40), "frames": [{"file_path": "./train/r_0", "transform_matrix": matrix}]}
    (tmp_path / "transforms_train.json").write_text(json.dumps(tree))
    views = load_views(tmp_path / "transforms_train.json")
    assert (views.alphas == 100).all()
    np.testing.assert_allclose(views.cameras[0].position, (0, 0, 4))
    assert views.cameras[0].fov_y_deg == pytest.approx(40)


def test_what_cannot_be_loaded_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="no view folder"):
        load_views(tmp_path)
    (tmp_path / "transforms.json").write_text("{ broken")
    with pytest.raises(InputError, match="damaged"):
        load_views(tmp_path)
    (tmp_path / "transforms.json").write_text("[1]")
    with pytest.raises(InputError, match="no transforms"):
        load_views(tmp_path)
    foreign(tmp_path, ["a.png", "b.png"])
    write_png(tmp_path / "a.png", shot(1))
    with pytest.raises(InputError, match="not there") as caught:
        load_views(tmp_path)
    assert "b.png" in str(caught.value.where)
    write_png(tmp_path / "b.png", shot(1, (4, 6)))
    with pytest.raises(InputError, match="differ in size"):
        load_views(tmp_path)
    (tmp_path / "b.png").write_bytes(b"<html></html>")
    with pytest.raises(InputError, match="web page"):
        load_views(tmp_path)


def test_damaged_folders_of_ours_are_refused(tmp_path: Path):
    ours(tmp_path, depths=np.ones((3, 4, 6), np.float32))
    data = (tmp_path / "geometry.npz").read_bytes()
    for broken in (b"", data[:60], b"x" * 50, data[:-30]):
        (tmp_path / "geometry.npz").write_bytes(broken)
        with pytest.raises(InputError):
            load_views(tmp_path)
    np.savez(tmp_path / "geometry.npz", depths=np.array([{"a": 1}], dtype=object))
    with pytest.raises(InputError, match="damaged"):
        load_views(tmp_path)  # a pickle inside is never opened
    np.savez(tmp_path / "geometry.npz", depths=np.ones((2, 4, 6), np.float32))
    with pytest.raises(SvdmvError, match="shape"):
        load_views(tmp_path)


@pytest.mark.parametrize(
    "orbit", [{}, 5, {"azimuths_deg": "x"}, {"azimuths_deg": [1], "elevations_deg": [99], "radius": 1, "fov_y_deg": 9}]
)
def test_a_damaged_orbit_is_refused(tmp_path: Path, orbit: Any):
    ours(tmp_path)
    path = tmp_path / "transforms.json"
    tree = json.loads(path.read_text())
    tree["svdmv"]["orbit"] = orbit
    path.write_text(json.dumps(tree))
    with pytest.raises(SvdmvError):
        load_views(tmp_path)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared captures are not here")
@pytest.mark.parametrize(("name", "count"), [("temple_sparse_ring", 16), ("dino_sparse_ring", 16)])
def test_real_captures_load_and_look_at_one_place(name: str, count: int):
    views = load_views(SHARED / name)
    assert len(views) == count
    assert views.size == (640, 480)
    # the point nearest to all optical axes lies in front of every camera
    normal, right = np.zeros((3, 3)), np.zeros(3)
    for camera in views.cameras:
        axis = camera.world_from_camera[:3, 2]
        across = np.eye(3) - np.outer(axis, axis)
        normal, right = normal + across, right + across @ camera.position
    meeting = np.linalg.solve(normal, right)
    for camera in views.cameras:
        pixels, depths = camera.project([meeting])
        assert depths[0] > 0
        assert np.abs(pixels[0] - (320, 240)).max() < 100
