"""Compiled pass over the views of an orbit: the counts that the reject rules ask for."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True, nogil=True)
def count_kernel(rgba: Any, counts: Any) -> None:
    """For each view of (N, H, W, 4) uint8 a row of counts (N, 8) int64: pixels with alpha above 127, the largest alpha
    on the picture's edge, and over the former pixels the sums of R, G, B and of their squares."""
    views, height, width, _ = rgba.shape
    for n in range(views):
        for y in range(height):
            for x in range(width):
                alpha = rgba[n, y, x, 3]
                if alpha > counts[n, 1] and (y == 0 or x == 0 or y == height - 1 or x == width - 1):
                    counts[n, 1] = alpha
                if alpha > 127:
                    counts[n, 0] += 1
                    for c in range(3):
                        value = int(rgba[n, y, x, c])
                        counts[n, 2 + c] += value
                        counts[n, 5 + c] += value * value
