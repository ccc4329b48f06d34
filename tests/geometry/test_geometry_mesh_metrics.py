"""Distances between surfaces: exact to triangles, known answers for spheres and boxes, open meshes and inner walls."""

from __future__ import annotations

import numpy as np
import pytest
from simple_meshes import ball, both, cube

from svdmv.core import DataError
from svdmv.geometry.closest import TriangleTree
from svdmv.geometry.mesh_metrics import TrueSurface, mesh_scores


def distance_to_triangle(p: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> float:
    """The slow definition: inside the prism the plane, else the nearest of the three segments."""
    normal = np.cross(b - a, c - a)
    inside = all(np.dot(np.cross(e - s, p - s), normal) >= 0 for s, e in ((a, b), (b, c), (c, a)))
    if inside:
        return float(abs(np.dot(p - a, normal)) / np.linalg.norm(normal))
    ways = []
    for s, e in ((a, b), (b, c), (c, a)):
        t = np.clip(np.dot(p - s, e - s) / np.dot(e - s, e - s), 0, 1)
        ways.append(np.linalg.norm(p - s - t * (e - s)))
    return float(min(ways))


def test_the_tree_finds_the_nearest_triangle() -> None:
    rng = np.random.default_rng(0)
    vertices = rng.normal(size=(60, 3))
    faces = rng.permutation(60).reshape(-1, 3)
    points = 1.5 * rng.normal(size=(200, 3))
    distances, face = TriangleTree(vertices, faces).closest(points)
    slow = np.array([[distance_to_triangle(p, *vertices[f]) for f in faces] for p in points])
    np.testing.assert_allclose(distances, slow.min(1), rtol=1e-9)
    np.testing.assert_array_equal(face, slow.argmin(1))


def test_a_face_without_area_is_a_segment_or_a_point() -> None:
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    distances, _ = TriangleTree(vertices, np.array([[0, 1, 2]])).closest(np.array([[0.5, 1.0, 0], [3, 0, 0]]))
    np.testing.assert_allclose(distances, 1.0)
    distances, _ = TriangleTree(vertices, np.array([[1, 1, 1]])).closest(np.array([[1.0, 2, 0]]))
    np.testing.assert_allclose(distances, 2.0)


def test_a_mesh_against_itself_is_perfect() -> None:
    scores = mesh_scores(*ball(0.4), *ball(0.4))
    assert scores.chamfer == pytest.approx(0, abs=1e-12)
    assert scores.f_score == 1.0
    assert scores.normal_consistency == pytest.approx(1)
    assert scores.volume_iou == 1.0


def test_two_spheres_of_known_radii() -> None:
    scores = mesh_scores(*ball(0.44, 4), *ball(0.4, 4))
    assert scores.chamfer == pytest.approx(0.04 / 0.8, rel=0.02)
    assert scores.volume_iou == pytest.approx((0.4 / 0.44) ** 3, abs=0.01)
    assert scores.normal_consistency == pytest.approx(1, abs=0.01)
    assert scores.f_score == 0.0
    assert mesh_scores(*ball(0.44), *ball(0.4), threshold=0.06).f_score == 1.0


def test_distances_do_not_depend_on_place_or_size() -> None:
    one = mesh_scores(*cube(0.5), *ball(0.3))
    shift = np.array([3.0, -1, 2])
    two = mesh_scores(7 * cube(0.5)[0] + shift, cube(0.5)[1], 7 * ball(0.3)[0] + shift, ball(0.3)[1])
    for name in ("chamfer", "f_score", "normal_consistency", "volume_iou"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=1e-3)


def test_what_is_missing_lowers_recall_and_what_is_too_much_lowers_precision() -> None:
    pair = both(ball(0.2), ball(0.2), (1.0, 0, 0))
    alone = mesh_scores(*ball(0.2), *pair)
    assert alone.precision == 1.0
    assert alone.recall == pytest.approx(0.5, abs=0.02)
    more = mesh_scores(*pair, *ball(0.2))
    assert more.recall == 1.0
    assert more.precision == pytest.approx(0.5, abs=0.02)
    assert more.volume_iou == pytest.approx(0.5, abs=0.03)


def test_an_inner_shell_that_nobody_sees_does_not_count() -> None:
    shell = both(ball(0.4), ball(0.2), (0.0, 0, 0))
    scores = mesh_scores(*ball(0.4), *shell)
    assert scores.chamfer < 1e-9
    assert scores.volume_iou == 1.0


def test_an_open_bowl_is_hollow_and_a_ball_is_not() -> None:
    vertices, faces = ball(0.4, 4)
    half = faces[(vertices[faces][..., 1] < 1e-9).all(1)]
    thin = mesh_scores(vertices, half, vertices, faces)
    assert thin.volume_iou < 0.15  # the inside of half a shell is seen from above


def test_nothing_to_compare_is_refused() -> None:
    vertices, faces = cube()
    with pytest.raises(DataError, match="without surface"):
        TrueSurface(vertices, np.zeros((0, 3), np.int32))
    with pytest.raises(DataError, match="without surface"):
        TrueSurface(vertices, faces).scores(np.zeros((8, 3)), faces)
    with pytest.raises(DataError, match="without surface"):
        TrueSurface(np.full((8, 3), np.nan), faces)
