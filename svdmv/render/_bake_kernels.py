"""Compiled loops of the bake: rays over hemispheres, light gathered from what they met.

Imported inside functions only: numba is heavy. Directions are world, +Y up; light is linear. hit[p, c]: 2 * face + side
met from point p along cell c, -1 escaped, -2 below the horizon (not shot).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]


@njit(cache=True)
def hemisphere_rays(
    positions: Array, normals: Array, directions: Array, lift: float, first: int, last: int, starts: Array, rays: Array
) -> int:
    """Rays of the points first .. last - 1 over their upper hemispheres: origins and directions; returns how many."""
    count = 0
    for p in range(first, last):
        nx, ny, nz = normals[p, 0], normals[p, 1], normals[p, 2]
        for c in range(directions.shape[0]):
            if nx * directions[c, 0] + ny * directions[c, 1] + nz * directions[c, 2] > 0:
                for m in range(3):
                    starts[count, m] = positions[p, m] + normals[p, m] * lift
                    rays[count, m] = directions[c, m]
                count += 1
    return count


@njit(cache=True)
def note_hits(
    met: Array, face_normals: Array, normals: Array, directions: Array, first: int, last: int, hit: Array
) -> None:
    """Put the faces met (-1 = none), in the order of hemisphere_rays, into hit; side 1 where a ray leaves a face."""
    count = 0
    for p in range(first, last):
        nx, ny, nz = normals[p, 0], normals[p, 1], normals[p, 2]
        for c in range(directions.shape[0]):
            x, y, z = directions[c, 0], directions[c, 1], directions[c, 2]
            if nx * x + ny * y + nz * z > 0:
                t = met[count]
                count += 1
                if t < 0:
                    hit[p, c] = -1
                else:
                    leaving = face_normals[t, 0] * x + face_normals[t, 1] * y + face_normals[t, 2] * z > 0
                    hit[p, c] = 2 * t + (1 if leaving else 0)
            else:
                hit[p, c] = -2


@njit(cache=True, fastmath=True)
def gather(
    hit: Array, normals: Array, directions: Array, energies: Array, solid_angles: Array, radiosity: Array, out: Array
) -> None:
    """Irradiance / pi of each point: light of escaped cells plus radiosity (2F, 3) of the face sides hit.

    Scaled so that light of 1 from everywhere gives 1.
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
def lean_of_light(
    hit: Array, normals: Array, directions: Array, energies: Array, solid_angles: Array, radiosity: Array, out: Array
) -> None:
    """(P, 3) the light's mean direction, scaled to 1 along the normal: its product with a normal that is tilted a
    little tells how many times brighter the point gets."""
    for p in range(hit.shape[0]):
        x = y = z = 0.0
        for c in range(directions.shape[0]):
            t = hit[p, c]
            if t == -2:
                continue
            if t == -1:
                w = energies[c, 0] + energies[c, 1] + energies[c, 2]
            else:
                w = solid_angles[c] * (radiosity[t, 0] + radiosity[t, 1] + radiosity[t, 2])
            x, y, z = x + w * directions[c, 0], y + w * directions[c, 1], z + w * directions[c, 2]
        along = x * normals[p, 0] + y * normals[p, 1] + z * normals[p, 2]
        for m in range(3):
            value = x if m == 0 else y if m == 1 else z
            out[p, m] = value / along if along > 1e-12 else normals[p, m]


@njit(cache=True, fastmath=True)
def probes_from_hits(hit: Array, shine: Array, area: Array, radiosity: Array, out: Array) -> None:
    """Probes (P, L, T, 4): share of each lobe's light that gets through, RGB of what the rest of the lobe sees.

    shine, area (L, C, T): lobe weight of a cell times its light, times its solid angle.
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
                out[p, level, k, 0] = free[k] / max(light[k], np.float32(1e-9))
                for i in range(3):
                    out[p, level, k, 1 + i] = seen[i, k] / max(total[k], np.float32(1e-9))
