"""Laws of framing: where the subject stands and how large it is in its picture does not matter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from svdmv.core import ConfigError, InputError
from svdmv.io.pictures import Picture
from svdmv.subject import frame_subject


def picture_of(rgba: np.ndarray) -> Picture:
    return Picture(rgba, bool((rgba[..., 3] < 255).any()), (), "0" * 64, Path("made.png"))


def blob(height: int = 60, width: int = 90, seed: int = 0) -> np.ndarray:
    """An off-centre, antialiased, two-lobed coloured shape that fills its array up to the borders."""
    y, x = np.mgrid[0:height, 0:width] + 0.5
    body = 1 - np.hypot((x - 0.4 * width) / (0.4 * width), (y - 0.5 * height) / (0.5 * height))
    head = 1 - np.hypot((x - 0.8 * width) / (0.2 * width), (y - 0.4 * height) / (0.3 * height))
    alpha = (np.maximum(body, head) * 20).clip(0, 1)
    low = np.random.default_rng(seed).integers(40, 215, (6, 9, 3)).astype(np.uint8)
    colour = np.asarray(Image.fromarray(low).resize((width, height), Image.Resampling.BILINEAR))
    return np.dstack([colour, np.rint(alpha * 255).astype(np.uint8)])


def on_canvas(rgba: np.ndarray, height: int, width: int, top: int, left: int) -> np.ndarray:
    canvas = np.zeros((height, width, 4), np.uint8)
    canvas[top : top + rgba.shape[0], left : left + rgba.shape[1]] = rgba
    return canvas


def on_white(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:] / 255
    return rgba[..., :3] * alpha + 255 * (1 - alpha)


def framed(rgba: np.ndarray, size: int = 128, ratio: float = 0.85, **options: object) -> np.ndarray:
    return frame_subject(picture_of(rgba), size=size, foreground_ratio=ratio, **options).rgba


@settings(max_examples=15, deadline=None)
@given(top=st.integers(0, 140), left=st.integers(0, 110))
def test_place_in_the_picture_does_not_matter(top: int, left: int) -> None:
    want = framed(on_canvas(blob(), 200, 200, 70, 55))
    got = framed(on_canvas(blob(), 200, 200, top, left))
    assert np.abs(got.astype(int) - want.astype(int)).max() <= 1


def test_picture_around_the_subject_does_not_matter() -> None:
    want = framed(on_canvas(blob(), 62, 92, 1, 1))
    got = framed(on_canvas(blob(), 300, 120, 200, 7))
    assert np.abs(got.astype(int) - want.astype(int)).max() <= 1


def test_size_in_the_picture_does_not_matter() -> None:
    large = on_canvas(blob(240, 360), 400, 400, 90, 20)
    half = np.asarray(Image.fromarray(large).convert("RGBa").reduce(2).convert("RGBA"))
    difference = np.abs(on_white(framed(large, 64)) - on_white(framed(half, 64)))
    assert difference.mean() < 1.0
    assert np.quantile(difference, 0.99) < 20


@pytest.mark.parametrize("ratio", [0.5, 0.85, 1.0])
@pytest.mark.parametrize("shape", [(60, 90), (90, 60), (20, 150)])
def test_longer_side_fills_the_ratio_and_the_box_is_centred(shape: tuple[int, int], ratio: float) -> None:
    solid = np.full((*shape, 4), (200, 30, 60, 255), np.uint8)
    result = framed(on_canvas(solid, 260, 200, 11, 23), 160, ratio)
    rows, columns = np.nonzero(result[..., 3] > 127)
    sides = np.array([np.ptp(rows) + 1, np.ptp(columns) + 1])
    assert abs(sides.max() - ratio * 160) <= 1
    assert abs(sides.min() / sides.max() - min(shape) / max(shape)) < 0.02
    assert abs(rows.min() + rows.max() + 1 - 160) <= 1
    assert abs(columns.min() + columns.max() + 1 - 160) <= 1


def test_centroid_moves_with_the_recorded_window() -> None:
    source = on_canvas(blob(), 200, 240, 30, 90)
    result = frame_subject(picture_of(source), size=128, foreground_ratio=0.85)

    def centroid(rgba: np.ndarray) -> np.ndarray:
        weight = rgba[..., 3].astype(float)
        y, x = np.mgrid[0 : rgba.shape[0], 0 : rgba.shape[1]] + 0.5
        return np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()

    left, top, right, bottom = result.crop_box_px
    assert right - left == pytest.approx(bottom - top)
    assert result.scale == pytest.approx(128 / (right - left))
    want = (centroid(source) - (left, top)) * result.scale
    np.testing.assert_allclose(centroid(result.rgba), want, atol=0.1)


def test_area_scales_with_the_square() -> None:
    source = on_canvas(blob(), 200, 240, 30, 90)
    result = frame_subject(picture_of(source), size=128, foreground_ratio=0.85)
    assert result.rgba[..., 3].sum() == pytest.approx(source[..., 3].sum() * result.scale**2, rel=0.01)


@pytest.mark.parametrize("size", [32, 100, 300])
def test_flat_colour_stays_flat_up_to_the_rim(size: int) -> None:
    flat = blob()
    flat[..., :3] = (201, 33, 97)
    flat[flat[..., 3] == 0] = (0, 255, 0, 0)  # a colour that must not bleed in
    result = framed(on_canvas(flat, 150, 150, 40, 30), size)
    assert np.abs(result[result[..., 3] > 0][:, :3].astype(int) - (201, 33, 97)).max() == 0


def test_nothing_shines_outside_the_rim() -> None:
    solid = np.full((64, 64, 4), 255, np.uint8)
    result = framed(on_canvas(solid, 100, 100, 18, 18), 200, 0.5)
    assert result[:48, :, 3].max() == 0
    assert result[:, :48, 3].max() == 0


def test_colour_under_zero_alpha_is_white() -> None:
    result = framed(on_canvas(blob(), 200, 200, 70, 55))
    assert (result[result[..., 3] == 0] == (255, 255, 255, 0)).all()


def test_mirrored_picture_gives_the_mirrored_frame() -> None:
    source = on_canvas(blob(), 151, 202, 30, 71)
    straight, mirrored = framed(source, 97), framed(np.ascontiguousarray(source[:, ::-1]), 97)
    assert np.abs(straight[:, ::-1].astype(int) - mirrored.astype(int)).max() <= 1


@pytest.mark.parametrize("size", [64, 128, 300])
def test_framing_a_framed_picture_changes_nothing(size: int) -> None:
    once = framed(on_canvas(blob(), 200, 240, 30, 90), size)
    np.testing.assert_array_equal(framed(once, size), once)


def test_another_size_of_a_framed_picture_is_its_reduction() -> None:
    once = framed(on_canvas(blob(240, 360), 400, 400, 30, 20), 256)
    reduced = np.asarray(Image.fromarray(once).convert("RGBa").reduce(2).convert("RGBA"))
    assert np.abs(on_white(framed(once, 128)) - on_white(reduced)).mean() < 1.0


def test_specks_are_ignored_and_named() -> None:
    clean = on_canvas(blob(), 300, 300, 100, 100)
    dusty = clean.copy()
    dusty[5:7, 5:7] = 255
    result = frame_subject(picture_of(dusty), size=128, foreground_ratio=0.85)
    np.testing.assert_array_equal(result.rgba, framed(clean))
    assert any("1 speck" in note for note in result.notes)


def test_two_objects_are_both_kept() -> None:
    both = on_canvas(blob(), 200, 300, 20, 10)
    both[120:180, 190:280] = blob(seed=1)
    result = framed(both)
    assert result[..., 3].sum() > 0.9 * 2 * blob()[..., 3].sum() * (0.85 * 128 / 270) ** 2


def test_half_transparent_export_is_made_solid() -> None:
    source = on_canvas(blob(), 200, 200, 70, 55)
    faint = source.copy()
    faint[..., 3] = source[..., 3] // 2
    result = frame_subject(picture_of(faint), size=128, foreground_ratio=0.85)
    assert np.abs(result.rgba[..., 3].astype(int) - framed(source)[..., 3]).max() <= 3
    assert any("scaled up" in note for note in result.notes)


def test_subject_cut_off_by_the_border_is_framed_with_a_note() -> None:
    solid = np.full((80, 60, 4), 255, np.uint8)
    result = frame_subject(picture_of(on_canvas(solid, 100, 100, 20, 40)), size=64, foreground_ratio=0.85)
    assert any("cut off" in note and "right" in note and "bottom" in note for note in result.notes)
    free = frame_subject(picture_of(on_canvas(solid, 120, 120, 20, 40)), size=64, foreground_ratio=0.85)
    assert not free.notes


def test_small_subject_is_enlarged_with_a_note() -> None:
    source = on_canvas(blob(12, 18), 300, 300, 200, 9)
    result = frame_subject(picture_of(source), size=256, foreground_ratio=0.85)
    assert any("enlarged" in note for note in result.notes)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 1)])
def test_subject_of_a_few_pixels_is_refused_with_its_size(shape: tuple[int, int]) -> None:
    solid = np.full((*shape, 4), 255, np.uint8)
    with pytest.raises(InputError, match="too small") as caught:
        framed(on_canvas(solid, 40, 40, 5, 5))
    assert f"{shape[1]}x{shape[0]} px" in str(caught.value)
    assert "made.png" in str(caught.value)


@pytest.mark.parametrize("shape", [(1, 1, 4), (2, 3, 4), (1, 2000, 4)])
def test_picture_of_a_few_pixels_is_refused(shape: tuple[int, int, int]) -> None:
    with pytest.raises(InputError):
        framed(np.full(shape, 200, np.uint8))


def test_fully_transparent_picture_is_refused() -> None:
    with pytest.raises(InputError, match="fully transparent"):
        framed(np.zeros((50, 50, 4), np.uint8))


def test_flat_picture_is_refused() -> None:
    with pytest.raises(InputError, match="Nothing stands in front"):
        framed(np.full((50, 50, 4), (10, 120, 30, 255), np.uint8))


def test_alpha_asked_for_but_opaque_is_refused() -> None:
    with pytest.raises(InputError, match="does not cut anything out"):
        framed(np.full((50, 50, 4), 255, np.uint8), segmenter="alpha")


@pytest.mark.parametrize(
    "options",
    [{"size": 0}, {"size": 1.5}, {"ratio": 0.0}, {"ratio": 1.01}, {"ratio": float("nan")}, {"segmenter": "magic"}],
)
def test_settings_out_of_range_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        framed(on_canvas(blob(), 200, 200, 70, 55), **options)
    assert caught.value.seen is not None
    assert caught.value.expected
