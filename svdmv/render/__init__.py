"""Asset and cameras in, ViewSet out. Renderers are entries of one table; the first runs on any CPU."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Literal

from numpy.typing import NDArray

from svdmv.core import Asset, Camera, ConfigError, Orbit, ViewSet

MOST_STOPS = 16.0
Report = Callable[[str, int, int], None]
RENDERERS: dict[str, str] = {
    "raster": "svdmv.render.raster:render_views",
    "cycles": "svdmv.render.cycles:render_views",
    "mitsuba": "svdmv.render.mitsuba:render_views",
}

__all__ = ["MOST_STOPS", "RENDERERS", "render_views"]


def render_views(
    asset: Asset,
    cameras: Sequence[Camera],
    *,
    orbit: Orbit | None = None,
    light: str | Path | NDArray[Any] = "studio",
    supersampling: int = 2,
    shading: Literal["pbr", "matte", "unlit", "final"] = "pbr",
    renderer: str = "raster",
    exposure_stops: float = 0.0,
    with_geometry: bool = True,
    with_surface: bool = False,
    report: Report | None = None,
) -> ViewSet:
    """Render every camera's view of an asset. Work that does not depend on the camera is done once a call.

    Args:
        asset: mesh and materials, world coordinates, +Y up.
        cameras: one or more, all of one picture size.
        orbit: kept in the result when the cameras come from one.
        light: "studio", "sky", "overcast", "sun", "uniform", a .hdr or .exr file, or a latitude-longitude map
            (H, W, 3) of linear radiance (convention in render/environment.py). Fixed to the world.
        supersampling: samples along each side of a pixel.
        shading: pbr (glTF metallic-roughness), final (pbr with a reflection ray for every sample: slower, for shiny
            metal), matte (base colour times light), unlit (base colour alone).
        renderer: a name in RENDERERS or of an entry point in the group svdmv.renderers.
        exposure_stops: the picture is exposed 2^stops times as long, in linear light, before anything is cut off; at
            most MOST_STOPS either way.
        with_geometry: also depths and normals, at pixel centres.
        with_surface: also positions, albedos and masks, at pixel centres.
        report: called with (stage, done, total) before the first and after every view.

    Returns:
        ViewSet of uint8 sRGB images with straight alpha; depths inf and normals 0 where nothing is.

    Raises:
        ConfigError: unknown renderer or shading, no camera, cameras of several sizes, an exposure out of range.
        InputError: unknown or unreadable light.
        DataError: the mesh has no face with an area.
    """
    if not cameras or len({(c.width, c.height) for c in cameras}) > 1:
        raise ConfigError(
            "These cameras make no view set",
            where="cameras",
            seen=f"{len(cameras)} cameras of sizes {sorted({(c.width, c.height) for c in cameras})}",
            expected="at least one, all of one size",
        )
    if not -MOST_STOPS <= exposure_stops <= MOST_STOPS:
        raise ConfigError(
            "Exposure is out of range",
            where="exposure_stops",
            seen=exposure_stops,
            expected=f"stops, {-MOST_STOPS:g} to {MOST_STOPS:g}",
        )
    draw = _resolved(renderer)
    views: ViewSet = draw(
        asset,
        cameras,
        orbit=orbit,
        light=light,
        supersampling=supersampling,
        shading=shading,
        exposure_stops=exposure_stops,
        with_geometry=with_geometry,
        with_surface=with_surface,
        report=report,
    )
    return views


def _resolved(renderer: str) -> Any:
    """The function behind a renderer's name. Raises ConfigError when there is none."""
    if renderer in RENDERERS:
        module, _, function = RENDERERS[renderer].partition(":")
        return getattr(importlib.import_module(module), function)
    found = entry_points(group="svdmv.renderers")
    if renderer in found.names:
        return found[renderer].load()
    raise ConfigError(
        "Unknown renderer", where="renderer", seen=renderer, expected=" or ".join([*RENDERERS, *sorted(found.names)])
    )
