"""SVD-MV in one object: the three networks, what the checkpoint says, and the denoiser they make together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from svdmv.core import CheckpointError
from svdmv.diffusion.conditioning import Condition
from svdmv.diffusion.edm import Denoiser, denoised_from_network
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.unet import run_unet


@dataclass
class SvdMv:
    """A loaded checkpoint.

    unet: UNetSpatioTemporalConditionModel. vae: AutoencoderKLTemporalDecoder, or AutoencoderKL (SV3D).
    image_encoder: CLIPVisionModelWithProjection. call: a module around `unet` that is called in its place, with the
    arguments of `run_unet` after the first (parameters dealt out over processes); None: `run_unet` itself.
    """

    unet: Any
    vae: Any
    image_encoder: Any
    info: CheckpointInfo
    call: Any = None

    @property
    def device(self) -> torch.device:
        """Where the UNet lives."""
        device: torch.device = self.unet.device
        return device

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """Channels, height, width of one view's latent."""
        side = self.info.image_size // 2 ** (len(self.vae.config.block_out_channels) - 1)
        return int(self.vae.config.latent_channels), side, side

    def to(self, device: torch.device, dtype: torch.dtype) -> SvdMv:
        """All networks on `device`; the autoencoder stays in float32 where float16 would overflow."""
        vae_dtype = torch.float32 if dtype == torch.float16 and self.vae.config.force_upcast else dtype
        torch.nn.Module.to(self.unet, device, dtype)  # diffusers' own `to` warns of every cast
        torch.nn.Module.to(self.image_encoder, device, dtype)
        torch.nn.Module.to(self.vae, device, vae_dtype)
        return self

    def denoiser(self, condition: Condition) -> Denoiser:
        """D(x; sigma) under `condition`: x (B, F, C, h, w) float32, sigma (B,)."""

        def network(sample: Tensor, c_noise: Tensor) -> Tensor:
            copied = condition.latents[:, None].expand(-1, sample.shape[1], -1, -1, -1)
            joined = torch.cat([sample, copied.to(sample)], 2)
            told = (joined, c_noise, condition.tokens, condition.ids, self.info.id_widths)
            raw: Tensor = self.call(*told) if self.call is not None else run_unet(self.unet, *told)
            return raw.float()

        return lambda noisy, sigma: denoised_from_network(network, noisy, sigma)

    def latents_from_pixels(self, pixels: Tensor) -> Tensor:
        """(B, C, h, w) scaled target latents (posterior mean times scaling_factor) of (B, 3 or 4, H, W) in [-1, 1]."""
        mode: Tensor = self.vae.encode(pixels.to(self.vae.dtype)).latent_dist.mode()
        return mode * float(self.vae.config.scaling_factor)

    def pixels_from_latents(self, latents: Tensor, chunk: int | None = None) -> Tensor:
        """(B, F, 3 or 4, H, W) float32 in [-1, 1] of scaled latents (B, F, C, h, w).

        Frames inside a chunk see each other in the temporal decoder, so `chunk` changes pixels: it is recorded.
        Raises CheckpointError when the decoder gives values that are not finite.
        """
        size = chunk or self.info.decode_chunk
        clips = []
        for clip in latents / self.vae.config.scaling_factor:
            parts = [self._decoded(part.to(self.vae.dtype)) for part in clip.split(size)]
            clips.append(torch.cat(parts).float())
        pixels = torch.stack(clips)
        if not bool(torch.isfinite(pixels).all()):
            raise CheckpointError(
                "The decoder gave values that are not finite",
                where=self.info.name,
                seen="NaN or inf",
                expected="finite pixels",
                next_step="run again with --dtype fp32",
            )
        return pixels.clamp(-1, 1)

    def _decoded(self, latents: Tensor) -> Tensor:
        told = {"num_frames": len(latents)} if hasattr(self.vae.decoder, "time_conv_out") else {}
        pixels: Tensor = self.vae.decode(latents, **told).sample
        return pixels
