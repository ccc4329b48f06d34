"""Intervals and tests against closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest

from svdmv.bench.statistics import bootstrap_mean, paired_test


def test_the_interval_of_a_large_sample_is_the_normal_one() -> None:
    values = np.random.default_rng(0).normal(3, 2, 400)
    made = bootstrap_mean(values)
    half = 1.96 * values.std(ddof=1) / 20
    assert made.mean == pytest.approx(values.mean())
    assert made.low == pytest.approx(values.mean() - half, abs=0.03)
    assert made.high == pytest.approx(values.mean() + half, abs=0.03)
    assert made.excludes_zero


def test_objects_without_a_value_are_left_out() -> None:
    made = bootstrap_mean(np.array([1.0, math.nan, 1.0]))
    assert (made.mean, made.low, made.high) == (1, 1, 1)
    assert math.isnan(bootstrap_mean(np.array([math.nan])).mean)


def test_exact_permutation_by_hand() -> None:
    """Three differences of one sign: 2 of the 8 sign patterns are as extreme."""
    test = paired_test(np.array([2.0, 3.0, 4.0]), np.array([1.0, 1.0, 1.0]), higher_is_better=True)
    assert test.p_value == pytest.approx(2 / 8)
    assert test.gain.mean == pytest.approx(2)


def test_direction_and_symmetry() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, (2, 30))
    up, down = (paired_test(a, b, higher_is_better=h) for h in (True, False))
    assert up.gain.mean == pytest.approx(-down.gain.mean)
    assert up.p_value == pytest.approx(down.p_value)


def test_objects_needed_follow_the_power_formula() -> None:
    """Spread 1, gain 0.5: (1.96 + 0.84)^2 / 0.25 = 31.4, so 32 objects."""
    base = np.tile([-1.0, 1.0], 50)
    base = base / base.std(ddof=1) + 0.5
    test = paired_test(base, np.zeros(100), higher_is_better=True)
    assert test.objects_needed == 32
    assert paired_test(np.ones(5), np.ones(5), higher_is_better=True).objects_needed is None


def test_intervals_cover_the_true_mean_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    made = [bootstrap_mean(rng.normal(1.0, 1.0, 40)) for _ in range(100)]
    assert 88 <= sum(m.low <= 1.0 <= m.high for m in made) <= 99  # 95 % nominal, a little less for 40 values
