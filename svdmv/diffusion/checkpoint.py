"""Checkpoints: folders in diffusers' layout plus svdmv.json. safetensors only, every tensor checked.

FOLDER/{unet,vae,image_encoder}/{config.json, *.safetensors}, model_index.json, svdmv.json. A folder without
svdmv.json is a Stable Video Diffusion folder: its UNet is widened by the elevation id.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
from pathlib import Path
from typing import Any

from svdmv.core import CheckpointError, SvdmvError
from svdmv.diffusion.info import INFO_FILE, CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.unet import widened_state
from svdmv.io.atomic import whole_folder, write_json

BUILT_IN = {"svdmv-mini": Path(__file__).parent / "weights" / "svdmv-mini"}
PARTS = ("unet", "vae", "image_encoder")
SVD_IDS = ("fps", "motion_bucket", "noise_aug")


def checkpoint_folder(model: str, *, download: bool = False) -> Path:
    """The folder of a built-in name, a path, or a hub id that lies in the local cache (or is fetched, when allowed).

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
    if path.is_dir():
        return path
    if path.is_file():
        raise CheckpointError(
            "A checkpoint is a folder, not a file",
            where=path,
            seen=path.suffix or "no suffix",
            expected="a folder with unet/, vae/, image_encoder/ in safetensors",
            next_step=f"svdmv list; single files and pickles are not loaded: {path.name}",
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

    wanted = ["*.json", "*/*.json", "*/*.safetensors"]
    try:
        return Path(snapshot_download(model, allow_patterns=wanted, local_files_only=not download))
    except Exception as error:
        raise CheckpointError(
            "The model is not on this machine",
            where=model,
            seen=type(error).__name__,
            expected="a snapshot in the local hub cache, or a folder",
            next_step=f"hf download {model} --include '*.json' '*.safetensors'",
        ) from error


def _config(folder: Path, part: str) -> dict[str, Any]:
    path = folder / part / "config.json"
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            "A part of the checkpoint is missing or unreadable",
            where=path,
            seen=error,
            expected=f"{part}/config.json in diffusers' layout",
            next_step="svdmv list shows what a checkpoint folder holds",
        ) from error
    if not isinstance(values, dict):
        raise CheckpointError(
            "A checkpoint's settings are not a table", where=path, seen=type(values).__name__, expected="a JSON object"
        )
    return values


def weight_files(folder: Path, part: str) -> list[Path]:
    """The safetensors of one part: one file, or the shards of an index. Pickles are refused."""
    root = folder / part
    indexes = sorted(root.glob("*.safetensors.index.json"), key=lambda p: len(p.name))
    if indexes:
        try:
            names = sorted(set(json.loads(indexes[0].read_text("utf-8"))["weight_map"].values()))
        except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise CheckpointError(
                "The index of the weights cannot be read",
                where=indexes[0],
                seen=error,
                expected="a weight_map of file names",
            ) from error
        if any("/" in n or "\\" in n or ".." in n for n in names):
            raise CheckpointError(
                "The index of the weights leaves its folder",
                where=indexes[0],
                seen=names[0],
                expected="plain file names",
            )
        files = [root / n for n in names]
    else:
        files = sorted((p for p in root.glob("*.safetensors") if "-of-" not in p.name), key=lambda p: len(p.name))[:1]
    if not files or not all(p.is_file() for p in files):
        pickles = [p.name for p in root.glob("*") if p.suffix in (".bin", ".pt", ".pth", ".ckpt", ".pkl")]
        raise CheckpointError(
            "The weights are not there as safetensors",
            where=root,
            seen=", ".join(pickles) or "no weight file",
            expected="*.safetensors",
            next_step="convert the weights; pickles can run code and are never loaded",
        )
    return files


def weights_sha256(folder: Path) -> str:
    """One hash over all weight files of a checkpoint, in the order of PARTS."""
    digest = hashlib.sha256()
    for part in PARTS:
        for path in weight_files(folder, part):
            with path.open("rb") as file:
                while block := file.read(1 << 22):
                    digest.update(block)
    return digest.hexdigest()


def _state(folder: Path, part: str) -> dict[str, Any]:
    import torch
    from safetensors.torch import load_file

    state: dict[str, Any] = {}
    for path in weight_files(folder, part):
        try:
            state |= load_file(path)
        except Exception as error:
            raise CheckpointError(
                "A weight file cannot be read",
                where=path,
                seen=" ".join(str(error).split())[:200],
                expected="a whole safetensors file",
                next_step="fetch the checkpoint again",
            ) from error
    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                "The weights hold values that are not finite",
                where=f"{folder / part}: {name}",
                seen=f"{int((~torch.isfinite(tensor)).sum())} of {tensor.numel()}",
                expected="finite numbers",
                next_step="fetch or train the checkpoint again",
            )
    return state


