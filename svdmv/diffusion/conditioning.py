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

    def joined(self, other: Condition) -> Condition:
        """The clips of both, this one's first."""
        pairs = ((self.tokens, other.tokens), (self.latents, other.latents), (self.ids, other.ids))
        return Condition(*(torch.cat(pair) for pair in pairs))

    def null(self) -> Condition:
        """The unconditional branch."""
        return self.dropped(torch.ones(len(self.tokens), dtype=torch.bool, device=self.tokens.device))


def clip_pixels(rgb: Tensor, size: int) -> Tensor:
    """(B, 3, S, S) CLIP-normalised pixels from (B, 3, H, W) in [-1, 1], squashed without a crop.

    Resized as SVD was trained: Gaussian blur of standard deviation (factor - 1) / 2, then bicubic with aligned corners.
    """
    if rgb.shape[-2:] != (size, size):
        rgb = _blurred(_blurred(rgb, size, -2), size, -1)
        rgb = functional.interpolate(rgb, (size, size), mode="bicubic", align_corners=True)
    mean = torch.tensor(CLIP_MEAN, device=rgb.device, dtype=rgb.dtype).reshape(1, 3, 1, 1)
    std = torch.tensor(CLIP_STD, device=rgb.device, dtype=rgb.dtype).reshape(1, 3, 1, 1)
    return ((rgb + 1) / 2 - mean) / std


def _blurred(rgb: Tensor, size: int, axis: int) -> Tensor:
    """Antialiasing along one axis before it shrinks to `size`; reflected at the border."""
    deviation = (rgb.shape[axis] / size - 1) / 2
    half = int(max(4 * deviation, 3)) // 2
    if deviation <= 0:
        return rgb
    kernel = torch.exp(-0.5 * (torch.arange(-half, half + 1, device=rgb.device, dtype=rgb.dtype) / deviation) ** 2)
    kernel = (kernel / kernel.sum()).reshape((1, 1, -1, 1) if axis == -2 else (1, 1, 1, -1)).expand(3, 1, -1, -1)
    padding = (0, 0, half, half) if axis == -2 else (half, half, 0, 0)
    return functional.conv2d(functional.pad(rgb, padding, mode="reflect"), kernel, groups=3)


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
