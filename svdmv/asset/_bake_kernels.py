"""Compiled loop of `bake`; imported on first use because numba is heavy."""

from __future__ import annotations

import math
from typing import Any

from numba import njit, prange


@njit(inline="always")
def _mixed(picture: Any, x: float, y: float, channel: int) -> float:
    """Bilinear value; x, y count from the centre of the first pixel and lie inside the picture."""
    a, b = min(int(x), picture.shape[1] - 2), min(int(y), picture.shape[0] - 2)
    fx, fy = x - a, y - b
    top = picture[b, a, channel] * (1 - fx) + picture[b, a + 1, channel] * fx
    low = picture[b + 1, a, channel] * (1 - fx) + picture[b + 1, a + 1, channel] * fx
    value: float = top * (1 - fy) + low * fy
    return value


@njit(parallel=True, cache=True)
def blend_kernel(
    points: Any,
    normals: Any,
    pictures: Any,
    depths: Any,
    projections: Any,
    eyes: Any,
    view_weights: Any,
    bias: float,
    power: float,
    out: Any,
    confidence: Any,
) -> None:
    """out (M, 3): low band blended broadly plus high band blended sharply; confidence (M,): sum of the broad weights.

    pictures (N, H, W, 7): colour, its low band, trust. depths (N, h, w): along +Z, inf where nothing is.
    """
    views, height, width = pictures.shape[0], pictures.shape[1], pictures.shape[2]
    rows, columns = depths.shape[1], depths.shape[2]
    for i in prange(points.shape[0]):
        sharp_sum, broad_sum = 0.0, 0.0
        h0, h1, h2, b0, b1, b2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        px, py, pz = points[i, 0], points[i, 1], points[i, 2]
        for v in range(views):
            dx, dy, dz = eyes[v, 0] - px, eyes[v, 1] - py, eyes[v, 2] - pz
            length = math.sqrt(dx * dx + dy * dy + dz * dz)
            cosine = (dx * normals[i, 0] + dy * normals[i, 1] + dz * normals[i, 2]) / max(length, 1e-12)
            if cosine < 0.05:
                continue
            p = projections[v]
            z = p[2, 0] * px + p[2, 1] * py + p[2, 2] * pz + p[2, 3]
            if z <= 1e-9:
                continue
            x = (p[0, 0] * px + p[0, 1] * py + p[0, 2] * pz + p[0, 3]) / z
            y = (p[1, 0] * px + p[1, 1] * py + p[1, 2] * pz + p[1, 3]) / z
            if x < 0.5 or y < 0.5 or x > width - 0.5 or y > height - 0.5:
                continue
            column, row = min(int(x * columns / width), columns - 1), min(int(y * rows / height), rows - 1)
            near, far = 1e30, 0.0
            for oy in range(-1, 2):
                for ox in range(-1, 2):
                    d = depths[v, min(max(row + oy, 0), rows - 1), min(max(column + ox, 0), columns - 1)]
                    near = min(near, d)
                    if d < 1e29:
                        far = max(far, d)
            if z > depths[v, row, column] + bias / max(cosine, 0.2) and z > far + bias:
                continue
            trust = 1.0 if z < near + 4 * bias else 0.05  # just behind an occluding edge: hardly trusted
            x -= 0.5
            y -= 0.5
            trust *= min(max(_mixed(pictures[v], x, y, 6), 0.0), 1.0) + 1e-3
            broad = cosine * cosine * trust * view_weights[v]
            sharp = cosine**power * trust * view_weights[v]
            l0, l1, l2 = _mixed(pictures[v], x, y, 3), _mixed(pictures[v], x, y, 4), _mixed(pictures[v], x, y, 5)
            b0 += broad * l0
            b1 += broad * l1
            b2 += broad * l2
            h0 += sharp * (_mixed(pictures[v], x, y, 0) - l0)
            h1 += sharp * (_mixed(pictures[v], x, y, 1) - l1)
            h2 += sharp * (_mixed(pictures[v], x, y, 2) - l2)
            sharp_sum += sharp
            broad_sum += broad
        confidence[i] = broad_sum
        if broad_sum > 0 and sharp_sum > 0:
            out[i, 0] = b0 / broad_sum + h0 / sharp_sum
            out[i, 1] = b1 / broad_sum + h1 / sharp_sum
            out[i, 2] = b2 / broad_sum + h2 / sharp_sum
