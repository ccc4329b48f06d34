"""svdmv reconstruct: a view folder to a textured mesh."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from svdmv.cli.options import Faces, Method, Out, Overwrite, Quiet, TextureSize, settings_from_options
from svdmv.cli.progress import progress_bar
from svdmv.core.errors import InputError

if TYPE_CHECKING:
    from svdmv.reconstruct import Reconstruction

NOVEL_NAME, NOVEL_FPS = "novel", 12


def reconstruct(
    views: Annotated[
        Path,
        typer.Argument(metavar="VIEWS", help="A view folder: transforms.json and RGBA pictures.", show_default=False),
    ],
    out: Out,
    method: Method = "auto",
    faces: Faces = 10_000,
    texture_size: TextureSize = 1024,
    normal_map: Annotated[
        bool, typer.Option("--normal-map", help="Keep what simplification takes from the surface in a normal map.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """View folder to OUT/mesh.glb: closed, simplified, unwrapped, with a texture baked from the views.

    Example: svdmv reconstruct views -o model
    """
    from svdmv import __version__
    from svdmv.asset import picture_from_origin
    from svdmv.io.atomic import write_json
    from svdmv.io.gltf import write_glb
    from svdmv.io.pictures import write_png
    from svdmv.io.run_folder import ORIGIN_NAME, detail_in, output_folder, versions
    from svdmv.io.views import load_views
    from svdmv.pipeline import baked_from_views, check_names
    from svdmv.reconstruct.capture import masked_views
    from svdmv.render.match import notes_of_asset, with_match

    settings = settings_from_options(texture_size=texture_size, faces=faces, method=method)
    check_names(settings)
    loaded, told = masked_views(load_views(views))
    if out.resolve() == views.resolve():
        raise InputError(
            "The output folder is the view folder",
            where="-o",
            seen=out,
            expected="another folder, so that the views stay as they are",
            next_step=f"-o {out}-mesh",
        )
    with output_folder(out, "overwrite" if overwrite else "new") as folder:
        with progress_bar(quiet, "reconstruct") as report:
            made = baked_from_views(
                loaded, settings, detail_in(views, loaded), report=report, beside=lambda r: write_beside(folder, r),
                relief=normal_map,
            )  # fmt: skip
            asset = with_match(made.asset, loaded)
        write_png(folder / ORIGIN_NAME, picture_from_origin(made.origin))
        write_glb(folder / "mesh.glb", asset)
        write_json(folder / "provenance.json", {"svdmv": __version__, "versions": versions(), **asset.provenance})
    if not quiet:
        sys.stdout.write(f"{views.name} -> {folder / 'mesh.glb'}: {len(asset.mesh.faces)} faces\n")
        sys.stdout.write("".join(f"  note: {note}\n" for note in [*told, *notes_of_asset(asset)]))


def write_beside(folder: Path, made: Reconstruction) -> None:
    """What a method brings beside the mesh: its files, and novel views as a view folder and a video."""
    from svdmv.io.atomic import write_bytes
    from svdmv.io.video import write_video
    from svdmv.io.views import save_views

    for name, data in made.files.items():
        write_bytes(folder / name, data)
    if made.renders is not None:
        save_views(made.renders, folder / NOVEL_NAME)
        frames = (made.renders.on_background() * 255).round().astype("uint8")
        write_video(folder / f"{NOVEL_NAME}.mp4", frames, NOVEL_FPS)
