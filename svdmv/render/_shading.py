"""Compiled loops of light: what arrives along a direction, and the colour of each sample.

Imported inside functions only: numba is heavy. Directions are world, +Y up; light is linear.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from svdmv.render._surface import ALPHA, METAL, ROUGH, frame_at, interpolated, material_at, unit, weights_of

Array = NDArray[Any]

UNLIT, MATTE, PBR = 0, 1, 2
PROBE_SIZE = 8  # octahedral texels on a side
PROBE_ROUGHNESS = np.array([0.25, 0.55], np.float32)
SAME_NORMAL = 0.9998  # cosine above which samples of a pixel share one specular look-up
LEAST_BEND, MOST_BEND = 0.0, 3.0  # bounds of how much a normal map may change the light


class Lighting(NamedTuple):
    """Light on and around a surface: arrays as in bake.Bake and light.Light, and reflectance_table()."""

    point_of: Array
    light: Array
    leans: Array
    probes: Array
    levels: Array
    sharp: Array
    level_roughness: Array
    table: Array


@njit(cache=True, fastmath=True)
def longitude(z: float, x: float) -> float:
    """atan2(z, x) to 1e-5 (Abramowitz and Stegun 4.4.47)."""
    a, b = abs(x), abs(z)
    q = min(a, b) / max(a, b, 1e-30)
    s = q * q
    angle = q * (0.9998660 + s * (-0.3302995 + s * (0.1801410 + s * (-0.0851330 + s * 0.0208351))))
    if b > a:
        angle = np.pi / 2 - angle
    if x < 0.0:
        angle = np.pi - angle
    return angle if z >= 0.0 else -angle


@njit(cache=True, fastmath=True)
def latitude(y: float) -> float:
    """asin(y) to 7e-5 (Abramowitz and Stegun 4.4.45)."""
    a = min(abs(y), 1.0)
    angle: float = np.pi / 2 - np.sqrt(1.0 - a) * (1.5707288 + a * (-0.2121144 + a * (0.0742610 - a * 0.0187293)))
    return angle if y >= 0.0 else -angle


@njit(cache=True, fastmath=True)
def map_at(image: Array, u: float, v: float) -> Any:
    """A latitude-longitude map at u, v in [0, 1], linear between pixel centres."""
    h, w = image.shape[0], image.shape[1]
    ex, ey = u * w - 0.5, v * h - 0.5
    xi, yi = int(np.floor(ex)), int(np.floor(ey))
    fx, fy = ex - xi, ey - yi
    x0, x1 = xi if xi >= 0 else w - 1, xi + 1 if xi + 1 < w else 0
    y0, y1 = max(yi, 0), min(yi + 1, h - 1)
    a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    p, q, r, s = image[y0, x0], image[y0, x1], image[y1, x0], image[y1, x1]
    return (
        a * p[0] + b * q[0] + c * r[0] + d * s[0],
        a * p[1] + b * q[1] + c * r[1] + d * s[1],
        a * p[2] + b * q[2] + c * r[2] + d * s[2],
    )


@njit(cache=True, fastmath=True)
def light_along(levels: Array, sharp: Array, roughness_of: Array, x: float, y: float, z: float, rough: float) -> Any:
    """The blurred map along a unit direction, linear in longitude, latitude, roughness; `sharp` stands for level 0."""
    lev = 0
    while lev < levels.shape[0] - 2 and roughness_of[lev + 1] < rough:
        lev += 1
    f = min(max((rough - roughness_of[lev]) / (roughness_of[lev + 1] - roughness_of[lev]), 0.0), 1.0)
    u, v = 0.5 + longitude(z, x) / (2 * np.pi), 0.5 - latitude(y) / np.pi
    if lev == 0:
        r0, g0, b0 = map_at(sharp, u, v)
    else:
        r0, g0, b0 = map_at(levels[lev], u, v)
    r1, g1, b1 = map_at(levels[lev + 1], u, v)
    return r0 + (r1 - r0) * f, g0 + (g1 - g0) * f, b0 + (b1 - b0) * f


@njit(cache=True, fastmath=True)
def reflected(
    lit: Any, p0: int, p1: int, p2: int, i: float, j: float, k: float, x: float, y: float, z: float, rough: float
) -> Any:
    """What arrives along (x, y, z): the map where the probes of three points see it, else the object's own light."""
    n = PROBE_SIZE
    s = 1.0 / (abs(x) + abs(y) + abs(z))
    u, v = x * s, y * s
    if z < 0.0:
        u, v = (1.0 - abs(v)) * (1.0 if u >= 0 else -1.0), (1.0 - abs(u)) * (1.0 if v >= 0 else -1.0)
    u = min(max((u * 0.5 + 0.5) * n - 0.5, 0.0), n - 1.001)
    v = min(max((v * 0.5 + 0.5) * n - 0.5, 0.0), n - 1.001)
    xo, yo = int(u), int(v)
    u, v, q = u - xo, v - yo, yo * n + xo
    blend = min(max((rough - PROBE_ROUGHNESS[0]) / (PROBE_ROUGHNESS[1] - PROBE_ROUGHNESS[0]), 0.0), 1.0)
    t = r = g = b = 0.0
    for level in range(2):
        f = blend if level else 1.0 - blend
        if f == 0.0:
            continue
        for corner in range(3):
            point = p0 if corner == 0 else p1 if corner == 1 else p2
            wc = f * (i if corner == 0 else j if corner == 1 else k)
            p = lit.probes[point, level]
            for m, w in ((q, (1 - u) * (1 - v)), (q + 1, u * (1 - v)), (q + n, (1 - u) * v), (q + n + 1, u * v)):
                w *= wc
                t, r, g, b = t + w * p[m, 0], r + w * p[m, 1], g + w * p[m, 2], b + w * p[m, 3]
    er, eg, eb = light_along(lit.levels, lit.sharp, lit.level_roughness, x, y, z, rough)
    return er * t + r, eg * t + g, eb * t + b


