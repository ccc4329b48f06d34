"""A triangle mesh: plain arrays, checked once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core.arrays import checked_array
from svdmv.core.errors import DataError


@dataclass(frozen=True, eq=False)
class Mesh:
    """Triangles in world coordinates.

    Attributes:
        vertices: (V, 3) float32, world units, +Y up.
        faces: (F, 3) int32, counter-clockwise seen from outside.
        normals: (V, 3) float32 unit vectors, or None.
        uvs: (V, 2) float32, glTF origin (0, 0 = top-left of the picture), or None.
        colors: (V, 3) uint8 sRGB, or None.

    Raises:
        DataError: a shape is wrong, a value is not finite, or a face names a vertex that is not there.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    normals: NDArray[np.float32] | None = None
    uvs: NDArray[np.float32] | None = None
    colors: NDArray[np.uint8] | None = None

    def __post_init__(self) -> None:
        vertices = checked_array(self.vertices, "Mesh.vertices", (None, 3), np.float32)
        faces = checked_array(self.faces, "Mesh.faces", (None, 3), np.int32)
        object.__setattr__(self, "vertices", vertices)
        object.__setattr__(self, "faces", faces)
        if len(faces) and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise DataError(
                "A face names a vertex that is not there",
                where="Mesh.faces",
                seen=f"indices {faces.min()} .. {faces.max()}",
                expected=f"0 .. {len(vertices) - 1}",
            )
        count = len(vertices)
        for name, width, dtype in (("normals", 3, np.float32), ("uvs", 2, np.float32), ("colors", 3, np.uint8)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, checked_array(value, f"Mesh.{name}", (count, width), dtype))

    @property
    def bounds(self) -> NDArray[np.float32]:
        """(2, 3) float32: lowest and highest corner of the vertices that faces use."""
        used = self.vertices
        if len(self.faces):
            mask = np.zeros(len(used), bool)
            mask[self.faces.reshape(-1)] = True
            used = used[mask]
        if not len(used):
            raise DataError("An empty mesh has no bounds", where="Mesh", seen="0 vertices", expected="1 or more")
        return np.stack([used.min(0), used.max(0)])

    def transformed(self, matrix: NDArray[np.float64]) -> Mesh:
        """The mesh after a (4, 4) similarity (rotation, uniform scale, shift; a mirror turns the faces too)."""
        linear = matrix[:3, :3]
        vertices = self.vertices.astype(np.float64) @ linear.T + matrix[:3, 3]
        faces = self.faces if np.linalg.det(linear) > 0 else self.faces[:, ::-1]
        normals = self.normals
        if normals is not None:
            turned = normals.astype(np.float64) @ np.linalg.inv(linear)
            normals = (turned / np.maximum(np.linalg.norm(turned, axis=1, keepdims=True), 1e-12)).astype(np.float32)
        return Mesh(vertices.astype(np.float32), faces, normals, self.uvs, self.colors)


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float32]:
    """(V, 3) float32 area-weighted unit normals; 0 at vertices without a face."""
    corners = np.asarray(vertices, np.float64)[faces]
    face_normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    out = np.zeros((len(vertices), 3))
    for k in range(3):
        for axis in range(3):
            out[:, axis] += np.bincount(faces[:, k], face_normals[:, axis], len(vertices))
    length = np.linalg.norm(out, axis=1, keepdims=True)
    return np.where(length > 1e-20, out / np.maximum(length, 1e-20), 0).astype(np.float32)
