"""GrabCut: the background by colour models of inside and border, for pictures without a better means."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.core import require
from svdmv.subject.resampling import reduced, resized_mask
from svdmv.subject.segmentation import Segmentation

WORK_PX = 400
ROUNDS = 5
BORDER_SHARE = 0.03


def segment_by_grabcut(rgba: NDArray[np.uint8], weights: Path | None = None) -> Segmentation:
    """OpenCV's GrabCut (Rother et al. 2004), started from a frame of sure background along the picture's border.

    Args:
        rgba: (H, W, 4) uint8 sRGB; its alpha is not looked at.
        weights: unused; segmenters share one signature.

    Raises:
        MissingDependency: OpenCV is not installed.
    """
    cv2 = require("cv2", "grabcut", "background removal by GrabCut")
    small, _ = reduced(np.ascontiguousarray(rgba[..., :3]), WORK_PX)
    height, width = small.shape[:2]
    margin = max(round(BORDER_SHARE * min(height, width)), 1)
    trimap = np.full((height, width), cv2.GC_BGD, np.uint8)
    trimap[margin:-margin, margin:-margin] = cv2.GC_PR_FGD
    cv2.setRNGSeed(0)
    background_model, subject_model = np.zeros((1, 65)), np.zeros((1, 65))
    cv2.grabCut(
        np.ascontiguousarray(small[..., ::-1]), trimap, None, background_model, subject_model, ROUNDS,
        cv2.GC_INIT_WITH_MASK,
    )  # fmt: skip
    mask = np.isin(trimap, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.float32)
    return Segmentation(
        resized_mask(mask, rgba.shape[1], rgba.shape[0]),
        "grabcut",
        max(round(2 * max(rgba.shape[:2]) / max(height, width)), 2),
        ("background removed by GrabCut, which errs on busy pictures; a saliency network would be safer",),
    )
