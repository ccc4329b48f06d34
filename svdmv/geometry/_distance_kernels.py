"""Compiled loops of `redistanced` and `resampled`; imported on first use because numba is heavy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange


@njit(cache=True)
def redistance_kernel(phi: Any, h: float, reach: float, out: Any) -> None:
    """Distances to the zero level of phi, by fast sweeping; voxels beside the level keep their value over the slope.

    Voxels farther than `reach` by phi itself keep phi.
    Source: H. Zhao, A fast sweeping method for Eikonal equations, Mathematics of Computation 74, 2005.
    """
    nx, ny, nz = phi.shape
    far = np.float32(1e3 * h + reach)
    held = np.zeros(phi.shape, np.uint8)
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                f = phi[i, j, k]
                if abs(f) > reach:
                    out[i, j, k] = abs(f)
                    held[i, j, k] = 1
                    continue
                out[i, j, k] = far
                if i < 1 or j < 1 or k < 1 or i > nx - 2 or j > ny - 2 or k > nz - 2:
                    continue
                xa, xb = phi[i - 1, j, k], phi[i + 1, j, k]
                ya, yb = phi[i, j - 1, k], phi[i, j + 1, k]
                za, zb = phi[i, j, k - 1], phi[i, j, k + 1]
                if f * xa <= 0 or f * xb <= 0 or f * ya <= 0 or f * yb <= 0 or f * za <= 0 or f * zb <= 0:
                    gx, gy, gz = (
                        max(abs(xb - f), abs(f - xa)),
                        max(abs(yb - f), abs(f - ya)),
                        max(abs(zb - f), abs(f - za)),
                    )
                    out[i, j, k] = min(abs(f) / (math.sqrt(gx * gx + gy * gy + gz * gz) + 1e-9), 1.0) * h
                    held[i, j, k] = 1
    for sweep in range(8):
        for ii in range(nx):
            i = ii if sweep & 1 else nx - 1 - ii
            for jj in range(ny):
                j = jj if sweep & 2 else ny - 1 - jj
                for kk in range(nz):
                    k = kk if sweep & 4 else nz - 1 - kk
                    if held[i, j, k]:
                        continue
                    a = min(out[i - 1, j, k] if i > 0 else far, out[i + 1, j, k] if i < nx - 1 else far)
                    b = min(out[i, j - 1, k] if j > 0 else far, out[i, j + 1, k] if j < ny - 1 else far)
                    c = min(out[i, j, k - 1] if k > 0 else far, out[i, j, k + 1] if k < nz - 1 else far)
                    low, high = min(a, b, c), max(a, b, c)
                    middle = a + b + c - low - high
                    x = low + h
                    if x > middle:
                        x = 0.5 * (low + middle + math.sqrt(max(2 * h * h - (low - middle) ** 2, 0.0)))
                        if x > high:
                            total = low + middle + high
                            squares = low * low + middle * middle + high * high
                            x = (total + math.sqrt(max(total * total - 3 * (squares - h * h), 0.0))) / 3
                    if x < out[i, j, k]:
                        out[i, j, k] = x
    for i in range(nx):
        for j in range(ny):
            for k in range(nz):
                if phi[i, j, k] < 0:
                    out[i, j, k] = -out[i, j, k]


@njit(parallel=True, cache=True)
def shifted_kernel(values: Any, start: Any, ratio: float, out: Any) -> None:
    """out[i, j, k] = trilinear value (channels last) at lattice position start + (i, j, k) * ratio, clamped."""
    n0, n1, n2, channels = values.shape
    for i in prange(out.shape[0]):
        x = min(max(start[0] + i * ratio, 0.0), n0 - 1.0)
        a = min(int(x), n0 - 2)
        fx = x - a
        for j in range(out.shape[1]):
            y = min(max(start[1] + j * ratio, 0.0), n1 - 1.0)
            b = min(int(y), n1 - 2)
            fy = y - b
            for k in range(out.shape[2]):
                z = min(max(start[2] + k * ratio, 0.0), n2 - 1.0)
                c = min(int(z), n2 - 2)
                fz = z - c
                for channel in range(channels):
                    total = 0.0
                    for q in range(8):
                        q0, q1, q2 = q >> 2, (q >> 1) & 1, q & 1
                        weight = (fx if q0 else 1 - fx) * (fy if q1 else 1 - fy) * (fz if q2 else 1 - fz)
                        total += values[a + q0, b + q1, c + q2, channel] * weight
                    out[i, j, k, channel] = total
