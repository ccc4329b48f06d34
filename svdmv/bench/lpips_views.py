"""LPIPS of whole orbits: what several methods share is computed once.

The features of the true views are kept while the same array comes again; a predicted picture that is one of them, or
that comes more than once, is not computed a second time. Values are those of the network called pair by pair.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from svdmv.bench.boxed_layers import Layer
from svdmv.bench.lpips_trunk import Trunk, in_threads
from svdmv.bench.metrics import FloatArray, Pixels, ViewPair
from svdmv.diffusion.perceptual import LEAST_LENGTH, TRUNKS, Lpips

PIXELS_AT_ONCE = 32 * 256 * 256
KEPT_BYTES = 10**9  # of features; larger orbits are compared in chunks and nothing is kept
KEPT_COLORS = 3  # backgrounds, the last true views over each

Features = list[list[Layer]]  # picture -> layer, (1, H, W, C)


class LpipsOfViews:
    """LPIPS v0.1 with a trunk (alex, squeeze, vgg) and its file of weights. sha256: of that file."""

    def __init__(self, net: str, weights: Path) -> None:
        network = Lpips(net, weights)
        self.sha256 = network.sha256
        self._trunk = Trunk(network.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
        taken = sum("*" in step for step in TRUNKS[net])
        self._heads = [network.get_buffer(f"lin{n}_weight").reshape(-1).numpy() for n in range(taken)]
        self._kept: dict[bytes, tuple[Pixels, Features]] = {}

    @torch.inference_mode()
    def compute(self, pair: ViewPair) -> FloatArray:
        """(N,) distances."""
        if not len(pair.truth):
            return np.zeros(0)
        color = pair.truth[0, 0, 0]
        true = self._truth(pair.truth, color)
        if true:
            return self._against(true, pair.truth, pair.prediction, color)
        step = chunk_of(pair.truth)
        cuts = [slice(start, start + step) for start in range(0, len(pair.truth), step)]
        sides = [(pair.truth[cut], pair.prediction[cut]) for cut in cuts]
        return np.concatenate([self._against(self._features(a, color), a, b, color) for a, b in sides])

    def _truth(self, pixels: Pixels, color: Pixels) -> Features:
        """Features a picture; none where they would not fit."""
        kept = self._kept.pop(color.tobytes(), None)
        if kept is None or kept[0] is not pixels:
            kept = None  # before others are made: their memory is used again
            features = self._features(pixels[: chunk_of(pixels)], color)
            if sum(layer.values.nbytes for layer in features[0]) * len(pixels) > KEPT_BYTES:
                return []
            kept = pixels, features + self._features(pixels[len(features) :], color)
            while len(self._kept) >= KEPT_COLORS:
                del self._kept[next(iter(self._kept))]
        self._kept[color.tobytes()] = kept
        return kept[1]

    def _features(self, pixels: Pixels, color: Pixels) -> Features:
        """Of any number of pictures; computed so many at once."""
        step = chunk_of(pixels)
        parts = [self._trunk.layers(pixels[start : start + step], color) for start in range(0, len(pixels), step)]
        return [picture for part in parts for picture in part]

    def _against(self, true: Features, truth: Pixels, prediction: Pixels, color: Pixels) -> FloatArray:
        """(N,), of what the truth's features are known: only pictures that are new are computed."""
        owners = first_equals([*truth, *prediction])
        count = len(true)
        fresh = [n for n, owner in enumerate(owners[count:]) if owner == count + n]
        new = prediction if len(fresh) == len(prediction) else prediction[fresh]
        made = dict(zip(fresh, self._features(new, color), strict=True))
        known = [true[owner] if owner < count else made[owner - count] for owner in owners]
        return self._distances(known[count:], known[:count])

    def _distances(self, first: Features, second: Features) -> FloatArray:
        from svdmv.bench._score_kernels import feature_distance

        def apart(pair: tuple[list[Layer], list[Layer]]) -> float:
            one, other = pair
            score = 0.0
            for a, b, head in zip(one, other, self._heads, strict=True) if one is not other else ():
                boxes = np.concatenate([a.boxes, b.boxes])
                either = np.where([True, False, True, False], boxes.min(0), boxes.max(0))
                score += feature_distance(a.values[0], b.values[0], either, head, LEAST_LENGTH)
            return score

        pairs = list(zip(first, second, strict=True))
        return np.array(in_threads(apart, pairs, min(torch.get_num_threads(), len(pairs))))


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
