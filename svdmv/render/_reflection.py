"""Compiled loops of traced reflections: one ray a sample, directions dealt out over blocks of samples, then smoothed.

Imported inside functions only: numba is heavy. Every sample looks along one of TAPS normals of the visible GGX
distribution. Neighbours look along different ones, so a small window of like samples holds the whole lobe; the window
is then averaged. No randomness: the normals belong to the place in the picture.

Source of the normals: E. Heitz, "Sampling the GGX Distribution of Visible Normals", JCGT 2018.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from svdmv.render._shading import light_along, lobe_axis, mixed, reflectance, reflected
from svdmv.render._surface import METAL, ROUGH, face_normal, frame_at, interpolated, material_at, unit, weights_of

Array = NDArray[Any]

BLOCK = 8  # samples on a side of the block over which the lobe is dealt out
SMOOTH_ROUGHNESS = 0.08  # below it a sample keeps its own ray
LIKE_ROUGHNESS = 0.08
DULL_ROUGHNESS = 0.5  # above it only metal is traced


@njit(fastmath=True, forceinline=True)
def visible_normal(p1: float, p2: float, alpha: float, nv: float) -> Any:
    """Tangent-space GGX normal seen from (sqrt(1 - nv^2), 0, nv), from a point of the unit disc (Heitz 2018)."""
    sv = np.sqrt(max(0.0, 1.0 - nv * nv))
    hx, hz = alpha * sv, nv
    f = 1.0 / np.sqrt(hx * hx + hz * hz)
    hx, hz = hx * f, hz * f
    lean = 0.5 * (1.0 + hz)
    p2 = (1.0 - lean) * np.sqrt(max(0.0, 1.0 - p1 * p1)) + lean * p2
    p3 = np.sqrt(max(0.0, 1.0 - p1 * p1 - p2 * p2))
    # basis around the stretched view direction (hx, 0, hz): first axis (0, 1, 0), second (-hz, 0, hx)
    return unit(alpha * (p3 * hx - p2 * hz), alpha * p1, max(p2 * hx + p3 * hz, 1e-6))


@njit(fastmath=True, forceinline=True)
def smith(alpha: float, cosine: float) -> float:
    """1 / G1 of the Smith masking of GGX."""
    inverse: float = (np.sqrt(alpha * alpha + (1 - alpha * alpha) * cosine * cosine) + cosine) / (2 * cosine)
    return inverse


@njit(cache=True, fastmath=True)
def reflection_rays(
    ids: Array,
    s: Any,
    eye: Array,
    lift: float,
    most_rough: float,
    sparse: bool,
    taps: Array,
    normals: Array,
    roughness: Array,
    weights: Array,
    places: Array,
    starts: Array,
    rays: Array,
    blurs: Array,
) -> int:
    """One ray of each sample whose roughness is below `most_rough`, of every second one where `sparse` and the surface
    is rough; none where a rough surface without metal mirrors next to nothing. Returns how many.

    taps: (BLOCK, BLOCK, 2) points of the unit disc. Fills, by sample, normals (H, W, 3), roughness (H, W) (-1 = no
    ray) and weights (H, W) of the ray in its lobe; by ray, places (N,) = y W + x, starts and rays (N, 3), and blurs
    (N,): the roughness whose lobe is as wide as the share of its own lobe that the ray stands for.
    """
    screen, faces, vertices, bare, tangents = s.screen, s.faces, s.vertices, s.normals, s.tangents
    uvs, colors, texels, rows, face_rows = s.uvs, s.colors, s.texels, s.rows, s.face_rows
    mirrors, normal_at, emission_at = s.face_mirrors, s.normal_at, s.emission_at
    texel = np.zeros(texels.shape[1], np.float32)
    width = ids.shape[1]
    count = 0
    for y, x in np.ndindex(ids.shape[0], ids.shape[1]):
        roughness[y, x] = -1.0
        weights[y, x] = 0.0
        t = ids[y, x]
        if t < 0:
            continue
        i, j, k, _ = weights_of(screen, faces, t, x + 0.5, y + 0.5)
        material_at(faces, uvs, colors, texels, rows, t, i, j, k, face_rows[t], emission_at, texel)
        rough = texel[ROUGH]
        if rough >= most_rough or (rough > DULL_ROUGHNESS and texel[METAL] < 0.05):
            continue
        if sparse and (x + y) % 2 == 1 and rough >= SMOOTH_ROUGHNESS:
            continue
        _, _, _, nx, ny, nz, ex, ey, ez, nv = frame_at(
            faces, vertices, bare, tangents, mirrors, normal_at, t, i, j, k, texel, eye
        )
        normals[y, x, 0], normals[y, x, 1], normals[y, x, 2] = nx, ny, nz
        roughness[y, x] = rough
        alpha = min(max(rough * rough, 1e-3), 1.0)
        row = (y >> 1) % BLOCK if sparse else y % BLOCK  # two half rows make a row of the block
        mx, my, mz = visible_normal(taps[row, x % BLOCK, 0], taps[row, x % BLOCK, 1], alpha, nv)
        sv = np.sqrt(max(0.0, 1.0 - nv * nv))
        vm = sv * mx + nv * mz
        lx, ly, lz = 2 * vm * mx - sv, 2 * vm * my, 2 * vm * mz - nv
        if lz <= 1e-4:
            continue
        # height-correlated masking over that of the view alone: what is left of a ray drawn from the visible normals
        g1, gl = smith(alpha, nv), smith(alpha, lz)
        weights[y, x] = g1 / (g1 + gl - 1.0)
        spread = alpha * alpha / (np.pi * (mz * mz * (alpha * alpha - 1.0) + 1.0) ** 2)
        density = spread / (4.0 * nv * g1)
        shares = 6.0 if rough < SMOOTH_ROUGHNESS else 24.0
        tx, ty, tz = ex - nv * nx, ey - nv * ny, ez - nv * nz
        if sv < 1e-4:
            if abs(nz) < 0.9:
                tx, ty, tz = -ny, nx, 0.0
            else:
                tx, ty, tz = 0.0, -nz, ny
        tx, ty, tz = unit(tx, ty, tz)
        bx, by, bz = ny * tz - nz * ty, nz * tx - nx * tz, nx * ty - ny * tx
        dx, dy, dz = tx * lx + bx * ly + nx * lz, ty * lx + by * ly + ny * lz, tz * lx + bz * ly + nz * lz
        # the flat face under a smooth normal must not be hit by its own ray
        gx, gy, gz = face_normal(faces, vertices, t)
        if gx * ex + gy * ey + gz * ez < 0.0:
            gx, gy, gz = -gx, -gy, -gz
        low = gx * dx + gy * dy + gz * dz
        if low < 0.02:
            f = 0.02 - low
            dx, dy, dz = unit(dx + f * gx, dy + f * gy, dz + f * gz)
        vx, vy, vz = interpolated(vertices, faces, t, i, j, k)
        starts[count, 0], starts[count, 1], starts[count, 2] = vx + lift * gx, vy + lift * gy, vz + lift * gz
        rays[count, 0], rays[count, 1], rays[count, 2] = dx, dy, dz
        blurs[count] = min(np.sqrt(np.sqrt(0.3 / (4.0 * np.pi * shares * density))), 1.0)
        places[count] = y * width + x
        count += 1
    return count


@njit(cache=True, fastmath=True)
def light_of_rays(
    met: Array, us: Array, vs: Array, rays: Array, blurs: Array, places: Array, ray_rows: Array, s: Any, lit: Any,
    out: Array,
) -> None:  # fmt: skip
    """Light that each ray brings into out (H, W, 3): the map where it escaped, else the face met, shaded with its
    baked light and its own reflections from the probes.

    met (N,) faces or -1; us, vs weights of their second and third corner; ray_rows (F,) mip rows to read there.
    """
    faces, vertices, normals, face_sides, emission_at = s.faces, s.vertices, s.normals, s.face_sides, s.emission_at
    uvs, colors, texels, rows, emission_scale = s.uvs, s.colors, s.texels, s.rows, s.emission_scale
    point_of, light, probes = lit.point_of, lit.light, lit.probes
    levels, sharp, level_roughness, table = lit.levels, lit.sharp, lit.level_roughness, lit.table
    texel = np.zeros(texels.shape[1], np.float32)
    width = out.shape[1]
    for n in range(len(met)):
        y, x = places[n] // width, places[n] % width
        dx, dy, dz = rays[n, 0], rays[n, 1], rays[n, 2]
        t = met[n]
        if t < 0:
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = light_along(levels, sharp, level_roughness, dx, dy, dz, blurs[n])
            continue
        i, j, k = 1.0 - us[n] - vs[n], us[n], vs[n]
        material_at(faces, uvs, colors, texels, rows, t, i, j, k, ray_rows[t], emission_at, texel)
        p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
        gx, gy, gz = face_normal(faces, vertices, t)
        side = 0 if (gx * dx + gy * dy + gz * dz) * face_sides[t] < 0.0 else 1
        p, q, r = point_of[side, p], point_of[side, q], point_of[side, r]
        nx, ny, nz = interpolated(normals, faces, t, i, j, k)
        nx, ny, nz = unit(nx, ny, nz)
        if nx * dx + ny * dy + nz * dz > 0.0:
            nx, ny, nz = -nx, -ny, -nz
        nv = min(max(-(nx * dx + ny * dy + nz * dz), 1e-3), 1.0)
        rough = texel[ROUGH]
        ta, tb, tc = reflectance(table, rough, nv)
        rx, ry, rz = lobe_axis(nx, ny, nz, -dx, -dy, -dz, nv, rough)
        seen = reflected(probes, levels, sharp, level_roughness, p, q, r, i, j, k, rx, ry, rz, rough)
        for m in range(3):
            diffuse = texel[m] * (i * light[p, m] + j * light[q, m] + k * light[r, m])
            spec = seen[0] if m == 0 else seen[1] if m == 1 else seen[2]
            value = mixed(texel[m], texel[METAL], diffuse, spec, ta, tb, tc)
            if emission_at >= 0:
                value += emission_scale * texel[emission_at + m]
            out[y, x, m] = value


@njit(cache=True, fastmath=True)
def smooth_light(
    light: Array, weights: Array, roughness: Array, normals: Array, inverse_depths: Array, out: Array
) -> None:
    """Mean light of the like samples around each into out (H, W, 3); -1 where no ray is near.

    Around: a window as large as the block, so that on an even surface every normal of the block counts once. Like: the
    normals differ by less than the lobe's width, the roughness by less than LIKE_ROUGHNESS, the depth by less than 2 %.
    """
    height, width = roughness.shape
    for y, x in np.ndindex(height, width):
        rough = roughness[y, x]
        out[y, x, 0] = -1.0
        if rough < 0.0:
            continue
        before, after = (0, 1) if rough < SMOOTH_ROUGHNESS else (BLOCK // 2, BLOCK // 2)
        alpha = min(max(float(rough * rough), 1e-3), 1.0)
        least = 1.0 - 0.5 * alpha * alpha
        nx, ny, nz, z = normals[y, x, 0], normals[y, x, 1], normals[y, x, 2], inverse_depths[y, x]
        r = g = b = total = 0.0
        for yy in range(max(0, y - before), min(height, y + after)):
            for xx in range(max(0, x - before), min(width, x + after)):
                if weights[yy, xx] <= 0.0 or abs(inverse_depths[yy, xx] - z) > 0.02 * z:
                    continue
                cosine = nx * normals[yy, xx, 0] + ny * normals[yy, xx, 1] + nz * normals[yy, xx, 2]
                if cosine < least or abs(roughness[yy, xx] - rough) > LIKE_ROUGHNESS:
                    continue
                w = weights[yy, xx]
                r += w * light[yy, xx, 0]
                g += w * light[yy, xx, 1]
                b += w * light[yy, xx, 2]
                total += w
        if total > 0.0:
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r / total, g / total, b / total