@njit(cache=True, fastmath=True)
def reflectance(table: Array, rough: float, nv: float) -> Any:
    """A, B and C of light.reflectance_table, linear between its entries."""
    cu, cv = nv * (table.shape[1] - 1.001), rough * (table.shape[0] - 1.001)
    xi, yi = int(cu), int(cv)
    cu, cv = cu - xi, cv - yi
    w00, w01, w10, w11 = (1 - cu) * (1 - cv), cu * (1 - cv), (1 - cu) * cv, cu * cv
    p, q, r, s = table[yi, xi], table[yi, xi + 1], table[yi + 1, xi], table[yi + 1, xi + 1]
    return (
        p[0] * w00 + q[0] * w01 + r[0] * w10 + s[0] * w11,
        p[1] * w00 + q[1] * w01 + r[1] * w10 + s[1] * w11,
        p[2] * w00 + q[2] * w01 + r[2] * w10 + s[2] * w11,
    )


@njit(cache=True, fastmath=True)
def lobe_axis(nx: float, ny: float, nz: float, ex: float, ey: float, ez: float, nv: float, rough: float) -> Any:
    """Where a rough lobe points: it leans from the mirror direction towards the normal."""
    al = min(max(rough * rough, 1e-3), 1.0)
    f = (1 - al) * (np.sqrt(1 - al) + al)
    return unit(nx + (2 * nv * nx - ex - nx) * f, ny + (2 * nv * ny - ey - ny) * f, nz + (2 * nv * nz - ez - nz) * f)


@njit(cache=True, fastmath=True)
def mixed(base: float, metal: float, diffuse: float, spec: float, ta: float, tb: float, tc: float) -> float:
    """One colour channel of the glTF material from its diffuse and its mirrored light, facet bounces included."""
    whole = ta + tb
    again = 1.0 + base * (1.0 - whole) / whole
    return metal * again * (base * ta + tb) * spec + (1 - metal) * (diffuse * (1 - tc) + tc * spec)


@njit(cache=True, fastmath=True)
def bend_of_light(
    lit: Any, p0: int, p1: int, p2: int, i: float, j: float, k: float, sx: float, sy: float, sz: float,
    nx: float, ny: float, nz: float,
) -> float:  # fmt: skip
    """How many times more diffuse light the mapped normal gets than that of the vertices."""
    x = i * lit.leans[p0, 0] + j * lit.leans[p1, 0] + k * lit.leans[p2, 0]
    y = i * lit.leans[p0, 1] + j * lit.leans[p1, 1] + k * lit.leans[p2, 1]
    z = i * lit.leans[p0, 2] + j * lit.leans[p1, 2] + k * lit.leans[p2, 2]
    straight = sx * x + sy * y + sz * z
    if straight < 1e-6:
        return 1.0
    bend: float = min(max((nx * x + ny * y + nz * z) / straight, LEAST_BEND), MOST_BEND)
    return bend


