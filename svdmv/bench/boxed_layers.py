"""Layers of a network that are computed only in the box of each picture that its object reaches.

Far from the object every layer answers as it does to a picture of the background alone, which is computed once: what
lies outside the box is copied from there, borders and all. A picture without that background is its own box.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from svdmv.bench.metrics import Pixels

Boxes = NDArray[np.int64]  # (N, 4): first row, row behind the last, first column, column behind the last


class Layer(NamedTuple):
    """What a step answers. values: (N, H, W, C). boxes: outside them the values are those of the background."""

    values: Pixels
    boxes: Boxes


class Window(NamedTuple):
    """What one output sees: kernel x kernel inputs, from output * stride - padding on."""

    kernel: int
    stride: int = 1
    padding: int = 0

    def reached(self, boxes: Boxes, height: int, width: int) -> Boxes:
        """The outputs that see into the boxes, of (height, width) outputs; nothing sees into nothing."""
        first = (boxes[:, ::2] + self.padding - self.kernel) // self.stride + 1
        behind = -((-boxes[:, 1::2] - self.padding) // self.stride)
        limits = np.array([height, width])
        out = np.stack([first.clip(0, limits), behind.clip(0, limits)], 2).reshape(-1, 4)
        some = (boxes[:, 1] > boxes[:, 0]) & (out[:, 1] > out[:, 0]) & (out[:, 3] > out[:, 2])
        return out * some[:, None]

    def seen(self, first: int, behind: int, size: int) -> tuple[slice, tuple[int, int]]:
        """Along one axis: the inputs of some outputs, and how many are missing before and behind."""
        start, stop = first * self.stride - self.padding, (behind - 1) * self.stride - self.padding + self.kernel
        return slice(max(start, 0), min(stop, size)), (max(-start, 0), max(stop - size, 0))


def framed(count: int, shape: tuple[int, ...], frame: Pixels | None) -> Pixels:
    """(count, *shape) to be filled, already what the background gives where that is known."""
    out = np.empty((count, *shape), np.float32)
    if frame is not None:
        out[:] = frame
    return out


def in_boxes(
    x: Layer,
    window: Window,
    shape: tuple[int, int, int],
    answer: Callable[[Pixels, tuple[int, ...]], Tensor],
    frame: Pixels | None,
) -> Layer:
    """A step picture by picture, as answered to what the outputs in its box see.

    Args:
        shape: of the outputs, (H, W, C). answer: (1, h, w, C) and how many inputs are missing left, right, above and
            below -> (1, C, h, w). frame: what the background alone gives.
    """
    boxes = window.reached(x.boxes, *shape[:2])
    out = framed(len(boxes), shape, frame)
    for n, (top, bottom, left, right) in enumerate(boxes.tolist()):
        if bottom > top:
            rows, above = window.seen(top, bottom, x.values.shape[1])
            columns, beside = window.seen(left, right, x.values.shape[2])
            made = answer(x.values[n : n + 1, rows, columns], (*beside, *above))
            out[n, top:bottom, left:right] = made[0].permute(1, 2, 0).numpy()
    return Layer(out, boxes)
