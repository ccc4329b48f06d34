"""One released file (svd, svd_xt, sv3d_u, sv3d_p: generative-models' layout) <-> the three parts of a checkpoint.

Settings are read off the shapes; what shapes cannot tell (widths of attention heads, activation) is the released
networks' own. The autoencoder's encoder is the one inside the conditioner, as the original encodes with it; SVD has a
temporal decoder, SV3D a plain one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdmv.core import CheckpointError
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.sgm_clip import clip_from_sgm, clip_to_sgm
from svdmv.diffusion.sgm_names import decoder_names, encoder_names, flipped, headed, renamed, unet_names

UNET = "model.diffusion_model."
CLIP = "conditioner.embedders.0.open_clip.model.visual."
DECODER = "first_stage_model.decoder."
ID_WIDTH = 256
UNET_HEAD_WIDTH = 64
SCALING_FACTOR = 0.18215
State = dict[str, Any]


@dataclass(frozen=True)
class SgmKind:
    """What a file is, by the columns of its vector condition. encoder_place: number of the conditioner's embedder."""

    name: str
    ids: tuple[str, ...]
    id_widths: tuple[int, ...]
    encoder_place: int

    @property
    def columns(self) -> int:
        """Of label_emb."""
        return sum(self.id_widths)


SVD = SgmKind("svd", ("fps", "motion_bucket", "noise_aug"), (ID_WIDTH,) * 3, 3)
SV3D_U = SgmKind("sv3d_u", ("noise_aug",), (ID_WIDTH,), 1)
SV3D_P = SgmKind("sv3d_p", ("noise_aug", "polar", "azimuth"), (ID_WIDTH, 512, 512), 1)
KINDS = (SVD, SV3D_U, SV3D_P)


@dataclass(frozen=True)
class SgmParts:
    """configs, states: by part name, as diffusers and transformers name them. kind: which file it was."""

    kind: SgmKind
    configs: dict[str, dict[str, Any]]
    states: dict[str, State]

    def info(self, path: Path) -> CheckpointInfo | None:
        """How SV3D is sampled; None for SVD, which was not made for orbits and is widened on load."""
        size = int(self.configs["image_encoder"]["image_size"])
        return None if self.kind is SVD else info_of(self.kind, path, size)


def parts_from_sgm(path: Path, *, unet_head_width: int = UNET_HEAD_WIDTH) -> SgmParts:
    """Read and rename. Raises CheckpointError: not a safetensors file, another kind, or tensors that have no place."""
    from safetensors.torch import load_file

    try:
        state = load_file(path)
    except Exception as error:
        raise CheckpointError(
            "The file cannot be read",
            where=path,
            seen=" ".join(str(error).split())[:200],
            expected="a whole .safetensors file; pickles can run code and are never loaded",
            next_step="fetch the file again",
        ) from error
    kind = kind_of(state, path)
    encoder = f"conditioner.embedders.{kind.encoder_place}.encoder."
    unet_config, unet = unet_from_sgm(below(state, UNET), str(path), kind, head_width=unet_head_width)
    halves = {name: tensor for name, tensor in below(state, encoder).items() if name.startswith(("encoder.", "quant_"))}
    vae_config, vae = vae_from_sgm(halves, below(state, DECODER), str(path))
    clip_config, clip = clip_from_sgm(below(state, CLIP), str(path))
    return SgmParts(
        kind,
        {"unet": unet_config, "vae": vae_config, "image_encoder": clip_config},
        {"unet": unet, "vae": vae, "image_encoder": clip},
    )


def below(state: Mapping[str, Any], prefix: str) -> State:
    """The tensors of one module, named from there."""
    return {name[len(prefix) :]: tensor for name, tensor in state.items() if name.startswith(prefix)}


