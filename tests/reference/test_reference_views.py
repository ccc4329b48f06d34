"""The compiled pass over views against plain numpy."""

from __future__ import annotations

import numpy as np

from svdmv.dataset._view_kernels import count_kernel
from svdmv.dataset.rejects import RejectRules, require_good_views


def drawn_views() -> np.ndarray:
    """Five noisy views 9 x 14 with soft, hard and empty alpha."""
    rng = np.random.default_rng(5)
    views = rng.integers(0, 256, (5, 9, 14, 4)).astype(np.uint8)
    views[..., 3] = rng.choice([0, 1, 127, 128, 255], views.shape[:3])
    return views


def test_counts_are_those_of_plain_sums() -> None:
    views = drawn_views()
    counts = np.zeros((5, 8), np.int64)
    count_kernel(views, counts)
    for view, row in zip(views, counts, strict=True):
        alpha = view[..., 3]
        colours = view[alpha > 127][:, :3].astype(np.int64)
        edge = np.concatenate([alpha[0], alpha[-1], alpha[:, 0], alpha[:, -1]])
        assert row.tolist() == [len(colours), edge.max(), *colours.sum(0), *(colours**2).sum(0)]
    off = RejectRules(0.0, 1.0, 255, 0.0, 0.0, False)
    assert np.allclose(require_good_views(views, off), (views[..., 3] > 127).mean((1, 2)))
