"""What goes out and comes back is the same: pixels and points, orbits and cameras, files."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from svdmv.core import Camera, Orbit, ViewSet
from svdmv.io.transforms import (
    file_matrix_from_pose,
    frames_from_transforms,
    orbit_from_transforms,
    pose_from_file_matrix,
    transforms_from_cameras,
)
from svdmv.io.views import load_views, save_views

angles = st.floats(-360, 360, allow_nan=False)
heights = st.floats(-88, 88, allow_nan=False)


@settings(max_examples=60, deadline=None)
@given(angles, heights, st.floats(0.5, 20), st.floats(5, 120), st.integers(0, 2**31))
def test_unproject_undoes_project(azimuth: float, elevation: float, radius: float, fov: float, seed: int):
    camera = Orbit(np.array([azimuth]), np.array([elevation]), radius, fov).cameras(97, 55)[0]
    points = np.random.default_rng(seed).uniform(-0.4, 0.4, (20, 3)) * radius
    pixels, depths = camera.project(points)
    np.testing.assert_allclose(camera.unproject(pixels, depths), points, atol=1e-9 * radius)


@settings(max_examples=60, deadline=None)
@given(angles, heights, st.floats(0.1, 100), st.floats(1, 170))
def test_an_orbit_can_be_read_off_its_cameras(azimuth: float, elevation: float, radius: float, fov: float):
    camera = Orbit(np.array([azimuth]), np.array([elevation]), radius, fov).cameras(64, 64)[0]
    x, y, z = camera.position
    turn = math.degrees(math.atan2(x, z)) - azimuth
    assert abs((turn + 180) % 360 - 180) < 1e-6
    assert math.degrees(math.asin(y / np.linalg.norm(camera.position))) == pytest.approx(elevation, abs=1e-6)
    assert np.linalg.norm(camera.position) == pytest.approx(radius)
    assert camera.fov_y_deg == pytest.approx(fov)
    # from the camera's own position the same camera follows
    again = Camera.looking_at(camera.position, (0, 0, 0), camera.fov_y_deg, 64, 64)
    np.testing.assert_allclose(again.world_from_camera, camera.world_from_camera, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(angles, heights, st.integers(0, 2**31))
def test_the_change_of_axes_loses_no_bit(azimuth: float, elevation: float, seed: int):
    pose = Orbit(np.array([azimuth]), np.array([elevation]), 2.0, 40.0).cameras(8, 8)[0].world_from_camera.copy()
    pose[:3, 3] = np.random.default_rng(seed).normal(size=3)
    np.testing.assert_array_equal(pose_from_file_matrix(file_matrix_from_pose(pose)), pose)


@settings(max_examples=25, deadline=None)
@given(heights, st.integers(0, 10**6), st.booleans())
def test_transforms_keep_cameras_and_orbit_digit_by_digit(elevation: float, seed: int, own_lenses: bool):
    orbit = Orbit.dynamic(elevation / 2, seed, 5, radius=1.0 + seed / 1e6, fov_y_deg=20 + seed / 1e5)
    cameras = list(orbit.cameras(31, 17))
    if own_lenses:
        cameras = [
            Camera(np.array([[50.1 + i, 0, 15.3], [0, 49.7, 8.1 + i / 3], [0, 0, 1]]), c.world_from_camera, 31, 17)
            for i, c in enumerate(cameras)
        ]
    names = [f"views/{i:03d}.png" for i in range(5)]
    tree = json.loads(json.dumps(transforms_from_cameras(cameras, names, orbit=orbit)))
    notes: list[str] = []
    frames = frames_from_transforms(tree, "here", {}, notes)
    assert notes == []
    assert [f.file_path for f in frames] == names
    for frame, camera in zip(frames, cameras, strict=True):
        np.testing.assert_array_equal(frame.camera.K, camera.K)
        np.testing.assert_array_equal(frame.camera.world_from_camera, camera.world_from_camera)
        assert (frame.camera.width, frame.camera.height) == (31, 17)
    again = orbit_from_transforms(tree)
    assert again is not None
    np.testing.assert_array_equal(again.azimuths_deg, orbit.azimuths_deg)
    np.testing.assert_array_equal(again.elevations_deg, orbit.elevations_deg)
    assert (again.radius, again.fov_y_deg) == (orbit.radius, orbit.fov_y_deg)


@pytest.mark.parametrize("with_alpha", [True, False])
@pytest.mark.parametrize("with_geometry", [True, False])
def test_a_view_folder_keeps_every_value(tmp_path: Path, with_alpha: bool, with_geometry: bool):
    rng = np.random.default_rng(3)
    orbit = Orbit.static(12.5, 11)
    shape = (11, 9, 14)
    views = ViewSet(
        rng.integers(0, 256, (*shape, 3)).astype(np.uint8),
        orbit.cameras(14, 9),
        alphas=np.full(shape, 255, np.uint8) if with_alpha else None,
        depths=np.where(rng.random(shape) < 0.5, np.inf, rng.random(shape)).astype(np.float32)
        if with_geometry
        else None,
        normals=rng.normal(size=(*shape, 3)).astype(np.float32) if with_geometry else None,
        orbit=orbit,
        provenance={"model": "ünïcode", "seed": 7, "guidance": [1.0, 2.5]},
    )
    save_views(views, tmp_path)
    again = load_views(tmp_path)
    for name in ("images", "alphas", "depths", "normals"):
        before, after = getattr(views, name), getattr(again, name)
        assert (before is None) == (after is None), name
        if before is not None:
            np.testing.assert_array_equal(after, before)
    for before, after in zip(views.cameras, again.cameras, strict=True):
        np.testing.assert_array_equal(after.K, before.K)
        np.testing.assert_array_equal(after.world_from_camera, before.world_from_camera)
    assert again.orbit is not None
    np.testing.assert_array_equal(again.orbit.azimuths_deg, orbit.azimuths_deg)
    assert again.provenance == views.provenance


def test_colours_under_full_transparency_survive(tmp_path: Path):
    orbit = Orbit.static(0, 1)
    views = ViewSet(
        np.full((1, 4, 4, 3), 77, np.uint8), orbit.cameras(4, 4), alphas=np.zeros((1, 4, 4), np.uint8), orbit=orbit
    )
    save_views(views, tmp_path)
    assert (load_views(tmp_path).images == 77).all()
