"""The zero level of a field as closed triangles."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.core import require
from svdmv.geometry.field import Lattice

Vertices = NDArray[np.float64]
Faces = NDArray[np.int32]


def surface_from_field(field: NDArray[np.floating], lattice: Lattice) -> tuple[Vertices, Faces]:
    """Marching cubes at zero, closed at the border of the lattice.

    Source: T. Lewiner et al., Efficient implementation of marching cubes' cases with topological guarantees, 2003.

    Args:
        field: (nx, ny, nz), negative inside.

    Returns:
        (V, 3) float64 world positions and (F, 3) int32 faces, counter-clockwise outside; both empty without a level.
    """
    measure = require("skimage.measure", None, "extracting a surface")
    padded = np.pad(np.asarray(field, np.float32), 1, constant_values=0.5 * lattice.step)
    for axis in range(3):
        for side in (1, -2):
            index: list[slice | int] = [slice(None)] * 3
            index[axis] = side
            padded[tuple(index)] = np.maximum(padded[tuple(index)], 0.25 * lattice.step)
    tiny = np.float32(1e-4 * lattice.step)
    padded[np.abs(padded) < tiny] = tiny  # a level through lattice points would give faces without area
    if padded.min() >= 0:
        return np.zeros((0, 3)), np.zeros((0, 3), np.int32)
    vertices, faces, _, _ = measure.marching_cubes(padded, 0.0, gradient_direction="descent", allow_degenerate=False)
    world = (np.asarray(vertices, np.float64) - 1) * lattice.step + np.array(lattice.low)
    return world, np.ascontiguousarray(faces, np.int32)
