"""Compiled loops of `closest`; imported on first use because numba is heavy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

LEAF = 6
DEPTH = 64


@njit(cache=True)
def build_kernel(corners: Any, order: Any, low: Any, high: Any, first: Any, count: Any) -> int:
    """A tree of boxes over triangles (F, 3, 3): halves by the median of the centres along the longest side.

    A node with count 0 has its children at first and first + 1; a leaf owns order[first : first + count].
    Returns the number of nodes.
    """
    centres = np.empty((corners.shape[0], 3), np.float64)
    for f in range(corners.shape[0]):
        for a in range(3):
            centres[f, a] = (corners[f, 0, a] + corners[f, 1, a] + corners[f, 2, a]) / 3
    starts = np.empty(4 * DEPTH, np.int64)
    ends = np.empty(4 * DEPTH, np.int64)
    nodes = np.empty(4 * DEPTH, np.int64)
    starts[0], ends[0], nodes[0] = 0, corners.shape[0], 0
    waiting, total = 1, 1
    while waiting:
        waiting -= 1
        start, end, node = starts[waiting], ends[waiting], nodes[waiting]
        for a in range(3):
            low[node, a], high[node, a] = np.inf, -np.inf
        span_low = np.full(3, np.inf)
        span_high = np.full(3, -np.inf)
        for q in range(start, end):
            f = order[q]
            for a in range(3):
                for c in range(3):
                    low[node, a] = min(low[node, a], corners[f, c, a])
                    high[node, a] = max(high[node, a], corners[f, c, a])
                span_low[a] = min(span_low[a], centres[f, a])
                span_high[a] = max(span_high[a], centres[f, a])
        if end - start <= LEAF:
            first[node], count[node] = start, end - start
            continue
        axis = int(np.argmax(span_high - span_low))
        part = order[start:end].copy()
        order[start:end] = part[np.argsort(centres[part, axis])]
        middle = (start + end) // 2
        first[node], count[node] = total, 0
        starts[waiting], ends[waiting], nodes[waiting] = start, middle, total
        starts[waiting + 1], ends[waiting + 1], nodes[waiting + 1] = middle, end, total + 1
        waiting += 2
        total += 2
    return total


@njit(inline="always")
def _box_distance(p: Any, low: Any, high: Any) -> float:
    total = 0.0
    for a in range(3):
        d = max(low[a] - p[a], 0.0, p[a] - high[a])
        total += d * d
    return total


@njit
def _triangle_distance(p: Any, t: Any) -> float:
    """Squared distance of a point to a triangle. Source: C. Ericson, Real-Time Collision Detection, 2004, 5.1.5."""
    d1 = d2 = d3 = d4 = d5 = d6 = 0.0
    for a in range(3):
        ab, ac = t[1, a] - t[0, a], t[2, a] - t[0, a]
        d1 += ab * (p[a] - t[0, a])
        d2 += ac * (p[a] - t[0, a])
        d3 += ab * (p[a] - t[1, a])
        d4 += ac * (p[a] - t[1, a])
        d5 += ab * (p[a] - t[2, a])
        d6 += ac * (p[a] - t[2, a])
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        v, w = 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0 and d5 <= d6:
        v, w = 0.0, 1.0
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        v, w = d1 / max(d1 - d3, 1e-300), 0.0
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        v, w = 0.0, d2 / max(d2 - d6, 1e-300)
    elif va <= 0 and d4 >= d3 and d5 >= d6:
        w = (d4 - d3) / max((d4 - d3) + (d5 - d6), 1e-300)
        v = 1.0 - w
    else:
        whole = va + vb + vc
        v, w = (vb / whole, vc / whole) if whole > 0 else (0.0, 0.0)
    total = 0.0
    for a in range(3):
        d = t[0, a] + v * (t[1, a] - t[0, a]) + w * (t[2, a] - t[0, a]) - p[a]
        total += d * d
    return total


@njit(parallel=True, cache=True)
def closest_kernel(
    points: Any, corners: Any, order: Any, low: Any, high: Any, first: Any, count: Any, distance: Any, face: Any
) -> None:
    """distance[i], face[i] of the triangle nearest to points[i]."""
    for i in prange(points.shape[0]):
        p = points[i]
        stack = np.empty(2 * DEPTH, np.int64)
        reach = np.empty(2 * DEPTH, np.float64)
        stack[0], reach[0], waiting = 0, 0.0, 1
        best, which = np.inf, -1
        while waiting:
            waiting -= 1
            node = stack[waiting]
            if reach[waiting] >= best:
                continue
            if count[node]:
                for q in range(first[node], first[node] + count[node]):
                    d = _triangle_distance(p, corners[order[q]])
                    if d < best:
                        best, which = d, order[q]
                continue
            one, two = first[node], first[node] + 1
            d1, d2 = _box_distance(p, low[one], high[one]), _box_distance(p, low[two], high[two])
            if d1 < d2:
                one, two, d1, d2 = two, one, d2, d1
            stack[waiting], reach[waiting] = one, d1  # the nearer box is looked into first
            stack[waiting + 1], reach[waiting + 1] = two, d2
            waiting += 2
        distance[i] = math.sqrt(best)
        face[i] = which
