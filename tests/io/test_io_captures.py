"""Photos with cameras of other programs: COLMAP text and binary, Middlebury's tables, lenses that bend."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from svdmv.core import Camera, DataError, InputError
from svdmv.io.captures import cameras_from_par, frames_from_capture
from svdmv.io.colmap import read_colmap
from svdmv.io.distortion import Distortion, undistorted
from svdmv.io.pictures import write_png
from svdmv.io.views import load_views

CAMERAS_TXT = "# comment\n3 OPENCV 80 60 50 55 40 30 0.1 0.2 0.01 0.02\n4 SIMPLE_PINHOLE 80 60 50 40 30\n"
HALF = 0.5**0.5
IMAGES_TXT = f"""# two lines a picture
1 1 0 0 0 0 0 2 3 b.jpg
1.0 2.0 -1 3.0 4.0 5
2 {HALF} 0 {HALF} 0 1 0 0 4 sub folder/a b.jpg

"""


def text_model(folder: Path, cameras: str = CAMERAS_TXT, images: str = IMAGES_TXT) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cameras.txt").write_text(cameras)
    (folder / "images.txt").write_text(images)


def photo(path: Path, size: tuple[int, int] = (80, 60), value: int = 90) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, np.full((size[1], size[0], 3), value, np.uint8))


def test_text_model_known_answer(tmp_path: Path) -> None:
    text_model(tmp_path)
    made = read_colmap(tmp_path)
    assert list(made.cameras) == ["b.jpg", "sub folder/a b.jpg"]
    assert made.cameras["b.jpg"].K.tolist() == [[50, 0, 40], [0, 55, 30], [0, 0, 1]]
    np.testing.assert_allclose(made.cameras["b.jpg"].world_from_camera[:3, 3], [0, 0, -2])
    # a quarter turn about +Y takes world +Z to camera +X: the camera looks along world -X
    np.testing.assert_allclose(made.cameras["sub folder/a b.jpg"].world_from_camera[:3, 2], [-1, 0, 0], atol=1e-12)
    assert made.distortions["b.jpg"] == Distortion((0.1, 0.2, 0.01, 0.02))
    assert not made.distortions["sub folder/a b.jpg"]
    assert made.distortion == 0.1


@pytest.mark.parametrize(
    ("model", "values", "expected"),
    [
        (3, [50, 40, 30, 0.1, 0.2], Distortion((0.1, 0.2))),
        (5, [50, 55, 40, 30, 1, 2, 3, 4], Distortion((1, 2, 3, 4), fisheye=True)),
        (6, [50, 55, 40, 30, 1, 2, 3, 4, 5, 6, 7, 8], Distortion((1, 2, 3, 4, 5, 6, 7, 8))),
        (9, [50, 40, 30, 0.1, 0.2], Distortion((0.1, 0.2), fisheye=True)),
    ],
)
def test_binary_lenses(tmp_path: Path, model: int, values: list[float], expected: Distortion) -> None:
    lens = struct.pack("<QiiQQ", 1, 7, model, 80, 60) + struct.pack(f"<{len(values)}d", *values)
    (tmp_path / "cameras.bin").write_bytes(lens)
    pose = struct.pack("<Qidddddddi", 1, 1, 1, 0, 0, 0, 0, 0, 0, 7) + b"a\0" + struct.pack("<Q", 0)
    (tmp_path / "images.bin").write_bytes(pose)
    assert read_colmap(tmp_path).distortions == {"a": expected}


@pytest.mark.parametrize(
    ("cameras", "images", "said"),
    [
        (CAMERAS_TXT.replace("OPENCV", "FOV").replace(" 0.1 0.2 0.01 0.02", " 0.1"), IMAGES_TXT, "FOV"),
        (CAMERAS_TXT.replace(" 0.02", ""), IMAGES_TXT, "7 parameters"),
        (CAMERAS_TXT, IMAGES_TXT.replace("2 3 b", "2 9 b"), "9"),
        (CAMERAS_TXT, IMAGES_TXT.replace("1 1 0 0 0 0", "1 nan 0 0 0 0"), "images"),
        (CAMERAS_TXT, "1 2 3\n", "3 words"),
        ("3 LENS 80 60 50", IMAGES_TXT, "LENS"),
    ],
)
def test_damaged_text_models_are_refused(tmp_path: Path, cameras: str, images: str, said: str) -> None:
    text_model(tmp_path, cameras, images)
    with pytest.raises(DataError, match=said):
        read_colmap(tmp_path)


def test_folder_with_a_colmap_model_becomes_upright_views(tmp_path: Path) -> None:
    """COLMAP's first camera is the world: its up is -Y. Photos were halved and are named in capitals."""
    images = "1 1 0 0 0 0 0 2 4 A.JPG\n\n2 1 0 0 0 1 0 2 4 b.JPG\n\n"
    text_model(tmp_path / "sparse" / "0", images=images)
    for name in ("a.png", "b.png", "c.png"):
        photo(tmp_path / "images" / name, (40, 30))
    views = load_views(tmp_path)
    assert len(views) == 2
    assert views.size == (40, 30)
    assert views.alphas is None
    camera = views.cameras[0]
    assert camera.K.tolist() == [[25, 0, 20], [0, 25, 15], [0, 0, 1]]
    np.testing.assert_allclose(-camera.world_from_camera[:3, 1], [0, 1, 0], atol=1e-12)
    np.testing.assert_allclose(camera.position, [0, 0, 2], atol=1e-12)  # (0, 0, -2) after half a turn about X
    np.testing.assert_allclose(views.cameras[1].position, [-1, 0, 2], atol=1e-12)
    notes = " / ".join(views.provenance["source"]["notes"])
    assert "1 photos in images have no camera" in notes
    assert "scaled to 40x30" in notes
    assert "turned" in notes
    np.testing.assert_array_equal(load_views(tmp_path / "sparse" / "0").images, views.images)


