"""The background by its colour: for pictures whose border is even, with numpy and scipy alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.subject.segmentation import BackgroundNotEven, Segmentation

LEAST_TOLERANCE = 10.0  # 8-bit levels; JPEG noise stays below
LARGEST_TOLERANCE = 30.0
EVEN_SHARE = 0.85  # so much of the border must follow the fitted colour; the rest may be a subject that is cut off


def segment_by_border_colour(rgba: NDArray[np.uint8], weights: Path | None = None) -> Segmentation:
    """Everything that differs from the border's colour, or is walled in by what differs.

    The background's colour is a plane over x and y fitted to the border (two rounds, outliers dropped), so a soft
    studio gradient passes. Background is what lies within the tolerance and hangs together with the border.

    Args:
        rgba: (H, W, 4) uint8 sRGB; its alpha is not looked at.
        weights: unused; segmenters share one signature.

    Raises:
        BackgroundNotEven: too much of the border departs from the fitted colour.
    """
    from scipy import ndimage

    height, width = rgba.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    terms = np.stack([np.ones_like(x), x / width - 0.5, y / height - 0.5], -1)
    picture = rgba[..., :3].astype(np.float32)
    margin = max(min(height, width) // 50, 1)
    border = np.ones((height, width), bool)
    border[margin:-margin, margin:-margin] = False

    usual = np.median(picture[border], 0)
    near = np.abs(picture[border] - usual).max(-1) < 2 * LARGEST_TOLERANCE
    coefficients = np.linalg.lstsq(terms[border][near], picture[border][near], rcond=None)[0]
    distance = np.abs(picture - terms @ coefficients).max(-1)
    spread = float(np.median(distance[border][near]))
    tolerance = float(np.clip(4 * spread, LEAST_TOLERANCE, LARGEST_TOLERANCE))
    even = float((distance[border] < tolerance).mean())
    if even < EVEN_SHARE:
        raise BackgroundNotEven(
            "The background has more than one colour",
            where="background removal by the border's colour",
            seen=f"{even:.0%} of the border within {tolerance:.0f} levels of one colour",
            expected=f"at least {EVEN_SHARE:.0%}",
            next_step='pip install "svdmv[grabcut]"   (or cut the object out and save it with transparency)',
        )
    labels, _ = ndimage.label(distance < tolerance)
    touching = np.unique(labels[border])
    background = np.isin(labels, touching[touching > 0])
    return Segmentation(
        (~background).astype(np.float32),
        "border_key",
        2,
        ("background removed by the colour of the border; a saliency network would be safer",),
    )
