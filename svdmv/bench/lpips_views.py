"""LPIPS of whole orbits: what several methods share is computed once.

The features of the true views are kept while the same array comes again; a predicted picture that is one of them, or
that comes more than once, is not computed a second time. Values equal those of the network called pair by pair.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from svdmv.bench.metrics import FloatArray, Pixels, ViewPair
from svdmv.diffusion.perceptual import TRUNKS, Lpips

PIXELS_AT_ONCE = 32 * 256 * 256
KEPT_BYTES = 10**9  # of features; larger orbits are compared in chunks and nothing is kept
KEPT_ARRAYS = 3  # one a background

Features = list[list[Tensor]]  # picture -> layer -> (C, h, w)


class LpipsOfViews:
    """LPIPS v0.1 with a trunk (alex, squeeze, vgg) and its file of weights. sha256: of that file."""

    def __init__(self, net: str, weights: Path) -> None:
        network = Lpips(net, weights)
        self.sha256 = network.sha256
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        taken = sum("*" in step for step in TRUNKS[net])
        self._heads = [network.get_buffer(f"lin{n}_weight").reshape(-1).double() for n in range(taken)]
        self._kept: list[tuple[Pixels, dict[bytes, int], Features]] = []

    @torch.inference_mode()
    def compute(self, pair: ViewPair) -> FloatArray:
        """(N,) distances."""
        table, true = self._truth(pair.truth)
        if not true:
            return self._pair_by_pair(pair)
        names = digests(pair.prediction)
        fresh = [name for name in dict.fromkeys(names) if name not in table]
        made = self._features(pair.prediction[[names.index(name) for name in fresh]])
        known = dict(zip(fresh, made, strict=True)) | {name: true[n] for name, n in table.items()}
        scores = [self._distance(known[name], true[n]) for n, name in enumerate(names)]
        return np.array(scores, np.float64)

    def _truth(self, pixels: Pixels) -> tuple[dict[bytes, int], Features]:
        """Digest -> row, and features a row; both empty where they would not fit."""
        for array, table, features in self._kept:
            if array is pixels:
                return table, features
        features = self._features(pixels[:1])
        size = sum(layer.nelement() * layer.element_size() for picture in features for layer in picture)
        if size * len(pixels) > KEPT_BYTES:
            return {}, []
        features = self._features(pixels)
        table = {name: n for n, name in enumerate(digests(pixels))}
        self._kept = [(pixels, table, features), *self._kept[: KEPT_ARRAYS - 1]]
        return table, features

    def _features(self, pixels: Pixels) -> Features:
        chunk = max(1, PIXELS_AT_ONCE // max(pixels[0].shape[0] * pixels[0].shape[1], 1)) if len(pixels) else 1
        out: Features = []
        for start in range(0, len(pixels), chunk):
            layers = self._network.features(network_input(pixels[start : start + chunk]))
            out += [list(picture) for picture in zip(*layers, strict=True)]
        return out

    def _distance(self, first: list[Tensor], second: list[Tensor]) -> float:
        total = 0.0
        for a, b, head in zip(first, second, self._heads, strict=True):
            if a is not b:
                squares = (a - b).square_().permute(1, 2, 0).flatten(0, 1)  # (places, C): as it lies in memory
                total += float(squares.mean(0).double() @ head)
        return total

    def _pair_by_pair(self, pair: ViewPair) -> FloatArray:
        chunk = max(1, PIXELS_AT_ONCE // 8 // max(pair.truth.shape[1] * pair.truth.shape[2], 1))
        parts = [
            self._network(*(network_input(side[start : start + chunk]) for side in (pair.prediction, pair.truth)))
            for start in range(0, len(pair.truth), chunk)
        ]
        scores: FloatArray = torch.cat(parts).double().numpy()
        return scores


def digests(pixels: Pixels) -> list[bytes]:
    """A name for the content of every picture."""
    return [hashlib.sha256(picture.tobytes()).digest() for picture in pixels]


def network_input(pixels: Pixels) -> Tensor:
    """(N, 3, H, W) in [-1, 1], channels last in memory, of (N, H, W, 3) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2) * 2 - 1
