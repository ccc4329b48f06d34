"""Options that several commands share: one spelling, one help line, one check each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from svdmv.core.errors import ConfigError

if TYPE_CHECKING:
    from svdmv.pipeline import RunSettings

Out = Annotated[Path, typer.Option("--output", "--output-dir", "-o", help="Where the result goes.", show_default=False)]
Elevation = Annotated[str, typer.Option(help="Degrees the camera stood above the horizon, or auto.")]
Seed = Annotated[int, typer.Option(help="Same seed, same result.")]
Model = Annotated[str, typer.Option(help="svdmv-mini, a checkpoint folder, or a hub id in the local cache.")]
Steps = Annotated[int | None, typer.Option(help="Sampling steps. [default: the checkpoint's]", show_default=False)]
Guide = Annotated[
    str | None,
    typer.Option(
        "--guidance", help="S, linear:LOW:HIGH or triangle:LOW:HIGH. [default: the checkpoint's]", show_default=False
    ),
]
Sampler = Annotated[
    str | None, typer.Option(help="euler, heun or dpmpp_2m. [default: the checkpoint's]", show_default=False)
]
ForegroundRatio = Annotated[
    float | None,
    typer.Option(
        help="Larger side of the object as a share of the frame. [default: the checkpoint's]", show_default=False
    ),
]
Segmenter = Annotated[str, typer.Option(help="auto, or a name from `svdmv list`.")]
Method = Annotated[str, typer.Option(help="Reconstruction: auto, or a name from `svdmv list`.")]
TextureSize = Annotated[
    int, typer.Option("--texture-size", "--texture-resolution", help="Side of the texture in texels.")
]
Faces = Annotated[int, typer.Option(help="Faces of the mesh, at most.")]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option(help="fp32, bf16 or fp16.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what a former run left.")]
Resume = Annotated[bool, typer.Option("--resume", help="Do only what is missing.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]


def folder_mode(overwrite: bool, resume: bool) -> str:
    """new, overwrite or resume; both flags at once are refused."""
    if overwrite and resume:
        raise ConfigError(
            "--overwrite and --resume exclude each other",
            where="command line",
            seen="--overwrite --resume",
            expected="one of them",
        )
    return "overwrite" if overwrite else "resume" if resume else "new"


def elevation_from_text(text: str) -> float | str:
    """Degrees as a number, or "auto"."""
    if text == "auto":
        return text
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ConfigError(
            "The elevation cannot be read",
            where="--elevation",
            seen=text,
            expected="degrees above the horizon, or auto",
            next_step="--elevation 10",
        )
    return value


def settings_from_options(
    *, elevation: str, foreground_ratio: float | None, texture_size: int, faces: int, **other: Any
) -> RunSettings:
    """Checked settings of a run."""
    from svdmv.pipeline import RunSettings

    if foreground_ratio is not None and not 0.1 <= foreground_ratio <= 1:
        raise ConfigError(
            "The foreground ratio is out of range",
            where="--foreground-ratio",
            seen=foreground_ratio,
            expected="0.1 .. 1",
            next_step="--foreground-ratio 0.8",
        )
    if not 16 <= texture_size <= 8192:
        raise ConfigError(
            "The texture size is out of range",
            where="--texture-size",
            seen=texture_size,
            expected="16 .. 8192 texels",
            next_step="--texture-size 1024",
        )
    if not 20 <= faces <= 2_000_000:
        raise ConfigError(
            "The number of faces is out of range",
            where="--faces",
            seen=faces,
            expected="20 .. 2000000",
            next_step="--faces 10000",
        )
    return RunSettings(
        elevation=elevation_from_text(elevation),
        foreground_ratio=foreground_ratio,
        texture_size=texture_size,
        faces=faces,
        **other,
    )
