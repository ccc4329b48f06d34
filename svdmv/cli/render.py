"""svdmv render: a 3D model to a view folder."""

from __future__ import annotations

import sys
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.options import Out, Overwrite, Quiet, decimal, whole
from svdmv.cli.progress import progress_bar
from svdmv.core import ConfigError, Orbit

LARGEST_SIZE_PX = 4096
MOST_VIEWS = 1000


class OrbitKind(StrEnum):
    """Shape of the camera path."""

    STATIC = "static"
    DYNAMIC = "dynamic"
    SINE = "sine"


class Fit(StrEnum):
    """How the model is brought to the world's unit."""

    UNIT_BOX = "unit_box"
    BOUNDING_SPHERE = "bounding_sphere"


class Shading(StrEnum):
    """What the renderer works out."""

    PBR = "pbr"
    MATTE = "matte"
    UNLIT = "unlit"
    FINAL = "final"


def render(
    mesh: Annotated[
        Path, typer.Argument(metavar="MESH", help="A .glb, .gltf, .dae, .obj, .ply or .stl file.", show_default=False)
    ],
    out: Out,
    size: Annotated[
        int, typer.Option(parser=whole("--size", 576), metavar="PX", help="Width and height of a view in pixels.")
    ] = 576,
    views: Annotated[
        int, typer.Option(parser=whole("--views", 21), metavar="N", help="How many views go once around.")
    ] = 21,
    elevation: Annotated[
        float,
        typer.Option(parser=decimal("--elevation", 10), metavar="DEG", help="Degrees of the camera above the horizon."),
    ] = 10.0,
    orbit: Annotated[
        OrbitKind, typer.Option(help="One elevation, a random closed path, or a sine.")
    ] = OrbitKind.STATIC,
    seed: Annotated[int, typer.Option(parser=whole("--seed", 0), metavar="N", help="Seed of a dynamic orbit.")] = 0,
    start: Annotated[
        float,
        typer.Option(
            parser=decimal("--start", 0), metavar="DEG", help="Azimuth of view 0 in degrees; 90 shows the +X side."
        ),
    ] = 0.0,
    fit: Annotated[Fit, typer.Option(help="Longest side 1, or farthest point at 0.5.")] = Fit.UNIT_BOX,
    radius: Annotated[
        float | None,
        typer.Option(
            parser=decimal("--radius", 2.98),
            metavar="UNITS",
            help="Camera distance. [default: all fits: 2.98, or 1.75]",
            show_default=False,
        ),
    ] = None,
    renderer: Annotated[str, typer.Option(metavar="NAME", help="A name from `svdmv list`.")] = "raster",
    hdri: Annotated[
        str,
        typer.Option(
            "--hdri",
            "--light",
            metavar="NAME|FILE",
            help="A .hdr or .exr file, or studio, sky, overcast, sun, uniform.",
        ),
    ] = "studio",
    shading: Annotated[Shading, typer.Option(help="Full materials, matte, colour alone, or traced.")] = Shading.PBR,
    exposure: Annotated[
        float,
        typer.Option(
            parser=decimal("--exposure", 0.5),
            metavar="STOPS",
            help="Times 2^STOPS in linear light, before the cut at white.",
        ),
    ] = 0.0,
    supersampling: Annotated[
        int, typer.Option(parser=whole("--supersampling", 2), metavar="N", help="Samples along each side of a pixel.")
    ] = 2,
    maps: Annotated[
        bool, typer.Option("--maps", help="Also object positions, base colours and masks, in geometry.npz.")
    ] = False,
    overwrite: Overwrite = False,
    quiet: Quiet = False,
) -> None:
    """3D model to a view folder: views/000.png ..., transforms.json, depth and normals, provenance.json.

    Example: svdmv render model.glb -o views --elevation 20
    """
    from svdmv import __version__
    from svdmv.io.atomic import write_json
    from svdmv.io.meshes import normalised, read_asset
    from svdmv.io.run_folder import VIEW_OUTPUTS, clear_outputs, output_folder, versions
    from svdmv.io.views import save_views
    from svdmv.render import render_views

    _check_range("--size", size, 8, LARGEST_SIZE_PX, "pixels")
    _check_range("--views", views, 1, MOST_VIEWS, "views")
    path = _orbit(orbit, elevation, views, seed, start, fit, radius)
    asset, unit_from_file = normalised(read_asset(mesh), rule=fit.value)
    with output_folder(out, "overwrite" if overwrite else "new") as folder:
        with progress_bar(quiet, "render") as report:
            result = render_views(
                asset,
                path.cameras(size, size),
                orbit=path,
                light=hdri,
                supersampling=supersampling,
                shading=shading.value,
                renderer=renderer,
                exposure_stops=exposure,
                with_surface=maps,
                report=report,
            )
        source = dict(asset.provenance.get("source", {"file": mesh.name}))
        made = {"mesh": source, "fit": fit.value, "unit_from_file": unit_from_file.tolist()}
        result = replace(result, provenance={**result.provenance, **made})
        if overwrite:
            clear_outputs(folder, VIEW_OUTPUTS, spared=mesh)
        save_views(result, folder)
        settings = {"size": size, "views": views, "elevation": elevation, "orbit": orbit.value, "seed": seed}
        settings |= {"start": start, "radius": path.radius, "fov_y_deg": path.fov_y_deg}
        write_json(
            folder / "provenance.json",
            {"svdmv": __version__, "versions": versions(), "settings": settings, **result.provenance},
        )
    if not quiet:
        sys.stdout.write(f"{mesh.name} -> {folder}: {views} views of {size}x{size} px\n")
        sys.stdout.write("".join(f"  note: {note}\n" for note in source.get("notes", [])))


def _orbit(
    kind: OrbitKind, elevation: float, views: int, seed: int, start: float, fit: Fit, radius: float | None
) -> Orbit:
    """The cameras' path, far enough that all of the fitted model is in every view."""
    base = Orbit.static(elevation, views, start_deg=start)
    if kind is OrbitKind.DYNAMIC:
        base = Orbit.dynamic(elevation, seed, views)
    elif kind is OrbitKind.SINE:
        base = Orbit.sine(elevation, num_views=views)
    if kind is not OrbitKind.STATIC:
        base = replace(base, azimuths_deg=base.azimuths_deg + start)
    distance = radius if radius is not None else 1.75 if fit is Fit.BOUNDING_SPHERE else base.radius
    return replace(base, radius=distance)


def _check_range(option: str, value: int, low: int, high: int, unit: str) -> None:
    """Raise ConfigError outside low .. high."""
    if not low <= value <= high:
        raise ConfigError(
            f"{option} is out of range",
            where=option,
            seen=value,
            expected=f"{low} .. {high} {unit}",
            next_step=f"{option} {min(max(value, low), high)}",
        )
