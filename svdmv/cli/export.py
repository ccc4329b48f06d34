"""svdmv export: a mesh to another format, to levels of detail or a turntable; cameras; the acceptance report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.options import Quiet, decimal, whole
from svdmv.core.errors import EXIT_PARTIAL, ConfigError, InputError

Metres = Annotated[
    float | None,
    typer.Option(
        parser=decimal("--metres", 0.3),
        metavar="M",
        help="Longest side in metres. [default: the file's own unit]",
        show_default=False,
    ),
]
Lods = Annotated[
    str | None,
    typer.Option(
        metavar="N,N...", help="Levels of detail: writes FILE_lod1, FILE_lod2 ... of so many faces.", show_default=False
    ),
]


def export(
    mesh: Annotated[
        Path,
        typer.Argument(
            metavar="MESH",
            help="A .glb, .gltf, .dae, .obj, .ply or .stl file; for --cameras a view folder.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write: .glb, .usdz, .obj, .ply, .stl; .mp4, .gif, .webp for a turntable.",
            show_default=False,
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Print the acceptance report; exit code 4 if a row fails.")] = (
        False
    ),
    metres: Metres = None,
    lods: Lods = None,
    delight: Annotated[bool, typer.Option("--delight", help="Take the light out of the texture (a guess).")] = False,
    cameras: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="Cameras of a view folder: colmap, nerfstudio or blender.", show_default=False
        ),
    ] = None,
    frames: Annotated[int, typer.Option(parser=whole("--frames", 42), metavar="N", help="Of the turntable.")] = 42,
    size: Annotated[int, typer.Option(parser=whole("--size", 512), metavar="PX", help="Of the turntable.")] = 512,
    fps: Annotated[int, typer.Option(parser=whole("--fps", 21), metavar="N", help="Of the turntable.")] = 21,
    elevation: Annotated[
        float, typer.Option(parser=decimal("--elevation", 15), metavar="DEG", help="Of the turntable.")
    ] = 15.0,
    transparent: Annotated[bool, typer.Option("--transparent", help="Clear background (.webp, .gif).")] = False,
    views: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For --check: the views it was made from.", show_default=False),
    ] = None,
    node: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="For --check: folder with npm's gltf-validator.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """Mesh to another format, to levels of detail or a turntable; or --check it.

    Examples: svdmv export mesh.glb -o mesh.usdz; svdmv export mesh.glb -o turn.webp --transparent; svdmv export
    mesh.glb --check; svdmv export out --cameras colmap -o colmap
    """
    from svdmv.acceptance import accepted_file
    from svdmv.io.camera_files import write_camera_files
    from svdmv.io.views import load_views

    if out is None and not check:
        raise ConfigError(
            "Nothing to do",
            where="svdmv export",
            seen="neither -o nor --check",
            expected="a file to write, or --check",
            next_step=f"svdmv export {mesh} --check",
        )
    if cameras is not None and out is not None:
        write_camera_files(out, load_views(mesh), cameras, overwrite=overwrite)
        if not quiet:
            sys.stdout.write(f"{mesh.name} -> {out}: cameras for {cameras}\n")
        return
    if out is not None:
        refuse_existing(out, overwrite)
        told = write_exports(
            mesh, out, metres, [] if lods is None else level_budgets(lods), delight, overwrite,
            {"frames": frames, "size": size, "elevation_deg": elevation}, fps, transparent,
        )  # fmt: skip
        if not quiet and not as_json:
            sys.stdout.write(told)
    if check:
        rows = accepted_file(mesh, views=views, node=node)
        if as_json:
            sys.stdout.write(json.dumps([row._asdict() for row in rows], indent=2) + "\n")
        elif not quiet:
            sys.stdout.write("".join(f"{'ok' if row.ok else 'FAIL':<6}{row.name:<28}{row.value}\n" for row in rows))
        if not all(row.ok for row in rows):
            raise typer.Exit(EXIT_PARTIAL)


def write_exports(
    mesh: Path,
    out: Path,
    metres: float | None,
    budgets: list[int],
    delight: bool,
    overwrite: bool,
    turntable: dict[str, int | float],
    fps: int,
    transparent: bool,
) -> str:
    """Write FILE and its levels of detail; what to tell."""
    from svdmv.asset.delight import delit
    from svdmv.asset.levels import levels_of_detail, scaled_asset
    from svdmv.io.animations import ANIMATION_SUFFIXES, write_animation
    from svdmv.io.meshes import read_asset, write_asset
    from svdmv.render.turntable import turntable_frames

    levels = [out.with_name(f"{out.stem}_lod{number}{out.suffix}") for number, _ in enumerate(budgets, 1)]
    for path in levels:
        refuse_existing(path, overwrite)
    asset = read_asset(mesh)
    notes = asset.provenance.get("source", {}).get("notes", [])
    if delight:
        asset = delit(asset)
    if out.suffix.lower() in ANIMATION_SUFFIXES:
        write_animation(out, turntable_frames(asset, **turntable), fps, transparent=transparent)  # type: ignore[arg-type]
        return f"{mesh.name} -> {out}: {turntable['frames']} frames\n"
    if metres is not None:
        asset = scaled_asset(asset, metres)
    made = levels_of_detail(asset, budgets) if budgets else []
    write_asset(out, asset)
    for path, level in zip(levels, made, strict=True):
        write_asset(path, level)
    rows = [
        f"{mesh.name} -> {p}: {len(a.mesh.faces)} faces\n" for p, a in zip([out, *levels], [asset, *made], strict=True)
    ]
    return "".join(rows + [f"  note: {note}\n" for note in notes])


def level_budgets(text: str) -> list[int]:
    """Whole numbers between commas."""
    return [whole("--lods", 1000)(part) for part in text.split(",")]


def refuse_existing(path: Path, overwrite: bool) -> None:
    """Raise InputError when something is there and may not be replaced."""
    if path.exists() and not overwrite:
        raise InputError(
            "The output file exists",
            where=path,
            seen="a file or folder of that name",
            expected="a new name",
            next_step="add --overwrite, or choose another -o",
        )
