"""From samples to pixels: the filter, the sRGB steps, and which part of a picture is worked on at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.io.colour import linear_from_srgb

FILTER_WIDTH_PX = 3.0
SAMPLES_AT_ONCE = 2_000_000
MARGIN_PX = 8  # rows that neighbouring bands share: more than filter and smoothing reach; keeps blocks aligned


@lru_cache(maxsize=8)
def filter_weights(ss: int) -> tuple[NDArray[np.float32], int]:
    """One axis of the Blackman-Harris pixel filter on the sample grid, summing to 1, and how many samples it starts
    before the pixel. FILTER_WIDTH_PX wide, which is Blender's "1.5"."""
    reach = int(np.ceil((FILTER_WIDTH_PX - 1) / 2 * ss))
    x = (np.arange(ss + 2 * reach) - reach + 0.5) / ss - 0.5
    t = 2 * np.pi * (x / FILTER_WIDTH_PX + 0.5)
    weights = 0.35875 - 0.48829 * np.cos(t) + 0.14128 * np.cos(2 * t) - 0.01168 * np.cos(3 * t)
    weights = np.where(abs(x) < FILTER_WIDTH_PX / 2, weights, 0)
    return (weights / weights.sum()).astype(np.float32), reach


@lru_cache(maxsize=1)
def srgb_steps() -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """thresholds (255,): linear values at which the rounded sRGB byte grows by one; guesses (1025,): a byte that is
    not above the byte of n / 1024."""
    thresholds = linear_from_srgb((np.arange(255) + 0.5) / 255).astype(np.float32)
    guesses = np.searchsorted(thresholds, np.arange(1025) / 1024, side="right")
    return thresholds, guesses.astype(np.uint8)


@dataclass(frozen=True)
class Part:
    """Pixels top .. bottom - 1 of columns left .. right - 1 are sampled; rows first .. last - 1 are finished."""

    top: int
    bottom: int
    left: int
    right: int
    first: int
    last: int

    def sample_shape(self, ss: int) -> tuple[int, int]:
        """Rows and columns of samples."""
        return (self.bottom - self.top) * ss, (self.right - self.left) * ss

    def screen(self, pixels: NDArray[np.float64], ss: int) -> NDArray[np.float64]:
        """(V, 3) places in pixels of the picture, as samples of this part; the third column stays."""
        return np.ascontiguousarray((pixels - np.array([self.left, self.top, 0.0])) * np.array([ss, ss, 1.0]))


def parts_of(screen: NDArray[Any], width: int, height: int, ss: int) -> Iterator[Part]:
    """Bands that together cover what points (V, 3) in pixels can reach in a picture; none when they are all outside.

    Points whose third column is not above 0 are behind the camera and do not count.
    """
    seen = screen[screen[:, 2] > 0, :2]
    if not len(seen):
        return
    low = np.floor(np.clip(seen.min(0), 0, (width, height))).astype(int)
    high = np.ceil(np.clip(seen.max(0), 0, (width, height))).astype(int)
    left, right, top, bottom = int(low[0]), int(high[0]), int(low[1]), int(high[1])
    if right <= left or bottom <= top:
        return
    rows = max(MARGIN_PX, SAMPLES_AT_ONCE // ((right - left) * ss * ss) // MARGIN_PX * MARGIN_PX)
    if bottom - top <= rows + MARGIN_PX:
        rows = bottom - top
    for start in range(top, bottom, rows):
        end = min(start + rows, bottom)
        first = max(0, top - 2) if start == top else start  # the filter spills over the edge
        last = min(height, bottom + 2) if end == bottom else end
        yield Part(max(top, start - MARGIN_PX), min(bottom, end + MARGIN_PX), left, right, first, last)
