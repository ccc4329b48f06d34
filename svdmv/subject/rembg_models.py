"""Background removal through rembg, for networks that it knows and whose files are already on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.core import require
from svdmv.subject.saliency import KNOWN_MODELS, model_file, rembg_homes
from svdmv.subject.segmentation import Segmentation

# best first; the networks with a non-commercial licence that rembg also knows are left out
REMBG_MODELS = ("birefnet-general", "birefnet-general-lite", *KNOWN_MODELS)


def segment_by_rembg(rgba: NDArray[np.uint8], weights: Path | None = None) -> Segmentation:
    """Segment with the best rembg model on disk.

    Args:
        rgba: (H, W, 4) uint8 sRGB; its alpha is not looked at.
        weights: unused: rembg reads its own folders only, and would download what is not in them.

    Raises:
        MissingDependency: rembg is not installed.
        CheckpointError: none of its model files is on disk; nothing is downloaded.
    """
    name = model_file(REMBG_MODELS, rembg_homes()).stem
    rembg = require("rembg", "matting", "background removal by rembg")
    mask = rembg.remove(
        Image.fromarray(np.ascontiguousarray(rgba[..., :3])), session=rembg.new_session(name), only_mask=True
    )
    soft = (np.asarray(mask.convert("L")) / 255).astype(np.float32)
    return Segmentation(soft, f"rembg {name}", max(round(max(rgba.shape[:2]) / 320), 2))
