"""Depth maps fused into a closed mesh."""

from __future__ import annotations

import numpy as np

from svdmv.core import ConfigError, DataError, Mesh, ViewSet
from svdmv.geometry.field import Lattice
from svdmv.geometry.fusion import fused_field
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import without_floaters
from svdmv.reconstruct.colors import vertex_colors
from svdmv.reconstruct.depths import points_from_depths, required_depths
from svdmv.reconstruct.result import Reconstruction

TRUNCATION_CELLS = 4.0


def reconstruct_tsdf(views: ViewSet, *, resolution: int = 128) -> Reconstruction:
    """A closed mesh from views with depth.

    Args:
        views: N pictures with depths.
        resolution: cells along the longest side of the object, 16 .. 512.

    Raises:
        ConfigError: a setting is out of range.
        DataError: no depth, or no surface.
    """
    if not 16 <= resolution <= 512:
        raise ConfigError(
            "The fusion's resolution is out of range", where="resolution", seen=resolution, expected="16 .. 512"
        )
    depths = required_depths(views)
    points, _, _ = points_from_depths(views)
    if not len(points):
        raise _no_surface("no pixel with a neighbour on the same surface")
    low, high = points.min(0), points.max(0)
    if not (high - low).max() > 0:
        raise _no_surface("one point")
    lattice = Lattice.around(low, high, resolution)
    field = fused_field(depths, views.cameras, lattice, truncation=TRUNCATION_CELLS * lattice.step)
    vertices, faces = surface_from_field(field, lattice)
    if not len(faces):
        raise _no_surface(f"no surface on a lattice of {lattice.shape}")
    vertices, faces, removed = without_floaters(vertices, faces)
    notes = (f"{removed} small or inner parts removed",) if removed else ()
    colors = vertex_colors(vertices, faces, views, tolerance=2 * lattice.step)
    figures = {"lattice_shape": list(lattice.shape), "lattice_step": lattice.step}
    mesh = Mesh(vertices.astype(np.float32), faces, colors=colors)
    return Reconstruction(mesh, "tsdf", "called directly", views, notes, figures)


def _no_surface(seen: str) -> DataError:
    return DataError(
        "The depth maps hold no surface", where="ViewSet.depths", seen=seen, expected="depths of one object"
    )