def test_photos_that_are_absent_or_cropped_are_refused(tmp_path: Path) -> None:
    text_model(tmp_path, images="1 1 0 0 0 0 0 2 4 a.png\n\n2 1 0 0 0 1 0 2 4 b.png\n\n")
    with pytest.raises(InputError, match="2 of 2 absent"):
        load_views(tmp_path)
    photo(tmp_path / "images" / "a.png")
    with pytest.raises(InputError, match=r"1 of 2 absent, the first: b\.png"):
        load_views(tmp_path)
    for name in ("a.png", "b.png"):
        photo(tmp_path / "images" / name, (60, 60))
    with pytest.raises(InputError, match="does not fit its camera"):
        load_views(tmp_path)


PAR = (
    "2\nx01.png 80 0 40 0 90 30 0 0 1 1 0 0 0 1 0 0 0 1 0 0 2\nx02.png 80 0 40 0 90 30 0 0 1 0 0 -1 0 1 0 1 0 0 0 1 2\n"
)


def test_middlebury_table_known_answer(tmp_path: Path) -> None:
    made = cameras_from_par(PAR, {"x02.png": (80, 60)})
    assert list(made) == ["x02.png"]
    camera = made["x02.png"]
    assert camera.K.tolist() == [[80, 0, 40], [0, 90, 30], [0, 0, 1]]
    # R sends world (1, 0, 0) to camera (0, 0, 1); the eye is -R^T t = -(2, 1, 0)
    np.testing.assert_allclose(camera.world_from_camera[:3, 2], [1, 0, 0])
    np.testing.assert_allclose(camera.position, [-2, -1, 0])
    (tmp_path / "x_par.txt").write_text(PAR)
    photo(tmp_path / "images" / "x02.png")
    views = load_views(tmp_path)
    np.testing.assert_allclose(views.cameras[0].world_from_camera, camera.world_from_camera)
    assert "1 cameras of x_par.txt have no photo here and are left out" in views.provenance["source"]["notes"]


@pytest.mark.parametrize("damage", ["", "2\n", "1\nx01.png 1 2 3\n", PAR.replace("80 0 40", "80 0 none")])
def test_damaged_tables_are_refused(damage: str) -> None:
    with pytest.raises(DataError, match="table of cameras"):
        cameras_from_par(damage, {"x01.png": (80, 60), "x02.png": (80, 60)})


def test_folder_without_cameras_is_none(tmp_path: Path) -> None:
    assert frames_from_capture(tmp_path, []) is None
    with pytest.raises(InputError, match="no COLMAP model"):
        load_views(tmp_path)


def test_distortion_known_answers() -> None:
    """k1 = 0.1 at (0.6, 0.8): r = 1, radial 1.1. Tangential p1 = 0.01: (2 p1 x y, p1 (r2 + 2 y2))."""
    point = np.array([[0.6, 0.8]])
    np.testing.assert_allclose(Distortion((0.1,)).distorted(point), [[0.66, 0.88]])
    np.testing.assert_allclose(Distortion((0, 0, 0.01)).distorted(point), [[0.6096, 0.8228]])
    np.testing.assert_allclose(Distortion((0, 0, 0, 0, 0, 1.0)).distorted(point), [[0.3, 0.4]])
    quarter = np.pi / 4  # the angle of r = 1; without coefficients a fisheye's radius is the angle
    np.testing.assert_allclose(Distortion((), True).distorted(point), [[0.6 * quarter, 0.8 * quarter]])
    np.testing.assert_allclose(Distortion((0.5,), True).distorted(point * 0), [[0, 0]])


@pytest.mark.parametrize("lens", [Distortion((0.2, 0.05, 0.01, -0.02)), Distortion((0.05,), fisheye=True)])
def test_a_bent_photo_of_a_ramp_comes_back_straight(lens: Distortion) -> None:
    """The photo of a scene whose level is 100 + 80 x + 40 y of the direction (x, y), solved for every pixel by Newton-
    like steps; undone, the level is again linear in the pixels."""
    camera = Camera(np.array([[60.0, 0, 40], [0, 60, 30], [0, 0, 1]]), np.eye(4), 80, 60)
    v, u = np.meshgrid(np.arange(60) + 0.5, np.arange(80) + 0.5, indexing="ij")
    seen = np.stack([(u - 40) / 60, (v - 30) / 60], -1)
    straight = seen.copy()
    for _ in range(200):
        straight += 0.5 * (seen - lens.distorted(straight))
    assert np.abs(lens.distorted(straight) - seen).max() < 1e-6
    bent = (100 + 80 * straight[..., 0] + 40 * straight[..., 1])[..., None].round().astype(np.uint8)
    made, farthest = undistorted(bent, camera, lens)
    expected = 100 + 80 * seen[..., 0] + 40 * seen[..., 1]
    inner = (slice(8, -8), slice(8, -8))
    assert np.abs(made[..., 0] - expected)[inner].max() < 1.5
    assert np.abs(bent[..., 0] - expected)[inner].max() > 2
    assert farthest > 2
    same, still = undistorted(bent, camera, Distortion(()))
    np.testing.assert_array_equal(same, bent)
    assert still == pytest.approx(0, abs=1e-9)
