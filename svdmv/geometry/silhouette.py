"""Soft masks as signed distances in the picture, exact to a fraction of a pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

BAND_PX = 4.0


def mask_distance(alpha: NDArray[np.floating]) -> Float32Array:
    """Signed distance in pixels to the 0.5 level of a soft mask, negative inside.

    Pixels astride the level take their distance from the local slope of alpha; all others add the way to the
    nearest of those. A mask without any level is everywhere as far from it as the diagonal.

    Args:
        alpha: (H, W) float in [0, 1].

    Returns:
        (H, W) float32, pixels of this array, at pixel centres.
    """
    from scipy.ndimage import distance_transform_edt
    from scipy.spatial import cKDTree

    level = np.asarray(alpha, np.float32)
    inside = level >= 0.5
    sign = np.where(inside, np.float32(-1), np.float32(1))
    if inside.all() or not inside.any():
        return sign * np.float32(np.hypot(*level.shape))
    edge = np.zeros(inside.shape, bool)
    slopes = []
    for axis in (0, 1):
        step = np.abs(np.diff(level, axis=axis))
        crossed = np.diff(inside.astype(np.int8), axis=axis) != 0
        before = [(0, 1) if a == axis else (0, 0) for a in (0, 1)]
        after = [(1, 0) if a == axis else (0, 0) for a in (0, 1)]
        edge |= np.pad(crossed, before) | np.pad(crossed, after)
        slopes.append(np.maximum(np.pad(step, before), np.pad(step, after)))
    slope = np.maximum(np.hypot(slopes[0], slopes[1]), 1e-6)
    offset = np.clip((0.5 - level) / slope, -1, 1)
    way, (rows, columns) = distance_transform_edt(~edge, return_indices=True)
    distance: Float32Array = (sign * way + offset[rows, columns]).astype(np.float32)
    # in the band around the level the nearest seed is often a tie: measure to points on the level instead
    steps = np.stack([np.gradient(level, axis=axis)[edge] for axis in (0, 1)], -1)
    steps /= np.maximum(np.linalg.norm(steps, axis=1, keepdims=True), 1e-6)
    on_level = np.argwhere(edge) + offset[edge][:, None] * steps
    band = (way > 0) & (way < BAND_PX)
    distance[band] = sign[band] * cKDTree(on_level).query(np.argwhere(band))[0]
    return distance


def resampled_mask(alpha: NDArray[np.floating], width: int, height: int, *, blur_px: float = 0.0) -> Float32Array:
    """A soft mask on another pixel grid: cubic when it grows, a box-like average when it shrinks.

    Args:
        alpha: (H, W) float in [0, 1].
        width, height: pixels of the result.
        blur_px: Gaussian blur first, in pixels of `alpha`; takes the steps out of hard masks.

    Returns:
        (height, width) float32 in [0, 1].
    """
    from scipy.ndimage import gaussian_filter, zoom

    level = np.asarray(alpha, np.float32)
    ratio = (height / level.shape[0], width / level.shape[1])
    sigma = [max(blur_px, 0.4 / r if r < 1 else 0.0) for r in ratio]
    if max(sigma) > 0:
        level = gaussian_filter(level, sigma, mode="nearest")
    if ratio != (1.0, 1.0):
        order = 3 if min(ratio) > 1 else 1
        level = zoom(level, ratio, order=order, mode="nearest", grid_mode=True)
    clipped: Float32Array = np.clip(level, 0, 1).astype(np.float32)
    return clipped


def cleaned_mask(alpha: NDArray[np.floating], *, speck_share: float = 0.003) -> tuple[Float32Array, int]:
    """A soft mask without specks and pinholes smaller than `speck_share` of the foreground.

    Args:
        alpha: (H, W) float in [0, 1].

    Returns:
        (H, W) float32 and the number of specks and pinholes removed.
    """
    from scipy.ndimage import label

    level = np.array(alpha, np.float32)
    inside = level >= 0.5
    limit = speck_share * inside.sum()
    removed = 0
    for region, value in ((inside, 0.0), (~inside, 1.0)):
        labels, count = label(region)
        if count < 2:
            continue
        areas = np.bincount(labels.ravel())
        small = areas < limit
        small[0] = False
        small[1 + int(areas[1:].argmax())] = False
        if small.any():
            level[small[labels]] = value
            removed += int(small.sum())
    return level, removed
