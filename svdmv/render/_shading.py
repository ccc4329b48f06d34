"""Compiled loops of light: gathering it on the surface, and the colour of each sample.

Imported inside functions only: numba is heavy. Directions are world, +Y up; light is linear.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

UNLIT, MATTE, PBR = 0, 1, 2
PROBE_SIZE = 8  # octahedral texels on a side
PROBE_ROUGHNESS = np.array([0.25, 0.55], np.float32)
SAME_NORMAL = 0.9998  # cosine above which samples of a pixel share one specular look-up


@njit(cache=True, fastmath=True)
def gather(
    hit: Array, normals: Array, directions: Array, energies: Array, solid_angles: Array, radiosity: Array, out: Array
) -> None:
    """Irradiance / pi of each point: light of escaped cells plus radiosity (2F, 3) of the face sides hit.

    hit[p, c]: 2 * face + side, -1 escaped, -2 below the horizon. Scaled so that light of 1 from everywhere gives 1.
    """
    for p in range(hit.shape[0]):
        r = g = b = total = 0.0
        for c in range(directions.shape[0]):
            t = hit[p, c]
            if t == -2:
                continue
            cosine = (
                normals[p, 0] * directions[c, 0] + normals[p, 1] * directions[c, 1] + normals[p, 2] * directions[c, 2]
            )
            w = cosine * solid_angles[c]
            total += w
            if t == -1:
                r += cosine * energies[c, 0]
                g += cosine * energies[c, 1]
                b += cosine * energies[c, 2]
            else:
                r += w * radiosity[t, 0]
                g += w * radiosity[t, 1]
                b += w * radiosity[t, 2]
        s = 1.0 / total if total > 0.0 else 0.0
        out[p, 0], out[p, 1], out[p, 2] = r * s, g * s, b * s


@njit(cache=True, fastmath=True)
def probes_from_hits(hit: Array, shine: Array, area: Array, radiosity: Array, out: Array) -> None:
    """Probes (P, L, T, 4): share of each lobe's light that gets through, RGB of what the rest of the lobe sees.

    hit (P, C) as in gather; shine, area (L, C, T): lobe weight of a cell times its light, times its solid angle.
    """
    num_levels, num_texels = shine.shape[0], shine.shape[2]
    light, free = np.empty(num_texels, np.float32), np.empty(num_texels, np.float32)
    total, seen = np.empty(num_texels, np.float32), np.empty((3, num_texels), np.float32)
    for p in range(hit.shape[0]):
        if hit[p].max() < 0:
            out[p, :, :, 0] = 1.0
            out[p, :, :, 1:] = 0.0
            continue
        for level in range(num_levels):
            light[:], free[:], total[:], seen[:] = 0.0, 0.0, 0.0, 0.0
            for c in range(hit.shape[1]):
                t = hit[p, c]
                if t == -2:
                    continue
                for k in range(num_texels):
                    light[k] += shine[level, c, k]
                    total[k] += area[level, c, k]
                if t == -1:
                    for k in range(num_texels):
                        free[k] += shine[level, c, k]
                else:
                    r, g, b = radiosity[t, 0], radiosity[t, 1], radiosity[t, 2]
                    for k in range(num_texels):
                        seen[0, k] += r * area[level, c, k]
                        seen[1, k] += g * area[level, c, k]
                        seen[2, k] += b * area[level, c, k]
            for k in range(num_texels):
                out[p, level, k, 0] = free[k] / max(light[k], 1e-9)
                for i in range(3):
                    out[p, level, k, 1 + i] = seen[i, k] / max(total[k], 1e-9)


@njit(cache=True, fastmath=True)
def light_along(levels: Array, level_roughness: Array, x: float, y: float, z: float, roughness: float) -> Any:
    """The blurred map along a unit direction: linear in longitude, latitude and roughness."""
    lev = 0
    while lev < levels.shape[0] - 2 and level_roughness[lev + 1] < roughness:
        lev += 1
    step = level_roughness[lev + 1] - level_roughness[lev]
    fl = min(max((roughness - level_roughness[lev]) / step, 0.0), 1.0)
    h, w = levels.shape[1], levels.shape[2]
    ex = (0.5 + np.arctan2(z, x) / (2 * np.pi)) * w - 0.5
    ey = (0.5 - np.arcsin(min(max(y, -1.0), 1.0)) / np.pi) * h - 0.5
    xi, yi = int(np.floor(ex)), int(np.floor(ey))
    fx, fy = ex - xi, ey - yi
    x0, x1, y0, y1 = xi % w, (xi + 1) % w, max(yi, 0), min(yi + 1, h - 1)
    a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    p, q = levels[lev], levels[lev + 1]
    r0 = a * p[y0, x0, 0] + b * p[y0, x1, 0] + c * p[y1, x0, 0] + d * p[y1, x1, 0]
    g0 = a * p[y0, x0, 1] + b * p[y0, x1, 1] + c * p[y1, x0, 1] + d * p[y1, x1, 1]
    b0 = a * p[y0, x0, 2] + b * p[y0, x1, 2] + c * p[y1, x0, 2] + d * p[y1, x1, 2]
    r1 = a * q[y0, x0, 0] + b * q[y0, x1, 0] + c * q[y1, x0, 0] + d * q[y1, x1, 0]
    g1 = a * q[y0, x0, 1] + b * q[y0, x1, 1] + c * q[y1, x0, 1] + d * q[y1, x1, 1]
    b1 = a * q[y0, x0, 2] + b * q[y0, x1, 2] + c * q[y1, x0, 2] + d * q[y1, x1, 2]
    return r0 + (r1 - r0) * fl, g0 + (g1 - g0) * fl, b0 + (b1 - b0) * fl


@njit(cache=True, fastmath=True)
def reflected(
    levels: Array,
    level_roughness: Array,
    probes: Array,
    points: Array,
    k: Array,
    x: float,
    y: float,
    z: float,
    roughness: float,
) -> Any:
    """What arrives along (x, y, z): the map where the points' probes see it, else the object's own light."""
    n = PROBE_SIZE
    s = 1.0 / (abs(x) + abs(y) + abs(z))
    u, v = x * s, y * s
    if z < 0.0:
        u, v = (1.0 - abs(v)) * (1.0 if u >= 0 else -1.0), (1.0 - abs(u)) * (1.0 if v >= 0 else -1.0)
    u, v = (
        min(max((u * 0.5 + 0.5) * n - 0.5, 0.0), n - 1.001),
        min(max((v * 0.5 + 0.5) * n - 0.5, 0.0), n - 1.001),
    )
    xo, yo = int(u), int(v)
    u, v, q = u - xo, v - yo, yo * n + xo
    blend = min(max((roughness - PROBE_ROUGHNESS[0]) / (PROBE_ROUGHNESS[1] - PROBE_ROUGHNESS[0]), 0.0), 1.0)
    t = r = g = b = 0.0
    for level in range(2):
        f = blend if level else 1.0 - blend
        if f == 0.0:
            continue
        for j in range(3):
            p = probes[points[j], level]
            for m, w in ((q, (1 - u) * (1 - v)), (q + 1, u * (1 - v)), (q + n, (1 - u) * v), (q + n + 1, u * v)):
                w *= k[j] * f
                t, r, g, b = t + w * p[m, 0], r + w * p[m, 1], g + w * p[m, 2], b + w * p[m, 3]
    er, eg, eb = light_along(levels, level_roughness, x, y, z, roughness)
    return er * t + r, eg * t + g, eb * t + b


@njit(cache=True, fastmath=True)
def shade(
    mode: int,
    ss: int,
    ids: Array,
    screen: Array,
    faces: Array,
    face_sides: Array,
    vertices: Array,
    normals: Array,
    uvs: Array,
    colors: Array,
    point_of: Array,
    light: Array,
    probes: Array,
    texels: Array,
    rows: Array,
    face_rows: Array,
    levels: Array,
    level_roughness: Array,
    table: Array,
    eye: Array,
    out: Array,
) -> None:
    """Linear premultiplied RGBA (H, W, 4) of each sample.

    face_sides: +1 where the winding agrees with the normals, else -1. point_of (2, V): the point whose light counts
    when a vertex is seen from the front and from the back. colors: (V, 3) linear, or (0, 3) for none.
    The specular part is looked up once a pixel and surface.
    """
    channels = texels.shape[1]
    texel, k, n, e, kept = np.empty(channels), np.empty(3), np.empty(3), np.empty(3), np.empty(4)
    points = np.empty(3, np.int64)
    spec_r = spec_g = spec_b = ta = tb = tc = 0.0
    for y0, x0 in np.ndindex(ids.shape[0] // ss, ids.shape[1] // ss):
        kept[3] = -1.0
        for dy, dx in np.ndindex(ss, ss):
            y, x = y0 * ss + dy, x0 * ss + dx
            t = ids[y, x]
            for i in range(4):
                out[y, x, i] = 0.0
            if t < 0:
                continue
            tri = faces[t]
            a, b, c = screen[tri[0]], screen[tri[1]], screen[tri[2]]
            px, py = x + 0.5, y + 0.5
            k[0] = ((b[0] - px) * (c[1] - py) - (b[1] - py) * (c[0] - px)) * a[2]
            k[1] = ((c[0] - px) * (a[1] - py) - (c[1] - py) * (a[0] - px)) * b[2]
            k[2] = ((a[0] - px) * (b[1] - py) - (a[1] - py) * (b[0] - px)) * c[2]
            total = k[0] + k[1] + k[2]
            side = 0 if total * face_sides[t] < 0.0 else 1  # samples count y down: a front winding turns negative
            for i in range(3):
                k[i] /= total
            offset, th, tw = rows[face_rows[t], 0], rows[face_rows[t], 1], rows[face_rows[t], 2]
            fx = (k[0] * uvs[tri[0], 0] + k[1] * uvs[tri[1], 0] + k[2] * uvs[tri[2], 0]) * tw - 0.5
            fy = (k[0] * uvs[tri[0], 1] + k[1] * uvs[tri[1], 1] + k[2] * uvs[tri[2], 1]) * th - 0.5
            xi, yi = int(np.floor(fx)), int(np.floor(fy))
            fx, fy = fx - xi, fy - yi
            row0, row1, c0, c1 = offset + yi % th * tw, offset + (yi + 1) % th * tw, xi % tw, (xi + 1) % tw
            for i in range(channels):
                upper = texels[row0 + c0, i] * (1 - fx) + texels[row0 + c1, i] * fx
                lower = texels[row1 + c0, i] * (1 - fx) + texels[row1 + c1, i] * fx
                texel[i] = upper * (1 - fy) + lower * fy
            if colors.shape[0] > 0:
                for i in range(3):
                    texel[i] *= k[0] * colors[tri[0], i] + k[1] * colors[tri[1], i] + k[2] * colors[tri[2], i]
            out[y, x, 3] = 1.0
            if mode == UNLIT:
                for i in range(3):
                    out[y, x, i] = texel[i]
                continue
            for i in range(3):
                points[i] = point_of[side, tri[i]]
            if mode == PBR:
                for i in range(3):
                    n[i] = k[0] * normals[tri[0], i] + k[1] * normals[tri[1], i] + k[2] * normals[tri[2], i]
                    e[i] = eye[i] - (
                        k[0] * vertices[tri[0], i] + k[1] * vertices[tri[1], i] + k[2] * vertices[tri[2], i]
                    )
                ln = 1.0 / np.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2] + 1e-30)
                le = 1.0 / np.sqrt(e[0] * e[0] + e[1] * e[1] + e[2] * e[2] + 1e-30)
                nv = 0.0
                for i in range(3):
                    n[i] *= ln
                    e[i] *= le
                    nv += n[i] * e[i]
                if nv < 0.0:
                    for i in range(3):
                        n[i] = -n[i]
                rough = texel[3]
                same = n[0] * kept[0] + n[1] * kept[1] + n[2] * kept[2] >= SAME_NORMAL
                if kept[3] < 0.0 or not same or abs(rough - kept[3]) > 0.05:
                    nv = min(max(abs(nv), 1e-3), 1.0)
                    cu, cv = nv * (table.shape[1] - 1.001), rough * (table.shape[0] - 1.001)
                    xi, yi = int(cu), int(cv)
                    cu, cv = cu - xi, cv - yi
                    w00, w01, w10, w11 = (1 - cu) * (1 - cv), cu * (1 - cv), (1 - cu) * cv, cu * cv
                    p, q = table[yi], table[yi + 1]
                    ta = p[xi, 0] * w00 + p[xi + 1, 0] * w01 + q[xi, 0] * w10 + q[xi + 1, 0] * w11
                    tb = p[xi, 1] * w00 + p[xi + 1, 1] * w01 + q[xi, 1] * w10 + q[xi + 1, 1] * w11
                    tc = p[xi, 2] * w00 + p[xi + 1, 2] * w01 + q[xi, 2] * w10 + q[xi + 1, 2] * w11
                    al = max(rough * rough, 1e-3)
                    f = (1 - al) * (np.sqrt(1 - al) + al)  # the lobe leans from the mirror direction to the normal
                    rx = n[0] + (2 * nv * n[0] - e[0] - n[0]) * f
                    ry = n[1] + (2 * nv * n[1] - e[1] - n[1]) * f
                    rz = n[2] + (2 * nv * n[2] - e[2] - n[2]) * f
                    s = 1.0 / np.sqrt(rx * rx + ry * ry + rz * rz)
                    spec_r, spec_g, spec_b = reflected(
                        levels, level_roughness, probes, points, k, rx * s, ry * s, rz * s, rough
                    )
                    kept[0], kept[1], kept[2], kept[3] = n[0], n[1], n[2], rough
            for i in range(3):
                value = texel[i] * (
                    k[0] * light[points[0], i] + k[1] * light[points[1], i] + k[2] * light[points[2], i]
                )
                if mode == PBR:
                    spec = spec_r if i == 0 else spec_g if i == 1 else spec_b
                    metal, whole = texel[4], ta + tb
                    again = 1.0 + texel[i] * (1.0 - whole) / whole  # light that bounces between facets
                    value = metal * again * (texel[i] * ta + tb) * spec + (1 - metal) * (value * (1 - tc) + tc * spec)
                if channels > 6:
                    value += texel[6 + i]
                out[y, x, i] = value
