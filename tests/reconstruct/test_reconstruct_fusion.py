"""Depth fused to a mesh, and Poisson's surface through oriented points: near a shape known by formula."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import box, sphere, views_of

from svdmv.core import Camera, ConfigError, DataError, MissingDependency, ViewSet
from svdmv.geometry.field import Lattice
from svdmv.geometry.fusion import fused_field
from svdmv.geometry.topology import closed_after_merging, signed_volumes
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.depths import points_from_depths

HAS_OPEN3D = importlib.util.find_spec("open3d") is not None
needs_open3d = pytest.mark.skipif(not HAS_OPEN3D, reason='Open3D is not installed: pip install "svdmv[open3d]"')


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return views_of(box(0.3, 0.2, 0.25), size=72, num_views=8)


def test_the_field_before_a_wall_by_hand() -> None:
    """A camera at z = 2 looking along -Z at a wall z = 0: the field is z, cut off at 0.5; far behind it is inside."""
    camera = Camera.looking_at((0, 0, 2.0), (0, 0, 0), 60, 4, 4)
    lattice = Lattice((0.0, 0.0, -1.0), 0.25, (1, 1, 9))
    field = fused_field(np.full((1, 4, 4), 2.0, np.float32), [camera], lattice, truncation=0.5)
    expected = np.clip(-1 + 0.25 * np.arange(9), -0.5, 0.5)
    np.testing.assert_allclose(field[0, 0], expected, atol=1e-6)
    nothing = fused_field(np.full((1, 4, 4), np.inf, np.float32), [camera], lattice, truncation=0.5)
    np.testing.assert_allclose(nothing, 0.5)


def test_our_fusion_is_closed_and_near_the_shape(views: ViewSet) -> None:
    made = reconstruct_mesh(views, method="tsdf", resolution=64)
    assert closed_after_merging(made.mesh.vertices, made.mesh.faces)
    seen = made.mesh.vertices[made.mesh.vertices[:, 1] > -0.15]  # the bottom was never seen
    assert np.abs(box(0.3, 0.2, 0.25)(seen.astype(np.float64))).mean() < 0.008


@needs_open3d
def test_poisson_closes_a_sphere() -> None:
    made = reconstruct_mesh(views_of(sphere(0.4), size=64, num_views=8), method="poisson", depth=6)
    assert np.abs(sphere(0.4)(made.mesh.vertices.astype(np.float64))).mean() < 0.01
    volume = signed_volumes(made.mesh.vertices, made.mesh.faces).sum()
    assert volume == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.05)


@pytest.mark.skipif(HAS_OPEN3D, reason="Open3D is installed")
def test_without_open3d_its_extra_is_named(views: ViewSet) -> None:
    with pytest.raises(MissingDependency, match=r"svdmv\[open3d\]"):
        reconstruct_mesh(views, method="poisson")


def test_points_and_normals_of_depth_maps(views: ViewSet) -> None:
    points, normals, colors = points_from_depths(views)
    assert points.shape == normals.shape == colors.shape
    assert np.median(np.abs(box(0.3, 0.2, 0.25)(points))) < 0.002
    flat = np.abs(np.abs(points[:, 0]) - 0.3) < 0.002
    flat &= (np.abs(points[:, 1]) < 0.17) & (np.abs(points[:, 2]) < 0.22)
    assert flat.sum() > 50
    np.testing.assert_allclose(np.median(normals[flat] * np.sign(points[flat, :1]), axis=0), [1, 0, 0], atol=0.02)
    given = np.zeros((*views.images.shape[:3], 3), np.float32)
    given[..., 1] = 1
    _, same, _ = points_from_depths(replace(views, normals=given))
    assert (same == [0, 1, 0]).all()


def test_views_without_depth_are_told_what_to_do(views: ViewSet) -> None:
    nowhere = np.full(views.images.shape[:3], np.inf, np.float32)
    for bad in (replace(views, depths=None), replace(views, depths=nowhere)):
        with pytest.raises(DataError) as caught:
            reconstruct_mesh(bad, method="tsdf")
        assert "--method" in str(caught.value.next_step)
    lone = nowhere.copy()
    lone[0, 30, 30] = 1.7
    with pytest.raises(DataError, match="no surface"):
        reconstruct_mesh(replace(views, depths=lone), method="tsdf")


def test_settings_out_of_range_are_refused(views: ViewSet) -> None:
    with pytest.raises(ConfigError):
        reconstruct_mesh(views, method="tsdf", resolution=4)
    with pytest.raises(ConfigError):
        reconstruct_mesh(views, method="poisson", depth=40)
