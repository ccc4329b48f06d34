"""The pitfalls of scorers of generated views (those that public scorers fell into), each with the test that catches it.

| pitfall | caught by |
| --- | --- |
| averaging: mean of PSNR against PSNR of the mean | metrics: averages_differ_as_jensen_says; here |
| the input view counted | metrics: the_input_view_can_gain_nothing; run: the_input_view_is_left_out |
| background dominance | here: padding_to_one_and_a_half; validate's rows |
| no trivial rows to compare with | here: a_blank_white_answer_scores_as_derived, the_trivial_rows_are_always_there |
| LPIPS fed with another range, or under no network's name | here; quick; metrics: ..._another_range_are_refused |
| CLIP-S of another kind | metrics: clip_s_is_the_closed_form_of_clips_own_pixels; here |
| change of size | here: sizes_change_by_averaging; metrics: views_that_do_not_fit_are_refused |
| hard compositing, noise on white | metrics: soft_alpha_is_composited_not_cut; here |
| sign of the azimuth | alignment: a_wrong_sign_is_found; consistency: a_wrong_sign...; folders, foreign |
| another lens or framing | here: views_of_another_lens_are_refused; alignment: another_framing_is_found |
| another elevation | alignment: another_elevation_is_found; here |
| light of input and targets | here: input_and_targets_are_one_rendering |
| colour transforms | here: a_colour_stays_what_it_is |
| luck of sampling | here: several_seeds_are_averaged |
| SSIM's window and range | metrics: ssim_equals_scikit_image; here |
| 8 bits on one side only | here: both_sides_are_rounded_alike; quick: composites_are_the_formula |
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from svdmv.bench.folder_layouts import cut_from_white
from svdmv.bench.folder_methods import folder
from svdmv.bench.mesh_scores import views_of_mesh
from svdmv.bench.methods import ALWAYS, Method, Task, method_from_name
from svdmv.bench.metrics import METRICS, metric_from_name, view_pair
from svdmv.bench.pixel_metrics import psnr, psnr_object, ssim
from svdmv.bench.plan import RunPlan
from svdmv.bench.references import reference_views
from svdmv.bench.resize import resized_rgba
from svdmv.bench.rows import ObjectTruth
from svdmv.bench.runner import run_suite
from svdmv.bench.scoring import mean_of_views, pooled_psnr, scores_of
from svdmv.bench.suite import Suite, SuiteObject, Track, load_suite
from svdmv.bench.tables import text_table
from svdmv.core import Asset, DataError, Material, Mesh, Orbit, ViewSet
from svdmv.diffusion.perceptual import Lpips
from svdmv.io.views import save_views

WEIGHTS = Path(__file__).parents[3] / "shared" / "data" / "weights" / "lpips"
SIZE = 32


def views_of(rgba: np.ndarray, fov_y_deg: float = 33.8) -> ViewSet:
    orbit = replace(Orbit.static(10, len(rgba)), fov_y_deg=fov_y_deg)
    return ViewSet(rgba[..., :3], orbit.cameras(rgba.shape[2], rgba.shape[1]), rgba[..., 3], orbit=orbit)


def noise(seed: int, count: int = 2) -> np.ndarray:
    rgba = np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE, 4), np.uint8)
    rgba[..., 3] = 255
    return rgba


@pytest.fixture(scope="module")
def suite() -> Suite:
    track = Track("level", tuple(n * 360 / 7 for n in range(7)), (10.0,) * 7)
    return replace(
        load_suite("mini"), objects=(SuiteObject("shape", "shape:1000001"),), tracks=(track,), size_px=SIZE,
        supersampling=1, metrics=("psnr",),
    )  # fmt: skip


@pytest.fixture(scope="module")
def task(suite: Suite) -> Task:
    truth = reference_views(suite, suite.objects[0], None, None)["level"]
    return Task(suite, suite.tracks[0], "shape", truth.rgba_u8()[0], 0, truth)


def test_mean_and_pooled_of_two_real_pictures() -> None:
    """Black on white on a tenth and on a thousandth of the pixels: mean 20.0 dB, pooled 12.97, from pictures on."""
    truth = np.full((2, 100, 100, 4), 255, np.uint8)
    made = truth.copy()
    made[0, :10, :, :3] = 0
    made[1, 0, :10, :3] = 0
    values = psnr().compute(view_pair(views_of(made), views_of(truth)))
    assert mean_of_views(values, np.array([True, True]), "psnr") == pytest.approx(20.0, abs=1e-4)
    assert pooled_psnr(values) == pytest.approx(12.967, abs=1e-3)


def test_padding_to_one_and_a_half() -> None:
    """White around both: full-frame PSNR gains 20 log10 1.5 = 3.52 dB and PSNR on the object nothing."""
    pair = [noise(1), noise(2)]
    padded = [np.pad(p, ((0, 0), (8, 8), (8, 8), (0, 0))) for p in pair]  # clear, so white once composited
    before, after = (view_pair(views_of(a), views_of(b)) for a, b in (pair, padded))
    assert psnr().compute(after) - psnr().compute(before) == pytest.approx(np.full(2, 3.5218), abs=1e-4)
    assert psnr_object().compute(after) == pytest.approx(psnr_object().compute(before), abs=1e-9)


@pytest.mark.parametrize(("share", "decibels"), [(0.15, 13.5), (0.25, 11.2), (0.4, 9.2)])
def test_a_blank_white_answer_scores_as_derived(share: float, decibels: float) -> None:
    """An object whose colour differs from white by 0.3 mean square, over a share of the frame."""
    truth = np.zeros((1, 100, 100, 4), np.uint8)
    truth[:, : round(100 * share)] = (*[round(255 * (1 - math.sqrt(0.3)))] * 3, 255)
    blank = np.zeros_like(truth)
    value = psnr().compute(view_pair(views_of(blank), views_of(truth)))[0]
    assert value == pytest.approx(decibels, abs=0.06)


def test_the_trivial_rows_are_always_there() -> None:
    assert {"copy", "mirrored_copy", "blank", "reference", "reference_flipped", "reference_shifted"} <= set(ALWAYS)


def test_lpips_of_another_range_is_another_number() -> None:
    """What the guard is for: [0, 1] taken for [-1, 1] goes through without an error and changes the value."""
    path = WEIGHTS / "lpips_alex_fp32.safetensors"
    if not path.is_file():
        pytest.skip("the LPIPS weights are not beside the project")
    network = Lpips("alex", path)
    g = torch.Generator().manual_seed(1)
    a, b = (torch.rand(1, 3, 64, 64, generator=g) for _ in range(2))
    assert abs(float(network(a * 2 - 1, b * 2 - 1)) - float(network(a, b))) > 0.01


def test_network_metrics_bear_their_networks_name() -> None:
    """No column is called LPIPS alone, and no other network stands under CLIP-S."""
    assert "lpips" not in METRICS
    assert {name.removeprefix("lpips_") for name in METRICS if name.startswith("lpips")} == {"alex", "vgg", "squeeze"}
    assert [name for name in METRICS if "clip" in name] == ["clip_s"]


def test_sizes_change_by_averaging() -> None:
    """Half size is the mean of four pixels; the truth is never changed: the prediction is brought to it."""
    checks = np.zeros((1, 8, 8, 4), np.uint8)
    checks[..., 3] = 255
    checks[:, ::2, ::2, :3] = 200
    assert (resized_rgba(checks, 4)[..., :3] == 50).all()
    with pytest.raises(DataError, match="wrong size"):
        view_pair(views_of(noise(0)), views_of(resized_rgba(noise(0), 16)))


def test_noise_on_white_is_background() -> None:
    """Decoded white is not exactly white: values down to 253 are clear, and cost nothing."""
    rgb = np.random.default_rng(0).integers(253, 256, (SIZE, SIZE, 3), np.uint8)
    assert cut_from_white(rgb)[..., 3].max() == 0


def test_views_of_another_lens_are_refused(task: Task, tmp_path: Path) -> None:
    """Views that came with cameras: those of another lens are refused, those of the suite are taken."""
    save_views(task.truth, tmp_path / "right" / "shape")
    folder(str(tmp_path / "right")).predict(task)
    other = replace(task.truth.orbit, fov_y_deg=49.1)  # type: ignore[type-var]
    rgba = task.truth.rgba_u8()
    wrong = ViewSet(rgba[..., :3], other.cameras(SIZE, SIZE), rgba[..., 3], orbit=other)
    save_views(wrong, tmp_path / "wrong" / "shape")
    with pytest.raises(DataError, match="other cameras") as caught:
        folder(str(tmp_path / "wrong")).predict(task)
    assert "49.10" in caught.value.block()


def test_another_elevation_is_another_protocol(suite: Suite) -> None:
    """What the truth was rendered at is part of the hash that decides whether two figures may be compared."""
    higher = replace(suite, tracks=(replace(suite.tracks[0], elevations_deg=(20.0,) * 7),))
    assert higher.sha256 != suite.sha256


def test_input_and_targets_are_one_rendering(suite: Suite) -> None:
    """What a run gives a method is a view of the truth itself, wherever in the orbit it stands: one light, one lens."""
    track = replace(suite.tracks[0], input_view=2)
    moved = replace(suite, tracks=(track,))
    copy = method_from_name("copy", {})
    asked = ObjectTruth(RunPlan(moved, (copy,), ()), suite.objects[0]).task(track, copy, 0)
    np.testing.assert_array_equal(asked.input_rgba, asked.truth.rgba_u8()[2])
    assert (asked.input_rgba != asked.truth.rgba_u8()[0]).any()


def test_a_colour_stays_what_it_is(task: Task) -> None:
    """No view transform between a surface's colour and the picture: a card of 37, 140, 222 shows just that."""
    corners = np.array([[-0.4, -0.4, 0], [0.4, -0.4, 0], [0.4, 0.4, 0], [-0.4, 0.4, 0]], np.float32)
    uvs = np.array([[0, 1], [1, 1], [1, 0], [0, 0]], np.float32)
    paint = np.full((4, 4, 4), (37, 140, 222, 255), np.uint8)
    mesh = Mesh(corners, np.array([[0, 1, 2], [0, 2, 3]], np.int32), uvs=uvs)
    card = Asset(mesh, (Material(base_color_srgb=paint, double_sided=True),))
    seen = views_of_mesh(card, task.truth.cameras[:1], task.suite, "unlit").rgba_u8()[0]
    assert seen[SIZE // 2, SIZE // 2].tolist() == [37, 140, 222, 255]


def test_several_seeds_are_averaged(suite: Suite, tmp_path: Path) -> None:
    """Two seeds, one of them perfect: the row is their mean, and the best has a name of its own."""

    def predict(task: Task) -> ViewSet:
        rgba = task.truth.rgba_u8().copy()
        rgba[..., 3] = rgba[..., 3] // (1 + task.seed)
        return task.views(rgba)

    method = Method("lucky", predict, stochastic=True)
    result = run_suite(RunPlan(suite, (method,), (metric_from_name("psnr"),), seeds=2), tmp_path / "out")
    truth = reference_views(suite, suite.objects[0], None, None)["level"]
    task = Task(suite, suite.tracks[0], "shape", truth.rgba_u8()[0], 1, truth)
    second = scores_of(task, predict(task), [metric_from_name("psnr")], "white")
    expected = (100 + mean_of_views(second.values["psnr"], second.counted, "psnr")) / 2
    assert result["mean"]["lucky"]["psnr"]["mean"] == pytest.approx(expected, abs=1e-4)
    assert "100.00" not in text_table(result).splitlines()[2]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [(float("nan"), "not finite|finite"), (255.0, "range"), (-0.5, "range")],
)
def test_answers_of_another_range_are_one_sentence(task: Task, wrong: float, told: str) -> None:
    images = np.full((7, SIZE, SIZE, 3), 0.5, np.float32)
    images[3, 5, 5] = wrong
    with pytest.raises(DataError, match=told):
        ViewSet(images, task.truth.cameras)


