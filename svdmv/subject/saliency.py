"""Saliency networks of the U-2-Net family through onnxruntime. Model files are looked for, never downloaded."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import CheckpointError, InputError, require
from svdmv.subject.resampling import resized_mask
from svdmv.subject.segmentation import Segmentation

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALF = ((0.5, 0.5, 0.5), (1.0, 1.0, 1.0))
# best first; mean and deviation that each network was trained with, after division by the picture's maximum
KNOWN_MODELS = {"isnet-general-use": HALF, "u2net": IMAGENET, "silueta": IMAGENET, "u2netp": IMAGENET}
DEFAULT_SIDE_PX = 320
SURE_ENOUGH = 0.5


def rembg_homes() -> tuple[Path, ...]:
    """The folders where rembg keeps and looks for its models, by its rules (2.0.86, the older flat one too)."""
    if os.environ.get("U2NET_HOME"):
        return (Path(os.environ["U2NET_HOME"]).expanduser(),)
    data = os.environ.get("XDG_DATA_HOME")
    newer = os.environ.get("REMBG_HOME") or (Path(data) / "rembg" if data else "~/.rembg")
    return Path(newer).expanduser(), (Path(data or "~") / ".u2net").expanduser()


def weight_folders(explicit: Path | None = None) -> tuple[Path, ...]:
    """Where saliency networks are looked for: the folder given, those in $SVDMV_WEIGHTS, rembg's own."""
    named = [Path(part).expanduser() for part in os.environ.get("SVDMV_WEIGHTS", "").split(os.pathsep) if part]
    return (*([explicit] if explicit is not None else []), *named, *rembg_homes())


def model_file(names: tuple[str, ...], folders: tuple[Path, ...]) -> Path:
    """The first network on disk, names in order of preference.

    Args:
        names: model names without suffix.
        folders: each is searched for `<name>.onnx`, `saliency/<name>.onnx` and `models/<name>/<name>.onnx`; one that is
            an .onnx file itself is taken as it is.

    Raises:
        CheckpointError: none is there.
    """
    for name in names:
        for folder in folders:
            if folder.suffix == ".onnx":
                return folder
            for inside in ("", "saliency", f"models/{name}"):
                if (folder / inside / f"{name}.onnx").is_file():
                    return folder / inside / f"{name}.onnx"
    raise CheckpointError(
        "No saliency network is on this machine",
        where=", ".join(str(folder) for folder in folders),
        seen="no " + " or ".join(f"{name}.onnx" for name in names),
        expected="one such file; it is never downloaded without being asked for",
        next_step='pip install "svdmv[matting]" && rembg d u2netp   (or set SVDMV_WEIGHTS to the folder that has it)',
    )


def segment_by_best_model(rgba: NDArray[np.uint8], weights: Path | None = None) -> Segmentation:
    """Segment with the best known network found on disk (KNOWN_MODELS, best first)."""
    require("onnxruntime", "saliency", "background removal by a saliency network")
    return segment_by_model(rgba[..., :3], model_file(tuple(KNOWN_MODELS), weight_folders(weights)))


def segment_by_u2netp(rgba: NDArray[np.uint8], weights: Path | None = None) -> Segmentation:
    """Segment with U-2-Net-p, 4.6 MB (Qin et al. 2020)."""
    return segment_by_model(rgba[..., :3], model_file(("u2netp",), weight_folders(weights)))


def segment_by_model(rgb: NDArray[np.uint8], path: Path) -> Segmentation:
    """Segment with one network file.

    Args:
        rgb: (H, W, 3) uint8 sRGB.
        path: an ONNX file with one picture input (1, 3, S, S) and the mask as first output, like U-2-Net.

    Raises:
        CheckpointError: the file is absent, damaged or of another layout.
        InputError: the network sees nothing in front of the background.
        MissingDependency: onnxruntime is not installed.
    """
    session = _session(path)
    entry = session.get_inputs()[0]
    side = entry.shape[-1] if len(entry.shape) == 4 and isinstance(entry.shape[-1], int) else DEFAULT_SIDE_PX
    mean, deviation = KNOWN_MODELS.get(path.stem, IMAGENET)
    small = np.asarray(
        Image.fromarray(np.ascontiguousarray(rgb)).resize((side, side), Image.Resampling.LANCZOS), np.float32
    )
    tensor = (small / max(float(small.max()), 1.0) - np.array(mean)) / np.array(deviation)
    try:
        output = session.run(
            [session.get_outputs()[0].name], {entry.name: tensor.transpose(2, 0, 1)[None].astype(np.float32)}
        )[0]
        mask = np.asarray(output, np.float32).reshape(output.shape[-2:])
    except Exception as error:
        raise CheckpointError(
            "The saliency network has another layout than U-2-Net",
            where=path,
            seen=f"input {entry.shape}; {str(error).splitlines()[0]}",
            expected="one input (1, 3, S, S), mask (1, 1, S, S) as first output",
            next_step="use u2netp.onnx",
        ) from error
    certainty = float(mask.max())
    if not certainty >= SURE_ENOUGH:
        raise InputError(
            "Nothing stands in front of the background",
            where="background removal",
            seen=f"{path.stem} is at most {certainty:.0%} sure of any pixel",
            expected="one object before a background",
            next_step="cut the object out yourself and save it as PNG with transparency",
        )
    height, width = rgb.shape[:2]
    return Segmentation(
        resized_mask((mask / certainty).astype(np.float32), width, height),
        path.stem,
        max(round(1.5 * max(height, width) / side), 2),
    )


@lru_cache(maxsize=2)
def _session(path: Path) -> Any:
    runtime = require("onnxruntime", "saliency", "background removal by a saliency network")
    options = runtime.SessionOptions()
    options.log_severity_level = 4
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # leave the cores to others while waiting
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise CheckpointError(
            "The saliency network cannot be loaded",
            where=path,
            seen=str(error).splitlines()[0],
            expected="a whole ONNX file",
            next_step="fetch it again, for example: rembg d u2netp",
        ) from error
