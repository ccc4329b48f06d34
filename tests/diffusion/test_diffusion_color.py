"""Colour calibration: the identity where nothing is to do, a known map found again, the known view met."""

from __future__ import annotations

import numpy as np
import pytest

from svdmv.diffusion.color import calibrated_colors, color_map_from_pair

RNG = np.random.default_rng(5)
TRUE = RNG.uniform(0.2, 0.8, (16, 16, 3)).astype(np.float32)
ALL = np.ones((16, 16), np.float32)


def test_equal_pictures_give_the_identity() -> None:
    matrix, shift = color_map_from_pair(TRUE, TRUE, ALL)
    assert matrix == pytest.approx(np.eye(3), abs=1e-9)
    assert shift == pytest.approx(np.zeros(3), abs=1e-9)


def test_a_constant_shift_is_found_exactly() -> None:
    matrix, shift = color_map_from_pair(TRUE, TRUE + np.float32([0.1, -0.05, 0.02]), ALL)
    assert matrix == pytest.approx(np.eye(3), abs=1e-5)
    assert shift == pytest.approx([0.1, -0.05, 0.02], abs=1e-5)


def test_means_match_whatever_the_map() -> None:
    made = RNG.uniform(0, 1, (16, 16, 3)).astype(np.float32)
    matrix, shift = color_map_from_pair(made, TRUE, ALL)
    assert (made @ matrix.T + shift).mean((0, 1)) == pytest.approx(TRUE.mean((0, 1)), abs=1e-6)


def test_weights_leave_pixels_out() -> None:
    half = ALL.copy()
    half[:, 8:] = 0
    spoiled = TRUE.copy()
    spoiled[:, 8:] = 0
    matrix, shift = color_map_from_pair(spoiled, TRUE, half)
    assert matrix == pytest.approx(np.eye(3), abs=1e-6)
    assert shift == pytest.approx(np.zeros(3), abs=1e-6)


def test_too_few_pixels_change_nothing() -> None:
    few = np.zeros((16, 16), np.float32)
    few[0, :5] = 1
    assert np.array_equal(color_map_from_pair(TRUE, 1 - TRUE, few)[0], np.eye(3))


def test_every_view_follows_the_map_of_the_first() -> None:
    """Grey views of a coloured thing: all take its mean colour."""
    made = np.full((3, 16, 16, 3), 0.5, np.float32)
    true = np.broadcast_to(np.float32([0.2, 0.4, 0.9]), (16, 16, 3))
    out = calibrated_colors(made, np.ones((3, 16, 16), np.float32), true, ALL)
    assert out == pytest.approx(np.broadcast_to(true, out.shape), abs=1e-6)
