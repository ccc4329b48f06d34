"""The visual hull: everything that no silhouette rules out. Needs nothing but alpha and cameras, and always works.

Source: A. Laurentini, The visual hull concept for silhouette-based image understanding, PAMI 16(2), 1994.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from svdmv.core import ConfigError, DataError, Mesh, ViewSet
from svdmv.geometry.field import Lattice, denoised_field, hull_field
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import without_floaters
from svdmv.reconstruct.colors import vertex_colors
from svdmv.reconstruct.consensus import silhouette_ious, vote_from_silhouettes
from svdmv.reconstruct.result import Reconstruction
from svdmv.reconstruct.silhouettes import silhouettes_from_views


def reconstruct_hull(views: ViewSet, *, resolution: int = 128, drop: int | Literal["auto"] = "auto") -> Reconstruction:
    """The hull of soft silhouettes as a closed mesh with vertex colours.

    Views that disagree (generated ones do) would carve too much away, down to nothing. With drop="auto" the number of
    dissenting views that are not listened to at each point is the smallest whose hull, projected back, fits the masks
    best.

    Args:
        views: N pictures with alpha; 2 or more directions of view.
        resolution: lattice points along the longest side of the object, 16 .. 512.
        drop: views that may dissent at each point, or "auto".

    Raises:
        ConfigError: a setting is out of range.
        DataError: no alpha, nothing to see, one side only, or no hull at all.
    """
    _check_settings(views, resolution, drop)
    silhouettes = silhouettes_from_views(views)
    vote = vote_from_silhouettes(silhouettes, None if drop == "auto" else drop)
    notes = list(silhouettes.notes)
    if vote.drop and drop == "auto":
        notes.append(
            f"the silhouettes disagree: at each point the {vote.drop} most dissenting of {len(silhouettes.used)} views"
            f" are not listened to (mean mask IoU {vote.mean_iou:.3f}, strict {vote.strict_iou:.3f})"
        )
    lattice = Lattice.around(vote.low, vote.high, resolution)
    field = hull_field(silhouettes.distances, silhouettes.cameras, lattice, drop=vote.drop)
    vertices, faces = surface_from_field(denoised_field(field), lattice)
    if not len(faces):
        raise DataError(
            "The hull is thinner than the lattice can hold",
            where="reconstruct_hull",
            seen=f"resolution {resolution}, step {lattice.step:.4g}",
            expected="a finer lattice",
            next_step="raise resolution",
        )
    vertices, faces, removed = without_floaters(vertices, faces)
    if removed:
        notes.append(f"{removed} small or inner parts removed from the hull")
    ious = silhouette_ious(vertices, faces, silhouettes.cameras, silhouettes.masks)
    colors = vertex_colors(vertices, faces, views, tolerance=2 * lattice.step)
    mesh = Mesh(vertices.astype(np.float32), faces, colors=colors)
    per_view: list[float | None] = [None] * len(views)
    for index, iou in zip(silhouettes.used, ious, strict=True):
        per_view[index] = round(float(iou), 5)
    figures = {
        "mask_iou": per_view,
        "mean_mask_iou": round(float(ious.mean()), 5),
        "strict_mask_iou": round(vote.strict_iou, 5),
        "dropped_views": vote.drop,
        "lattice_shape": list(lattice.shape),
        "lattice_step": lattice.step,
    }
    return Reconstruction(mesh, "hull", "called directly", views, tuple(notes), figures)


def _check_settings(views: ViewSet, resolution: int, drop: int | str) -> None:
    if not 16 <= resolution <= 512:
        raise ConfigError(
            "The hull's resolution is out of range", where="resolution", seen=resolution, expected="16 .. 512"
        )
    good = drop == "auto" or (isinstance(drop, int) and 0 <= drop < len(views))
    if not good:
        expected = f'"auto", or 0 .. {len(views) - 1}'
        raise ConfigError("The number of dropped views is out of range", where="drop", seen=drop, expected=expected)
