"""How many views may dissent, and by how much: asked of the data by projecting each answer back into the masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, DataError
from svdmv.geometry.cameras import camera_positions, nearest_point_to_rays
from svdmv.geometry.field import Lattice, dissent_field, hull_field
from svdmv.geometry.raster import depth_maps
from svdmv.geometry.surface import surface_from_field
from svdmv.reconstruct.silhouettes import Silhouettes

BOX_RESOLUTION = 56
VOTE_RESOLUTION = 48
SCORE_PX = 128
GROW_PX = (0.5, 1.0, 1.5, 2.0)
GROW_FINE_PX = 0.25
DROP_GAIN = 0.01  # one more dropped view must gain this much mean IoU
GROW_GAIN = 0.003
UNBOUNDED_SHARE = 0.9  # of the space around the lines of sight that no view carves
LEAST_IOU = 0.05  # a hull that explains so little of the masks is none
AGREE_IOU = 0.97  # views that agree so well need no tolerance
PATIENT_BELOW_IOU = 0.9  # below this two more dropped views are tried before giving up, above it one


@dataclass(frozen=True, eq=False)
class Vote:
    """The outcome.

    Attributes:
        drop: views that are not listened to at each point.
        grow_px: how far the masks are grown before they carve, pixels of the views.
        mean_iou: mean IoU of the hull's silhouettes with the masks.
        strict_iou: the same without dropping or growing; 0 where that hull is empty.
        low, high: (3,) box around the hull, world units.
        vertices, faces: the hull on the vote's lattice.
    """

    drop: int
    grow_px: float
    mean_iou: float
    strict_iou: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]


def vote_from_silhouettes(silhouettes: Silhouettes, drop: int | None, resolution: int = VOTE_RESOLUTION) -> Vote:
    """The least tolerance whose hull fits the masks best.

    Tolerance is a number of views dropped at each point (the one asked for, where it is given), and a growth of all
    masks: independent errors of many masks shrink their intersection.

    Args:
        drop: views dropped at each point; None = the data choose.
        resolution: of the lattice that the answers are tried on.

    Raises:
        DataError: no hull, however many of the views are dropped.
    """
    count = len(silhouettes.cameras)
    allowed = range(count // 2 + 1) if drop is None else range(drop, drop + 1)
    box_lattice, ranked = _ranked_field(silhouettes, allowed[-1] + 1)
    score = _Score(silhouettes)
    best: Vote | None = None
    strict = 0.0
    for candidate in allowed:
        box = _box(ranked[..., candidate], box_lattice)
        if box is None:
            continue
        grown = _grown_to_fit(silhouettes, candidate, box, resolution, score)
        if grown is None:
            continue
        vote, plain_iou = grown
        strict = plain_iou if candidate == 0 else strict
        if best is None or vote.mean_iou > best.mean_iou + DROP_GAIN * (candidate - best.drop):
            best = vote
        if best.mean_iou >= AGREE_IOU:
            break
        if candidate - best.drop > (1 if best.mean_iou < PATIENT_BELOW_IOU else 0):
            break
    if best is None or best.mean_iou < LEAST_IOU:
        raise DataError(
            "The silhouettes of the views have nothing in common: the hull is empty",
            where="reconstruct_hull",
            seen=f"{count} views, up to {allowed[-1]} of them dropped at each point",
            expected="views of one object with the cameras that took them",
            next_step="check the cameras and the alpha of the views"
            + ("" if drop is None else ', or let the data choose with drop="auto"'),
        )
    return Vote(best.drop, best.grow_px, best.mean_iou, strict, best.low, best.high, best.vertices, best.faces)


class _Score:
    """Mean IoU of a surface with the masks, on a smaller picture."""

    def __init__(self, silhouettes: Silhouettes) -> None:
        self.cameras, self.masks = _small(silhouettes)

    def __call__(self, vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> float:
        return float(silhouette_ious(vertices, faces, self.cameras, self.masks).mean())


def _grown_to_fit(
    silhouettes: Silhouettes,
    drop: int,
    box: tuple[NDArray[np.float64], NDArray[np.float64]],
    resolution: int,
    score: _Score,
) -> tuple[Vote, float] | None:
    """The growth of the masks that fits best at this number of dropped views, and the IoU without growth."""
    lattice = Lattice.around(*box, resolution, margin=4)
    tried: dict[float, Vote] = {}

    def iou_at(grow_px: float) -> float:
        field = hull_field(
            silhouettes.grown_distances(grow_px), silhouettes.cameras, lattice, drop=drop, always=silhouettes.trusted
        )
        vertices, faces = surface_from_field(field, lattice)
        if not len(faces):
            return 0.0
        iou = score(vertices, faces)
        tried[grow_px] = Vote(drop, grow_px, iou, 0.0, vertices.min(0), vertices.max(0), vertices, faces)
        return iou

    plain = iou_at(0.0)
    best_px = 0.0
    if plain < AGREE_IOU:
        ious = {0.0: plain}
        for grow_px in GROW_PX:
            ious[grow_px] = iou_at(grow_px)
            if ious[grow_px] < max(ious.values()):
                break
        top = max(ious, key=lambda px: ious[px])
        for grow_px in (top - GROW_FINE_PX, top + GROW_FINE_PX):
            if grow_px > 0:
                ious[grow_px] = iou_at(grow_px)
        top = max(ious, key=lambda px: ious[px])
        best_px = top if ious[top] > plain + GROW_GAIN else 0.0
    return (tried[best_px], plain) if best_px in tried else None


def _box(field: NDArray[np.float32], lattice: Lattice) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Corners around the solid part of a coarse field, one coarse step wider; None where nothing is solid.

    Parts thinner than a coarse step may lie between its points: points within half a step of the surface count.
    """
    inside = field < 0.6 * lattice.step
    if not (field < 0).any() and not inside.any():
        return None
    places = np.argwhere(inside)
    low = np.array(lattice.low) + (places.min(0) - 0.5) * lattice.step
    high = np.array(lattice.low) + (places.max(0) + 0.5) * lattice.step
    return low, high


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
        lattice = Lattice.around(centre - radius, centre + radius, BOX_RESOLUTION, margin=1)
        ranked = dissent_field(
            silhouettes.distances, silhouettes.cameras, lattice, ranks=ranks, always=silhouettes.trusted
        )
        solid = ranked[..., 0] < 0
        touches = any(solid.take(side, axis).any() for axis in range(3) for side in (0, -1))
        if not touches:
            break
        radius *= 1.4
    if solid.mean() > UNBOUNDED_SHARE:
        raise DataError(
            "The cameras do not see the object that their masks show",
            where="ViewSet.cameras",
            seen="no mask bounds the space that the lines of sight have in common",
            expected="cameras that look at the object",
            next_step="check the cameras: +Z of world_from_camera points into the picture",
        )
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