@njit(cache=True, fastmath=True)
def shade(mode: int, ss: int, ids: Array, s: Any, lit: Any, eye: Array, incoming: Array, out: Array) -> None:
    """Add the colour of each sample below what is in `out` (H, W, 4), linear and premultiplied.

    incoming: (H, W, 3) mirrored light found by rays, negative where there is none, or (0, 0, 3) for none at all:
    then the probes answer, once a pixel and surface.
    """
    channels = s.texels.shape[1]
    texel = np.zeros(channels, np.float32)
    traced = incoming.shape[0] > 0
    kept_x = kept_y = kept_z = 0.0
    spec_r = spec_g = spec_b = ta = tb = tc = 0.0
    for y0, x0 in np.ndindex(ids.shape[0] // ss, ids.shape[1] // ss):
        kept_rough = -1.0
        for dy, dx in np.ndindex(ss, ss):
            y, x = y0 * ss + dy, x0 * ss + dx
            t = ids[y, x]
            if t < 0:
                continue
            i, j, k, total = weights_of(s, t, x + 0.5, y + 0.5)
            material_at(s, t, i, j, k, s.face_rows[t], texel)
            alpha = texel[ALPHA] * s.face_opacities[t] if s.face_opacities[t] >= 0.0 else np.float32(1.0)
            shown = (1.0 - out[y, x, 3]) * alpha
            glow = s.emission_at >= 0
            if mode == UNLIT:
                for m in range(3):
                    out[y, x, m] += shown * texel[m]
                out[y, x, 3] += shown
                continue
            side = 0 if total * s.face_sides[t] < 0.0 else 1  # samples count y down: a front winding turns negative
            p0, p1, p2 = (
                lit.point_of[side, s.faces[t, 0]], lit.point_of[side, s.faces[t, 1]], lit.point_of[side, s.faces[t, 2]],
            )  # fmt: skip
            bend = 1.0
            if mode == PBR or s.normal_at >= 0:
                sx, sy, sz, nx, ny, nz, ex, ey, ez, nv = frame_at(s, t, i, j, k, texel, eye)
                if s.normal_at >= 0:
                    bend = bend_of_light(lit, p0, p1, p2, i, j, k, sx, sy, sz, nx, ny, nz)
                if mode == PBR:
                    rough = texel[ROUGH]
                    if traced and incoming[y, x, 0] >= 0.0:
                        ta, tb, tc = reflectance(lit.table, rough, nv)
                        spec_r, spec_g, spec_b = incoming[y, x, 0], incoming[y, x, 1], incoming[y, x, 2]
                        kept_rough = -1.0
                    elif (
                        kept_rough < 0.0
                        or nx * kept_x + ny * kept_y + nz * kept_z < SAME_NORMAL
                        or abs(rough - kept_rough) > 0.05
                    ):
                        ta, tb, tc = reflectance(lit.table, rough, nv)
                        rx, ry, rz = lobe_axis(nx, ny, nz, ex, ey, ez, nv, rough)
                        spec_r, spec_g, spec_b = reflected(lit, p0, p1, p2, i, j, k, rx, ry, rz, rough)
                        kept_x, kept_y, kept_z, kept_rough = nx, ny, nz, rough
            for m in range(3):
                value = bend * texel[m] * (i * lit.light[p0, m] + j * lit.light[p1, m] + k * lit.light[p2, m])
                if mode == PBR:
                    spec = spec_r if m == 0 else spec_g if m == 1 else spec_b
                    value = mixed(texel[m], texel[METAL], value, spec, ta, tb, tc)
                if glow:
                    value += s.emission_scale * texel[s.emission_at + m]
                out[y, x, m] += shown * value
            out[y, x, 3] += shown


@njit(cache=True, fastmath=True)
def surface_maps(ids: Array, s: Any, eye: Array, normals: Array, positions: Array, albedos: Array) -> None:
    """Normal turned to the eye (map included), position and linear base colour of each sample (H, W, 3); 0 where
    nothing is. Arrays of height 0 are left out."""
    texel = np.zeros(s.texels.shape[1], np.float32)
    for y, x in np.ndindex(ids.shape[0], ids.shape[1]):
        t = ids[y, x]
        if t < 0:
            continue
        i, j, k, _ = weights_of(s, t, x + 0.5, y + 0.5)
        if s.normal_at >= 0 or albedos.shape[0] > 0:
            material_at(s, t, i, j, k, s.face_rows[t], texel)
        if normals.shape[0] > 0:
            frame = frame_at(s, t, i, j, k, texel, eye)
            normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = frame[3], frame[4], frame[5]
        if positions.shape[0] > 0:
            positions[y, x, 0], positions[y, x, 1], positions[y, x, 2] = interpolated(s.vertices, s, t, i, j, k)
        if albedos.shape[0] > 0:
            for m in range(3):
                albedos[y, x, m] = texel[m]
