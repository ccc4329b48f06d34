"""Colours of a generated orbit, calibrated on the one view that is known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

RIDGE = 0.01  # variance of colour below which the map stays near the identity: chosen on held-out training orbits
FEWEST_PIXELS = 16


def color_map_from_pair(
    made: NDArray[np.float32], true: NDArray[np.float32], weights: NDArray[np.float32]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Affine colour map from the generated input view to the true one.

    Least squares over the pixels with a ridge that pulls the matrix towards the identity; means match exactly.
    Equal pictures give the identity.

    Args:
        made, true: (H, W, 3) in [0, 1]. weights: (H, W), 0 where a pixel does not count.

    Returns:
        A (3, 3) and b (3,): calibrated = A made + b.
    """
    total = float(weights.sum())
    if total < FEWEST_PIXELS:
        return np.eye(3), np.zeros(3)
    w = weights.astype(np.float64)[..., None] / total
    mean_made, mean_true = (made * w).sum((0, 1)), (true * w).sum((0, 1))
    off_made, off_true = made - mean_made, true - mean_true
    square = np.einsum("hwi,hwj->ij", off_made * w, off_made) + RIDGE * np.eye(3)
    cross = np.einsum("hwi,hwj->ij", off_true * w, off_made) + RIDGE * np.eye(3)
    matrix = cross @ np.linalg.inv(square)
    return matrix, mean_true - matrix @ mean_made


def calibrated_colors(
    rgb: NDArray[np.float32], alpha: NDArray[np.float32], true: NDArray[np.float32], true_alpha: NDArray[np.float32]
) -> NDArray[np.float32]:
    """(N, H, W, 3) colours after the map that takes view 0 to the true input view where both are solid.

    Args:
        rgb, alpha: (N, H, W, 3) and (N, H, W) generated views, view 0 first.
        true, true_alpha: (H, W, 3) and (H, W) the framed input.
    """
    weights = ((alpha[0] * true_alpha) > 0.5).astype(np.float32)
    matrix, shift = color_map_from_pair(rgb[0], true, weights)
    return np.clip(rgb @ matrix.T + shift, 0, 1).astype(np.float32)
