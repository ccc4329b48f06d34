"""Slow twins of the loops over outlines, one cell and one place at a time."""

from __future__ import annotations

import numpy as np

from svdmv.render import _coverage


def test_outline_cells_have_a_neighbour_of_the_other_kind() -> None:
    rng = np.random.default_rng(2)
    ids = np.where(rng.uniform(size=(11, 9)) < 0.85, 3, -1).astype(np.int32)
    ids[6:, :4] = 5
    rank, cells = np.empty(ids.shape, np.int32), np.empty(ids.size, np.int64)
    count = _coverage.outline_cells(ids, rank, cells)
    expected = []
    for y in range(11):
        for x in range(9):
            around = ids[max(0, y - 1) : y + 2, max(0, x - 1) : x + 2] >= 0
            if around.any() and not around.all():
                expected.append(y * 9 + x)
                assert rank[y, x] == len(expected) - 1
            else:
                assert rank[y, x] == -1
    assert 0 < count < ids.size
    assert cells[:count].tolist() == expected


def test_covered_places_are_those_inside_a_triangle_with_enough_alpha() -> None:
    rng = np.random.default_rng(4)
    height, width, side = 10, 12, _coverage.SIDE
    screen = np.column_stack([rng.uniform(-2, 14, 18), rng.uniform(-2, 12, 18), rng.uniform(0.5, 2, 18)])
    screen[15, 2] = -1.0  # the last triangle reaches behind the eye
    faces = np.arange(18, dtype=np.int32).reshape(6, 3)
    cutoffs = np.array([0, 0.4, 0, 0, 0, 0], np.float32)
    uvs = rng.uniform(0, 1, (18, 2)).astype(np.float32)
    texels = np.zeros((16, 6), np.uint16)
    texels[:, 5] = np.where(np.arange(16) % 4 < 2, 0, 65535)  # u below about a half is a hole
    rows, face_rows = np.array([[0, 4, 4]]), np.zeros(6, np.int64)
    ids = np.where(rng.uniform(size=(height, width)) < 0.5, 0, -1).astype(np.int32)
    before = ids.copy()
    nearest = np.where(ids >= 0, np.float32(9), np.float32(0))
    rank = np.arange(height * width, dtype=np.int32).reshape(height, width)
    rank[0] = -1
    covered = np.zeros(rank.max() + 1, np.int32)
    _coverage.cover_cells(screen, faces, cutoffs, uvs, texels, rows, face_rows, rank, covered, ids, nearest)
    filled = 0
    for y in range(1, height):
        for x in range(width):
            bits, who = 0, set()
            for place in range(side * side):
                point = np.array([x + (place % side + 0.5) / side, y + (place // side + 0.5) / side])
                for t, face in enumerate(faces[:5]):
                    matrix = np.vstack([screen[face, :2].T, np.ones(3)])
                    weights = np.linalg.solve(matrix, np.append(point, 1))
                    if weights.min() < 0:
                        continue
                    exact = weights * screen[face, 2] / (weights @ screen[face, 2])
                    u = float(exact @ uvs[face, 0]) * 4 - 0.5
                    alpha = sum((1 - abs(u - c)) * (c % 4 >= 2) for c in (int(np.floor(u)), int(np.floor(u)) + 1))
                    if t == 1 and alpha < 0.4:
                        continue
                    bits |= 1 << place
                    who.add(t)
            assert covered[rank[y, x]] == bits
            if before[y, x] >= 0:
                assert ids[y, x] == before[y, x]
            elif who:
                filled += 1
                assert ids[y, x] in who
                assert nearest[y, x] > 0
            else:
                assert ids[y, x] == -1
    assert filled > 10
    np.testing.assert_array_equal(ids[0], before[0])


def test_samples_are_thinned_by_the_share_of_their_places() -> None:
    samples = np.ones((3, 4, 4), np.float32)
    every = (1 << _coverage.SIDE**2) - 1
    _coverage.thin_out(samples, np.array([1, 6, 11]), np.array([0b111, every, 0], np.int32))
    expected = np.ones((3, 4, 4))
    expected[0, 1], expected[2, 3] = 3 / _coverage.SIDE**2, 0
    np.testing.assert_allclose(samples, expected)
