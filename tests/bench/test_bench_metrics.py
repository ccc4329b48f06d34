"""Metrics against independent implementations, known answers, and the pitfalls of public scorers."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from svdmv.bench.lpips_views import LpipsOfViews
from svdmv.bench.metrics import METRICS, Metric, ViewPair, checked_scores, metric_from_name, view_pair
from svdmv.bench.network_metrics import clip_s
from svdmv.bench.pixel_metrics import iou, mse, psnr, psnr_object, ssim
from svdmv.bench.scoring import mean_of_views, pooled_psnr
from svdmv.bench.validate import validation_rows
from svdmv.core import CheckpointError, ConfigError, DataError, Orbit, ViewSet
from svdmv.diffusion.perceptual import Lpips

WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "weights"
needs_weights = pytest.mark.skipif(
    not (WEIGHTS / "lpips").is_dir(), reason="the LPIPS weights are not beside the project"
)


def views(rgba: np.ndarray) -> ViewSet:
    cameras = Orbit.static(0, len(rgba)).cameras(rgba.shape[2], rgba.shape[1])
    return ViewSet(rgba[..., :3], cameras, rgba[..., 3])


def noise(seed: int, count: int = 3, size: int = 40) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 4), np.uint8)


def pair_of(seed: int = 0) -> ViewPair:
    return view_pair(views(noise(seed)), views(noise(seed + 100)))


def test_psnr_and_mse_equal_scikit_image() -> None:
    pair = pair_of()
    for n in range(3):
        expected = peak_signal_noise_ratio(pair.truth[n].astype(float), pair.prediction[n].astype(float), data_range=1)
        assert psnr().compute(pair)[n] == pytest.approx(expected, abs=1e-4)
        assert mse().compute(pair)[n] == pytest.approx(10 ** (-expected / 10), rel=1e-4)


def test_ssim_equals_scikit_image() -> None:
    pair = pair_of(1)
    for n in range(3):
        expected = structural_similarity(
            pair.truth[n].astype(float), pair.prediction[n].astype(float), gaussian_weights=True, sigma=1.5,
            use_sample_covariance=False, data_range=1, channel_axis=-1,
        )  # fmt: skip
        assert ssim().compute(pair)[n] == pytest.approx(expected, abs=2e-6)


def test_iou_by_hand() -> None:
    a, b = np.zeros((2, 1, 8, 8, 4), np.uint8)
    a[0, :4, :4, 3] = 255
    b[0, 2:4, :4, 3] = 255
    b[0, 4:6, :4, 3] = 255
    assert iou().compute(view_pair(views(a), views(b)))[0] == pytest.approx(8 / 24)
    empty = np.zeros((1, 8, 8, 4), np.uint8)
    assert math.isnan(iou().compute(view_pair(views(empty), views(empty)))[0])
    assert math.isnan(psnr_object().compute(view_pair(views(empty), views(empty)))[0])


def test_every_closed_form_of_validate_holds() -> None:
    rows = validation_rows()
    assert len(rows) >= 6
    assert [name for name, passed, _ in rows if not passed] == []


def test_averages_differ_as_jensen_says() -> None:
    decibels = np.array([10.0, 30.0])  # MSE 0.1 and 0.001
    assert mean_of_views(decibels, np.array([True, True]), "psnr") == pytest.approx(20.0)
    assert pooled_psnr(decibels) == pytest.approx(12.967, abs=1e-3)


def test_the_input_view_can_gain_nothing() -> None:
    """20 views at 17 dB and a perfect input view: 17.0 dB, not 20.95."""
    column = np.array([math.inf, *[17.0] * 20])
    counted = np.ones(21, bool)
    assert mean_of_views(column, counted, "psnr") == pytest.approx((100 + 20 * 17) / 21)
    counted[0] = False
    assert mean_of_views(column, counted, "psnr") == pytest.approx(17.0)


def test_soft_alpha_is_composited_not_cut() -> None:
    """A half transparent black pixel over white is grey on both sides, whatever the threshold of masks."""
    rgba = np.zeros((1, 4, 4, 4), np.uint8)
    rgba[..., 3] = 64
    pair = view_pair(views(rgba), views(rgba))
    assert pair.truth[0, 0, 0, 0] == pytest.approx((255 - 64) / 255, abs=1 / 255)
    assert not pair.true_mask.any()


def test_backgrounds_change_the_picture_and_not_the_masks() -> None:
    a, b = noise(3), noise(4)
    white, black = (view_pair(views(a), views(b), name) for name in ("white", "black"))
    assert not np.allclose(white.truth, black.truth)
    assert np.array_equal(white.true_mask, black.true_mask)
    with pytest.raises(DataError, match="background"):
        view_pair(views(a), views(b), "pink")


@pytest.mark.parametrize(("count", "size", "told"), [(2, 40, "number of views"), (3, 20, "wrong size")])
def test_views_that_do_not_fit_are_refused(count: int, size: int, told: str) -> None:
    with pytest.raises(DataError, match=told):
        view_pair(views(noise(0, count, size)), views(noise(1)))


def test_a_reference_without_alpha_is_refused() -> None:
    truth = views(noise(0))
    opaque = ViewSet(truth.images, truth.cameras)
    with pytest.raises(DataError, match="no alpha"):
        view_pair(truth, opaque)


def test_unknown_metric_and_wrong_answer() -> None:
    with pytest.raises(ConfigError, match="unknown"):
        metric_from_name("psmr")
    with pytest.raises(DataError, match="wrong shape"):
        checked_scores("mine", np.zeros((3, 2)), 3)
    assert set(METRICS) >= {"psnr", "lpips_vgg", "clip_s"}


KNOWN_ANSWERS = [("alex", (0.131169, 0.141963)), ("squeeze", (0.102380, 0.093774)), ("vgg", (0.358161, 0.345650))]


@pytest.mark.parametrize(("net", "expected"), KNOWN_ANSWERS)
def test_lpips_reproduces_the_known_answers(net: str, expected: tuple[float, float]) -> None:
    """Values of the lpips package, version 0.1.4, on two random pairs."""
    path = WEIGHTS / "lpips" / f"lpips_{net}_fp32.safetensors"
    if not path.is_file():
        pytest.skip(f"no {path.name} beside the project" + ("; scripts/lpips_vgg makes it" if net == "vgg" else ""))
    g = torch.Generator().manual_seed(42)
    a, b = (torch.rand(2, 3, 100, 100, generator=g) * 2 - 1 for _ in range(2))
    network = Lpips(net, path)
    assert network(a, b).tolist() == pytest.approx(expected, abs=2e-5 if net == "vgg" else 2e-6)
    assert network(a, a).tolist() == [0, 0]
    sides = [((x + 1) / 2).permute(0, 2, 3, 1).contiguous().numpy() for x in (a, b)]
    quick = LpipsOfViews(net, path).compute(ViewPair(sides[0], sides[1], None, np.ones((2, 100, 100), bool)))
    assert quick.tolist() == pytest.approx(expected, abs=2e-5 if net == "vgg" else 2e-6)


@pytest.mark.parametrize("wrong", [255.0, -0.2, float("nan")])
def test_pictures_of_another_range_are_refused(wrong: float) -> None:
    """What LPIPS and PSNR would take without a word: [0, 255], [-1, 1], not a number."""
    good = np.zeros((1, 8, 8, 3), np.float32)
    with pytest.raises(DataError, match="out of range"):
        ViewPair(good + np.float32(wrong), good, None, np.ones((1, 8, 8), bool))


@needs_weights
def test_lpips_weights_of_another_network_are_refused() -> None:
    with pytest.raises(CheckpointError, match="cannot be used"):
        Lpips("squeeze", WEIGHTS / "lpips" / "lpips_alex_fp32.safetensors")


def tiny_clip(folder: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(0)
    config = CLIPVisionConfig(
        hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8,
        projection_dim=16,
    )  # fmt: skip
    CLIPVisionModelWithProjection(config).save_pretrained(folder)


def test_clip_s_is_the_cosine_of_two_image_embeddings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny_clip(tmp_path)
    monkeypatch.setenv("SVDMV_CLIP", str(tmp_path))
    metric: Metric = clip_s()
    pair = pair_of(5)
    same = ViewPair(pair.truth, pair.truth, pair.true_mask, pair.true_mask)
    np.testing.assert_allclose(metric.compute(same), 1, atol=1e-9)
    scores = metric.compute(pair)
    assert (np.abs(scores) <= 1).all()
    swapped = ViewPair(pair.truth, pair.prediction, pair.true_mask, pair.true_mask)
    np.testing.assert_allclose(metric.compute(swapped), scores, atol=1e-12)
    sha256 = json.dumps(metric.detail)
    assert tmp_path.name in sha256


def test_clip_s_is_the_closed_form_of_clips_own_pixels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenAI's mean and deviation, then a . b / (|a| |b|): neither 100 times it, nor of pixels left as they are."""
    from transformers import CLIPVisionModelWithProjection

    tiny_clip(tmp_path)
    monkeypatch.setenv("SVDMV_CLIP", str(tmp_path))
    rng = np.random.default_rng(0)
    sides = [rng.random((3, 32, 32, 3), np.float32) * np.float32(share) for share in (1.0, 0.3)]
    network = CLIPVisionModelWithProjection.from_pretrained(tmp_path).eval()
    mean, deviation = (0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)

    def cosines(pictures: list[np.ndarray]) -> np.ndarray:
        with torch.no_grad():
            a, b = (network(torch.from_numpy(p.transpose(0, 3, 1, 2)).float()).image_embeds.numpy() for p in pictures)
        made: np.ndarray = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        return made

    found = clip_s().compute(ViewPair(sides[0], sides[1], None, np.ones((3, 32, 32), bool)))
    np.testing.assert_allclose(found, cosines([(p - mean) / deviation for p in sides]), atol=1e-5)
    assert np.abs(found - cosines(sides)).max() > 0.01, "these pictures would not tell"


def test_clip_s_without_a_network_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SVDMV_CLIP", raising=False)
    with pytest.raises(CheckpointError, match="needs a CLIP image encoder"):
        clip_s()
