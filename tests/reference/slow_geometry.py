"""Slow definitions of what svdmv/geometry computes: loops over everything, no tricks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera


def mask_distance(alpha: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each pixel centre to the marching-squares contour at 0.5, sampled densely."""
    from skimage.measure import find_contours

    points = []
    for contour in find_contours(np.pad(alpha, 1, mode="edge"), 0.5):
        contour = contour - 1
        for a, b in pairwise(contour):
            points.append(a + np.linspace(0, 1, 8)[:, None] * (b - a))
    contour_points = np.concatenate(points)
    rows, columns = np.indices(alpha.shape)
    centres = np.stack([rows.ravel(), columns.ravel()], 1)
    way = np.min(np.linalg.norm(centres[:, None] - contour_points[None], axis=2), 1).reshape(alpha.shape)
    return np.where(alpha >= 0.5, -way, way)


def dissent_at(point: NDArray[np.float64], distances: NDArray[np.float32], cameras: Sequence[Camera]) -> list[float]:
    """World distances of one point to the silhouettes, largest first, for points inside all pictures."""
    found = []
    for distance, camera in zip(distances, cameras, strict=True):
        pixel, depth = camera.project(point[None])
        x, y = pixel[0] - 0.5
        a, b = int(np.floor(x)), int(np.floor(y))
        fx, fy = x - a, y - b
        value = (
            distance[b, a] * (1 - fx) * (1 - fy)
            + distance[b, a + 1] * fx * (1 - fy)
            + distance[b + 1, a] * (1 - fx) * fy
            + distance[b + 1, a + 1] * fx * fy
        )
        found.append(float(value * depth[0] / np.sqrt(camera.K[0, 0] * camera.K[1, 1])))
    return sorted(found, reverse=True)


def depth_map(vertices: NDArray[np.float64], faces: NDArray[np.int32], camera: Camera) -> NDArray[np.float64]:
    """Nearest hit of the ray through each pixel centre with every triangle (Moeller, Trumbore 1997)."""
    out = np.full((camera.height, camera.width), np.inf)
    corners = vertices[faces]
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    forward = camera.world_from_camera[:3, 2]
    for y in range(camera.height):
        for x in range(camera.width):
            ray = camera.unproject(np.array([[x + 0.5, y + 0.5]]), np.ones(1))[0] - camera.position
            p = np.cross(ray, two)
            det = (one * p).sum(1)
            with np.errstate(divide="ignore", invalid="ignore"):
                start = camera.position - corners[:, 0]
                u = (start * p).sum(1) / det
                q = np.cross(start, one)
                v = (q @ ray) / det
                t = (two * q).sum(1) / det
                hit = (np.abs(det) > 1e-15) & (u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0)
            if hit.any():
                out[y, x] = t[hit].min() * (ray @ forward)
    return out


def texel_owner(corner_uvs: NDArray[np.float64], size: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Owner (last face that holds the texel's centre, -1 = none) and number of faces that hold it."""
    owner = np.full((size, size), -1)
    layers = np.zeros((size, size), np.int64)
    y, x = np.mgrid[0:size, 0:size] + 0.5
    for i, (a, b, c) in enumerate(np.asarray(corner_uvs, np.float64) * size):
        side = [(q[0] - p[0]) * (y - p[1]) - (q[1] - p[1]) * (x - p[0]) for p, q in ((a, b), (b, c), (c, a))]
        inside = np.all([s > 1e-6 for s in side], 0) | np.all([s < -1e-6 for s in side], 0)
        owner[inside] = i
        layers[inside] += 1
    return owner, layers
