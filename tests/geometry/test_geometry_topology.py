"""Closedness, parts, smoothing, simplification."""

from __future__ import annotations

import numpy as np
import pytest
from analytic_shapes import box, ellipsoid, joined, moved, sphere, torus
from simple_meshes import ball, both, cube

from svdmv.geometry.field import Lattice
from svdmv.geometry.simplify import simplified
from svdmv.geometry.smooth import taubin_smoothed
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import (
    bad_edges,
    closed_after_merging,
    face_areas,
    face_components,
    merged_by_position,
    signed_volumes,
    without_floaters,
    without_unused,
)

SHAPES = {
    "sphere": sphere(),
    "torus": torus(),
    "box": box(0.3, 0.2, 0.1),
    "touching": joined(sphere(0.2), moved(sphere(0.2), np.eye(3), np.array([0.39, 0, 0]))),
    "thin": ellipsoid(0.45, 0.03, 0.3),
}


def surface_of(name: str, resolution: int = 64) -> tuple[np.ndarray, np.ndarray]:
    lattice = Lattice.around(np.full(3, -0.6), np.full(3, 0.6), resolution)
    return surface_from_field(SHAPES[name](lattice.points()), lattice)


def test_known_cube() -> None:
    vertices, faces = cube(2.0)
    assert signed_volumes(vertices, faces).sum() == pytest.approx(8)
    assert face_areas(vertices, faces).sum() == pytest.approx(24)
    assert bad_edges(faces) == 0
    assert closed_after_merging(vertices, faces)


@pytest.mark.parametrize("damage", ["missing face", "turned face", "doubled face"])
def test_damage_is_seen(damage: str) -> None:
    vertices, faces = cube()
    if damage == "missing face":
        faces = faces[1:]
    elif damage == "turned face":
        faces = np.concatenate([faces[:1, ::-1], faces[1:]])
    else:
        faces = np.concatenate([faces, faces[:1]])
    assert bad_edges(faces) > 0
    assert not closed_after_merging(vertices, faces)


def test_an_edge_with_four_faces_is_not_manifold_after_merging() -> None:
    vertices, faces = both(cube(), cube(), (1, 1, 0))  # two cubes that share one edge in place, not in index
    assert bad_edges(faces) == 0
    assert not closed_after_merging(vertices, faces)


def test_merging_undoes_cutting_open() -> None:
    vertices, faces = cube()
    soup, open_faces = vertices[faces.ravel()], np.arange(36, dtype=np.int32).reshape(-1, 3)
    assert bad_edges(open_faces) > 0
    assert closed_after_merging(soup, open_faces)
    assert len(merged_by_position(soup, open_faces)[0]) == 8


def test_floaters_and_inner_shells_go() -> None:
    big, crumb = ball(0.4, 2), ball(0.02, 1)
    vertices, faces = both(big, crumb, (0.6, 0, 0))
    hollow = ball(0.2, 1)
    vertices, faces = both((vertices, faces), (hollow[0], hollow[1][:, ::-1]), (0, 0, 0))
    assert face_components(faces, len(vertices)).max() == 2
    kept, left, removed = without_floaters(vertices, faces)
    assert removed == 2
    np.testing.assert_allclose(kept, big[0])
    np.testing.assert_array_equal(left, big[1])


def test_unused_vertices_go_and_order_stays() -> None:
    vertices = np.arange(15.0).reshape(5, 3)
    kept, faces = without_unused(vertices, np.array([[4, 1, 3]]))
    np.testing.assert_array_equal(kept, vertices[[1, 3, 4]])
    np.testing.assert_array_equal(faces, [[2, 0, 1]])


def test_smoothing_takes_noise_and_keeps_the_volume() -> None:
    vertices, faces = ball(0.4, 4)
    rough = vertices * (1 + np.random.default_rng(0).normal(0, 0.01, (len(vertices), 1)))
    smooth = taubin_smoothed(rough, faces, rounds=10)
    radius = np.linalg.norm(smooth, axis=1)
    assert radius.std() < 0.4 * np.linalg.norm(rough, axis=1).std()
    assert signed_volumes(smooth, faces).sum() == pytest.approx(signed_volumes(vertices, faces).sum(), rel=0.01)


@pytest.mark.parametrize("name", SHAPES)
@pytest.mark.parametrize("budget", [2000, 300])
def test_simplified_shapes_stay_closed_within_budget_and_near(name: str, budget: int) -> None:
    vertices, faces = surface_of(name)
    few_vertices, few, way = simplified(vertices, faces, budget)
    assert way in ("quadrics", "tolerance")
    assert 0.5 * budget < len(few) <= budget
    assert closed_after_merging(few_vertices.astype(np.float32), few)
    before, after = signed_volumes(vertices, faces).sum(), signed_volumes(few_vertices, few).sum()
    assert after == pytest.approx(before, rel=0.01 if budget == 2000 else 0.08)


def test_a_mesh_within_its_budget_is_left_alone() -> None:
    vertices, faces = cube()
    few_vertices, few, way = simplified(vertices, faces, 12)
    assert way == "untouched"
    np.testing.assert_array_equal(few_vertices, vertices)
    np.testing.assert_array_equal(few, faces)


def test_an_edge_with_four_faces_is_taken_apart() -> None:
    vertices, faces = merged_by_position(*both(cube(), cube(), (1, 1, 0)))
    assert not closed_after_merging(vertices, faces)
    few_vertices, few, _ = simplified(vertices, faces, 100)
    assert closed_after_merging(few_vertices.astype(np.float32), few)
    assert signed_volumes(few_vertices, few).sum() == pytest.approx(2, rel=0.01)
