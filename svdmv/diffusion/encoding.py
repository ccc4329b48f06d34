"""The frozen half of training: views to latents of the autoencoder and embeddings of CLIP, kept once and for all."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from svdmv.core import ConfigError
from svdmv.diffusion.conditioning import image_tokens
from svdmv.diffusion.model import SvdMv

_DECODING = ("decoder.", "post_quant_conv.")


def encoded_views(model: SvdMv, pixels: NDArray[np.float32], *, chunk: int = 4) -> dict[str, NDArray[np.float16]]:
    """What a trainer needs of an orbit, view by view.

    Args:
        pixels: (V, 3 or 4, H, W) float32 in [-1, 1], colour over white; channels beyond those that the autoencoder
            takes are left out.
        chunk: views that are encoded at a time; memory depends on it, and results in their last bit.

    Returns:
        latents: (V, C, h, w) float16, posterior means, unscaled. embeddings: (V, D) float16, CLIP's projection of each
        view, which is the image token when that view is the input.

    Raises ConfigError: the pictures are not whole multiples of the autoencoder's step, or have too few channels.
    """
    step = 2 ** (len(model.vae.config.block_out_channels) - 1)
    channels = int(model.vae.config.in_channels)
    if pixels.shape[1] < channels or pixels.shape[2] % step or pixels.shape[3] % step:
        raise ConfigError(
            "The autoencoder does not take these pictures",
            where=model.info.name,
            seen=f"{pixels.shape[3]}x{pixels.shape[2]} px, {pixels.shape[1]} channels",
            expected=f"sides that {step} divides, {channels} channels",
            next_step=f"svdmv data build orbits.size={model.info.image_size}",
        )
    latents, embeddings = [], []
    with torch.inference_mode():
        for part in torch.split(torch.from_numpy(pixels).to(model.device), chunk):
            latents.append(model.vae.encode(part[:, :channels].to(model.vae.dtype)).latent_dist.mode().half().cpu())
            embeddings.append(image_tokens(model.image_encoder, part, model.info.clip_size)[:, 0].half().cpu())
    return {"latents": torch.cat(latents).numpy(), "embeddings": torch.cat(embeddings).numpy()}


def encoding_weights(model: SvdMv) -> dict[str, NDArray[Any]]:
    """The weights that `encoded_views` depends on, by name: what tells one encoder from another."""
    parts = {"vae": model.vae.state_dict(), "image_encoder": model.image_encoder.state_dict()}
    return {
        f"{part}.{name}": value.float().cpu().numpy()
        for part, state in parts.items()
        for name, value in state.items()
        if not name.startswith(_DECODING)
    }
