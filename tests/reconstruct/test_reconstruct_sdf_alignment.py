"""Views brought nearer to each other: known displacements and camera moves are found, and the surface gains by it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import box, ellipsoid, views_of
from scipy.ndimage import gaussian_filter, map_coordinates

from svdmv.core import Camera, ViewSet
from svdmv.geometry.field import Lattice
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.sdf_alignment import aligned_views, rendered_field
from svdmv.reconstruct.sdf_fit import FittedField
from svdmv.reconstruct.sdf_flow import displacement

SHAPE = ellipsoid(0.38, 0.22, 0.3)


def patterned(p: np.ndarray) -> np.ndarray:
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    return 0.5 + 0.4 * np.stack([np.sin(16 * x + 1), np.sin(15 * y - 3 * z), np.cos(17 * z + 2 * x)], -1)


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return replace(views_of(SHAPE, coloring=patterned, size=72, num_views=10, elevation_deg=20), depths=None)


@pytest.fixture(scope="module")
def true_field() -> FittedField:
    lattice = Lattice.around(np.array([-0.38, -0.22, -0.3]), np.array([0.38, 0.22, 0.3]), 64)
    points = lattice.points()
    return FittedField(lattice, SHAPE(points).astype(np.float32), patterned(points).astype(np.float32))


def warped(picture: np.ndarray, d: np.ndarray) -> np.ndarray:
    y, x = np.mgrid[0 : picture.shape[0], 0 : picture.shape[1]].astype(float)
    return np.stack(
        [map_coordinates(picture[..., c], [y + d[..., 1], x + d[..., 0]], order=1) for c in range(picture.shape[2])], -1
    )


def premultiplied(views: ViewSet, index: int) -> np.ndarray:
    assert views.alphas is not None
    alpha = views.alphas[index][..., None]
    return np.concatenate([views.images[index] * alpha, alpha], 2)


def test_the_field_renders_what_it_is(views: ViewSet, true_field: FittedField) -> None:
    shown = rendered_field(true_field, views.cameras[:3])
    for i in range(3):
        assert np.abs(shown[i, ..., :4] - premultiplied(views, i)).mean() < 0.02
        solid = shown[i, ..., 3] > 0.99
        y, x = np.nonzero(solid)
        pixels = np.stack([x + 0.5, y + 0.5], 1)
        way = views.cameras[i].unproject(pixels, np.ones(len(x))) - views.cameras[i].position
        way /= np.linalg.norm(way, axis=1, keepdims=True)
        hits = views.cameras[i].position + way * (shown[i, ..., 4] / np.maximum(shown[i, ..., 3], 1e-6))[solid][:, None]
        assert np.median(np.abs(SHAPE(hits))) < 0.01


def test_a_known_displacement_is_found(views: ViewSet) -> None:
    wanted = premultiplied(views, 2).astype(np.float32)
    rng = np.random.default_rng(0)
    noise = np.stack([gaussian_filter(rng.normal(size=(72, 72)), 14, mode="reflect") for _ in range(2)], -1)
    d = np.array([1.5, -1.0]) + 0.8 * noise / noise.std()
    source = warped(wanted, -d).astype(np.float32)  # near enough to the inverse for a smooth d
    near = (gaussian_filter(wanted[..., 3], 3) > 0.02).astype(np.float32)
    found = displacement(source, wanted, near)
    inside = wanted[..., 3] > 0.9
    before = np.sqrt((d[inside] ** 2).sum(-1).mean())
    after = np.sqrt(((found - d)[inside] ** 2).sum(-1).mean())
    assert after < 0.3 * before
    still = displacement(wanted, wanted, near)
    assert np.abs(still).max() < 0.05


def test_a_camera_that_stands_elsewhere_is_moved_back(views: ViewSet, true_field: FittedField) -> None:
    turn = np.radians(2.0)
    rotation = np.array([[np.cos(turn), 0, np.sin(turn)], [0, 1, 0], [-np.sin(turn), 0, np.cos(turn)]])
    pose = views.cameras[4].world_from_camera.copy()
    pose[:3] = rotation @ pose[:3]
    wrong = list(views.cameras)
    wrong[4] = Camera(views.cameras[4].K, pose, 72, 72)
    told = replace(views, cameras=tuple(wrong), orbit=None)
    trusted = np.arange(10) == 0
    moved = aligned_views(told, range(10), trusted, true_field)
    off = [np.linalg.norm(v.cameras[4].position - views.cameras[4].position) for v in (told, moved.views)]
    assert off[1] < 0.5 * off[0]
    assert 0.8 < moved.turned_deg[4] < 3
    assert np.delete(moved.turned_deg, 4).max() < 0.4
    assert moved.turned_deg[0] == 0
    np.testing.assert_array_equal(moved.views.images[0], views.images[0])
    bent = aligned_views(told, range(10), trusted, true_field, move_cameras=False)
    assert not bent.turned_deg.any()
    np.testing.assert_array_equal(bent.views.cameras[4].K, wrong[4].K)


def test_a_view_that_shows_something_else_counts_less(views: ViewSet, true_field: FittedField) -> None:
    images = views.images.copy()
    images[6] = np.random.default_rng(0).random(images[6].shape).astype(np.float32)
    found = aligned_views(replace(views, images=images), range(10), np.arange(10) == 0, true_field)
    assert found.weights[6] < 0.5
    assert np.delete(found.weights, 6).min() > 0.6
    assert found.weights[0] == 1


def test_aligned_pictures_are_nearer_to_the_true_ones() -> None:
    shape = box(0.3, 0.18, 0.22)
    views = replace(views_of(shape, coloring=patterned, size=56, num_views=11, elevation_deg=20), depths=None)
    rng = np.random.default_rng(3)
    images, alphas = [], []
    for i in range(11):
        noise = np.stack([gaussian_filter(rng.normal(size=(56, 56)), 6, mode="reflect") for _ in range(2)], -1)
        d = 0.0 if i == 0 else rng.normal(size=2) + 1.2 * noise / noise.std()
        bent = warped(premultiplied(views, i), np.broadcast_to(d, (56, 56, 2)))
        alphas.append(np.clip(bent[..., 3], 0, 1))
        images.append(np.clip(bent[..., :3] / np.maximum(bent[..., 3:], 1e-3), 0, 1))
    spoiled = replace(views, images=np.stack(images).astype(np.float32), alphas=np.stack(alphas).astype(np.float32))
    on = reconstruct_mesh(
        spoiled,
        method="sdf",
        resolution=44,
        batch=1024,
        steps=(40, 40, 40),
        flatten=0.0,
        align=True,
        move_cameras=False,
    )
    told = [premultiplied(v, i) - premultiplied(views, i) for v in (spoiled, on.views) for i in range(1, 11)]
    before, after = (float((np.stack(part) ** 2).mean()) for part in (told[:10], told[10:]))
    assert after < 0.85 * before
    assert any("round of alignment" in note for note in on.notes)
    assert on.figures["alignment"][0]["psnr_db"][1] > on.figures["alignment"][0]["psnr_db"][0] + 1
    np.testing.assert_array_equal(on.views.images[0], spoiled.images[0])
    assert (on.views.images[3] != spoiled.images[3]).any()


def test_normals_and_depths_go_with_their_pictures(views: ViewSet, true_field: FittedField) -> None:
    assert views.alphas is not None
    size = views.size[0]
    solid = views.alphas > 0.99
    normals = np.where(solid[..., None], np.array([0.0, 0, 1]), 0).astype(np.float32)
    depths = np.where(solid, np.float32(1.5), np.float32(np.inf)) + np.arange(size, dtype=np.float32) / size
    shifted = {
        name: np.roll(array, 2, axis=2)
        for name, array in {
            "images": views.images,
            "alphas": views.alphas,
            "normals": normals,
            "depths": depths,
        }.items()
    }
    told = replace(views, **shifted)
    found = aligned_views(told, range(10), np.zeros(10, bool), true_field, move_cameras=False).views
    assert found.normals is not None
    assert found.depths is not None
    inside = solid[3] & (np.arange(size) > 20) & (np.arange(size) < 52) & (np.arange(size) > 20)[:, None]
    lengths = np.linalg.norm(found.normals[3], axis=-1)
    assert np.allclose(lengths[lengths > 0], 1, atol=1e-5)
    both = inside & np.isfinite(found.depths[3]) & np.isfinite(depths[3])
    assert both.sum() > 200
    assert np.median(np.abs(found.depths[3][both] - depths[3][both])) < 1.2 / size  # it was 2 / size