def _fill(network: Any, state: dict[str, Any], where: Path) -> None:
    own = network.state_dict()
    state = {n: t for n, t in state.items() if not n.endswith("position_ids")}
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
    network.load_state_dict({n: t.float() for n, t in state.items()}, strict=True)


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


def _svd_info(folder: Path, unet_config: dict[str, Any], clip_size: int) -> CheckpointInfo:
    """What is known of a plain SVD folder; the rest is assumed and says so."""
    licence = next(
        (
            p.read_text("utf-8", "replace").strip().splitlines()[0][:200]
            for p in (folder / "LICENSE.md", folder / "LICENSE")
            if p.is_file() and p.stat().st_size
        ),
        "",
    )
    size = int(unet_config.get("sample_size") or 72) * 8
    return CheckpointInfo(
        name=folder.name,
        licence=licence or "see the card of the Stable Video Diffusion weights",
        image_size=size,
        clip_size=clip_size,
        trained_on="Stable Video Diffusion; not finetuned on orbits",
        assumed=("image_size", "elevation_unit", "azimuth_sign", "framing", "guidance", "fps_id", "motion_bucket_id"),
    )


def load_checkpoint(model: str, *, device: str = "cpu", dtype: str = "fp32", download: bool = False) -> SvdMv:
    """A checkpoint, ready to generate.

    Args:
        model: built-in name, folder or hub id.
        device: torch device. dtype: fp32, bf16 or fp16.

    Raises:
        CheckpointError: not found, damaged, a pickle, another layout, or not finite.
    """
    import torch
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    folder = checkpoint_folder(model, download=download)
    configs = {part: _config(folder, part) for part in PARTS}
    states = {part: _state(folder, part) for part in PARTS}
    ours = (folder / INFO_FILE).is_file()
    if ours:
        info = CheckpointInfo.read(folder)
    else:
        width = int(configs["unet"].get("addition_time_embed_dim", 256))
        if configs["unet"].get("projection_class_embeddings_input_dim") != len(SVD_IDS) * width:
            raise CheckpointError(
                "The folder is neither an svdmv nor a Stable Video Diffusion checkpoint",
                where=folder,
                seen=f"{configs['unet'].get('projection_class_embeddings_input_dim')} id columns",
                expected=f"{len(SVD_IDS)} ids x {width}",
                next_step="svdmv list",
            )
        info = _svd_info(folder, configs["unet"], int(configs["image_encoder"].get("image_size", 224)))
        states["unet"] = widened_state(states["unet"], len(SVD_IDS), len(info.ids), width)
        configs["unet"]["projection_class_embeddings_input_dim"] = len(info.ids) * width
    with torch.device("meta"):
        unet = _built(UNetSpatioTemporalConditionModel.from_config, configs["unet"], folder / "unet")
        vae = _built(AutoencoderKLTemporalDecoder.from_config, configs["vae"], folder / "vae")
        encoder = _built(
            lambda c: CLIPVisionModelWithProjection(CLIPVisionConfig(**c)),
            configs["image_encoder"],
            folder / "image_encoder",
        )
    networks = {"unet": unet, "vae": vae, "image_encoder": encoder}
    for part, network in networks.items():
        network.to_empty(device="cpu")
        _fill(network, states.pop(part), folder / part)
        network.eval().requires_grad_(False)
    _restore_buffers(encoder)
    import dataclasses

    info = dataclasses.replace(info, sha256=weights_sha256(folder))
    return SvdMv(unet, vae, encoder, info).to(torch.device(device), torch_dtype(dtype))


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
        raise CheckpointError("The number format is not known", where="--dtype", seen=name, expected=", ".join(kinds))
    return kinds[name]


def save_checkpoint(
    model: SvdMv, folder: Path, *, half: bool = True, max_shard_mb: int = 14, card: Path | None = None
) -> None:
    """Write a checkpoint in diffusers' layout, whole or not at all: float16 (or float32) safetensors in shards."""
    import copy

    import torch

    dtype = torch.float16 if half else torch.float32
    with whole_folder(folder) as temporary:
        for part in PARTS:
            network = copy.deepcopy(getattr(model, part)).cpu().to(dtype)
            network.save_pretrained(temporary / part, safe_serialization=True, max_shard_size=f"{max_shard_mb}MB")
        write_json(
            temporary / "model_index.json",
            {
                "_class_name": "StableVideoDiffusionPipeline",
                "unet": ["diffusers", "UNetSpatioTemporalConditionModel"],
                "vae": ["diffusers", "AutoencoderKLTemporalDecoder"],
                "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
            },
        )
        write_json(temporary / INFO_FILE, model.info.as_dict())
        if card is not None:
            shutil.copyfile(card, temporary / "README.md")
