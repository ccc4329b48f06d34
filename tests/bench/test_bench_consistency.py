"""Consistency needs no truth: the true orbit is high, a still or views in any order are low."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from svdmv.bench.consistency import Consistency, consistency_of
from svdmv.bench.references import reference_views
from svdmv.bench.suite import SuiteObject, load_suite
from svdmv.core import ViewSet


@pytest.fixture(scope="module")
def truth() -> ViewSet:
    """A robot in 21 views of 48 px."""
    suite = replace(load_suite("mini"), objects=(SuiteObject("robot", "shape2:2000007"),), size_px=48, supersampling=2)
    return reference_views(suite, suite.objects[0], None, None)[suite.tracks[0].name]


def scored(truth: ViewSet, rgba: np.ndarray) -> Consistency:
    made = consistency_of(ViewSet(rgba[..., :3], truth.cameras, rgba[..., 3]))
    assert made is not None
    return made


@pytest.fixture(scope="module")
def ceiling(truth: ViewSet) -> Consistency:
    return scored(truth, truth.rgba_u8())


def test_the_true_orbit_is_consistent_and_the_same_twice(truth: ViewSet, ceiling: Consistency) -> None:
    assert ceiling.psnr_object > 18
    assert ceiling.iou > 0.9
    assert scored(truth, truth.rgba_u8()) == ceiling


def test_a_copied_input_is_not(truth: ViewSet, ceiling: Consistency) -> None:
    copied = scored(truth, np.repeat(truth.rgba_u8()[:1], 21, 0))
    assert copied.psnr_object < ceiling.psnr_object - 5
    assert copied.iou < ceiling.iou - 0.1


def test_views_out_of_order_are_not(truth: ViewSet, ceiling: Consistency) -> None:
    shuffled = scored(truth, truth.rgba_u8()[np.random.default_rng(0).permutation(21)])
    assert shuffled.psnr_object < ceiling.psnr_object - 5
    swapped = np.arange(21)
    swapped[[4, 14]] = swapped[[14, 4]]
    assert scored(truth, truth.rgba_u8()[swapped]).psnr_object < ceiling.psnr_object - 1


def test_a_wrong_sign_of_the_azimuth_is_seen_without_truth(truth: ViewSet, ceiling: Consistency) -> None:
    backwards = scored(truth, truth.rgba_u8()[(-np.arange(21)) % 21])
    assert backwards.psnr_object < ceiling.psnr_object - 4


def test_the_whole_orbit_turned_is_as_consistent(truth: ViewSet, ceiling: Consistency) -> None:
    """It is another object, seen alike: consistency is no fidelity."""
    turned = scored(truth, np.roll(truth.rgba_u8(), 5, 0))
    assert abs(turned.psnr_object - ceiling.psnr_object) < 2


def test_what_cannot_be_measured_is_none(truth: ViewSet) -> None:
    rgba = truth.rgba_u8()
    assert consistency_of(ViewSet(rgba[..., :3], truth.cameras)) is None
    assert consistency_of(ViewSet(rgba[:5, ..., :3], truth.cameras[:5], rgba[:5, ..., 3])) is None
    empty = np.zeros_like(rgba)
    assert consistency_of(ViewSet(empty[..., :3], truth.cameras, empty[..., 3])) is None
