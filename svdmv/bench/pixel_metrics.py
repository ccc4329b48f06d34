"""PSNR, MSE, SSIM and IoU: metrics that need no network."""

from __future__ import annotations

import numpy as np

from svdmv.bench.metrics import PSNR_CAP_DB, FloatArray, Metric, ViewPair

SSIM_C1, SSIM_C2 = 0.01**2, 0.03**2
SSIM_SIGMA, SSIM_RADIUS = 1.5, 5  # the 11 x 11 Gaussian window of Wang et al. 2004


def psnr_from_mse(values: FloatArray) -> FloatArray:
    """-10 log10 of mean squared errors of pictures in [0, 1], in dB; infinite where the error is 0."""
    with np.errstate(divide="ignore"):
        decibels: FloatArray = -10 * np.log10(values)
    return decibels


def squared_errors(pair: ViewPair) -> FloatArray:
    """(N, H, W): mean over the channels."""
    return pair.squared_errors


def masked_mean(values: FloatArray, mask: np.ndarray) -> FloatArray:
    """(N,) mean inside the masks, NaN where a mask is empty."""
    count = mask.sum((1, 2))
    return np.where(count > 0, (values * mask).sum((1, 2)) / np.maximum(count, 1), np.nan)


def psnr() -> Metric:
    """Over the whole picture, per view, infinite for equal pictures."""
    return Metric("psnr", True, lambda pair: psnr_from_mse(squared_errors(pair).mean((1, 2))), "dB")


def psnr_object() -> Metric:
    """Over the union of both silhouettes; NaN where both are empty."""
    return Metric("psnr_object", True, lambda pair: psnr_from_mse(masked_mean(squared_errors(pair), pair.either)), "dB")


def mse() -> Metric:
    """Mean squared error over the whole picture."""
    return Metric("mse", False, lambda pair: squared_errors(pair).mean((1, 2)))


def iou() -> Metric:
    """Intersection over union of the silhouettes; NaN where both are empty or the prediction has no alpha."""

    def compute(pair: ViewPair) -> FloatArray:
        if pair.predicted_mask is None:
            return np.full(len(pair.truth), np.nan)
        either = pair.either.sum((1, 2))
        both = (pair.predicted_mask & pair.true_mask).sum((1, 2))
        return np.where(either > 0, both / np.maximum(either, 1), np.nan)

    return Metric("iou", True, compute)


def ssim() -> Metric:
    """Structural similarity: Gaussian window 11 x 11 of sigma 1.5, range 1, mean over channels and the inner pixels.

    Equal to scikit-image's structural_similarity(gaussian_weights=True, sigma=1.5, use_sample_covariance=False).
    """
    return Metric("ssim", True, ssim_per_view, detail="gaussian 11, sigma 1.5")


def ssim_per_view(pair: ViewPair) -> FloatArray:
    """(N,). float32 inside: within 1e-6 of the same sums in float64, and exactly 1 for equal pictures."""
    from svdmv.bench._ssim_kernels import ssim_of_pictures

    offsets = np.arange(-SSIM_RADIUS, SSIM_RADIUS + 1)
    weights = np.exp(-0.5 * (offsets / SSIM_SIGMA) ** 2)
    count, height, width, channels = pair.truth.shape
    if min(height, width) < len(weights):
        return np.full(count, np.nan)
    rows = [np.ascontiguousarray(side).reshape(count, height, -1) for side in (pair.prediction, pair.truth)]
    window = (weights / weights.sum()).astype(np.float32)
    scores: FloatArray = ssim_of_pictures(rows[0], rows[1], channels, window, SSIM_C1, SSIM_C2)
    return scores


def capped(decibels: FloatArray) -> FloatArray:
    """PSNR with infinity as 100 dB, for means: an identical view must not swallow the others."""
    return np.minimum(decibels, PSNR_CAP_DB)
