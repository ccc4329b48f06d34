"""A released file to a checkpoint folder, and the way back."""

from __future__ import annotations

from pathlib import Path

from svdmv.core import CheckpointError
from svdmv.diffusion.info import INFO_FILE
from svdmv.diffusion.sgm_file import SVD, parts_from_sgm, sgm_state
from svdmv.diffusion.weight_files import PARTS, check_finite_state, part_config, read_weights, write_state
from svdmv.io.atomic import whole_file, whole_folder, write_json

SHARD_MB = 5000


def folder_from_sgm(source: Path, folder: Path, *, overwrite: bool = False) -> str:
    """svd, svd_xt, sv3d_u or sv3d_p (.safetensors) -> FOLDER in diffusers' layout, number format kept; its kind.

    Tensors that our networks do not use (the text half of CLIP, the conditioner's own decoder) are left out.
    Raises CheckpointError: another file. InputError: FOLDER exists.
    """
    parts = parts_from_sgm(source)
    for part in PARTS:
        check_finite_state(parts.states[part], source)
    info = parts.info(source)
    with whole_folder(folder, overwrite=overwrite) as temporary:
        for part in PARTS:
            write_state(parts.states[part], temporary, part, SHARD_MB)
            config = dict(parts.configs[part])
            if part == "image_encoder":
                config |= {"architectures": ["CLIPVisionModelWithProjection"], "model_type": "clip_vision_model"}
            write_json(temporary / part / "config.json", config)
        names = {"unet": "UNetSpatioTemporalConditionModel", "vae": parts.configs["vae"]["_class_name"]}
        write_json(
            temporary / "model_index.json",
            {
                "_class_name": "StableVideoDiffusionPipeline",
                **{part: ["diffusers", name] for part, name in names.items()},
                "image_encoder": ["transformers", "CLIPVisionModelWithProjection"],
            },
        )
        if info is not None:
            write_json(temporary / INFO_FILE, info.as_dict())
    return parts.kind.name


def sgm_from_folder(folder: Path, path: Path) -> None:
    """FOLDER -> one file in the released layout, number format kept. Raises CheckpointError: it has no such layout."""
    from safetensors.torch import save_file

    configs = {part: part_config(folder, part) for part in PARTS}
    state = sgm_state({part: read_weights(folder, part) for part in PARTS}, configs, str(folder))
    with whole_file(path) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in state.items()}, temporary)


def convert_checkpoint(source: Path, out: Path, *, overwrite: bool = False) -> str:
    """A file becomes a folder, a folder a .safetensors file; says what was made. Raises CheckpointError."""
    if source.is_file() and source.suffix == ".safetensors" and out.suffix != ".safetensors":
        kind = folder_from_sgm(source, out, overwrite=overwrite)
        note = "; not finetuned on orbits: loading it adds an elevation id of zero weight" if kind == SVD.name else ""
        return f"{kind}, a folder in diffusers' layout{note}"
    if source.is_dir() and out.suffix == ".safetensors":
        if out.exists() and not overwrite:
            raise CheckpointError(
                "The output file exists",
                where=out,
                seen="a file of that name",
                expected="a new name",
                next_step="add --overwrite, or choose another -o",
            )
        sgm_from_folder(source, out)
        return "one file in the released layout"
    raise CheckpointError(
        "There is nothing to convert",
        where=source,
        seen=f"{'a folder' if source.is_dir() else 'a file' if source.is_file() else 'nothing there'}, -o {out.name}",
        expected="a released .safetensors file and -o FOLDER, or a checkpoint folder and -o FILE.safetensors",
        next_step="svdmv convert sv3d_p.safetensors -o sv3d_p",
    )
