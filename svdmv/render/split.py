"""Long edges halved, so that light stored on vertices has vertices to live on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def split_long_edges(
    positions: NDArray[np.float64],
    attributes: NDArray[Any],
    faces: NDArray[Any],
    max_edge: float,
    max_vertices: int,
    rounds: int = 7,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[Any], NDArray[np.int64]]:
    """Halve edges longer than `max_edge` without T-junctions; both faces of an edge see the same new vertex.

    A round that would pass `max_vertices` is done with a longer limit, or not at all.

    Returns:
        positions, attributes, faces, and the face of the input that each face comes from.
    """
    faces = faces.astype(np.int64)
    parents = np.arange(len(faces))
    for _ in range(rounds):
        a, b, edge_of = edges_of(faces, len(positions))
        length = np.sqrt(((positions[a] - positions[b]) ** 2).sum(1))
        room = max_vertices - len(positions)
        limit = max_edge
        if (length > limit).sum() > room:
            limit = np.inf if room <= 0 else max(limit, float(np.partition(length, -room)[-room]))
        split = length > limit
        if not split.any():
            break
        new = np.full(len(a), -1)
        new[split] = len(positions) + np.arange(split.sum())
        a, b = a[split], b[split]
        positions = np.concatenate([positions, (positions[a] + positions[b]) / 2])
        attributes = np.concatenate([attributes, (attributes[a] + attributes[b]) / 2])
        faces, parents = split_faces(faces, new[edge_of], parents)
    return positions, attributes, faces, parents


def edges_of(
    faces: NDArray[np.int64], num_vertices: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Lower and higher vertex (E,) of each edge of faces (F, 3), and (F, 3) the edges 01, 12, 20 of each face."""
    pairs = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    keys, edge_of = np.unique(pairs[:, 0] * num_vertices + pairs[:, 1], return_inverse=True)
    return keys // num_vertices, keys % num_vertices, edge_of.reshape(-1, 3)


def split_faces(
    faces: NDArray[np.int64], middles: NDArray[np.int64], parents: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Faces cut at the middles (F, 3) of their edges 01, 12, 20 (-1 = whole): into 1, 2, 3 or 4."""
    number = (middles >= 0).sum(1)
    parts, owners = [faces[number == 0]], [parents[number == 0]]

    def turned(chosen: NDArray[np.bool_], first: NDArray[Any]) -> tuple[NDArray[np.int64], ...]:
        order = (first[:, None] + np.arange(3)) % 3
        f = np.take_along_axis(faces[chosen], order, 1)
        m = np.take_along_axis(middles[chosen], order, 1)
        return (*f.T, *m.T)

    one = number == 1
    a, b, c, ab, _, _ = turned(one, np.argmax(middles[one] >= 0, 1))
    two = number == 2
    d, e, f, de, ef, _ = turned(two, (np.argmax(middles[two] < 0, 1) + 1) % 3)
    three = number == 3
    g, h, i, gh, hi, ig = turned(three, np.zeros(three.sum(), np.int64))
    for chosen, triangles in (
        (one, ((a, ab, c), (ab, b, c))),
        (two, ((de, e, ef), (d, de, ef), (d, ef, f))),
        (three, ((g, gh, ig), (gh, h, hi), (ig, hi, i), (gh, hi, ig))),
    ):
        for triangle in triangles:
            parts.append(np.stack(triangle, 1))
            owners.append(parents[chosen])
    return np.concatenate(parts), np.concatenate(owners)
