"""Smoothing that does not shrink."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def taubin_smoothed(
    vertices: NDArray[np.floating],
    faces: NDArray[np.integer],
    *,
    rounds: int = 10,
    shrink: float = 0.5,
    grow: float = 0.53,
) -> NDArray[np.float64]:
    """(V, 3) float64 positions after `rounds` pairs of a shrinking and a growing Laplacian step.

    Source: G. Taubin, A signal processing approach to fair surface design, SIGGRAPH 1995.
    """
    from scipy.sparse import coo_matrix, diags

    count = len(vertices)
    start = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    end = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    links = coo_matrix((np.ones(len(start)), (start, end)), (count, count)).tocsr()
    links = ((links + links.T) > 0).astype(np.float64)
    degree = np.asarray(links.sum(1)).ravel()
    mean = diags(1 / np.maximum(degree, 1)) @ links
    alone = degree == 0
    points = np.asarray(vertices, np.float64).copy()
    for _ in range(rounds):
        for amount in (shrink, -grow):
            move = mean @ points - points
            move[alone] = 0
            points += amount * move
    return points
