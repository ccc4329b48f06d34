"""Videos of objects: cuts, motion, blur, text, even steps along the path; on drawings with known answers."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

pytest.importorskip("cv2", reason='needs opencv: pip install ".[test]"')

from svdmv.core import InputError, MissingDependency
from svdmv.dataset import video_scores
from svdmv.dataset.video_scores import evenly_along, motion_steps, network_scores, sharpness, text_share
from svdmv.dataset.videos import (
    Clip,
    ObjectVideo,
    clips_of,
    cuts_in,
    frames_of,
    orbit_frames,
    picture_files,
    sampled,
    snapped,
    videos_in,
)
from svdmv.io.video import write_video


def texture(seed: int, height: int = 120, width: int = 160) -> np.ndarray:
    """A smooth random picture, larger than the frame that slides over it."""
    rng = np.random.default_rng(seed)
    rough = rng.uniform(0, 255, (height // 6, width // 3, 3)).astype(np.uint8)
    return np.asarray(Image.fromarray(rough).resize((2 * width, height), Image.Resampling.BICUBIC))


def slide(seed: int, steps: list[float] | np.ndarray, height: int = 120, width: int = 160) -> np.ndarray:
    """Frames that slide over a texture by the given steps, in pixels."""
    picture, places = texture(seed, height, width), np.round(np.concatenate([[0], np.cumsum(steps)])).astype(int)
    return np.stack([picture[:, x : x + width] for x in places])


@given(st.lists(st.floats(0, 10), min_size=5, max_size=60), st.integers(2, 6))
@settings(max_examples=60, deadline=None)
def test_even_steps_rise_from_the_first_to_the_last_and_take_no_frame_twice(steps: list[float], count: int) -> None:
    chosen = evenly_along(steps, count)
    assert (chosen[0], chosen[-1]) == (0, len(steps))
    assert (np.diff(chosen) > 0).all()


def test_even_steps_are_even_in_way_and_not_in_time() -> None:
    assert evenly_along(np.ones(20), 5).tolist() == [0, 5, 10, 15, 20]
    hurried = np.concatenate([np.full(40, 1.0), np.full(10, 4.0)])
    assert evenly_along(hurried, 5).tolist() == [0, 20, 40, 45, 50]
    paused = np.concatenate([np.ones(10), np.zeros(30), np.ones(10)])
    assert np.cumsum(np.append(0, paused))[evenly_along(paused, 5)].tolist() == [0, 5, 10, 15, 20]
    assert evenly_along(np.zeros(8), 3).tolist() == [0, 4, 8]
    with pytest.raises(InputError):
        evenly_along(np.ones(3), 5)


def test_motion_is_the_shift_over_the_short_side() -> None:
    steps = motion_steps(slide(0, [0, 3, 6]))
    assert steps[0] < 1e-3
    assert steps[1:] == pytest.approx([3 / 120, 6 / 120], rel=0.15)
    large = motion_steps(slide(0, [6], 240, 320))
    assert large[0] == pytest.approx(6 / 240, rel=0.2)


def test_blur_lowers_sharpness_and_contrast_does_not() -> None:
    sharp = texture(1)
    blurred = [np.asarray(Image.fromarray(sharp).filter(ImageFilter.GaussianBlur(r))) for r in (0, 1, 2, 4)]
    values = sharpness(np.stack(blurred))
    assert (np.diff(values) < 0).all()
    faint = (sharp.astype(float) * 0.5 + 60).astype(np.uint8)
    assert sharpness(faint[None])[0] == pytest.approx(values[0], rel=0.2)  # 8 bits round
    assert sharpness(np.full((1, 40, 40, 3), 9, np.uint8))[0] == 0


def test_text_is_found_where_there_is_some() -> None:
    pytest.importorskip("rapidocr", reason='needs rapidocr: pip install ".[test]"')
    from PIL import ImageFont

    page = Image.new("RGB", (320, 240), "white")
    for k in range(4):
        ImageDraw.Draw(page).text((20, 20 + 50 * k), "SALE TODAY ONLY", "black", ImageFont.load_default(32))
    plain = np.broadcast_to(np.linspace(40, 200, 320)[None, :, None], (240, 320, 3)).astype(np.uint8)
    thing = Image.new("RGB", (320, 240), "black")
    ImageDraw.Draw(thing).ellipse((80, 40, 240, 220), (180, 160, 130))
    shares = text_share(np.stack([np.asarray(page), plain, np.asarray(thing)]))
    assert 0.15 < shares[0] < 0.9
    assert shares[1:].tolist() == [0, 0]


def test_a_users_network_scores_pictures(saliency_weights: Path, tmp_path: Path) -> None:
    """The saliency network stands for any: the mean of its mask is larger for a picture with a thing in it."""
    pytest.importorskip("onnxruntime", reason='needs onnxruntime: pip install ".[test]"')
    disc = Image.new("RGB", (200, 200), (230, 230, 230))
    ImageDraw.Draw(disc).ellipse((50, 50, 150, 150), (200, 40, 40))
    frames = np.stack([np.asarray(disc), np.full((200, 200, 3), 230, np.uint8)])
    network = saliency_weights / "u2netp.onnx"
    scores = network_scores(frames, network)
    assert scores[0] > scores[1] + 0.05
    np.save(tmp_path / "d.npy", np.ones(3))
    with pytest.raises(InputError, match="cannot score"):
        network_scores(frames, network, tmp_path / "d.npy")
    with pytest.raises(InputError, match="not there"):
        network_scores(frames, tmp_path / "absent.onnx")


def test_hard_cuts_are_found_once_and_motion_is_none() -> None:
    pytest.importorskip("scenedetect", reason='needs scenedetect: pip install ".[test]"')
    shots = [slide(seed, np.full(n, 1.0)) for seed, n in ((0, 39), (5, 29), (9, 44))]
    assert cuts_in(np.concatenate(shots), 24.0) == [40, 70]
    assert cuts_in(shots[2], 24.0) == []


def test_a_slow_change_is_found_by_the_slow_passes() -> None:
    pytest.importorskip("scenedetect", reason='needs scenedetect: pip install ".[test]"')
    level = 20 + 220 * np.clip((np.arange(120) - 50) / 20, 0, 1)
    fade = np.broadcast_to(level[:, None, None, None], (120, 60, 80, 3)).astype(np.uint8)
    assert cuts_in(fade, 24.0, ((0.0, 27.0),)) == []
    found = cuts_in(fade, 24.0)
    assert len(found) == 1
    assert 48 <= found[0] <= 72


def test_spans_begin_at_key_frames() -> None:
    assert snapped([], [0, 10], 30) == [(0, 30)]
    assert snapped([12], [0, 10, 20], 30) == [(0, 12), (20, 30)]
    assert snapped([12, 15], [0, 10, 20], 30) == [(0, 12), (20, 30)]
    assert snapped([20], [0, 10, 20], 30) == [(0, 20), (20, 30)]


def test_videos_and_folders_of_pictures_are_listed(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", slide(0, np.ones(23)), 12)
    rings = tmp_path / "ring" / "images"
    rings.mkdir(parents=True)
    for n in (1, 2, 10):
        Image.fromarray(texture(n)[:, :90]).save(rings / f"img{n}.png")
    (tmp_path / "lonely").mkdir()
    Image.fromarray(texture(0)).save(tmp_path / "lonely" / "one.png")
    found = videos_in(tmp_path)
    assert [(v.id, v.is_folder) for v in found] == [("a.mp4", False), ("ring__images", True)]
    assert [p.name for p in picture_files(rings)] == ["img1.png", "img2.png", "img10.png"]
    assert frames_of(Clip(found[1], 0, 3), [2], short_side_px=60).shape == (1, 80, 60, 3)
    with pytest.raises(InputError, match="no video"):
        videos_in(tmp_path / "lonely")
    Image.fromarray(texture(0)).save(rings / "img11.png")
    with pytest.raises(InputError, match="differ in size"):
        frames_of(Clip(found[1], 0, 4), [0, 3])


def test_a_clip_of_a_file_from_cut_to_orbit(tmp_path: Path) -> None:
    pytest.importorskip("scenedetect", reason='needs scenedetect: pip install ".[test]"')
    pace = np.concatenate([np.full(20, 1.0), np.full(10, 4.0)])
    write_video(tmp_path / "v.mp4", np.concatenate([slide(3, pace) // 4 + 90, slide(8, np.ones(5))]), 12)
    long, short = clips_of(ObjectVideo("v", tmp_path / "v.mp4"))
    assert [(c.start, c.stop) for c in long] == [(0, 31)]
    assert all(c.start >= 31 for c in short)
    chosen = orbit_frames(long[0], 7)
    way = np.concatenate([[0], np.cumsum(pace)])[chosen]
    assert np.diff(way) == pytest.approx(10, abs=3.5)
    assert sampled(long[0])[:3] == [0, 6, 12]
    with pytest.raises(InputError, match="too short"):
        orbit_frames(long[0], 40)


def test_a_real_ring_of_photos_is_one_clip_and_its_frames_are_even(shared_data: Path) -> None:
    ring = shared_data / "multiview" / "temple_ring" / "images"
    (clip,), _ = clips_of(ObjectVideo("temple", ring), min_frames=10)
    frames = frames_of(clip, range(len(clip)), short_side_px=160)
    assert motion_steps(frames).mean() > 0.004
    chosen = orbit_frames(clip, 10)
    assert (chosen[0], chosen[-1]) == (0, len(clip) - 1)
    assert set(np.diff(chosen)) <= {1, 2, 3}


@pytest.mark.parametrize(
    ("module", "call"),
    [
        ("scenedetect.detectors", lambda: cuts_in([], 24.0)),
        ("rapidocr", lambda: text_share(np.zeros((1, 32, 32, 3), np.uint8))),
        ("cv2", lambda: motion_steps(np.zeros((2, 32, 32, 3), np.uint8))),
        ("onnxruntime", lambda: network_scores(np.zeros((1, 32, 32, 3), np.uint8), "x.onnx")),
    ],
)
def test_a_missing_package_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, module: str, call: Callable[[], object]
) -> None:
    video_scores._text_reader.cache_clear()
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingDependency, match=re.escape('pip install "svdmv[data]"')):
        call()
    video_scores._text_reader.cache_clear()
