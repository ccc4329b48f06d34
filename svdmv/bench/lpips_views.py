"""LPIPS of whole orbits: what several methods share is computed once.

The features of the true views are kept while the same array comes again; a predicted picture that is one of them, or
that comes more than once, is not computed a second time. Values equal those of the network called pair by pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from svdmv.bench.metrics import FloatArray, Pixels, ViewPair
from svdmv.diffusion.perceptual import LEAST_LENGTH, SCALE, SHIFT, TRUNKS, Lpips

PIXELS_AT_ONCE = 32 * 256 * 256
KEPT_BYTES = 10**9  # of features; larger orbits are compared in chunks and nothing is kept
KEPT_ARRAYS = 3  # one a background
FACTORS = tuple(2 / scale for scale in SCALE)  # from [0, 1] to what the trunks were trained on
OFFSETS = tuple((-1 - shift) / scale for shift, scale in zip(SHIFT, SCALE, strict=True))

Features = list[list[Pixels]]  # picture -> layer -> (places, C)


class LpipsOfViews:
    """LPIPS v0.1 with a trunk (alex, squeeze, vgg) and its file of weights. sha256: of that file."""

    def __init__(self, net: str, weights: Path) -> None:
        network = Lpips(net, weights)
        self.sha256 = network.sha256
        self._network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        taken = sum("*" in step for step in TRUNKS[net])
        self._heads = [network.get_buffer(f"lin{n}_weight").reshape(-1).numpy() for n in range(taken)]
        self._kept: list[tuple[Pixels, Features]] = []

    @torch.inference_mode()
    def compute(self, pair: ViewPair) -> FloatArray:
        """(N,) distances."""
        true = self._truth(pair.truth)
        if not true:
            return self._in_chunks(pair)
        owners = first_equals([*pair.truth, *pair.prediction])
        count = len(true)
        fresh = [n for n, owner in enumerate(owners[count:]) if owner == count + n]
        made = dict(zip(fresh, self._features(pair.prediction[fresh]), strict=True))
        known = [true[owner] if owner < count else made[owner - count] for owner in owners]
        return self._distances(known[count:], known[:count])

    def _truth(self, pixels: Pixels) -> Features:
        """Features a picture; none where they would not fit."""
        for array, features in self._kept:
            if array is pixels:
                return features
        features = self._features(pixels[: chunk_of(pixels)])
        if features and sum(layer.nbytes for layer in features[0]) * len(pixels) > KEPT_BYTES:
            return []
        features += self._features(pixels[len(features) :])
        self._kept = [(pixels, features), *self._kept[: KEPT_ARRAYS - 1]]
        return features

    def _features(self, pixels: Pixels) -> Features:
        """Of any length; computed so many pictures at once."""
        out: Features = []
        for start in range(0, len(pixels), chunk_of(pixels)):
            layers = self._network.layers(network_pixels(pixels[start : start + chunk_of(pixels)]))
            arrays = [layer.permute(0, 2, 3, 1).contiguous().flatten(1, 2).numpy() for layer in layers]
            out += [list(picture) for picture in zip(*arrays, strict=True)]
        return out

    def _distances(self, first: Features, second: Features) -> FloatArray:
        from svdmv.bench._score_kernels import layer_distance

        scores = np.zeros(len(first))
        for n, (one, other) in enumerate(zip(first, second, strict=True)):
            if one is not other:
                layers = zip(one, other, self._heads, strict=True)
                scores[n] = sum(layer_distance(a, b, head, LEAST_LENGTH) for a, b, head in layers)
        return scores

    def _in_chunks(self, pair: ViewPair) -> FloatArray:
        """As pairs, nothing kept."""
        step = chunk_of(pair.truth)
        parts = [
            self._distances(*(self._features(side[start : start + step]) for side in (pair.prediction, pair.truth)))
            for start in range(0, len(pair.truth), step)
        ]
        return np.concatenate([np.zeros(0), *parts])


def first_equals(pictures: Sequence[Pixels]) -> list[int]:
    """For every picture the place of the first one that equals it, its own where none before it does."""
    alike: dict[bytes, list[int]] = {}
    owners = []
    for n, picture in enumerate(pictures):
        before = alike.setdefault(picture[::16, ::12].tobytes(), [])
        owners.append(next((m for m in before if np.array_equal(pictures[m], picture)), n))
        if owners[n] == n:
            before.append(n)
    return owners


def chunk_of(pixels: Pixels) -> int:
    """How many pictures are computed at once."""
    return max(1, PIXELS_AT_ONCE // max(int(pixels.shape[1]) * int(pixels.shape[2]), 1))


def network_pixels(pixels: Pixels) -> Tensor:
    """(N, 3, H, W), channels last in memory, shifted and scaled for the trunks, of (N, H, W, 3) in [0, 1]."""
    count, height, width, _ = pixels.shape
    factor, offset = (torch.tensor(values).repeat(width) for values in (FACTORS, OFFSETS))
    rows = torch.from_numpy(np.ascontiguousarray(pixels)).reshape(count * height, width * 3)
    return torch.addcmul(offset, rows, factor).reshape(count, height, width, 3).permute(0, 3, 1, 2)
