"""What this machine offers: packages, devices, weights, disk, video."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from svdmv.core import SvdmvError

CORE = (
    "torch",
    "diffusers",
    "transformers",
    "safetensors",
    "numpy",
    "scipy",
    "PIL",
    "av",
    "numba",
    "embreex",
    "trimesh",
    "skimage",
    "fast_simplification",
    "xatlas",
    "manifold3d",
    "hydra",
    "typer",
    "rich",
)
EXTRAS = {"onnxruntime": "saliency", "cv2": "grabcut", "rembg": "matting"}


class HealthRow(NamedTuple):
    """state: ok, absent (an option that is not there), MISSING (nothing works without it)."""

    name: str
    state: str
    detail: str


def health_rows() -> list[HealthRow]:
    """One row for everything `svdmv run` may need."""
    rows = [HealthRow("python", "ok", sys.version.split()[0])]
    rows += [_package(name, None) for name in CORE]
    rows += [_package(name, extra) for name, extra in EXTRAS.items()]
    rows += [*_devices(), _weights(), _saliency(), _disk(), _video()]
    return rows


def _package(name: str, extra: str | None) -> HealthRow:
    label = f"package {name}"
    if importlib.util.find_spec(name) is None:
        return HealthRow(
            label,
            "MISSING" if extra is None else "absent",
            "pip install svdmv" if extra is None else f'pip install "svdmv[{extra}]"',
        )
    if extra == "matting":  # importing rembg compiles for most of a minute
        return HealthRow(label, "ok", "installed")
    try:
        module = importlib.import_module(name)
    except Exception as error:
        return HealthRow(label, "MISSING" if extra is None else "absent", f"installed, does not import: {error}"[:120])
    return HealthRow(label, "ok", str(getattr(module, "__version__", "installed")))


def _devices() -> list[HealthRow]:
    import torch

    rows = [HealthRow("device cpu", "ok", f"{os.cpu_count()} cores, {torch.get_num_threads()} threads")]
    if torch.cuda.is_available():
        rows += [
            HealthRow(f"device cuda:{i}", "ok", torch.cuda.get_device_name(i)) for i in range(torch.cuda.device_count())
        ]
    else:
        rows.append(HealthRow("device cuda", "absent", "torch sees none; everything runs on the CPU"))
    mps = torch.backends.mps.is_available()
    rows.append(HealthRow("device mps", "ok" if mps else "absent", "Apple GPU" if mps else "not this machine"))
    return rows


def _weights() -> HealthRow:
    from svdmv.diffusion.checkpoint import load_checkpoint

    try:
        info = load_checkpoint("svdmv-mini").info
    except SvdmvError as error:
        return HealthRow("weights svdmv-mini", "MISSING", error.one_line())
    return HealthRow(
        "weights svdmv-mini",
        "ok",
        f"{info.image_size} px, {info.num_views} views, {info.licence}, sha256 {info.sha256[:12]}",
    )


def _saliency() -> HealthRow:
    from svdmv.subject.saliency import KNOWN_MODELS, model_file, weight_folders

    try:
        path = model_file(tuple(KNOWN_MODELS), weight_folders())
    except SvdmvError as error:
        return HealthRow(
            "weights saliency", "absent", f"{error.what}; pictures need alpha, an even background or GrabCut"
        )
    return HealthRow("weights saliency", "ok", str(path))


def _disk() -> HealthRow:
    free_gb = shutil.disk_usage(Path.cwd()).free / 1e9
    return HealthRow("disk here", "ok" if free_gb > 0.1 else "MISSING", f"{free_gb:.1f} GB free in {Path.cwd()}")


def _video() -> HealthRow:
    try:
        import av

        av.codec.Codec("libx264", "w")
    except Exception as error:
        return HealthRow("video H.264", "MISSING", f"{error}"[:120])
    return HealthRow("video H.264", "ok", "libx264 inside av; no ffmpeg program is needed")
