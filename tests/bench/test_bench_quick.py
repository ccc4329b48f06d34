"""The fast paths of scoring against their plain definitions: SSIM, LPIPS of whole orbits, composites."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from skimage.metrics import structural_similarity

from svdmv.bench import lpips_views
from svdmv.bench.lpips_trunk import Trunk
from svdmv.bench.lpips_views import LpipsOfViews
from svdmv.bench.metrics import ViewPair, over_background
from svdmv.bench.network_metrics import network_input
from svdmv.bench.pixel_metrics import ssim_per_view
from svdmv.bench.tiled_convolution import TILES, minimal_filtering
from svdmv.diffusion.perceptual import Lpips

SIZE = 64


def pair_of(prediction: np.ndarray, truth: np.ndarray) -> ViewPair:
    return ViewPair(prediction, truth, None, np.ones(truth.shape[:3], bool))


def pictures(seed: int, count: int = 4) -> np.ndarray:
    """A patch of noise on white, its place other in every picture."""
    rng = np.random.default_rng(seed)
    out = np.ones((count, SIZE, SIZE, 3), np.float32)
    for n in range(count):
        top, left = rng.integers(0, 30, 2)
        out[n, top : top + 25, left : left + 30] = rng.integers(0, 256, (25, 30, 3)) / np.float32(255)
    return out


def slow_ssim(a: np.ndarray, b: np.ndarray) -> list[float]:
    return [
        structural_similarity(
            x.astype(float), y.astype(float), gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
            data_range=1, channel_axis=-1,
        )
        for x, y in zip(a, b, strict=True)
    ]  # fmt: skip


@pytest.mark.parametrize("shift", [0.0, 0.004, 0.5])
def test_ssim_where_most_of_the_picture_is_equal(shift: float) -> None:
    """Windows of equal pixels are counted as 1 and not computed: the mean is that of the whole picture."""
    truth = pictures(0)
    prediction = np.clip(pictures(1) - np.float32(shift) * (truth < 1), 0, 1).astype(np.float32)
    made = ssim_per_view(pair_of(prediction, truth))
    np.testing.assert_allclose(made, slow_ssim(prediction, truth), atol=2e-6)
    assert made.max() < 0.99


@pytest.mark.parametrize("place", [(0, 0), (63, 63), (5, 58), (31, 0)])
def test_ssim_of_one_wrong_pixel_anywhere(place: tuple[int, int]) -> None:
    truth = pictures(2, 1)
    prediction = truth.copy()
    prediction[0, place[0], place[1], 1] *= np.float32(0.25)
    np.testing.assert_allclose(ssim_per_view(pair_of(prediction, truth)), slow_ssim(prediction, truth), atol=2e-7)


def test_ssim_of_equal_pictures_is_exactly_one_and_of_tiny_ones_nothing() -> None:
    assert (ssim_per_view(pair_of(pictures(3), pictures(3))) == 1).all()
    small = np.zeros((1, 8, 8, 3), np.float32)
    assert math.isnan(ssim_per_view(pair_of(small, small))[0])


ALEX = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
VGG = {n: (12, 12 if n else 3, 3) for n in (0, 2, 5, 7, 10, 12, 14, 17, 19, 21, 24, 26, 28)}
SQUEEZE = {
    0: (16, 3, 3),
    **{
        f"{n}_{part}": shape
        for n in (3, 4, 6, 7, 9, 10, 11, 12)
        for part, shape in (("squeeze", (4, 16, 1)), ("expand1x1", (8, 4, 1)), ("expand3x3", (8, 4, 3)))
    },
}
TAKEN = {"alex": list(ALEX), "vgg": [2, 7, 14, 21, 28], "squeeze": [0, *[f"{n}_" for n in (4, 7, 9, 10, 11, 12)]]}


def written(folder: Path, net: str) -> Path:
    """A random trunk with heads, narrow but for AlexNet's: the arithmetic is the same with any weights."""
    g = torch.Generator().manual_seed(0)
    tensors = {}
    for index, (out, into, side) in {"alex": ALEX, "vgg": VGG, "squeeze": SQUEEZE}[net].items():
        name = f"features.{index}".replace("_", ".")
        tensors[f"{name}.weight"] = torch.randn(out, into, side, side, generator=g) * (2 / (into * side**2)) ** 0.5
        tensors[f"{name}.bias"] = torch.randn(out, generator=g) / 10
    for n, index in enumerate(TAKEN[net]):
        width = ALEX[index][0] if net == "alex" else 12 if net == "vgg" else 16
        tensors[f"lin{n}.weight"] = torch.rand(1, width, 1, 1, generator=g)
    path = folder / f"lpips_{net}_fp32.safetensors"
    save_file(tensors, path)
    return path


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("weights"), "alex")


