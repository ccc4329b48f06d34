"""Cameras as other programs are told them: followed by hand in their convention, they see the chiral robot alike."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from svdmv.bench.foreign import PROGRAMS, program
from svdmv.bench.inputs import write_inputs
from svdmv.bench.references import object_asset, reference_views
from svdmv.bench.suite import Suite, SuiteObject, Track, load_suite
from svdmv.core import Asset, Camera, ConfigError, InputError
from svdmv.io.pictures import read_picture
from svdmv.render import render_views

ROBOT = SuiteObject("robot", "shape2:2000007")


def suite_of(name: str, **changes: object) -> Suite:
    suite = replace(load_suite(name), objects=(ROBOT,), size_px=48, supersampling=1, light="studio")
    return replace(suite, **changes)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def robot() -> Asset:
    return object_asset(suite_of("gso34-zero123"), ROBOT, None)


def differences(robot: Asset, ours: list[Camera], theirs: list[Camera]) -> np.ndarray:
    """(N,) mean absolute differences of what pairs of cameras see."""
    views = render_views(robot, [*ours, *theirs], supersampling=1, with_geometry=False).on_background()
    made: np.ndarray = np.abs(views[: len(ours)] - views[len(ours) :]).mean((1, 2, 3))
    return made


def seen_from(theirs: np.ndarray, suite: Suite) -> Camera:
    """A camera at a place given in a world with +Z up, as Blender has it: (x, y, z) there is (x, z, -y) here."""
    return Camera.looking_at([theirs[0], theirs[2], -theirs[1]], [0, 0, 0], suite.fov_y_deg, 48, 48)


WAVE = Track("wave", (0.0, 40.0, 130.0, 275.0), (10.0, 25.0, -15.0, 5.0))


@pytest.mark.parametrize("name", ["zero123", "stable_zero123"])
def test_zero123s_relative_pose(robot: Asset, name: str) -> None:
    """Its polar angle is measured from +Z, its azimuth is atan2(y, x): we start at the input camera and add."""
    suite = suite_of(PROGRAMS[name].suites[0])
    cameras = suite.orbit(WAVE).cameras(48, 48)
    e = math.radians(WAVE.elevation_deg)
    start = np.array([0.0, -suite.radius * math.cos(e), suite.radius * math.sin(e)])
    polar, azimuth = math.acos(start[2] / suite.radius), math.atan2(start[1], start[0])
    theirs = []
    for row in PROGRAMS[name].told(WAVE, suite):
        d_polar, sine, cosine, fourth = row["T"]
        p, a = polar + d_polar, azimuth + math.atan2(sine, cosine)
        place = suite.radius * np.array([math.sin(p) * math.cos(a), math.sin(p) * math.sin(a), math.cos(p)])
        theirs.append(seen_from(place, suite))
        assert fourth == pytest.approx(math.radians(80) if name == "stable_zero123" else 0)
        assert (math.radians(row["x"]), math.sin(math.radians(row["y"]))) == pytest.approx((d_polar, sine))
    made = differences(robot, [*cameras, cameras[1]], [*theirs, theirs[3]])
    assert made[:4].max() < 1e-3
    assert made[4] > 0.02, "the object would not tell"
    assert PROGRAMS[name].told(WAVE, suite)[1]["T"][0] < 0, "a camera that climbs has a smaller polar angle"


def test_eschernets_matrices(robot: Asset) -> None:
    """(3, 4) camera_from_world, camera looking along -Z, world +Z up: position is -R' t, its +X row stays ours."""
    suite = suite_of("gso34-zero123")
    cameras = suite.orbit(WAVE).cameras(48, 48)
    rows = PROGRAMS["eschernet"].told(WAVE, suite)
    assert len(rows) == 25
    theirs = []
    for row in rows:
        rt = np.array(row["camera_from_world"])
        place = -rt[:, :3].T @ rt[:, 3]
        assert 1.5 <= np.linalg.norm(place) <= 2.2, "its poses clip distances to its rig's"
        theirs.append(seen_from(place, suite))
        np.testing.assert_allclose(-rt[2, :3], -place / np.linalg.norm(place), atol=1e-6)
        assert rt[1, 2] > 0, "its camera's up is the world's"
    assert differences(robot, list(cameras), theirs[4:8]).max() < 1e-3


