"""The files of a checkpoint's parts: config.json and safetensors, whole or in shards. Pickles are never opened."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from svdmv.core import CheckpointError
from svdmv.io.atomic import write_bytes

PARTS = ("unet", "vae", "image_encoder")
WEIGHTS_NAME = {
    "unet": "diffusion_pytorch_model",
    "vae": "diffusion_pytorch_model",
    "image_encoder": "model",
}  # as diffusers and transformers name them
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")


def part_config(folder: Path, part: str) -> dict[str, Any]:
    """FOLDER/PART/config.json. Raises CheckpointError."""
    path = folder / part / "config.json"
    try:
        values = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise CheckpointError(
            "A part of the checkpoint is missing or unreadable",
            where=path,
            seen="no such file" if isinstance(error, FileNotFoundError) else error,
            expected=f"{part}/config.json in diffusers' layout",
            next_step="svdmv list shows what a checkpoint folder holds",
        ) from error
    if not isinstance(values, dict):
        raise CheckpointError(
            "A checkpoint's settings are not a table",
            where=path,
            seen=type(values).__name__,
            expected="a JSON object",
            next_step="fetch the checkpoint again",
        )
    return values


def weight_files(folder: Path, part: str) -> list[Path]:
    """The safetensors of one part: one file, or the shards of an index. Pickles are refused."""
    root = folder / part
    indexes = sorted(root.glob("*.safetensors.index.json"), key=lambda p: len(p.name))
    if indexes:
        files = [root / name for name in _shards(indexes[0])]
    else:
        files = sorted((p for p in root.glob("*.safetensors") if "-of-" not in p.name), key=lambda p: len(p.name))[:1]
    missing = [p.name for p in files if not p.is_file()]
    if missing:
        raise CheckpointError(
            "A shard of the weights is missing",
            where=root,
            seen=f"{len(missing)} of {len(files)} absent, first {missing[0]}",
            expected="every file that the index names",
            next_step="fetch the checkpoint again",
        )
    if not files:
        pickles = sorted(p.name for p in root.glob("*") if p.suffix in PICKLES)
        raise CheckpointError(
            "The weights are not there as safetensors",
            where=root,
            seen=", ".join(pickles) or "no weight file",
            expected="*.safetensors",
            next_step="convert the weights; pickles can run code and are never loaded",
        )
    return files


def _shards(index: Path) -> list[str]:
    """The file names in an index; they must stay in its folder."""
    try:
        names = sorted(set(json.loads(index.read_text("utf-8"))["weight_map"].values()))
        outside = [n for n in names if n != Path(n).name or "\\" in n or not n.endswith(".safetensors")]
    except (OSError, ValueError, KeyError, AttributeError, TypeError) as error:
        raise CheckpointError(
            "The index of the weights cannot be read",
            where=index,
            seen=f"{type(error).__name__}: {error}",
            expected="a weight_map of file names",
            next_step="fetch the checkpoint again",
        ) from error
    if outside:
        raise CheckpointError(
            "The index of the weights leaves its folder",
            where=index,
            seen=outside[0],
            expected="plain names of safetensors files",
            next_step="do not use this checkpoint; its index was tampered with",
        )
    return names


def weights_sha256(place: Path) -> str:
    """One hash over all weight files of a checkpoint, in the order of PARTS, or of the one file that it is."""
    digest = hashlib.sha256()
    for path in [place] if place.is_file() else [p for part in PARTS for p in weight_files(place, part)]:
        with path.open("rb") as file:
            while block := file.read(1 << 22):
                digest.update(block)
    return digest.hexdigest()


def read_weights(folder: Path, part: str) -> dict[str, Any]:
    """Name -> tensor of one part, every value finite. Raises CheckpointError."""
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
    check_finite_state(state, folder / part)
    return state


def check_finite_state(state: dict[str, Any], where: Path) -> None:
    """Raises CheckpointError when a value is NaN or infinite."""
    import torch

    for name, tensor in state.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                "The weights hold values that are not finite",
                where=f"{where}: {name}",
                seen=f"{int((~torch.isfinite(tensor)).sum())} of {tensor.numel()}",
                expected="finite numbers",
                next_step="fetch or train the checkpoint again",
            )


def write_weights(network: Any, folder: Path, part: str, dtype: Any, max_shard_mb: int) -> None:
    """FOLDER/PART/{config.json, *.safetensors} as diffusers and transformers would save them, without their noise.

    Raises CheckpointError when a weight is not finite in `dtype` (float16 ends at 65,504).
    """
    state = {}
    for name, tensor in network.state_dict().items():
        kept = tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
        if kept.is_floating_point() and not bool(kept.isfinite().all()):
            raise CheckpointError(
                "A weight cannot be saved in this number format",
                where=f"{part}: {name}",
                seen=f"largest magnitude {float(tensor.abs().max()):g}",
                expected=f"finite values in {dtype}",
                next_step="save in fp32, or train again with weight decay",
            )
        state[name] = kept
    write_state(state, folder, part, max_shard_mb)
    if part == "image_encoder":
        network.config.architectures = [type(network).__name__]
        write_bytes(folder / part / "config.json", network.config.to_json_string().encode())
    else:
        network.save_config(folder / part)


def write_state(state: dict[str, Any], folder: Path, part: str, max_shard_mb: int) -> None:
    """FOLDER/PART/*.safetensors: tensors as they are."""
    from huggingface_hub import save_torch_state_dict

    (folder / part).mkdir(parents=True, exist_ok=True)
    pattern = WEIGHTS_NAME[part] + "{suffix}.safetensors"
    save_torch_state_dict(state, folder / part, filename_pattern=pattern, max_shard_size=f"{max_shard_mb}MB")
    for path in (folder / part).glob("*.safetensors"):
        path.chmod(0o644)  # safetensors writes for the owner alone; a wheel must be readable by everybody
