"""Compiled loops of outlines: how much of a sample's cell the surface covers where it ends.

Imported inside functions only: numba is heavy. A picture's largest error is its outline, so there the cell around each
sample is tested at SIDE x SIDE places; inside the outline one sample a cell stays enough.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from svdmv.render._kernels import texel_alpha

Array = NDArray[Any]

SIDE = 4  # places along each side of a cell
ACROSS = (np.arange(SIDE * SIDE) % SIDE + 0.5) / SIDE - 0.5  # from the middle of the cell
ALONG = (np.arange(SIDE * SIDE) // SIDE + 0.5) / SIDE - 0.5


@njit(cache=True)
def outline_cells(ids: Array, rank: Array, cells: Array) -> int:
    """Samples with a face (H, W) that have one without among their eight neighbours, and the other way round: their
    numbers y W + x into cells, their place in that list into rank (H, W) int32 (-1 = not an outline); how many."""
    height, width = ids.shape
    count = 0
    there = np.zeros(width + 2, np.int32)  # of the three samples above one another, how many have a face; ends repeated
    for y in range(height):
        above, below = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            there[x + 1] = (ids[above, x] >= 0) + (ids[y, x] >= 0) + (ids[below, x] >= 0)
        there[0], there[width + 1] = there[1], there[width]
        for x in range(width):
            rank[y, x] = -1
            around = there[x] + there[x + 1] + there[x + 2]
            if around != 0 and around != 9:
                rank[y, x] = count
                cells[count] = y * width + x
                count += 1
    return count


@njit(cache=True)
def cover_cells(
    screen: Array, faces: Array, cutoffs: Array, uvs: Array, texels: Array, rows: Array, face_rows: Array, rank: Array,
    covered: Array, ids: Array, nearest: Array,
) -> None:  # fmt: skip
    """Which places of the cells in rank (H, W) any face covers, one bit each, into covered (N,) int32.

    A cell without a face gets the nearest of those that cover a place of it, and its 1 / depth there, into ids and
    nearest.
    screen: (V, 3) x, y in samples, 1 / depth (not above 0 = the face is left out). cutoffs as in rasterise.
    """
    height, width = ids.shape
    everywhere = (1 << SIDE * SIDE) - 1
    bare = np.zeros(len(covered), np.bool_)
    for y in range(height):
        for x in range(width):
            if rank[y, x] >= 0 and ids[y, x] < 0:
                bare[rank[y, x]] = True
    for t in range(faces.shape[0]):
        a, b, c = screen[faces[t, 0]], screen[faces[t, 1]], screen[faces[t, 2]]
        if a[2] <= 0.0 or b[2] <= 0.0 or c[2] <= 0.0:
            continue
        ax, ay, bx, by, cx, cy = a[0], a[1], b[0], b[1], c[0], c[1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        sign = 1.0 if area > 0.0 else -1.0
        # each corner's weight at the middle of cell (0, 0), and how it grows along x and y
        ix, iy, i0 = (by - cy) * sign, (cx - bx) * sign, (bx * cy - by * cx) * sign
        jx, jy, j0 = (cy - ay) * sign, (ax - cx) * sign, (cx * ay - cy * ax) * sign
        kx, ky, k0 = (ay - by) * sign, (bx - ax) * sign, (ax * by - ay * bx) * sign
        i_reach, j_reach, k_reach = (abs(ix) + abs(iy)) / 2, (abs(jx) + abs(jy)) / 2, (abs(kx) + abs(ky)) / 2
        x0, x1 = int(max(min(ax, bx, cx), 0.0)), int(min(max(ax, bx, cx), width - 1.0))
        y0, y1 = int(max(min(ay, by, cy), 0.0)), int(min(max(ay, by, cy), height - 1.0))
        for y in range(y0, y1 + 1):
            for x in range(x0, x1 + 1):
                n = rank[y, x]
                if n < 0 or (covered[n] == everywhere and not bare[n]):
                    continue
                i = i0 + ix * (x + 0.5) + iy * (y + 0.5)
                j = j0 + jx * (x + 0.5) + jy * (y + 0.5)
                k = k0 + kx * (x + 0.5) + ky * (y + 0.5)
                if i < -i_reach or j < -j_reach or k < -k_reach:
                    continue
                inside = 0
                for place in range(SIDE * SIDE):
                    dx, dy = ACROSS[place], ALONG[place]
                    least = min(i + ix * dx + iy * dy, j + jx * dx + jy * dy, k + kx * dx + ky * dy)
                    inside |= (least >= 0.0) << place
                last = -1
                for place in range(SIDE * SIDE):
                    if not inside >> place & 1:
                        continue
                    if cutoffs[t] > 0.0:
                        dx, dy = ACROSS[place], ALONG[place]
                        p = (i + ix * dx + iy * dy) * a[2]
                        q = (j + jx * dx + jy * dy) * b[2]
                        r = (k + kx * dx + ky * dy) * c[2]
                        f = 1.0 / (p + q + r)
                        u = (p * uvs[faces[t, 0], 0] + q * uvs[faces[t, 1], 0] + r * uvs[faces[t, 2], 0]) * f
                        v = (p * uvs[faces[t, 0], 1] + q * uvs[faces[t, 1], 1] + r * uvs[faces[t, 2], 1]) * f
                        if texel_alpha(texels, rows, face_rows[t], u, v) < cutoffs[t]:
                            inside &= ~(1 << place)
                            continue
                    elif not bare[n]:
                        break
                    last = place
                covered[n] |= inside
                if bare[n] and last >= 0:
                    dx, dy = ACROSS[last], ALONG[last]
                    p = (i + ix * dx + iy * dy) * a[2]
                    q = (j + jx * dx + jy * dy) * b[2]
                    r = (k + kx * dx + ky * dy) * c[2]
                    z = np.float32((p + q + r) / abs(area))
                    if z > nearest[y, x]:
                        nearest[y, x] = z
                        ids[y, x] = t


@njit(cache=True)
def thin_out(samples: Array, cells: Array, covered: Array) -> None:
    """Samples (H, W, 4), premultiplied, times the share of their cell that is covered."""
    width = samples.shape[1]
    for n in range(len(cells)):
        bits, count = covered[n], 0
        while bits:
            bits &= bits - 1
            count += 1
        for m in range(4):
            samples[cells[n] // width, cells[n] % width, m] *= np.float32(count / (SIDE * SIDE))
