"""Flat tops and bottoms: where silhouettes leave a roof or a cone that nothing in the pictures asks for.

A camera above a flat top sees its far edge as the outline; the hull rises from that edge toward the camera. The outline
only says that the object touches the line of sight somewhere along the hull. The cap takes the lowest such place for a
top, the highest for a bottom: the most that can be cut with every outline still touched.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera
from svdmv.geometry.field import Lattice

MAX_TILT = (
    0.8  # cameras that look this steeply along the up axis (cosine) say nothing about the end they face away from
)


def up_axis(cameras: Sequence[Camera]) -> NDArray[np.float64]:
    """(3,) unit vector: the mean of the cameras' up directions."""
    mean = -np.stack([camera.world_from_camera[:3, 1] for camera in cameras]).mean(0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 1e-6 else np.array([0.0, 1.0, 0.0])


def cap_heights(
    vertices: NDArray[np.floating], cameras: Sequence[Camera], up: NDArray[np.float64], *, slack_px: float
) -> tuple[float, float]:
    """Heights along `up` below and above which the hull may be cut with every view's outline still touched.

    Args:
        vertices: (V, 3) of the hull, dense.
        cameras: the views' cameras.
        slack_px: how near the outline a vertex counts as on it, pixels of the cameras.
    """
    heights = np.asarray(vertices, np.float64) @ up
    low, high = np.inf, -np.inf
    for camera in cameras:
        if abs(float(camera.world_from_camera[:3, 2] @ up)) > MAX_TILT:
            continue
        pixels, depth = camera.project(vertices)
        slack = slack_px * float(np.median(depth)) / float(camera.K[1, 1])
        along = camera.K[:2, :2] @ camera.camera_from_world[:2, :3] @ up
        along /= max(float(np.linalg.norm(along)), 1e-12)
        rise = pixels @ along
        high = max(high, float(heights[rise > rise.max() - slack_px].min()) + slack)
        low = min(low, float(heights[rise < rise.min() + slack_px].max()) - slack)
    if not low < high:
        return float(heights.min()), float(heights.max())
    return low, high


def capped_field(
    field: NDArray[np.float32], lattice: Lattice, up: NDArray[np.float64], low: float, high: float
) -> NDArray[np.float32]:
    """The field with everything below `low` and above `high` (heights along `up`) outside."""
    height = lattice.points() @ up
    capped: NDArray[np.float32] = np.maximum(field, np.maximum(low - height, height - high)).astype(np.float32)
    return capped
