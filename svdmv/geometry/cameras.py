"""Cameras as stacked arrays for kernels, and where a set of silhouettes says that the object is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera

Float64Array = NDArray[np.float64]


def projection_matrices(cameras: Sequence[Camera]) -> Float64Array:
    """(N, 3, 4) float64: K [R | t] of each camera; the third row gives the depth along +Z, world units."""
    return np.stack([camera.K @ camera.camera_from_world[:3] for camera in cameras])


def focal_lengths_px(cameras: Sequence[Camera]) -> Float64Array:
    """(N,) float64: geometric mean of the two focal lengths, pixels."""
    return np.array([np.sqrt(camera.K[0, 0] * camera.K[1, 1]) for camera in cameras])


def camera_positions(cameras: Sequence[Camera]) -> Float64Array:
    """(N, 3) float64: the eyes in world coordinates."""
    return np.stack([camera.position for camera in cameras])


def nearest_point_to_rays(origins: NDArray[np.floating], directions: NDArray[np.floating]) -> Float64Array:
    """(3,) float64: the point with the least sum of squared distances to rays (N, 3), (N, 3); directions of any length.

    Parallel rays leave the point free along them: the smallest solution is returned.
    """
    unit = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    across = np.eye(3) - unit[:, :, None] * unit[:, None, :]
    target = np.einsum("nij,nj->i", across, origins)
    point: Float64Array = np.linalg.lstsq(across.sum(0), target, rcond=1e-9)[0]
    return point
