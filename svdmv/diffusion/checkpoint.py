"""Checkpoints: folders in diffusers' layout plus svdmv.json. safetensors only, every tensor checked.

FOLDER/{unet,vae,image_encoder}/{config.json, *.safetensors}, model_index.json, svdmv.json. A folder without
svdmv.json is a Stable Video Diffusion folder: its UNet is widened by the elevation id.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

from svdmv.core import CheckpointError, ConfigError, SvdmvError
from svdmv.diffusion.info import INFO_FILE, CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.sgm_file import parts_from_sgm
from svdmv.diffusion.shortcuts import use_shortcuts
from svdmv.diffusion.unet import widened_state
from svdmv.diffusion.weight_files import (
    PARTS,
    check_finite_state,
    part_config,
    read_weights,
    weight_files,
    weights_sha256,
    write_weights,
)
from svdmv.io.atomic import whole_folder, write_json

BUILT_IN = {"svdmv-mini": Path(__file__).parent / "weights" / "svdmv-mini"}
SVD_IDS = ("fps", "motion_bucket", "noise_aug")
SVD_MV_SIZE = 576  # SVD-MV's pictures; SVD's own settings say 96 latents, which is 768 px


def checkpoint_folder(model: str, *, download: bool = False) -> Path:
    """The folder of a built-in name, a path, or a hub id that lies in the local cache (or is fetched, when allowed); or
    one released .safetensors file.

    Raises CheckpointError: unknown name, no such folder, or a hub id that is not in the cache.
    """
    if model in BUILT_IN:
        if not (BUILT_IN[model] / INFO_FILE).is_file():
            raise CheckpointError(
                "The built-in weights are missing from this installation",
                where=BUILT_IN[model],
                seen="no svdmv.json",
                expected="the files of the wheel",
                next_step="pip install --force-reinstall svdmv",
            )
        return BUILT_IN[model]
    path = Path(model).expanduser()
    if path.is_dir() or (path.is_file() and path.suffix == ".safetensors"):
        return path
    if path.is_file():
        raise CheckpointError(
            "The file is no checkpoint",
            where=path,
            seen=path.suffix or "no suffix",
            expected="a folder with unet/, vae/, image_encoder/, or a released .safetensors file",
            next_step="svdmv list; pickles can run code and are never loaded",
        )
    if re.fullmatch(r"[\w.-]+/[\w.-]+", model) and not path.is_absolute() and not model.startswith("."):
        return _hub_folder(model, download)
    raise CheckpointError(
        "The model is not known",
        where="--model",
        seen=model,
        expected=f"{', '.join(BUILT_IN)}, a folder, or a hub id OWNER/NAME",
        next_step="svdmv list",
    )


def _hub_folder(model: str, download: bool) -> Path:
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*/*.json", "*/*.safetensors", "LICENSE*"]
    try:
        return Path(snapshot_download(model, allow_patterns=wanted, local_files_only=not download))
    except Exception as error:
        raise CheckpointError(
            "The model is not on this machine",
            where=model,
            seen="not in the local cache" if not download else type(error).__name__,
            expected="a snapshot in the local hub cache, or a folder",
            next_step=f"hf download {model} --include '*.json' '*.safetensors'",
        ) from error


def _filled(network: Any, state: dict[str, Any], where: Path, dtype: Any) -> Any:
    """`network` (without storage) with the weights of `state` in `dtype`; `state` is emptied on the way."""
    own = network.state_dict()
    for name in [n for n in state if n.endswith("position_ids")]:
        state.pop(name)
    wrong = [n for n in own if n not in state] + [n for n in state if n not in own]
    wrong += [n for n in own if n in state and own[n].shape != state[n].shape]
    if wrong:
        name = wrong[0]
        seen = f"{len(wrong)} tensors differ, first {name}: {tuple(state[name].shape) if name in state else 'absent'}"
        raise CheckpointError(
            "The weights have another layout than their settings",
            where=where,
            seen=seen,
            expected=f"{name}: {tuple(own[name].shape) if name in own else 'absent'}",
            next_step="check that config.json and the weights belong together",
        )
    kept = {name: state.pop(name).to(dtype) for name in list(state)}  # stays in the mapped file where dtypes agree
    network.load_state_dict(kept, strict=True, assign=True)
    return network.eval().requires_grad_(False)


def _built(kind: Any, config: dict[str, Any], where: Path) -> Any:
    try:
        return kind({k: v for k, v in config.items() if not k.startswith("_")})
    except SvdmvError:
        raise
    except Exception as error:
        raise CheckpointError(
            "The settings of a network cannot be used",
            where=where,
            seen=" ".join(str(error).split())[:200],
            expected="a config.json of diffusers' layout",
            next_step="check that the folder is a Stable Video Diffusion or svdmv checkpoint",
        ) from error


def _svd_info(folder: Path, configs: dict[str, dict[str, Any]], asked: str) -> CheckpointInfo:
    """What is known of a plain SVD folder; the rest is assumed and says so."""
    width = configs["unet"].get("addition_time_embed_dim", 256)
    columns = configs["unet"].get("projection_class_embeddings_input_dim")
    if not isinstance(width, int) or columns != len(SVD_IDS) * width:
        raise CheckpointError(
            "The folder is neither an svdmv nor a Stable Video Diffusion checkpoint",
            where=folder,
            seen=f"no {INFO_FILE}, and {columns} id columns of width {width}",
            expected=f"{INFO_FILE}, or {len(SVD_IDS)} ids",
            next_step="svdmv list",
        )
    licences = [p for p in (folder / "LICENSE.md", folder / "LICENSE") if p.is_file() and p.stat().st_size]
    licence = licences[0].read_text("utf-8", "replace").strip().splitlines()[0][:200] if licences else ""
    shrink = 2 ** (len(configs["vae"].get("block_out_channels", (0,) * 4)) - 1)
    return CheckpointInfo(
        name=asked if folder.parent.name == "snapshots" else folder.stem,  # the hub's cache names folders by hash
        licence=licence or "see the card of the Stable Video Diffusion weights",
        image_size=min(int(configs["unet"].get("sample_size") or 72) * shrink, SVD_MV_SIZE),
        clip_size=int(configs["image_encoder"].get("image_size", 224)),
        trained_on="Stable Video Diffusion; not finetuned on orbits",
        assumed=(
            "image_size",
            "num_views",
            "elevation_unit",
            "azimuth_sign",
            "framing",
            "guidance",
            "fps_id",
            "motion_bucket_id",
        ),
    )


def _check_agreement(model: SvdMv, folder: Path) -> None:
    """The three networks and svdmv.json fit each other; otherwise sampling would fail halfway, or draw nonsense."""
    info, unet, vae, clip = model.info, model.unet.config, model.vae.config, model.image_encoder.config
    latents, step = vae.latent_channels, 2 ** (len(vae.block_out_channels) - 1)
    columns = sum(info.id_widths) or len(info.ids) * unet.addition_time_embed_dim
    facts = [
        ("columns of the ids", columns, "the UNet's id columns", unet.projection_class_embeddings_input_dim),
        ("twice the latent channels", 2 * latents, "the UNet's in_channels", unet.in_channels),
        ("latent channels", latents, "the UNet's out_channels", unet.out_channels),
        ("token width", clip.projection_dim, "the UNet's cross_attention_dim", unet.cross_attention_dim),
        ("image_channels", info.image_channels, "the autoencoder's in_channels", vae.in_channels),
        ("clip_size", info.clip_size, "the image encoder's image_size", clip.image_size),
        (f"image_size modulo {step}", info.image_size % step, "whole latents", 0),
    ]
    for name, value, other, wanted in facts:
        if value != wanted:
            raise CheckpointError(
                "The parts of the checkpoint do not fit each other",
                where=folder,
                seen=f"{name} = {value}",
                expected=f"{wanted} ({other})",
                next_step="check that svdmv.json, unet, vae and image_encoder come from one checkpoint",
            )


def load_checkpoint(model: str, *, device: str = "cpu", dtype: str = "fp32", download: bool = False) -> SvdMv:
    """A checkpoint, ready to generate.

    Args:
        model: built-in name, folder or hub id.
        device: torch device. dtype: fp32, bf16 or fp16.

    Raises:
        CheckpointError: not found, damaged, a pickle, another layout, or not finite.
    """
    number_format = torch_dtype(dtype)
    folder = checkpoint_folder(model, download=download)
    configs, states, info = _opened_file(folder) if folder.is_file() else _opened_folder(folder)
    if info is None:
        info = _svd_info(folder, configs, model)
        width = configs["unet"].get("addition_time_embed_dim", 256)
        states["unet"] = widened_state(states["unet"], len(SVD_IDS), len(info.ids), width)
        configs["unet"]["projection_class_embeddings_input_dim"] = len(info.ids) * width

    import torch
    from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    plain = configs["vae"].get("_class_name") == "AutoencoderKL"
    makers = {
        "unet": UNetSpatioTemporalConditionModel.from_config,
        "vae": (AutoencoderKL if plain else AutoencoderKLTemporalDecoder).from_config,
        "image_encoder": lambda c: CLIPVisionModelWithProjection(CLIPVisionConfig(**c)),
    }
    networks = {}
    for part in PARTS:
        with torch.device("meta"):
            empty = _built(makers[part], configs[part], folder / part)
        wanted = torch.float32 if part == "vae" else number_format  # the autoencoder's own rule follows in `to`
        networks[part] = _filled(empty, states.pop(part), folder / part, wanted)
    _restore_buffers(networks["image_encoder"])
    for part in ("unet", "vae"):
        use_shortcuts(networks[part])
    made = SvdMv(**networks, info=replace(info, sha256=weights_sha256(folder)))
    _check_agreement(made, folder)
    return made.to(torch.device(device), number_format)


Opened = tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]], CheckpointInfo | None]


def _opened_folder(folder: Path) -> Opened:
    """Settings and weights of every part, and svdmv.json where there is one."""
    configs = {part: part_config(folder, part) for part in PARTS}
    for part in PARTS:
        weight_files(folder, part)  # what is missing is told before gigabytes are read
    info = CheckpointInfo.read(folder) if (folder / INFO_FILE).is_file() else None
    if info is None:
        _svd_info(folder, configs, folder.name)  # a folder of another kind is told likewise
    return configs, {part: read_weights(folder, part) for part in PARTS}, info


def _opened_file(path: Path) -> Opened:
    """The same of one file as released: SVD (no settings of ours) or SV3D."""
    parts = parts_from_sgm(path)
    for part in PARTS:
        check_finite_state(parts.states[part], path)
    return parts.configs, parts.states, parts.info(path)


def _restore_buffers(encoder: Any) -> None:
    """Buffers that no file holds: CLIP's position indices."""
    import torch

    for module in encoder.modules():
        ids = getattr(module, "position_ids", None)
        if isinstance(ids, torch.Tensor):
            module.position_ids = torch.arange(ids.shape[-1]).expand(1, -1)


