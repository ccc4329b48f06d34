"""Compiled look-ups on a surface: where a sample lies on its face, what material is there, which way it faces.

Imported inside functions only: numba is heavy.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[Any]

UNIT = np.float32(1 / 65535)  # texels are stored as whole numbers
COLOR, ROUGH, METAL, ALPHA = 0, 3, 4, 5  # channels of a texel; then emission (3) and normal (3) where there are any


class Surface(NamedTuple):
    """A scene as one camera sees it; arrays as in scene.Scene, float64 screen positions in samples.

    face_opacities: factor of the texture's alpha, -1 for faces that are opaque. emission_at, normal_at: first channel
    of these in a texel, -1 = none.
    """

    screen: Array
    faces: Array
    face_sides: Array
    face_mirrors: Array
    face_rows: Array
    face_opacities: Array
    vertices: Array
    normals: Array
    tangents: Array
    uvs: Array
    colors: Array
    texels: Array
    rows: Array
    emission_at: int
    normal_at: int
    emission_scale: float


@njit(cache=True, fastmath=True)
def weights_of(s: Any, t: int, px: float, py: float) -> Any:
    """Perspective-correct weights of a face's corners at a place on the screen, and the sign of its winding there."""
    a, b, c = s.screen[s.faces[t, 0]], s.screen[s.faces[t, 1]], s.screen[s.faces[t, 2]]
    ax, ay, bx, by, cx, cy = a[0] - px, a[1] - py, b[0] - px, b[1] - py, c[0] - px, c[1] - py
    i = (bx * cy - by * cx) * a[2]
    j = (cx * ay - cy * ax) * b[2]
    k = (ax * by - ay * bx) * c[2]
    total = i + j + k
    return i / total, j / total, k / total, total


@njit(cache=True, fastmath=True)
def material_at(s: Any, t: int, i: float, j: float, k: float, row: int, texel: Array) -> None:
    """Channels of the texel at weights i, j, k of face t, linear between texel centres, repeating; in [0, 1]."""
    p, q, r = s.faces[t, 0], s.faces[t, 1], s.faces[t, 2]
    u = i * s.uvs[p, 0] + j * s.uvs[q, 0] + k * s.uvs[r, 0]
    v = i * s.uvs[p, 1] + j * s.uvs[q, 1] + k * s.uvs[r, 1]
    offset, height, width = s.rows[row, 0], s.rows[row, 1], s.rows[row, 2]
    fx, fy = (u - np.floor(u)) * width - 0.5, (v - np.floor(v)) * height - 0.5
    x0, y0 = int(np.floor(fx)), int(np.floor(fy))
    wx, wy = np.float32(fx - x0), np.float32(fy - y0)
    x1 = x0 + 1 if x0 + 1 < width else 0
    y1 = y0 + 1 if y0 + 1 < height else 0
    x0, y0 = x0 if x0 >= 0 else width - 1, y0 if y0 >= 0 else height - 1
    one = np.float32(1.0)
    w11, w10, w01 = wx * wy, (one - wx) * wy, wx * (one - wy)
    w00 = one - w11 - w10 - w01
    a, b = s.texels[offset + y0 * width + x0], s.texels[offset + y0 * width + x1]
    c, d = s.texels[offset + y1 * width + x0], s.texels[offset + y1 * width + x1]
    for m in range(texel.shape[0]):
        texel[m] = UNIT * (
            w00 * np.float32(a[m]) + w01 * np.float32(b[m]) + w10 * np.float32(c[m]) + w11 * np.float32(d[m])
        )
    if s.colors.shape[0] > 0:
        for m in range(3):
            texel[m] *= np.float32(i * s.colors[p, m] + j * s.colors[q, m] + k * s.colors[r, m])


@njit(cache=True, fastmath=True)
def interpolated(values: Array, s: Any, t: int, i: float, j: float, k: float) -> Any:
    """Three values a vertex, mixed by the weights of face t's corners."""
    p, q, r = s.faces[t, 0], s.faces[t, 1], s.faces[t, 2]
    return (
        i * values[p, 0] + j * values[q, 0] + k * values[r, 0],
        i * values[p, 1] + j * values[q, 1] + k * values[r, 1],
        i * values[p, 2] + j * values[q, 2] + k * values[r, 2],
    )


@njit(cache=True, fastmath=True)
def unit(x: float, y: float, z: float) -> Any:
    """The vector at length 1."""
    f = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-30)
    return x * f, y * f, z * f


@njit(cache=True, fastmath=True)
def face_normal(s: Any, t: int) -> Any:
    """The flat face's unit normal by its winding."""
    p, q, r = s.vertices[s.faces[t, 0]], s.vertices[s.faces[t, 1]], s.vertices[s.faces[t, 2]]
    ax, ay, az = q[0] - p[0], q[1] - p[1], q[2] - p[2]
    bx, by, bz = r[0] - p[0], r[1] - p[1], r[2] - p[2]
    return unit(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)


@njit(cache=True, fastmath=True)
def bent_normal(s: Any, t: int, i: float, j: float, k: float, texel: Array, nx: float, ny: float, nz: float) -> Any:
    """The unit normal (nx, ny, nz) turned by the normal map: red along u, green against v, blue outward."""
    tx, ty, tz = interpolated(s.tangents, s, t, i, j, k)
    d = tx * nx + ty * ny + tz * nz
    tx, ty, tz = unit(tx - d * nx, ty - d * ny, tz - d * nz)
    bx, by, bz = ny * tz - nz * ty, nz * tx - nx * tz, nx * ty - ny * tx
    m = s.normal_at
    r, g, b = 2 * texel[m] - 1, (2 * texel[m + 1] - 1) * s.face_mirrors[t], 2 * texel[m + 2] - 1
    return unit(r * tx + g * bx + b * nx, r * ty + g * by + b * ny, r * tz + g * bz + b * nz)


@njit(cache=True, fastmath=True)
def frame_at(s: Any, t: int, i: float, j: float, k: float, texel: Array, eye: Array) -> Any:
    """Normal of the vertices, normal with the map, direction to the eye, cosine of the latter two; all unit.

    The normals are turned to the eye; one that the map bends away from it is bent back until it just sees it.
    """
    sx, sy, sz = interpolated(s.normals, s, t, i, j, k)
    sx, sy, sz = unit(sx, sy, sz)
    x, y, z = interpolated(s.vertices, s, t, i, j, k)
    ex, ey, ez = unit(eye[0] - x, eye[1] - y, eye[2] - z)
    nx, ny, nz = sx, sy, sz
    if s.normal_at >= 0:
        nx, ny, nz = bent_normal(s, t, i, j, k, texel, sx, sy, sz)
    if sx * ex + sy * ey + sz * ez < 0.0:
        sx, sy, sz, nx, ny, nz = -sx, -sy, -sz, -nx, -ny, -nz
    nv = nx * ex + ny * ey + nz * ez
    if s.normal_at >= 0 and nv < 1e-3:
        f = 1e-3 - nv
        nx, ny, nz = unit(nx + f * ex, ny + f * ey, nz + f * ez)
    return sx, sy, sz, nx, ny, nz, ex, ey, ez, min(max(nv, 1e-3), 1.0)
