"""Does a prediction follow another convention? Turn, direction and size are searched and told, never applied."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from svdmv.bench.metrics import ViewPair, over_background
from svdmv.bench.pixel_metrics import masked_mean, psnr_from_mse, squared_errors
from svdmv.bench.resize import resized_rgba
from svdmv.core import ViewSet

SCALES = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4)
SIZE_PX = 64  # the search is done on small pictures
SUSPICIOUS_DB = 1.0


@dataclass(frozen=True)
class Alignment:
    """What would fit best. shift: views to turn the prediction by; flipped: its orbit runs the other way; scale: of its
    pictures in the plane. gain_db: object PSNR above that of the prediction as it is.
    """

    shift: int
    flipped: bool
    scale: float
    gain_db: float

    @property
    def suspicious(self) -> bool:
        """Whether another convention explains the truth better by a margin."""
        return self.gain_db > SUSPICIOUS_DB and (self.shift, self.flipped, self.scale) != (0, False, 1.0)

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self) | {"suspicious": self.suspicious}


def searched_alignment(prediction: ViewSet, truth: ViewSet, input_view: int = 0) -> Alignment:
    """Search over all turns in both directions at scale 1, then over scales for the best of them.

    Only for orbits of equal steps: a turn by one view means the same everywhere. The input view is left out.
    """
    predicted, true = (_small(v.rgba_u8()) for v in (prediction, truth))
    count = len(true)
    kept = np.arange(count) != input_view
    plain = _score(predicted, true, kept)
    best = (plain, 0, False)
    for flipped in (False, True):
        order = (2 * input_view - np.arange(count)) % count if flipped else np.arange(count)
        for shift in range(count):
            score = _score(np.roll(predicted[order], shift, 0), true, kept)
            if score > best[0] + 1e-9:
                best = (score, shift, flipped)
    order = (2 * input_view - np.arange(count)) % count if best[2] else np.arange(count)
    turned = np.roll(predicted[order], best[1], 0)
    scores = [best[0] if s == 1.0 else _score(_scaled(turned, s), true, kept) for s in SCALES]
    pick = int(np.argmax(scores))
    scale = SCALES[pick] if scores[pick] > best[0] + 1e-9 else 1.0
    return Alignment(best[1], best[2], scale, float(max(scores[pick], best[0]) - plain))


def _score(predicted: NDArray[np.uint8], true: NDArray[np.uint8], kept: NDArray[np.bool_]) -> float:
    """Mean object PSNR of the kept views, capped at 60 dB."""
    a, b = (over_background(rgba) for rgba in (predicted, true))
    pair = ViewPair(a, b, predicted[..., 3] >= 128, true[..., 3] >= 128)
    values = psnr_from_mse(np.maximum(masked_mean(squared_errors(pair), pair.either), 1e-6))[kept]
    return float(np.nanmean(values)) if np.isfinite(values).any() else 0.0


def _small(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return resized_rgba(rgba, SIZE_PX) if rgba.shape[1] > SIZE_PX else rgba


def _scaled(rgba: NDArray[np.uint8], scale: float) -> NDArray[np.uint8]:
    """Scaled about the centre, same frame; clear outside."""
    size = rgba.shape[1]
    half = size / 2 / scale
    box = (size / 2 - half, size / 2 - half, size / 2 + half, size / 2 + half)
    out = np.empty_like(rgba)
    for n, view in enumerate(rgba):
        image = Image.fromarray(view).transform(
            (size, size), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR, fillcolor=(255, 255, 255, 0)
        )
        out[n] = np.asarray(image)
    return out
