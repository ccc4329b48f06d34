"""The search finds what was done to the truth, and nothing where nothing was done."""

from __future__ import annotations

import numpy as np
import pytest

from svdmv.bench.alignment import _scaled, searched_alignment
from svdmv.bench.references import reference_views
from svdmv.bench.suite import SuiteObject, Track, load_suite
from svdmv.core import ViewSet

COUNT = 9


@pytest.fixture(scope="module")
def truth() -> ViewSet:
    """A robot, which is not its own mirror image, in nine views of 48 px."""
    from dataclasses import replace

    track = Track("level", tuple(n * 360 / COUNT for n in range(COUNT)), (10.0,) * COUNT)
    suite = replace(
        load_suite("mini"), objects=(SuiteObject("robot", "shape2:2000007"),), tracks=(track,), size_px=48,
        supersampling=1,
    )  # fmt: skip
    return reference_views(suite, suite.objects[0], None, None)["level"]


def like(truth: ViewSet, rgba: np.ndarray) -> ViewSet:
    return ViewSet(rgba[..., :3], truth.cameras, rgba[..., 3])


def test_the_truth_needs_nothing(truth: ViewSet) -> None:
    made = searched_alignment(truth, truth)
    assert (made.shift, made.flipped, made.scale, made.gain_db) == (0, False, 1.0, 0.0)
    assert not made.suspicious


@pytest.mark.parametrize("shift", [1, 4, 8])
def test_a_shift_is_found(truth: ViewSet, shift: int) -> None:
    made = searched_alignment(like(truth, np.roll(truth.rgba_u8(), -shift, 0)), truth)
    assert (made.shift, made.flipped) == (shift, False)
    assert made.suspicious


def test_a_wrong_sign_is_found(truth: ViewSet) -> None:
    made = searched_alignment(like(truth, truth.rgba_u8()[(-np.arange(COUNT)) % COUNT]), truth)
    assert (made.shift, made.flipped) == (0, True)
    assert made.suspicious


def test_another_framing_is_found(truth: ViewSet) -> None:
    made = searched_alignment(like(truth, _scaled(truth.rgba_u8(), 0.8)), truth)
    assert (made.shift, made.flipped, made.scale) == (0, False, 1.25)
    assert made.suspicious


def test_noise_is_no_convention(truth: ViewSet) -> None:
    rgba = truth.rgba_u8().copy()
    rgba[..., :3] = np.clip(rgba[..., :3] + np.random.default_rng(0).normal(0, 20, rgba[..., :3].shape), 0, 255)
    assert not searched_alignment(like(truth, rgba), truth).suspicious
