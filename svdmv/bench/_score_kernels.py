"""Composites and distances of features, each in one pass. Imported on first use because numba is heavy."""

from __future__ import annotations

import math
from typing import Any

from numba import njit, prange


@njit(cache=True, parallel=True, nogil=True)
def composited(rgba: Any, table: Any, out: Any) -> None:
    """Fill out (pixels, 3) from rgba (pixels, 4) uint8 and the composite of a value under an alpha (256, 256)."""
    for n in prange(len(rgba)):
        row = table[rgba[n, 3]]
        for c in range(3):
            out[n, c] = row[rgba[n, c]]


@njit(cache=True, nogil=True, fastmath={"reassoc", "nsz"})
def layer_distance(first: Any, second: Any, head: Any, least: float) -> float:
    """Mean over the places of (places, C) float32 features: squared differences of both at unit length, weighted.

    Args:
        head: (C,) float32. least: added to lengths, against division by nothing.
    """
    total = 0.0
    for n in range(len(first)):
        a, b = first[n], second[n]
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
    return total / len(first)
