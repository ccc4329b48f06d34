"""Shapes known by formula, ray-cast in plain numpy: truth for reconstruction, baking and rasterising."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera, Orbit, ViewSet

Distance = Callable[[NDArray[np.float64]], NDArray[np.float64]]
Coloring = Callable[[NDArray[np.float64]], NDArray[np.float64]]

SMALL_WORLD = {"radius": 1.75, "fov_y_deg": 33.8}


def sphere(radius: float = 0.4) -> Distance:
    return lambda p: np.linalg.norm(p, axis=-1) - radius


def box(x: float = 0.25, y: float = 0.25, z: float = 0.25) -> Distance:
    half = np.array([x, y, z])

    def distance(p: NDArray[np.float64]) -> NDArray[np.float64]:
        q = np.abs(p) - half
        return np.linalg.norm(np.maximum(q, 0), axis=-1) + np.minimum(q.max(-1), 0)

    return distance


def torus(ring: float = 0.3, tube: float = 0.1) -> Distance:
    """A ring that stands up: its hole is seen along Z."""
    return lambda p: np.hypot(np.hypot(p[..., 0], p[..., 1]) - ring, p[..., 2]) - tube


def ellipsoid(x: float = 0.4, y: float = 0.25, z: float = 0.3) -> Distance:
    half = np.array([x, y, z])

    def distance(p: NDArray[np.float64]) -> NDArray[np.float64]:
        inner = np.linalg.norm(p / half, axis=-1)
        slope = np.linalg.norm(p / half**2, axis=-1)
        bound: NDArray[np.float64] = inner * (inner - 1) / np.maximum(slope, 1e-9)  # a first-order bound
        return bound

    return distance


def moved(shape: Distance, rotation: NDArray[np.float64], shift: NDArray[np.float64]) -> Distance:
    """`shape` turned, then shifted."""
    return lambda p: shape((p - shift) @ rotation)


def joined(*shapes: Distance) -> Distance:
    return lambda p: np.min([shape(p) for shape in shapes], axis=0)


def smooth_colors(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """A slow colour wave in world position, inside [0.1, 0.9]."""
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    return 0.5 + 0.4 * np.stack([np.sin(5 * x + 1), np.sin(4 * y - z), np.cos(5 * z + 2 * x)], -1)


def view_of(
    shape: Distance, camera: Camera, coloring: Coloring = smooth_colors, *, samples: int = 3, steps: int = 64
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Colour (H, W, 3), alpha (H, W), depth (H, W; inf outside) by sphere tracing, `samples` squared rays a pixel."""
    height, width = camera.height, camera.width
    fine = camera.resized(width * samples, height * samples)
    y, x = np.mgrid[0 : fine.height, 0 : fine.width]
    pixels = np.stack([x.ravel() + 0.5, y.ravel() + 0.5], 1)
    directions = fine.unproject(pixels, np.ones(len(pixels))) - fine.position
    lengths = np.linalg.norm(directions, axis=1)
    directions /= lengths[:, None]
    reach = np.linalg.norm(fine.position)
    t = np.full(len(pixels), max(reach - 1.0, 1e-3))
    going = np.arange(len(pixels))
    for _ in range(steps):
        near = np.clip(shape(fine.position + t[going, None] * directions[going]), -0.1, 0.3)
        t[going] += near
        going = going[(np.abs(near) > 1e-4) & (t[going] < reach + 1.0)]
    points = fine.position + t[:, None] * directions
    hit = (np.abs(shape(points)) < 2e-3) & (t < reach + 1.0)
    colors = np.where(hit[:, None], coloring(points), 0.0)
    depth = np.where(hit, t / lengths, np.inf)

    def pooled(array: NDArray[np.float64]) -> NDArray[np.float64]:
        return array.reshape(height, samples, width, samples, -1).mean((1, 3))

    alpha = pooled(hit.astype(np.float64))[..., 0]
    straight = pooled(colors) / np.maximum(alpha, 1e-9)[..., None]
    depth = depth.reshape(height, samples, width, samples)[:, samples // 2, :, samples // 2]
    return np.clip(straight, 0, 1).astype(np.float32), alpha.astype(np.float32), depth.astype(np.float32)


def views_of(
    shape: Distance,
    cameras: Sequence[Camera] | None = None,
    coloring: Coloring = smooth_colors,
    *,
    size: int = 64,
    elevation_deg: float = 10.0,
    num_views: int = 21,
    samples: int = 2,
) -> ViewSet:
    """A ViewSet of `shape`: float32 pictures on the default ring, or on the cameras given."""
    orbit = None
    if cameras is None:
        orbit = Orbit.static(elevation_deg, num_views, radius=1.75, fov_y_deg=33.8)
        cameras = orbit.cameras(size, size)
    shots = [view_of(shape, camera, coloring, samples=samples) for camera in cameras]
    colors, alphas, depths = (np.stack([shot[k] for shot in shots]) for k in range(3))
    return ViewSet(colors, tuple(cameras), alphas, depths=depths, orbit=orbit)
