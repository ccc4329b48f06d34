"""Structural similarity of many pictures, down the columns, then along the rows, in float32 around mid grey.

Variances do not change when 0.5 is taken off both pictures, and squares of numbers below 0.5 lose less in float32.
Imported on first use because numba is heavy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange


@njit
def _differing(first: Any, second: Any, channels: int) -> tuple[int, int, int, int]:
    """First and last row, first and last column where two pictures differ; (1, 0, 1, 0) where they do not."""
    height, row = first.shape
    top, bottom, left, right = height, -1, row, -1
    for i in range(height):
        for j in range(row):
            if first[i, j] != second[i, j]:
                top, bottom = min(top, i), i
                left, right = min(left, j), max(right, j)
    if bottom < 0:
        return 1, 0, 1, 0
    return top, bottom, left // channels, right // channels


@njit
def _similarity_sum(first: Any, second: Any, channels: int, weights: Any, k1: Any, k2: Any, box: Any) -> float:
    """Sum of the index over the windows whose top left pixel lies in the box (rows, columns; ends included)."""
    start, stop = box[2] * channels, (box[3] + len(weights)) * channels
    row, inner = stop - start, (box[3] - box[2] + 1) * channels
    down, across = np.empty((5, row), np.float32), np.empty((5, inner), np.float32)
    a, b, aa, bb, ab = down[0], down[1], down[2], down[3], down[4]
    half, two, total = np.float32(0.5), np.float32(2), 0.0
    for top in range(box[0], box[1] + 1):
        down[:] = np.float32(0)
        for k in range(len(weights)):
            w, one, other = weights[k], first[top + k, start:stop], second[top + k, start:stop]
            for j in range(row):
                x, y = one[j] - half, other[j] - half
                wx, wy = w * x, w * y
                a[j] += wx
                b[j] += wy
                aa[j] += wx * x
                bb[j] += wy * y
                ab[j] += wx * y
        across[:] = np.float32(0)
        for m in range(5):
            line = across[m]
            for k in range(len(weights)):
                w, shifted = weights[k], down[m, k * channels : k * channels + inner]
                for j in range(inner):
                    line[j] += w * shifted[j]
        for j in range(inner):
            x, y = across[0, j], across[1, j]
            covariance = across[4, j] - x * y
            variances = (across[2, j] - x * x) + (across[3, j] - y * y)
            x, y = x + half, y + half
            above = (two * x * y + k1) * (two * covariance + k2)
            across[0, j] = above / ((x * x + y * y + k1) * (variances + k2))
        for j in range(inner):
            total += across[0, j]
    return total


@njit(cache=True, parallel=True, nogil=True)
def ssim_of_pictures(first: Any, second: Any, channels: int, weights: Any, c1: float, c2: float) -> Any:
    """(N,) float64: mean over the places where the whole window lies inside, and over channels.

    Windows in which the pictures are equal have the index 1 and are counted, not computed.

    Args:
        first, second: (N, H, W * channels) float32 in [0, 1]. weights: (K,) float32 of the window, sum 1.
    """
    count, height, row = first.shape
    last_top, last_left = height - len(weights), row // channels - len(weights)
    places = (last_top + 1) * (last_left + 1)
    scores = np.ones(count, np.float64)
    for n in prange(count):
        top, bottom, left, right = _differing(first[n], second[n], channels)
        if bottom >= top:
            reach = len(weights) - 1
            box = (max(top - reach, 0), min(bottom, last_top), max(left - reach, 0), min(right, last_left))
            found = _similarity_sum(first[n], second[n], channels, weights, np.float32(c1), np.float32(c2), box)
            computed = (box[1] - box[0] + 1) * (box[3] - box[2] + 1)
            scores[n] = (found / channels + places - computed) / places
    return scores
