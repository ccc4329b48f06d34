"""Depth that came with the views, as a carver: what lies before the surface a view sees is empty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ViewSet
from svdmv.geometry.field import Lattice
from svdmv.geometry.raster import sampled_bilinear

CUT_STEPS = 6.0  # carved distances are trusted up to so many lattice steps
EDGE_STEPS = 3.0  # where depth jumps by more than so many steps between pixels, nothing is carved


def depth_carved(
    field: NDArray[np.float32], lattice: Lattice, views: ViewSet, used: Sequence[int]
) -> NDArray[np.float32]:
    """The field with everything outside that a view with depth looks through; unchanged without depths.

    Args:
        field: (nx, ny, nz) float32, world units, negative inside.
    """
    if views.depths is None:
        return field
    points = lattice.points().reshape(-1, 3)
    out = field.reshape(-1).copy()
    cut = CUT_STEPS * lattice.step
    left = np.flatnonzero(out < cut)
    for index in used:
        depth, camera = views.depths[index], views.cameras[index]
        known = np.isfinite(depth) & (depth > 0)
        jump = np.zeros(depth.shape, np.float32)
        solid = np.where(known, depth, 0)
        for axis in (0, 1):
            step = np.abs(np.diff(solid, axis=axis))
            before, after = [(0, 0), (0, 0)], [(0, 0), (0, 0)]
            before[axis], after[axis] = (0, 1), (1, 0)
            jump = np.maximum(jump, np.maximum(np.pad(step, before), np.pad(step, after)))
        steady = known & (jump < EDGE_STEPS * lattice.step)
        pixels, z = camera.project(points[left])
        inside = (z > 0) & (pixels > 0).all(1) & (pixels < (camera.width, camera.height)).all(1)
        sampled = sampled_bilinear(np.stack([solid, steady.astype(np.float32)], -1), pixels)
        seen = inside & (sampled[:, 1] > 0.999)
        before_surface = np.where(seen, np.minimum(sampled[:, 0] - z, cut), -np.inf)
        out[left] = np.maximum(out[left], before_surface.astype(np.float32))
    return out.reshape(field.shape)
