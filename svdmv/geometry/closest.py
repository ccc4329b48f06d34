"""The nearest place on a triangle mesh, exact: to triangles, not to points sampled on them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


class TriangleTree:
    """A tree of boxes over a mesh's triangles that answers many nearest-triangle questions.

    Args:
        vertices: (V, 3) positions. faces: (F, 3), at least one.
    """

    def __init__(self, vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> None:
        from svdmv.geometry._closest_kernels import build_kernel

        self.corners = np.ascontiguousarray(np.asarray(vertices, np.float64)[np.asarray(faces)])
        count = len(self.corners)
        self._order = np.arange(count)
        self._low, self._high = np.empty((2 * count + 1, 3)), np.empty((2 * count + 1, 3))
        self._first, self._count = np.zeros(2 * count + 1, np.int64), np.zeros(2 * count + 1, np.int64)
        build_kernel(self.corners, self._order, self._low, self._high, self._first, self._count)

    def closest(self, points: NDArray[np.floating]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Distances (N,) of points (N, 3) to the surface, and the faces (N,) they are nearest to."""
        from svdmv.geometry._closest_kernels import closest_kernel

        asked = np.ascontiguousarray(points, np.float64)
        distance, face = np.empty(len(asked)), np.empty(len(asked), np.int64)
        closest_kernel(
            asked, self.corners, self._order, self._low, self._high, self._first, self._count, distance, face
        )
        return distance, face

    def normals(self) -> NDArray[np.float64]:
        """(F, 3) unit normals of the faces; 0 for faces without an area."""
        across = np.cross(self.corners[:, 1] - self.corners[:, 0], self.corners[:, 2] - self.corners[:, 0])
        normals: NDArray[np.float64] = across / np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-300)
        return normals
