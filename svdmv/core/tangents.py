"""Directions of a texture on a surface."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def vertex_tangents(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    uvs: NDArray[np.floating],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(V, 3), (V, 3): directions in which u grows and v falls (up in the picture), averaged over the faces of a vertex.

    Args:
        uvs: (V, 2), glTF origin. Not orthogonal to anything yet, of any length.
    """
    p, t = np.asarray(vertices, np.float64)[faces], np.asarray(uvs, np.float64)[faces]
    e1, e2, d1, d2 = p[:, 1] - p[:, 0], p[:, 2] - p[:, 0], t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    double = d1[:, 0] * d2[:, 1] - d2[:, 0] * d1[:, 1]
    sign = np.sign(double)[:, None]
    along_u = sign * (e1 * d2[:, 1:] - e2 * d1[:, 1:])
    up = -sign * (e2 * d1[:, :1] - e1 * d2[:, :1])
    out = []
    for values in (along_u, up):
        heap = np.zeros((len(vertices), 3))
        for k in range(3):
            for axis in range(3):
                heap[:, axis] += np.bincount(faces[:, k], values[:, axis], len(vertices))
        out.append(heap)
    return out[0], out[1]


def gltf_tangents(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    normals: NDArray[np.floating],
    uvs: NDArray[np.floating],
) -> NDArray[np.float32]:
    """(V, 4) float32 as glTF's TANGENT: unit, across the normal, along u; w = 1 or -1 turns it to the picture's up."""
    along, up = vertex_tangents(vertices, faces, uvs)
    sides = np.asarray(normals, np.float64)
    across = along - (along * sides).sum(1, keepdims=True) * sides
    length = np.linalg.norm(across, axis=1, keepdims=True)
    spare = np.cross(sides, np.where(np.abs(sides[:, :1]) < 0.9, (1.0, 0.0, 0.0), (0.0, 1.0, 0.0)))
    spare /= np.maximum(np.linalg.norm(spare, axis=1, keepdims=True), 1e-12)
    out = np.ones((len(sides), 4), np.float32)
    out[:, :3] = np.where(length > 1e-12, across / np.maximum(length, 1e-12), spare)
    out[(np.cross(sides, out[:, :3]) * up).sum(1) < 0, 3] = -1
    return out
