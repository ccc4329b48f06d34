"""What holds a triangle mesh together: parts, edges, volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int32]


def face_areas(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """(F,) float64 areas, world units squared."""
    corners = np.asarray(vertices, np.float64)[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    areas: NDArray[np.float64] = 0.5 * np.linalg.norm(across, axis=1)
    return areas


def signed_volumes(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """(F,) float64 signed volume between each face and the origin; the sum is the volume of a closed mesh."""
    corners = np.asarray(vertices, np.float64)[faces]
    volumes: NDArray[np.float64] = np.einsum("fi,fi->f", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    return volumes


def face_components(faces: NDArray[np.integer], num_vertices: int) -> NDArray[np.int32]:
    """(F,) int32: which connected part each face belongs to; faces that share a vertex are connected."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    rows = np.concatenate([faces[:, 0], faces[:, 1]])
    columns = np.concatenate([faces[:, 1], faces[:, 2]])
    graph = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), (num_vertices, num_vertices))
    _, labels = connected_components(graph, directed=False)
    _, parts = np.unique(labels[faces[:, 0]], return_inverse=True)
    return parts.astype(np.int32)


def merged_by_position(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> tuple[Vertices, Faces]:
    """The mesh with vertices at equal places made one, as viewers and loaders do it; faces of no area stay."""
    unique, index = np.unique(np.asarray(vertices, np.float64), axis=0, return_inverse=True)
    return unique, index.reshape(-1)[faces].astype(np.int32)


def without_unused(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> tuple[Vertices, Faces]:
    """The mesh without vertices that no face names, order kept."""
    used, index = np.unique(faces, return_inverse=True)
    return np.asarray(vertices, np.float64)[used], index.reshape(faces.shape).astype(np.int32)


def bad_edges(faces: NDArray[np.integer]) -> int:
    """How many directed edges lack their one opposite: 0 means closed, manifold along edges, and evenly turned."""
    if not len(faces):
        return 0
    big = np.int64(faces.max()) + 1
    start = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]]).astype(np.int64)
    end = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]]).astype(np.int64)
    forward, count = np.unique(start * big + end, return_counts=True)
    backward = np.unique(end * big + start)
    return int((count > 1).sum() + len(np.setdiff1d(forward, backward, assume_unique=True)))


def closed_after_merging(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> bool:
    """True when every edge has exactly two faces, turned the same way, once equal positions are one vertex."""
    merged = merged_by_position(vertices, faces)[1]
    proper = (merged[:, 0] != merged[:, 1]) & (merged[:, 1] != merged[:, 2]) & (merged[:, 2] != merged[:, 0])
    return bool(len(faces)) and bool(proper.all()) and bad_edges(merged) == 0


def without_floaters(
    vertices: NDArray[np.floating], faces: NDArray[np.integer], *, keep_share: float = 0.02
) -> tuple[Vertices, Faces, int]:
    """Only the parts with at least `keep_share` of the largest part's area and a positive volume.

    Returns:
        Vertices, faces and the number of parts removed. Inner shells have negative volume and go too.
    """
    parts = face_components(faces, len(vertices))
    areas = np.bincount(parts, face_areas(vertices, faces))
    volumes = np.bincount(parts, signed_volumes(vertices, faces))
    keep = (areas >= keep_share * areas.max()) & (volumes > 0)
    if keep.all():
        return np.asarray(vertices, np.float64), np.asarray(faces, np.int32), 0
    kept, left = without_unused(vertices, faces[keep[parts]])
    return kept, left, int((~keep).sum())
