"""The hull field: slow twin, ranks, known shapes, closed surfaces."""

from __future__ import annotations

import numpy as np
import pytest
import slow_geometry
from analytic_shapes import SMALL_WORLD, sphere, views_of

from svdmv.core import Camera, Orbit, ViewSet
from svdmv.geometry.cameras import nearest_point_to_rays
from svdmv.geometry.field import Lattice, denoised_field, dissent_field, hull_field
from svdmv.geometry.silhouette import mask_distance
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import closed_after_merging, signed_volumes


@pytest.fixture(scope="module")
def ball_views() -> ViewSet:
    return views_of(sphere(0.3), size=48, num_views=9)


@pytest.fixture(scope="module")
def distances(ball_views: ViewSet) -> np.ndarray:
    assert ball_views.alphas is not None
    return np.stack([mask_distance(alpha) for alpha in ball_views.alphas])


def test_lattice_holds_the_box_with_its_margin() -> None:
    lattice = Lattice.around(np.array([-1.0, 0, 0]), np.array([1.0, 1, 0.5]), 32, margin=3)
    points = lattice.points()
    assert max(lattice.shape) == 32
    np.testing.assert_allclose(points[3, 3, 3, 0], -1)
    assert (points.min((0, 1, 2)) <= np.array([-1, 0, 0]) - 2.99 * lattice.step).all()
    assert (points.max((0, 1, 2)) >= np.array([1, 1, 0.5]) + 2.99 * lattice.step).all()


def test_every_rank_agrees_with_the_slow_definition(ball_views: ViewSet, distances: np.ndarray) -> None:
    lattice = Lattice((-0.25, -0.25, -0.25), 0.1, (6, 6, 6))
    fast = dissent_field(distances, ball_views.cameras, lattice, ranks=9)
    points = lattice.points()
    for place in np.ndindex(*lattice.shape):
        slow = slow_geometry.dissent_at(points[place], distances, ball_views.cameras)
        np.testing.assert_allclose(fast[place], slow, atol=2e-5)


def test_ranks_fall_and_a_view_that_always_counts_bounds_them(ball_views: ViewSet, distances: np.ndarray) -> None:
    lattice = Lattice((-0.4, -0.4, -0.4), 0.1, (9, 9, 9))
    ranked = dissent_field(distances, ball_views.cameras, lattice, ranks=4)
    assert (np.diff(ranked, axis=-1) <= 0).all()
    always = np.arange(9) == 2
    bounded = dissent_field(distances, ball_views.cameras, lattice, ranks=4, always=always)
    alone = dissent_field(distances[2:3], ball_views.cameras[2:3], lattice)[..., :1]
    np.testing.assert_allclose(bounded, np.maximum(ranked, alone), atol=1e-6)


def test_a_point_behind_a_camera_is_not_carved_by_it() -> None:
    camera = Camera.looking_at((0, 0, 1), (0, 0, 0), 40, 32, 32)
    empty = np.full((1, 32, 32), 50, np.float32)
    lattice = Lattice((0, 0, 2.0), 0.5, (2, 2, 2))
    assert (dissent_field(empty, [camera], lattice) < 0).all()


def test_fine_and_coarse_to_fine_give_the_same_surface(ball_views: ViewSet, distances: np.ndarray) -> None:
    lattice = Lattice.around(np.full(3, -0.35), np.full(3, 0.35), 48)
    whole = dissent_field(distances, ball_views.cameras, lattice, ranks=2)[..., 1]
    quick = hull_field(distances, ball_views.cameras, lattice, drop=1)
    near = np.abs(whole) < lattice.step
    np.testing.assert_allclose(quick[near], whole[near], atol=1e-6)
    assert ((quick < 0) == (whole < 0)).all()


def test_known_field_gives_the_known_sphere() -> None:
    lattice = Lattice.around(np.full(3, -0.4), np.full(3, 0.4), 48)
    field = np.linalg.norm(lattice.points(), axis=-1) - 0.4
    vertices, faces = surface_from_field(field, lattice)
    np.testing.assert_allclose(np.linalg.norm(vertices, axis=1), 0.4, atol=1e-3)
    assert signed_volumes(vertices, faces).sum() == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.01)
    assert closed_after_merging(vertices, faces)


def test_a_solid_that_leaves_the_lattice_is_closed_at_its_border() -> None:
    lattice = Lattice((0, 0, 0), 0.1, (10, 10, 10))
    vertices, faces = surface_from_field(np.full(lattice.shape, -1.0), lattice)
    assert closed_after_merging(vertices, faces)
    assert signed_volumes(vertices, faces).sum() == pytest.approx(0.9**3, rel=0.15)


def test_no_solid_gives_no_faces() -> None:
    lattice = Lattice((0, 0, 0), 0.1, (4, 4, 4))
    vertices, faces = surface_from_field(np.ones(lattice.shape), lattice)
    assert len(vertices) == len(faces) == 0


def test_denoising_takes_noise_and_leaves_the_radius() -> None:
    lattice = Lattice.around(np.full(3, -0.4), np.full(3, 0.4), 48)
    true = (np.linalg.norm(lattice.points(), axis=-1) - 0.4).astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 0.3 * lattice.step, true.shape).astype(np.float32)
    rough, smooth = (surface_from_field(f, lattice)[0] for f in (true + noise, denoised_field(true + noise)))
    spread = [np.linalg.norm(v, axis=1) for v in (rough, smooth)]
    assert spread[1].std() < 0.6 * spread[0].std()
    assert spread[1].mean() == pytest.approx(0.4, abs=0.1 * lattice.step)


def test_rays_that_meet_give_their_meeting_point() -> None:
    orbit = Orbit.static(20, 5, **SMALL_WORLD)
    target = np.array([0.1, -0.2, 0.3])
    np.testing.assert_allclose(nearest_point_to_rays(orbit.positions(), target - orbit.positions()), target, atol=1e-9)
