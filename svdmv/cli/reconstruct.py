"""svdmv reconstruct: a view folder to a textured mesh."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.options import Faces, Method, Out, Overwrite, Quiet, TextureSize, settings_from_options
from svdmv.cli.progress import progress_bar
from svdmv.core.errors import InputError


def reconstruct(
    views: Annotated[
        Path, typer.Argument(help="A view folder: transforms.json and RGBA pictures.", show_default=False)
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
    from svdmv.io.run_folder import discard_if_empty, prepared_folder, versions
    from svdmv.io.views import load_views
    from svdmv.pipeline import asset_from_views, photo_consistency

    settings = settings_from_options(
        elevation="auto", foreground_ratio=None, texture_size=texture_size, faces=faces, method=method
    )
    loaded = load_views(views)
    if out.resolve() == views.resolve():
        raise InputError(
            "The output folder is the view folder",
            where="-o",
            seen=out,
            expected="another folder, so that the views stay as they are",
            next_step=f"-o {out}-mesh",
        )
    folder = prepared_folder(out, "overwrite" if overwrite else "new")
    try:
        with progress_bar(quiet, "reconstruct"):
            asset = asset_from_views(loaded, settings)
            match = photo_consistency(asset, loaded)
        story = {**asset.provenance, "photo_consistency": match}
        write_glb(folder / "mesh.glb", asset)
        write_json(folder / "provenance.json", {"svdmv": __version__, "versions": versions(), **story})
    except BaseException:
        discard_if_empty(folder)
        raise
    if not quiet:
        notes = [*asset.provenance["reconstruct_notes"], *asset.provenance["asset"]["notes"]]
        sys.stdout.write(f"{views.name} -> {folder / 'mesh.glb'}: {len(asset.mesh.faces)} faces\n")
        sys.stdout.write("".join(f"  note: {note}\n" for note in notes))
