"""Alpha of views drawn on white: a known picture with a soft edge, a white spot inside and noise outside."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from svdmv.diffusion.alpha import alpha_from_white, unmixed_from_white

SIZE, RADIUS = 48, 15.0


def known_picture(color: tuple[float, float, float], noise: float = 0.0) -> tuple[NDArray[np.float32], ...]:
    """A disc over white, (1, S, S, 3), and its true alpha (1, S, S), edge one pixel wide."""
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5 - SIZE / 2
    alpha = np.clip(RADIUS + 0.5 - np.hypot(x, y), 0, 1).astype(np.float32)[None]
    rgb = np.array(color, np.float32) * alpha[..., None] + 1 - alpha[..., None]
    rgb = rgb - np.random.default_rng(0).uniform(0, noise, rgb.shape).astype(np.float32)
    return rgb.clip(0, 1).astype(np.float32), alpha


@pytest.mark.parametrize("color", [(0.8, 0.1, 0.1), (0, 0, 0), (0.6, 0.6, 0.6), (1.0, 1.0, 0.2)])
@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_disc_on_white(color: tuple[float, float, float], noise: float) -> None:
    rgb, truth = known_picture(color, noise)
    alpha = alpha_from_white(rgb)
    assert alpha.shape == truth.shape
    assert alpha.dtype == np.float32
    assert not alpha[truth == 0].any()
    assert bool((alpha[truth == 1] == 1).all())
    inside, seen = truth > 0.5, alpha > 0.5
    assert (inside & seen).sum() / (inside | seen).sum() > 0.85


def test_white_inside_the_object_stays_and_white_outside_goes() -> None:
    rgb, truth = known_picture((0.2, 0.3, 0.8))
    rgb[0, 20:28, 20:28] = 1
    alpha = alpha_from_white(rgb)
    assert bool((alpha[0, 20:28, 20:28] == 1).all())
    assert not alpha[0, 0].any()
    assert bool((alpha[truth == 1] == 1).all())


def test_views_do_not_see_each_other() -> None:
    one, two = known_picture((0.2, 0.3, 0.8))[0], np.ones((1, SIZE, SIZE, 3), np.float32)
    both = alpha_from_white(np.concatenate([one, two]))
    np.testing.assert_array_equal(both[:1], alpha_from_white(one))
    assert not both[1].any()


def test_a_full_frame_of_colour_is_opaque() -> None:
    assert bool((alpha_from_white(np.full((1, 8, 8, 3), 0.5, np.float32)) == 1).all())


def test_unmixing_is_the_inverse_of_laying_over_white() -> None:
    rng = np.random.default_rng(1)
    color = rng.random((2, 6, 6, 3)).astype(np.float32)
    alpha = rng.uniform(0.1, 1, (2, 6, 6)).astype(np.float32)
    over = color * alpha[..., None] + 1 - alpha[..., None]
    np.testing.assert_allclose(unmixed_from_white(over, alpha), color, atol=1e-5)


def test_unmixing_leaves_the_range_and_the_empty_alone() -> None:
    rgb = np.array([[[[0.0, 0.5, 1.0], [0.2, 0.2, 0.2]]]], np.float32)
    out = unmixed_from_white(rgb, np.array([[[0.5, 0.0]]], np.float32))
    np.testing.assert_allclose(out[0, 0, 0], [0, 0, 1], atol=1e-6)
    np.testing.assert_array_equal(out[0, 0, 1], [1, 1, 1])
