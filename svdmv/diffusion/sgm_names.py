"""The tensor names of Stability's generative-models (sgm) beside diffusers': one table, read in both directions.

A table is a list of (their prefix, our prefix) of modules; the longest prefix that fits names a tensor. The layouts
follow from the number of levels and of blocks a level, so that networks of any size have one.
Source: the released file layout of svd, svd_xt, sv3d_u and sv3d_p.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar

from svdmv.core import CheckpointError

Names = list[tuple[str, str]]
T = TypeVar("T")

_UNET_RES: Names = [
    ("in_layers.0", "norm1"),
    ("in_layers.2", "conv1"),
    ("emb_layers.1", "time_emb_proj"),
    ("out_layers.0", "norm2"),
    ("out_layers.3", "conv2"),
]
_VAE_RES: Names = [("norm1", "norm1"), ("conv1", "conv1"), ("norm2", "norm2"), ("conv2", "conv2")]
_VAE_ATTENTION: Names = [("norm", "group_norm"), ("q", "to_q"), ("k", "to_k"), ("v", "to_v"), ("proj_out", "to_out.0")]


def _joined(head: tuple[str, str], inner: Iterable[tuple[str, str]]) -> Names:
    return [(f"{head[0]}.{a}" if a else head[0], f"{head[1]}.{b}" if b else head[1]) for a, b in inner]


def _video_res(theirs: str, ours: str) -> Names:
    """A residual block of the UNet with its temporal half."""
    spatial = [*_UNET_RES, ("skip_connection", "conv_shortcut")]
    return [
        *_joined((theirs, f"{ours}.spatial_res_block"), spatial),
        *_joined((f"{theirs}.time_stack", f"{ours}.temporal_res_block"), _UNET_RES),
        (f"{theirs}.time_mixer", f"{ours}.time_mixer"),
    ]


def _transformer(theirs: str, ours: str) -> Names:
    same = ("norm", "proj_in", "proj_out", "transformer_blocks", "time_mixer")
    changed = [
        ("time_stack", "temporal_transformer_blocks"),
        ("time_pos_embed.0", "time_pos_embed.linear_1"),
        ("time_pos_embed.2", "time_pos_embed.linear_2"),
    ]
    return _joined((theirs, ours), [*((n, n) for n in same), *changed])


def unet_names(attends: Sequence[bool], layers: int) -> Names:
    """Of VideoUNet and UNetSpatioTemporalConditionModel. attends: whether each level has transformers, finest first."""
    names: Names = [
        ("time_embed.0", "time_embedding.linear_1"),
        ("time_embed.2", "time_embedding.linear_2"),
        ("label_emb.0.0", "add_embedding.linear_1"),
        ("label_emb.0.2", "add_embedding.linear_2"),
        ("input_blocks.0.0", "conv_in"),
        *_video_res("middle_block.0", "mid_block.resnets.0"),
        *_transformer("middle_block.1", "mid_block.attentions.0"),
        *_video_res("middle_block.2", "mid_block.resnets.1"),
        ("out.0", "conv_norm_out"),
        ("out.2", "conv_out"),
    ]
    last = len(attends) - 1
    for level, attention in enumerate(attends):
        for layer in range(layers):
            block, place = f"input_blocks.{1 + level * (layers + 1) + layer}", f"down_blocks.{level}"
            names += _video_res(f"{block}.0", f"{place}.resnets.{layer}")
            names += _transformer(f"{block}.1", f"{place}.attentions.{layer}") if attention else []
        if level < last:
            names.append(
                (f"input_blocks.{(level + 1) * (layers + 1)}.0.op", f"down_blocks.{level}.downsamplers.0.conv")
            )
    for level, attention in enumerate(reversed(attends)):
        for layer in range(layers + 1):
            block, place = f"output_blocks.{level * (layers + 1) + layer}", f"up_blocks.{level}"
            names += _video_res(f"{block}.0", f"{place}.resnets.{layer}")
            names += _transformer(f"{block}.1", f"{place}.attentions.{layer}") if attention else []
        if level < last:
            block = f"output_blocks.{level * (layers + 1) + layers}.{2 if attention else 1}"
            names.append((f"{block}.conv", f"up_blocks.{level}.upsamplers.0.conv"))
    return names


def encoder_names(levels: int, layers: int) -> Names:
    """Of the autoencoder's encoder, to be headed by its place."""
    names = [*_vae_middle(_VAE_RES), ("conv_in", "conv_in"), ("norm_out", "conv_norm_out"), ("conv_out", "conv_out")]
    for level in range(levels):
        for layer in range(layers):
            names += _plain_res(f"down.{level}.block.{layer}", f"down_blocks.{level}.resnets.{layer}", _VAE_RES)
        if level < levels - 1:
            names.append((f"down.{level}.downsample.conv", f"down_blocks.{level}.downsamplers.0.conv"))
    return names


