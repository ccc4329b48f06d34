"""Compiled look-ups on a surface: where a sample lies on its face, what material is there, which way it faces.

Imported inside functions only: numba is heavy. The functions take single arrays: kernels unpack a Surface once, because
reading a tuple's array counts references anew each time, which costs more than the work.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from svdmv.io.colour import linear_from_srgb

Array = NDArray[Any]

UNIT = np.float32(1 / 65535)  # texels are stored as whole numbers
LINEAR = linear_from_srgb(np.arange(1026) / 1024).astype(np.float32)  # of encoded n / 1024
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
    face_unlit: Array
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


@njit(fastmath=True, forceinline=True)
def weights_of(screen: Array, faces: Array, t: int, px: float, py: float) -> Any:
    """Perspective-correct weights of a face's corners at a place on the screen, and the sign of its winding there.

    Beside the face they are those of a place on its rim.
    """
    a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
    ax, ay = screen[a, 0] - px, screen[a, 1] - py
    bx, by = screen[b, 0] - px, screen[b, 1] - py
    cx, cy = screen[c, 0] - px, screen[c, 1] - py
    i = (bx * cy - by * cx) * screen[a, 2]
    j = (cx * ay - cy * ax) * screen[b, 2]
    k = (ax * by - ay * bx) * screen[c, 2]
    total = i + j + k
    if total == 0.0:
        return 1.0, 0.0, 0.0, total
    whole = 1.0 / total
    i, j, k = i * whole, j * whole, k * whole
    if i < 0.0 or j < 0.0 or k < 0.0:
        i, j, k = max(i, 0.0), max(j, 0.0), max(k, 0.0)
        whole = 1.0 / (i + j + k)
        i, j, k = i * whole, j * whole, k * whole
    return i, j, k, total


@njit(fastmath=True, forceinline=True)
def decode(texel: Array, first: int) -> None:
    """Three encoded channels become linear light."""
    for m in range(first, first + 3):
        place = texel[m] * np.float32(1024)
        n = int(place)
        texel[m] = LINEAR[n] + (place - np.float32(n)) * (LINEAR[n + 1] - LINEAR[n])


@njit(fastmath=True, forceinline=True)
def material_at(
    faces: Array, uvs: Array, colors: Array, texels: Array, rows: Array, t: int, i: float, j: float, k: float, row: int,
    emission_at: int, texel: Array,
) -> None:  # fmt: skip
    """Channels of the texel at weights i, j, k of face t, mixed between texel centres as stored, repeating; in [0, 1],
    colours linear."""
    p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
    u = i * uvs[p, 0] + j * uvs[q, 0] + k * uvs[r, 0]
    v = i * uvs[p, 1] + j * uvs[q, 1] + k * uvs[r, 1]
    offset, height, width = rows[row, 0], rows[row, 1], rows[row, 2]
    fx, fy = (u - np.floor(u)) * width - 0.5, (v - np.floor(v)) * height - 0.5
    x0, y0 = int(np.floor(fx)), int(np.floor(fy))
    wx, wy = np.float32(fx - x0), np.float32(fy - y0)
    x1 = x0 + 1 if x0 + 1 < width else 0
    y1 = y0 + 1 if y0 + 1 < height else 0
    x0, y0 = x0 if x0 >= 0 else width - 1, y0 if y0 >= 0 else height - 1
    one = np.float32(1.0)
    w11, w10, w01 = wx * wy, (one - wx) * wy, wx * (one - wy)
    w00 = one - w11 - w10 - w01
    a, b = offset + y0 * width + x0, offset + y0 * width + x1
    c, d = offset + y1 * width + x0, offset + y1 * width + x1
    for m in range(texel.shape[0]):
        upper = w00 * np.float32(texels[a, m]) + w01 * np.float32(texels[b, m])
        lower = w10 * np.float32(texels[c, m]) + w11 * np.float32(texels[d, m])
        texel[m] = UNIT * (upper + lower)
    decode(texel, COLOR)
    if emission_at >= 0:
        decode(texel, emission_at)
    if colors.shape[0] > 0:
        for m in range(3):
            texel[m] *= np.float32(i * colors[p, m] + j * colors[q, m] + k * colors[r, m])


@njit(fastmath=True, forceinline=True)
def interpolated(values: Array, faces: Array, t: int, i: float, j: float, k: float) -> Any:
    """Three values a vertex, mixed by the weights of face t's corners."""
    p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
    return (
        i * values[p, 0] + j * values[q, 0] + k * values[r, 0],
        i * values[p, 1] + j * values[q, 1] + k * values[r, 1],
        i * values[p, 2] + j * values[q, 2] + k * values[r, 2],
    )


