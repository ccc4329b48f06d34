"""The acceptance report of a model file: the asset's rows, the picture it came from, other people's checkers."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np

from svdmv.asset import check_asset
from svdmv.asset.check_rows import Check
from svdmv.core import Asset, MissingDependency, SvdmvError
from svdmv.io.meshes import read_asset

VALIDATOR = (
    "const v=require('gltf-validator');v.validateBytes(new Uint8Array(require('fs').readFileSync(process.argv[1])))"
    ".then(r=>console.log(JSON.stringify(r.issues)))"
)
VALIDATOR_S = 120


def accepted_file(path: Path | str, *, views: Path | None = None, node: Path | None = None) -> list[Check]:
    """The rows of the report on a model file; accepted when all are ok.

    Args:
        path: what `read_asset` reads.
        views: the view folder it was made from; None = the model's own folder, where it holds transforms.json.
        node: a folder with node_modules/gltf-validator (npm install --prefix FOLDER gltf-validator), for GLB files.

    Raises:
        InputError: the model cannot be read.
    """
    path = Path(path)
    asset = read_asset(path)
    rows = [*check_asset(asset), facing_row(asset, path.parent if views is None else views, asked=views is not None)]
    if path.suffix.lower() == ".glb":
        rows.append(khronos_row(path, node))
    return rows


def facing_row(asset: Asset, folder: Path, *, asked: bool) -> Check:
    """Whether the asset, from the input camera, shows the input picture; as measured when it was made where neither
    the views lie beside it nor any were named."""
    from svdmv.io.views import load_views
    from svdmv.render.match import photo_consistency

    name = "faces the picture"
    if asked or (folder / "transforms.json").is_file():
        scale = float(asset.provenance.get("scale", 1.0))
        unscaled = asset.mesh.transformed(np.diag([1 / scale, 1 / scale, 1 / scale, 1.0]))
        match = photo_consistency(replace(asset, mesh=unscaled), load_views(folder))
        how = "rendered again"
    else:
        match, how = dict(asset.provenance.get("photo_consistency", {})), "as recorded"
    if "iou" not in match:
        return Check(name, True, "not measured: no views beside the model; name them with --views")
    return Check(name, bool(match["ok"]), f"{match['foreground_psnr_db']} dB on the object, IoU {match['iou']}, {how}")


def khronos_row(path: Path, node: Path | None) -> Check:
    """Errors and warnings of Khronos' glTF validator; says when it did not run."""
    name, program = "Khronos glTF validator", shutil.which("node")
    if node is None:
        return Check(name, True, "not run: --node FOLDER, after npm install --prefix FOLDER gltf-validator")
    if program is None or not (node / "node_modules" / "gltf-validator").is_dir():
        raise MissingDependency(
            "The glTF validator is not there",
            where="--node",
            seen="no node program" if program is None else f"no node_modules/gltf-validator in {node}",
            expected="node, and gltf-validator in that folder",
            next_step=f"npm install --prefix {node} gltf-validator",
        )
    try:
        told = subprocess.run(
            [program, "-e", VALIDATOR, str(path.resolve())],
            cwd=node,
            capture_output=True,
            text=True,
            check=True,
            timeout=VALIDATOR_S,
        )
        issues = json.loads(told.stdout)
    except (OSError, subprocess.SubprocessError, ValueError) as error:
        raise SvdmvError("The glTF validator failed", where=node, seen=error, expected="a report") from error
    errors, warnings = int(issues["numErrors"]), int(issues["numWarnings"])
    codes = sorted({str(m["code"]) for m in issues["messages"] if int(m["severity"]) < 2})
    text = f"{errors} errors, {warnings} warnings" + (f": {', '.join(codes)}" if codes else "")
    return Check(name, errors + warnings == 0, text)
