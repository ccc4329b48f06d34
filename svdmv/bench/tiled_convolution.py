"""Convolutions of 3 x 3 and 5 x 5 with few multiplications: Winograd's minimal filtering, by tiles.

A tile of 8 x 8 inputs takes 64 multiplications a channel for 36 or 16 outputs instead of 324 or 400; the points of its
polynomials are those whose float32 error is small. Source: Lavin and Gray, "Fast algorithms for convolutional neural
networks", arXiv 1509.09308; points as in Barabasz et al., "Error analysis and improving the accuracy of Winograd
convolution for deep neural networks", arXiv 1803.10986.
"""

from __future__ import annotations

import math
import threading

import numpy as np
import torch
from numpy.polynomial import polynomial
from torch import Tensor

from svdmv.bench.boxed_layers import Boxes, Layer, Window, framed
from svdmv.bench.metrics import FloatArray, Pixels

POINTS = (0.0, 1.0, -1.0, 0.5, -2.0, 2.0, -0.5)  # the first of them, and infinity
TILES = (6, 7, 8)  # products along a side
TILES_AT_ONCE = 512


class TiledConvolution:
    """A 3 x 3 or 5 x 5 convolution of stride 1 that keeps the size, with ReLU.

    Args:
        weight: (O, C, K, K). bias: (O,). points: products along a side of a tile.
    """

    def __init__(self, weight: Tensor, bias: Tensor, points: int) -> None:
        outputs, filters, inputs = minimal_filtering(weight.shape[2], points)
        self._points, self._bias = points, bias.numpy()
        self._outputs, self._inputs = (eight_columns(matrix) for matrix in (outputs, inputs))
        transformed = np.einsum("ai,bj,ocij->abco", filters, filters, weight.double().numpy())
        self._filters = torch.from_numpy(transformed.reshape(points**2, weight.shape[1], -1).astype(np.float32))

    def __call__(self, x: Layer, window: Window, frame: Pixels | None) -> Layer:
        """Outside what the boxes reach the frame's values."""
        from svdmv.bench._tile_kernels import finished_tiles, transformed_tiles

        boxes = window.reached(x.boxes, *x.values.shape[1:3])
        products, into, outof = self._filters.shape
        out = framed(len(boxes), (*x.values.shape[1:3], outof), frame)
        tiles = tiles_of(boxes, len(self._outputs))
        for start in range(0, len(tiles), TILES_AT_ONCE):
            some = tiles[start : start + TILES_AT_ONCE]
            patches, made = (ROOM.shaped(n, products, len(some), channels) for n, channels in enumerate((into, outof)))
            transformed_tiles(x.values, some, window.padding, self._inputs, patches.numpy())
            torch.bmm(patches, self._filters, out=made)
            finished_tiles(made.numpy(), some, self._points, self._outputs, self._bias, out)
        return Layer(out, boxes)


def fewest_products(kernel: int, height: int, width: int) -> int:
    """Products along a side of a tile with which a map of outputs needs the fewest; of equal ones the smaller."""
    return min(
        TILES, key=lambda points: points**2 * math.prod(-(-size // (points + 1 - kernel)) for size in (height, width))
    )


def tiles_of(boxes: Boxes, side: int) -> Boxes:
    """(T, 3) picture, first row, first column of squares of outputs that cover the boxes."""
    counts = -(-(boxes[:, 1::2] - boxes[:, ::2]) // side)
    picture = np.repeat(np.arange(len(boxes)), counts.prod(1))
    place = np.arange(len(picture)) - np.repeat(np.cumsum(counts.prod(1)) - counts.prod(1), counts.prod(1))
    row, column = np.divmod(place, np.maximum(counts[picture, 1], 1))
    return np.stack([picture, boxes[picture, 0] + row * side, boxes[picture, 2] + column * side], 1)


class _Room(threading.local):
    """Memory of a thread to be written over: fresh pages cost more than what is computed in them."""

    def __init__(self) -> None:
        self.arrays: dict[int, Pixels] = {}

    def shaped(self, place: int, *shape: int) -> Tensor:
        size = math.prod(shape)
        if place not in self.arrays or self.arrays[place].size < size:
            self.arrays[place] = np.empty(size, np.float32)
        return torch.from_numpy(self.arrays[place][:size]).view(shape)


ROOM = _Room()


def minimal_filtering(kernel: int, points: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Matrices of m = points + 1 - kernel outputs: (m, P) of products, (P, kernel) of filters, (P, P) of inputs.

    Along one axis, outputs = first @ ((second @ filter) * (third @ inputs)): Toom and Cook's product.
    """
    finite = np.array(POINTS[: points - 1])

    def powers(count: int) -> FloatArray:
        return np.vstack([finite[:, None] ** np.arange(count), np.eye(count)[-1]])

    others = [np.delete(finite, n) for n in range(len(finite))]
    scale = np.array([*(np.prod(p - rest) for p, rest in zip(finite, others, strict=True)), 1.0])
    inputs = np.zeros((points, points))
    for n, rest in enumerate(others):
        inputs[n, :-1] = polynomial.polyfromroots(rest)
    inputs[-1] = polynomial.polyfromroots(finite)
    return powers(points + 1 - kernel).T, powers(kernel) / scale[:, None], inputs


def eight_columns(matrix: FloatArray) -> Pixels:
    """Float32, filled up with zeros: kernels have eight terms in every sum."""
    return np.pad(matrix, ((0, 0), (0, TILES[-1] - matrix.shape[1]))).astype(np.float32)
