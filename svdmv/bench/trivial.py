"""Predictors that know nothing: what every model has to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ViewSet
from svdmv.dataset.orbits import OrbitStore

Rgba = NDArray[np.uint8]


def _like(truth: ViewSet, rgba: Rgba) -> ViewSet:
    return ViewSet(rgba[..., :3], truth.cameras, rgba[..., 3], orbit=truth.orbit)


def copied(truth: ViewSet) -> ViewSet:
    """The input view everywhere."""
    return _like(truth, np.repeat(truth.rgba_u8()[:1], len(truth), 0))


def mirrored(truth: ViewSet) -> ViewSet:
    """The input view, mirrored where the camera stands behind (azimuth between 90 and 270 degrees)."""
    rgba = np.repeat(truth.rgba_u8()[:1], len(truth), 0)
    behind = np.abs(np.arange(len(truth)) / len(truth) - 0.5) < 0.25
    rgba[behind] = rgba[behind][:, :, ::-1]
    return _like(truth, rgba)


def blank(truth: ViewSet) -> ViewSet:
    """Nothing on white."""
    return _like(truth, np.zeros_like(truth.rgba_u8()))


def mean_orbit(store: OrbitStore) -> Rgba:
    """(V, S, S, 4): mean of all orbits of the store, colours weighted by alpha; every start view counts alike."""
    total = np.zeros(store.images.shape[1:], np.float64)
    for images in store.images:
        alpha = images[..., 3:] / 255.0
        total += np.concatenate([images[..., :3] * alpha, alpha * 255], -1)
    alpha = total[..., 3:] / len(store.images)
    color = total[..., :3] / len(store.images) / np.maximum(alpha / 255, 1e-6)
    one = np.concatenate([color, alpha], -1).clip(0, 255)
    weights = one[..., 3:]
    over_views = (one[..., :3] * weights).sum(0) / np.maximum(weights.sum(0), 1e-6)
    mean = np.concatenate([over_views, weights.mean(0)], -1)
    return np.repeat(np.round(mean).astype(np.uint8)[None], len(one), 0)


def nearest_orbit(truth: ViewSet, store: OrbitStore, thumbnails: NDArray[np.float32]) -> ViewSet:
    """The training orbit, rolled, whose view looks most like the input view (squared error of thumbnails)."""
    mine = thumbnails_of(truth.rgba_u8()[:1])[0]
    distance = ((thumbnails - mine) ** 2).mean(-1)
    orbit, view = np.unravel_index(int(distance.argmin()), distance.shape)
    return _like(truth, np.roll(np.asarray(store.images[orbit]), -int(view), 0))


def thumbnails_of(rgba: Rgba, side: int = 16) -> NDArray[np.float32]:
    """(..., side * side * 4) float32: pictures (..., H, W, 4) over white with alpha, averaged to side x side."""
    values = rgba.astype(np.float32) / 255
    alpha = values[..., 3:]
    joined = np.concatenate([values[..., :3] * alpha + (1 - alpha), alpha], -1)
    block = rgba.shape[-2] // side
    shaped = joined.reshape(*rgba.shape[:-3], side, block, side, block, 4)
    small: NDArray[np.float32] = shaped.mean((-4, -2)).reshape(*rgba.shape[:-3], -1)
    return small