def torch_dtype(name: str) -> Any:
    """fp32, bf16 or fp16."""
    import torch

    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    if name not in kinds:
        raise ConfigError(
            "The number format is not known",
            where="--dtype",
            seen=name,
            expected=", ".join(kinds),
            next_step="--dtype fp32",
        )
    return kinds[name]


def save_checkpoint(
    model: SvdMv,
    folder: Path,
    *,
    half: bool = True,
    max_shard_mb: int = 14,
    card: Path | None = None,
    overwrite: bool = False,
) -> None:
    """Write a checkpoint in diffusers' layout, whole or not at all: float16 (or float32) safetensors in shards."""
    import torch

    dtype = torch.float16 if half else torch.float32
    with whole_folder(folder, overwrite=overwrite) as temporary:
        for part in PARTS:
            write_weights(getattr(model, part), temporary, part, dtype, max_shard_mb)
        write_json(
            temporary / "model_index.json",
            {
                "_class_name": "StableVideoDiffusionPipeline",
                "unet": ["diffusers", "UNetSpatioTemporalConditionModel"],
                "vae": ["diffusers", type(model.vae).__name__],
                "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
            },
        )
        write_json(temporary / INFO_FILE, model.info.as_dict())
        if card is not None:
            shutil.copyfile(card, temporary / "README.md")
