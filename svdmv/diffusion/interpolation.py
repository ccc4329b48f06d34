"""Three views between every two: the interpolation network of Stable Video Diffusion, for orbits 21 -> 84 views.

A clip has five frames, the first and the last given. The network sees nine channels a frame: the noisy latent, the
given frame's latent (or a learned embedding where none is given), and 1 where one is given. The CLIP tokens of both
given frames are attended to. Source: SVD (arXiv 2311.15127) appendix D.5; guidance and the frames that the loss counts
are not published.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svdmv.core import CheckpointError
from svdmv.diffusion.conditioning import id_rows, image_tokens
from svdmv.diffusion.edm import Denoiser, denoised_from_network, karras_sigmas
from svdmv.diffusion.generate import start_noise
from svdmv.diffusion.guidance import guided
from svdmv.diffusion.info import INFO_FILE, CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.samplers import SAMPLERS
from svdmv.diffusion.unet import run_unet
from svdmv.diffusion.weight_files import PARTS, part_config, read_weights, write_weights
from svdmv.io.atomic import whole_folder, write_json

FRAMES = 5
KIND = "svdmv-interpolation-1"


@dataclass(frozen=True)
class Ends:
    """The given frames of a batch of clips.

    tokens: (B, 2, D). latents: (B, 2, C, h, w) unscaled, with their noise. ids: (B, K).
    """

    tokens: Tensor
    latents: Tensor
    ids: Tensor

    def dropped(self, drop: Tensor) -> Ends:
        """Zero tokens and zero latents together where drop (B,) is true; the ids are kept."""
        keep = (~drop).to(self.tokens.dtype)
        return Ends(self.tokens * keep[:, None, None], self.latents * keep[:, None, None, None, None], self.ids)


def make_interpolating(unet: Any) -> Any:
    """Give an eight-channel UNet the ninth channel, without effect at first, and the learned embedding, in place.

    Raises CheckpointError: another number of channels.
    """
    old = unet.conv_in
    channels = int(unet.config.out_channels)
    if old.in_channels != 2 * channels:
        raise CheckpointError(
            "The UNet cannot be made to interpolate",
            where="conv_in",
            seen=f"{old.in_channels} channels",
            expected=f"{2 * channels}: noisy and given latents",
        )
    wide = nn.Conv2d(old.in_channels + 1, old.out_channels, 3, padding=1)
    with torch.no_grad():
        wide.weight.copy_(torch.cat([old.weight, torch.zeros_like(old.weight[:, :1])], 1))
        wide.bias.copy_(old.bias)  # type: ignore[union-attr]
    unet.conv_in = wide
    unet.register_to_config(in_channels=wide.in_channels)
    unet.given_nothing = nn.Parameter(torch.zeros(channels))
    return unet


def interpolating_denoiser(model: SvdMv, ends: Ends) -> Denoiser:
    """D(x; sigma) of clips (B, 5, C, h, w) between `ends`."""
    batch, height, width = len(ends.latents), *ends.latents.shape[3:]
    nothing = model.unet.given_nothing[None, None, :, None, None].expand(batch, FRAMES - 2, -1, height, width)
    given = torch.cat([ends.latents[:, :1], nothing.to(ends.latents), ends.latents[:, 1:]], 1)
    mask = torch.zeros(batch, FRAMES, 1, height, width, device=given.device)
    mask[:, 0] = mask[:, -1] = 1

    def network(sample: Tensor, c_noise: Tensor) -> Tensor:
        joined = torch.cat([sample, given.to(sample), mask.to(sample)], 2)
        return run_unet(model.unet, joined, c_noise, ends.tokens, ends.ids, model.info.id_widths).float()

    return lambda noisy, sigma: denoised_from_network(network, noisy, sigma)


@torch.no_grad()
def views_between(model: SvdMv, pixels: Tensor, *, seed: int = 0, num_steps: int = 0) -> Tensor:
    """(3, 3, H, W) in [-1, 1]: the views between two (2, 3, H, W)."""
    info, device = model.info, model.device
    pixels = pixels.to(device)
    latents = model.latents_from_pixels(pixels) / model.vae.config.scaling_factor
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed ^ 0x5EED)).to(device)
    strength = torch.full((1,), info.noise_aug, device=device)
    tokens = image_tokens(model.image_encoder, pixels, info.clip_size)[:, 0][None]
    ends = Ends(tokens, (latents + info.noise_aug * noise)[None], id_rows(info, torch.zeros_like(strength), strength))
    null = ends.dropped(torch.ones(1, dtype=torch.bool, device=device))
    scales = info.guidance.scales(FRAMES, 0).to(device)
    denoiser = guided(interpolating_denoiser(model, ends), interpolating_denoiser(model, null), scales)
    sigmas = karras_sigmas(num_steps or info.num_steps, info.sigma_min, info.sigma_max, info.rho)
    made = SAMPLERS[info.sampler](denoiser, start_noise(model, seed, info.sigma_max).to(device), sigmas, None)
    return model.pixels_from_latents(made)[0, 1:-1].cpu()


def interpolated_orbit(model: SvdMv, pixels: Tensor, *, seed: int = 0, num_steps: int = 0) -> Tensor:
    """(4 V, 3, H, W) from the views (V, 3, H, W) of a closed orbit; every fourth is the given one, untouched."""
    out = []
    for view in range(len(pixels)):
        pair = pixels[[view, (view + 1) % len(pixels)]]
        out += [pixels[view : view + 1].cpu(), views_between(model, pair, seed=seed + view, num_steps=num_steps)]
    return torch.cat(out)


def save_interpolator(model: SvdMv, folder: Path, *, max_shard_mb: int = 5000, overwrite: bool = False) -> None:
    """A folder like a checkpoint's, whole or not at all; `svdmv run` refuses it, for it draws no orbit."""
    with whole_folder(folder, overwrite=overwrite) as temporary:
        for part in PARTS:
            write_weights(getattr(model, part), temporary, part, torch.float16, max_shard_mb)
        write_json(temporary / INFO_FILE, model.info.as_dict())
        write_json(temporary / "interpolation.json", {"kind": KIND, "frames": FRAMES})


def load_interpolator(folder: Path) -> SvdMv:
    """What `save_interpolator` wrote, in float32 on the CPU. Raises CheckpointError: another folder."""
    from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    if not (folder / "interpolation.json").is_file():
        raise CheckpointError(
            "The folder holds no interpolation network",
            where=folder,
            seen="no interpolation.json",
            expected="the output of svdmv train experiment=interpolate_x4",
        )
    configs = {part: part_config(folder, part) for part in PARTS}
    unet = UNetSpatioTemporalConditionModel.from_config(configs["unet"])
    unet.given_nothing = nn.Parameter(torch.zeros(int(unet.config.out_channels)))
    plain = configs["vae"].get("_class_name") == "AutoencoderKL"
    vae = (AutoencoderKL if plain else AutoencoderKLTemporalDecoder).from_config(configs["vae"])
    encoder = CLIPVisionModelWithProjection(CLIPVisionConfig(**configs["image_encoder"]))
    for network, part in ((unet, "unet"), (vae, "vae"), (encoder, "image_encoder")):
        try:
            network.load_state_dict({n: t.float() for n, t in read_weights(folder, part).items()})
        except RuntimeError as error:
            raise CheckpointError(
                "The weights have another layout than their settings",
                where=folder / part,
                seen=" ".join(str(error).split())[:160],
                expected="the weights that were saved",
            ) from error
        network.eval().requires_grad_(False)
    return SvdMv(unet, vae, encoder, CheckpointInfo.read(folder))
