"""Compiled loops of baking; imported on first use because numba is heavy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit, prange

LEAST_COSINE = 0.05
EDGE_TRUST = 0.05  # just behind an occluding edge
FALLBACK_WEIGHT = 0.02  # of views that were not chosen, where the chosen ones do not look


@njit
def _sample(picture: Any, x: float, y: float, out: Any) -> None:
    """Bilinear values of all channels; x, y count from the centre of the first pixel and lie inside the picture."""
    a, b = min(int(x), picture.shape[1] - 2), min(int(y), picture.shape[0] - 2)
    fx, fy = np.float32(x - a), np.float32(y - b)
    one = np.float32(1)
    w00, w01, w10, w11 = (one - fx) * (one - fy), fx * (one - fy), (one - fx) * fy, fx * fy
    for k in range(7):
        out[k] = w00 * picture[b, a, k] + w01 * picture[b, a + 1, k] + w10 * picture[b + 1, a, k]
        out[k] += w11 * picture[b + 1, a + 1, k]


@njit
def _look(
    px: float, py: float, pz: float, nx: float, ny: float, nz: float, eye: Any, p: Any, depth: Any,
    width: int, height: int, bias: float,
) -> tuple[float, float, float, float]:  # fmt: skip
    """Cosine of the view (0 = not seen), pixel from the first pixel's centre, trust by the depth map."""
    dx, dy, dz = eye[0] - px, eye[1] - py, eye[2] - pz
    length = math.sqrt(dx * dx + dy * dy + dz * dz)
    cosine = (dx * nx + dy * ny + dz * nz) / max(length, 1e-12)
    if cosine < LEAST_COSINE:
        return 0.0, 0.0, 0.0, 0.0
    z = p[2, 0] * px + p[2, 1] * py + p[2, 2] * pz + p[2, 3]
    if z <= 1e-9:
        return 0.0, 0.0, 0.0, 0.0
    x = (p[0, 0] * px + p[0, 1] * py + p[0, 2] * pz + p[0, 3]) / z
    y = (p[1, 0] * px + p[1, 1] * py + p[1, 2] * pz + p[1, 3]) / z
    if x < 0.5 or y < 0.5 or x > width - 0.5 or y > height - 0.5:
        return 0.0, 0.0, 0.0, 0.0
    rows, columns = depth.shape[0], depth.shape[1]
    column, row = min(int(x * columns / width), columns - 1), min(int(y * rows / height), rows - 1)
    if z > depth[row, column, 0] + bias / max(cosine, 0.2) and z > depth[row, column, 2] + bias:
        return 0.0, 0.0, 0.0, 0.0
    return cosine, x - 0.5, y - 0.5, 1.0 if z < depth[row, column, 1] + 4 * bias else EDGE_TRUST


@njit(parallel=True, cache=True)
def surroundings_kernel(depths: Any, out: Any) -> None:
    """out (N, H, W, 3): the depth, and the nearest and the farthest surface of the 3 x 3 pixels around (0 = none)."""
    rows, columns = depths.shape[1], depths.shape[2]
    for line in prange(depths.shape[0] * rows):
        v, y = line // rows, line % rows
        nearest, farthest = (
            np.empty(columns + 2, np.float32),
            np.empty(columns + 2, np.float32),
        )
        nearest[0] = nearest[-1] = np.inf
        farthest[0] = farthest[-1] = 0
        above, below = max(y - 1, 0), min(y + 1, rows - 1)  # first the three of each column, then three columns
        for x in range(columns):
            a, b, c = depths[v, above, x], depths[v, y, x], depths[v, below, x]
            nearest[x + 1] = min(a, b, c)
            none = np.float32(0)
            farthest[x + 1] = max(a if a < np.inf else none, b if b < np.inf else none, c if c < np.inf else none)
        for x in range(columns):
            out[v, y, x, 0] = depths[v, y, x]
            out[v, y, x, 1] = min(nearest[x], nearest[x + 1], nearest[x + 2])
            out[v, y, x, 2] = max(farthest[x], farthest[x + 1], farthest[x + 2])


@njit(parallel=True, cache=True)
def vertex_kernel(
    points: Any, normals: Any, pictures: Any, depths: Any, projections: Any, eyes: Any, bias: float, quality: Any,
    colors: Any,
) -> None:  # fmt: skip
    """quality (V, N): squared cosine times trust, 0 = not seen. colors (V, N, 3): low band of each view there."""
    height, width = pictures.shape[1], pictures.shape[2]
    for i in prange(points.shape[0]):
        sample = np.empty(7, np.float32)
        for v in range(pictures.shape[0]):
            cosine, x, y, trust = _look(
                points[i, 0], points[i, 1], points[i, 2], normals[i, 0], normals[i, 1], normals[i, 2], eyes[v],
                projections[v], depths[v], width, height, bias,
            )  # fmt: skip
            if cosine > 0:
                _sample(pictures[v], x, y, sample)
                quality[i, v] = cosine * cosine * trust * (min(max(sample[6], 0.0), 1.0) + 1e-3)
                for c in range(3):
                    colors[i, v, c] = sample[3 + c]