def kind_of(state: Mapping[str, Any], where: Path) -> SgmKind:
    """Which released network the tensors are. Raises CheckpointError."""
    ids = state.get(f"{UNET}label_emb.0.0.weight")
    columns = None if ids is None else int(ids.shape[1])
    for kind in KINDS:
        if columns == kind.columns and any(name.startswith(DECODER) for name in state):
            return kind
    raise CheckpointError(
        "The file is none of the released video models",
        where=where,
        seen="no vector condition" if columns is None else f"{columns} columns of the vector condition",
        expected=", ".join(f"{kind.name}: {kind.columns}" for kind in KINDS) + ", with its autoencoder",
        next_step="svdmv convert takes svd, svd_xt, sv3d_u and sv3d_p as released",
    )


def unet_from_sgm(state: State, where: str, kind: SgmKind, *, head_width: int) -> tuple[dict[str, Any], State]:
    """(config, state) of UNetSpatioTemporalConditionModel."""
    channels: list[int] = []
    attends: list[bool] = []
    layers, level_layers, n = 0, 0, 1
    while any(name.startswith(f"input_blocks.{n}.") for name in state):
        if f"input_blocks.{n}.0.op.weight" in state:
            level_layers = 0
        else:
            if level_layers == 0:
                channels.append(int(state[f"input_blocks.{n}.0.out_layers.3.weight"].shape[0]))
                attends.append(f"input_blocks.{n}.1.norm.weight" in state)
            level_layers += 1
            layers = max(layers, level_layers)
        n += 1
    out = renamed(state, unet_names(attends, layers), where)
    context = next((t.shape[1] for name, t in state.items() if name.endswith("attn2.to_k.weight")), 1024)
    config = {
        "_class_name": "UNetSpatioTemporalConditionModel",
        "in_channels": int(out["conv_in.weight"].shape[1]),
        "out_channels": int(out["conv_out.weight"].shape[0]),
        "block_out_channels": channels,
        "down_block_types": [f"{'CrossAttn' if a else ''}DownBlockSpatioTemporal" for a in attends],
        "up_block_types": [f"{'CrossAttn' if a else ''}UpBlockSpatioTemporal" for a in reversed(attends)],
        "layers_per_block": layers,
        "cross_attention_dim": int(context),
        "num_attention_heads": [c // head_width or 1 for c in channels],
        "addition_time_embed_dim": ID_WIDTH,
        "projection_class_embeddings_input_dim": kind.columns,
        "num_frames": 25 if kind is SVD else 21,
        "sample_size": 72,
    }
    return config, out


def vae_from_sgm(encoder: State, decoder: State, where: str) -> tuple[dict[str, Any], State]:
    """(config, state) of AutoencoderKLTemporalDecoder, or of AutoencoderKL where the decoder is plain.

    Args:
        encoder: encoder.* and quant_conv.*. decoder: the decoder's own names.
    """
    levels, layers = vae_depth(encoder)
    temporal = any(".time_stack." in name for name in decoder)
    names = [*headed("encoder", "encoder", encoder_names(levels, layers)), ("quant_conv", "quant_conv")]
    out = renamed({n: matrix(n, t) for n, t in encoder.items()}, names, where)
    theirs = {f"decoder.{n}": matrix(n, t) for n, t in decoder.items()}
    out |= renamed(theirs, headed("decoder", "decoder", decoder_names(levels, layers, temporal=temporal)), where)
    channels = [int(out[f"encoder.down_blocks.{n}.resnets.0.conv1.weight"].shape[0]) for n in range(levels)]
    config: dict[str, Any] = {
        "_class_name": "AutoencoderKLTemporalDecoder" if temporal else "AutoencoderKL",
        "in_channels": int(out["encoder.conv_in.weight"].shape[1]),
        "out_channels": int(out["decoder.conv_out.weight"].shape[0]),
        "block_out_channels": channels,
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "layers_per_block": layers,
        "latent_channels": int(out["decoder.conv_in.weight"].shape[1]),
        "scaling_factor": SCALING_FACTOR,
        "force_upcast": True,
    }
    if not temporal:
        config |= {"up_block_types": ["UpDecoderBlock2D"] * levels, "use_post_quant_conv": False}
    return config, out


def vae_depth(encoder: Mapping[str, Any]) -> tuple[int, int]:
    """Levels and blocks a level of an encoder in their names. Raises CheckpointError: no encoder."""
    found = [re.match(r"encoder\.down\.(\d+)\.block\.(\d+)\.", name) for name in encoder]
    places = [(int(m[1]), int(m[2])) for m in found if m]
    if not places:
        raise CheckpointError(
            "The file has no encoder",
            where="conditioner.embedders",
            seen="no encoder.down.*",
            expected="the autoencoder inside the conditioner, as released",
            next_step="fetch the file again",
        )
    return max(a for a, _ in places) + 1, max(b for _, b in places) + 1


def matrix(name: str, tensor: Any) -> Any:
    """The attention of their autoencoder is made of 1 x 1 convolutions, of ours of matrices."""
    return tensor.flatten(1) if ".attn_1." in f".{name}" and tensor.ndim == 4 else tensor


def info_of(kind: SgmKind, path: Path, clip_size: int) -> CheckpointInfo:
    """How SV3D is sampled: its demo program's values; framing and lens as its paper says.

    Source: SV3D (arXiv 2403.12008), sections 3 and appendix D, and its published sampling script.
    """
    posed = kind is SV3D_P
    return CheckpointInfo(
        name=path.stem,
        licence="Stability AI's licence for SV3D: see the card of the weights",
        ids=kind.ids,
        id_widths=kind.id_widths,
        elevation_unit="rad",
        elevation_range_deg=(-60.0, 60.0) if posed else (-5.0, 30.0),
        input_view_index=20,
        noise_aug=1e-5,
        num_steps=50,
        guidance=Guidance("triangle_frames", 1.0, 2.5),
        clip_size=clip_size,
        trained_on="Objaverse orbits (SV3D)",
        assumed=("elevation_range_deg", "framing", "decode_chunk"),
    )


def sgm_state(states: Mapping[str, State], configs: Mapping[str, dict[str, Any]], where: str) -> State:
    """The one file's tensors from the three parts: the way back. Raises CheckpointError: a part of another kind."""
    unet, vae = configs["unet"], configs["vae"]
    columns = int(unet["projection_class_embeddings_input_dim"])
    kind = next((k for k in KINDS if k.columns == columns), None)
    if kind is None:
        raise CheckpointError(
            "The checkpoint has no place in the released layout",
            where=where,
            seen=f"{columns} columns of ids",
            expected=", ".join(f"{k.name}: {k.columns}" for k in KINDS),
            next_step="svd's ids with elevation are an svdmv folder only",
        )
    attends = [kind_name.startswith("CrossAttn") for kind_name in unet["down_block_types"]]
    layers = unet.get("layers_per_block", 2)
    levels, depth = len(vae["block_out_channels"]), vae.get("layers_per_block", 2)
    temporal = vae.get("_class_name") != "AutoencoderKL"
    out: State = {}
    for name, tensor in renamed(states["unet"], flipped(unet_names(attends, layers)), where).items():
        out[UNET + name] = tensor
    halves = [*headed("encoder", "encoder", encoder_names(levels, depth)), ("quant_conv", "quant_conv")]
    names = halves + headed(DECODER.rstrip("."), "decoder", decoder_names(levels, depth, temporal=temporal))
    for name, tensor in renamed(states["vae"], flipped(names), where).items():
        place = name if name.startswith(DECODER) else f"conditioner.embedders.{kind.encoder_place}.encoder.{name}"
        squares = ".attn_1." in name and tensor.ndim == 2
        out[place] = tensor[:, :, None, None].contiguous() if squares else tensor
    for name, tensor in clip_to_sgm(states["image_encoder"], where).items():
        out[CLIP + name] = tensor
    return out
