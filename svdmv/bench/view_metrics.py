"""Scores of one orbit against the true one, a value a view. Everything over white, in sRGB, range [0, 1]."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from svdmv.core import DataError, ViewSet
from svdmv.diffusion.perceptual import LpipsAlex

FloatArray = NDArray[np.float64]
PSNR_CAP_DB = 100.0


def checked_pair(prediction: ViewSet, truth: ViewSet) -> None:
    """Raise DataError when two view sets cannot be compared: count, size, or no alpha."""
    if len(prediction) != len(truth) or prediction.size != truth.size:
        raise DataError(
            "Prediction and truth differ in count or size",
            where="views",
            expected="the same cameras",
            seen=f"{len(prediction)} of {prediction.size} against {len(truth)} of {truth.size}",
        )
    if prediction.alphas is None or truth.alphas is None:
        raise DataError(
            "A score on the object needs alpha on both sides", where="views", seen="no alpha", expected="RGBA views"
        )


def psnr_from_mse(mse: FloatArray) -> FloatArray:
    """-10 log10 of a mean squared error in [0, 1], capped at 100 dB."""
    decibels: FloatArray = np.minimum(-10 * np.log10(np.maximum(mse, 1e-12)), PSNR_CAP_DB)
    return decibels


def silhouettes(views: ViewSet) -> NDArray[np.bool_]:
    """(N, H, W): alpha of at least one half."""
    return views.rgba_u8()[..., 3] >= 128


def psnr_per_view(prediction: ViewSet, truth: ViewSet) -> tuple[FloatArray, FloatArray]:
    """PSNR in dB of every view: over the whole picture, and over the union of both silhouettes (NaN where empty)."""
    checked_pair(prediction, truth)
    error = ((prediction.on_background().astype(np.float64) - truth.on_background()) ** 2).mean(-1)
    either = silhouettes(prediction) | silhouettes(truth)
    count = either.sum((1, 2))
    on_object = np.where(count > 0, (error * either).sum((1, 2)) / np.maximum(count, 1), np.nan)
    return psnr_from_mse(error.mean((1, 2))), psnr_from_mse(on_object)


def iou_per_view(prediction: ViewSet, truth: ViewSet) -> FloatArray:
    """Intersection over union of the silhouettes of every view; NaN where both are empty."""
    checked_pair(prediction, truth)
    a, b = silhouettes(prediction), silhouettes(truth)
    either = (a | b).sum((1, 2))
    return np.where(either > 0, (a & b).sum((1, 2)) / np.maximum(either, 1), np.nan)


def lpips_per_view(prediction: ViewSet, truth: ViewSet, lpips: LpipsAlex) -> FloatArray:
    """LPIPS v0.1 (AlexNet) of every view over white, at the views' own size."""
    checked_pair(prediction, truth)
    pair = [
        torch.from_numpy(np.ascontiguousarray(v.on_background().transpose(0, 3, 1, 2))) * 2 - 1
        for v in (prediction, truth)
    ]
    with torch.inference_mode():
        distances: FloatArray = lpips(*pair).double().numpy()
    return distances


def turning(views: ViewSet) -> float:
    """Mean absolute difference of neighbouring views over white, the last one beside the first."""
    pictures = views.on_background()
    return float(np.abs(pictures - np.roll(pictures, -1, 0)).mean())
