"""Alpha of views that a three-channel model draws on white."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

CLEAR = 0.03  # distance from white below which a pixel is background: decoded white is not exactly 1
SOLID = 0.12  # and above which it is surely object


def alpha_from_white(rgb: NDArray[np.float32]) -> NDArray[np.float32]:
    """(N, H, W) float32 alpha of (N, H, W, 3) pictures in [0, 1] on white.

    Background is what is nearly white AND connected to the border; white parts inside the object stay opaque. The edge
    is soft between the two thresholds.
    """
    from scipy import ndimage

    distance = 1 - rgb.min(-1)
    out = np.ones(distance.shape, np.float32)
    for view, (depth, alpha) in enumerate(zip(distance, out, strict=True)):
        labels, _ = ndimage.label(depth < SOLID)
        rim = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
        outside = np.isin(labels, rim[rim > 0])
        ramp = np.clip((depth - CLEAR) / (SOLID - CLEAR), 0, 1)
        out[view] = np.where(outside, ramp, alpha)
    return out


def unmixed_from_white(rgb: NDArray[np.float32], alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Straight colours (N, H, W, 3) of pictures seen over white: (c - (1 - a)) / a where a > 0, white elsewhere."""
    a = alpha[..., None]
    straight = (rgb - (1 - a)) / np.maximum(a, 1e-3)
    return np.where(a > 0.02, np.clip(straight, 0, 1), 1).astype(np.float32)
