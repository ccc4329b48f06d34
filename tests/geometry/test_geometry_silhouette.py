"""Signed mask distances against a slow definition and against formulas."""

from __future__ import annotations

import numpy as np
import pytest
import slow_geometry

from svdmv.geometry.silhouette import cleaned_mask, mask_distance, resampled_mask


def soft_disc(size: int, radius: float, samples: int = 8) -> np.ndarray:
    """Exact cover of each pixel by a disc in the middle, by supersampling."""
    fine = (np.arange(size * samples) + 0.5) / samples - size / 2
    inside = (np.hypot(fine[:, None], fine[None]) < radius).astype(np.float64)
    return inside.reshape(size, samples, size, samples).mean((1, 3))


def exact_distance(size: int, radius: float) -> np.ndarray:
    centre = np.arange(size) + 0.5 - size / 2
    return np.hypot(centre[:, None], centre[None]) - radius


@pytest.mark.parametrize("radius", [6.0, 9.3, 12.71])
def test_a_soft_disc_is_measured_to_a_fraction_of_a_pixel(radius: float) -> None:
    exact = exact_distance(40, radius)
    error = np.abs(mask_distance(soft_disc(40, radius)) - exact)
    assert error[np.abs(exact) < 1].max() < 0.2
    assert error[np.abs(exact) < 3].max() < 0.4
    assert error.mean() < 0.15
    assert error.max() < 1  # the middle of the disc, where all directions tie


def test_agrees_with_the_slow_definition_on_a_soft_random_blob() -> None:
    from scipy.ndimage import gaussian_filter

    noise = gaussian_filter(np.random.default_rng(3).normal(size=(36, 30)), 4)
    alpha = np.clip(0.5 + 4 * noise / np.abs(noise).max(), 0, 1)
    slow = slow_geometry.mask_distance(alpha)
    difference = np.abs(mask_distance(alpha) - slow)
    assert difference[np.abs(slow) < 1].max() < 0.4
    assert difference.max() < 1
    assert difference.mean() < 0.15


def test_growing_a_small_mask_moves_its_outline_by_less_than_a_tenth_of_a_pixel() -> None:
    grown = resampled_mask(soft_disc(32, 10.3), 128, 128)
    radius = np.sqrt((grown >= 0.5).sum() / np.pi) / 4
    assert radius == pytest.approx(10.3, abs=0.1)


def test_shrinking_a_mask_keeps_its_area() -> None:
    alpha = soft_disc(200, 61.7)
    small = resampled_mask(alpha, 50, 50)
    assert small.sum() * 16 == pytest.approx(alpha.sum(), rel=0.01)
    assert small.min() >= 0
    assert small.max() <= 1


def test_the_inverse_mask_has_the_negative_distance() -> None:
    alpha = soft_disc(40, 9.3)
    np.testing.assert_allclose(mask_distance(1 - alpha), -mask_distance(alpha), atol=1e-5)


@pytest.mark.parametrize(("level", "sign"), [(0.0, 1), (1.0, -1)])
def test_a_mask_without_an_outline_is_a_diagonal_away_from_it(level: float, sign: int) -> None:
    np.testing.assert_allclose(mask_distance(np.full((30, 40), level)), sign * 50)


def test_specks_and_pinholes_go_and_real_parts_stay() -> None:
    alpha = np.zeros((60, 60))
    alpha[10:40, 10:40] = 1  # the object, with
    alpha[20, 20] = 0  # a pinhole
    alpha[25:33, 25:33] = 0  # and a real hole,
    alpha[50:56, 50:56] = 1  # a real second part
    alpha[5, 55] = 0.8  # and a speck
    cleaned, removed = cleaned_mask(alpha)
    assert removed == 2
    assert cleaned[20, 20] == 1
    assert cleaned[5, 55] == 0
    assert cleaned[28, 28] == 0
    assert cleaned[52, 52] == 1
    alpha[20, 20], alpha[5, 55] = 1, 0
    np.testing.assert_array_equal(cleaned, alpha.astype(np.float32))
