"""svdmv run: pictures to assets."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from svdmv.cli.options import (
    Device,
    Dtype,
    Elevation,
    Faces,
    Fast,
    ForegroundRatio,
    Guide,
    Method,
    Model,
    OrbitKind,
    Out,
    Overwrite,
    Quiet,
    Resume,
    Sampler,
    Seed,
    Segmenter,
    Steps,
    TextureSize,
    folder_mode,
    settings_from_options,
)
from svdmv.cli.progress import progress_bar
from svdmv.core import SvdmvError

AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object with every outcome.")]
Pictures = Annotated[
    list[Path], typer.Argument(metavar="PICTURE", help="Pictures, or folders of pictures.", show_default=False)
]


def run(
    pictures: Pictures,
    out: Out,
    elevation: Elevation = "auto",
    seed: Seed = 0,
    model: Model = "svdmv-mini",
    steps: Steps = None,
    guidance: Guide = None,
    sampler: Sampler = None,
    orbit: OrbitKind = "static",
    fast: Fast = False,
    foreground_ratio: ForegroundRatio = None,
    segmenter: Segmenter = "auto",
    method: Method = "auto",
    texture_size: TextureSize = 1024,
    faces: Faces = 10_000,
    device: Device = "auto",
    dtype: Dtype = "fp32",
    overwrite: Overwrite = False,
    resume: Resume = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Picture to views, transforms.json, orbit.mp4, mesh.glb, turntable.mp4, preview.png and provenance.json.

    OUT is the folder of a single picture; several pictures, or a folder of them, go to OUT/NAME each.

    Example: svdmv run data/demo/lantern.png -o out
    """
    from svdmv.batch import error_as_dict, run_pictures

    try:
        mode = folder_mode(overwrite, resume)
        settings = settings_from_options(
            elevation=elevation, seed=seed, model=model, steps=steps, guidance=guidance, sampler=sampler, orbit=orbit,
            fast=fast, foreground_ratio=foreground_ratio, segmenter=segmenter, method=method,
            texture_size=texture_size, faces=faces, device=device, dtype=dtype,
        )  # fmt: skip
        with progress_bar(quiet or as_json) as report:
            summary = run_pictures(pictures, out, settings, mode=mode, report=report)
    except SvdmvError as error:
        if as_json:
            _print_json({"exit_code": error.exit_code, "pictures": [], "ignored": [], "error": error_as_dict(error)})
        raise
    if as_json:
        _print_json(summary.as_dict())
    elif not quiet:
        sys.stdout.write(summary.text())
    if summary.only_error is not None:
        raise summary.only_error
    sys.stderr.write(summary.failure_text())
    raise typer.Exit(summary.exit_code)


def _print_json(values: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(values, indent=1) + "\n")