def test_sv3d_lists_the_input_last() -> None:
    suite = suite_of("sv3d-static")
    rows = PROGRAMS["sv3d"].told(suite.tracks[0], suite)
    assert [r["azimuth_deg"] for r in rows[:2]] == pytest.approx([360 / 21, 720 / 21])
    assert rows[-1]["azimuth_deg"] == 0
    assert {r["elevation_deg"] for r in rows} == {10.0}


def test_wonder3ds_views_are_nearly_parallel() -> None:
    """The picture shows 1.35 sides of the box; near and far half differ by less than a hundredth; right is +90."""
    suite = suite_of("gso34-wonder3d")
    shown = 2 * suite.radius * math.tan(math.radians(suite.fov_y_deg) / 2)
    assert shown == pytest.approx(1.35, abs=1e-3)
    assert 0.5 / suite.radius < 0.007
    camera = suite.orbit(suite.tracks[0]).cameras(48, 48)[2]
    assert camera.position[0] > 0
    assert abs(camera.position[2]) < 1e-6


def test_own_cameras_are_matched_by_a_suite_of_their_own() -> None:
    for name, told in PROGRAMS.items():
        for suite in told.suites:
            assert told.told(load_suite(suite).tracks[0], load_suite(suite)), name
        assert told.command or told.once
    assert load_suite("gso34-zero123").fov_y_deg == pytest.approx(2 * math.degrees(math.atan(16 / 35)), abs=0.01)
    assert load_suite("gso34-stable-zero123").tracks[0].elevation_deg == 10
    with pytest.raises(ConfigError, match="program is unknown"):
        program("zero")


@pytest.mark.parametrize(("name", "suite"), [("syncdreamer", "gso34-syncdreamer"), ("sv3d", "mini")])
def test_inputs_are_the_input_view_and_commands_name_it(tmp_path: Path, name: str, suite: str) -> None:
    made = suite_of(suite)
    made = replace(made, tracks=made.tracks[:1])
    told = write_inputs(made, name, tmp_path / "in", None, tmp_path / "cache")
    track = made.tracks[0]
    truth = reference_views(made, ROBOT, None, tmp_path / "cache")[track.name]
    kept = read_picture(tmp_path / "in" / track.name / "robot.png").rgba
    np.testing.assert_array_equal(kept, truth.rgba_u8()[0])
    text = (tmp_path / "in" / "commands.sh").read_text()
    assert f"{track.name}/robot.png" in text
    assert json.loads((tmp_path / "in" / track.name / "cameras.json").read_text())["program"] == name
    if name == "sv3d":
        assert "--azimuths_deg=[17.1429,34.2857," in text
        assert text.rstrip().splitlines()[-1].count(",") == 40
        assert "does not draw the cameras of mini" in told[0]
    else:
        assert "--elevation 30 --crop_size -1" in text
        assert told == []
    with pytest.raises(InputError, match="not empty"):
        write_inputs(made, name, tmp_path / "in", None, tmp_path / "cache")


def test_eschernets_folders(tmp_path: Path) -> None:
    made = suite_of("gso34-zero123")
    write_inputs(made, "eschernet", tmp_path / "in", None, None)
    home = tmp_path / "in" / "elevation_plus10" / "robot" / "render_mvs_25" / "model"
    assert len(list(home.glob("*.npy"))) == len(list(home.glob("*.png"))) == 25
    assert np.load(home / "007.npy").shape == (3, 4)
    pictures = {(home / f"{n:03d}.png").read_bytes() for n in range(25)}
    assert len(pictures) == 1, "no true view is given away"
