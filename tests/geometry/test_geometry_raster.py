"""Rasterisers against rays and half-planes."""

from __future__ import annotations

import numpy as np
import slow_geometry
from analytic_shapes import SMALL_WORLD
from simple_meshes import ball, both, cube

from svdmv.core import Camera, Orbit
from svdmv.geometry.raster import depth_maps, sampled_bilinear, texel_map


def test_depth_maps_agree_with_rays() -> None:
    vertices, faces = both(ball(0.3, 1), cube(0.2), (0.25, 0.1, 0.2))
    cameras = Orbit.static(25, 3, **SMALL_WORLD).cameras(24, 18)
    fast = depth_maps(vertices, faces, cameras)
    for view, camera in zip(fast, cameras, strict=True):
        slow = slow_geometry.depth_map(vertices, faces, camera)
        assert (np.isfinite(view) == np.isfinite(slow)).mean() > 0.995  # a ray may graze an edge
        shared = np.isfinite(view) & np.isfinite(slow)
        assert shared.sum() > 50
        np.testing.assert_allclose(view[shared], slow[shared], rtol=1e-5)


def test_a_lens_of_unequal_focal_lengths_and_a_shifted_centre_is_followed() -> None:
    camera = Orbit.static(10, 1, **SMALL_WORLD).cameras(24, 24)[0]
    skewed = camera.K.copy()
    skewed[0, 0], skewed[0, 2], skewed[1, 2] = 1.3 * skewed[0, 0], 10.2, 14.1
    camera = Camera(skewed, camera.world_from_camera, 24, 24)
    vertices, faces = ball(0.3, 2)
    fast = depth_maps(vertices, faces, [camera])[0]
    slow = slow_geometry.depth_map(vertices, faces, camera)
    shared = np.isfinite(fast) & np.isfinite(slow)
    assert shared.sum() > 0.95 * np.isfinite(slow).sum()
    np.testing.assert_allclose(fast[shared], slow[shared], rtol=1e-5)


def test_faces_behind_the_camera_are_not_drawn() -> None:
    camera = Camera.looking_at((0, 0, 0), (0, 0, -1), 40, 8, 8)
    vertices = np.array([[-1, -1, 1], [1, -1, 1], [0, 1, 1.0]])
    assert np.isinf(depth_maps(vertices, np.array([[0, 1, 2]]), [camera])).all()


def test_texels_agree_with_half_planes() -> None:
    rng = np.random.default_rng(1)
    uvs = rng.uniform(0, 1, (6, 3, 2))
    fast = texel_map(uvs, 40, 40, gutter=0)
    owner, layers = slow_geometry.texel_owner(uvs, 40)
    assert (np.abs(fast.layers - layers) > 0).mean() < 0.01  # centres on an edge
    alone = (layers == 1) & (fast.layers == 1)
    assert (fast.face[alone] == owner[alone]).all()
    np.testing.assert_allclose(fast.weights[alone].sum(-1), 1, atol=1e-5)
    corners = uvs[fast.face[alone]] * 40
    rows, columns = np.nonzero(alone)
    rebuilt = np.einsum("mk,mkc->mc", fast.weights[alone], corners)
    np.testing.assert_allclose(rebuilt, np.stack([columns + 0.5, rows + 0.5], 1), atol=1e-3)


def test_the_gutter_reaches_as_far_as_asked_and_belongs_to_the_nearest_face() -> None:
    square = np.array([[[0.25, 0.25], [0.75, 0.25], [0.25, 0.75]], [[0.75, 0.75], [0.25, 0.75], [0.75, 0.25]]])
    owned = texel_map(square, 32, 32, gutter=2.0)
    rows = np.nonzero(owned.face >= 0)[0]
    assert rows.min() == 8 - 2
    assert rows.max() == 23 + 2
    assert owned.face[7, 9] == 0
    assert owned.face[24, 22] == 1
    assert owned.face[0, 0] == -1


def test_bilinear_samples_are_exact_on_a_plane_and_clamped_outside() -> None:
    y, x = np.mgrid[0:5, 0:7] + 0.5
    picture = np.stack([2 * x + y, x - 3 * y], -1)
    places = np.array([[1.2, 3.4], [6.5, 4.5], [0.5, 0.5]])
    expected = np.stack([2 * places[:, 0] + places[:, 1], places[:, 0] - 3 * places[:, 1]], 1)
    np.testing.assert_allclose(sampled_bilinear(picture, places), expected, atol=1e-5)
    np.testing.assert_allclose(sampled_bilinear(picture, np.array([[-5.0, 99]])), picture[None, 4, 0], atol=1e-5)
