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
from svdmv.bench.lpips_views import LpipsOfViews
from svdmv.bench.metrics import ViewPair, over_background
from svdmv.bench.network_metrics import network_input
from svdmv.bench.pixel_metrics import ssim_per_view
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


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random AlexNet with heads: the arithmetic is the same with any weights."""
    g = torch.Generator().manual_seed(0)
    shapes = {0: (64, 3, 11), 3: (192, 64, 5), 6: (384, 192, 3), 8: (256, 384, 3), 10: (256, 256, 3)}
    tensors = {}
    for n, (index, (out, into, side)) in enumerate(shapes.items()):
        tensors[f"features.{index}.weight"] = torch.randn(out, into, side, side, generator=g) / (into * side**2) ** 0.5
        tensors[f"features.{index}.bias"] = torch.randn(out, generator=g) / 10
        tensors[f"lin{n}.weight"] = torch.rand(1, out, 1, 1, generator=g)
    path = tmp_path_factory.mktemp("weights") / "lpips_alex_fp32.safetensors"
    save_file(tensors, path)
    return path


@pytest.mark.parametrize("kept_bytes", [lpips_views.KEPT_BYTES, 0])
def test_lpips_of_views_is_that_of_pairs(weights: Path, monkeypatch: pytest.MonkeyPatch, kept_bytes: int) -> None:
    """Also where pictures come twice, are the truth's own in another order, or nothing may be kept."""
    monkeypatch.setattr(lpips_views, "KEPT_BYTES", kept_bytes)
    network, views = Lpips("alex", weights), LpipsOfViews("alex", weights)
    truth = pictures(4)
    for prediction in (pictures(5), truth, truth[::-1].copy(), np.repeat(truth[:1], 4, 0), np.ones_like(truth)):
        with torch.inference_mode():
            expected = network(network_input(prediction), network_input(truth))
        made = views.compute(pair_of(prediction, truth))
        np.testing.assert_allclose(made, expected.double().numpy(), rtol=1e-5, atol=1e-7)
        assert (made[[np.array_equal(p, t) for p, t in zip(prediction, truth, strict=True)]] == 0).all()


def test_the_truth_is_computed_once_for_all_methods(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    views, counted = LpipsOfViews("alex", weights), []
    layers = Lpips.layers
    monkeypatch.setattr(Lpips, "layers", lambda self, x: counted.append(len(x)) or layers(self, x))
    truth = pictures(4)
    for prediction in (pictures(5), pictures(6), truth[::-1].copy(), np.repeat(truth[:1], 4, 0)):
        views.compute(pair_of(prediction, truth))
    assert sum(counted) == 4 + 4 + 4, "the truth, and the two unknown predictions"


@pytest.mark.parametrize(("background", "level"), [("white", 1.0), ("grey", 0.5), ("black", 0.0)])
def test_composites_are_the_formula_of_soft_alpha(background: str, level: float) -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 4), np.uint8)
    alpha = rgba[..., 3:].astype(np.float32) / 255
    mixed = rgba[..., :3].astype(np.float32) * alpha + 255 * level * (1 - alpha)
    np.testing.assert_array_equal(over_background(rgba, background), (np.round(mixed) / 255).astype(np.float32))
