"""The arithmetic of SVD's noise: preconditioning, loss weight, noise levels. Plain functions, no state.

sigma is the standard deviation of the noise added to unit-variance data (sigma_data = 1) and nothing else.
Source: SVD (arXiv 2311.15127) appendix D.2, equations 11-14; EDM (arXiv 2206.00364) for the schedule.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Network = Callable[[Tensor, Tensor], Tensor]
Denoiser = Callable[[Tensor, Tensor], Tensor]


def c_skip_from_sigma(sigma: Tensor) -> Tensor:
    """1 / (sigma^2 + 1)."""
    return 1 / (sigma**2 + 1)


def c_out_from_sigma(sigma: Tensor) -> Tensor:
    """-sigma / sqrt(sigma^2 + 1)."""
    return -sigma / (sigma**2 + 1).sqrt()


def c_in_from_sigma(sigma: Tensor) -> Tensor:
    """1 / sqrt(sigma^2 + 1): brings the noisy sample back to unit variance."""
    return 1 / (sigma**2 + 1).sqrt()


def c_noise_from_sigma(sigma: Tensor) -> Tensor:
    """0.25 ln(sigma): what the network is told instead of sigma."""
    return 0.25 * sigma.log()


def loss_weight_from_sigma(sigma: Tensor) -> Tensor:
    """(1 + sigma^2) / sigma^2, so that weight * c_out^2 = 1 at every sigma."""
    return (1 + sigma**2) / sigma**2


def spread(sigma: Tensor, like: Tensor) -> Tensor:
    """(B,) noise levels shaped to multiply a (B, ...) tensor."""
    return sigma.reshape(-1, *([1] * (like.ndim - 1)))


def denoised_from_network(network: Network, noisy: Tensor, sigma: Tensor) -> Tensor:
    """D(x; sigma) = c_skip x + c_out F(c_in x; c_noise).

    Args:
        network: F, called with the scaled sample and c_noise (B,).
        noisy: (B, F, C, h, w) clean latents plus sigma times unit noise.
        sigma: (B,) float32.
    """
    level = spread(sigma, noisy)
    raw = network(noisy * c_in_from_sigma(level), c_noise_from_sigma(sigma))
    return c_skip_from_sigma(level) * noisy + c_out_from_sigma(level) * raw


def sigmas_for_training(count: int, p_mean: float, p_std: float, generator: torch.Generator) -> Tensor:
    """(count,) float32 draws with ln sigma ~ N(p_mean, p_std^2): one level a clip, never drawn in half precision."""
    return (torch.randn(count, generator=generator, dtype=torch.float32) * p_std + p_mean).exp()


def karras_sigmas(num_steps: int, sigma_min: float = 0.002, sigma_max: float = 700.0, rho: float = 7.0) -> Tensor:
    """(num_steps + 1,) float64 falling noise levels, the last one 0 (EDM equation 5; SVD's 0.002 .. 700)."""
    ramp = torch.linspace(0, 1, num_steps, dtype=torch.float64)
    low, high = sigma_min ** (1 / rho), sigma_max ** (1 / rho)
    return torch.cat([(high + ramp * (low - high)) ** rho, torch.zeros(1, dtype=torch.float64)])
