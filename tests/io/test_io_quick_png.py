"""Quick PNG files: what is written is what any reader reads."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from svdmv.core import DataError
from svdmv.io.quick_png import quick_png_bytes


@pytest.mark.parametrize("shape", [(1, 1), (7, 5), (9, 4, 3), (33, 17, 4), (1, 300, 4), (300, 1, 3)])
def test_another_reader_finds_the_same_pixels(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for pixels in (rng.integers(0, 256, shape, np.uint8), np.zeros(shape, np.uint8)):
        data = quick_png_bytes(pixels)
        with Image.open(io.BytesIO(data)) as image:
            np.testing.assert_array_equal(np.asarray(image), pixels)
        assert data == quick_png_bytes(pixels.copy())


def test_a_smooth_picture_on_nothing_gets_small() -> None:
    y, x = np.indices((200, 200))
    ball = (x - 100) ** 2 + (y - 100) ** 2 < 60**2
    grain = np.random.default_rng(0).integers(-2, 3, (200, 200, 3))
    shade = np.stack([x, y, x // 2 + 50], -1) + grain
    pixels = np.where(ball[..., None], np.concatenate([shade, np.full((200, 200, 1), 255)], -1), 0).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", compress_level=6)
    assert len(quick_png_bytes(pixels)) < 1.2 * len(buffer.getvalue())


@pytest.mark.parametrize("array", [np.zeros((0, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4), float)])
def test_what_no_png_can_hold_is_refused(array: np.ndarray) -> None:
    with pytest.raises(DataError):
        quick_png_bytes(array)
