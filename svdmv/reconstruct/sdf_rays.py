"""Views as one long list of rays with what each should show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, ViewSet
from svdmv.geometry.cameras import camera_positions
from svdmv.geometry.silhouette import mask_distance

RIM_PX = 4.0  # background that is looked at around each mask
MAX_RAYS = 3_000_000

Float32Array = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Rays:
    """R rays of N views.

    Attributes:
        view: (R,) int32. eyes: (N, 3) float64, world. direction: (R, 3) float32 unit vectors, world.
        target: (R, 4) float32: straight colour and cover.
        normal: (R, 3) float32 world unit vectors, 0 = unknown; (1, 3) where no view has any.
        depth: (R,) float32 along the ray, world units, 0 = unknown; (1,) where no view has any.
    """

    view: NDArray[np.int32]
    eyes: NDArray[np.float64]
    direction: Float32Array
    target: Float32Array
    normal: Float32Array
    depth: Float32Array

    @property
    def has_normals(self) -> bool:
        """True where views came with normals."""
        return len(self.normal) == len(self.view)

    @property
    def has_depths(self) -> bool:
        """True where views came with depths."""
        return len(self.depth) == len(self.view)


def unit_directions(camera: Camera, pixels: NDArray[np.floating]) -> NDArray[np.float64]:
    """(M, 3) unit vectors from the eye through pixels (M, 2)."""
    toward = camera.unproject(pixels, np.ones(len(pixels))) - camera.position
    unit: NDArray[np.float64] = toward / np.linalg.norm(toward, axis=1, keepdims=True)
    return unit


def rays_from_views(views: ViewSet, used: Sequence[int], *, seed: int) -> Rays:
    """The rays through the object and a rim around it, in the views `used` (the rows of `eyes`, in that order)."""
    assert views.alphas is not None
    scale = np.float32(255.0 if views.images.dtype == np.uint8 else 1.0)
    names = ["view", "direction", "target", "normal", "depth"]
    lists: dict[str, list[NDArray[np.generic]]] = {name: [] for name in names}
    for row, index in enumerate(used):
        alpha = np.asarray(views.alphas[index], np.float32) / scale
        y, x = np.nonzero(mask_distance(alpha) < RIM_PX)
        camera = views.cameras[index]
        direction = unit_directions(camera, np.stack([x + 0.5, y + 0.5], 1))
        color = np.asarray(views.images[index][y, x], np.float32) / scale
        lists["view"].append(np.full(len(x), row, np.int32))
        lists["direction"].append(direction.astype(np.float32))
        lists["target"].append(np.concatenate([color, alpha[y, x, None]], 1))
        if views.normals is not None:
            lists["normal"].append(views.normals[index][y, x])
        if views.depths is not None:
            along = views.depths[index][y, x] / (direction @ camera.world_from_camera[:3, 2])
            lists["depth"].append(np.where(np.isfinite(along), along, 0).astype(np.float32))
    joined = {name: np.concatenate(parts) for name, parts in lists.items() if parts}
    count = len(joined["view"])
    if count > MAX_RAYS:
        kept = np.sort(np.random.default_rng(seed).choice(count, MAX_RAYS, replace=False))
        joined = {name: array[kept] for name, array in joined.items()}
    eyes = camera_positions([views.cameras[i] for i in used])
    normal, depth = joined.get("normal", np.zeros((1, 3))), joined.get("depth", np.zeros(1))
    return Rays(
        joined["view"].astype(np.int32),
        eyes,
        joined["direction"].astype(np.float32),
        joined["target"].astype(np.float32),
        normal.astype(np.float32),
        depth.astype(np.float32),
    )