@njit(fastmath=True, forceinline=True)
def unit(x: float, y: float, z: float) -> Any:
    """The vector at length 1."""
    f = 1.0 / np.sqrt(x * x + y * y + z * z + 1e-30)
    return x * f, y * f, z * f


@njit(fastmath=True, forceinline=True)
def face_normal(faces: Array, vertices: Array, t: int) -> Any:
    """The flat face's unit normal by its winding."""
    p, q, r = faces[t, 0], faces[t, 1], faces[t, 2]
    x, y, z = vertices[p, 0], vertices[p, 1], vertices[p, 2]
    ax, ay, az = vertices[q, 0] - x, vertices[q, 1] - y, vertices[q, 2] - z
    bx, by, bz = vertices[r, 0] - x, vertices[r, 1] - y, vertices[r, 2] - z
    return unit(ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx)


@njit(fastmath=True, forceinline=True)
def bent_normal(
    faces: Array, tangents: Array, mirrors: Array, m: int, t: int, i: float, j: float, k: float, texel: Array,
    nx: float, ny: float, nz: float,
) -> Any:  # fmt: skip
    """The unit normal (nx, ny, nz) turned by the map in channels m to m + 2: red along u, green against v, blue out."""
    tx, ty, tz = interpolated(tangents, faces, t, i, j, k)
    d = tx * nx + ty * ny + tz * nz
    tx, ty, tz = unit(tx - d * nx, ty - d * ny, tz - d * nz)
    bx, by, bz = ny * tz - nz * ty, nz * tx - nx * tz, nx * ty - ny * tx
    r, g, b = 2 * texel[m] - 1, (2 * texel[m + 1] - 1) * mirrors[t], 2 * texel[m + 2] - 1
    return unit(r * tx + g * bx + b * nx, r * ty + g * by + b * ny, r * tz + g * bz + b * nz)


@njit(fastmath=True, forceinline=True)
def frame_at(
    faces: Array, vertices: Array, normals: Array, tangents: Array, mirrors: Array, normal_at: int, t: int, i: float,
    j: float, k: float, texel: Array, eye: Array,
) -> Any:  # fmt: skip
    """Normal of the vertices, normal with the map, direction to the eye, cosine of the latter two; all unit.

    The normals are turned to the eye; one that the map bends away from it is bent back until it just sees it.
    """
    sx, sy, sz = interpolated(normals, faces, t, i, j, k)
    sx, sy, sz = unit(sx, sy, sz)
    x, y, z = interpolated(vertices, faces, t, i, j, k)
    ex, ey, ez = unit(eye[0] - x, eye[1] - y, eye[2] - z)
    nx, ny, nz = sx, sy, sz
    if normal_at >= 0:
        nx, ny, nz = bent_normal(faces, tangents, mirrors, normal_at, t, i, j, k, texel, sx, sy, sz)
    if sx * ex + sy * ey + sz * ez < 0.0:
        sx, sy, sz, nx, ny, nz = -sx, -sy, -sz, -nx, -ny, -nz
    nv = nx * ex + ny * ey + nz * ez
    if normal_at >= 0 and nv < 1e-3:
        f = 1e-3 - nv
        nx, ny, nz = unit(nx + f * ex, ny + f * ey, nz + f * ez)
    return sx, sy, sz, nx, ny, nz, ex, ey, ez, min(max(nv, 1e-3), 1.0)
