"""Options that several commands share: one spelling, one help line, one check each."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from svdmv.core.errors import ConfigError

if TYPE_CHECKING:
    from svdmv.pipeline import RunSettings


def whole(option: str, usual: int) -> Callable[[Any], int]:
    """A reader of whole numbers that says what it saw."""

    def whole_number(text: Any) -> int:
        try:
            return int(text)
        except ValueError:
            raise _not_a_number(option, text, "a whole number", usual) from None

    return whole_number


def decimal(option: str, usual: float) -> Callable[[Any], float]:
    """A reader of finite numbers that says what it saw."""

    def number(text: Any) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            raise _not_a_number(option, text, "a number", usual)
        return value

    return number


def _not_a_number(option: str, text: object, expected: str, usual: float) -> ConfigError:
    return ConfigError(
        f"{option} cannot be read",
        where=option,
        seen=text or "nothing",
        expected=expected,
        next_step=f"{option} {usual:g}",
    )


def degrees_or_auto(text: Any) -> str:
    """A number of degrees, or "auto", as text."""
    if text != "auto":
        try:
            decimal("--elevation", 10)(text)
        except ConfigError as error:
            raise ConfigError(
                error.what,
                where=error.where,
                seen=error.seen,
                expected="degrees above the horizon, or auto",
                next_step=error.next_step,
            ) from None
    return str(text)


Out = Annotated[
    Path,
    typer.Option("--output", "--output-dir", "-o", metavar="OUT", help="Folder for the result.", show_default=False),
]
Elevation = Annotated[
    str,
    typer.Option(
        parser=degrees_or_auto, metavar="DEG|auto", help="Degrees that the camera stood above the object's horizon."
    ),
]
Seed = Annotated[
    int, typer.Option(parser=whole("--seed", 0), metavar="N", help="Same seed, same result; another, another back.")
]
Model = Annotated[
    str,
    typer.Option(metavar="ID|PATH", help="svdmv-mini, a checkpoint folder, or a hub id in the local cache."),
]
Steps = Annotated[
    int | None,
    typer.Option(
        parser=whole("--steps", 12),
        metavar="N",
        help="Sampling steps; more takes longer. [default: the checkpoint's]",
        show_default=False,
    ),
]
Guide = Annotated[
    str | None,
    typer.Option(
        "--guidance",
        metavar="SCALES",
        help="S, linear:LOW:HIGH or triangle:LOW:HIGH. [default: the checkpoint's]",
        show_default=False,
    ),
]
Sampler = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="euler, heun or dpmpp_2m. [default: the checkpoint's]", show_default=False),
]
OrbitKind = Annotated[
    str,
    typer.Option("--orbit", metavar="KIND", help="static; sine or dynamic where the checkpoint can (SV3D_p)."),
]
Fast = Annotated[
    bool,
    typer.Option("--fast", help="Half the checkpoint's steps, where --steps does not say else."),
]
ForegroundRatio = Annotated[
    float | None,
    typer.Option(
        parser=decimal("--foreground-ratio", 0.8),
        metavar="R",
        help="Longer side of the object as a share of the frame, 0.1 .. 1. [default: the checkpoint's]",
        show_default=False,
    ),
]
Segmenter = Annotated[
    str, typer.Option(metavar="NAME", help="What cuts the object out: auto, or a name from `svdmv list`.")
]
Method = Annotated[str, typer.Option(metavar="NAME", help="Reconstruction: auto, or a name from `svdmv list`.")]
TextureSize = Annotated[
    int,
    typer.Option(
        "--texture-size",
        "--texture-resolution",
        parser=whole("--texture-size", 1024),
        metavar="PX",
        help="Side of the texture, 16 .. 8192.",
    ),
]
Faces = Annotated[
    int, typer.Option(parser=whole("--faces", 10_000), metavar="N", help="Faces of the mesh, at most; 20 or more.")
]
Device = Annotated[str, typer.Option(metavar="NAME", help="auto, cpu, cuda or mps.")]
Dtype = Annotated[str, typer.Option(metavar="NAME", help="fp32, bf16 or fp16.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what an earlier run left in OUT.")]
Resume = Annotated[
    bool, typer.Option("--resume", help="Keep what an earlier run left in OUT and make only what is missing.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")]


def folder_mode(overwrite: bool, resume: bool) -> str:
    """new, overwrite or resume; both flags at once are refused."""
    if overwrite and resume:
        raise ConfigError(
            "--overwrite and --resume exclude each other",
            where="command line",
            seen="--overwrite --resume",
            expected="one of them",
            next_step="--resume to go on, --overwrite to begin anew",
        )
    return "overwrite" if overwrite else "resume" if resume else "new"


def settings_from_options(*, elevation: str = "auto", **other: Any) -> RunSettings:
    """Checked settings of a run."""
    from svdmv.pipeline import RunSettings

    return RunSettings(elevation=elevation if elevation == "auto" else float(elevation), **other)
