"""Which view colours which part of the surface: votes of the views, exposure, agreement, and a choice without ghosts.

Where views disagree, a mean of all shows each detail twice. So the fine detail of a place comes from one view, chosen
for large patches at once; only the coarse colours are mixed from all.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float32Array = NDArray[np.float32]

GAIN_ROUNDS = 4
GAIN_LIMITS = (0.6, 1.6)
GAIN_PRIOR = 0.02  # of the vertices seen: pulls gains toward 1
AGREEMENT_SCALE = 0.12  # colour distance, of 1, at which a view's vote counts half
UNSEEN_COST = 6.0
LARGEST_COST = 4.0
SMOOTHNESS = 0.7
SWEEPS = 8
FEATHER_ROUNDS = 2


def exposure_gains(
    quality: Float32Array, colors: Float32Array, weights: NDArray[np.floating], anchors: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """(N, 3) factors that bring the views to one exposure, channel by channel; 1 for anchors.

    Least squares of each view against the weighted mean of all over the vertices that both see, alternating.

    Args:
        quality: (V, N), 0 = not seen. colors: (V, N, 3) in [0, 1]. weights: (N,).
        anchors: (N,) views that are true and stay; without any the mean gain is 1.
    """
    trust = (quality * np.asarray(weights, np.float32)).astype(np.float64)
    gains = np.ones((quality.shape[1], 3))
    wide = colors.astype(np.float64)
    several = ((quality > 0).sum(1) > 1)[:, None] * trust
    for _ in range(GAIN_ROUNDS):
        mean = np.einsum("vn,vnc->vc", trust, wide * gains) / np.maximum(trust.sum(1), 1e-12)[:, None]
        cross = np.einsum("vn,vnc,vc->nc", several, wide, mean)
        square = np.einsum("vn,vnc,vnc->nc", several, wide, wide)
        prior = GAIN_PRIOR * max(float(several.sum()) / len(gains), 1e-9) * 0.25
        gains = np.clip((cross + prior) / (square + prior), *GAIN_LIMITS)
        if anchors.any():
            gains[anchors] = 1.0
        else:
            gains /= gains.mean(0)
    return gains


def agreement(quality: Float32Array, colors: Float32Array, weights: NDArray[np.floating]) -> Float32Array:
    """(V, N) in (0, 1]: how near each view's colour is to what most of them, by weight, show at a vertex."""
    trust = quality * np.asarray(weights, np.float32)
    order = np.argsort(np.where(trust[..., None] > 0, colors, np.inf), axis=1, kind="stable")
    sorted_colors = np.take_along_axis(colors, order, 1)
    heaped = np.cumsum(np.take_along_axis(np.broadcast_to(trust[..., None], colors.shape), order, 1), 1)
    middle = (heaped >= 0.5 * heaped[:, -1:]).argmax(1)
    median = np.take_along_axis(sorted_colors, middle[:, None], 1)
    distance2 = ((colors - median) ** 2).sum(-1)
    out: Float32Array = (1 / (1 + distance2 / AGREEMENT_SCALE**2)).astype(np.float32)
    return out


def chosen_shares(votes: Float32Array, faces: NDArray[np.integer]) -> Float32Array:
    """(V, N) rows that sum to 1: the view chosen for each vertex, feathered over the borders of the patches.

    Potts model over the edges of the mesh, solved by min-sum belief propagation, as for photo mosaics and textured
    scans (V. Lempitsky, D. Ivanov, Seamless Mosaicing of Image-Based Texture Maps, 2007).

    Args:
        votes: (V, N) quality times weight of each view, 0 = not seen. faces: (F, 3).
    """
    from scipy.sparse import diags

    from svdmv.asset._bake_kernels import label_kernel

    best = votes.max(1, keepdims=True)
    costs = np.minimum(-np.log(np.maximum(votes, 1e-9) / np.maximum(best, 1e-9)), LARGEST_COST)
    costs = np.where(votes > 0, costs, UNSEEN_COST) * (best > 0)
    links = vertex_links(len(votes), faces)
    rows = np.repeat(np.arange(len(votes)), np.diff(links.indptr))
    twins = np.lexsort((rows, links.indices)).astype(np.int64)  # edges are sorted by (row, column), these by the twin's
    labels = np.zeros(len(votes), np.int32)
    messages = np.zeros((len(rows), votes.shape[1]), np.float32)
    label_kernel(costs.astype(np.float32), links.indptr, links.indices, twins, SMOOTHNESS, SWEEPS, messages, labels)
    shares = np.zeros(votes.shape, np.float32)
    shares[np.arange(len(votes)), labels] = 1
    degree = np.asarray(links.sum(1)).ravel()
    mean = diags(1 / np.maximum(degree, 1)) @ links
    for _ in range(FEATHER_ROUNDS):
        shares = np.where(degree[:, None] > 0, 0.5 * (shares + mean @ shares), shares).astype(np.float32)
    return shares


def vertex_links(num_vertices: int, faces: NDArray[np.integer]):  # type: ignore[no-untyped-def]  # scipy has no types
    """(V, V) symmetric csr_matrix of ones: which vertices share an edge; columns sorted."""
    from scipy.sparse import coo_matrix

    start = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2]])
    end = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0]])
    keep = start != end
    links = coo_matrix((np.ones(int(keep.sum())), (start[keep], end[keep])), (num_vertices, num_vertices)).tocsr()
    links = ((links + links.T) > 0).astype(np.float64)
    links.sort_indices()
    return links
