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


@njit(forceinline=True)
def texel_alpha(texels: Array, rows: Array, row: int, u: float, v: float) -> float:
    """Alpha at (u, v), linear between texel centres, repeating."""
    offset, height, width = rows[row, 0], rows[row, 1], rows[row, 2]
    fx, fy = u * width - 0.5, v * height - 0.5
    xi, yi = int(np.floor(fx)), int(np.floor(fy))
    fx, fy = fx - xi, fy - yi
    row0, row1, c0, c1 = offset + yi % height * width, offset + (yi + 1) % height * width, xi % width, (xi + 1) % width
    upper = texels[row0 + c0, 5] * (1 - fx) + texels[row0 + c1, 5] * fx
    lower = texels[row1 + c0, 5] * (1 - fx) + texels[row1 + c1, 5] * fx
    alpha: float = (upper * (1 - fy) + lower * fy) / 65535
    return alpha


@njit(cache=True)
def rasterise(
    screen: Array,
    faces: Array,
    drawn: Array,
    cutoffs: Array,
    uvs: Array,
    texels: Array,
    rows: Array,
    face_rows: Array,
    ceiling: Array,
    ids: Array,
    nearest: Array,
) -> int:
    """Face of each sample into ids (H, W) int32 and its 1 / depth into nearest (H, W) float32, where it is nearer than
    what `nearest` holds; returns how many samples were written, repeats counted.

    screen: (V, 3) x, y in samples, 1 / depth (not above 0 = behind the near plane: the face is left out). No culling.
    drawn: (F,) which faces count. ceiling: (H, W) 1 / depth from which on a face is too near to count, or (0, 0).
    A sample exactly on an edge belongs to both faces; the nearer, then the first, wins.
    """
    h, w = ids.shape
    peeled = ceiling.shape[0] > 0
    written = 0
    for t in range(faces.shape[0]):
        if not drawn[t]:
            continue
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
            met = False
            for x in range(x0, x1 + 1):
                px = x + 0.5
                i = ((bx - px) * (cy - py) - (by - py) * (cx - px)) * sign
                j = ((cx - px) * (ay - py) - (cy - py) * (ax - px)) * sign
                k = ((ax - px) * (by - py) - (ay - py) * (bx - px)) * sign
                total = i + j + k
                if i < 0.0 or j < 0.0 or k < 0.0 or total <= 0.0:
                    if met and min(i, j, k) < -1e-6:
                        break  # a row of a triangle is one piece; nearer to an edge rounding may tear it
                    continue
                met = True
                z = np.float32((i * a[2] + j * b[2] + k * c[2]) / total)
                if z <= nearest[y, x] or (peeled and z >= ceiling[y, x]):
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
                written += 1
    return written


@njit(forceinline=True)
def byte_of(value: float, thresholds: Array, guesses: Array) -> int:
    """The sRGB byte of a linear value: how many of the 255 thresholds it reaches; guesses start the count below."""
    last = guesses.shape[0] - 1
    byte = guesses[int(min(max(value, 0.0), 1.0) * last)]
    while byte < 255 and value >= thresholds[byte]:
        byte += 1
    return int(byte)


@njit(cache=True, fastmath=True)
def resolve(
    samples: Array,
    weights: Array,
    reach: int,
    ss: int,
    top: int,
    left: int,
    first_y: int,
    last_y: int,
    gain: float,
    thresholds: Array,
    guesses: Array,
    out: Array,
) -> None:
    """Filter linear premultiplied samples, divide by alpha, times gain, encode sRGB into rows first_y .. last_y - 1 of
    the picture `out` (H, W, 4), bytes, where anything shows.

    samples: (h ss, w ss, 4) of the part of the picture that starts at pixel row `top`, column `left`; nothing is
    outside it. weights: one axis of the separable filter around a pixel that starts `reach` samples before it.
    """
    rows, columns = samples.shape[:2]
    h, w, taps = out.shape[0], out.shape[1], len(weights)
    first_x, last_x = max(0, left - taps // ss), min(w, left + columns // ss + taps // ss)
    strips = np.zeros((rows, last_x - first_x, 4), np.float32)
    used = np.zeros(rows, np.bool_)
    for y in range(rows):
        low, high = columns, -1
        for x in range(columns):
            if samples[y, x, 3] != 0.0:
                low, high = min(low, x), x
        if high < 0:
            continue
        used[y] = True
        for x in range(max(first_x, left + (low - taps) // ss), min(last_x, left + (high + taps) // ss + 1)):
            norm = r = g = b = a = np.float32(0.0)
            for i in range(taps):
                xx = x * ss + i - reach
                if xx < 0 or xx >= w * ss:
                    continue
                f = weights[i]
                norm += f
                xx -= left * ss
                if xx < 0 or xx >= columns:
                    continue
                r += f * samples[y, xx, 0]
                g += f * samples[y, xx, 1]
                b += f * samples[y, xx, 2]
                a += f * samples[y, xx, 3]
            strip = strips[y, x - first_x]
            strip[0], strip[1], strip[2], strip[3] = r / norm, g / norm, b / norm, a / norm
    for y in range(first_y, last_y):
        start = y * ss - reach
        first, last = max(0, start), min(h * ss, start + taps)
        norm = np.float32(0.0)
        for yy in range(first, last):
            norm += weights[yy - start]
        first, last = max(first, top * ss), min(last, top * ss + rows)
        for x in range(first_x, last_x):
            r = g = b = a = np.float32(0.0)
            for yy in range(first, last):
                if used[yy - top * ss]:
                    f = weights[yy - start] / norm
                    strip = strips[yy - top * ss, x - first_x]
                    r, g, b, a = r + f * strip[0], g + f * strip[1], b + f * strip[2], a + f * strip[3]
            alpha = np.uint8(min(a, np.float32(1.0)) * 255 + 0.5)
            if alpha == 0:
                continue
            scale = gain / a
            out[y, x, 0] = byte_of(r * scale, thresholds, guesses)
            out[y, x, 1] = byte_of(g * scale, thresholds, guesses)
            out[y, x, 2] = byte_of(b * scale, thresholds, guesses)
            out[y, x, 3] = alpha
