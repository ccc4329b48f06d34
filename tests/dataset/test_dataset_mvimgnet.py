"""MVImgNet's folders, on a stand-in of their layout: nothing replaced or mirrored, portraits turned with poses."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from svdmv.core import Camera, DataError, InputError
from svdmv.dataset.mvimgnet import MvImgNetVideo, mvimgnet_videos, mvimgnet_views, turned_camera

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "io"))

from test_io_colmap import write_model

IDENTITY = [1.0, 0, 0, 0]


def write_video(folder: Path, count: int, *, size: tuple[int, int] = (60, 80), poses: int | None = None) -> None:
    """`count` pictures of width x height `size`, numbered names; COLMAP knows `poses` of them."""
    (folder / "images").mkdir(parents=True)
    for n in range(count):
        shade = np.full((size[1], size[0], 3), 5 * n, np.uint8)
        shade[0, 0] = 255
        Image.fromarray(shade).save(folder / "images" / f"{n + 1}.png")
    known = count if poses is None else poses
    if known:
        steps = np.cumsum([0.0, *(1.0 if n < known // 2 else 3.0 for n in range(known - 1))])
        model = {f"{n + 1}.png": (IDENTITY, [-float(steps[n]), 0, 0]) for n in reversed(range(known))}
        write_model(folder / "sparse" / "0", model)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_video(tmp_path / "7" / "0a", 25, size=(80, 60))
    write_video(tmp_path / "7" / "0b", 25, poses=0, size=(80, 60))
    write_video(tmp_path / "12" / "0c", 9, size=(80, 60))
    (tmp_path / "mvimgnet_category.txt").write_text("7,stove\n12,bear doll\n")
    return tmp_path


def by_id(root: Path) -> dict[str, MvImgNetVideo]:
    return {video.id: video for video in mvimgnet_videos(root)}


def test_the_layout_is_read_with_names_and_in_the_order_of_numbers(root: Path) -> None:
    videos = by_id(root)
    assert list(videos) == ["12/0c", "7/0a", "7/0b"]
    assert videos["12/0c"].category == "bear doll"
    assert [p.name for p in videos["7/0a"].frames][:3] == ["1.png", "2.png", "3.png"]
    assert videos["7/0a"].frames[9].name == "10.png"
    assert videos["7/0b"].model is None
    assert {video.split() for video in videos.values()} <= {"train", "test"}
    assert {video.split({"train": 0.0, "test": 1.0}) for video in videos.values()} == {"test"}


def test_pictures_are_even_along_the_cameras_way(root: Path) -> None:
    pictures, views = mvimgnet_views(by_id(root)["7/0a"], 5)
    assert views is not None
    centres = np.stack([c.world_from_camera[:3, 3] for c in views.cameras])[:, 0]
    total = 12 + 3 * 12
    assert centres == pytest.approx(np.linspace(0, total, 5), abs=1.5)
    numbers = (pictures[:, 30, 40, 0] / 5).round().astype(int)
    way = np.cumsum([0.0, *(1.0 if n < 12 else 3.0 for n in range(24))])
    assert way[numbers] == pytest.approx(centres)
    assert views.provenance["frames"] == [f"{n + 1}.png" for n in numbers]
    assert views.provenance["lens_distortion_left_in"] == 0.02
    assert views.provenance["turned_ccw_deg"] == 0


def test_portraits_are_turned_with_their_cameras(tmp_path: Path) -> None:
    write_video(tmp_path / "1" / "up", 6, size=(60, 80))
    video = by_id(tmp_path)["1/up"]
    with pytest.raises(DataError, match="one aspect"):
        mvimgnet_views(video, 3)  # the stand-in's lens is 80x60
    lens = tmp_path / "1" / "up" / "sparse" / "0" / "cameras.bin"
    data = bytearray(lens.read_bytes())
    data[16:32] = np.array([60, 80], np.uint64).tobytes()
    lens.write_bytes(bytes(data))
    pictures, views = mvimgnet_views(video, 3)
    assert pictures.shape == (3, 60, 80, 3)
    assert (pictures[:, 59, 0] == 255).all()  # the first pixel of a row goes to the foot of the first column
    assert views is not None
    assert views.provenance["turned_ccw_deg"] == 90
    upright, kept = mvimgnet_views(video, 3, landscape=False, short_side_px=30)
    assert upright.shape == (3, 40, 30, 3)
    assert kept is not None
    assert kept.cameras[0].K[0, 0] == pytest.approx(25)


def test_a_turned_camera_sees_every_point_where_the_turned_picture_shows_it() -> None:
    camera = Camera.looking_at((1, 2, 3), (0.1, 0, 0), 50, 60, 80)
    camera = Camera(camera.K + np.array([[0, 0, 3.0], [0, 4, -2], [0, 0, 0]]), camera.world_from_camera, 60, 80)
    turned = turned_camera(camera)

    def pixel(view: Camera, point: np.ndarray) -> np.ndarray:
        local = np.linalg.inv(view.world_from_camera) @ np.append(point, 1)
        return np.asarray((view.K @ local[:3])[:2] / local[2])

    for point in np.random.default_rng(0).normal(size=(10, 3)):
        x, y = pixel(camera, point)
        assert pixel(turned, point) == pytest.approx([y, 60 - x])
    assert (turned.width, turned.height) == (80, 60)


def test_a_video_without_cameras_gives_pictures_alone(root: Path) -> None:
    pytest.importorskip("cv2", reason='needs opencv: pip install ".[test]"')
    pictures, views = mvimgnet_views(by_id(root)["7/0b"], 5)
    assert pictures.shape == (5, 60, 80, 3)
    assert views is None
    numbers = (pictures[:, 30, 40, 0] / 5).round().astype(int)
    assert (numbers[0], numbers[-1]) == (0, 24)


def test_short_and_broken_videos_are_named_and_never_replaced(root: Path) -> None:
    with pytest.raises(InputError, match="at least 21"):
        mvimgnet_views(by_id(root)["12/0c"])
    (root / "7" / "0d" / "images").mkdir(parents=True)
    with pytest.raises(InputError, match="0d"):
        mvimgnet_videos(root)
    (root / "7" / "0d" / "images").rmdir()
    images = root / "7" / "0a" / "sparse" / "0" / "images.bin"
    images.write_bytes(images.read_bytes()[:50])
    with pytest.raises(DataError):
        mvimgnet_views(by_id(root)["7/0a"], 5)
    with pytest.raises(InputError, match="layout"):
        mvimgnet_videos(root / "7" / "0a" / "sparse")
    with pytest.raises(InputError, match="not there"):
        mvimgnet_videos(root / "absent")
