"""The door of the room: choose a method by name, or let the views choose."""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable
from dataclasses import replace
from importlib.metadata import entry_points
from typing import Any

from svdmv.core import ConfigError, ViewSet
from svdmv.reconstruct.capture import prepared_views
from svdmv.reconstruct.choice import method_for_views
from svdmv.reconstruct.result import Reconstruction

Report = Callable[[str, int, int], None]
METHODS = {
    "hull": "svdmv.reconstruct.hull:reconstruct_hull",
    "sdf": "svdmv.reconstruct.sdf:reconstruct_sdf",
    "nerf": "svdmv.reconstruct.nerf:reconstruct_nerf",
    "nerfstudio": "svdmv.reconstruct.nerfstudio:reconstruct_nerfstudio",
    "splat": "svdmv.reconstruct.splat:reconstruct_splat",
    "tsdf": "svdmv.reconstruct.tsdf:reconstruct_tsdf",
    "poisson": "svdmv.reconstruct.poisson:reconstruct_poisson",
}


def reconstruction_methods() -> dict[str, str]:
    """Name -> "module:function" of every method: the built-in ones and those of entry points svdmv.reconstructors."""
    found = {point.name: point.value for point in entry_points(group="svdmv.reconstructors")}
    return {**found, **METHODS}


def reconstruct_mesh(
    views: ViewSet, *, method: str = "auto", report: Report | None = None, **settings: Any
) -> Reconstruction:
    """A closed mesh with vertex colours from posed views with alpha.

    Args:
        views: N pictures and known cameras, from anywhere; see `svdmv.reconstruct.capture` for views without alpha,
            objects of any place and size, and cameras that were measured (views without an orbit).
        method: a name of `reconstruction_methods()`, or "auto": "sdf" where the silhouettes agree, else "hull".
        report: called with (stage, done, total) by methods that take long.
        settings: passed on to the method; "hull" and "sdf" both take `resolution` (lattice points along the longest
            side), `drop` (dissenting views ignored at each point, or "auto"), `flatten`, `align` and `input_view`.

    Returns:
        A `Reconstruction`: mesh in world units, the views as used, notes and figures.

    Raises:
        ConfigError: the method or a setting is unknown.
        DataError: the views cannot be reconstructed: no alpha, empty masks, one side only.
        MissingDependency: a package of the method is absent.

    Example:
        >>> mesh = reconstruct_mesh(views, method="hull", resolution=96).mesh  # doctest: +SKIP
    """
    known = reconstruction_methods()
    if method not in (*known, "auto"):
        near = difflib.get_close_matches(method, [*known, "auto"], 1)
        raise ConfigError(
            "Unknown reconstruction method",
            where="method",
            seen=method,
            expected=" or ".join(sorted([*known, "auto"])),
            next_step=f"use {near[0]}" if near else "svdmv list",
        )
    prepared = prepared_views(views)
    chosen, why = method, "asked for by name"
    if method == "auto":
        chosen, why = method_for_views(prepared.views, prepared.defaults)
    module, _, name = known[chosen].partition(":")
    function = getattr(importlib.import_module(module), name)
    takes = inspect.signature(function).parameters
    offered = {**prepared.defaults, "report": report}
    defaults = {name: value for name, value in offered.items() if name in takes}
    try:
        result: Reconstruction = function(prepared.views, **{**defaults, **settings})
    except TypeError as error:
        if "unexpected keyword argument" not in str(error) or f"{name}()" not in str(error):
            raise
        raise ConfigError(
            f"The method {chosen} does not know a setting", where="reconstruct_mesh", seen=str(error)
        ) from error
    return prepared.restored(replace(result, method=chosen, why=why))
