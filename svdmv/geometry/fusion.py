"""Depth maps of many views fused into one signed field.

Source: B. Curless and M. Levoy, A Volumetric Method for Building Complex Models from Range Images, SIGGRAPH 1996.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera
from svdmv.geometry.field import Lattice

_POINTS_AT_ONCE = 1 << 18


def fused_field(
    depths: NDArray[np.floating], cameras: Sequence[Camera], lattice: Lattice, *, truncation: float
) -> NDArray[np.float32]:
    """The mean over the views of the distance to the surface that each sees, cut off at `truncation`.

    Args:
        depths: (N, H, W) along the camera's +Z, world units, inf where nothing is.
        cameras: N cameras of W x H pixels.
        truncation: world units, two lattice steps or more.

    Returns:
        (nx, ny, nz) float32 world units, negative inside. Points that every view sees only behind a surface, or no view
        sees at all, are inside: the surface closes over what was never seen.
    """
    points = lattice.points().reshape(-1, 3)
    out = np.empty(len(points), np.float32)
    for first in range(0, len(points), _POINTS_AT_ONCE):
        some = points[first : first + _POINTS_AT_ONCE]
        total, weight = np.zeros(len(some)), np.zeros(len(some))
        for depth, camera in zip(depths, cameras, strict=True):
            pixels, ahead = camera.project(some)
            inside = (ahead > 0) & (pixels >= 0).all(1) & (pixels < (camera.width, camera.height)).all(1)
            column, row = np.floor(np.where(inside[:, None], pixels, 0)).astype(np.int64).T
            way = np.minimum(depth[row, column] - ahead, truncation)
            seen = inside & (way > -truncation)
            total[seen] += way[seen]
            weight[seen] += 1
        mean = np.divide(total, weight, out=np.full(len(some), -truncation), where=weight > 0)
        out[first : first + len(some)] = mean
    return out.reshape(lattice.shape)
