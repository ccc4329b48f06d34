"""The image tower of OpenCLIP, as generative-models stores it, beside transformers' CLIPVisionModelWithProjection."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from svdmv.core import CheckpointError
from svdmv.diffusion.sgm_names import Names, renamed

HEAD_WIDTHS = {1280: 80, 1664: 104}  # ViT-H/14 and ViT-bigG/14; every other published tower has 64
_LAYER: Names = [
    ("ln_1", "layer_norm1"),
    ("ln_2", "layer_norm2"),
    ("mlp.c_fc", "mlp.fc1"),
    ("mlp.c_proj", "mlp.fc2"),
    ("attn.out_proj", "self_attn.out_proj"),
]


def _names(layers: int) -> Names:
    names: Names = [
        ("class_embedding", "vision_model.embeddings.class_embedding"),
        ("positional_embedding", "vision_model.embeddings.position_embedding.weight"),
        ("conv1", "vision_model.embeddings.patch_embedding"),
        ("ln_pre", "vision_model.pre_layrnorm"),
        ("ln_post", "vision_model.post_layernorm"),
        ("proj", "visual_projection.weight"),
    ]
    for n in range(layers):
        theirs, ours = f"transformer.resblocks.{n}", f"vision_model.encoder.layers.{n}"
        names += [(f"{theirs}.{a}", f"{ours}.{b}") for a, b in _LAYER]
    return names


def _num_layers(names: Any, pattern: str) -> int:
    return 1 + max((int(m[1]) for m in (re.match(pattern, name) for name in names) if m), default=-1)


def clip_from_sgm(state: Mapping[str, Any], where: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """(config, state) of CLIPVisionModelWithProjection from the tensors below `visual.`.

    Raises CheckpointError: another layout.
    """
    layers = _num_layers(state, r"transformer\.resblocks\.(\d+)\.")
    plain, split = {}, {}
    for name, tensor in state.items():
        if match := re.fullmatch(r"transformer\.resblocks\.(\d+)\.attn\.in_proj_(weight|bias)", name):
            for kind, part in zip("qkv", tensor.chunk(3), strict=True):
                split[f"vision_model.encoder.layers.{match[1]}.self_attn.{kind}_proj.{match[2]}"] = part.clone()
        else:
            plain[name] = tensor.T.contiguous() if name == "proj" else tensor
    out = renamed(plain, _names(layers), where) | split
    try:
        width, patch = state["conv1.weight"].shape[0], state["conv1.weight"].shape[-1]
        side = round((state["positional_embedding"].shape[0] - 1) ** 0.5)
        config = {
            "hidden_size": width,
            "intermediate_size": state["transformer.resblocks.0.mlp.c_fc.weight"].shape[0],
            "num_hidden_layers": layers,
            "num_attention_heads": width // HEAD_WIDTHS.get(width, 64) or 1,
            "patch_size": patch,
            "image_size": patch * side,
            "projection_dim": state["proj"].shape[1],
            "hidden_act": "gelu",
        }
    except KeyError as error:
        raise CheckpointError(
            "The image tower is not complete",
            where=where,
            seen=f"no {error.args[0]}",
            expected="an OpenCLIP vision transformer",
            next_step="fetch the file again",
        ) from error
    return config, out


def clip_to_sgm(state: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The tensors below `visual.`, from the state of CLIPVisionModelWithProjection."""
    import torch

    layers = _num_layers(state, r"vision_model\.encoder\.layers\.(\d+)\.")
    joined, plain = {}, {}
    for name, tensor in state.items():
        if re.search(r"self_attn\.[qkv]_proj\.", name):
            continue
        plain[name] = tensor.T.contiguous() if name == "visual_projection.weight" else tensor
    for n in range(layers):
        for kind in ("weight", "bias"):
            parts = [state[f"vision_model.encoder.layers.{n}.self_attn.{q}_proj.{kind}"] for q in "qkv"]
            joined[f"transformer.resblocks.{n}.attn.in_proj_{kind}"] = torch.cat(parts)
    return renamed(plain, [(b, a) for a, b in _names(layers)], where) | joined
