"""Where each place of one picture lies in another: a similarity, then a smooth flow on a coarse grid.

Gauss-Newton on blurred pictures with robust weights. Source of the idea: B. Lucas, T. Kanade, An iterative image
registration technique, IJCAI 1981.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]
Float64Array = NDArray[np.float64]

BLURS_PX = (3.0, 1.2)  # first and second half of the rounds
SIMILARITY_ROUNDS, FLOW_ROUNDS = 8, 10
GRID = 8
SOFT = 0.05  # colour differences beyond this count less and less
STIFFNESS = 0.05
MAX_STEP_PX = 1.5


def displacement(source: Float32Array, wanted: Float32Array, weight: Float32Array) -> Float32Array:
    """(H, W, 2) float32: d with source(x + d) ~ wanted(x), in pixels; x first.

    Args:
        source, wanted: (H, W, C), colours multiplied by cover, cover last.
        weight: (H, W), 0 where nothing is to be compared.
    """
    levels = [_prepared(source, wanted, sigma) for sigma in BLURS_PX]
    height, width = weight.shape
    d = np.zeros((height, width, 2), np.float32)
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    u, v = (x - width / 2) / width, (y - height / 2) / height
    basis = np.stack([[np.ones_like(u), 0 * u], [0 * u, np.ones_like(u)], [u, v], [-v, u]])
    p = np.zeros(4)
    for k in range(SIMILARITY_ROUNDS):
        sums = _equations(levels[k >= SIMILARITY_ROUNDS // 2], weight, d)
        bx, by = basis[:, 0].reshape(4, -1), basis[:, 1].reshape(4, -1)
        xx, xy, yy, xe, ye = sums.reshape(-1, 5).T
        system = (bx * xx) @ bx.T + (bx * xy) @ by.T + (by * xy) @ bx.T + (by * yy) @ by.T
        right = bx @ xe + by @ ye
        p += np.linalg.solve(system + (1e-6 * np.trace(system) + 1e-9) * np.eye(4), right)
        d = np.tensordot(p, basis, 1).transpose(1, 2, 0).astype(np.float32)
    similar = d
    rows, columns = _hats(height), _hats(width)
    knots = np.zeros((2, GRID, GRID))
    for k in range(FLOW_ROUNDS):
        sums = _equations(levels[k >= FLOW_ROUNDS // 2], weight, d)
        xx, xy, yy, xe, ye = (rows.T @ sums[..., q] @ columns for q in range(5))
        damping = STIFFNESS * (xx.mean() + yy.mean()) / 2 + 1e-9
        a, b = xx + damping, yy + damping
        determinant = a * b - xy * xy
        step = np.stack([b * xe - xy * ye, a * ye - xy * xe]) / determinant
        knots = _elastic(knots + 0.8 * np.clip(step, -MAX_STEP_PX, MAX_STEP_PX))
        flow = np.stack([rows @ knots[q] @ columns.T for q in range(2)], -1)
        d = (similar + flow).astype(np.float32)
    return d


def _elastic(knots: Float64Array) -> Float64Array:
    from scipy.ndimage import gaussian_filter

    smooth: Float64Array = gaussian_filter(knots, (0, 0.6, 0.6), mode="nearest")
    return smooth


def _hats(count: int) -> Float64Array:
    """(count, GRID): how much each knot says at each pixel, linear between knots."""
    place = np.linspace(0, GRID - 1, count)
    hats: Float64Array = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(GRID)))
    return hats


def _prepared(
    source: Float32Array, wanted: Float32Array, sigma: float
) -> tuple[Float32Array, Float32Array, Float32Array]:
    from scipy.ndimage import gaussian_filter

    blurred, goal = (gaussian_filter(a, (sigma, sigma, 0)).astype(np.float32) for a in (source, wanted))
    slope_y, slope_x = np.gradient(blurred, axis=(0, 1))
    return blurred, np.stack([slope_x, slope_y], -1).astype(np.float32), goal


def _equations(
    level: tuple[Float32Array, Float32Array, Float32Array], weight: Float32Array, d: Float32Array
) -> Float64Array:
    from svdmv.reconstruct._flow_kernels import equations_kernel

    source, slopes, wanted = level
    out = np.empty((*weight.shape, 5))
    equations_kernel(
        source, slopes, wanted, weight, np.ascontiguousarray(d[..., 0]), np.ascontiguousarray(d[..., 1]), SOFT, out
    )
    return out
