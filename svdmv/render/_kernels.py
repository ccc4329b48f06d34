"""Compiled loops of coverage: which face each sample sees, and samples to pixels.

Imported inside functions only: numba is heavy. Each has a plain definition in tests/reference. No fast-math where
coverage is decided: both neighbours of an edge must compute exactly opposite values there, so that no sample falls
between them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True)
def corner_normals(faces: Array, face_normals: Array, starts: Array, corners: Array, min_cosine: float) -> Array:
    """(F, 3, 3) normals of face corners: area-weighted sum of the faces at the vertex within the crease angle.

    face_normals (F, 3) carry twice the area as length; corners[starts[v]:starts[v+1]] are 3 * face + k at vertex v.
    """
    out = np.zeros((faces.shape[0], 3, 3))
    for v in range(len(starts) - 1):
        for i in range(starts[v], starts[v + 1]):
            f, k = corners[i] // 3, corners[i] % 3
            a = face_normals[f]
            la = np.sqrt(a[0] * a[0] + a[1] * a[1] + a[2] * a[2])
            for j in range(starts[v], starts[v + 1]):
                b = face_normals[corners[j] // 3]
                lb = np.sqrt(b[0] * b[0] + b[1] * b[1] + b[2] * b[2])
                if a[0] * b[0] + a[1] * b[1] + a[2] * b[2] >= min_cosine * la * lb:
                    out[f, k] += b
            n = out[f, k]
            length = np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2])
            if length > 0.0:
                out[f, k] /= length
    return out


@njit(cache=True)
def choose_mips(
    screen: Array,
    faces: Array,
    face_texels: Array,
    face_materials: Array,
    first_rows: Array,
    num_levels: Array,
    bias: float,
    out: Array,
) -> None:
    """Mip row of each face: the level whose texels are about as large as a pixel; screen in pixels."""
    for t in range(faces.shape[0]):
        m = face_materials[t]
        out[t] = first_rows[m]
        if num_levels[m] == 1:
            continue
        a, b, c = screen[faces[t, 0]], screen[faces[t, 1]], screen[faces[t, 2]]
        pixels = abs((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]))
        level = 0.5 * np.log2(max(face_texels[t], 1e-9) / max(pixels, 1e-9)) + bias
        out[t] += min(max(int(np.round(level)), 0), num_levels[m] - 1)


@njit(cache=True)
def texel_alpha(texels: Array, rows: Array, row: int, u: float, v: float) -> float:
    """Alpha at (u, v), linear between texel centres, repeating."""
    offset, height, width = rows[row, 0], rows[row, 1], rows[row, 2]
    fx, fy = u * width - 0.5, v * height - 0.5
    xi, yi = int(np.floor(fx)), int(np.floor(fy))
    fx, fy = fx - xi, fy - yi
    row0, row1, c0, c1 = offset + yi % height * width, offset + (yi + 1) % height * width, xi % width, (xi + 1) % width
    upper = texels[row0 + c0, 5] * (1 - fx) + texels[row0 + c1, 5] * fx
    lower = texels[row1 + c0, 5] * (1 - fx) + texels[row1 + c1, 5] * fx
    alpha: float = upper * (1 - fy) + lower * fy
    return alpha


@njit(cache=True)
def rasterise(
    screen: Array,
    faces: Array,
    cutoffs: Array,
    uvs: Array,
    texels: Array,
    rows: Array,
    face_rows: Array,
    ids: Array,
    nearest: Array,
) -> None:
    """Face of each sample into ids (H, W) int32 (-1 = none) and its 1 / depth into nearest (H, W) float32.

    screen: (V, 3) x, y in samples, 1 / depth (not above 0 = behind the near plane: the face is left out). No culling.
    A sample exactly on an edge belongs to both faces; the nearer, then the first, wins.
    """
    h, w = ids.shape
    for t in range(faces.shape[0]):
        a, b, c = screen[faces[t, 0]], screen[faces[t, 1]], screen[faces[t, 2]]
        if a[2] <= 0.0 or b[2] <= 0.0 or c[2] <= 0.0:
            continue
        ax, ay, bx, by, cx, cy = a[0], a[1], b[0], b[1], c[0], c[1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        lo_x, hi_x = max(min(ax, bx, cx), -1.0), min(max(ax, bx, cx), w + 1.0)
        lo_y, hi_y = max(min(ay, by, cy), -1.0), min(max(ay, by, cy), h + 1.0)
        x0, x1 = max(0, int(np.ceil(lo_x - 0.5))), min(w - 1, int(np.floor(hi_x - 0.5)))
        y0, y1 = max(0, int(np.ceil(lo_y - 0.5))), min(h - 1, int(np.floor(hi_y - 0.5)))
        sign = 1.0 if area > 0.0 else -1.0
        cutoff = cutoffs[t]
        for y in range(y0, y1 + 1):
            py = y + 0.5
            for x in range(x0, x1 + 1):
                px = x + 0.5
                i = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * sign
                if i < 0.0:
                    continue
                j = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * sign
                if j < 0.0:
                    continue
                k = ((ax - px) * (by - py) - (ay - py) * (bx - px)) * sign
                total = i + j + k
                if k < 0.0 or total <= 0.0:
                    continue
                z = np.float32((i * a[2] + j * b[2] + k * c[2]) / total)
                if z <= nearest[y, x]:
                    continue
                if cutoff > 0.0:
                    i, j, k = i * a[2], j * b[2], k * c[2]
                    total = i + j + k
                    u = (i * uvs[faces[t, 0], 0] + j * uvs[faces[t, 1], 0] + k * uvs[faces[t, 2], 0]) / total
                    v = (i * uvs[faces[t, 0], 1] + j * uvs[faces[t, 1], 1] + k * uvs[faces[t, 2], 1]) / total
                    if texel_alpha(texels, rows, face_rows[t], u, v) < cutoff:
                        continue
                nearest[y, x] = z
                ids[y, x] = t


@njit(cache=True)
def surface_normals(
    ids: Array, screen: Array, faces: Array, vertices: Array, normals: Array, eye: Array, out: Array
) -> None:
    """World normal of each sample (H, W, 3), interpolated and turned to the eye; 0 where nothing is."""
    for y, x in np.ndindex(ids.shape[0], ids.shape[1]):
        t = ids[y, x]
        if t < 0:
            continue
        tri = faces[t]
        a, b, c = screen[tri[0]], screen[tri[1]], screen[tri[2]]
        px, py = x + 0.5, y + 0.5
        i = ((b[0] - px) * (c[1] - py) - (b[1] - py) * (c[0] - px)) * a[2]
        j = ((c[0] - px) * (a[1] - py) - (c[1] - py) * (a[0] - px)) * b[2]
        k = ((a[0] - px) * (b[1] - py) - (a[1] - py) * (b[0] - px)) * c[2]
        total = i + j + k
        i, j, k = i / total, j / total, k / total
        length = facing = 0.0
        for m in range(3):
            n = i * normals[tri[0], m] + j * normals[tri[1], m] + k * normals[tri[2], m]
            e = eye[m] - (i * vertices[tri[0], m] + j * vertices[tri[1], m] + k * vertices[tri[2], m])
            out[y, x, m] = n
            length += n * n
            facing += n * e
        length = np.sqrt(length) if length > 0.0 else 1.0
        for m in range(3):
            out[y, x, m] *= (1.0 if facing >= 0.0 else -1.0) / length


@njit(cache=True, fastmath=True)
def resolve(samples: Array, weights: Array, reach: int, ss: int, out: Array) -> None:
    """Filter linear premultiplied samples (H ss, W ss, 4), divide by alpha, encode sRGB: (H, W, 4) bytes.

    weights: one axis of the separable filter around a pixel that starts `reach` samples later.
    """
    rows, columns = samples.shape[:2]
    h, w, taps = out.shape[0], out.shape[1], len(weights)
    used = np.zeros(rows, np.bool_)
    strips = np.zeros((rows, w, 4), np.float32)
    for y in range(rows):
        first, last = columns, -1
        for x in range(columns):
            if samples[y, x, 3] != 0.0:
                first, last = min(first, x), x
        if last < 0:
            continue
        used[y] = True
        for x in range(max(0, (first - taps) // ss), min(w, (last + taps) // ss + 1)):
            norm = r = g = b = a = np.float32(0.0)
            for i in range(taps):
                xx = x * ss + i - reach
                if xx < 0 or xx >= columns:
                    continue
                f = weights[i]
                norm += f
                r += f * samples[y, xx, 0]
                g += f * samples[y, xx, 1]
                b += f * samples[y, xx, 2]
                a += f * samples[y, xx, 3]
            strips[y, x, 0], strips[y, x, 1], strips[y, x, 2], strips[y, x, 3] = r / norm, g / norm, b / norm, a / norm
    out[:] = 0
    acc = np.empty(4, np.float32)
    for y in range(h):
        first, last = max(0, y * ss - reach), min(rows, y * ss - reach + taps)
        if not used[first:last].any():
            continue
        norm = np.float32(0.0)
        for yy in range(first, last):
            norm += weights[yy - y * ss + reach]
        for x in range(w):
            acc[:] = 0.0
            for yy in range(first, last):
                if used[yy]:
                    f = weights[yy - y * ss + reach] / norm
                    for i in range(4):
                        acc[i] += f * strips[yy, x, i]
            if acc[3] <= 0.0:
                continue
            for i in range(3):
                v = acc[i] / acc[3]
                v = 12.92 * v if v <= 0.0031308 else 1.055 * v ** (1 / 2.4) - 0.055
                out[y, x, i] = np.uint8(min(max(v, 0.0), 1.0) * 255 + 0.5)
            out[y, x, 3] = np.uint8(min(acc[3], 1.0) * 255 + 0.5)
