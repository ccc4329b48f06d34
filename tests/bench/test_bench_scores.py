"""Scores against hand-computed numbers, and the predictors that know nothing."""

from __future__ import annotations

import numpy as np
import pytest

from svdmv.bench.bootstrap import bootstrap_interval
from svdmv.bench.trivial import blank, copied, mean_orbit, mirrored, nearest_orbit, thumbnails_of
from svdmv.bench.view_metrics import iou_per_view, psnr_from_mse, psnr_per_view, turning
from svdmv.core import DataError, Orbit, ViewSet
from svdmv.dataset.orbits import OrbitStore

SIZE = 32


def views_of(rgba: np.ndarray) -> ViewSet:
    orbit = Orbit.static(10, len(rgba))
    return ViewSet(rgba[..., :3], orbit.cameras(rgba.shape[2], rgba.shape[1]), rgba[..., 3], orbit=orbit)


def square(level: int, left: int, count: int = 4, side: int = 8) -> np.ndarray:
    """(count, 32, 32, 4): an opaque grey square, its left edge at `left`."""
    out = np.zeros((count, SIZE, SIZE, 4), np.uint8)
    out[:, 8 : 8 + side, left : left + side] = (level, level, level, 255)
    return out


def test_psnr_of_known_errors() -> None:
    assert psnr_from_mse(np.array([0.1, 0.001, 0.0])) == pytest.approx([10, 30, 100])


def test_psnr_on_the_object_ignores_the_empty_rest() -> None:
    """Squares of 0 and 51 (0.2) differ by 0.2 on 64 of 1024 pixels: 13.98 dB on the object, 12.04 dB more in all."""
    whole, on_object = psnr_per_view(views_of(square(51, 4)), views_of(square(0, 4)))
    assert on_object == pytest.approx(np.full(4, -20 * np.log10(0.2)), abs=1e-4)
    assert whole - on_object == pytest.approx(np.full(4, 10 * np.log10(1024 / 64)), abs=1e-4)


def test_padding_raises_whole_psnr_by_the_known_amount_and_object_psnr_not_at_all() -> None:
    """Both padded with white to twice the side: 20 log10 2 = 6.02 dB."""
    pair = [square(51, 4), square(0, 4)]
    padded = [np.pad(p, ((0, 0), (16, 16), (16, 16), (0, 0))) for p in pair]
    before = psnr_per_view(*map(views_of, pair))
    after = psnr_per_view(*map(views_of, padded))
    assert after[0] - before[0] == pytest.approx(np.full(4, 6.0206), abs=1e-3)
    assert after[1] == pytest.approx(before[1], abs=1e-9)


def test_iou_of_shifted_squares() -> None:
    """Half a width apart: 1/3; apart: 0; both empty: not a number."""
    assert iou_per_view(views_of(square(0, 4)), views_of(square(0, 8))) == pytest.approx(np.full(4, 1 / 3))
    assert iou_per_view(views_of(square(0, 4)), views_of(square(0, 16))) == pytest.approx(np.zeros(4))
    empty = views_of(np.zeros((2, SIZE, SIZE, 4), np.uint8))
    assert np.isnan(iou_per_view(empty, empty)).all()
    assert np.isnan(psnr_per_view(empty, empty)[1]).all()


def test_scores_refuse_what_cannot_be_compared() -> None:
    with pytest.raises(DataError, match="differ in count or size"):
        psnr_per_view(views_of(square(0, 4)), views_of(square(0, 4, count=3)))
    full = views_of(square(0, 4))
    with pytest.raises(DataError, match="needs alpha"):
        iou_per_view(full, ViewSet(full.images, full.cameras))


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
    truth = views_of(chiral_orbit())
    first = truth.rgba_u8()[0]
    assert all(np.array_equal(view, first) for view in copied(truth).rgba_u8())
    flipped = mirrored(truth).rgba_u8()
    behind = [k for k in range(21) if 90 < truth.orbit.azimuths_deg[k] < 270]
    assert behind == list(range(6, 16))
    for k in range(21):
        assert np.array_equal(flipped[k], first[:, ::-1] if k in behind else first)
    assert iou_per_view(blank(truth), truth)[1:].max() == 0


def test_nearest_orbit_finds_a_rolled_member_of_the_store() -> None:
    rng = np.random.default_rng(1)
    images = rng.integers(0, 255, (5, 21, SIZE, SIZE, 4), np.uint8)
    store = OrbitStore(images, np.zeros(5), tuple("abcde"), {})
    thumbnails = np.stack([thumbnails_of(o) for o in images])
    truth = views_of(np.roll(images[3], -7, 0))
    assert np.array_equal(nearest_orbit(truth, store, thumbnails).rgba_u8(), truth.rgba_u8())


def test_mean_orbit_of_one_still_is_that_still() -> None:
    still = np.repeat(square(100, 4, 1), 21, 0)[None]
    store = OrbitStore(np.repeat(still, 3, 0), np.zeros(3), ("a", "b", "c"), {})
    mean = mean_orbit(store)
    assert np.array_equal(mean[..., 3], still[0, ..., 3])
    opaque = still[0, ..., 3] == 255
    assert np.array_equal(mean[opaque], still[0][opaque])


def test_bootstrap_of_a_constant_and_coverage_of_a_normal() -> None:
    assert bootstrap_interval(np.full(9, 2.5)) == (2.5, 2.5, 2.5)
    rng = np.random.default_rng(0)
    hits = 0
    for trial in range(100):
        _, low, high = bootstrap_interval(rng.normal(1.0, 1.0, 40), draws=400, seed=trial)
        hits += low <= 1.0 <= high
    assert 88 <= hits <= 99  # 95 % nominal, a little less for 40 values
