"""Means with intervals, paired differences, and how many objects a difference needs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
RESAMPLES, SEED = 10_000, 0


@dataclass(frozen=True)
class Interval:
    """A mean over objects with its bootstrap interval at 95 %."""

    mean: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def bootstrap_mean(values: FloatArray) -> Interval:
    """Percentile bootstrap over objects (10,000 resamples, fixed seed). NaN objects are left out; none: all NaN."""
    kept = values[~np.isnan(values)]
    if not len(kept):
        return Interval(math.nan, math.nan, math.nan)
    picks = np.random.default_rng(SEED).integers(0, len(kept), (RESAMPLES, len(kept)))
    low, high = np.percentile(kept[picks].mean(1), [2.5, 97.5])
    return Interval(float(kept.mean()), float(low), float(high))


@dataclass(frozen=True)
class PairedTest:
    """One method against another on the same objects. gain: positive when the first is better.

    p_value: two-sided sign-flip permutation test. objects_needed: how many objects of this spread show a gain of this
    size with power 0.8 at the 5 % level; None when there is no gain or no spread.
    """

    gain: Interval
    p_value: float
    objects: int
    objects_needed: int | None


def paired_test(first: FloatArray, second: FloatArray, *, higher_is_better: bool) -> PairedTest:
    """Objects in the same order; objects that either lacks are left out."""
    difference = (first - second) * (1 if higher_is_better else -1)
    kept = difference[~np.isnan(difference)]
    gain = bootstrap_mean(difference)
    if len(kept) < 2:
        return PairedTest(gain, math.nan, len(kept), None)
    if len(kept) <= 14:
        bits = (np.arange(2 ** len(kept))[:, None] >> np.arange(len(kept))) & 1
        signs = 1 - 2 * bits
    else:
        signs = 1 - 2 * np.random.default_rng(SEED).integers(0, 2, (RESAMPLES, len(kept)))
    means = np.abs((signs * kept).mean(1))
    observed = abs(kept.mean())
    exact = len(kept) <= 14
    hits = int((means >= observed - 1e-12).sum())
    p_value = hits / len(means) if exact else (hits + 1) / (len(means) + 1)
    spread = float(kept.std(ddof=1))
    needed = None
    if observed > 0 and spread > 0:
        needed = max(2, math.ceil(((1.959964 + 0.841621) * spread / observed) ** 2))
    return PairedTest(gain, float(p_value), len(kept), needed)
