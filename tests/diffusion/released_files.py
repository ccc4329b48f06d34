"""Tiny random files in the released layout of SVD and SV3D, written without the reader's tables for whole tensors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from svdmv.diffusion.sgm_file import KINDS, SVD, SgmKind, sgm_state


def kind_named(name: str) -> SgmKind:
    return next(kind for kind in KINDS if kind.name == name)


def networks(kind: SgmKind, seed: int = 0) -> dict[str, Any]:
    """UNet, autoencoder and image tower of two levels, random, of one kind."""
    from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)
    unet = UNetSpatioTemporalConditionModel(
        in_channels=8, out_channels=4, block_out_channels=(64, 64), layers_per_block=1, cross_attention_dim=24,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"), num_attention_heads=(1, 1),
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=kind.columns, num_frames=21, sample_size=72,
    )  # fmt: skip
    shape: dict[str, Any] = {
        "block_out_channels": (32, 32), "down_block_types": ("DownEncoderBlock2D",) * 2, "layers_per_block": 1,
        "latent_channels": 4, "scaling_factor": 0.18215,
    }  # fmt: skip
    if kind is SVD:
        vae = AutoencoderKLTemporalDecoder(**shape)
    else:
        vae = AutoencoderKL(**shape, up_block_types=("UpDecoderBlock2D",) * 2, use_post_quant_conv=False)
    clip = CLIPVisionConfig(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=1, image_size=28, patch_size=14,
        projection_dim=24, hidden_act="gelu",
    )  # fmt: skip
    return {"unet": unet.eval(), "vae": vae.eval(), "image_encoder": CLIPVisionModelWithProjection(clip).eval()}


def released_state(made: dict[str, Any]) -> dict[str, Tensor]:
    configs = {"unet": dict(made["unet"].config), "vae": dict(made["vae"].config)}
    configs["vae"]["_class_name"] = type(made["vae"]).__name__
    states = {part: dict(network.state_dict()) for part, network in made.items()}
    states["image_encoder"] = {n: t for n, t in states["image_encoder"].items() if not n.endswith("position_ids")}
    return sgm_state(states, configs, "test")


def write_released(path: Path, name: str) -> dict[str, Any]:
    """One file with what a real one holds beside it: the text half of CLIP and the conditioner's own decoder."""
    made = networks(kind_named(name))
    state = released_state(made)
    place = 3 if name == "svd" else 1
    extra = {
        "conditioner.embedders.0.open_clip.model.token_embedding.weight": torch.zeros(4, 4),
        "conditioner.embedders.0.open_clip.model.logit_scale": torch.tensor(1.0),
        f"conditioner.embedders.{place}.encoder.decoder.conv_in.weight": torch.zeros(4, 4, 3, 3),
        f"conditioner.embedders.{place}.encoder.post_quant_conv.weight": torch.zeros(4, 4, 1, 1),
    }
    save_file({n: t.detach().clone().contiguous() for n, t in (state | extra).items()}, path)
    return made
