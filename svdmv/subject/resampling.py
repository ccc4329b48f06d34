"""Antialiased cutting of a square window out of an RGBA picture, correct in alpha."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

BICUBIC_REACH_PX = 2  # support of the filter at scale 1; its outer lobes are negative, so alpha gains no outer ring
OPAQUE = 255.0


def resample_window(
    rgba: NDArray[np.uint8], left: float, top: float, side: float, size: int, *, background: int = 255
) -> NDArray[np.uint8]:
    """The square window of a picture at another size; what lies outside the picture is transparent.

    The filter (Catmull-Rom, widened for reduction) runs on premultiplied values, so colours under zero alpha never
    bleed in and a flat colour stays exactly flat at a soft rim.

    Args:
        rgba: (H, W, 4) uint8 sRGB, straight alpha.
        left, top: the window's corner in picture pixels (first pixel centre at 0.5), may be negative.
        side: the window's side in picture pixels.
        size: output side in pixels.
        background: grey level written under zero alpha, so that a reader who drops alpha sees the usual white.

    Returns:
        (size, size, 4) uint8 sRGB, straight alpha.
    """
    height, width = rgba.shape[:2]
    reach = math.ceil(BICUBIC_REACH_PX * max(side / size, 1.0)) + 1
    x0, y0 = math.floor(left) - reach, math.floor(top) - reach
    x1, y1 = math.ceil(left + side) + reach, math.ceil(top + side) + reach
    inner = rgba[max(y0, 0) : min(y1, height), max(x0, 0) : min(x1, width)]
    at_y, at_x = max(-y0, 0), max(-x0, 0)
    box = (left - x0, top - y0, left - x0 + side, top - y0 + side)

    def resampled(values: NDArray[np.float32]) -> NDArray[np.float32]:
        canvas = np.zeros((y1 - y0, x1 - x0), np.float32)
        canvas[at_y : at_y + inner.shape[0], at_x : at_x + inner.shape[1]] = values
        picture = Image.fromarray(canvas).resize((size, size), Image.Resampling.BICUBIC, box=box)
        return np.asarray(picture, np.float32)

    coverage = inner[..., 3].astype(np.float32) / OPAQUE
    alpha = resampled(coverage)
    result = np.full((size, size, 4), background, np.uint8)
    result[..., 3] = np.rint(alpha.clip(0, 1) * OPAQUE)
    seen = result[..., 3] > 0
    for channel in range(3):
        premultiplied = resampled(inner[..., channel] * coverage)
        result[..., channel][seen] = np.rint((premultiplied[seen] / alpha[seen]).clip(0, 255))
    return result


def reduced(pixels: NDArray[np.uint8], longest_side: int) -> tuple[NDArray[np.uint8], float]:
    """An RGB picture made smaller so that its longer side is at most `longest_side` pixels.

    Returns:
        (h, w, 3) uint8 and the factor new pixels per old pixel along x (1.0 when nothing was done).
    """
    height, width = pixels.shape[:2]
    factor = longest_side / max(height, width)
    if factor >= 1:
        return pixels, 1.0
    new_width, new_height = max(round(width * factor), 1), max(round(height * factor), 1)
    small = Image.fromarray(pixels).resize((new_width, new_height), Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(small), factor


def resized_mask(mask: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """A soft mask at another size: (h, w) float32 in [0, 1] -> (height, width), bicubic, clipped."""
    picture = Image.fromarray(mask).resize((width, height), Image.Resampling.BICUBIC)
    return np.asarray(picture, np.float32).clip(0, 1)
