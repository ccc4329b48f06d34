"""Changes of size, on premultiplied colour: box for whole divisors, Lanczos for others downwards, bicubic upwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def resized_rgba(rgba: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    """(N, size, size, 4) uint8 straight alpha from square (N, H, H, 4); unchanged when the size is right."""
    if rgba.shape[1] == size_px:
        return rgba
    filter_ = Image.Resampling.BOX if rgba.shape[1] % size_px == 0 else Image.Resampling.LANCZOS
    filter_ = Image.Resampling.BICUBIC if rgba.shape[1] < size_px else filter_
    out = np.empty((len(rgba), size_px, size_px, 4), np.uint8)
    for n, one in enumerate(rgba):
        alpha = one[..., 3:].astype(np.float32) / 255
        planes = np.concatenate([one[..., :3].astype(np.float32) * alpha, alpha * 255], -1)
        moved = np.stack(
            [np.asarray(Image.fromarray(planes[..., c]).resize((size_px, size_px), filter_)) for c in range(4)], -1
        )
        a = moved[..., 3:] / 255
        color = np.where(a > 1 / 512, moved[..., :3] / np.maximum(a, 1 / 512), 255)
        out[n] = np.concatenate([color, moved[..., 3:]], -1).round().clip(0, 255).astype(np.uint8)
    return out