@njit(parallel=True, cache=True)
def texel_bake_kernel(
    texel_face: Any, texel_weights: Any, faces: Any, points: Any, normals: Any, filling: Any, broad_share: Any,
    sharp_share: Any, candidates: Any, pictures: Any, fine: Any, finer: int, depths: Any, projections: Any, eyes: Any,
    true_views: Any, bias: float, fill_confidence: float, rgb: Any, confidence: Any, truth: Any, total: Any,
) -> None:  # fmt: skip
    """Every texel of the charts: broad low band plus sharp high band, and the filling where little is seen.

    fine: a picture of view number `finer` with more pixels, same channels; -1 = none.
    broad_share, sharp_share (V, N): weights of the views around a vertex; candidates (V, N): who may see it at all.
    rgb (S, S, 3), confidence (S, S): best cosine times trust and share; truth (S, S): part of the sharp weight that
    true views have; total (S, S): sum of the broad weights.
    """
    views, height, width = pictures.shape[0], pictures.shape[1], pictures.shape[2]
    for row in prange(texel_face.shape[0]):
        n, p, fill, low, high = np.empty(3), np.empty(3), np.empty(3), np.empty(3), np.empty(3)
        sample = np.empty(7, np.float32)
        for column in range(texel_face.shape[1]):
            f = texel_face[row, column]
            if f < 0:
                continue
            a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
            wa, wb, wc = texel_weights[row, column, 0], texel_weights[row, column, 1], texel_weights[row, column, 2]
            for k in range(3):
                p[k] = wa * points[a, k] + wb * points[b, k] + wc * points[c, k]
                n[k] = wa * normals[a, k] + wb * normals[b, k] + wc * normals[c, k]
                fill[k] = wa * filling[a, k] + wb * filling[b, k] + wc * filling[c, k]
                low[k], high[k] = 0.0, 0.0
            length = max(math.sqrt(n[0] * n[0] + n[1] * n[1] + n[2] * n[2]), 1e-12)
            broad_sum, sharp_sum, true_sum, best = 0.0, 0.0, 0.0, 0.0
            for v in range(views):
                if not (candidates[a, v] or candidates[b, v] or candidates[c, v]):
                    continue
                cosine, x, y, trust = _look(
                    p[0], p[1], p[2], n[0] / length, n[1] / length, n[2] / length, eyes[v], projections[v], depths[v],
                    width, height, bias,
                )  # fmt: skip
                if cosine <= 0:
                    continue
                if v == finer:
                    x = min(max((x + 0.5) * fine.shape[1] / width - 0.5, 0.0), fine.shape[1] - 1.0)
                    y = min(max((y + 0.5) * fine.shape[0] / height - 0.5, 0.0), fine.shape[0] - 1.0)
                    _sample(fine, x, y, sample)
                else:
                    _sample(pictures[v], x, y, sample)
                trust *= min(max(sample[6], 0.0), 1.0) + 1e-3
                share = wa * broad_share[a, v] + wb * broad_share[b, v] + wc * broad_share[c, v]
                chosen = wa * sharp_share[a, v] + wb * sharp_share[b, v] + wc * sharp_share[c, v]
                broad = cosine * cosine * trust * share
                sharp = trust * (chosen + FALLBACK_WEIGHT * share * (cosine * cosine) ** 3)
                for k in range(3):
                    low[k] += broad * sample[3 + k]
                    high[k] += sharp * (sample[k] - sample[3 + k])
                broad_sum += broad
                sharp_sum += sharp
                true_sum += sharp if true_views[v] else 0.0
                best = max(best, cosine * trust * min(share, 1.0))
            known = broad_sum / (broad_sum + fill_confidence) if sharp_sum > 0 else 0.0
            for k in range(3):
                value = fill[k]
                if known > 0:
                    value = known * (low[k] / broad_sum + high[k] / sharp_sum) + (1 - known) * fill[k]
                rgb[row, column, k] = np.uint8(255 * min(max(value, 0.0), 1.0) + 0.5)
            confidence[row, column] = np.uint8(255 * min(best, 1.0) + 0.5)
            total[row, column] = broad_sum
            truth[row, column] = np.uint8(255 * true_sum / sharp_sum + 0.5) if sharp_sum > 0 else 0


@njit(cache=True)
def label_kernel(
    costs: Any, starts: Any, ends: Any, twins: Any, smoothness: float, sweeps: int, messages: Any, labels: Any
) -> None:
    """labels (V,): least sum of costs (V, N) and `smoothness` an edge between different labels, nearly: min-sum
    belief propagation, vertex after vertex. Edges of vertex i are starts[i] .. starts[i + 1]; twins: the same edge
    from the other side; messages (E, N): what arrives along each edge."""
    count = costs.shape[1]
    belief = np.empty(count)
    for _ in range(sweeps):
        for i in range(costs.shape[0]):
            for k in range(count):
                belief[k] = costs[i, k]
            for e in range(starts[i], starts[i + 1]):
                for k in range(count):
                    belief[k] += messages[e, k]
            least = 0
            for k in range(1, count):
                if belief[k] < belief[least]:
                    least = k
            labels[i] = least
            for e in range(starts[i], starts[i + 1]):
                floor = 1e30
                for k in range(count):
                    floor = min(floor, belief[k] - messages[e, k])
                for k in range(count):
                    messages[twins[e], k] = min(belief[k] - messages[e, k] - floor, smoothness)


@njit(cache=True)
def pull_kernel(values: Any, known: Any, out: Any, out_known: Any) -> None:
    """out[y, x]: mean of the known ones among the four `values` (H, W, C) that it covers; out_known: there is one."""
    rows, columns, channels = values.shape
    for y in range(out.shape[0]):
        for x in range(out.shape[1]):
            count = 0
            for b in range(2 * y, min(2 * y + 2, rows)):
                for a in range(2 * x, min(2 * x + 2, columns)):
                    if known[b, a]:
                        count += 1
                        for c in range(channels):
                            out[y, x, c] += values[b, a, c]
            if count > 0:
                out_known[y, x] = True
                for c in range(channels):
                    out[y, x, c] /= np.float32(count)


@njit(cache=True)
def push_kernel(above: Any, known: Any, values: Any) -> None:
    """values[y, x] = above[y // 2, x // 2] where it is not known."""
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            if not known[y, x]:
                for c in range(values.shape[2]):
                    values[y, x, c] = above[y // 2, x // 2, c]
