"""Rows of scores: one a view. Means are computed from them and never stored in their place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from svdmv.bench.methods import Task
from svdmv.bench.metrics import FloatArray, Metric, checked_scores, over_background, view_pair
from svdmv.core import DataError, ViewSet


@dataclass(frozen=True)
class ViewScores:
    """Scores of one prediction. values: metric -> (N,) float64, NaN = not defined. counted: (N,) bool, False for the
    input view unless the suite counts it.
    """

    values: dict[str, FloatArray]
    counted: np.ndarray


def scores_of(task: Task, prediction: ViewSet, metrics: Sequence[Metric], background: str) -> ViewScores:
    """Score a prediction. Raises DataError: wrong count or size, or a view that is not finite."""
    checked_prediction(prediction)
    pair = view_pair(prediction, task.truth, background)
    counted = np.ones(len(task.truth), bool)
    if not task.suite.input_view_counted:
        counted[task.track.input_view] = False
    values = {m.name: checked_scores(m.name, m.compute(pair), len(task.truth)) for m in metrics}
    return ViewScores(values, counted)


def checked_prediction(prediction: ViewSet) -> None:
    """Raise DataError when a view is black all over, which no renderer makes of an object on a background.

    8-bit pictures of values up to 1 are those of a program that forgot to multiply by 255: black as well.
    """
    rgba = prediction.rgba_u8()
    dark = (rgba[..., :3].max((1, 2, 3)) <= 1) & (rgba[..., 3].min((1, 2)) == 255)
    if dark.any():
        raise DataError(
            "A predicted view is black all over",
            where="views",
            seen=f"view {int(np.argmax(dark))}",
            expected="a picture; a view that was not made must be missing, not black",
        )


def turning(views: ViewSet) -> float:
    """Mean absolute difference of neighbouring views over white, the last one beside the first; 0 for a still."""
    pictures = over_background(*views.rgb_and_alpha_u8())
    return float(np.abs(pictures - np.roll(pictures, -1, 0)).mean())


def mean_of_views(values: FloatArray, counted: np.ndarray, name: str) -> float:
    """Mean over the counted views that have a value; infinite PSNR counts as 100 dB. NaN when there is none."""
    kept = values[counted]
    kept = kept[~np.isnan(kept)]
    if name.startswith("psnr"):
        kept = np.minimum(kept, 100.0)
    return float(kept.mean()) if len(kept) else float("nan")


def pooled_psnr(values: FloatArray) -> float:
    """PSNR of the mean error, from PSNR values in dB: never above their mean (Jensen)."""
    kept = values[~np.isnan(values)]
    if not len(kept):
        return float("nan")
    return float(-10 * np.log10(np.maximum(np.mean(10 ** (-kept / 10)), 1e-10)))
