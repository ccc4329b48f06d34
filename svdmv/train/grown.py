"""Beginning from a smaller checkpoint: an autoencoder for pictures twice as wide around the same latents.

The new level lies outside: it halves the picture before the old encoder's inner levels and doubles it after the old
decoder's. Everything inside keeps its weights, so the UNet goes on with latents that it knows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from svdmv.core import ConfigError
from svdmv.diffusion.model import SvdMv
from svdmv.train.networks import AutoencoderShape, new_autoencoder


def grown_autoencoder(small: Any, shape: AutoencoderShape, seed: int) -> Any:
    """A new autoencoder of `shape`, one level more than `small`, with the weights of `small` wherever they fit.

    Level k of the small encoder is level k + 1 of the new one; the decoder counts from the inside, so its levels keep
    their numbers. What differs in shape (the pictures' own layers, the first layers that see the new level) is new.

    Raises ConfigError: the inner levels or the latents differ.
    """
    config = small.config
    seen = (tuple(config.block_out_channels), int(config.latent_channels), int(config.in_channels))
    asked = (tuple(shape.channels), shape.latent_channels, shape.image_channels)
    if seen != (asked[0][1:], *asked[1:]) or config.layers_per_block != shape.layers:
        raise ConfigError(
            "The autoencoder cannot be grown from the one of the start",
            where="autoencoder_shape",
            seen=f"channels {list(asked[0])}, {asked[1]} of latents; the start has {list(seen[0])}, {seen[1]}",
            expected="one level more, outside; the same inner levels and latents",
            next_step=f"svdmv train ... 'autoencoder_shape.channels=[32,{','.join(map(str, seen[0]))}]'",
        )
    grown = new_autoencoder(shape, seed)
    own = grown.state_dict()
    for name, value in small.state_dict().items():
        target = _name_in_grown(name)
        if target in own and own[target].shape == value.shape and not _sees_pictures(name):
            own[target] = value.detach().clone()
    grown.load_state_dict(own)
    return grown


def _name_in_grown(name: str) -> str:
    head, _, rest = name.partition("encoder.down_blocks.")
    if head or not rest:
        return name
    level, _, tail = rest.partition(".")
    return f"encoder.down_blocks.{int(level) + 1}.{tail}"


def _sees_pictures(name: str) -> bool:
    return name.startswith(("encoder.conv_in.", "decoder.conv_norm_out.", "decoder.conv_out."))


def latents_of_halved(small: Any) -> Callable[[Tensor], Tensor]:
    """(B, C, h, w) latents that `small` gives the halved pictures: what the grown encoder shall give the whole ones."""
    small.eval().requires_grad_(False)

    def latents(pixels: Tensor) -> Tensor:
        with torch.no_grad():
            mode: Tensor = small.encode(functional.avg_pool2d(pixels, 2)).latent_dist.mode()
        return mode.float()

    return latents


def begun_autoencoder(
    shape: AutoencoderShape, seed: int, start: SvdMv | None
) -> tuple[Any, Callable[[Tensor], Tensor] | None]:
    """A fresh autoencoder; the one of `start` where it has the same levels; or a grown one, with the latents that its
    training keeps to.
    """
    if start is None:
        return new_autoencoder(shape, seed), None
    if tuple(start.vae.config.block_out_channels) == tuple(shape.channels):
        return start.vae.requires_grad_(True), None
    return grown_autoencoder(start.vae, shape, seed), latents_of_halved(start.vae)


def begin_from(model: SvdMv, start: SvdMv) -> None:
    """Give UNet and image encoder the weights of `start`. Raises ConfigError: they are of another shape."""
    try:
        model.unet.load_state_dict(start.unet.state_dict())
        model.image_encoder.load_state_dict(start.image_encoder.state_dict())
    except RuntimeError as error:
        raise ConfigError(
            "The start's networks are not those of the recipe",
            where="start",
            seen=str(error).splitlines()[1].strip(),
            expected="unet_shape and image_encoder_shape of the start",
            next_step="svdmv train ... with the settings that the start was trained with, or start=''",
        ) from error
