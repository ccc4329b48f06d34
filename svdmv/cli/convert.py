"""svdmv convert: released SVD and SV3D files to checkpoint folders, and back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.options import Overwrite, Quiet


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="SOURCE", help="svd, svd_xt, sv3d_u or sv3d_p .safetensors; or a folder.", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="OUT", help="Folder, or FILE.safetensors.", show_default=False),
    ],
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Released SVD or SV3D file to a checkpoint folder, or a folder to such a file. Nothing is rounded.

    Example: svdmv convert sv3d_p.safetensors -o sv3d_p
    """
    from svdmv.diffusion.convert import convert_checkpoint

    made = convert_checkpoint(source, out, overwrite=overwrite)
    if not quiet:
        sys.stdout.write(f"{source.name} -> {out}: {made}\n")
