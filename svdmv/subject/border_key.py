"""The background by its colour: for pictures whose border is even, with numpy and scipy alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.subject.segmentation import BackgroundNotEven, Segmentation

LEAST_TOLERANCE = 10.0  # 8-bit levels; JPEG noise stays below
LARGEST_TOLERANCE = 30.0
EVEN_SHARE = 0.7  # so much of the border must follow the fitted colour; the rest may be a subject that is cut off


def segment_by_border_colour(rgba: NDArray[np.uint8], weights: Path | None = None) -> Segmentation:
    """Everything that differs from an even background, or is walled in by what differs.

    Args:
        rgba: (H, W, 4) uint8 sRGB; its alpha is not looked at.
        weights: unused; segmenters share one signature.

    Raises:
        BackgroundNotEven: too much of the border departs from one colour.
    """
    from scipy import ndimage

    found = distance_from_background(rgba[..., :3])
    if found is None:
        raise BackgroundNotEven(
            "The background has more than one colour",
            where="background removal by the border's colour",
            seen=f"less than {EVEN_SHARE:.0%} of the border near one colour",
            expected="a background of one colour, or a soft gradient",
            next_step='pip install "svdmv[grabcut]"   (or cut the object out and save it with transparency)',
        )
    distance, tolerance, border = found
    labels, _ = ndimage.label(distance < tolerance)
    touching = np.unique(labels[border])
    background = np.isin(labels, touching[touching > 0])
    return Segmentation(
        (~background).astype(np.float32),
        "border_key",
        2,
        ("background removed by the colour of the border; a saliency network would be safer",),
    )


def distance_from_background(
    rgb: NDArray[np.uint8],
) -> tuple[NDArray[np.float32], float, NDArray[np.bool_]] | None:
    """How far each pixel's colour is from an even background, None when the border has more than one colour.

    The background's colour is a plane over x and y fitted to the border without its outliers, so a soft studio gradient
    passes.

    Args:
        rgb: (H, W, 3) uint8 sRGB.

    Returns:
        (H, W) float32: largest difference in a channel, 8-bit levels; the tolerance that the border's own noise asks
        for; (H, W) bool: the border. Or None.
    """
    height, width = rgb.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    terms = np.stack([np.ones_like(x), x / width - 0.5, y / height - 0.5], -1)
    picture = rgb.astype(np.float32)
    margin = max(min(height, width) // 50, 1)
    border = np.ones((height, width), bool)
    border[margin:-margin, margin:-margin] = False

    usual = np.median(picture[border], 0)
    near = np.abs(picture[border] - usual).max(-1) < 2 * LARGEST_TOLERANCE
    if not near.any():
        return None
    coefficients = np.linalg.lstsq(terms[border][near], picture[border][near], rcond=None)[0]
    distance = np.abs(picture - terms @ coefficients).max(-1)
    spread = float(np.median(distance[border][near]))
    tolerance = float(np.clip(4 * spread, LEAST_TOLERANCE, LARGEST_TOLERANCE))
    if (distance[border] < tolerance).mean() < EVEN_SHARE:
        return None
    return distance.astype(np.float32), tolerance, border
