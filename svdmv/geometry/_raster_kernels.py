"""Compiled loops of `raster`; imported on first use because numba is heavy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True)
def depth_kernel(vertices: Any, faces: Any, projections: Any, out: Any) -> None:
    """out[v, y, x] = least depth along +Z of a face over the centre of pixel (x, y) of view v."""
    height, width = out.shape[1], out.shape[2]
    for v in prange(projections.shape[0]):
        p = projections[v]
        screen = np.empty((vertices.shape[0], 3), np.float64)
        for i in range(vertices.shape[0]):
            a, b, c = vertices[i, 0], vertices[i, 1], vertices[i, 2]
            z = p[2, 0] * a + p[2, 1] * b + p[2, 2] * c + p[2, 3]
            screen[i, 2] = z
            if z > 1e-9:
                screen[i, 0] = (p[0, 0] * a + p[0, 1] * b + p[0, 2] * c + p[0, 3]) / z
                screen[i, 1] = (p[1, 0] * a + p[1, 1] * b + p[1, 2] * c + p[1, 3]) / z
        for f in range(faces.shape[0]):
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            z0, z1, z2 = screen[a, 2], screen[b, 2], screen[c, 2]
            if min(z0, z1, z2) <= 1e-9:
                continue
            x0, y0, x1, y1, x2, y2 = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
            area = (y1 - y2) * (x0 - x2) + (x2 - x1) * (y0 - y2)
            if abs(area) < 1e-12:
                continue
            left, right = max(math.floor(min(x0, x1, x2)), 0), min(math.ceil(max(x0, x1, x2)) + 1, width)
            # weights over depths are linear in the picture: 1 / z is their sum, stepped along the rows
            one = 1 / area
            s0, s1 = (y1 - y2) * one, (y2 - y0) * one
            i0, i1, i2 = 1 / z0, 1 / z1, 1 / z2
            for y in range(max(math.floor(min(y0, y1, y2)), 0), min(math.ceil(max(y0, y1, y2)) + 1, height)):
                t0 = (x2 - x1) * one * (y + 0.5 - y2) - s0 * x2
                t1 = (x0 - x2) * one * (y + 0.5 - y2) - s1 * x2
                for x in range(left, right):
                    w0 = s0 * (x + 0.5) + t0
                    w1 = s1 * (x + 0.5) + t1
                    w2 = 1 - w0 - w1
                    if w0 >= -1e-6 and w1 >= -1e-6 and w2 >= -1e-6:
                        z = 1 / (w0 * i0 + w1 * i1 + w2 * i2)
                        if z < out[v, y, x]:
                            out[v, y, x] = z


@njit(cache=True)
def texel_kernel(uvs: Any, width: int, height: int, gutter: float, face: Any, weights: Any, layers: Any) -> None:
    """Texel -> face and barycentric weights. A texel within `gutter` texels of a face that nobody owns joins it."""
    closeness = np.full((height, width), -1e9, np.float32)
    for i in range(uvs.shape[0]):
        x0, y0 = uvs[i, 0, 0] * width, uvs[i, 0, 1] * height
        x1, y1 = uvs[i, 1, 0] * width, uvs[i, 1, 1] * height
        x2, y2 = uvs[i, 2, 0] * width, uvs[i, 2, 1] * height
        area = (y1 - y2) * (x0 - x2) + (x2 - x1) * (y0 - y2)
        if abs(area) < 1e-9:
            continue
        # heights of the triangle: barycentric weight times height = distance from the side, in texels
        h0 = abs(area) / max(math.hypot(x1 - x2, y1 - y2), 1e-12)
        h1 = abs(area) / max(math.hypot(x2 - x0, y2 - y0), 1e-12)
        h2 = abs(area) / max(math.hypot(x0 - x1, y0 - y1), 1e-12)
        border = gutter + 1.0
        for y in range(max(int(min(y0, y1, y2) - border), 0), min(int(max(y0, y1, y2) + border) + 1, height)):
            for x in range(max(int(min(x0, x1, x2) - border), 0), min(int(max(x0, x1, x2) + border) + 1, width)):
                px, py = x + 0.5, y + 0.5
                a = ((y1 - y2) * (px - x2) + (x2 - x1) * (py - y2)) / area
                b = ((y2 - y0) * (px - x2) + (x0 - x2) * (py - y2)) / area
                c = 1 - a - b
                inside = min(a * h0, b * h1, c * h2)
                if inside > 1e-3:
                    layers[y, x] += 1
                if inside < -gutter:
                    continue
                a, b, c = max(a, 0.0), max(b, 0.0), max(c, 0.0)
                total = a + b + c
                a, b, c = a / total, b / total, c / total
                near = 0.0  # minus the way to a point of the face that is near, in texels
                if inside < 0:
                    near = -math.hypot(a * x0 + b * x1 + c * x2 - px, a * y0 + b * y1 + c * y2 - py)
                if near < -gutter or near <= closeness[y, x]:
                    continue
                closeness[y, x] = near
                face[y, x] = i
                weights[y, x, 0], weights[y, x, 1], weights[y, x, 2] = a, b, c


@njit(parallel=True, cache=True)
def seen_kernel(points: Any, projections: Any, fronts: Any, slack: float, farthest: bool, seen: Any) -> None:
    """seen[i]: some view has points[i] no deeper than the first surface around its pixel, plus `slack`.

    Of the four pixels around the point the farthest surface counts, or the nearest.
    """
    views, height, width = fronts.shape
    for i in prange(points.shape[0]):
        x, y, z = points[i]
        for v in range(views):
            p = projections[v]
            depth = p[2, 0] * x + p[2, 1] * y + p[2, 2] * z + p[2, 3]
            if depth <= 1e-9:
                continue
            a = math.floor((p[0, 0] * x + p[0, 1] * y + p[0, 2] * z + p[0, 3]) / depth - 0.5)
            b = math.floor((p[1, 0] * x + p[1, 1] * y + p[1, 2] * z + p[1, 3]) / depth - 0.5)
            front = -1.0 if farthest else np.inf
            for q in range(4):
                there = fronts[v, min(max(b + (q >> 1), 0), height - 1), min(max(a + (q & 1), 0), width - 1)]
                front = max(front, there) if farthest else min(front, there)
            if depth <= front + slack:
                seen[i] = True
                break
