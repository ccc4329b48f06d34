"""What a soft mask says about the subject: is there one, where, how many parts, does the frame cut it off."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

EDGE_ALPHA = 0.25  # a pixel belongs to the box from this alpha on
Box = tuple[float, float, float, float]


def soft_box(alpha: NDArray[np.float32]) -> Box | None:
    """The box around everything of at least EDGE_ALPHA, with edges placed between pixels.

    Args:
        alpha: (H, W) float32 in [0, 1].

    Returns:
        (left, top, right, bottom) in pixels, None when nothing reaches EDGE_ALPHA. A hard edge gives whole numbers.
    """
    columns, rows = alpha.max(0), alpha.max(1)
    if not (columns >= EDGE_ALPHA).any():
        return None
    (left, right), (top, bottom) = _crossings(columns), _crossings(rows)
    return left, top, right, bottom


def _crossings(profile: NDArray[np.float32]) -> tuple[float, float]:
    """First and last pixel of at least EDGE_ALPHA, each shortened by the share that the subject leaves free there."""
    inside = np.flatnonzero(profile >= EDGE_ALPHA)
    first, last = int(inside[0]), int(inside[-1])
    return first + _share_free(profile, first, -1), last + 1 - _share_free(profile, last, 1)


def _share_free(profile: NDArray[np.float32], index: int, outward: int) -> float:
    """0 for a full border pixel; for a soft one, what its own coverage and its outer neighbour's leave of it."""
    outer = index + outward
    beyond = float(profile[outer]) if 0 <= outer < len(profile) else 0.0
    return 1.0 - min(float(profile[index]) + beyond, 1.0)


def without_specks(alpha: NDArray[np.float32], smallest_share: float) -> tuple[NDArray[np.float32], int, int]:
    """Take away the parts that are small beside the largest one.

    Args:
        alpha: (H, W) float32 in [0, 1].
        smallest_share: parts (8-connected, alpha >= EDGE_ALPHA) with less than this share of the largest part's
            coverage are removed, with the soft rim around them.

    Returns:
        the cleaned alpha, the number of parts kept, the number removed.
    """
    from scipy import ndimage

    labels, count = ndimage.label(alpha >= EDGE_ALPHA, structure=np.ones((3, 3), bool))
    if count == 0:
        return alpha, 0, 0
    weights = np.bincount(labels.ravel(), weights=alpha.ravel(), minlength=count + 1)
    kept = weights >= smallest_share * weights[1:].max()
    kept[0] = False
    num_kept = int(kept.sum())
    if num_kept == count:
        return alpha, num_kept, 0
    owner = labels
    rim = (labels == 0) & (alpha > 0)
    if rim.any():
        nearest = ndimage.distance_transform_edt(labels == 0, return_distances=False, return_indices=True)
        owner = labels[tuple(nearest)]
    return np.where(kept[owner], alpha, np.float32(0)), num_kept, count - num_kept


def sides_cut_off(alpha: NDArray[np.float32]) -> tuple[str, ...]:
    """The sides of the picture that the subject runs through: more than a touch of it lies on the outermost pixels.

    A subject trimmed exactly to its own box touches all four sides with little of itself; a cut-off one lies on the
    border with a flat stretch. Counted as cut off: at least 4 % of the side's length, and 3 pixels.
    """
    lines = {"left": alpha[:, 0], "right": alpha[:, -1], "top": alpha[0], "bottom": alpha[-1]}
    return tuple(name for name, line in lines.items() if (line >= 0.5).sum() >= max(3, 0.04 * len(line)))
