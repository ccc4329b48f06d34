"""Views that sit a little beside their place: a shift and a scale for each, found against the common hull.

A shift and a scale of a picture are a change of the lens (principal point, focal length), so the pictures stay as they
are and the cameras move. Gauss-Newton on the distance of the hull's projected outline to the mask's outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, ViewSet
from svdmv.geometry.raster import depth_maps, sampled_bilinear
from svdmv.geometry.silhouette import mask_distance
from svdmv.reconstruct.silhouettes import Silhouettes

ROUNDS = 8
MAX_SHIFT_SHARE = 0.05  # of the picture's side
MAX_SCALE = 0.08
ROBUST_SHARE = 0.015  # outline distances beyond this share of the side count less and less


def aligned_lenses(
    silhouettes: Silhouettes, vertices: NDArray[np.floating], faces: NDArray[np.integer]
) -> NDArray[np.float64]:
    """(M, 3) float64: shift x, shift y (shares of the side) and log scale of each used view; 0 for trusted ones.

    What all views have in common (a move of the object in space, its size) is taken out: only differences count.

    Args:
        vertices, faces: the hull that the views agree on.
    """
    shown = np.isfinite(depth_maps(vertices, faces, silhouettes.cameras))
    out = np.zeros((len(silhouettes.cameras), 3))
    for i in range(len(out)):
        if shown[i].any():
            out[i] = _lens(mask_distance(shown[i].astype(np.float32)), silhouettes.distances[i])
    out[:, :2] -= _shared_move(out[:, :2], silhouettes.cameras, np.asarray(vertices, np.float64).mean(0))
    out[:, 2] -= out[:, 2].mean()
    out[silhouettes.trusted] = 0
    return out


def _shared_move(
    shifts: NDArray[np.float64], cameras: Sequence[Camera], centre: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(M, 2): the part of the shifts that one move of the object around `centre` would explain."""
    rows = []
    for camera in cameras:
        local = camera.camera_from_world[:3, :3] @ centre + camera.camera_from_world[:3, 3]
        u, v, w = camera.K @ local
        of_local = np.array([camera.K[0] - u / w * camera.K[2], camera.K[1] - v / w * camera.K[2]]) / w
        rows.append(of_local @ camera.camera_from_world[:3, :3] / max(camera.width, camera.height))
    system = np.stack(rows)
    move = np.linalg.lstsq(system.reshape(-1, 3), shifts.reshape(-1), rcond=None)[0]
    shared: NDArray[np.float64] = system @ move
    return shared


def _lens(outline: NDArray[np.float32], distance: NDArray[np.float32]) -> NDArray[np.float64]:
    """The similarity without turn that brings the zero level of `outline` onto that of `distance`."""
    height, width = distance.shape
    side = float(max(height, width))
    rows, columns = np.nonzero(np.abs(outline) < 0.75)
    inner = (rows > 1) & (columns > 1) & (rows < height - 2) & (columns < width - 2)
    if inner.sum() < 12:
        return np.zeros(3)
    places = np.stack([columns[inner] + 0.5, rows[inner] + 0.5], 1)
    middle = np.array([width / 2, height / 2])
    slope_y, slope_x = np.gradient(distance)
    stack = np.stack([distance, slope_x, slope_y], -1)
    lens = np.zeros(3)
    bound = np.array([MAX_SHIFT_SHARE, MAX_SHIFT_SHARE, MAX_SCALE])
    for _ in range(ROUNDS):
        arm = (places - middle) * np.exp(lens[2])
        value, gx, gy = sampled_bilinear(stack, middle + arm + side * lens[:2]).astype(np.float64).T
        jacobian = np.stack([side * gx, side * gy, gx * arm[:, 0] + gy * arm[:, 1]], 1)
        weight = 1 / (1 + (value / (ROBUST_SHARE * side)) ** 2)
        system = (jacobian * weight[:, None]).T @ jacobian
        damping = np.diag([1e-2, 1e-2, 3e-2]) * np.trace(system) / 3
        step = np.linalg.solve(system + damping, -(jacobian * weight[:, None]).T @ value)
        lens = np.clip(lens + step, -bound, bound)
    return lens


def lensed_camera(camera: Camera, lens: NDArray[np.floating]) -> Camera:
    """The camera, its picture scaled by exp(lens[2]) about the middle, then shifted by lens[:2] shares of the side."""
    side, scale = max(camera.width, camera.height), float(np.exp(lens[2]))
    change = np.eye(3)
    change[0, 0] = change[1, 1] = scale
    change[0, 2] = camera.width / 2 * (1 - scale) + side * lens[0]
    change[1, 2] = camera.height / 2 * (1 - scale) + side * lens[1]
    return Camera(change @ camera.K, camera.world_from_camera, camera.width, camera.height)


def lensed_silhouettes(silhouettes: Silhouettes, lenses: NDArray[np.floating]) -> Silhouettes:
    """The same masks seen by the changed cameras."""
    return replace(silhouettes, cameras=_lensed(silhouettes.cameras, lenses))


def lensed_views(views: ViewSet, used: Sequence[int], lenses: NDArray[np.floating]) -> ViewSet:
    """The same pictures seen by the changed cameras; the orbit no longer describes them exactly and is left out."""
    cameras = list(views.cameras)
    for index, lens in zip(used, lenses, strict=True):
        cameras[index] = lensed_camera(cameras[index], lens)
    return replace(views, cameras=tuple(cameras), orbit=None)


def _lensed(cameras: Sequence[Camera], lenses: NDArray[np.floating]) -> tuple[Camera, ...]:
    return tuple(lensed_camera(camera, lens) for camera, lens in zip(cameras, lenses, strict=True))
