"""The visual hull: everything that no silhouette rules out. Needs nothing but alpha and cameras, and always works.

Source: A. Laurentini, The visual hull concept for silhouette-based image understanding, PAMI 16(2), 1994.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ConfigError, DataError, Mesh, ViewSet
from svdmv.geometry.field import Lattice, denoised_field, hull_field
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import without_floaters
from svdmv.reconstruct.alignment import aligned_lenses, lensed_silhouettes, lensed_views
from svdmv.reconstruct.caps import cap_heights, capped_field, up_axis
from svdmv.reconstruct.colors import vertex_colors
from svdmv.reconstruct.consensus import VOTE_RESOLUTION, Vote, silhouette_ious, vote_from_silhouettes
from svdmv.reconstruct.mending import Mends, joined_field, mends_of, without_phantoms
from svdmv.reconstruct.result import Reconstruction
from svdmv.reconstruct.silhouettes import Silhouettes, silhouettes_from_views

GOOD_IOU = 0.95  # views that agree so well are left where they are
ALIGNMENT_GAIN = 0.004  # moving the views must gain this much mean IoU
SMOOTH_VOXELS, SMOOTHER_VOXELS = 0.8, 1.6  # for views that agree, and for views that do not
CAP_SLACK_PX = 0.75


def reconstruct_hull(
    views: ViewSet,
    *,
    resolution: int = 128,
    drop: int | Literal["auto"] = "auto",
    flatten: float = 0.8,
    align: bool = True,
    input_view: int | None = 0,
) -> Reconstruction:
    """The hull of soft silhouettes as a closed mesh with vertex colours.

    Views that disagree (generated ones do) would carve too much away, down to nothing. They are shifted and scaled
    onto what they have in common, their masks are grown by the fraction of a pixel, and with drop="auto" as many of
    the views that dissent most at a point are not listened to, as make the hull, projected back, fit the masks best.

    Args:
        views: N pictures with alpha; 2 or more directions of view.
        resolution: lattice points along the longest side of the object, 16 .. 512.
        drop: views that may dissent at each point, or "auto".
        flatten: 0 = the hull as it is, 1 = roofs and cones that no outline asks for cut off flat.
        align: let views that disagree move (their cameras change, see the result's `views`).
        input_view: the view that is a true picture: it keeps its place and always carves; None = all are alike.

    Raises:
        ConfigError: a setting is out of range.
        DataError: no alpha, nothing to see, one side only, or no hull at all.
    """
    _check_settings(views, resolution, drop, flatten, input_view)
    start = mended(hull_start(views, drop=drop, align=align, input_view=input_view, resolution=resolution))
    silhouettes, views, notes = start.silhouettes, start.views, list(start.notes)
    vertices, faces, lattice, joints = _surface(start, resolution, flatten)
    notes += joints
    vertices, faces, removed = without_floaters(vertices, faces)
    vertices, faces, phantoms = without_phantoms(vertices, faces, silhouettes)
    if removed + phantoms:
        notes.append(f"{removed + phantoms} small, inner or superfluous parts removed from the hull")
    ious = silhouette_ious(vertices, faces, silhouettes.cameras, silhouettes.masks)
    colors = vertex_colors(vertices, faces, views, tolerance=2 * lattice.step)
    mesh = Mesh(vertices.astype(np.float32), faces, colors=colors)
    figures = _figures(views, silhouettes, start.vote, ious, lattice)
    return Reconstruction(mesh, "hull", "called directly", views, tuple(notes), figures)


@dataclass(frozen=True, eq=False)
class HullStart:
    """What the silhouettes say before any surface is made of them: where every method of this room begins.

    Attributes:
        silhouettes: the usable masks, seen by the cameras as they came to stand.
        vote: how many views may dissent, how far masks grow, and the box around the hull.
        views: the views with those cameras.
        notes: what a user should know.
        mends: what is added to the hull; None before `mended`.
    """

    silhouettes: Silhouettes
    vote: Vote
    views: ViewSet
    notes: tuple[str, ...]
    mends: Mends | None = None


def hull_start(
    views: ViewSet, *, drop: int | Literal["auto"], align: bool, input_view: int | None, resolution: int
) -> HullStart:
    """Masks, vote and alignment; arguments and errors as in `reconstruct_hull`."""
    silhouettes = silhouettes_from_views(views, input_view)
    wanted = None if drop == "auto" else drop
    vote_resolution = min(VOTE_RESOLUTION, resolution)
    vote = vote_from_silhouettes(silhouettes, wanted, vote_resolution)
    notes = list(silhouettes.notes)
    if align and vote.mean_iou < GOOD_IOU:
        silhouettes, vote, views, moved_px = _aligned(silhouettes, vote, views, wanted, vote_resolution)
        if moved_px:
            notes.append(f"views moved by up to {moved_px:.1f} px to agree with the others")
    notes += _vote_notes(vote, len(silhouettes.used))
    return HullStart(silhouettes, vote, views, tuple(notes))


def mended(start: HullStart) -> HullStart:
    """With what views that disagree cost the hull: parts of the input picture, and what joins parts that stand free."""
    if start.vote.strict_iou >= GOOD_IOU:
        return start
    mends = mends_of(start.silhouettes, start.vote)
    low, high = mends.box(start.vote.low, start.vote.high)
    vote = replace(start.vote, low=low, high=high)
    return replace(start, vote=vote, mends=mends, notes=(*start.notes, *mends.notes))


def hull_on_lattice(start: HullStart, lattice: Lattice, flatten: float) -> NDArray[np.float32]:
    """(nx, ny, nz) float32: the voted hull's field, roofs and cones that no outline asks for cut off by `flatten`."""
    silhouettes, vote = start.silhouettes, start.vote
    field = hull_field(
        silhouettes.grown_distances(vote.grow_px),
        silhouettes.cameras,
        lattice,
        drop=vote.drop,
        always=silhouettes.trusted,
    )
    if flatten > 0:
        up = up_axis(silhouettes.cameras)
        plain, _ = surface_from_field(field, lattice)
        plain = plain if len(plain) else vote.vertices
        heights = plain @ up
        ends = np.array([heights.min(), heights.max()])
        slack_px = CAP_SLACK_PX / silhouettes.px_per_work_px
        caps = np.array(cap_heights(plain, silhouettes.cameras, up, slack_px=slack_px))
        low, high = ends + flatten * (caps - ends)
        field = capped_field(field, lattice, up, float(low), float(high))
    return field if start.mends is None else start.mends.added(field, lattice)


def _surface(
    start: HullStart, resolution: int, flatten: float
) -> tuple[NDArray[np.float64], NDArray[np.int32], Lattice, tuple[str, ...]]:
    lattice = Lattice.around(start.vote.low, start.vote.high, resolution)
    sigma = SMOOTH_VOXELS if start.vote.mean_iou >= GOOD_IOU else SMOOTHER_VOXELS
    field = denoised_field(hull_on_lattice(start, lattice, flatten), sigma)
    notes: tuple[str, ...] = ()
    if start.mends is not None:  # what smoothing tore
        field, notes = joined_field(field, lattice, start.silhouettes, start.vote)
    vertices, faces = surface_from_field(field, lattice)
    if not len(faces):
        raise DataError(
            "The hull is thinner than the lattice can hold",
            where="reconstruct_hull",
            seen=f"resolution {resolution}, step {lattice.step:.4g}",
            expected="a finer lattice",
            next_step="raise resolution",
        )
    return vertices, faces, lattice, notes


def _aligned(
    silhouettes: Silhouettes, vote: Vote, views: ViewSet, drop: int | None, resolution: int
) -> tuple[Silhouettes, Vote, ViewSet, float]:
    """Views shifted and scaled onto the common hull if that makes them agree better; and how far, in pixels."""
    lenses = aligned_lenses(silhouettes, vote.vertices, vote.faces)
    moved = lensed_silhouettes(silhouettes, lenses)
    tried = vote_from_silhouettes(moved, drop, resolution)
    if tried.mean_iou < vote.mean_iou + ALIGNMENT_GAIN:
        return silhouettes, vote, views, 0.0
    tried = replace(tried, strict_iou=vote.strict_iou)
    return moved, tried, lensed_views(views, moved.used, lenses), float(np.abs(lenses).max() * max(views.size))


def _vote_notes(vote: Vote, count: int) -> list[str]:
    if not vote.drop and not vote.grow_px:
        return []
    means = [f"masks grown by {vote.grow_px:g} px"] if vote.grow_px else []
    means += [f"the {vote.drop} most dissenting of {count} views not listened to at each point"] if vote.drop else []
    return [
        f"the silhouettes disagree: {', '.join(means)}"
        f" (mean mask IoU {vote.mean_iou:.3f}, without that {vote.strict_iou:.3f})"
    ]


def _figures(
    views: ViewSet, silhouettes: Silhouettes, vote: Vote, ious: NDArray[np.float64], lattice: Lattice
) -> dict[str, Any]:
    per_view: list[float | None] = [None] * len(views)
    for index, iou in zip(silhouettes.used, ious, strict=True):
        per_view[index] = round(float(iou), 5)
    return {
        "mask_iou": per_view,
        "mean_mask_iou": round(float(ious.mean()), 5),
        "strict_mask_iou": round(vote.strict_iou, 5),
        "dropped_views": vote.drop,
        "masks_grown_px": vote.grow_px,
        "lattice_shape": list(lattice.shape),
        "lattice_step": lattice.step,
    }


def _check_settings(views: ViewSet, resolution: int, drop: int | str, flatten: float, input_view: int | None) -> None:
    last = len(views) - 1
    rows = [
        ("resolution", resolution, isinstance(resolution, int) and 16 <= resolution <= 512, "16 .. 512"),
        ("drop", drop, drop == "auto" or (isinstance(drop, int) and 0 <= drop <= last), f'"auto", or 0 .. {last}'),
        ("flatten", flatten, 0 <= flatten <= 1, "0 .. 1"),
        ("input_view", input_view, input_view is None or 0 <= input_view <= last, f"0 .. {last}, or None"),
    ]
    for name, value, good, expected in rows:
        if not good:
            raise ConfigError(f"The hull's {name} is out of range", where=name, seen=value, expected=expected)
