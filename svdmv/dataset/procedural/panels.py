"""Drawing on the six sides of a rounded box."""

from __future__ import annotations

import numpy as np

from svdmv.dataset.procedural.forms import BOX_CELLS
from svdmv.dataset.procedural.paints import Canvas, hexed

GLASS = hexed("2a3a48")


def boxed(color: np.ndarray, size: int = 192) -> Canvas:
    """A canvas for the six sides of a rounded box."""
    return Canvas(color, size, size * 2 // 3, 1.5)


def on_side(
    canvas: Canvas, side: str, u0: float, v0: float, u1: float, v1: float, color: np.ndarray, corner: float = 0.02
) -> None:
    """A rectangle on one side of a box canvas, in that side's own 0 .. 1 coordinates."""
    c, r = BOX_CELLS[side]
    canvas.add(canvas.rectangle((c + u0) / 3, (r + v0) / 2, (c + u1) / 3, (r + v1) / 2, corner), color)


def windows(canvas: Canvas, v0: float, v1: float, count: int) -> None:
    """A wind screen, a rear window and `count` side windows."""
    on_side(canvas, "front", 0.08, v0, 0.92, v1, GLASS)
    on_side(canvas, "back", 0.1, v0, 0.9, v1, GLASS)
    for side in ("left", "right"):
        for k in range(count):
            on_side(canvas, side, 0.06 + 0.9 * k / count, v0, 0.9 * (k + 1) / count + 0.02, v1, GLASS)
