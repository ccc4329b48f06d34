"""svdmv generate: a picture to a view folder."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.options import (
    Device,
    Dtype,
    Elevation,
    ForegroundRatio,
    Guide,
    Model,
    Out,
    Overwrite,
    Quiet,
    Sampler,
    Seed,
    Segmenter,
    Steps,
    settings_from_options,
)
from svdmv.cli.progress import progress_bar


def generate(
    picture: Annotated[Path, typer.Argument(help="The picture.", show_default=False)],
    out: Out,
    elevation: Elevation = "auto",
    seed: Seed = 0,
    model: Model = "svdmv-mini",
    steps: Steps = None,
    guidance: Guide = None,
    sampler: Sampler = None,
    foreground_ratio: ForegroundRatio = None,
    segmenter: Segmenter = "auto",
    device: Device = "auto",
    dtype: Dtype = "fp32",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Picture to a view folder: views/000.png ..., transforms.json.

    Example: svdmv generate data/demo/lantern.png -o views
    """
    from svdmv.io.run_folder import discard_if_empty, prepared_folder
    from svdmv.pipeline import Stages, generate_folder

    settings = settings_from_options(
        elevation=elevation, seed=seed, model=model, steps=steps, guidance=guidance, sampler=sampler,
        foreground_ratio=foreground_ratio, segmenter=segmenter, texture_size=1024, faces=10_000, device=device,
        dtype=dtype,
    )  # fmt: skip
    folder = prepared_folder(out, "overwrite" if overwrite else "new")
    try:
        with progress_bar(quiet) as report:
            _, notes = generate_folder(picture, folder, settings, stages=Stages(report))
    except BaseException:
        discard_if_empty(folder)
        raise
    if not quiet:
        sys.stdout.write(
            "".join(f"{line}\n" for line in [f"{picture.name} -> {folder}", *(f"  note: {n}" for n in notes)])
        )
