"""Convolutions by tiles of up to 8 x 8 places, channels last, float32; and where a picture is not its background.

A tile has P x P products, P = 6, 7 or 8; matrices have eight columns, those beyond the P-th are zero. Imported on first
use because numba is heavy.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, fastmath={"contract"})
def transformed_tiles(x: Any, tiles: Any, padding: int, matrix: Any, out: Any) -> None:
    """Fill out (P * P, T, C) with matrix @ patch @ matrix.T, patches of x (N, H, W, C) with zeros around it.

    Args:
        tiles: (T, 3) picture, row and column of a tile's first output. matrix: (P, 8).
    """
    height, width, channels = x.shape[1:]
    for t in range(len(tiles)):
        n, top, left = tiles[t, 0], tiles[t, 1] - padding, tiles[t, 2] - padding
        d, e = np.zeros((8, 8, channels), np.float32), np.empty((len(matrix), 8, channels), np.float32)
        for i in range(max(0, -top), min(8, height - top)):
            for j in range(max(0, -left), min(8, width - left)):
                d[i, j] = x[n, top + i, left + j]
        for a in range(len(matrix)):
            m0, m1, m2, m3, m4, m5, m6, m7 = matrix[a]
            for j in range(8):
                for c in range(channels):
                    s = m0 * d[0, j, c] + m1 * d[1, j, c] + m2 * d[2, j, c] + m3 * d[3, j, c]
                    e[a, j, c] = s + (m4 * d[4, j, c] + m5 * d[5, j, c] + m6 * d[6, j, c] + m7 * d[7, j, c])
        for b in range(len(matrix)):
            m0, m1, m2, m3, m4, m5, m6, m7 = matrix[b]
            for a in range(len(matrix)):
                o = out[len(matrix) * a + b, t]
                for c in range(channels):
                    s = m0 * e[a, 0, c] + m1 * e[a, 1, c] + m2 * e[a, 2, c] + m3 * e[a, 3, c]
                    o[c] = s + (m4 * e[a, 4, c] + m5 * e[a, 5, c] + m6 * e[a, 6, c] + m7 * e[a, 7, c])


@njit(cache=True, nogil=True, fastmath={"contract"})
def finished_tiles(products: Any, tiles: Any, points: int, matrix: Any, bias: Any, out: Any) -> None:
    """Put matrix @ tile @ matrix.T + bias, at least 0, in its places of out (N, H, W, C).

    Args:
        products: (P * P, T, C). points: P. matrix: (M, 8). bias: (C,).
    """
    height, width, channels = out.shape[1:]
    side = len(matrix)
    for t in range(len(tiles)):
        n, top, left = tiles[t, 0], tiles[t, 1], tiles[t, 2]
        e = np.zeros((side, 8, channels), np.float32)
        for b in range(points):
            p0, p1, p2 = products[b, t], products[points + b, t], products[2 * points + b, t]
            p3, p4, p5 = products[3 * points + b, t], products[4 * points + b, t], products[5 * points + b, t]
            p6, p7 = products[min(6, points - 1) * points + b, t], products[(points - 1) * points + b, t]
            for a in range(side):
                m0, m1, m2, m3, m4, m5, m6, m7 = matrix[a]
                for c in range(channels):
                    s = m0 * p0[c] + m1 * p1[c] + m2 * p2[c] + m3 * p3[c]
                    e[a, b, c] = s + (m4 * p4[c] + m5 * p5[c] + m6 * p6[c] + m7 * p7[c])
        for b in range(min(side, width - left)):
            m0, m1, m2, m3, m4, m5, m6, m7 = matrix[b]
            for a in range(min(side, height - top)):
                o = out[n, top + a, left + b]
                for c in range(channels):
                    s = m0 * e[a, 0, c] + m1 * e[a, 1, c] + m2 * e[a, 2, c] + m3 * e[a, 3, c]
                    s += m4 * e[a, 4, c] + m5 * e[a, 5, c] + m6 * e[a, 6, c] + m7 * e[a, 7, c]
                    o[c] = max(s + bias[c], np.float32(0))


@njit(cache=True, nogil=True)
def boxes_of(pictures: Any, color: Any) -> Any:
    """(N, 4) first row, row behind the last, first column, column behind the last of what is not of the colour."""
    count, height, width, _ = pictures.shape
    red, green, blue = color[0], color[1], color[2]
    boxes = np.zeros((count, 4), np.int64)
    for n in range(count):
        top, bottom, left, right = height, 0, width, 0
        for i in range(height):
            row = pictures[n, i]
            first = 0
            while first < width and row[first, 0] == red and row[first, 1] == green and row[first, 2] == blue:
                first += 1
            if first == width:
                continue
            last = width - 1
            while row[last, 0] == red and row[last, 1] == green and row[last, 2] == blue:
                last -= 1
            top, bottom = min(top, i), i + 1
            left, right = min(left, first), max(right, last + 1)
        if bottom:
            boxes[n, 0], boxes[n, 1], boxes[n, 2], boxes[n, 3] = top, bottom, left, right
    return boxes
