"""The search finds what was done to the truth, and nothing where nothing was done."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from svdmv.bench.alignment import _scaled, alignment_summary, alignment_warnings, elevation_ladder, searched_alignment
from svdmv.bench.references import reference_views
from svdmv.bench.suite import Suite, SuiteObject, Track, load_suite
from svdmv.core import ViewSet

COUNT = 9
AS_IS = (0, False, 0.0, 1.0)


@pytest.fixture(scope="module")
def suite() -> Suite:
    """A robot, which is not its own mirror image, in nine views of 48 px."""
    track = Track("level", tuple(n * 360 / COUNT for n in range(COUNT)), (10.0,) * COUNT)
    return replace(
        load_suite("mini"), objects=(SuiteObject("robot", "shape2:2000007"),), tracks=(track,), size_px=48,
        supersampling=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def truth(suite: Suite) -> ViewSet:
    return reference_views(suite, suite.objects[0], None, None)["level"]


@pytest.fixture(scope="module")
def ladder(suite: Suite) -> dict[float, ViewSet]:
    return elevation_ladder(suite, suite.objects[0], suite.tracks[0], None, None)


def like(truth: ViewSet, rgba: np.ndarray) -> ViewSet:
    return ViewSet(rgba[..., :3], truth.cameras, rgba[..., 3])


def reversed_orbit(rgba: np.ndarray) -> np.ndarray:
    return rgba[(-np.arange(len(rgba))) % len(rgba)]


def test_the_truth_needs_nothing(truth: ViewSet, ladder: dict[float, ViewSet]) -> None:
    made = searched_alignment(truth, truth, 0, ladder)
    assert made.offset == AS_IS
    assert made.gain_db == 0
    assert not made.suspicious
    assert made.telling
    assert made.elevations_deg == (-30, -20, -10, 10, 20, 30)


@pytest.mark.parametrize("shift", [1, 4, 8])
def test_a_shift_is_found(truth: ViewSet, ladder: dict[float, ViewSet], shift: int) -> None:
    made = searched_alignment(like(truth, np.roll(truth.rgba_u8(), -shift, 0)), truth, 0, ladder)
    assert made.offset == (shift, False, 0.0, 1.0)
    assert made.suspicious
    assert made.best_db > made.as_is_db + 5


def test_a_wrong_sign_is_found(truth: ViewSet, ladder: dict[float, ViewSet]) -> None:
    made = searched_alignment(like(truth, reversed_orbit(truth.rgba_u8())), truth, 0, ladder)
    assert made.offset == (0, True, 0.0, 1.0)
    assert made.suspicious
    assert made.reversed_db == pytest.approx(made.best_db)


def test_another_framing_is_found(truth: ViewSet, ladder: dict[float, ViewSet]) -> None:
    made = searched_alignment(like(truth, _scaled(truth.rgba_u8(), 0.8)), truth, 0, ladder)
    assert made.offset == (0, False, 0.0, 1.25)
    assert made.suspicious


@pytest.mark.parametrize("higher", [-20.0, 10.0, 30.0])
def test_another_elevation_is_found(suite: Suite, truth: ViewSet, ladder: dict[float, ViewSet], higher: float) -> None:
    """Rendered at full size from there, not taken from the ladder."""
    track = replace(suite.tracks[0], elevations_deg=(10.0 + higher,) * COUNT)
    seen = reference_views(replace(suite, tracks=(track,)), suite.objects[0], None, None)["level"]
    made = searched_alignment(like(truth, seen.rgba_u8()), truth, 0, ladder)
    assert made.offset == (0, False, higher, 1.0)
    assert made.suspicious


def test_several_at_once_are_found(suite: Suite, truth: ViewSet, ladder: dict[float, ViewSet]) -> None:
    track = replace(suite.tracks[0], elevations_deg=(30.0,) * COUNT)
    seen = reference_views(replace(suite, tracks=(track,)), suite.objects[0], None, None)["level"].rgba_u8()
    made = searched_alignment(like(truth, _scaled(np.roll(reversed_orbit(seen), -2, 0), 0.8)), truth, 0, ladder)
    assert (made.flipped, made.elevation_deg, made.scale) == (True, 20.0, 1.25)
    assert made.shift == COUNT - 2 or made.shift == 2


def test_noise_is_no_convention(truth: ViewSet, ladder: dict[float, ViewSet]) -> None:
    rgba = truth.rgba_u8().copy()
    rgba[..., :3] = np.clip(rgba[..., :3] + np.random.default_rng(0).normal(0, 20, rgba[..., :3].shape), 0, 255)
    assert not searched_alignment(like(truth, rgba), truth, 0, ladder).suspicious


def test_two_views_in_each_others_place_are_named(truth: ViewSet, ladder: dict[float, ViewSet]) -> None:
    order = np.arange(COUNT)
    order[[2, 5]] = order[[5, 2]]
    made = searched_alignment(like(truth, truth.rgba_u8()[order]), truth, 0, ladder)
    assert made.misplaced == ((2, 5), (5, 2))
    told = alignment_warnings("theirs", alignment_summary([made.as_dict() | {"name": "robot, level"}]))
    assert "robot, level: wrongly ordered? view 2 is the true view 5" in " ".join(told)
    assert searched_alignment(truth, truth, 0, ladder).misplaced == ()


def test_a_ball_tells_no_direction(truth: ViewSet) -> None:
    rows, columns = np.mgrid[:48, :48] - 23.5
    ball = np.zeros((COUNT, 48, 48, 4), np.uint8)
    ball[:, np.hypot(rows, columns) < 18] = (90, 120, 40, 255)
    made = searched_alignment(like(truth, ball), like(truth, ball))
    assert not made.telling
    assert alignment_summary([made.as_dict()])["direction"] == "untold"


def test_both_scores_and_the_direction_are_told(truth: ViewSet) -> None:
    backwards = searched_alignment(like(truth, reversed_orbit(truth.rgba_u8())), truth).as_dict() | {"name": "robot"}
    right = searched_alignment(truth, truth).as_dict() | {"name": "house"}
    summary = alignment_summary([backwards, backwards, right])
    assert summary["convention"]
    assert (summary["direction"], summary["direction_reversed"], summary["direction_ours"]) == ("reversed", 2, 1)
    assert summary["commonest"]["best_db"] > summary["commonest"]["as_is_db"] + 5
    told = " ".join(alignment_warnings("theirs", summary))
    assert f"{summary['commonest']['best_db']:.2f} dB" in told
    assert f"instead of {summary['commonest']['as_is_db']:.2f}" in told
    assert "2 of 3 orbits" in told
    assert alignment_warnings("ours", alignment_summary([right])) == []
    (alone,) = alignment_warnings("ours", alignment_summary([backwards, right, right]))
    assert alone.startswith("ours, robot: wrongly ordered or turned? orbit run the other way: 60.00 dB"), "named alone"
    assert alignment_summary([right])["direction"] == "ours"
