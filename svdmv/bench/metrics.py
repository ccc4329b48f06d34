"""View metrics: a score for every view of a prediction against the true one. A plain table name -> Metric.

Everything is over one background, in sRGB, range [0, 1], at one size. Prediction and truth go through the same
composite and the same rounding to 8 bits.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any

import numpy as np
from numpy.typing import NDArray

from svdmv.bench.suite import BACKGROUNDS
from svdmv.core import ConfigError, DataError, ViewSet

FloatArray = NDArray[np.float64]
Pixels = NDArray[np.float32]
PSNR_CAP_DB = 100.0


@dataclass(frozen=True)
class ViewPair:
    """Prediction and truth as every metric gets them.

    prediction, truth: (N, H, W, 3) float32 in [0, 1] over the background. predicted_mask, true_mask: (N, H, W) bool,
    alpha of at least one half; the prediction's is None when the method gives no alpha.
    """

    prediction: Pixels
    truth: Pixels
    predicted_mask: NDArray[np.bool_] | None
    true_mask: NDArray[np.bool_]

    def __post_init__(self) -> None:
        for side in (self.prediction, self.truth):
            if len(side) and not (side.min() >= 0 and side.max() <= 1):
                raise DataError(
                    "Pictures are out of range",
                    where="ViewPair",
                    seen=f"{side.min():g} to {side.max():g}",
                    expected="0 to 1, sRGB",
                )

    @cached_property
    def squared_errors(self) -> FloatArray:
        """(N, H, W): mean over the channels."""
        from svdmv.bench._score_kernels import squared_error_maps

        errors = np.empty(self.truth.shape[:3])
        sides = [np.ascontiguousarray(side).reshape(-1, 3) for side in (self.prediction, self.truth)]
        squared_error_maps(*sides, errors.reshape(-1))
        return errors

    @cached_property
    def either(self) -> NDArray[np.bool_]:
        """Union of the masks; the truth's alone where the prediction has none."""
        return self.true_mask if self.predicted_mask is None else self.true_mask | self.predicted_mask


@dataclass(frozen=True)
class Metric:
    """name: column. higher_is_better: direction. compute: ViewPair -> (N,) float64, NaN = not defined for that view.

    detail: network and its hash where there is one; it stands in the column's header.
    """

    name: str
    higher_is_better: bool
    compute: Callable[[ViewPair], FloatArray]
    unit: str = ""
    detail: str = ""


METRICS = {
    "psnr": "svdmv.bench.pixel_metrics:psnr",
    "psnr_object": "svdmv.bench.pixel_metrics:psnr_object",
    "mse": "svdmv.bench.pixel_metrics:mse",
    "ssim": "svdmv.bench.pixel_metrics:ssim",
    "iou": "svdmv.bench.pixel_metrics:iou",
    "lpips_alex": "svdmv.bench.network_metrics:lpips_alex",
    "lpips_squeeze": "svdmv.bench.network_metrics:lpips_squeeze",
    "lpips_vgg": "svdmv.bench.network_metrics:lpips_vgg",
    "clip_s": "svdmv.bench.network_metrics:clip_s",
}


def metric_names() -> list[str]:
    """Ours and those of other packages (entry points svdmv.metrics)."""
    return [*METRICS, *(point.name for point in entry_points(group="svdmv.metrics"))]


def metric_from_name(name: str) -> Metric:
    """Resolve a name; loads the weights it needs.

    Raises:
        ConfigError: unknown name. CheckpointError, MissingDependency: weights or a package are not at hand.
    """
    if name in METRICS:
        module, _, function = METRICS[name].partition(":")
        made: Metric = getattr(import_module(module), function)()
        return made
    for point in entry_points(group="svdmv.metrics"):
        if point.name == name:
            made = point.load()()
            return made
    raise ConfigError(
        "The metric is unknown", where="metrics", seen=name, expected=", ".join(metric_names()), next_step="svdmv list"
    )


def view_pair(prediction: ViewSet, truth: ViewSet, background: str = "white") -> ViewPair:
    """Composite both sides alike.

    Raises DataError: count or size differ, the truth has no alpha, or the background is unknown.
    """
    if len(prediction) != len(truth):
        raise DataError(
            "A prediction has the wrong number of views", where="views", seen=len(prediction), expected=str(len(truth))
        )
    if prediction.size != truth.size:
        raise DataError(
            "A prediction has the wrong size",
            where="views",
            seen="{}x{}".format(*prediction.size),
            expected="{}x{}".format(*truth.size),
        )
    if truth.alphas is None:
        raise DataError("The reference views have no alpha", where="reference", seen="RGB", expected="RGBA")
    if background not in BACKGROUNDS:
        raise DataError(
            "The background is unknown", where="background", seen=background, expected=", ".join(BACKGROUNDS)
        )
    true, true_mask = _true_side(truth, background)
    rgb, alpha = prediction.rgb_and_alpha_u8()
    predicted = None if prediction.alphas is None else alpha >= 128
    return ViewPair(over_background(rgb, alpha, background), true, predicted, true_mask)


@lru_cache(maxsize=4)
def _true_side(truth: ViewSet, background: str) -> tuple[Pixels, NDArray[np.bool_]]:
    """Composite and mask, kept: every method is scored against the same array."""
    rgb, alpha = truth.rgb_and_alpha_u8()
    return over_background(rgb, alpha, background), alpha >= 128


def over_background(rgb_u8: NDArray[np.uint8], alpha_u8: NDArray[np.uint8], background: str = "white") -> Pixels:
    """(N, H, W, 3) float32 of (N, H, W, 3), (N, H, W): over the background, rounded to 8 bits as a saved picture is."""
    from svdmv.bench._score_kernels import composited

    out = np.empty(rgb_u8.shape, np.float32)
    rows = (-1, rgb_u8.shape[2])
    rgb, alpha = np.ascontiguousarray(rgb_u8), np.ascontiguousarray(alpha_u8)
    composited(rgb.reshape(*rows, 3), alpha.reshape(rows), _composites(background), out.reshape(*rows, 3))
    return out


@lru_cache(maxsize=3)
def _composites(background: str) -> Pixels:
    """(256, 256) float32: the composite of a value under an alpha, by alpha and value."""
    alpha, value = (np.arange(256, dtype=np.float32) for _ in range(2))
    opacity = alpha[:, None] / 255
    mixed = value * opacity + 255 * BACKGROUNDS[background] * (1 - opacity)
    table: Pixels = (np.round(mixed) / 255).astype(np.float32)
    return table


def checked_scores(name: str, scores: Any, count: int) -> FloatArray:
    """A metric's answer as (N,) float64. Raises DataError when it has another shape."""
    values = np.asarray(scores, np.float64)
    if values.shape != (count,):
        raise DataError("A metric answered with the wrong shape", where=name, seen=values.shape, expected=f"({count},)")
    return values
