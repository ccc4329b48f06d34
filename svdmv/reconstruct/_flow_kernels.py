"""Compiled loops of the picture alignment; imported on first use because numba is heavy."""

from __future__ import annotations

from typing import Any

from numba import njit


@njit(cache=True)
def equations_kernel(
    source: Any, slopes: Any, wanted: Any, weight: Any, dx: Any, dy: Any, soft: float, out: Any
) -> None:
    """out[y, x] = gxx, gxy, gyy, gx e, gy e of source(x + d) against wanted(x), channels summed with robust weights.

    source, wanted (H, W, C); slopes (H, W, C, 2) along x and y; weight, dx, dy (H, W).
    """
    height, width, channels = source.shape
    for y in range(height):
        for x in range(width):
            for q in range(5):
                out[y, x, q] = 0.0
            if weight[y, x] == 0:
                continue
            px = min(max(x + dx[y, x], 0.0), width - 1.001)
            py = min(max(y + dy[y, x], 0.0), height - 1.001)
            a, b = int(px), int(py)
            fx, fy = px - a, py - b
            w00, w01, w10, w11 = (1 - fx) * (1 - fy), fx * (1 - fy), (1 - fx) * fy, fx * fy
            for c in range(channels):
                value = (
                    w00 * source[b, a, c]
                    + w01 * source[b, a + 1, c]
                    + w10 * source[b + 1, a, c]
                    + w11 * source[b + 1, a + 1, c]
                )
                gx = (
                    w00 * slopes[b, a, c, 0]
                    + w01 * slopes[b, a + 1, c, 0]
                    + w10 * slopes[b + 1, a, c, 0]
                    + w11 * slopes[b + 1, a + 1, c, 0]
                )
                gy = (
                    w00 * slopes[b, a, c, 1]
                    + w01 * slopes[b, a + 1, c, 1]
                    + w10 * slopes[b + 1, a, c, 1]
                    + w11 * slopes[b + 1, a + 1, c, 1]
                )
                e = wanted[y, x, c] - value
                w = weight[y, x] / (abs(e) + soft)
                out[y, x, 0] += w * gx * gx
                out[y, x, 1] += w * gx * gy
                out[y, x, 2] += w * gy * gy
                out[y, x, 3] += w * gx * e
                out[y, x, 4] += w * gy * e
