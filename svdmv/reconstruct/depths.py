"""What the depth maps of a ViewSet say: points, their normals, and the box they fill."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError, ViewSet

CUT_SLOPE = 0.05  # neighbouring depths that differ by more than this share lie on two surfaces


def required_depths(views: ViewSet) -> NDArray[np.float32]:
    """(N, H, W) float32: inf where nothing is, or where alpha says so. Raises DataError: the views have no depth."""
    if views.depths is None or not np.isfinite(views.depths).any():
        raise DataError(
            "The views have no depth",
            where="ViewSet.depths",
            seen="None" if views.depths is None else "no finite value",
            expected="depth maps, such as svdmv render writes into geometry.npz",
            next_step="--method sdf or hull, which need masks only",
        )
    if views.alphas is None:
        return views.depths
    shown = views.rgba_u8()[..., 3] > 127
    return np.where(shown, views.depths, np.float32(np.inf))


def points_from_depths(views: ViewSet) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.uint8]]:
    """World points (P, 3), unit normals (P, 3) and colours (P, 3) of all pixels with depth.

    Normals are the views' own where they have them, else those of the depth maps: pixels at jumps of depth are left
    out then.
    """
    depths, pictures = required_depths(views), views.rgba_u8()[..., :3]
    points, normals, colors = [], [], []
    for i, camera in enumerate(views.cameras):
        v, u = np.meshgrid(np.arange(camera.height) + 0.5, np.arange(camera.width) + 0.5, indexing="ij")
        pixels = np.stack([u.ravel(), v.ravel()], 1)
        solid = np.isfinite(depths[i])
        depth = np.where(solid, depths[i], 1.0)
        grid = camera.unproject(pixels, depth.ravel()).reshape(camera.height, camera.width, 3)
        if views.normals is not None:
            normal = views.normals[i].astype(np.float64)
            good = solid & (np.linalg.norm(normal, axis=-1) > 0.5)
        else:
            normal, good = _normals_of_grid(grid, depths[i], camera.position)
        points.append(grid[good])
        normals.append(normal[good] / np.linalg.norm(normal[good], axis=-1, keepdims=True))
        colors.append(pictures[i][good])
    return np.concatenate(points), np.concatenate(normals), np.concatenate(colors)


def _normals_of_grid(
    grid: NDArray[np.float64], depth: NDArray[np.float32], eye: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """(H, W, 3) normals toward the eye by central differences, and where these stay on one surface."""
    across, down = np.zeros_like(grid), np.zeros_like(grid)
    across[:, 1:-1], down[1:-1] = grid[:, 2:] - grid[:, :-2], grid[2:] - grid[:-2]
    good = np.zeros(depth.shape, bool)
    middle = depth[1:-1, 1:-1]
    sides = np.stack([depth[1:-1, 2:], depth[1:-1, :-2], depth[2:, 1:-1], depth[:-2, 1:-1]])
    good[1:-1, 1:-1] = np.isfinite(middle) & np.isfinite(sides).all(0)
    with np.errstate(invalid="ignore"):
        jump = np.abs(sides - middle).max(0) > CUT_SLOPE * middle
    good[1:-1, 1:-1] &= ~jump
    normal = np.cross(across, down)
    good &= np.linalg.norm(normal, axis=-1) > 0
    normal[((eye - grid) * normal).sum(-1) < 0] *= -1
    return normal, good
