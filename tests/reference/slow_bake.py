"""The slow definition of two-band blending: one point after the other, in plain Python."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Camera
from svdmv.geometry.raster import sampled_bilinear


def blended(
    points: NDArray[np.float64],
    normals: NDArray[np.float64],
    pictures: NDArray[np.float32],
    depths: NDArray[np.float32],
    cameras: Sequence[Camera],
    broad_share: NDArray[np.float64],
    sharp_share: NDArray[np.float64],
    bias: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Colours (M, 3) and sums of the broad weights (M,); cameras have the size of the pictures, shares are (M, N)."""
    height, width = pictures.shape[1:3]
    rows, columns = depths.shape[1:]
    colors, confidence = np.zeros((len(points), 3)), np.zeros(len(points))
    for i, (point, normal) in enumerate(zip(points, normals, strict=True)):
        broad, sharp, low, high = 0.0, 0.0, np.zeros(3), np.zeros(3)
        for v, camera in enumerate(cameras):
            toward = camera.position - point
            cosine = float(toward @ normal) / float(np.linalg.norm(toward))
            (pixel,), (depth,) = camera.project(point[None])
            inside = (pixel >= 0.5).all() and pixel[0] <= width - 0.5 and pixel[1] <= height - 0.5
            if cosine < 0.05 or depth <= 0 or not inside:
                continue
            column = min(int(pixel[0] * columns / width), columns - 1)
            row = min(int(pixel[1] * rows / height), rows - 1)
            around = depths[v][max(row - 1, 0) : row + 2, max(column - 1, 0) : column + 2]
            hits = around[np.isfinite(around)]
            far = float(hits.max()) if len(hits) else 0.0
            near = float(hits.min()) if len(hits) else math.inf
            if depth > depths[v, row, column] + bias / max(cosine, 0.2) and depth > far + bias:
                continue
            sample = sampled_bilinear(pictures[v], pixel[None])[0].astype(np.float64)
            trust = (1.0 if depth < near + 4 * bias else 0.05) * (min(max(sample[6], 0.0), 1.0) + 1e-3)
            wide = cosine**2 * trust * broad_share[i, v]
            fine = trust * (sharp_share[i, v] + 0.02 * broad_share[i, v] * cosine**6)
            low += wide * sample[3:6]
            high += fine * (sample[:3] - sample[3:6])
            broad += wide
            sharp += fine
        if broad > 0:
            colors[i] = low / broad + high / sharp
        confidence[i] = broad
    return colors, confidence


def cheapest_labels(costs: NDArray[np.float64], edges: NDArray[np.int64], smoothness: float) -> NDArray[np.int64]:
    """The labels of least cost by trying all: costs (V, N), edges (E, 2); `smoothness` an edge with two labels."""
    count, kinds = costs.shape
    trials = np.stack(np.meshgrid(*[np.arange(kinds)] * count, indexing="ij"), -1).reshape(-1, count)
    sums = costs[np.arange(count), trials].sum(1) + smoothness * (trials[:, edges[:, 0]] != trials[:, edges[:, 1]]).sum(
        1
    )
    best: NDArray[np.int64] = trials[sums.argmin()]
    return best
