"""What the network is told: one image token, the input view's latent on every frame, and a vector of ids."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from svdmv.core import ConfigError
from svdmv.diffusion.info import CheckpointInfo

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)  # OpenAI CLIP's published statistics
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)


@dataclass(frozen=True)
class Condition:
    """Condition of a batch of clips.

    tokens: (B, 1, D) image embedding. latents: (B, C, h, w) input view, mean of the posterior, NOT scaled.
    ids: (B, K) or (B, F, K) float32.
    """

    tokens: Tensor
    latents: Tensor
    ids: Tensor

    def dropped(self, drop: Tensor) -> Condition:
        """Null condition where drop (B,) is true: zero token AND zero latent together; the ids are kept."""
        keep = (~drop).to(self.tokens.dtype)
        return Condition(
            self.tokens * keep[:, None, None], self.latents * keep.to(self.latents)[:, None, None, None], self.ids
        )

    def null(self) -> Condition:
        """The unconditional branch."""
        return self.dropped(torch.ones(len(self.tokens), dtype=torch.bool, device=self.tokens.device))


def clip_pixels(rgb: Tensor, size: int) -> Tensor:
    """(B, 3, S, S) CLIP-normalised pixels from (B, 3, H, W) in [-1, 1]: bicubic with antialias, squashed, no crop."""
    if rgb.shape[-2:] != (size, size):
        rgb = functional.interpolate(rgb, (size, size), mode="bicubic", align_corners=True, antialias=True)
    mean = torch.tensor(CLIP_MEAN, device=rgb.device, dtype=rgb.dtype).reshape(1, 3, 1, 1)
    std = torch.tensor(CLIP_STD, device=rgb.device, dtype=rgb.dtype).reshape(1, 3, 1, 1)
    return ((rgb + 1) / 2 - mean) / std


def image_tokens(image_encoder: Any, pixels: Tensor, clip_size: int) -> Tensor:
    """(B, 1, D) projected CLIP embedding of the clean picture; pixels (B, 3 or 4, H, W) in [-1, 1] on white."""
    embedding: Tensor = image_encoder(clip_pixels(pixels[:, :3], clip_size).to(image_encoder.dtype)).image_embeds
    return embedding[:, None]


def condition_latents(vae: Any, pixels: Tensor, noise_aug: Tensor, noise: Tensor | None) -> Tensor:
    """(B, C, h, w): noise of strength noise_aug (B,) is added in PIXEL space, then encoded; posterior mean, unscaled.

    Args:
        pixels: (B, 3 or 4, H, W) in [-1, 1].
        noise: same shape, unit normal; None when every strength is 0.
    """
    if noise is not None:
        pixels = pixels + noise * noise_aug.to(pixels).reshape(-1, 1, 1, 1)
    mode: Tensor = vae.encode(pixels.to(vae.dtype)).latent_dist.mode()
    return mode


def id_rows(
    info: CheckpointInfo, elevations_deg: Tensor, noise_aug: Tensor, azimuths_deg: Tensor | None = None
) -> Tensor:
    """The vector condition in the checkpoint's own order and unit.

    Args:
        elevations_deg: (B,) or (B, F), absolute degrees, positive = camera above.
        noise_aug: (B,) strength of the condition noise.
        azimuths_deg: like elevations_deg; only for checkpoints with an azimuth id.

    Returns:
        (B, K) or (B, F, K) float32.
    """
    per_view = elevations_deg.ndim == 2
    turn = math.pi / 180 if info.elevation_unit == "rad" else 1.0

    def row(name: str) -> Tensor:
        if name == "elevation":
            return elevations_deg * turn
        if name == "polar":
            return (90 - elevations_deg) * turn
        if name == "azimuth" and azimuths_deg is not None:
            return azimuths_deg * info.azimuth_sign % 360 * turn
        fixed = {"fps": info.fps_id, "motion_bucket": info.motion_bucket_id}
        if name in fixed:
            return torch.full_like(elevations_deg, fixed[name])
        if name == "noise_aug":
            return noise_aug[:, None].expand_as(elevations_deg) if per_view else noise_aug
        raise ConfigError(
            "The checkpoint asks for an id that is not known",
            where="ids",
            seen=name,
            expected="fps, motion_bucket, noise_aug, elevation, polar, azimuth",
        )

    return torch.stack([row(name).float() for name in info.ids], -1)
