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
SAME_NORMAL, SAME_LOBE = 2e-4, 1e-2  # samples of a pixel share mirrored light when 1 - cosine is below the first
#                                      plus the second times alpha^2: the wider the lobe, the less a turn matters
LEAST_BEND, MOST_BEND = 0.0, 3.0  # bounds of how much a normal map may change the light


class Lighting(NamedTuple):
    """Light on and around a surface: arrays as in bake.Bake and light.Light, and reflectance_table()."""

    point_of: Array
    light: Array
    leans: Array
    probes: Array
    levels: Array
    sharp: Array  # with a leading axis of 1
    level_roughness: Array
    table: Array


@njit(fastmath=True, forceinline=True)
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


@njit(fastmath=True, forceinline=True)
def latitude(y: float) -> float:
    """asin(y) to 7e-5 (Abramowitz and Stegun 4.4.45)."""
    a = min(abs(y), 1.0)
    angle: float = np.pi / 2 - np.sqrt(1.0 - a) * (1.5707288 + a * (-0.2121144 + a * (0.0742610 - a * 0.0187293)))
    return angle if y >= 0.0 else -angle


@njit(fastmath=True, forceinline=True)
def map_at(image: Array, n: int, u: float, v: float) -> Any:
    """Latitude-longitude map n of (N, H, W, 3) at u, v in [0, 1], linear between pixel centres."""
    h, w = image.shape[1], image.shape[2]
    ex, ey = u * w - 0.5, v * h - 0.5
    xi, yi = int(np.floor(ex)), int(np.floor(ey))
    fx, fy = ex - xi, ey - yi
    x0, x1 = xi if xi >= 0 else w - 1, xi + 1 if xi + 1 < w else 0
    y0, y1 = max(yi, 0), min(yi + 1, h - 1)
    a, b, c, d = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
    return (
        a * image[n, y0, x0, 0] + b * image[n, y0, x1, 0] + c * image[n, y1, x0, 0] + d * image[n, y1, x1, 0],
        a * image[n, y0, x0, 1] + b * image[n, y0, x1, 1] + c * image[n, y1, x0, 1] + d * image[n, y1, x1, 1],
        a * image[n, y0, x0, 2] + b * image[n, y0, x1, 2] + c * image[n, y1, x0, 2] + d * image[n, y1, x1, 2],
    )


@njit(fastmath=True, forceinline=True)
def light_along(levels: Array, sharp: Array, roughness_of: Array, x: float, y: float, z: float, rough: float) -> Any:
    """The blurred map along a unit direction, linear in longitude, latitude, roughness; `sharp` stands for level 0."""
    lev = 0
    while lev < levels.shape[0] - 2 and roughness_of[lev + 1] < rough:
        lev += 1
    f = min(max((rough - roughness_of[lev]) / (roughness_of[lev + 1] - roughness_of[lev]), 0.0), 1.0)
    u, v = 0.5 + longitude(z, x) / (2 * np.pi), 0.5 - latitude(y) / np.pi
    if lev == 0:
        r0, g0, b0 = map_at(sharp, 0, u, v)
    else:
        r0, g0, b0 = map_at(levels, lev, u, v)
    r1, g1, b1 = map_at(levels, lev + 1, u, v)
    return r0 + (r1 - r0) * f, g0 + (g1 - g0) * f, b0 + (b1 - b0) * f


@njit(fastmath=True, forceinline=True)
def reflected(
    probes: Array, levels: Array, sharp: Array, level_roughness: Array, p0: int, p1: int, p2: int, i: float, j: float,
    k: float, x: float, y: float, z: float, rough: float,
) -> Any:  # fmt: skip
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
            for m, w in ((q, (1 - u) * (1 - v)), (q + 1, u * (1 - v)), (q + n, (1 - u) * v), (q + n + 1, u * v)):
                w *= wc
                t += w * probes[point, level, m, 0]
                r += w * probes[point, level, m, 1]
                g += w * probes[point, level, m, 2]
                b += w * probes[point, level, m, 3]
    er, eg, eb = light_along(levels, sharp, level_roughness, x, y, z, rough)
    return er * t + r, eg * t + g, eb * t + b


