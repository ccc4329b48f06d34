"""Scores against hand-computed numbers, and the predictors that know nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from svdmv.bench.methods import Task
from svdmv.bench.metrics import FloatArray, Metric, view_pair
from svdmv.bench.pixel_metrics import iou, psnr, psnr_from_mse, psnr_object
from svdmv.bench.scoring import turning
from svdmv.bench.suite import Suite, SuiteObject, Track
from svdmv.bench.trivial_methods import blank, copy, mean_orbit, mirrored_copy, nearest_orbit
from svdmv.core import DataError, Orbit, ViewSet
from svdmv.io.atomic import write_json

SIZE = 32


def views_of(rgba: np.ndarray) -> ViewSet:
    orbit = Orbit.static(10, len(rgba))
    return ViewSet(rgba[..., :3], orbit.cameras(rgba.shape[2], rgba.shape[1]), rgba[..., 3], orbit=orbit)


def square(level: int, left: int, count: int = 4, side: int = 8) -> np.ndarray:
    """(count, 32, 32, 4): an opaque grey square, its left edge at `left`."""
    out = np.zeros((count, SIZE, SIZE, 4), np.uint8)
    out[:, 8 : 8 + side, left : left + side] = (level, level, level, 255)
    return out


def scored(metric: Metric, prediction: np.ndarray, truth: np.ndarray) -> FloatArray:
    return metric.compute(view_pair(views_of(prediction), views_of(truth)))


def task_of(truth: np.ndarray) -> Task:
    """View 0 of a static orbit is given."""
    track = Track("ring", tuple(np.arange(len(truth)) * 360 / len(truth)), (10.0,) * len(truth))
    suite = Suite("test", 1, "", (SuiteObject("it", "shape:0"),), (track,), truth.shape[1], 2.0, 33.8)
    return Task(suite, track, "it", truth[0], 0, views_of(truth))


def test_psnr_of_known_errors() -> None:
    assert psnr_from_mse(np.array([0.1, 0.001])) == pytest.approx([10, 30])
    assert np.isposinf(psnr_from_mse(np.array([0.0]))).all()


def test_psnr_on_the_object_ignores_the_empty_rest() -> None:
    """Squares of 0 and 51 (0.2) differ by 0.2 on 64 of 1024 pixels: 13.98 dB on the object, 12.04 dB more in all."""
    pair = square(51, 4), square(0, 4)
    on_object = scored(psnr_object(), *pair)
    assert on_object == pytest.approx(np.full(4, -20 * np.log10(0.2)), abs=1e-4)
    assert scored(psnr(), *pair) - on_object == pytest.approx(np.full(4, 10 * np.log10(1024 / 64)), abs=1e-4)


def test_padding_raises_whole_psnr_by_the_known_amount_and_object_psnr_not_at_all() -> None:
    """Both padded with white to twice the side: 20 log10 2 = 6.02 dB."""
    pair = [square(51, 4), square(0, 4)]
    padded = [np.pad(p, ((0, 0), (16, 16), (16, 16), (0, 0))) for p in pair]
    assert scored(psnr(), *padded) - scored(psnr(), *pair) == pytest.approx(np.full(4, 6.0206), abs=1e-3)
    assert scored(psnr_object(), *padded) == pytest.approx(scored(psnr_object(), *pair), abs=1e-9)


def test_iou_of_shifted_squares() -> None:
    """Half a width apart: 1/3; apart: 0."""
    assert scored(iou(), square(0, 4), square(0, 8)) == pytest.approx(np.full(4, 1 / 3))
    assert scored(iou(), square(0, 4), square(0, 16)) == pytest.approx(np.zeros(4))


def test_turning_of_a_still_is_zero_and_of_a_moving_square_is_known() -> None:
    assert turning(views_of(square(0, 4))) == 0
    moving = np.concatenate([square(0, 4, 1), square(0, 12, 1)])
    assert turning(views_of(moving)) == pytest.approx(2 * 64 / SIZE**2)


def chiral_orbit(views: int = 21) -> np.ndarray:
    """Views that are all different and none its own mirror image."""
    rng = np.random.default_rng(3)
    out = rng.integers(0, 255, (views, SIZE, SIZE, 4), np.uint8)
    out[..., 3] = np.where(rng.random((views, SIZE, SIZE)) < 0.5, 255, 0)
    return out


def test_copies_and_mirrored_copies() -> None:
    truth = chiral_orbit()
    task = task_of(truth)
    assert all(np.array_equal(view, truth[0]) for view in copy().predict(task).rgba_u8())
    flipped = mirrored_copy().predict(task).rgba_u8()
    behind = [k for k in range(21) if 90 < task.track.azimuths_deg[k] < 270]
    assert behind == list(range(6, 16))
    for k in range(21):
        assert np.array_equal(flipped[k], truth[0][:, ::-1] if k in behind else truth[0])
    assert scored(iou(), blank().predict(task).rgba_u8(), truth)[1:].max() == 0


def stored(folder: Path, images: np.ndarray) -> str:
    np.save(folder / "orbits.npy", images)
    rows = [{"id": str(n), "elevation_deg": 0.0} for n in range(len(images))]
    write_json(folder / "index.json", {"orbits": rows})
    return str(folder)


def test_nearest_orbit_finds_a_rolled_member_of_the_store(tmp_path: Path) -> None:
    images = np.random.default_rng(1).integers(0, 255, (5, 21, SIZE, SIZE, 4), np.uint8)
    truth = np.roll(images[3], -7, 0)
    made = nearest_orbit(stored(tmp_path, images)).predict(task_of(truth))
    assert np.array_equal(made.rgba_u8(), truth)


def test_mean_orbit_of_one_still_is_that_still(tmp_path: Path) -> None:
    still = np.repeat(square(100, 4, 1), 21, 0)
    mean = mean_orbit(stored(tmp_path, np.repeat(still[None], 3, 0))).predict(task_of(still)).rgba_u8()
    assert np.array_equal(mean[..., 3], still[..., 3])
    opaque = still[..., 3] == 255
    assert np.array_equal(mean[opaque], still[opaque])


def test_iou_without_alpha_is_not_defined_and_a_truth_without_alpha_is_refused() -> None:
    full = views_of(square(0, 4))
    opaque = ViewSet(full.images, full.cameras)
    assert np.isnan(iou().compute(view_pair(opaque, full))).all()
    with pytest.raises(DataError, match="no alpha"):
        view_pair(full, opaque)
