"""svdmv reconstruct: a view folder to a textured mesh."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.options import Faces, Method, Out, Overwrite, Quiet, TextureSize, settings_from_options
from svdmv.cli.progress import progress_bar
from svdmv.core.errors import InputError


def reconstruct(
    views: Annotated[
        Path,
        typer.Argument(metavar="VIEWS", help="A view folder: transforms.json and RGBA pictures.", show_default=False),
    ],
    out: Out,
    method: Method = "auto",
    faces: Faces = 10_000,
    texture_size: TextureSize = 1024,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """View folder to OUT/mesh.glb: closed, simplified, unwrapped, with a texture baked from the views.

    Example: svdmv reconstruct views -o model
    """
    from svdmv import __version__
    from svdmv.io.atomic import write_json
    from svdmv.io.gltf import write_glb
    from svdmv.io.run_folder import detail_in, output_folder, versions
    from svdmv.io.views import load_views
    from svdmv.pipeline import asset_from_views, check_names, notes_of_asset
    from svdmv.render.match import photo_consistency

    settings = settings_from_options(texture_size=texture_size, faces=faces, method=method)
    check_names(settings)
    loaded = load_views(views)
    if out.resolve() == views.resolve():
        raise InputError(
            "The output folder is the view folder",
            where="-o",
            seen=out,
            expected="another folder, so that the views stay as they are",
            next_step=f"-o {out}-mesh",
        )
    with output_folder(out, "overwrite" if overwrite else "new") as folder:
        with progress_bar(quiet, "reconstruct"):
            asset = asset_from_views(loaded, settings, detail_in(views, loaded))
            asset = replace(
                asset, provenance={**asset.provenance, "photo_consistency": photo_consistency(asset, loaded)}
            )
        write_glb(folder / "mesh.glb", asset)
        write_json(folder / "provenance.json", {"svdmv": __version__, "versions": versions(), **asset.provenance})
    if not quiet:
        sys.stdout.write(f"{views.name} -> {folder / 'mesh.glb'}: {len(asset.mesh.faces)} faces\n")
        sys.stdout.write("".join(f"  note: {note}\n" for note in notes_of_asset(asset)))
