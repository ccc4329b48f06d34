"""Compiled loops of `field`; imported on first use because numba is heavy."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, prange


@njit(parallel=True, cache=True)
def dissent_kernel(
    out: Any,
    todo: Any,
    low: Any,
    step: float,
    distances: Any,
    projections: Any,
    focals: Any,
    always: Any,
    behind: float,
) -> None:
    """out[i, j, k, m] = the (m+1)-th largest world distance over the views, never below that of an `always` view."""
    views, height, width = distances.shape
    ranks = out.shape[3]
    for i in prange(out.shape[0]):
        top = np.empty(ranks, np.float64)
        for j in range(out.shape[1]):
            for k in range(out.shape[2]):
                if not todo[i, j, k]:
                    continue
                top[:] = behind
                floor = behind
                px, py, pz = low[0] + i * step, low[1] + j * step, low[2] + k * step
                for v in range(views):
                    p = projections[v]
                    z = p[2, 0] * px + p[2, 1] * py + p[2, 2] * pz + p[2, 3]
                    if z <= 1e-9:
                        continue
                    x = (p[0, 0] * px + p[0, 1] * py + p[0, 2] * pz + p[0, 3]) / z - 0.5
                    y = (p[1, 0] * px + p[1, 1] * py + p[1, 2] * pz + p[1, 3]) / z - 0.5
                    cx = min(max(x, 0.0), width - 1.0)
                    cy = min(max(y, 0.0), height - 1.0)
                    a = min(int(cx), width - 2)
                    b = min(int(cy), height - 2)
                    fx, fy = cx - a, cy - b
                    d = distances[v]
                    s = (d[b, a] * (1 - fx) + d[b, a + 1] * fx) * (1 - fy) + (
                        d[b + 1, a] * (1 - fx) + d[b + 1, a + 1] * fx
                    ) * fy
                    if s > 0:
                        s += ((x - cx) ** 2 + (y - cy) ** 2) ** 0.5
                    s = s * z / focals[v]
                    if always[v]:
                        floor = max(floor, s)
                    for m in range(ranks):
                        if s > top[m]:
                            held = top[m]
                            top[m] = s
                            s = held
                for m in range(ranks):
                    out[i, j, k, m] = max(top[m], floor)


@njit(parallel=True, cache=True)
def resample_kernel(values: Any, out: Any, ratio: float) -> None:
    """out[i, j, k] = trilinear value at lattice position (i, j, k) * ratio, clamped to the lattice."""
    n0, n1, n2 = values.shape
    for i in prange(out.shape[0]):
        x = min(i * ratio, n0 - 1.0)
        a = min(int(x), n0 - 2)
        fx = x - a
        for j in range(out.shape[1]):
            y = min(j * ratio, n1 - 1.0)
            b = min(int(y), n1 - 2)
            fy = y - b
            for k in range(out.shape[2]):
                z = min(k * ratio, n2 - 1.0)
                c = min(int(z), n2 - 2)
                fz = z - c
                total = 0.0
                for q in range(8):
                    q0, q1, q2 = q >> 2, (q >> 1) & 1, q & 1
                    weight = (fx if q0 else 1 - fx) * (fy if q1 else 1 - fy) * (fz if q2 else 1 - fz)
                    total += values[a + q0, b + q1, c + q2] * weight
                out[i, j, k] = total
