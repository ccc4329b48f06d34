"""svdmv view: a run, a view folder or a 3D model as one page to turn and look at."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from svdmv.cli.options import Overwrite, Quiet
from svdmv.core.errors import InputError

if TYPE_CHECKING:
    from svdmv.core import Orbit, ViewSet
    from svdmv.render.page import Pane

FRAMES, FRAME_PX, ELEVATION_DEG = 36, 400, 15.0
SPHERE_RADIUS = 1.75  # of the camera, for a ball of radius 0.5
MODELS = (".glb", ".gltf", ".obj", ".ply", ".stl", ".dae")


def view(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A folder of svdmv run, a view folder, or a 3D model.")],
    out: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE.html", help="Keep the page here instead of opening it."),
    ] = None,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """Look at PATH in the browser: everything turns when dragged. The page is one file and needs no network.

    Examples: svdmv view out; svdmv view model.glb -o model.html
    """
    import webbrowser

    from svdmv.io.atomic import write_text
    from svdmv.render.page import page_from_panes

    if out is not None and out.exists() and not overwrite:
        raise InputError(
            "The output file exists",
            where=out,
            seen="a file or folder of that name",
            expected="a new name",
            next_step="add --overwrite, or choose another -o",
        )
    panes, notes, facts = _looked_at(path)
    page = page_from_panes(path.resolve().name, panes, notes, facts)
    target = out or Path(tempfile.mkdtemp(prefix="svdmv-view-")) / "view.html"
    write_text(target, page)
    if not quiet:
        sys.stdout.write(f"{path} -> {target}\n")
    if out is None and not webbrowser.open(target.resolve().as_uri()):
        sys.stdout.write("no browser could be opened; open the file above by hand\n")


def _looked_at(path: Path) -> tuple[list[Pane], list[str], list[tuple[str, str]]]:
    """What there is to see: mesh, views and input; what is to be known."""
    from svdmv.io.views import load_views

    if path.is_file() and path.suffix.lower() in MODELS:
        return [_model(path)], [], []
    record, mesh = _record(path), path / "mesh.glb"
    if path.is_dir():
        views = load_views(path) if not mesh.is_file() or (path / "transforms.json").is_file() else None
        panes = [_model(mesh, views.orbit if views is not None else None)] if mesh.is_file() else []
        panes += _views(path, views) if views is not None else []
    else:
        raise InputError(
            "There is nothing to look at",
            where=path,
            seen=path.suffix or "no file or folder of that name",
            expected="a folder of svdmv run, a view folder, or " + ", ".join(MODELS),
            next_step="svdmv run PICTURE -o out, then svdmv view out",
        )
    match = record.get("photo_consistency") or {}
    facts = [
        ("model", str(record.get("model", ""))),
        ("method", str(record.get("method") or record.get("settings", {}).get("method", ""))),
        ("against the picture", f"{match.get('foreground_psnr_db')} dB, IoU {match.get('iou')}" if match else ""),
        ("seconds", str(record.get("seconds", ""))),
    ]
    return panes, [str(note) for note in record.get("notes", [])], [(a, b) for a, b in facts if b]


def _record(folder: Path) -> dict[str, Any]:
    try:
        values = json.loads((folder / "provenance.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _model(path: Path, orbit: Orbit | None = None) -> Pane:
    """The model from all sides: as its views see it where it has some, else filling the pane."""
    import numpy as np

    from svdmv.core import Orbit
    from svdmv.io.meshes import normalised, read_asset
    from svdmv.render import render_views
    from svdmv.render.page import Pane

    asset = read_asset(path)
    baked = "photo_consistency" in asset.provenance  # light is in such a texture
    if orbit is None:
        asset, _ = normalised(asset, rule="bounding_sphere")
        ring = Orbit.static(ELEVATION_DEG, FRAMES, radius=SPHERE_RADIUS)
    else:
        ring = Orbit.static(
            float(orbit.elevations_deg[0]), FRAMES, radius=orbit.radius, fov_y_deg=orbit.fov_y_deg,
            start_deg=float(orbit.azimuths_deg[0]),
        )  # fmt: skip
    cameras = ring.cameras(FRAME_PX, FRAME_PX)
    made = render_views(asset, cameras, shading="unlit" if baked else "pbr", with_geometry=False)
    return Pane(path.name, (made.on_background() * 255).round().astype(np.uint8))


def _views(folder: Path, views: ViewSet) -> list[Pane]:
    """The views, square, and the picture they were made from where it is there."""
    import numpy as np

    from svdmv.io.run_folder import detail_in
    from svdmv.render.contact import resized
    from svdmv.render.page import Pane

    shown = (views.on_background() * 255).round().astype(np.uint8)
    side = max(shown.shape[1:3])
    square = np.full((len(shown), side, side, 3), 255, np.uint8)
    top, left = (side - shown.shape[1]) // 2, (side - shown.shape[2]) // 2
    square[:, top : top + shown.shape[1], left : left + shown.shape[2]] = shown
    panes = [Pane("views", np.stack([resized(frame, FRAME_PX) for frame in square]))]
    detail = detail_in(folder, views)
    if detail is not None:
        alpha = detail[..., 3:] / 255
        picture = (detail[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
        panes.append(Pane("input", resized(picture, FRAME_PX)[None]))
    return panes
