"""Samplers against diffusers' scheduler, against closed forms, and by their order of convergence."""

from __future__ import annotations

import math

import pytest
import torch
from tiny_checkpoints import SCHEDULER
from torch import Tensor

from svdmv.core import ConfigError
from svdmv.diffusion.edm import denoised_from_network, karras_sigmas
from svdmv.diffusion.samplers import SAMPLERS, dpmpp_2m, euler

STOCK_SCHEDULER = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # diffusers' own
SPREAD = 0.5  # standard deviation of the Gaussian data in the closed forms


def gaussian_denoiser(x: Tensor, sigma: Tensor) -> Tensor:
    """The posterior mean when the data are N(0, SPREAD^2)."""
    s = sigma.to(x).reshape(-1, *([1] * (x.ndim - 1)))
    return x * SPREAD**2 / (SPREAD**2 + s**2)


def exact_end(x: Tensor, sigma_max: float) -> Tensor:
    """Where the probability flow of that denoiser leads: x scales with sqrt(SPREAD^2 + sigma^2)."""
    return x * SPREAD / math.sqrt(SPREAD**2 + sigma_max**2)


def error_after(name: str, num_steps: int) -> float:
    x = torch.full((1, 1, 1, 1, 1), 80.0, dtype=torch.float64)
    end = SAMPLERS[name](gaussian_denoiser, x, karras_sigmas(num_steps, 0.002, 80.0), None)
    return abs((end / exact_end(x, 80.0)).item() - 1)


@STOCK_SCHEDULER
def test_euler_equals_the_scheduler_of_svd() -> None:
    """The same network, start and number of steps through diffusers' EulerDiscreteScheduler."""
    from diffusers import EulerDiscreteScheduler

    def network(sample: Tensor, c_noise: Tensor) -> Tensor:
        return torch.sin(3 * sample) * (1 + 0.3 * c_noise.reshape(-1, 1, 1, 1, 1))

    scheduler = EulerDiscreteScheduler(**SCHEDULER)
    scheduler.set_timesteps(25)
    start = torch.randn(2, 5, 4, 8, 8, generator=torch.Generator().manual_seed(0)) * scheduler.init_noise_sigma
    theirs = start
    for t in scheduler.timesteps:
        scaled = scheduler.scale_model_input(theirs, t)
        theirs = scheduler.step(network(scaled, t.expand(2)), t, theirs).prev_sample
    ours = euler(lambda x, sigma: denoised_from_network(network, x, sigma), start, karras_sigmas(25))
    assert ours.std() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@STOCK_SCHEDULER
def test_noise_levels_equal_those_of_the_scheduler() -> None:
    from diffusers import EulerDiscreteScheduler

    scheduler = EulerDiscreteScheduler(**SCHEDULER)
    for num_steps in (2, 25, 50):
        scheduler.set_timesteps(num_steps)
        torch.testing.assert_close(karras_sigmas(num_steps).float(), scheduler.sigmas, rtol=1e-5, atol=1e-7)
    assert float(scheduler.init_noise_sigma) == pytest.approx(math.sqrt(1 + 700**2), rel=1e-6)


@pytest.mark.parametrize(("name", "order"), [("euler", 1), ("heun", 2), ("dpmpp_2m", 2)])
def test_order_of_convergence_on_gaussian_data(name: str, order: int) -> None:
    """Twice the steps: the error falls by 2 ** order; the limit is the closed form."""
    coarse, fine = error_after(name, 64), error_after(name, 128)
    assert math.log2(coarse / fine) == pytest.approx(order, abs=0.25)
    assert fine < {1: 0.05, 2: 0.002}[order]


def test_higher_order_pays_at_equal_cost() -> None:
    """Heun spends two evaluations a step, the others one."""
    assert error_after("dpmpp_2m", 50) < 0.2 * error_after("euler", 50)
    assert error_after("heun", 25) < 0.5 * error_after("euler", 50)


@pytest.mark.parametrize("name", sorted(SAMPLERS))
@pytest.mark.parametrize("num_steps", [1, 2, 7])
def test_a_single_picture_is_found_exactly(name: str, num_steps: int) -> None:
    """When the data are one point, every sampler ends on it at any number of steps."""
    point = torch.randn(1, 3, 2, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    start = point + 700 * torch.randn(point.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    end = SAMPLERS[name](lambda x, sigma: point, start, karras_sigmas(num_steps), None)
    torch.testing.assert_close(end, point, atol=1e-9, rtol=0)


def test_first_step_of_dpmpp_is_the_exponential_integrator_of_first_order() -> None:
    """DPM-Solver++(1): x = (t / s) x + (1 - t / s) D, which equals an Euler step in sigma."""
    sigmas = torch.tensor([3.0, 1.0, 0.0], dtype=torch.float64)
    x = torch.full((1, 1, 1, 1, 1), 2.0, dtype=torch.float64)
    torch.testing.assert_close(dpmpp_2m(gaussian_denoiser, x, sigmas[:2]), euler(gaussian_denoiser, x, sigmas[:2]))


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_clips_are_independent_inputs_stay_and_steps_are_reported(name: str) -> None:
    x = torch.randn(3, 2, 1, 2, 2, generator=torch.Generator().manual_seed(3), dtype=torch.float64) * 80
    kept, sigmas, steps = x.clone(), karras_sigmas(4, 0.01, 80.0), []
    together = SAMPLERS[name](gaussian_denoiser, x, sigmas, lambda step, of: steps.append((step, of)))
    alone = torch.cat([SAMPLERS[name](gaussian_denoiser, x[i : i + 1], sigmas, None) for i in range(3)])
    assert torch.equal(together, alone)
    assert torch.equal(x, kept)
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_no_steps_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="at least one step"):
        SAMPLERS[name](gaussian_denoiser, torch.zeros(1, 1, 1, 1, 1), karras_sigmas(0), None)