@njit(fastmath=True, forceinline=True)
def reflectance(table: Array, rough: float, nv: float) -> Any:
    """A, B and C of light.reflectance_table, linear between its entries."""
    cu, cv = nv * (table.shape[1] - 1.001), rough * (table.shape[0] - 1.001)
    xi, yi = int(cu), int(cv)
    cu, cv = cu - xi, cv - yi
    w00, w01, w10, w11 = (1 - cu) * (1 - cv), cu * (1 - cv), (1 - cu) * cv, cu * cv
    yj, xj = yi + 1, xi + 1
    return (
        table[yi, xi, 0] * w00 + table[yi, xj, 0] * w01 + table[yj, xi, 0] * w10 + table[yj, xj, 0] * w11,
        table[yi, xi, 1] * w00 + table[yi, xj, 1] * w01 + table[yj, xi, 1] * w10 + table[yj, xj, 1] * w11,
        table[yi, xi, 2] * w00 + table[yi, xj, 2] * w01 + table[yj, xi, 2] * w10 + table[yj, xj, 2] * w11,
    )


@njit(fastmath=True, forceinline=True)
def lobe_axis(nx: float, ny: float, nz: float, ex: float, ey: float, ez: float, nv: float, rough: float) -> Any:
    """Where a rough lobe points: it leans from the mirror direction towards the normal."""
    al = min(max(rough * rough, 1e-3), 1.0)
    f = (1 - al) * (np.sqrt(1 - al) + al)
    return unit(nx + (2 * nv * nx - ex - nx) * f, ny + (2 * nv * ny - ey - ny) * f, nz + (2 * nv * nz - ez - nz) * f)


@njit(fastmath=True, forceinline=True)
def mixed(base: float, metal: float, diffuse: float, spec: float, ta: float, tb: float, tc: float) -> float:
    """One colour channel of the glTF material from its diffuse and its mirrored light, facet bounces included."""
    whole = ta + tb
    again = 1.0 + base * (1.0 - whole) / whole
    return metal * again * (base * ta + tb) * spec + (1 - metal) * (diffuse * (1 - tc) + tc * spec)


@njit(fastmath=True, forceinline=True)
def bend_of_light(
    leans: Array, p0: int, p1: int, p2: int, i: float, j: float, k: float, sx: float, sy: float, sz: float,
    nx: float, ny: float, nz: float,
) -> float:  # fmt: skip
    """How many times more diffuse light the mapped normal gets than that of the vertices."""
    x = i * leans[p0, 0] + j * leans[p1, 0] + k * leans[p2, 0]
    y = i * leans[p0, 1] + j * leans[p1, 1] + k * leans[p2, 1]
    z = i * leans[p0, 2] + j * leans[p1, 2] + k * leans[p2, 2]
    straight = sx * x + sy * y + sz * z
    if straight < 1e-6:
        return 1.0
    bend: float = min(max((nx * x + ny * y + nz * z) / straight, LEAST_BEND), MOST_BEND)
    return bend


