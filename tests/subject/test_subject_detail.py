"""The picture with all its pixels in the place of its small copy."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from svdmv.core import InputError, Orbit, ViewSet
from svdmv.io.pictures import Picture, write_png
from svdmv.io.run_folder import DETAIL_NAME, detail_in
from svdmv.subject import frame_subject
from svdmv.subject.resampling import resample_window


def picture(side: int) -> Picture:
    """A disc with fine stripes, off centre."""
    y, x = np.mgrid[:side, :side] + 0.5
    inside = np.hypot(x - 0.4 * side, y - 0.45 * side) < 0.3 * side
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[..., :3] = np.where((x // 4) % 2 == 0, 30, 220)[..., None]
    rgba[..., 3] = np.where(inside, 255, 0)
    return Picture(rgba, True, (), "0" * 64, Path("made.png"))


def framed(side: int, detail_px: int):  # type: ignore[no-untyped-def]
    return frame_subject(picture(side), size=64, foreground_ratio=0.7, detail_px=detail_px)


def test_detail_is_the_same_frame_with_more_pixels() -> None:
    """Reduced to the network's size it is the framed picture; its stripes are still there."""
    made = framed(800, 256)
    assert made.detail.shape == (256, 256, 4)
    small = resample_window(made.detail, 0, 0, 256, 64)
    assert np.abs(small.astype(int) - made.rgba)[8:-8, 8:-8].mean() < 2
    inside = made.detail[..., 3] == 255
    assert made.detail[inside][:, 0].std() > 1.5 * made.rgba[made.rgba[..., 3] == 255][:, 0].std()


def test_detail_never_enlarges_the_picture() -> None:
    assert len(framed(800, 4096).detail) == int(0.6 * 800 / 0.7)
    assert len(framed(60, 1024).detail) == 64
    assert np.array_equal(framed(60, 1024).detail, framed(60, 1024).rgba)
    assert np.array_equal(framed(800, 0).detail, framed(800, 0).rgba)


def views_of(size: int) -> ViewSet:
    rng = np.random.default_rng(0)
    rgba = rng.integers(0, 255, (5, size, size, 4), np.uint8)
    orbit = Orbit.static(10, 5)
    return ViewSet(rgba[..., :3], orbit.cameras(size, size), rgba[..., 3], orbit=orbit)


def test_a_picture_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    views = views_of(16)
    write_png(tmp_path / DETAIL_NAME, np.zeros((8, 8, 4), np.uint8))
    assert detail_in(tmp_path, views) is None
    named = ViewSet(views.images, views.cameras, views.alphas, provenance={"input": {"detail": DETAIL_NAME}})
    with pytest.raises(InputError, match="does not belong"):
        detail_in(tmp_path, named)
    (tmp_path / DETAIL_NAME).unlink()
    with pytest.raises(InputError):
        detail_in(tmp_path, named)