def plain_lpips(path: Path, net: str, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """The whole pictures through the whole network, pair by pair."""
    with torch.inference_mode():
        made: np.ndarray = Lpips(net, path)(network_input(prediction), network_input(truth)).double().numpy()
    return made


def spots(height: int, width: int, background: float) -> np.ndarray:
    """Noise in the middle, at each border, in a corner, in one pixel, over everything, nowhere."""
    rng = np.random.default_rng(7)
    rows, columns = slice(height // 3, height // 2), slice(width // 3, width // 2)
    places = [
        (rows, columns), (slice(0, 9), columns), (slice(height - 3, height), columns), (rows, slice(0, 5)),
        (rows, slice(width - 1, width)), (slice(height - 9, height), slice(width - 7, width)),
        (slice(11, 12), slice(20, 21)), (slice(0, height), slice(0, width)), (slice(0, 0), slice(0, 0)),
    ]  # fmt: skip
    out = np.full((len(places), height, width, 3), background, np.float32)
    for picture, place in zip(out, places, strict=True):
        picture[place] = rng.random(picture[place].shape, np.float32)
    return out


@pytest.mark.parametrize("net", ["alex", "squeeze", "vgg"])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (75, 101)])
def test_lpips_in_boxes_and_tiles_is_that_of_whole_pictures(net: str, height: int, width: int, tmp_path: Path) -> None:
    """Whatever lies where, on any background, also one that only one side has; with one thread and with two."""
    path, threads = written(tmp_path, net), torch.get_num_threads()
    views = LpipsOfViews(net, path)
    truth = spots(height, width, 1.0)
    others = [np.roll(truth, 1, 0)[:, ::-1, ::-1].copy(), np.ones_like(truth), spots(height, width, 0.5)]
    for prediction in others:
        expected = plain_lpips(path, net, prediction, truth)
        for count in (1, 2):
            torch.set_num_threads(count)
            try:
                made = views.compute(pair_of(prediction, truth))
            finally:
                torch.set_num_threads(threads)
            np.testing.assert_allclose(made, expected, rtol=1e-5, atol=3e-7)
            assert torch.get_num_threads() == threads


def test_far_from_the_object_nothing_is_computed(weights: Path) -> None:
    """Outside the boxes stands what a blank picture gives, and the boxes are small."""
    views, truth = LpipsOfViews("alex", weights), np.ones((1, 160, 160, 3), np.float32)
    prediction = truth.copy()
    prediction[0, 70:80, 70:80] = 0.25
    layers = views._features(prediction, truth[0, 0, 0])[0]
    blank = views._features(truth, truth[0, 0, 0])[0]
    shares = []
    for layer, empty in zip(layers, blank, strict=True):
        top, bottom, left, right = layer.boxes[0]
        outside = np.ones(layer.values.shape[1:3], bool)
        outside[top:bottom, left:right] = False
        np.testing.assert_allclose(layer.values[0][outside], empty.values[0][outside], atol=1e-5)
        assert empty.boxes[0].tolist() == [0, 0, 0, 0]
        shares.append(1 - outside.mean())
    assert shares[0] < 0.1
    assert shares[1] < 0.3


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("points", TILES)
def test_minimal_filtering_is_filtering(kernel: int, points: int) -> None:
    """Toom and Cook's matrices: outputs of a filter that slides along a line."""
    rng = np.random.default_rng(points)
    line, taps = rng.standard_normal(points), rng.standard_normal(kernel)
    outputs, filters, inputs = minimal_filtering(kernel, points)
    made = outputs @ ((filters @ taps) * (inputs @ line))
    np.testing.assert_allclose(made, np.correlate(line, taps, "valid"), atol=1e-12)


@pytest.mark.parametrize("kept_bytes", [lpips_views.KEPT_BYTES, 0])
def test_lpips_of_views_is_that_of_pairs(weights: Path, monkeypatch: pytest.MonkeyPatch, kept_bytes: int) -> None:
    """Also where pictures come twice, are the truth's own in another order, or nothing may be kept."""
    monkeypatch.setattr(lpips_views, "KEPT_BYTES", kept_bytes)
    views = LpipsOfViews("alex", weights)
    truth = pictures(4)
    for prediction in (pictures(5), truth, truth[::-1].copy(), np.repeat(truth[:1], 4, 0), np.ones_like(truth)):
        made = views.compute(pair_of(prediction, truth))
        np.testing.assert_allclose(made, plain_lpips(weights, "alex", prediction, truth), rtol=1e-5, atol=3e-7)
        assert (made[[np.array_equal(p, t) for p, t in zip(prediction, truth, strict=True)]] == 0).all()


def test_the_truth_is_computed_once_for_all_methods(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views, counted = LpipsOfViews("alex", weights), []
    layers = Trunk.layers
    monkeypatch.setattr(Trunk, "layers", lambda self, x, color: counted.append(len(x)) or layers(self, x, color))
    truth = pictures(4)
    for prediction in (pictures(5), pictures(6), truth[::-1].copy(), np.repeat(truth[:1], 4, 0)):
        views.compute(pair_of(prediction, truth))
    assert sum(counted) == 4 + 4 + 4, "the truth, and the two unknown predictions"


@pytest.mark.parametrize(("background", "level"), [("white", 1.0), ("grey", 0.5), ("black", 0.0)])
def test_composites_are_the_formula_of_soft_alpha(background: str, level: float) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 4), np.uint8)
    alpha = rgba[..., 3:].astype(np.float32) / 255
    mixed = rgba[..., :3].astype(np.float32) * alpha + 255 * level * (1 - alpha)
    np.testing.assert_array_equal(
        over_background(rgba[..., :3], rgba[..., 3], background), (np.round(mixed) / 255).astype(np.float32)
    )
