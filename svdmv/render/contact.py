"""Contact sheets: several pictures on one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from svdmv.core import ViewSet

GAP_PX = 8


def enlarged(frames: NDArray[np.uint8], least_px: int) -> NDArray[np.uint8]:
    """(N, H, W, 3) pictures repeated by a whole factor until the shorter side has `least_px`; never shrunk."""
    factor = max(1, -(-least_px // min(frames.shape[1:3])))
    return frames.repeat(factor, 1).repeat(factor, 2)


def resized(picture: NDArray[np.uint8], side: int) -> NDArray[np.uint8]:
    """(side, side, 3): bicubic when enlarging, area-like when shrinking."""
    from PIL import Image

    return np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


def grid(pictures: Sequence[NDArray[np.uint8]], columns: int, side: int) -> NDArray[np.uint8]:
    """Square pictures in rows on white, `side` pixels each."""
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (side + GAP_PX) - GAP_PX, columns * (side + GAP_PX) - GAP_PX, 3), 255, np.uint8)
    for n, picture in enumerate(pictures):
        y, x = n // columns * (side + GAP_PX), n % columns * (side + GAP_PX)
        sheet[y : y + side, x : x + side] = resized(picture, side)
    return sheet


def preview_sheet(
    views: ViewSet,
    renders: Sequence[NDArray[np.uint8]],
    side: int = 160,
    detail: NDArray[np.uint8] | None = None,
    origins: Sequence[NDArray[np.uint8]] = (),
) -> NDArray[np.uint8]:
    """Input (large; from `detail` (D, D, 4) uint8 where it is given), 8 of the views, 4 renders of the mesh and, where
    given, 4 of its map of origins: one look tells whether it worked.
    """
    pictures = (views.on_background() * 255).round().astype(np.uint8)
    chosen = [pictures[round(k * len(pictures) / 8) % len(pictures)] for k in range(8)]
    given = pictures[0]
    if detail is not None:
        alpha = detail[..., 3:] / 255
        given = (detail[..., :3] * alpha + 255 * (1 - alpha)).round().astype(np.uint8)
    blocks = [grid([given], 1, 2 * side + GAP_PX), grid(chosen, 4, side), grid(renders, 2, side)]
    height = blocks[0].shape[0]
    gap = np.full((height, 3 * GAP_PX, 3), 255, np.uint8)
    line = gap.copy()
    line[:, GAP_PX + 2 : GAP_PX + 5] = 208
    if len(origins):
        blocks.append(grid(origins, 2, side))
    row = np.concatenate([blocks[0], *(part for block in blocks[1:] for part in (line, block))], 1)
    return np.pad(row, ((GAP_PX, GAP_PX), (GAP_PX, GAP_PX), (0, 0)), constant_values=255)
