"""How many views may dissent: asked of the data by projecting each answer back into the masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError
from svdmv.geometry.cameras import camera_positions, nearest_point_to_rays
from svdmv.geometry.field import Lattice, dissent_field
from svdmv.geometry.raster import depth_maps
from svdmv.geometry.surface import surface_from_field
from svdmv.reconstruct.silhouettes import Silhouettes

COARSE_RESOLUTION = 56
SCORE_PX = 128
TIE = 0.004  # a larger vote must gain this much mean IoU over a smaller one


@dataclass(frozen=True, eq=False)
class Vote:
    """The outcome.

    Attributes:
        drop: views that are not listened to at each point.
        mean_iou: mean IoU of the coarse hull's silhouettes with the masks.
        strict_iou: the same without dropping any view; 0 where that hull is empty.
        low, high: (3,) box around the coarse hull, world units.
    """

    drop: int
    mean_iou: float
    strict_iou: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def vote_from_silhouettes(silhouettes: Silhouettes, drop: int | None) -> Vote:
    """The number of dissenting views whose hull fits the masks best, or the one asked for, with the hull's box.

    Raises:
        DataError: no hull, however many of the views are dropped.
    """
    count = len(silhouettes.cameras)
    top = count // 2 if drop is None else drop
    lattice, ranked = _ranked_field(silhouettes, top + 1)
    small_cameras, small_masks = _small(silhouettes)
    scores: dict[int, tuple[float, NDArray[np.float64], NDArray[np.float64]]] = {}
    best = 0.0
    for candidate in range(top + 1) if drop is None else sorted({0, drop}):
        vertices, faces = surface_from_field(ranked[..., candidate], lattice)
        if not len(faces):
            continue
        iou = float(silhouette_ious(vertices, faces, small_cameras, small_masks).mean())
        scores[candidate] = (iou, vertices.min(0), vertices.max(0))
        if drop is None and iou < best - 0.02:
            break
        best = max(best, iou)
    chosen = _smallest_good(scores) if drop is None else drop
    if chosen not in scores:
        raise DataError(
            "The silhouettes of the views have nothing in common: the hull is empty",
            where="reconstruct_hull",
            seen=f"{count} views, {top if drop is None else drop} of them dropped at each point",
            expected="views of one object with the cameras that took them",
            next_step="check the cameras and the alpha of the views"
            + ("" if drop is None else ', or let the data choose with drop="auto"'),
        )
    iou, low, high = scores[chosen]
    return Vote(chosen, iou, scores[0][0] if 0 in scores else 0.0, low, high)


def _smallest_good(scores: dict[int, tuple[float, NDArray[np.float64], NDArray[np.float64]]]) -> int:
    if not scores:
        return -1
    best = max(score[0] for score in scores.values())
    return min(k for k, score in scores.items() if score[0] >= best - TIE)


def silhouette_ious(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], cameras: Sequence[Camera], masks: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N,) float64: intersection over union of the mesh's silhouette and the mask (N, H, W) of each view."""
    shown = np.isfinite(depth_maps(vertices, faces, cameras))
    either = (shown | masks).sum((1, 2))
    ious: NDArray[np.float64] = (shown & masks).sum((1, 2)) / np.maximum(either, 1)
    return ious


def _small(silhouettes: Silhouettes) -> tuple[tuple[Camera, ...], NDArray[np.bool_]]:
    step = max(1, max(silhouettes.masks.shape[1:]) // SCORE_PX)
    height, width = (n // step * step for n in silhouettes.masks.shape[1:])
    start = step // 2
    small = silhouettes.masks[:, start:height:step, start:width:step]
    cameras = []
    for camera in silhouettes.cameras:
        # the small picture samples the pixel centres start + 0.5, start + step + 0.5, ...
        K = camera.K.copy()
        K[0, 2] -= start + 0.5 - step / 2
        K[1, 2] -= start + 0.5 - step / 2
        K[:2] /= step
        cameras.append(Camera(K, camera.world_from_camera, small.shape[2], small.shape[1]))
    return tuple(cameras), np.ascontiguousarray(small)


def _ranked_field(silhouettes: Silhouettes, ranks: int) -> tuple[Lattice, NDArray[np.float32]]:
    """The ranked field on a coarse lattice that contains the hull of every rank that is bounded at all."""
    centre, radius = _ball(silhouettes)
    for _ in range(4):
        lattice = Lattice.around(centre - radius, centre + radius, COARSE_RESOLUTION, margin=1)
        ranked = dissent_field(silhouettes.distances, silhouettes.cameras, lattice, ranks=ranks)
        solid = ranked[..., 0] < 0
        touches = any(solid.take(side, axis).any() for axis in range(3) for side in (0, -1))
        if not touches:
            break
        radius *= 1.4
    return lattice, ranked


def _ball(silhouettes: Silhouettes) -> tuple[NDArray[np.float64], float]:
    """Where the lines of sight through the masks' centres meet, and how far masks reach around that point."""
    rows, columns = (np.arange(n) + 0.5 for n in silhouettes.masks.shape[1:])
    directions = []
    for mask, camera in zip(silhouettes.masks, silhouettes.cameras, strict=True):
        middle = np.array([[(mask.any(0) * columns).sum() / mask.any(0).sum(), 0.0]])
        middle[0, 1] = (mask.any(1) * rows).sum() / mask.any(1).sum()
        directions.append(camera.unproject(middle, np.ones(1))[0] - camera.position)
    centre = nearest_point_to_rays(camera_positions(silhouettes.cameras), np.stack(directions))
    radius = 0.0
    for mask, camera in zip(silhouettes.masks, silhouettes.cameras, strict=True):
        pixel, depth = camera.project(centre[None])
        y, x = np.nonzero(mask)
        reach = float(np.hypot(x + 0.5 - pixel[0, 0], y + 0.5 - pixel[0, 1]).max())
        radius = max(radius, reach * abs(float(depth[0])) / float(camera.K[0, 0]))
    return centre, 1.1 * radius
