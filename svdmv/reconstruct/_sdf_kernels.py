"""Compiled loops of the signed-distance fit; imported on first use because numba is heavy.

Gradients are written by hand; `sdf_torch` holds the same sums for automatic differentiation. Work is dealt out in a
fixed number of chunks, each with gradients of its own that are added in order: the result does not depend on how many
cores there are, or on which is faster.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

MAX_SAMPLES = 96  # kept along one ray
LAST_LIGHT = 2e-3  # a ray ends when less than this much light passes
LEAST_WEIGHT = 1e-5  # samples that show less than this are left out
TINY = 1e-7
CHARBONNIER = 1e-3
SOLID = 0.95  # cover from which normals and depths are believed


@njit(inline="always")
def _cell(x: float, y: float, z: float, nx: int, ny: int, nz: int) -> Any:
    """First voxel of the cell around a lattice position and the three fractions, clamped to the lattice."""
    x = min(max(x, 0.0), nx - 1.001)
    y = min(max(y, 0.0), ny - 1.001)
    z = min(max(z, 0.0), nz - 1.001)
    i, j, k = int(x), int(y), int(z)
    return (i * ny + j) * nz + k, x - i, y - j, z - k


@njit(inline="always")
def _value(grid: Any, b: int, fx: float, fy: float, fz: float, sx: int, sy: int) -> float:
    c00 = grid[b] * (1 - fz) + grid[b + 1] * fz
    c01 = grid[b + sy] * (1 - fz) + grid[b + sy + 1] * fz
    c10 = grid[b + sx] * (1 - fz) + grid[b + sx + 1] * fz
    c11 = grid[b + sx + sy] * (1 - fz) + grid[b + sx + sy + 1] * fz
    total: float = (c00 * (1 - fy) + c01 * fy) * (1 - fx) + (c10 * (1 - fy) + c11 * fy) * fx
    return total


@njit(inline="always")
def _span(ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, nx: int, ny: int, nz: int) -> Any:
    """Where a ray in lattice units enters and leaves the lattice."""
    start, end = 0.0, 1e9
    for a in range(3):
        o, d = (ox, dx) if a == 0 else ((oy, dy) if a == 1 else (oz, dz))
        last = (nx if a == 0 else (ny if a == 1 else nz)) - 1.01
        if abs(d) < 1e-9:
            d = 1e-9
        one, two = (0.01 - o) / d, (last - o) / d
        start, end = max(start, min(one, two)), min(end, max(one, two))
    return start, end


@njit
def _march(
    phi: Any, ox: float, oy: float, oz: float, dx: float, dy: float, dz: float, shape: Any, h: float, s: float, out: Any
) -> int:
    """Samples of one ray where the field is near zero: out[0] ray parameter (steps), out[1] field, out[2] sigmoid."""
    nx, ny, nz = shape
    sx, sy = ny * nz, nz
    near = 5.0 / s
    t, end = _span(ox, oy, oz, dx, dy, dz, nx, ny, nz)
    n, light = 0, 1.0
    while t < end and n < MAX_SAMPLES:
        b, fx, fy, fz = _cell(ox + t * dx, oy + t * dy, oz + t * dz, nx, ny, nz)
        f = _value(phi, b, fx, fy, fz, sx, sy)
        if f > near + h:
            t += max((f - near) / h * 0.9, 0.5)
            continue
        p = 1 / (1 + math.exp(-s * f))
        out[0, n], out[1, n], out[2, n] = t, f, p
        if n > 0:
            light *= min(1.0, (p + TINY) / (out[2, n - 1] + TINY))
        n += 1
        if light < LAST_LIGHT:
            break
        t += min(max(0.4 * abs(f) / h, 0.45), 2.0)
    return n


@njit(parallel=True, fastmath=True, cache=True)
def rays_kernel(
    phi: Any,
    colors: Any,
    active: Any,
    shape: Any,
    eyes: Any,
    h: float,
    view: Any,
    direction: Any,
    target: Any,
    normal: Any,
    depth: Any,
    view_weight: Any,
    chosen: Any,
    s: float,
    weights: Any,
    gradient: Any,
    loss: Any,
) -> None:
    """Loss of a batch of rays and its gradient.

    phi (V,), colors (V, 3): the grids. active (V,): row of a voxel in the gradient, or -1. eyes (N, 3): cameras in
    lattice units. view (R,), direction (R, 3), target (R, 4), normal (R or 1, 3), depth (R or 1,) in lattice units, 0 =
    unknown: all rays; chosen (B,): rays of the batch. weights: of mask, normals, depths; a 0 switches off. gradient
    (chunks, A, 4): field and colour, added to. loss (chunks, 4): sums over rays of colour, mask, normal, depth terms.
    """
    nx, ny, nz = shape
    sx, sy = ny * nz, nz
    batch = chosen.shape[0]
    chunks = gradient.shape[0]
    mask_weight, normal_weight, depth_weight = weights
    for chunk in prange(chunks):
        path = np.zeros((3, MAX_SAMPLES), np.float32)
        alpha = np.zeros(MAX_SAMPLES, np.float32)
        shown = np.zeros(MAX_SAMPLES, np.float32)  # alpha times the light that comes so far; 0 = left out
        color = np.zeros((MAX_SAMPLES, 3), np.float32)
        slope = np.zeros((MAX_SAMPLES, 3), np.float32)
        g = gradient[chunk]
        sum_color, sum_mask, sum_normal, sum_depth = 0.0, 0.0, 0.0, 0.0
        for q in range(chunk * batch // chunks, (chunk + 1) * batch // chunks):
            r = chosen[q]
            v = view[r]
            ox, oy, oz = eyes[v, 0], eyes[v, 1], eyes[v, 2]
            dx, dy, dz = direction[r, 0], direction[r, 1], direction[r, 2]
            n = _march(phi, ox, oy, oz, dx, dy, dz, shape, h, s, path)
            cover = target[r, 3]
            with_normal = (
                normal_weight > 0 and cover > SOLID and normal[r, 0] ** 2 + normal[r, 1] ** 2 + normal[r, 2] ** 2 > 0.25
            )
            C0, C1, C2, A, N0, N1, N2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
            light = 1.0
            for i in range(n - 1):
                a = max(1 - (path[2, i + 1] + TINY) / (path[2, i] + TINY), 0.0)
                alpha[i] = a
                w = a * light
                shown[i] = w if w > LEAST_WEIGHT else 0.0
                light *= 1 - a
                if shown[i] == 0:
                    continue
                u = min(max(path[1, i] / (path[1, i] - path[1, i + 1]), 0.0), 1.0)  # the crossing, where there is one
                t = path[0, i] + u * (path[0, i + 1] - path[0, i])
                b, fx, fy, fz = _cell(ox + t * dx, oy + t * dy, oz + t * dz, nx, ny, nz)
                c0, c1, c2, g0, g1, g2 = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
                for m in range(8):
                    x, y, z = m >> 2, (m >> 1) & 1, m & 1
                    wx, wy, wz = (fx if x else 1 - fx), (fy if y else 1 - fy), (fz if z else 1 - fz)
                    j = b + x * sx + y * sy + z
                    www = wx * wy * wz
                    c0 += www * colors[j, 0]
                    c1 += www * colors[j, 1]
                    c2 += www * colors[j, 2]
                    if with_normal:
                        g0 += phi[j] * (2 * x - 1) * wy * wz
                        g1 += phi[j] * (2 * y - 1) * wx * wz
                        g2 += phi[j] * (2 * z - 1) * wx * wy
                color[i, 0], color[i, 1], color[i, 2] = c0, c1, c2
                C0 += w * c0
                C1 += w * c1
                C2 += w * c2
                A += w
                if with_normal:
                    slope[i, 0], slope[i, 1], slope[i, 2] = g0 / h, g1 / h, g2 / h
                    N0 += w * slope[i, 0]
                    N1 += w * slope[i, 1]
                    N2 += w * slope[i, 2]
            e0, e1, e2 = C0 - target[r, 0] * cover, C1 - target[r, 1] * cover, C2 - target[r, 2] * cover
            em = A - cover
            q0, q1, q2 = (
                math.sqrt(e0 * e0 + CHARBONNIER),
                math.sqrt(e1 * e1 + CHARBONNIER),
                math.sqrt(e2 * e2 + CHARBONNIER),
            )
            share = view_weight[v]
            sum_color += share * (q0 + q1 + q2)
            sum_mask += share * mask_weight * em * em
            share /= batch
            e0, e1, e2, em = share * e0 / q0, share * e1 / q1, share * e2 / q2, 2 * share * mask_weight * em
            m0, m1, m2 = 0.0, 0.0, 0.0
            if with_normal:
                m0, m1, m2 = N0 - normal[r, 0], N1 - normal[r, 1], N2 - normal[r, 2]
                sum_normal += view_weight[v] * normal_weight * (m0 * m0 + m1 * m1 + m2 * m2)
                k = 2 * share * normal_weight
                m0, m1, m2 = k * m0, k * m1, k * m2
            behind = 0.0
            for i in range(n - 2, -1, -1):
                w = shown[i]
                if w == 0:
                    continue
                gw = e0 * color[i, 0] + e1 * color[i, 1] + e2 * color[i, 2] + em
                if with_normal:
                    gw += m0 * slope[i, 0] + m1 * slope[i, 1] + m2 * slope[i, 2]
                ga = w / alpha[i] * gw - behind / max(1 - alpha[i], 1e-3)
                behind += w * gw
                p0, p1 = path[2, i], path[2, i + 1]
                k0 = s * (1 - p0) * p0 * (p1 + TINY) / (p0 + TINY) ** 2 * ga
                k1 = -s * (1 - p1) * p1 / (p0 + TINY) * ga
                for side in range(2):
                    t = path[0, i + side]
                    b, fx, fy, fz = _cell(ox + t * dx, oy + t * dy, oz + t * dz, nx, ny, nz)
                    k = k1 if side else k0
                    for m in range(8):
                        x, y, z = m >> 2, (m >> 1) & 1, m & 1
                        row = active[b + x * sx + y * sy + z]
                        if row >= 0:
                            g[row, 0] += k * (fx if x else 1 - fx) * (fy if y else 1 - fy) * (fz if z else 1 - fz)
                u = min(max(path[1, i] / (path[1, i] - path[1, i + 1]), 0.0), 1.0)
                t = path[0, i] + u * (path[0, i + 1] - path[0, i])
                b, fx, fy, fz = _cell(ox + t * dx, oy + t * dy, oz + t * dz, nx, ny, nz)
                for m in range(8):
                    x, y, z = m >> 2, (m >> 1) & 1, m & 1
                    row = active[b + x * sx + y * sy + z]
                    if row < 0:
                        continue
                    wx, wy, wz = (fx if x else 1 - fx), (fy if y else 1 - fy), (fz if z else 1 - fz)
                    www = wx * wy * wz * w
                    g[row, 1] += www * e0
                    g[row, 2] += www * e1
                    g[row, 3] += www * e2
                    if with_normal:
                        g[row, 0] += (
                            w
                            / h
                            * (m0 * (2 * x - 1) * wy * wz + m1 * (2 * y - 1) * wx * wz + m2 * (2 * z - 1) * wx * wy)
                        )
            if depth_weight > 0 and cover > SOLID and depth[r] > 0:
                t = depth[r]
                b, fx, fy, fz = _cell(ox + t * dx, oy + t * dy, oz + t * dz, nx, ny, nz)
                f = _value(phi, b, fx, fy, fz, sx, sy) / h
                q0 = math.sqrt(f * f + 1.0)
                sum_depth += view_weight[v] * depth_weight * (q0 - 1)
                k = share * depth_weight * f / q0 / h
                for m in range(8):
                    x, y, z = m >> 2, (m >> 1) & 1, m & 1
                    row = active[b + x * sx + y * sy + z]
                    if row >= 0:
                        g[row, 0] += k * (fx if x else 1 - fx) * (fy if y else 1 - fy) * (fz if z else 1 - fz)
        loss[chunk, 0], loss[chunk, 1], loss[chunk, 2], loss[chunk, 3] = sum_color, sum_mask, sum_normal, sum_depth


@njit(parallel=True, fastmath=True, cache=True)
def picture_kernel(
    phi: Any, colors: Any, shape: Any, eyes: Any, h: float, view: Any, direction: Any, s: float, out: Any
) -> None:
    """out[r] = premultiplied colour, cover, and cover times depth along the ray (lattice units) of ray r."""
    nx, ny, nz = shape
    sx, sy = ny * nz, nz
    for part in prange(64):
        path = np.zeros((3, MAX_SAMPLES), np.float32)
        for r in range(part * view.shape[0] // 64, (part + 1) * view.shape[0] // 64):
            v = view[r]
            ox, oy, oz = eyes[v, 0], eyes[v, 1], eyes[v, 2]
            dx, dy, dz = direction[r, 0], direction[r, 1], direction[r, 2]
            n = _march(phi, ox, oy, oz, dx, dy, dz, shape, h, s, path)
            light = 1.0
            for i in range(n - 1):
                a = max(1 - (path[2, i + 1] + TINY) / (path[2, i] + TINY), 0.0)
                w = a * light
                light *= 1 - a
                if w <= LEAST_WEIGHT:
                    continue
                u = min(max(path[1, i] / (path[1, i] - path[1, i + 1]), 0.0), 1.0)
                t = path[0, i] + u * (path[0, i + 1] - path[0, i])
                b, fx, fy, fz = _cell(ox + t * dx, oy + t * dy, oz + t * dz, nx, ny, nz)
                for m in range(8):
                    x, y, z = m >> 2, (m >> 1) & 1, m & 1
                    j = b + x * sx + y * sy + z
                    www = w * (fx if x else 1 - fx) * (fy if y else 1 - fy) * (fz if z else 1 - fz)
                    out[r, 0] += www * colors[j, 0]
                    out[r, 1] += www * colors[j, 1]
                    out[r, 2] += www * colors[j, 2]
                out[r, 3] += w
                out[r, 4] += w * t


@njit(parallel=True, fastmath=True, cache=True)
def regularise_kernel(phi: Any, rows: Any, shape: Any, h: float, weights: Any, bend: Any, out: Any) -> None:
    """out[a] = gradient of eikonal, area and thin-plate energies at voxel rows[a]; weights in that order.

    bend (V,): scratch, 0 where voxels are not active.
    """
    nx, ny, nz = shape
    sx, sy = ny * nz, nz
    n = rows.shape[0]
    eikonal, area, plate = weights
    for a in prange(n):
        j = rows[a]
        i0, rest = j // sx, j % sx
        inner = 1 <= i0 <= nx - 2 and 1 <= rest // sy <= ny - 2 and 1 <= rest % sy <= nz - 2
        bend[j] = 0.0
        if inner:
            bend[j] = (phi[j + sx] + phi[j - sx] + phi[j + sy] + phi[j - sy] + phi[j + 1] + phi[j - 1] - 6 * phi[j]) / h
    for a in prange(n):
        j = rows[a]
        out[a] = 0.0
        i0, rest = j // sx, j % sx
        if not (2 <= i0 <= nx - 3 and 2 <= rest // sy <= ny - 3 and 2 <= rest % sy <= nz - 3):
            continue
        g = 0.0
        for axis in range(3):  # the eikonal term of each of the six neighbours holds phi[j]
            o = sx if axis == 0 else (sy if axis == 1 else 1)
            for side in (-1, 1):
                m = j + side * o
                gx = (phi[m + sx] - phi[m - sx]) / (2 * h)
                gy = (phi[m + sy] - phi[m - sy]) / (2 * h)
                gz = (phi[m + 1] - phi[m - 1]) / (2 * h)
                length = math.sqrt(gx * gx + gy * gy + gz * gz) + 1e-6
                along = gx if axis == 0 else (gy if axis == 1 else gz)
                g -= 2 * (length - 1) / length * along * side
        twice = bend[j + sx] + bend[j - sx] + bend[j + sy] + bend[j - sy] + bend[j + 1] + bend[j - 1] - 6 * bend[j]
        out[a] = (eikonal * g / 2 - area * bend[j] + plate * twice) / n


@njit(parallel=True, fastmath=True, cache=True)
def step_kernel(
    phi: Any, colors: Any, rows: Any, gradient: Any, extra: Any, moments: Any, step: int, rate: float, color_rate: float
) -> None:
    """One step of Adam on the active voxels; clears the gradient. moments (2, A, 4)."""
    b1, b2 = 0.9, 0.99
    c1, c2 = 1 - b1**step, 1 - b2**step
    for a in prange(rows.shape[0]):
        j = rows[a]
        for channel in range(4):
            g = extra[a] if channel == 0 else np.float32(0.0)
            for chunk in range(gradient.shape[0]):
                g += gradient[chunk, a, channel]
                gradient[chunk, a, channel] = 0.0
            moments[0, a, channel] = b1 * moments[0, a, channel] + (1 - b1) * g
            moments[1, a, channel] = b2 * moments[1, a, channel] + (1 - b2) * g * g
            floor = 3e-7 if channel == 0 else 1e-9
            d = moments[0, a, channel] / c1 / (math.sqrt(moments[1, a, channel] / c2) + floor)
            if channel == 0:
                phi[j] -= rate * d
            elif g != 0.0:
                colors[j, channel - 1] = min(max(colors[j, channel - 1] - color_rate * d, 0.0), 1.0)
