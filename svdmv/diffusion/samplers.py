"""Samplers: plain functions (denoiser, start noise, sigmas) -> clean latents. Any denoiser gets every sampler."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
from torch import Tensor

from svdmv.core import ConfigError
from svdmv.diffusion.edm import Denoiser

StepReport = Callable[[int, int], None]
Sampler = Callable[[Denoiser, Tensor, Tensor, StepReport | None], Tensor]


def _levels(sigmas: Tensor, x: Tensor) -> list[float]:
    if x.shape[0] < 1 or len(sigmas) < 2:
        raise ConfigError(
            "A sampler needs at least one step", where="steps", seen=len(sigmas) - 1, expected="1 or more"
        )
    return [float(s) for s in sigmas]


def _at(denoiser: Denoiser, x: Tensor, sigma: float) -> Tensor:
    return denoiser(x, torch.full((x.shape[0],), sigma, dtype=torch.float32, device=x.device))


def euler(denoiser: Denoiser, x: Tensor, sigmas: Tensor, report: StepReport | None = None) -> Tensor:
    """First order (EDM algorithm 1 without correction); SVD's own. x: noise times sigmas[0]; sigmas ends with 0."""
    levels = _levels(sigmas, x)
    for i, (now, after) in enumerate(itertools.pairwise(levels)):
        slope = (x - _at(denoiser, x, now)) / now
        x = x + slope * (after - now)
        if report:
            report(i + 1, len(levels) - 1)
    return x


def heun(denoiser: Denoiser, x: Tensor, sigmas: Tensor, report: StepReport | None = None) -> Tensor:
    """Second order (EDM algorithm 1): two evaluations a step, one in the last."""
    levels = _levels(sigmas, x)
    for i, (now, after) in enumerate(itertools.pairwise(levels)):
        slope = (x - _at(denoiser, x, now)) / now
        ahead = x + slope * (after - now)
        if after > 0:
            slope = 0.5 * (slope + (ahead - _at(denoiser, ahead, after)) / after)
            ahead = x + slope * (after - now)
        x = ahead
        if report:
            report(i + 1, len(levels) - 1)
    return x


def dpmpp_2m(denoiser: Denoiser, x: Tensor, sigmas: Tensor, report: StepReport | None = None) -> Tensor:
    """DPM-Solver++(2M) in its data-prediction form (arXiv 2211.01095, algorithm 2): one evaluation a step."""
    levels = _levels(sigmas, x)
    before: Tensor | None = None
    for i, (now, after) in enumerate(itertools.pairwise(levels)):
        clean = _at(denoiser, x, now)
        if after == 0:
            x = clean
        else:
            width = torch.tensor(now / after, dtype=torch.float64).log().item()  # step in log-SNR / 2
            guess = clean
            if before is not None:
                ratio = torch.tensor(levels[i - 1] / now, dtype=torch.float64).log().item() / width
                guess = clean * (1 + 1 / (2 * ratio)) - before / (2 * ratio)
            x = (after / now) * x + (1 - after / now) * guess
        before = clean
        if report:
            report(i + 1, len(levels) - 1)
    return x


SAMPLERS: dict[str, Sampler] = {"euler": euler, "heun": heun, "dpmpp_2m": dpmpp_2m}
