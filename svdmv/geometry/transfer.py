"""Points of one surface found on another: what textures and normals are carried over by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.core import require

RAYS_AT_ONCE = 1 << 18


def places_on_surface(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    points: NDArray[np.floating],
    normals: NDArray[np.floating],
    *,
    reach: float,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The face (M,) int64 and its barycentric weights (M, 3) float32 where a line through each point, along its normal,
    meets the mesh nearest; where none does within `reach`, the nearest vertex.

    Args:
        vertices, faces: the other surface. points, normals: (M, 3), unit normals. reach: world units.
    """
    from scipy.spatial import cKDTree

    rtcore_scene = require("embreex.rtcore_scene", None, "carrying textures over")
    mesh_construction = require("embreex.mesh_construction", None, "carrying textures over")
    embree = rtcore_scene.EmbreeScene(robust=True)
    corners = np.ascontiguousarray(np.asarray(vertices, np.float32)[faces])
    mesh_construction.TriangleMesh(embree, corners)
    count = len(points)
    found, weights = np.full(count, -1, np.int64), np.zeros((count, 3), np.float32)
    start, along = np.asarray(points, np.float32), np.asarray(normals, np.float32)
    for first in range(0, count, RAYS_AT_ONCE):
        part = slice(first, min(first + RAYS_AT_ONCE, count))
        nearest = np.full(len(start[part]), reach, np.float32)
        for sign in (1.0, -1.0):
            rays = np.ascontiguousarray(sign * along[part], np.float32)
            shifted = np.ascontiguousarray(start[part] - 1e-4 * reach * rays)
            hit = embree.run(shifted, rays, output=True)
            far = np.abs(np.asarray(hit["tfar"], np.float32))
            better = (np.asarray(hit["primID"]) >= 0) & (far < nearest)
            nearest[better] = far[better]
            found[part][better] = np.asarray(hit["primID"], np.int64)[better]
            u, v = np.asarray(hit["u"], np.float32)[better], np.asarray(hit["v"], np.float32)[better]
            weights[part][better] = np.stack([1 - u - v, u, v], 1)
    lost = np.flatnonzero(found < 0)
    if len(lost):
        used, place = np.unique(np.asarray(faces).reshape(-1), return_index=True)
        _, near = cKDTree(np.asarray(vertices, np.float64)[used]).query(start[lost])
        found[lost] = place[near] // 3
        weights[lost] = np.eye(3, dtype=np.float32)[place[near] % 3]
    return found, weights
