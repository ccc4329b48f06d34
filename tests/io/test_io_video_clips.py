"""Pieces of videos: frames at chosen places are those of the whole, clips are copied without coding anew."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from svdmv.core import DataError, InputError
from svdmv.io.video_clips import VideoIndex, copy_clip, each_frame, frames_at, video_index

NUM_FRAMES, GROUP = 30, 8


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """30 frames whose grey tells their number, a key frame every 8, B-frames in between."""
    path = tmp_path_factory.mktemp("video") / "grey.mp4"
    with av.open(str(path), "w", "mp4") as box:
        stream = box.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.options = {"crf": "4", "bf": "2", "x264-params": f"keyint={GROUP}:min-keyint={GROUP}:scenecut=0"}
        for n in range(NUM_FRAMES):
            box.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 8 * n, np.uint8), format="rgb24")))
        box.mux(stream.encode(None))
    return path


def numbers_of(frames: np.ndarray) -> list[int]:
    return [round(float(frame.mean()) / 8) for frame in frames]


def test_the_index_knows_times_and_key_frames_without_decoding(video: Path) -> None:
    index = video_index(video)
    assert len(index) == NUM_FRAMES
    assert index.keyframes.tolist() == [0, 8, 16, 24]
    assert index.times_s == pytest.approx(np.arange(NUM_FRAMES) / 10)
    assert (index.fps, index.width, index.height) == (10, 64, 48)


def test_chosen_frames_are_those_of_the_whole(video: Path) -> None:
    whole = np.stack(list(each_frame(video)))
    assert numbers_of(whole) == list(range(NUM_FRAMES))
    index = video_index(video)
    for wanted in ([0], [29], [17, 3, 17], [9, 10, 23]):
        np.testing.assert_array_equal(frames_at(index, wanted), whole[wanted])
    assert frames_at(index, [5], short_side_px=24).shape == (1, 24, 32, 3)
    with pytest.raises(DataError):
        frames_at(index, [NUM_FRAMES])


@pytest.mark.parametrize(("start", "stop"), [(0, 30), (8, 16), (16, 27), (24, 30)])
def test_a_copied_clip_holds_its_frames_bit_for_bit(video: Path, tmp_path: Path, start: int, stop: int) -> None:
    index = video_index(video)
    written = copy_clip(index, start, stop, tmp_path / "clip.mp4")
    clip = np.stack(list(each_frame(tmp_path / "clip.mp4")))
    assert written == len(clip)
    assert stop - start - 2 <= written <= stop - start  # two B-frames may need what lies behind the end
    np.testing.assert_array_equal(clip, frames_at(index, range(start, start + written)))


def test_a_clip_begins_at_a_key_frame_or_not_at_all(video: Path, tmp_path: Path) -> None:
    index = video_index(video)
    for start, stop in ((3, 9), (8, 8), (24, 31)):
        with pytest.raises(DataError):
            copy_clip(index, start, stop, tmp_path / "no.mp4")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_video_is_one_sentence(tmp_path: Path, video: Path) -> None:
    with pytest.raises(InputError, match="not there"):
        video_index(tmp_path / "absent.mp4")
    bad = tmp_path / "bad.mp4"
    bad.write_bytes(b"<html>" * 100)
    with pytest.raises(InputError, match="not a video"):
        video_index(bad)
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[:400])
    with pytest.raises(InputError):
        list(each_frame(cut))
    whole = video_index(video)
    longer = VideoIndex(video, np.arange(40) / 10, whole.keyframes, 10.0, 64, 48)
    with pytest.raises(InputError, match="do not decode"):
        frames_at(longer, [39])