def test_bytes_of_zero_and_one_are_black(task: Task) -> None:
    """A program that forgot to multiply by 255."""
    rgba = (task.truth.rgba_u8() > 127).astype(np.uint8)
    made = ViewSet(rgba[..., :3], task.truth.cameras)
    with pytest.raises(DataError, match="black all over"):
        scores_of(task, made, [], "white")


def test_ssim_of_another_range_would_be_another_number() -> None:
    """Of constants only the luminance term is left: (2ab + c1) / (a^2 + b^2 + c1), c1 = 0.01^2 for range 1."""
    grey = [np.full((1, SIZE, SIZE, 4), (v, v, v, 255), np.uint8) for v in (102, 153)]
    value = ssim().compute(view_pair(views_of(grey[0]), views_of(grey[1])))[0]
    assert value == pytest.approx((2 * 0.4 * 0.6 + 1e-4) / (0.4**2 + 0.6**2 + 1e-4), abs=1e-5)


@pytest.mark.parametrize("nudge", [0.0015, -0.0015])
def test_both_sides_are_rounded_alike(nudge: float) -> None:
    """The same picture as floats and as bytes is the same picture: rounded, not cut off."""
    rgba = noise(5)
    exact = views_of(rgba)
    floats = (rgba / 255).astype(np.float32)
    nudged = np.clip(floats[..., :3] + np.float32(nudge), 0, 1)
    loose = ViewSet(nudged, exact.cameras, floats[..., 3])
    assert np.isposinf(psnr().compute(view_pair(loose, exact))).all()
