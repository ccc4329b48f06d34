"""svdmv export: a mesh to another format, or its acceptance report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.options import Quiet
from svdmv.core.errors import EXIT_PARTIAL, ConfigError, InputError


def export(
    mesh: Annotated[
        Path, typer.Argument(metavar="MESH", help="A .glb, .gltf, .dae, .obj, .ply or .stl file.", show_default=False)
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="File to write: .glb, .obj, .ply or .stl.", show_default=False
        ),
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Print the acceptance report; exit code 4 if a row fails.")] = (
        False
    ),
    as_json: Annotated[bool, typer.Option("--json", help="The report as JSON.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE if it exists.")] = False,
    quiet: Quiet = False,
) -> None:
    """Mesh to another format, or --check it.

    Examples: svdmv export mesh.glb -o mesh.obj; svdmv export mesh.glb --check
    """
    from svdmv.asset import check_asset
    from svdmv.io.meshes import read_asset, write_asset

    if out is None and not check:
        raise ConfigError(
            "Nothing to do",
            where="svdmv export",
            seen="neither -o nor --check",
            expected="a file to write, or --check",
            next_step=f"svdmv export {mesh} --check",
        )
    if out is not None and out.exists() and not overwrite:
        raise InputError(
            "The output file exists",
            where=out,
            seen="a file or folder of that name",
            expected="a new name",
            next_step="add --overwrite, or choose another -o",
        )
    asset = read_asset(mesh)
    if out is not None:
        write_asset(out, asset)
        if not quiet and not as_json:
            sys.stdout.write(f"{mesh.name} -> {out}: {len(asset.mesh.faces)} faces\n")
            notes = asset.provenance.get("source", {}).get("notes", [])
            sys.stdout.write("".join(f"  note: {note}\n" for note in notes))
    if check:
        rows = check_asset(asset)
        if as_json:
            sys.stdout.write(json.dumps([row._asdict() for row in rows], indent=2) + "\n")
        elif not quiet:
            sys.stdout.write("".join(f"{'ok' if row.ok else 'FAIL':<6}{row.name:<28}{row.value}\n" for row in rows))
        if not all(row.ok for row in rows):
            raise typer.Exit(EXIT_PARTIAL)
