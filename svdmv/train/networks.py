"""New networks from plain settings: the same three classes as the full model, any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True)
class AutoencoderShape:
    """AutoencoderKLTemporalDecoder: one channel count a level; every level but the last halves the picture."""

    channels: tuple[int, ...] = (32, 64, 128, 128)
    layers: int = 1
    latent_channels: int = 16
    image_channels: int = 4
    image_size: int = 64


@dataclass(frozen=True)
class UNetShape:
    """UNetSpatioTemporalConditionModel: channels a level, attention heads of 32 channels.

    attention: which levels have transformers; empty: all but the last, as in Stable Video Diffusion.
    """

    channels: tuple[int, ...] = (128, 192, 256)
    attention: tuple[bool, ...] = ()
    layers: int = 1
    head_channels: int = 32
    id_width: int = 64
    num_ids: int = 4
    token_width: int = 128


@dataclass(frozen=True)
class ImageEncoderShape:
    """CLIPVisionModelWithProjection."""

    width: int = 128
    layers: int = 4
    heads: int = 4
    patch: int = 8
    image_size: int = 64


def new_autoencoder(shape: AutoencoderShape, seed: int) -> Any:
    """A freshly initialised AutoencoderKLTemporalDecoder whose temporal layers start as the identity."""
    from diffusers import AutoencoderKLTemporalDecoder

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = AutoencoderKLTemporalDecoder(
            in_channels=shape.image_channels,
            out_channels=shape.image_channels,
            latent_channels=shape.latent_channels,
            down_block_types=("DownEncoderBlock2D",) * len(shape.channels),
            block_out_channels=shape.channels,
            layers_per_block=shape.layers,
            sample_size=shape.image_size,
            scaling_factor=1.0,
            force_upcast=True,
        )
    for block in temporal_blocks(vae):
        torch.nn.init.zeros_(block.conv2.weight)
        torch.nn.init.zeros_(block.conv2.bias)
    torch.nn.init.dirac_(vae.decoder.time_conv_out.weight)
    torch.nn.init.zeros_(vae.decoder.time_conv_out.bias)
    _let_means_through(vae)
    return vae


def _let_means_through(vae: Any) -> None:
    """Start every group normalisation near the identity: biases of +1 and -1 take turns over channels, and the
    normalisation takes them back.

    The networks of Stable Video Diffusion normalise in 32 groups. A narrow network has one or two channels a group, so
    the mean of a picture, its colour, is divided away. With the biases a group has a spread of its own.
    """

    def turns(count: int) -> torch.Tensor:
        return torch.tensor([1.0, -1.0]).repeat(count // 2)

    for name, module in vae.named_modules():
        if "temporal" in name:
            continue
        if isinstance(module, torch.nn.GroupNorm) and module.num_channels >= 2 * module.num_groups:
            module.bias.data = -turns(module.num_channels)
        starts_stream = ("conv_in", "conv1", "conv_shortcut", "conv")
        if isinstance(module, torch.nn.Conv2d) and name.rsplit(".", 1)[-1] in starts_stream:
            assert module.bias is not None
            module.bias.data = turns(module.out_channels)


def temporal_blocks(vae: Any) -> list[Any]:
    """The temporal residual blocks of the decoder."""
    return [m.temporal_res_block for m in vae.decoder.modules() if hasattr(m, "temporal_res_block")]


def new_unet(shape: UNetShape, latent_channels: int, latent_size: int, num_views: int, seed: int) -> Any:
    """A freshly initialised UNetSpatioTemporalConditionModel."""
    from diffusers import UNetSpatioTemporalConditionModel

    attention = shape.attention or (True,) * (len(shape.channels) - 1) + (False,)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNetSpatioTemporalConditionModel(
            sample_size=latent_size,
            in_channels=2 * latent_channels,
            out_channels=latent_channels,
            block_out_channels=shape.channels,
            layers_per_block=shape.layers,
            num_frames=num_views,
            down_block_types=tuple(f"{'CrossAttn' if a else ''}DownBlockSpatioTemporal" for a in attention),
            up_block_types=tuple(f"{'CrossAttn' if a else ''}UpBlockSpatioTemporal" for a in reversed(attention)),
            addition_time_embed_dim=shape.id_width,
            projection_class_embeddings_input_dim=shape.id_width * shape.num_ids,
            cross_attention_dim=shape.token_width,
            num_attention_heads=tuple(c // shape.head_channels for c in shape.channels),
        )


def new_image_encoder(shape: ImageEncoderShape, token_width: int, seed: int) -> Any:
    """A freshly initialised CLIPVisionModelWithProjection."""
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return CLIPVisionModelWithProjection(
            CLIPVisionConfig(
                hidden_size=shape.width,
                intermediate_size=4 * shape.width,
                num_hidden_layers=shape.layers,
                num_attention_heads=shape.heads,
                image_size=shape.image_size,
                patch_size=shape.patch,
                projection_dim=token_width,
            )
        )
