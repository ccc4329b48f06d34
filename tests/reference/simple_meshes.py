"""Small meshes with known answers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Arrays = tuple[NDArray[np.float64], NDArray[np.int32]]


def cube(side: float = 1.0) -> Arrays:
    """Eight corners, twelve faces, counter-clockwise outside, centred."""
    vertices = side * (np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float64) - 0.5)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [f for a, b, c, d in quads for f in ((a, b, c), (a, c, d))]
    return vertices, np.array(faces, np.int32)


def ball(radius: float = 0.4, rounds: int = 3) -> Arrays:
    """An icosphere: 20 * 4^rounds faces."""
    t = (1 + 5**0.5) / 2
    vertices = [(-1, t, 0), (1, t, 0), (-1, -t, 0), (1, -t, 0), (0, -1, t), (0, 1, t), (0, -1, -t), (0, 1, -t)]
    vertices += [(t, 0, -1), (t, 0, 1), (-t, 0, -1), (-t, 0, 1)]
    faces = [(0, 11, 5), (0, 5, 1), (0, 1, 7), (0, 7, 10), (0, 10, 11), (1, 5, 9), (5, 11, 4), (11, 10, 2), (10, 7, 6)]
    faces += [(7, 1, 8), (3, 9, 4), (3, 4, 2), (3, 2, 6), (3, 6, 8), (3, 8, 9), (4, 9, 5), (2, 4, 11), (6, 2, 10)]
    faces += [(8, 6, 7), (9, 8, 1)]
    points = [np.array(v, np.float64) / np.linalg.norm(v) for v in vertices]
    for _ in range(rounds):
        middle: dict[tuple[int, int], int] = {}

        def between(a: int, b: int, middle: dict[tuple[int, int], int] = middle) -> int:
            key = (min(a, b), max(a, b))
            if key not in middle:
                middle[key] = len(points)
                both = points[a] + points[b]
                points.append(both / np.linalg.norm(both))
            return middle[key]

        finer = []
        for a, b, c in faces:
            ab, bc, ca = between(a, b), between(b, c), between(c, a)
            finer += [(a, ab, ca), (b, bc, ab), (c, ca, bc), (ab, bc, ca)]
        faces = finer
    return radius * np.array(points), np.array(faces, np.int32)


def both(first: Arrays, second: Arrays, shift: tuple[float, float, float]) -> Arrays:
    """Two meshes side by side."""
    return (
        np.concatenate([first[0], second[0] + np.array(shift)]),
        np.concatenate([first[1], second[1] + np.int32(len(first[0]))]),
    )
