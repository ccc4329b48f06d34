"""Where each texel's colour comes from: seen in a true picture, drawn by a model, or filled in; and how surely.

The map is kept as a picture: green = seen, blue = generated, red = filled smoothly, yellow = filled by the mirrored
side, black = no surface. The brightness is the confidence.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, DataError

NOTHING, SEEN, GENERATED, FILLED, MIRRORED = range(5)
NAMES = ("nothing", "seen", "generated", "filled", "mirrored")
_COLORS = np.array([(0, 0, 0), (0, 1, 0), (0, 0, 1), (1, 0, 0), (1, 1, 0)], np.uint8)
_DARKEST = 75  # of 255: confidence 0


@dataclass(frozen=True, eq=False)
class OriginMap:
    """The origin of the texels of a texture.

    Attributes:
        kind: (S, S) uint8: 0 nothing, 1 seen, 2 generated, 3 filled, 4 mirrored (filled from the other side).
        confidence: (S, S) uint8: how squarely the best view looks and how well others agree, 255 = best.
    """

    kind: NDArray[np.uint8]
    confidence: NDArray[np.uint8]

    def shares(self, areas: NDArray[np.floating]) -> dict[str, float]:
        """Parts of the surface that are seen, generated and filled (mirrored too), and the mean confidence.

        Args:
            areas: (S, S) surface that each texel stands for; 0 where none.
        """
        whole = max(float(areas.sum()), 1e-30)
        heaps = np.bincount(self.kind.ravel(), areas.ravel(), minlength=len(NAMES)) / whole
        sure = float((areas * self.confidence).sum() / whole / 255)
        return {
            "seen": round(float(heaps[SEEN]), 4),
            "generated": round(float(heaps[GENERATED]), 4),
            "filled": round(float(heaps[FILLED] + heaps[MIRRORED]), 4),
            "of_filled_mirrored": round(float(heaps[MIRRORED] / max(heaps[FILLED] + heaps[MIRRORED], 1e-30)), 4),
            "mean_confidence": round(sure, 4),
        }


def picture_from_origin(origin: OriginMap) -> NDArray[np.uint8]:
    """(S, S, 3) uint8: the colours above; every step of confidence that the picture can hold is kept."""
    bright = _DARKEST + np.round(origin.confidence * ((255 - _DARKEST) / 255)).astype(np.uint8)
    picture: NDArray[np.uint8] = _COLORS[origin.kind] * bright[..., None]
    return picture


def origin_from_picture(picture: NDArray[np.uint8]) -> OriginMap:
    """The inverse of `picture_from_origin`; confidence comes back to within 1 of 255.

    Raises:
        DataError: a colour that the map does not know.
    """
    on = picture > 0
    code = on[..., 0] + 2 * on[..., 1] + 4 * on[..., 2]
    kinds = np.full(8, 255, np.uint8)
    kinds[[0, 2, 4, 1, 3]] = (NOTHING, SEEN, GENERATED, FILLED, MIRRORED)
    kind = kinds[code]
    bright = picture.max(-1)
    if (kind == 255).any() or (bright[kind != NOTHING] < _DARKEST).any():
        raise DataError(
            "This is no map of origins", where="origin_from_picture", seen="other colours", expected="green, blue, red"
        )
    sure = np.round((bright.astype(np.float32) - _DARKEST) * (255 / (255 - _DARKEST)))
    return OriginMap(kind, np.where(kind == NOTHING, 0, sure).astype(np.uint8))


def with_base_color(asset: Asset, pixels: NDArray[np.uint8]) -> Asset:
    """The asset with another base colour picture, (H, W, 4) uint8, on its first material."""
    first = replace(asset.materials[0], base_color_srgb=pixels)
    return replace(asset, materials=(first, *asset.materials[1:]))
