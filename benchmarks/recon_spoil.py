"""Views spoiled as generated ones are: recipes with a seed, for benchmarks/recon_quality.py.

`spoiled_2d` errs in the picture plane: smooth warp, scale, shift, blur, gain, shade and mask noise, new in every view.
`spoiled_3d` errs in space: in every view the object is bent anew, a part of it is turned, and its colours change from
place to place; then the picture is blurred. No view after the first agrees with any other exactly; view 0, the input,
is only blurred a little.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from svdmv.core import Asset, Mesh, ViewSet
from svdmv.render import render_views

WARP_SHARE, WARP_SIGMA_SHARE = 0.007, 0.08  # rms per axis and smoothness, shares of the side
SCALE, SHIFT_SHARE = 0.01, 0.005
BLUR_SHARE = 0.8 / 256
GAIN, SHADE = 0.04, 0.03
MASK_NOISE = 0.35
BEND_SHARE, BEND_WAVES = 0.010, 2.0  # rms displacement of the surface, shares of the radius; waves across the object
TURN_DEG, TURN_SHARE = 3.0, 0.35  # of the part beyond a random plane that cuts off about this share
COLOR_CHANGE = 0.08


def smooth_noise(rng: np.random.Generator, height: int, width: int, sigma: float) -> NDArray[np.float64]:
    """(H, W) of unit rms, smooth over `sigma` pixels."""
    noise = gaussian_filter(rng.normal(size=(height, width)), sigma, mode="reflect")
    scaled: NDArray[np.float64] = noise / max(float(noise.std()), 1e-12)
    return scaled


def spoiled_2d(views: ViewSet, seed: int) -> ViewSet:
    """The views, each spoiled in its plane. float32 pictures with alpha; normals and depths are left out."""
    rgba = views.rgba_u8().astype(np.float64) / 255
    out = np.empty_like(rgba)
    _, height, width, _ = rgba.shape
    side = max(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    for i, picture in enumerate(rgba):
        rng = np.random.default_rng([seed, i])
        mixed = np.concatenate([picture[..., :3] * picture[..., 3:], picture[..., 3:]], 2)
        if i > 0:
            scale = 1 + SCALE * rng.normal()
            shift = SHIFT_SHARE * side * rng.normal(size=2)
            warp = [WARP_SHARE * side * smooth_noise(rng, height, width, WARP_SIGMA_SHARE * side) for _ in range(2)]
            places = [
                (y - height / 2) * scale + height / 2 + shift[1] + warp[1],
                (x - width / 2) * scale + width / 2 + shift[0] + warp[0],
            ]
            mixed = np.stack([map_coordinates(mixed[..., c], places, order=1) for c in range(4)], 2)
            gain = 1 + GAIN * rng.normal(size=3)
            shade = 1 + SHADE * smooth_noise(rng, height, width, 0.15 * side)
            mixed[..., :3] *= gain * shade[..., None]
        mixed = gaussian_filter(mixed, (BLUR_SHARE * side, BLUR_SHARE * side, 0))
        alpha = mixed[..., 3]
        if i > 0:
            edge = 4 * alpha * (1 - alpha)
            alpha = np.clip(alpha + MASK_NOISE * edge * smooth_noise(rng, height, width, 0.006 * side), 0, 1)
        color = mixed[..., :3] / np.maximum(mixed[..., 3:], 1e-3)
        out[i] = np.concatenate([np.clip(color, 0, 1), np.clip(alpha, 0, 1)[..., None]], 2)
    return replace(
        views,
        images=out[..., :3].astype(np.float32),
        alphas=out[..., 3].astype(np.float32),
        depths=None,
        normals=None,
    )


def spoiled_3d(asset: Asset, views: ViewSet, seed: int, *, shading: str = "matte") -> ViewSet:
    """The views rendered anew, the object bent, partly turned and recoloured in each; the cameras stay."""
    width, height = views.size
    side = max(width, height)
    images, alphas = [], []
    points = asset.mesh.vertices.astype(np.float64)
    middle = (points.min(0) + points.max(0)) / 2
    radius = float(np.linalg.norm(points - middle, axis=1).max())
    for i, camera in enumerate(views.cameras):
        rng = np.random.default_rng([seed, i])
        mesh = asset.mesh if i == 0 else bent_mesh(asset.mesh, rng, middle, radius)
        shown = render_views(
            replace(asset, mesh=mesh), [camera], shading=shading, with_geometry=False, with_surface=True
        )
        rgba = shown.rgba_u8()[0].astype(np.float64) / 255
        if i > 0:
            assert shown.positions is not None
            local = (shown.positions[0].astype(np.float64) - middle) / radius
            rgba[..., :3] *= np.stack([1 + COLOR_CHANGE * wave_noise(rng, local) for _ in range(3)], 2)
        mixed = np.concatenate([rgba[..., :3] * rgba[..., 3:], rgba[..., 3:]], 2)
        mixed = gaussian_filter(mixed, (BLUR_SHARE * side, BLUR_SHARE * side, 0))
        images.append(np.clip(mixed[..., :3] / np.maximum(mixed[..., 3:], 1e-3), 0, 1))
        alphas.append(np.clip(mixed[..., 3], 0, 1))
    return ViewSet(
        np.stack(images).astype(np.float32), views.cameras, np.stack(alphas).astype(np.float32), orbit=views.orbit
    )


def wave_noise(rng: np.random.Generator, places: NDArray[np.float64], waves: float = BEND_WAVES) -> NDArray[np.float64]:
    """Smooth noise of about unit rms at places (..., 3) in a ball of radius 1: eight random waves."""
    total = np.zeros(places.shape[:-1])
    for _ in range(8):
        total += np.sin(places @ (waves * rng.normal(size=3)) + 2 * np.pi * rng.random())
    return total / 2


def bent_mesh(mesh: Mesh, rng: np.random.Generator, middle: NDArray[np.float64], radius: float) -> Mesh:
    """The mesh bent smoothly, the part beyond a random plane turned about a point of that plane."""
    points = (mesh.vertices.astype(np.float64) - middle) / radius
    moved = points + BEND_SHARE * np.stack([wave_noise(rng, points) for _ in range(3)], 1)
    normal = rng.normal(size=3)
    normal /= np.linalg.norm(normal)
    along = points @ normal
    cut = np.quantile(along, 1 - TURN_SHARE)
    pivot = points[np.argmin(np.abs(along - cut))]
    axis = rng.normal(size=3)
    axis *= np.radians(TURN_DEG) * rng.normal() / np.linalg.norm(axis)
    much = np.clip((along - cut) / 0.2, 0, 1)[:, None]  # a soft joint
    moved += much * np.cross(axis, points - pivot)
    return replace(mesh, vertices=(middle + radius * moved).astype(np.float32), normals=None)
