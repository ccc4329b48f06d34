"""Composites, squared errors and distances of features, each in one pass.

Imported on first use because numba is heavy.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange


@njit(cache=True, parallel=True, nogil=True)
def composited(rgb: Any, alpha: Any, table: Any, out: Any) -> None:
    """Fill out (rows, W, 3) from rgb (rows, W, 3), alpha (rows, W) uint8; table: value under alpha, (256, 256)."""
    for n in prange(len(rgb)):
        for j in range(rgb.shape[1]):
            row = table[alpha[n, j]]
            for c in range(3):
                out[n, j, c] = row[rgb[n, j, c]]


@njit(cache=True, parallel=True, nogil=True)
def squared_error_maps(first: Any, second: Any, out: Any) -> None:
    """Fill out (pixels,) with the mean over the channels of two (pixels, 3) float32."""
    for n in prange(len(first)):
        a, b = first[n], second[n]
        x, y, z = np.float64(a[0] - b[0]), np.float64(a[1] - b[1]), np.float64(a[2] - b[2])
        out[n] = (x * x + y * y + z * z) / 3


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def feature_distance(first: Any, second: Any, box: Any, head: Any, least: float) -> Any:
    """Mean over the places of features (H, W, C) float32: squared differences of both at unit length, weighted.

    Args:
        box: (4,) first row, row behind the last, first and behind the last column; outside it both are equal.
        head: (C,) float32. least: added to lengths, against division by nothing.
    """
    total = 0.0
    for i in range(box[0], box[1]):
        for j in range(box[2], box[3]):
            a, b = first[i, j], second[i, j]
            aa = bb = a[0] * 0
            for c in range(len(head)):
                aa += a[c] * a[c]
                bb += b[c] * b[c]
            one, other = a.dtype.type(1 / (math.sqrt(aa) + least)), a.dtype.type(1 / (math.sqrt(bb) + least))
            apart = a[0] * 0
            for c in range(len(head)):
                difference = a[c] * one - b[c] * other
                apart += head[c] * difference * difference
            total += apart
    return total / (first.shape[0] * first.shape[1])
