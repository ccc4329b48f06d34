"""Vertex colours: the median of what the views that see a vertex show there."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ViewSet, vertex_normals
from svdmv.geometry.raster import depth_maps, sampled_bilinear

MIN_COSINE = 0.2


def vertex_colors(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], views: ViewSet, *, tolerance: float
) -> NDArray[np.uint8]:
    """(V, 3) uint8 sRGB; vertices that no view sees take the colour of the nearest one that is seen.

    Args:
        vertices: (V, 3) world units. faces: (F, 3).
        views: pictures with alpha; pixels below half cover do not vote.
        tolerance: a vertex counts as seen when it lies no deeper than the depth map plus this, world units.
    """
    from scipy.spatial import cKDTree

    points = np.asarray(vertices, np.float64)
    normals = vertex_normals(points, faces).astype(np.float64)
    depths = depth_maps(points, faces, views.cameras)
    votes = np.full((len(views), len(points), 3), np.inf, np.float32)
    scale = np.float32(255.0 if views.images.dtype == np.uint8 else 1.0)
    for i, camera in enumerate(views.cameras):
        pixels, depth = camera.project(points)
        toward = camera.position - points
        cosine = (toward * normals).sum(1) / np.maximum(np.linalg.norm(toward, axis=1), 1e-12)
        columns = np.clip(pixels[:, 0].astype(np.int64), 0, camera.width - 1)
        rows = np.clip(pixels[:, 1].astype(np.int64), 0, camera.height - 1)
        front = np.where(np.isfinite(depths[i]), depths[i], np.float32(np.inf))[rows, columns]
        inside = (pixels >= 0).all(1) & (pixels < (camera.width, camera.height)).all(1)
        picture = np.asarray(views.images[i], np.float32) / scale
        alpha = np.ones((*picture.shape[:2], 1), np.float32)
        if views.alphas is not None:
            alpha = np.asarray(views.alphas[i], np.float32)[..., None] / scale
        mixed = sampled_bilinear(np.concatenate([picture * alpha, alpha], -1), pixels)
        seen = (cosine > MIN_COSINE) & (depth > 0) & (depth <= front + tolerance) & inside & (mixed[:, 3] >= 0.5)
        votes[i, seen] = mixed[seen, :3] / mixed[seen, 3:]
    votes.sort(axis=0)
    count = np.isfinite(votes[..., 0]).sum(0)
    seen_any = count > 0
    low, high = np.maximum(count - 1, 0) // 2, count // 2
    index = np.arange(len(points))
    high = np.minimum(high, np.maximum(count - 1, 0))
    middle = (votes[low, index] + votes[high, index]) / 2
    colors = np.full((len(points), 3), 0.5, np.float32)
    colors[seen_any] = middle[seen_any]
    if seen_any.any() and not seen_any.all():
        _, nearest = cKDTree(points[seen_any]).query(points[~seen_any])
        colors[~seen_any] = colors[seen_any][nearest]
    return np.round(np.clip(colors, 0, 1) * 255).astype(np.uint8)
