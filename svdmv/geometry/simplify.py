"""Fewer triangles, still closed: quadrics, then taken apart where edges would have four faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from svdmv.core import require, vertex_normals
from svdmv.geometry.topology import closed_after_merging, without_unused

Vertices = NDArray[np.float64]
Faces = NDArray[np.int32]

AGGRESSIVENESS = (3.0, 5.0, 7.0)  # low values keep the surface manifold more often
MAX_PASSES = 6


def simplified(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], max_faces: int
) -> tuple[Vertices, Faces, str]:
    """At most `max_faces` triangles, closed and manifold even after merging by position when the input is so.

    Quadric edge collapses (M. Garland, P. Heckbert, Surface simplification using quadric error metrics, 1997) do the
    work; non-manifold edges that they leave are split into twin vertices, which move apart. Where that does not come
    out closed or within the budget, tolerance-based collapses of manifold3d are used instead.

    Returns:
        Vertices (V, 3) float64, faces (F, 3) int32, and which way was taken ("untouched", "quadrics", "tolerance").
    """
    points, triangles = np.asarray(vertices, np.float64), np.asarray(faces, np.int32)
    if len(triangles) <= max_faces and closed_after_merging(points.astype(np.float32), triangles):
        return points, triangles, "untouched"
    size = float(np.ptp(points, axis=0).max())
    fast = require("fast_simplification", None, "simplifying a mesh")
    target = min(max_faces, len(triangles))
    for aggressiveness in AGGRESSIVENESS:
        few_points, few = points, triangles
        for _ in range(MAX_PASSES):  # one pass may stop short of its target
            if len(few) <= target:
                break
            few_points, few = fast.simplify(
                few_points.astype(np.float32), few.astype(np.int32), target_count=target, agg=aggressiveness
            )
        split = _split_manifold(np.asarray(few_points, np.float64), np.asarray(few, np.int32))
        if split is not None and len(split[1]) <= max_faces:
            parted = twins_parted(*split, gap=2e-5 * size), split[1]
            if closed_after_merging(parted[0].astype(np.float32), parted[1]):
                return parted[0], parted[1], "quadrics"
        target = int(target * 0.97)
    return _by_tolerance(points, triangles, max_faces, size)


def _split_manifold(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces] | None:
    """The mesh as manifold3d takes it apart at non-manifold edges; None where it refuses."""
    m3 = require("manifold3d", None, "closing a mesh")
    solid = m3.Manifold(m3.Mesh(vert_properties=vertices.astype(np.float32), tri_verts=faces.astype(np.uint32)))
    if solid.status() != m3.Error.NoError or solid.num_tri() == 0:
        return None
    return _arrays(solid)


def _arrays(solid: object) -> tuple[Vertices, Faces]:
    mesh = solid.to_mesh()  # type: ignore[attr-defined]  # manifold3d ships no types
    return np.asarray(mesh.vert_properties)[:, :3].astype(np.float64), np.asarray(mesh.tri_verts).astype(np.int32)


def _by_tolerance(vertices: Vertices, faces: Faces, max_faces: int, size: float) -> tuple[Vertices, Faces, str]:
    m3 = require("manifold3d", None, "simplifying a mesh")
    whole = m3.Manifold(m3.Mesh(vert_properties=vertices.astype(np.float32), tri_verts=faces.astype(np.uint32)))
    solid, tolerance = whole, 1e-4 * size
    while solid.num_tri() > max_faces and tolerance < 0.2 * size:
        solid = whole.simplify(tolerance)
        tolerance *= 1.25
    if whole.status() != m3.Error.NoError or solid.num_tri() == 0:
        return (*without_unused(vertices, faces), "tolerance")
    points, triangles = _arrays(solid)
    return twins_parted(points, triangles, gap=2e-5 * size), triangles, "tolerance"


def twins_parted(vertices: Vertices, faces: Faces, *, gap: float) -> Vertices:
    """Vertices at one place move 20 `gap` along their own inward normals, so that no loader merges them again."""
    cells = np.round(vertices / gap).astype(np.int64)
    _, index, count = np.unique(cells, axis=0, return_inverse=True, return_counts=True)
    twin = count[index.reshape(-1)] > 1
    if not twin.any():
        return vertices
    normals = vertex_normals(vertices, faces).astype(np.float64)
    return np.where(twin[:, None], vertices - 20 * gap * normals, vertices)