@njit(cache=True, fastmath=True)
def shade(mode: int, ss: int, ids: Array, s: Any, lit: Any, eye: Array, incoming: Array, out: Array) -> None:
    """Add the colour of each sample below what is in `out` (H, W, 4), linear and premultiplied.

    incoming: (H, W, 3) mirrored light found by rays, negative where there is none, or (0, 0, 3) for none at all:
    then a like sample of the same pixel answers, or the probes.
    """
    screen, faces, vertices, normals, tangents = s.screen, s.faces, s.vertices, s.normals, s.tangents
    uvs, colors, texels, rows, face_rows = s.uvs, s.colors, s.texels, s.rows, s.face_rows
    mirrors, normal_at, emission_at = s.face_mirrors, s.normal_at, s.emission_at
    face_sides, opacities, emission_scale, unlit = s.face_sides, s.face_opacities, s.emission_scale, s.face_unlit
    point_of, light, leans, probes = lit.point_of, lit.light, lit.leans, lit.probes
    levels, sharp, level_roughness, table = lit.levels, lit.sharp, lit.level_roughness, lit.table
    texel = np.zeros(texels.shape[1], np.float32)
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
            i, j, k, total = weights_of(screen, faces, t, x + 0.5, y + 0.5)
            material_at(faces, uvs, colors, texels, rows, t, i, j, k, face_rows[t], emission_at, texel)
            alpha = texel[ALPHA] * opacities[t] if opacities[t] >= 0.0 else np.float32(1.0)
            shown = (1.0 - out[y, x, 3]) * alpha
            glow = emission_at >= 0
            if mode == UNLIT or unlit[t]:
                for m in range(3):
                    out[y, x, m] += shown * texel[m]
                out[y, x, 3] += shown
                continue
            side = 0 if total * face_sides[t] < 0.0 else 1  # samples count y down: a front winding turns negative
            p0, p1, p2 = (
                point_of[side, faces[t, 0]], point_of[side, faces[t, 1]], point_of[side, faces[t, 2]],
            )  # fmt: skip
            bend = 1.0
            if mode == PBR or normal_at >= 0:
                sx, sy, sz, nx, ny, nz, ex, ey, ez, nv = frame_at(
                    faces, vertices, normals, tangents, mirrors, normal_at, t, i, j, k, texel, eye
                )
                if normal_at >= 0:
                    bend = bend_of_light(leans, p0, p1, p2, i, j, k, sx, sy, sz, nx, ny, nz)
                if mode == PBR:
                    rough = texel[ROUGH]
                    turn = 1.0 - (nx * kept_x + ny * kept_y + nz * kept_z)
                    if traced and incoming[y, x, 0] >= 0.0:
                        ta, tb, tc = reflectance(table, rough, nv)
                        spec_r, spec_g, spec_b = incoming[y, x, 0], incoming[y, x, 1], incoming[y, x, 2]
                        kept_x, kept_y, kept_z, kept_rough = nx, ny, nz, rough
                    elif (
                        kept_rough < 0.0
                        or turn > SAME_NORMAL + SAME_LOBE * rough * rough * rough * rough
                        or abs(rough - kept_rough) > 0.05
                    ):
                        ta, tb, tc = reflectance(table, rough, nv)
                        rx, ry, rz = lobe_axis(nx, ny, nz, ex, ey, ez, nv, rough)
                        spec_r, spec_g, spec_b = reflected(
                            probes, levels, sharp, level_roughness, p0, p1, p2, i, j, k, rx, ry, rz, rough
                        )
                        kept_x, kept_y, kept_z, kept_rough = nx, ny, nz, rough
            for m in range(3):
                value = bend * texel[m] * (i * light[p0, m] + j * light[p1, m] + k * light[p2, m])
                if mode == PBR:
                    spec = spec_r if m == 0 else spec_g if m == 1 else spec_b
                    value = mixed(texel[m], texel[METAL], value, spec, ta, tb, tc)
                if glow:
                    value += emission_scale * texel[emission_at + m]
                out[y, x, m] += shown * value
            out[y, x, 3] += shown


@njit(cache=True, fastmath=True)
def surface_maps(ids: Array, s: Any, eye: Array, turned: Array, positions: Array, albedos: Array) -> None:
    """Normal turned to the eye (map included), position and linear base colour of each sample (H, W, 3); 0 where
    nothing is. Arrays of height 0 are left out."""
    screen, faces, vertices, normals, tangents = s.screen, s.faces, s.vertices, s.normals, s.tangents
    uvs, colors, texels, rows, face_rows = s.uvs, s.colors, s.texels, s.rows, s.face_rows
    mirrors, normal_at, emission_at = s.face_mirrors, s.normal_at, s.emission_at
    texel = np.zeros(texels.shape[1], np.float32)
    for y, x in np.ndindex(ids.shape[0], ids.shape[1]):
        t = ids[y, x]
        if t < 0:
            continue
        i, j, k, _ = weights_of(screen, faces, t, x + 0.5, y + 0.5)
        if normal_at >= 0 or albedos.shape[0] > 0:
            material_at(faces, uvs, colors, texels, rows, t, i, j, k, face_rows[t], emission_at, texel)
        if turned.shape[0] > 0:
            frame = frame_at(faces, vertices, normals, tangents, mirrors, normal_at, t, i, j, k, texel, eye)
            turned[y, x, 0], turned[y, x, 1], turned[y, x, 2] = frame[3], frame[4], frame[5]
        if positions.shape[0] > 0:
            positions[y, x, 0], positions[y, x, 1], positions[y, x, 2] = interpolated(vertices, faces, t, i, j, k)
        if albedos.shape[0] > 0:
            for m in range(3):
                albedos[y, x, m] = texel[m]
