"""A mesh made fit for the world: one orientation, no floating crumbs, no staircase, a budget of faces, closed."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.core import DataError, Mesh
from svdmv.geometry.simplify import simplified
from svdmv.geometry.smooth import taubin_smoothed
from svdmv.geometry.topology import (
    bad_edges,
    closed_after_merging,
    face_areas,
    merged_by_position,
    signed_volumes,
    without_floaters,
    without_unused,
)

CRUMB_SHARE = 0.003  # of the largest part's surface


def cleaned_mesh(mesh: Mesh, *, faces: int, smoothing: int = 10) -> tuple[Mesh, tuple[str, ...]]:
    """The mesh merged by position, turned outward, without floaters, smoothed and simplified; notes say what was done.

    Args:
        mesh: triangles; colours and UVs are not carried over.
        faces: at most so many faces come out, 20 or more.
        smoothing: rounds of Taubin smoothing before simplification; 0 = none.

    Raises:
        DataError: the mesh has no faces with area.
    """
    vertices, triangles = merged_by_position(mesh.vertices, mesh.faces)
    triangles = _proper_faces(vertices, triangles)
    if not len(triangles):
        raise DataError(
            "The mesh has no surface", where="Mesh", seen=f"{len(mesh.faces)} faces", expected="faces with area"
        )
    vertices, triangles = without_unused(vertices, triangles)
    notes = []
    if signed_volumes(vertices, triangles).sum() < 0:
        triangles = np.ascontiguousarray(triangles[:, ::-1])
        notes.append("faces turned outward")
    closed = bad_edges(triangles) == 0
    if closed:
        vertices, triangles, removed = without_floaters(vertices, triangles)
        if removed:
            notes.append(f"{removed} small or inner parts removed")
    if smoothing:
        vertices = taubin_smoothed(vertices, triangles, rounds=smoothing)
    before = len(triangles)
    vertices, triangles, way = simplified(vertices, triangles, faces)
    if closed and way != "untouched":  # where surfaces touch, simplification may pinch crumbs off
        vertices, triangles, _ = without_floaters(vertices, triangles, keep_share=CRUMB_SHARE)
    if way != "untouched":
        notes.append(f"simplified from {before} to {len(triangles)} faces by {way}")
    if not closed_after_merging(vertices.astype(np.float32), triangles):
        notes.append("the mesh is not closed" + ("" if closed else ", and was not before"))
    return Mesh(vertices.astype(np.float32), triangles), tuple(notes)


def _proper_faces(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.int32]:
    """Faces with three different corners; slivers stay, or the surface would open."""
    different = (faces[:, 0] != faces[:, 1]) & (faces[:, 1] != faces[:, 2]) & (faces[:, 2] != faces[:, 0])
    kept: NDArray[np.int32] = faces[different]
    return kept if len(kept) and face_areas(vertices, kept).sum() > 0 else kept[:0]
