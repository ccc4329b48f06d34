"""Laws of the visual hull on shapes known by formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import SMALL_WORLD, Distance, box, ellipsoid, joined, moved, smooth_colors, sphere, torus, views_of

from svdmv.core import Camera, Orbit, ViewSet
from svdmv.geometry.topology import closed_after_merging, signed_volumes
from svdmv.reconstruct import Reconstruction, reconstruct_mesh


def beside(shape: Distance, x: float) -> Distance:
    return moved(shape, np.eye(3), np.array([x, 0.0, 0.0]))


SHAPES: dict[str, Distance] = {
    "sphere": sphere(0.4),
    "box": box(0.3, 0.2, 0.25),
    "torus": torus(),
    "ellipsoid": ellipsoid(),
    "pair": joined(beside(sphere(0.2), 0.22), beside(box(0.1, 0.2, 0.1), -0.25)),
}
RESOLUTION = 72


@pytest.fixture(scope="module")
def views() -> dict[str, ViewSet]:
    return {name: views_of(shape, size=48) for name, shape in SHAPES.items()}


@pytest.fixture(scope="module")
def hulls(views: dict[str, ViewSet]) -> dict[str, Reconstruction]:
    return {name: reconstruct_mesh(v, method="hull", resolution=RESOLUTION, flatten=0.0) for name, v in views.items()}


def volume(result: Reconstruction) -> float:
    return float(signed_volumes(result.mesh.vertices, result.mesh.faces).sum())


@pytest.mark.parametrize("name", SHAPES)
def test_hull_is_closed_and_contains_the_object(name: str, hulls: dict[str, Reconstruction]) -> None:
    mesh = hulls[name].mesh
    assert closed_after_merging(mesh.vertices, mesh.faces)
    depth_inside = -SHAPES[name](mesh.vertices.astype(np.float64))
    assert depth_inside.max() < 0.018  # a pixel of these views is 0.022 wide


@pytest.mark.parametrize("name", SHAPES)
def test_silhouettes_of_the_hull_match_the_masks(name: str, hulls: dict[str, Reconstruction]) -> None:
    result = hulls[name]
    assert result.figures["mean_mask_iou"] > 0.97
    assert min(result.figures["mask_iou"]) > 0.95
    assert result.figures["dropped_views"] == 0
    assert result.figures["masks_grown_px"] == 0
    assert result.method == "hull"
    assert len(result.figures["mask_iou"]) == 21


def test_volumes_of_round_shapes_are_right(hulls: dict[str, Reconstruction]) -> None:
    assert volume(hulls["sphere"]) == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.02)
    assert volume(hulls["ellipsoid"]) == pytest.approx(4 / 3 * np.pi * 0.4 * 0.25 * 0.3, rel=0.05)
    assert volume(hulls["torus"]) == pytest.approx(2 * np.pi**2 * 0.3 * 0.1**2, rel=0.06)


def test_the_torus_keeps_its_hole(hulls: dict[str, Reconstruction]) -> None:
    mesh = hulls["torus"].mesh
    edges = 3 * len(mesh.faces) // 2
    assert len(mesh.vertices) - edges + len(mesh.faces) == 0  # Euler characteristic of a torus


def test_parts_that_are_real_both_stay(hulls: dict[str, Reconstruction]) -> None:
    x = hulls["pair"].mesh.vertices[:, 0]
    assert x.min() < -0.33
    assert x.max() > 0.4
    assert not ((x > -0.1) & (x < -0.02)).any()


def test_vertex_colours_are_those_of_the_views(hulls: dict[str, Reconstruction]) -> None:
    mesh = hulls["sphere"].mesh
    assert mesh.colors is not None
    error = np.abs(mesh.colors / 255 - smooth_colors(mesh.vertices.astype(np.float64)))
    beside = np.abs(mesh.vertices[:, 1]) < 0.3
    assert error[beside].mean() < 0.02
    assert np.quantile(error[beside], 0.99) < 0.1


def test_order_of_views_does_not_matter(views: dict[str, ViewSet], hulls: dict[str, Reconstruction]) -> None:
    order = [0, *np.random.default_rng(0).permutation(np.arange(1, 21)).tolist()]
    other = reconstruct_mesh(views["box"].subset(order), method="hull", resolution=RESOLUTION, flatten=0.0)
    np.testing.assert_array_equal(other.mesh.faces, hulls["box"].mesh.faces)
    np.testing.assert_allclose(other.mesh.vertices, hulls["box"].mesh.vertices, atol=1e-5)
    assert [other.figures["mask_iou"][order.index(i)] for i in range(21)] == pytest.approx(
        hulls["box"].figures["mask_iou"], abs=1e-4
    )


def test_a_rigid_motion_of_the_world_moves_the_hull() -> None:
    angle = np.radians(35)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    tilt = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    pose = np.eye(4)
    pose[:3, :3], pose[:3, 3] = turn @ tilt, (0.7, -0.3, 1.1)
    here = views_of(SHAPES["ellipsoid"], size=40, num_views=12)
    cameras = tuple(Camera(c.K, pose @ c.world_from_camera, c.width, c.height) for c in here.cameras)
    there = replace(here, cameras=cameras, orbit=None)
    first, second = (reconstruct_mesh(v, method="hull", resolution=56) for v in (here, there))
    assert volume(second) == pytest.approx(volume(first), rel=0.01)
    back = (second.mesh.vertices.astype(np.float64) - pose[:3, 3]) @ pose[:3, :3]
    np.testing.assert_allclose(back.mean(0), first.mesh.vertices.mean(0), atol=0.004)
    np.testing.assert_allclose(back.min(0), first.mesh.bounds[0], atol=0.012)
    np.testing.assert_allclose(back.max(0), first.mesh.bounds[1], atol=0.012)


def test_a_larger_world_gives_a_larger_hull() -> None:
    here = views_of(SHAPES["box"], size=40, num_views=10)
    cameras = []
    for camera in here.cameras:
        pose = camera.world_from_camera.copy()
        pose[:3, 3] *= 7
        cameras.append(Camera(camera.K, pose, camera.width, camera.height))
    large = reconstruct_mesh(replace(here, cameras=tuple(cameras), orbit=None), method="hull", resolution=56)
    small = reconstruct_mesh(here, method="hull", resolution=56)
    np.testing.assert_array_equal(large.mesh.faces, small.mesh.faces)
    np.testing.assert_allclose(large.mesh.vertices, 7 * small.mesh.vertices, atol=2e-3)


def test_the_same_views_give_the_same_bytes(views: dict[str, ViewSet], hulls: dict[str, Reconstruction]) -> None:
    again = reconstruct_mesh(views["torus"], method="hull", resolution=RESOLUTION, flatten=0.0)
    for name in ("vertices", "faces", "colors"):
        assert getattr(again.mesh, name).tobytes() == getattr(hulls["torus"].mesh, name).tobytes()
    assert again.figures == hulls["torus"].figures


def test_unlike_lenses_and_shifted_principal_points_are_followed() -> None:
    orbit = Orbit.static(15, 12, **SMALL_WORLD)
    cameras = []
    for i, camera in enumerate(orbit.cameras(48, 40)):
        K = camera.K.copy()
        K[0, 0] *= 1 + 0.02 * i
        K[0, 2] += (i % 5) - 2
        K[1, 2] -= (i % 3) - 1
        cameras.append(Camera(K, camera.world_from_camera, 48, 40))
    result = reconstruct_mesh(views_of(sphere(0.3), cameras), method="hull", resolution=56, flatten=0.0)
    assert volume(result) == pytest.approx(4 / 3 * np.pi * 0.3**3, rel=0.04)
    np.testing.assert_allclose(result.mesh.vertices.mean(0), 0, atol=0.01)


def test_flattening_cuts_the_cone_under_a_box_and_keeps_the_outlines(
    views: dict[str, ViewSet], hulls: dict[str, Reconstruction]
) -> None:
    flat = reconstruct_mesh(views["box"], method="hull", resolution=RESOLUTION, flatten=1.0)
    true = 8 * 0.3 * 0.2 * 0.25
    assert true * 0.97 < volume(flat) < volume(hulls["box"]) - 0.4 * (volume(hulls["box"]) - true)
    assert flat.mesh.bounds[0][1] == pytest.approx(-0.2, abs=0.02)
    assert flat.figures["mean_mask_iou"] > hulls["box"].figures["mean_mask_iou"] - 0.01


def test_sub_pixel_edges_count() -> None:
    sizes = [0.3, 0.305, 0.31]  # steps of a quarter of a pixel
    volumes = [
        volume(reconstruct_mesh(views_of(sphere(r), size=48, num_views=9), method="hull", resolution=56)) for r in sizes
    ]
    radii = np.cbrt(np.array(volumes))
    np.testing.assert_allclose(radii / radii[0], np.array(sizes) / sizes[0], atol=0.006)