def decoder_names(levels: int, layers: int, *, temporal: bool) -> Names:
    """Of the autoencoder's decoder; `temporal` for the video decoder of SVD, plain in SV3D."""
    blocks = _temporal_res if temporal else (lambda theirs, ours: _plain_res(theirs, ours, _VAE_RES))
    names: Names = [("conv_in", "conv_in"), ("norm_out", "conv_norm_out"), ("conv_out", "conv_out")]
    names += [("conv_out.time_mix_conv", "time_conv_out")] if temporal else []
    names += _joined(("mid.attn_1", "mid_block.attentions.0"), _VAE_ATTENTION)
    names += blocks("mid.block_1", "mid_block.resnets.0") + blocks("mid.block_2", "mid_block.resnets.1")
    for level in range(levels):
        ours = levels - 1 - level
        for layer in range(layers + 1):
            names += blocks(f"up.{level}.block.{layer}", f"up_blocks.{ours}.resnets.{layer}")
        if level > 0:
            names.append((f"up.{level}.upsample.conv", f"up_blocks.{ours}.upsamplers.0.conv"))
    return names


def _plain_res(theirs: str, ours: str, inner: Names) -> Names:
    return _joined((theirs, ours), [*inner, ("nin_shortcut", "conv_shortcut")])


def _temporal_res(theirs: str, ours: str) -> Names:
    temporal = [pair for pair in _UNET_RES if pair[0] != "emb_layers.1"]
    return [
        *_plain_res(theirs, f"{ours}.spatial_res_block", _VAE_RES),
        *_joined((f"{theirs}.time_stack", f"{ours}.temporal_res_block"), temporal),
        (f"{theirs}.mix_factor", f"{ours}.time_mixer.mix_factor"),
    ]


def _vae_middle(inner: Names) -> Names:
    return [
        *_plain_res("mid.block_1", "mid_block.resnets.0", inner),
        *_joined(("mid.attn_1", "mid_block.attentions.0"), _VAE_ATTENTION),
        *_plain_res("mid.block_2", "mid_block.resnets.1", inner),
    ]


def headed(theirs: str, ours: str, names: Names) -> Names:
    """The table below two prefixes."""
    return _joined((theirs, ours), names)


def flipped(names: Names) -> Names:
    """The table read the other way."""
    return [(b, a) for a, b in names]


def renamed(state: Mapping[str, T], names: Names, where: str) -> dict[str, T]:
    """Every tensor under its other name. Raises CheckpointError: a name that the table does not hold, or two alike."""
    table = dict(names)
    out: dict[str, T] = {}
    for name, tensor in state.items():
        head = name
        while head and head not in table:
            head = head.rpartition(".")[0]
        new = table[head] + name[len(head) :] if head else ""
        if not head or new in out:
            raise CheckpointError(
                "A tensor has no place in the other layout",
                where=where,
                seen=name,
                expected="the names of Stable Video Diffusion's networks",
                next_step="check that the file is svd, svd_xt, sv3d_u or sv3d_p as released",
            )
        out[new] = tensor
    return out
