"""The arithmetic of the noise: identities of SVD's preconditioning, known noise levels, honest draws."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from svdmv.diffusion.edm import (
    c_in_from_sigma,
    c_noise_from_sigma,
    c_out_from_sigma,
    c_skip_from_sigma,
    denoised_from_network,
    karras_sigmas,
    loss_weight_from_sigma,
    sigmas_for_training,
)

GRID = torch.logspace(-3, 3, 61, dtype=torch.float64)


def test_weight_times_c_out_squared_is_one_at_every_sigma() -> None:
    torch.testing.assert_close(loss_weight_from_sigma(GRID) * c_out_from_sigma(GRID) ** 2, torch.ones_like(GRID))


@pytest.mark.parametrize(("sigma", "weight"), [(1.0, 2.0), (10.0, 1.01), (0.5, 5.0)])
def test_loss_weight_known_values(sigma: float, weight: float) -> None:
    assert loss_weight_from_sigma(torch.tensor(sigma, dtype=torch.float64)).item() == pytest.approx(weight)


@pytest.mark.parametrize(("sigma", "c_noise"), [(math.exp(4), 1.0), (700.0, 1.6378), (0.002, -1.5537), (1.0, 0.0)])
def test_c_noise_known_values(sigma: float, c_noise: float) -> None:
    assert c_noise_from_sigma(torch.tensor(sigma)).item() == pytest.approx(c_noise, abs=1e-4)


def test_input_and_training_target_have_unit_variance() -> None:
    """sigma_data is 1: c_in x has variance 1, and so has the network's target (x - c_skip (x + n)) / c_out."""
    torch.testing.assert_close(c_in_from_sigma(GRID) ** 2 * (1 + GRID**2), torch.ones_like(GRID))
    skip, out = c_skip_from_sigma(GRID), c_out_from_sigma(GRID)
    torch.testing.assert_close(((1 - skip) ** 2 + skip**2 * GRID**2) / out**2, torch.ones_like(GRID))


def test_without_noise_the_denoiser_is_the_identity() -> None:
    noisy = torch.randn(2, 3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    out = denoised_from_network(lambda x, c: torch.full_like(x, 3.0), noisy, torch.full((2,), 1e-6))
    torch.testing.assert_close(out, noisy, atol=1e-5, rtol=0)


def test_network_sees_unit_variance_at_the_highest_noise_and_one_c_noise_a_clip() -> None:
    seen: list[tuple[Tensor, Tensor]] = []

    def network(sample: Tensor, c_noise: Tensor) -> Tensor:
        seen.append((sample, c_noise))
        return torch.zeros_like(sample)

    noise = torch.randn(2, 5, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor([700.0, math.exp(4)])
    denoised_from_network(network, noise * sigma.reshape(2, 1, 1, 1, 1), sigma)
    sample, c_noise = seen[0]
    assert sample[0].std().item() == pytest.approx(1, abs=0.03)
    torch.testing.assert_close(c_noise, torch.tensor([1.6378, 1.0]), atol=1e-4, rtol=0)


def test_the_exact_network_gives_the_exact_denoiser() -> None:
    """For unit-variance Gaussian data the best network is 0: D = c_skip x = x / (1 + sigma^2)."""
    noisy = torch.randn(3, 2, 1, 2, 2, generator=torch.Generator().manual_seed(2))
    sigma = torch.tensor([0.1, 1.0, 30.0])
    out = denoised_from_network(lambda x, c: torch.zeros_like(x), noisy, sigma)
    torch.testing.assert_close(out, noisy / (1 + sigma.reshape(3, 1, 1, 1, 1) ** 2))


def test_karras_levels_of_svd() -> None:
    sigmas = karras_sigmas(25)
    assert sigmas.shape == (26,)
    assert sigmas[:3].tolist() == pytest.approx([700, 545.7, 421.6], abs=0.05)
    assert sigmas[-3:].tolist() == pytest.approx([0.0079, 0.002, 0], abs=5e-5)
    assert bool((sigmas.diff() < 0).all())


def test_karras_levels_are_equal_steps_of_the_seventh_root() -> None:
    roots = karras_sigmas(12, 0.01, 80.0)[:-1] ** (1 / 7)
    torch.testing.assert_close(roots.diff(), roots.diff().mean().expand(11))
    assert karras_sigmas(1).tolist() == pytest.approx([700, 0])


@pytest.mark.parametrize(("p_mean", "p_std"), [(1.0, 1.6), (-3.0, 0.5), (0.3, 1.4)])
def test_training_levels_follow_the_log_normal(p_mean: float, p_std: float) -> None:
    logs = sigmas_for_training(100_000, p_mean, p_std, torch.Generator().manual_seed(3)).log()
    assert logs.mean().item() == pytest.approx(p_mean, abs=0.01 * max(abs(p_mean), p_std))
    assert logs.std().item() == pytest.approx(p_std, rel=0.01)


def test_training_levels_are_drawn_in_full_precision() -> None:
    sigmas = sigmas_for_training(20_000, 1.0, 1.6, torch.Generator().manual_seed(4))
    assert sigmas.dtype == torch.float32
    assert sigmas.min() > 0
    assert len(sigmas.unique()) > 10_000
