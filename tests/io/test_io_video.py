"""Video out and in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from svdmv.core import DataError, InputError
from svdmv.io.video import read_video, write_video


def clip(count: int, height: int, width: int) -> np.ndarray:
    """Smooth colour ramps with a bar that moves two pixels a frame."""
    y, x = np.mgrid[:height, :width]
    frame = np.stack([x * 200 // width + 30, y * 200 // height + 30, np.full_like(x, 90)], -1).astype(np.uint8)
    frames = np.repeat(frame[None], count, 0)
    for i in range(count):
        frames[i, :, 2 * i : 2 * i + 8] = 255
    return frames


@pytest.mark.parametrize("size", [(48, 64), (47, 65)])
def test_frames_come_back_close_in_order_and_in_number(tmp_path: Path, size: tuple[int, int]):
    frames = clip(9, *size)
    write_video(tmp_path / "x.mp4", frames, 7)
    again, fps = read_video(tmp_path / "x.mp4")
    assert fps == 7
    assert again.shape == (9, size[0] + size[0] % 2, size[1] + size[1] % 2, 3)
    error = np.abs(again[:, : size[0], : size[1]].astype(int) - frames)
    assert error.mean() < 3
    for i in range(9):  # every frame is nearest to itself
        distances = [np.abs(again[i, : size[0], : size[1]].astype(int) - f).mean() for f in frames]
        assert int(np.argmin(distances)) == i
    assert [p.name for p in tmp_path.iterdir()] == ["x.mp4"]


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (128, 128, 128)])
def test_plain_colours_survive(tmp_path: Path, colour: tuple[int, int, int]):
    write_video(tmp_path / "x.mp4", np.full((2, 32, 32, 3), colour, np.uint8), 10)
    again, _ = read_video(tmp_path / "x.mp4")
    np.testing.assert_allclose(again.reshape(-1, 3).mean(0), colour, atol=4)


def test_players_find_what_they_need(tmp_path: Path):
    av = pytest.importorskip("av")
    write_video(tmp_path / "x.mp4", clip(3, 32, 32), 29.97)
    with av.open(str(tmp_path / "x.mp4")) as box:
        stream = box.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert float(stream.average_rate) == pytest.approx(29.97, abs=0.001)
    data = (tmp_path / "x.mp4").read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # plays while it loads


def test_equal_frames_give_equal_bytes(tmp_path: Path):
    for name in "ab":
        write_video(tmp_path / f"{name}.mp4", clip(4, 32, 32), 10)
    assert (tmp_path / "a.mp4").read_bytes() == (tmp_path / "b.mp4").read_bytes()


@pytest.mark.parametrize(
    ("frames", "fps"),
    [
        (np.zeros((0, 4, 4, 3), np.uint8), 10),
        (np.zeros((2, 4, 4, 4), np.uint8), 10),
        (np.zeros((2, 4, 4, 3), np.float32), 10),
        (np.zeros((2, 4, 4, 3), np.uint8), 0),
        (np.zeros((2, 4, 4, 3), np.uint8), float("nan")),
    ],
)
def test_what_is_no_clip_is_refused(tmp_path: Path, frames: np.ndarray, fps: float):
    with pytest.raises(DataError):
        write_video(tmp_path / "x.mp4", frames, fps)
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_refused(tmp_path: Path):
    write_video(tmp_path / "x.mp4", clip(5, 32, 32), 10)
    with pytest.raises(InputError, match="too long"):
        read_video(tmp_path / "x.mp4", max_frames=4)
    for data in (b"", b"words", (tmp_path / "x.mp4").read_bytes()[:200]):
        (tmp_path / "y.mp4").write_bytes(data)
        with pytest.raises(InputError, match="not a video"):
            read_video(tmp_path / "y.mp4")
    with pytest.raises(InputError, match="not there"):
        read_video(tmp_path / "absent.mp4")
    with pytest.raises(InputError, match="not there"):
        read_video(tmp_path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError):
        write_video(tmp_path / "file" / "x.mp4", clip(2, 32, 32), 10)
