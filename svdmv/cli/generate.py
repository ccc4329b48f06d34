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
    Fast,
    ForegroundRatio,
    Guide,
    Model,
    OrbitKind,
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
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="The picture.", show_default=False)],
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
    device: Device = "auto",
    dtype: Dtype = "fp32",
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Picture to a view folder: views/000.png ..., transforms.json.

    Example: svdmv generate data/demo/lantern.png -o views
    """
    from svdmv.io.run_folder import VIEW_OUTPUTS, output_folder, save_run_views
    from svdmv.io.stages import Stages
    from svdmv.pipeline import check_names, views_from_picture

    settings = settings_from_options(
        elevation=elevation, seed=seed, model=model, steps=steps, guidance=guidance, sampler=sampler, orbit=orbit,
        fast=fast, foreground_ratio=foreground_ratio, segmenter=segmenter, device=device, dtype=dtype,
    )  # fmt: skip
    check_names(settings)
    with output_folder(out, "overwrite" if overwrite else "new") as folder:
        with progress_bar(quiet) as report:
            views, detail = views_from_picture(picture, settings, stages=Stages(report))
        save_run_views(views, detail, folder, clear=overwrite, spared=picture, outputs=VIEW_OUTPUTS)
    if not quiet:
        sys.stdout.write(f"{picture.name} -> {folder}: {len(views)} views of {views.size[0]}x{views.size[1]} px\n")
        sys.stdout.write("".join(f"  note: {note}\n" for note in views.provenance["generate_notes"]))
