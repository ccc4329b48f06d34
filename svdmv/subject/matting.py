"""From a coarse mask to edges that follow the picture, and from mixed edge pixels to the subject's own colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.floating[Any]]
TRUST_IN_BAND = 0.02  # what the coarse mask says inside the band, beside a certain pixel


def refined_alpha(
    rgb: NDArray[np.uint8], mask: Plane, band_px: int, *, smoothness: float = 2e-4
) -> NDArray[np.float32]:
    """Let the edge of a coarse mask follow the picture inside a band around it.

    Guided filter with the colour picture as guide (He, Sun, Tang: Guided image filtering, 2010), weighted: it learns
    the local colours of inside and outside from beyond the band, where the mask is taken as certain.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        mask: (H, W) float32 in [0, 1].
        band_px: how far, in pixels, the mask's edge may be wrong.
        smoothness: the filter's epsilon, in units of squared colour with white = 1.

    Returns:
        (H, W) float32 in [0, 1].
    """
    from scipy import ndimage

    hard = mask >= 0.5
    inner = ndimage.distance_transform_edt(hard)
    outer = ndimage.distance_transform_edt(~hard)
    sure = np.where((inner > band_px) & (mask > 0.9), 1.0, np.where((outer > band_px) & (mask < 0.1), 0.0, np.nan))
    open_question = np.isnan(sure)
    alpha = mask.astype(np.float32)
    for radius, weight in ((2 * band_px, TRUST_IN_BAND), (max(band_px // 2, 2), 1.0)):
        weights = np.where(open_question, weight, 1.0)
        alpha = np.where(open_question, guided_filter(rgb, alpha, radius, smoothness, weights), sure)
        alpha = _steepened(alpha)
    return alpha


def _steepened(alpha: Plane) -> NDArray[np.float32]:
    """Pull nearly clear and nearly full pixels to 0 and 1: 0.1 -> 0, 0.9 -> 1, linear between."""
    return ((alpha - 0.1) / 0.8).clip(0, 1).astype(np.float32)


def guided_filter(
    rgb: NDArray[np.uint8], values: Plane, radius_px: int, epsilon: float, weights: Plane
) -> NDArray[np.float32]:
    """The local linear model of `values` in the colours of `rgb` (He, Sun, Tang: Guided image filtering, 2010).

    Args:
        rgb: (H, W, 3) uint8, the guide.
        values: (H, W) float32.
        radius_px: half side of the square window.
        epsilon: regularisation, squared colour with white = 1.
        weights: (H, W), above 0: how much each pixel has to say in the fit of the model.

    Returns:
        (H, W) float32, not clipped.
    """
    plain_mean = _box_mean(radius_px)
    total = plain_mean(weights)

    def mean(plane: Plane) -> Plane:
        return plain_mean(plane * weights) / total

    guide = rgb.astype(np.float32) / 255
    centre = [mean(guide[..., c]) for c in range(3)]
    pairs = ((0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2))
    rr, rg, rb, gg, gb, bb = (
        mean(guide[..., i] * guide[..., j]) - centre[i] * centre[j] + (epsilon if i == j else 0) for i, j in pairs
    )
    mean_value = mean(values)
    cr, cg, cb = (mean(guide[..., c] * values) - centre[c] * mean_value for c in range(3))
    # inverse of the symmetric 3x3 covariance by cofactors
    i_rr, i_rg, i_rb = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    i_gg, i_gb, i_bb = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * i_rr + rg * i_rg + rb * i_rb
    slope_r = (i_rr * cr + i_rg * cg + i_rb * cb) / determinant
    slope_g = (i_rg * cr + i_gg * cg + i_gb * cb) / determinant
    slope_b = (i_rb * cr + i_gb * cg + i_bb * cb) / determinant
    offset = mean_value - slope_r * centre[0] - slope_g * centre[1] - slope_b * centre[2]
    slopes = np.stack([plain_mean(slope * total) for slope in (slope_r, slope_g, slope_b)], -1)
    return np.asarray(((slopes * guide).sum(-1) + plain_mean(offset * total)) / plain_mean(total), np.float32)


def subject_colors(rgb: NDArray[np.uint8], alpha: Plane) -> NDArray[np.uint8]:
    """The subject's own colours at soft edges, with the background's share taken out.

    Two rounds of blurred estimates of foreground and background, wide then narrow, each corrected by the residual of
    the compositing equation (Forte: Approximate fast foreground colour estimation, 2021).

    Args:
        rgb: (H, W, 3) uint8 sRGB: the picture.
        alpha: (H, W) float32 in [0, 1].

    Returns:
        (H, W, 3) uint8; equal to the picture where alpha is 1.
    """
    picture = rgb.astype(np.float32)
    front, back = picture, picture
    sure_front, sure_back = alpha**4, (1 - alpha) ** 4  # mixed pixels say little about either colour
    for radius in (max(min(rgb.shape[:2]) // 12, 8), 4):
        mean = _box_mean(radius)
        front_weight, back_weight = mean(sure_front), mean(sure_back)
        new_front, new_back = np.empty_like(picture), np.empty_like(picture)
        for c in range(3):
            f = mean(front[..., c] * sure_front) / (front_weight + 1e-5)
            b = mean(back[..., c] * sure_back) / (back_weight + 1e-5)
            new_front[..., c] = (f + alpha * (picture[..., c] - alpha * f - (1 - alpha) * b)).clip(0, 255)
            new_back[..., c] = b
        front, back = new_front, new_back
    solid = alpha >= 0.999
    return np.where(solid[..., None], rgb, np.rint(front).astype(np.uint8))


def _box_mean(radius_px: int) -> Callable[[Plane], Plane]:
    from scipy import ndimage

    def mean(values: Plane) -> Plane:
        return np.asarray(ndimage.uniform_filter(values.astype(np.float64), 2 * radius_px + 1, mode="nearest"))

    return mean
