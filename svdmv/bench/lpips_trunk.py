"""Features of LPIPS' trunks with few multiplications: only in the object's box, and by tiles."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from svdmv.bench.boxed_layers import Layer, Window, in_boxes
from svdmv.bench.metrics import Pixels
from svdmv.bench.tiled_convolution import TiledConvolution, fewest_products
from svdmv.diffusion.perceptual import POOLING, SCALE, SHIFT, TRUNKS, Lpips

FACTORS = tuple(2 / scale for scale in SCALE)  # from [0, 1] to what the trunks were trained on
OFFSETS = tuple((-1 - shift) / scale for shift, scale in zip(SHIFT, SCALE, strict=True))
KEPT_FRAMES = 6  # sizes and colours


Part = TypeVar("Part")
Answer = TypeVar("Answer")


class Trunk:
    """The trunk of a network; its taken layers for pictures of any size."""

    def __init__(self, network: Lpips) -> None:
        self._network = network
        self._tiled: dict[tuple[str, int], TiledConvolution] = {}
        self._frames: dict[tuple[bytes, tuple[int, ...]], list[Pixels]] = {}

    def layers(self, pictures: Pixels, color: Pixels) -> list[list[Layer]]:
        """Picture by picture the taken layers, (1, H, W, C) each.

        Args:
            pictures: (N, H, W, 3) in [0, 1]. color: (3,) of their background, where they have one.
        """
        from svdmv.bench._tile_kernels import boxes_of

        frames = self._frames_of(pictures.shape[1:], color)
        threads = min(torch.get_num_threads(), len(pictures))

        @torch.inference_mode()
        def work(some: Pixels) -> list[list[Layer]]:
            taken = self._run(Layer(some, boxes_of(some, color)), iter(frames), [])
            return [[Layer(x.values[n : n + 1], x.boxes[n : n + 1]) for x in taken] for n in range(len(some))]

        parts = np.array_split(np.ascontiguousarray(pictures), max(threads, 1))
        return [picture for part in in_threads(work, parts, threads) for picture in part]

    def _frames_of(self, shape: tuple[int, ...], color: Pixels) -> list[Pixels]:
        """Every step's answer to a picture of the colour alone."""
        key = color.tobytes(), shape
        if key not in self._frames:
            while len(self._frames) >= KEPT_FRAMES:
                del self._frames[next(iter(self._frames))]
            blank = np.broadcast_to(color, (1, *shape)).astype(np.float32)
            frames: list[Pixels] = []
            self._run(Layer(blank, np.array([[0, shape[0], 0, shape[1]]])), None, frames)
            self._frames[key] = frames
        return self._frames[key]

    def _run(self, x: Layer, frames: Iterator[Pixels] | None, made: list[Pixels]) -> list[Layer]:
        """The taken steps; every step's answer to the first picture is added to made."""

        def applied(source: Layer, window: Window, work: Callable[[Layer, Window, Pixels | None], Layer]) -> Layer:
            out = work(source, window, None if frames is None else next(frames))
            made.append(out.values[0])
            return out

        taken = []
        for step in TRUNKS[self._network.net]:
            kind, rest = step[0], step[1:].rstrip("*")
            if kind == "p":
                kernel, stride, _ = POOLING[self._network.net]
                x = applied(x, Window(kernel, stride), self._pooled)
            elif kind == "c":
                index, stride, padding = map(int, rest.split(":"))
                x = applied(x, *self._convolution(f"features_{index}", stride, padding))
            else:
                squeezed = applied(x, *self._convolution(f"features_{rest}_squeeze"))
                wide = [
                    applied(squeezed, *self._convolution(f"features_{rest}_expand{k}x{k}", 1, k // 2)) for k in (1, 3)
                ]
                x = Layer(np.concatenate([part.values for part in wide], 3), wide[1].boxes)
            if step.endswith("*"):
                taken.append(x)
        return taken

    def _convolution(
        self, name: str, stride: int = 1, padding: int = 0
    ) -> tuple[Window, Callable[[Layer, Window, Pixels | None], Layer]]:
        """Its window, and what applies it, with ReLU."""
        weight, bias = (self._network.get_buffer(f"{name}_{part}") for part in ("weight", "bias"))
        window = Window(weight.shape[2], stride, padding)
        if window in (Window(3, 1, 1), Window(5, 1, 2)) and weight.shape[1] > 3:
            return window, partial(self._by_tiles, name)
        first = weight.shape[1] == 3

        def work(x: Layer, window: Window, frame: Pixels | None) -> Layer:
            height, width = ((size + 2 * padding - window.kernel) // stride + 1 for size in x.values.shape[1:3])

            def answer(cut: Pixels, missing: tuple[int, ...]) -> Tensor:
                seen = network_pixels(cut) if first else torch.from_numpy(cut).permute(0, 3, 1, 2)
                seen = functional.pad(seen, missing) if any(missing) else seen
                return functional.relu_(functional.conv2d(seen, weight, bias, stride))

            return in_boxes(x, window, (height, width, weight.shape[0]), answer, frame)

        return window, work

    def _by_tiles(self, name: str, x: Layer, window: Window, frame: Pixels | None) -> Layer:
        weight, bias = (self._network.get_buffer(f"{name}_{part}") for part in ("weight", "bias"))
        points = fewest_products(window.kernel, *x.values.shape[1:3])
        if (name, points) not in self._tiled:
            self._tiled[name, points] = TiledConvolution(weight, bias, points)
        return self._tiled[name, points](x, window, frame)

    def _pooled(self, x: Layer, window: Window, frame: Pixels | None) -> Layer:
        kernel, stride, ceil = POOLING[self._network.net]
        height, width = ((size - kernel + (stride - 1) * ceil) // stride + 1 for size in x.values.shape[1:3])

        def answer(cut: Pixels, missing: tuple[int, ...]) -> Tensor:
            return functional.max_pool2d(torch.from_numpy(cut).permute(0, 3, 1, 2), kernel, stride, ceil_mode=ceil)

        return in_boxes(x, window, (height, width, x.values.shape[3]), answer, frame)


def in_threads(work: Callable[[Part], Answer], parts: Sequence[Part], threads: int) -> list[Answer]:
    """Part by part in some threads, with one thread inside: threads of two libraries would wait for each other."""
    if threads <= 1:
        return [work(part) for part in parts]
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(work, parts))
    finally:
        torch.set_num_threads(before)


def network_pixels(pixels: Pixels) -> Tensor:
    """(N, 3, H, W), channels last in memory, shifted and scaled for the trunks, of (N, H, W, 3) in [0, 1]."""
    count, height, width, _ = pixels.shape
    factor, offset = (torch.tensor(values).repeat(width) for values in (FACTORS, OFFSETS))
    rows = torch.from_numpy(np.ascontiguousarray(pixels)).reshape(count * height, width * 3)
    return torch.addcmul(offset, rows, factor).reshape(count, height, width, 3).permute(0, 3, 1, 2)
