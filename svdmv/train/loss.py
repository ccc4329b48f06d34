"""The EDM loss of a batch of orbits: one noise level a clip in float32, joint condition dropout, noise in pixel space.

Sources: SVD (arXiv 2311.15127) appendix D; SV3D (arXiv 2403.12008) section 3.1 for the weight of views.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from svdmv.diffusion.conditioning import Condition, condition_latents, id_rows, image_tokens
from svdmv.diffusion.edm import loss_weight_from_sigma, sigmas_for_training, spread
from svdmv.diffusion.model import SvdMv
from svdmv.train.settings import Finetuning


@dataclass(frozen=True)
class Batch:
    """Clips of a step, frames in the checkpoint's order.

    Attributes:
        targets: (B, F, C, h, w) scaled latents. inputs: (B, 3 or 4, S, S) the clean input view in [-1, 1].
        elevations_deg: (B,), or (B, F) where every frame is told its camera; azimuths_deg: likewise, or None.
        tokens: (B, 1, D) embeddings of the inputs made before, or None.
        keys: what the clips are called.
    """

    targets: Tensor
    inputs: Tensor
    elevations_deg: Tensor
    azimuths_deg: Tensor | None = None
    tokens: Tensor | None = None
    keys: tuple[str, ...] = ()

    def rows(self, rows: slice, device: str) -> Batch:
        """Some of it, on a device."""

        def part(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[rows].to(device)

        return Batch(
            self.targets[rows].to(device),
            self.inputs[rows].to(device),
            self.elevations_deg[rows].to(device),
            part(self.azimuths_deg),
            part(self.tokens),
            self.keys[rows],
        )


@dataclass(frozen=True)
class Draws:
    """Everything random of a step, one row a clip.

    sigma, strength: (B,) float32 noise levels of the targets and of the condition. noise, pixel_noise: unit normal,
    shaped as targets and inputs. drop: (B,) true where the condition is null.
    """

    sigma: Tensor
    strength: Tensor
    noise: Tensor
    pixel_noise: Tensor
    drop: Tensor

    @classmethod
    def of(cls, batch: Batch, count: int, settings: Finetuning, generator: torch.Generator) -> Draws:
        """For `count` clips shaped as those of `batch`, which may be a process's share of them."""
        return cls(
            sigmas_for_training(count, settings.p_mean, settings.p_std, generator),
            sigmas_for_training(count, settings.noise_aug_log_mean, settings.noise_aug_log_std, generator),
            torch.randn((count, *batch.targets.shape[1:]), generator=generator),
            torch.randn((count, *batch.inputs.shape[1:]), generator=generator),
            torch.rand(count, generator=generator) < settings.dropout,
        )

    def rows(self, rows: slice, device: str) -> Draws:
        """Some of it, on a device."""
        return Draws(*(getattr(self, name)[rows].to(device) for name in self.__dataclass_fields__))


def edm_loss(model: SvdMv, batch: Batch, draws: Draws, settings: Finetuning) -> Tensor:
    """Mean over clips of weight(sigma) * |D(x + sigma n; sigma) - x|^2; batch and draws have the same rows."""
    with torch.no_grad():
        latents = condition_latents(model.vae, batch.inputs, draws.strength, draws.pixel_noise)
    tokens = batch.tokens
    if tokens is None:
        tokens = image_tokens(model.image_encoder, batch.inputs, model.info.clip_size)
    ids = id_rows(model.info, batch.elevations_deg, draws.strength, batch.azimuths_deg)
    condition = Condition(tokens, latents, ids).dropped(draws.drop)
    sigma = draws.sigma
    denoised = model.denoiser(condition)(batch.targets + spread(sigma, draws.noise) * draws.noise, sigma)
    error = (denoised.float() - batch.targets).square().mean((2, 3, 4))
    views = view_weights(error.shape[1], model.info.input_view_index, settings.input_view_weight)
    return (loss_weight_from_sigma(sigma) * (error * views.to(error)).mean(1)).mean()


def view_weights(num_views: int, input_view_index: int, at_input: float) -> Tensor:
    """(F,) weights with mean 1: `at_input` times the back's at the input view, rising evenly with the angle from it.

    SV3D weighs frames near the front view less; its formula is not published.
    """
    steps = (torch.arange(num_views) - input_view_index) % num_views
    away = torch.minimum(steps, num_views - steps) / (num_views / 2)
    weights = at_input + (1 - at_input) * away
    return weights / weights.mean()
