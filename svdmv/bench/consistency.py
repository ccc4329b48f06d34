"""Do the views of an orbit show one and the same object? Half of them are fitted, the other half is scored; no truth.

The idea is MVGBench's (github.com/xiexh20/MVGBench); its Gaussian splats need a GPU. Here the fitter is a visual hull
of the fitted views' silhouettes, every visible point coloured with what those views show there, weighted by how
squarely they see it. Nothing in it is random. A hull cannot hold hollows, so its ceiling is below perfect: the true
orbit is always scored beside the predictions.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.bench.metrics import FloatArray, view_pair
from svdmv.bench.pixel_metrics import iou, psnr_object
from svdmv.bench.resize import resized_rgba
from svdmv.core import Asset, Mesh, ViewSet
from svdmv.geometry.field import Lattice, hull_field
from svdmv.geometry.raster import depth_maps, sampled_bilinear
from svdmv.geometry.silhouette import mask_distance
from svdmv.geometry.surface import surface_from_field
from svdmv.render import render_views

FITTER = "hull-1"  # raised by hand when its scores change
SIZE_PX = 128  # larger pictures are reduced to this
RESOLUTION = 64
LEAST_VIEWS = 6
PSNR_CAP_DB = 100.0


@dataclass(frozen=True)
class Consistency:
    """Mean over the views that were not fitted, both halves.

    Attributes:
        psnr_object: dB over the union of the fitted and the given silhouette.
        iou: of these silhouettes.
        fitter: its name and version; scores of different ones are not comparable.
    """

    psnr_object: float
    iou: float
    fitter: str = FITTER

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def consistency_of(views: ViewSet) -> Consistency | None:
    """Fit the even views and score the odd ones, and the other way round. None: fewer than 6 views, or no alpha."""
    if views.alphas is None or len(views) < LEAST_VIEWS:
        return None
    small = _small(views)
    even, odd = np.arange(0, len(small), 2), np.arange(1, len(small), 2)
    scores = [_half(small, fitted, held) for fitted, held in ((even, odd), (odd, even))]
    decibels, overlaps = (np.concatenate(columns) for columns in zip(*scores, strict=True))
    if np.isnan(overlaps).all():
        return None
    return Consistency(float(np.nanmean(np.minimum(decibels, PSNR_CAP_DB))), float(np.nanmean(overlaps)))


def _small(views: ViewSet) -> ViewSet:
    size = min(views.size[0], SIZE_PX)
    rgba = resized_rgba(views.rgba_u8(), size)
    return ViewSet(rgba[..., :3], tuple(c.resized(size, size) for c in views.cameras), rgba[..., 3])


def _half(views: ViewSet, fitted: NDArray[np.int64], held: NDArray[np.int64]) -> tuple[FloatArray, FloatArray]:
    """Object PSNR and IoU of each held-out view."""
    rgba = views.rgba_u8()
    target = _part(views, rgba, held)
    shown = fitted_views(_part(views, rgba, fitted), target)
    pair = view_pair(shown, target)
    return psnr_object().compute(pair), iou().compute(pair)


def _part(views: ViewSet, rgba: NDArray[np.uint8], rows: NDArray[np.int64]) -> ViewSet:
    return ViewSet(rgba[rows, ..., :3], tuple(views.cameras[n] for n in rows), rgba[rows, ..., 3])


def fitted_views(given: ViewSet, target: ViewSet) -> ViewSet:
    """What the fitter makes of `given` (N views with alpha) seen by the target's cameras; empty if nothing is left."""
    vertices, faces = _hull(given)
    size = target.size[0]
    if not len(faces):
        empty = np.zeros((len(target), size, size, 4), np.uint8)
        return ViewSet(empty[..., :3], target.cameras, empty[..., 3])
    mesh = Mesh(vertices.astype(np.float32), faces)
    seen = render_views(Asset(mesh), target.cameras, shading="unlit", supersampling=2)
    assert seen.depths is not None
    assert seen.normals is not None
    fronts = depth_maps(vertices, faces, given.cameras)
    tolerance = 2 * float(np.ptp(vertices, axis=0).max()) / RESOLUTION
    images = np.stack(
        [
            _colored(given, fronts, tolerance, camera.unproject, seen.depths[n], seen.normals[n])
            for n, camera in enumerate(target.cameras)
        ]
    )
    return ViewSet(images, target.cameras, seen.rgba_u8()[..., 3])


def _hull(given: ViewSet) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Where no silhouette says no. The box starts as the ball that all cameras see and is then fitted once."""
    distances = np.stack([mask_distance(a.astype(np.float32) / 255) for a in given.rgba_u8()[..., 3]])
    reach = min(float(np.linalg.norm(c.position)) * np.sin(np.arctan(0.5 * c.width / c.K[0, 0])) for c in given.cameras)
    low, high = np.full(3, -reach), np.full(3, reach)
    for resolution in (RESOLUTION // 2, RESOLUTION):
        lattice = Lattice.around(low, high, resolution)
        vertices, faces = surface_from_field(hull_field(distances, given.cameras, lattice), lattice)
        if not len(faces):
            return vertices, faces
        low, high = vertices.min(0) - lattice.step, vertices.max(0) + lattice.step
    return vertices, faces


def _colored(
    given: ViewSet,
    fronts: NDArray[np.float32],
    tolerance: float,
    unproject: Any,
    depth: NDArray[np.float32],
    normal: NDArray[np.float32],
) -> NDArray[np.uint8]:
    """(H, W, 3): each point's colour, the mean of the views that see it, weighted by the squared cosine."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = np.nonzero(np.isfinite(depth))
    points = unproject(np.stack([columns, rows], 1) + 0.5, depth[rows, columns])
    total, weights = np.zeros((len(points), 3)), np.full((len(points), 1), 1e-12)
    for view, camera, front in zip(given.rgba_u8(), given.cameras, fronts, strict=True):
        pixels, away = camera.project(points)
        toward = camera.position - points
        facing = (toward * normal[rows, columns]).sum(1) / np.linalg.norm(toward, axis=1)
        near = np.clip(np.floor(pixels).astype(np.int64), 0, camera.width - 1)
        visible = away <= front[near[:, 1], near[:, 0]] + tolerance
        alpha = view[..., 3:].astype(np.float32) / 255
        mixed = sampled_bilinear(np.concatenate([view[..., :3] * alpha, alpha], -1), pixels)
        weight = (visible * np.maximum(facing, 0.05) ** 2)[:, None]  # never nothing: every point gets a colour
        total += weight * mixed[:, :3]
        weights += weight * mixed[:, 3:]
    colors = np.full((*depth.shape, 3), 255, np.uint8)
    colors[rows, columns] = np.round(np.clip(total / weights, 0, 255))
    nearest = distance_transform_edt(~np.isfinite(depth), return_distances=False, return_indices=True)
    filled: NDArray[np.uint8] = colors[tuple(nearest)] if len(rows) else colors
    return filled
