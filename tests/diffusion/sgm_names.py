"""The names of the original implementation's tensors, in diffusers' words: for tests against its known answers."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

RES_BLOCK = (
    ("in_layers.0.", "norm1."),
    ("in_layers.2.", "conv1."),
    ("emb_layers.1.", "time_emb_proj."),
    ("out_layers.0.", "norm2."),
    ("out_layers.3.", "conv2."),
    ("skip_connection.", "conv_shortcut."),
    ("nin_shortcut.", "conv_shortcut."),
)


def _renamed(name: str, pairs: tuple[tuple[str, str], ...]) -> str:
    for old, new in pairs:
        if name.startswith(old):
            return new + name[len(old) :]
    return name


def _res(rest: str) -> str:
    """Inside a video residual block."""
    if rest.startswith("time_mixer."):
        return rest
    if rest.startswith("time_stack."):
        return "temporal_res_block." + _renamed(rest[len("time_stack.") :], RES_BLOCK)
    return "spatial_res_block." + _renamed(rest, RES_BLOCK)


def _attention(rest: str) -> str:
    """Inside a spatial-temporal transformer."""
    rest = rest.replace("time_pos_embed.0.", "time_pos_embed.linear_1.")
    rest = rest.replace("time_pos_embed.2.", "time_pos_embed.linear_2.")
    return re.sub(r"^time_stack\.", "temporal_transformer_blocks.", rest)


def unet_state(state: dict[str, Tensor], num_levels: int, layers: int) -> dict[str, Tensor]:
    """`model.diffusion_model.*` of a released file as the state of UNetSpatioTemporalConditionModel."""
    plain = (
        ("time_embed.0.", "time_embedding.linear_1."),
        ("time_embed.2.", "time_embedding.linear_2."),
        ("label_emb.0.0.", "add_embedding.linear_1."),
        ("label_emb.0.2.", "add_embedding.linear_2."),
        ("input_blocks.0.0.", "conv_in."),
        ("middle_block.1.", "mid_block.attentions.0."),
        ("out.0.", "conv_norm_out."),
        ("out.2.", "conv_out."),
    )
    out = {}
    for full, tensor in state.items():
        name = full.removeprefix("model.diffusion_model.")
        if match := re.fullmatch(r"middle_block\.([02])\.(.*)", name):
            new = f"mid_block.resnets.{int(match[1]) // 2}.{_res(match[2])}"
        elif (match := re.fullmatch(r"input_blocks\.(\d+)\.(\d)\.(.*)", name)) and match[1] != "0":
            level, place = divmod(int(match[1]) - 1, layers + 1)
            if place == layers:
                new = f"down_blocks.{level}.downsamplers.0.conv.{match[3].removeprefix('op.')}"
            elif match[2] == "0":
                new = f"down_blocks.{level}.resnets.{place}.{_res(match[3])}"
            else:
                new = f"down_blocks.{level}.attentions.{place}.{_attention(match[3])}"
        elif match := re.fullmatch(r"output_blocks\.(\d+)\.(\d)\.(.*)", name):
            level, place = divmod(int(match[1]), layers + 1)
            if match[3].startswith("conv."):
                new = f"up_blocks.{level}.upsamplers.0.{match[3]}"
            elif match[2] == "0":
                new = f"up_blocks.{level}.resnets.{place}.{_res(match[3])}"
            else:
                new = f"up_blocks.{level}.attentions.{place}.{_attention(match[3])}"
        else:
            new = _renamed(name.replace("middle_block.1.", "middle_block.1."), plain)
            if new.startswith("mid_block.attentions.0."):
                new = "mid_block.attentions.0." + _attention(new[len("mid_block.attentions.0.") :])
        assert new not in out, f"{full} and another tensor both became {new}"
        out[new] = tensor.float()
    return out


def _vae_attention(rest: str, tensor: Tensor) -> tuple[str, Tensor]:
    names = (("norm.", "group_norm."), ("q.", "to_q."), ("k.", "to_k."), ("v.", "to_v."), ("proj_out.", "to_out.0."))
    return _renamed(rest, names), tensor.flatten(1) if tensor.ndim == 4 else tensor


def _vae_half(state: dict[str, Tensor], prefix: str, target: str, num_levels: int, video: bool) -> dict[str, Tensor]:
    out = {}
    for full, tensor in state.items():
        if not full.startswith(prefix):
            continue
        name = full[len(prefix) :].replace("mix_factor", "time_mixer.mix_factor")
        block = _res if video else (lambda rest: _renamed(rest, RES_BLOCK))
        if match := re.fullmatch(r"mid\.block_([12])\.(.*)", name):
            new = f"mid_block.resnets.{int(match[1]) - 1}.{block(match[2])}"
        elif name.startswith("mid.attn_1."):
            rest, tensor = _vae_attention(name[len("mid.attn_1.") :], tensor)
            new = f"mid_block.attentions.0.{rest}"
        elif match := re.fullmatch(r"(down|up)\.(\d+)\.block\.(\d+)\.(.*)", name):
            level = int(match[2]) if match[1] == "down" else num_levels - 1 - int(match[2])
            new = f"{match[1]}_blocks.{level}.resnets.{match[3]}.{block(match[4])}"
        elif match := re.fullmatch(r"down\.(\d+)\.downsample\.(.*)", name):
            new = f"down_blocks.{match[1]}.downsamplers.0.{match[2]}"
        elif match := re.fullmatch(r"up\.(\d+)\.upsample\.(.*)", name):
            new = f"up_blocks.{num_levels - 1 - int(match[1])}.upsamplers.0.{match[2]}"
        else:
            new = _renamed(name, (("norm_out.", "conv_norm_out."), ("conv_out.time_mix_conv.", "time_conv_out.")))
        out[f"{target}.{new}"] = tensor.float()
    return out


def vae_state(state: dict[str, Tensor], num_levels: int) -> dict[str, Tensor]:
    """encoder, quant_conv and the video decoder as the state of AutoencoderKLTemporalDecoder."""
    out = _vae_half(state, "encoder.", "encoder", num_levels, video=False)
    out |= _vae_half(state, "video_decoder.", "decoder", num_levels, video=True)
    return out | {n: t.float() for n, t in state.items() if n.startswith("quant_conv.")}


def unet_config(config: dict[str, Any], num_ids: int, id_width: int) -> dict[str, Any]:
    """Settings of diffusers' class for one of the tiny networks, whose levels all attend."""
    own, levels = config["unet"], len(config["unet"]["channel_mult"])
    channels = tuple(own["model_channels"] * m for m in own["channel_mult"])
    return {
        "in_channels": own["in_channels"],
        "out_channels": own["out_channels"],
        "block_out_channels": channels,
        "down_block_types": ("CrossAttnDownBlockSpatioTemporal",) * levels,
        "up_block_types": ("CrossAttnUpBlockSpatioTemporal",) * levels,
        "layers_per_block": own["num_res_blocks"],
        "cross_attention_dim": own["context_dim"],
        "num_attention_heads": tuple(c // own["num_head_channels"] for c in channels),
        "addition_time_embed_dim": id_width,
        "projection_class_embeddings_input_dim": num_ids * id_width,
        "num_frames": config["num_frames"],
    }
