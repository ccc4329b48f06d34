"""Invariances of rendering: moving object and camera together, order of cameras, scale."""

from __future__ import annotations

import math

import numpy as np

from svdmv.core import Asset, Camera, Mesh, Orbit
from svdmv.dataset.shapes import shape_from_seed
from svdmv.io.meshes import normalised
from svdmv.render import render_views


def rotation(axis: tuple[float, float, float], degrees: float) -> np.ndarray:
    """Rotation matrix around an axis (Rodrigues)."""
    n = np.asarray(axis, np.float64) / np.linalg.norm(axis)
    k = np.array([[0, -n[2], n[1]], [n[2], 0, -n[0]], [-n[1], n[0], 0]])
    a = math.radians(degrees)
    return np.eye(3) + math.sin(a) * k + (1 - math.cos(a)) * k @ k


def test_object_and_camera_moved_together_give_the_same_silhouette_depth_and_turned_normals() -> None:
    asset, _ = normalised(shape_from_seed(3, "teapot"), rule="bounding_sphere")
    camera = Camera.looking_at((0.6, 0.5, 1.5), (0, 0, 0), 33.8, 40, 40)
    motion = np.eye(4)
    motion[:3, :3] = rotation((0.3, 1.0, -0.4), 63)
    motion[:3, 3] = (0.7, -2.0, 0.4)
    moved = Asset(asset.mesh.transformed(motion), asset.materials, asset.face_materials)
    there = Camera(camera.K, motion @ camera.world_from_camera, 40, 40)
    a = render_views(asset, [camera], shading="unlit")
    b = render_views(moved, [there], shading="unlit")
    assert a.alphas is not None
    assert b.alphas is not None
    assert np.abs(a.alphas.astype(int) - b.alphas).max() <= 40  # a sample of 4 may change sides by rounding
    assert (np.abs(a.alphas.astype(int) - b.alphas) > 2).mean() < 0.005
    assert a.depths is not None
    assert b.depths is not None
    both = np.isfinite(a.depths) & np.isfinite(b.depths)
    assert np.median(np.abs(a.depths[both] - b.depths[both])) < 1e-5
    assert a.normals is not None
    assert b.normals is not None
    cosine = (a.normals[both] @ motion[:3, :3].T * b.normals[both]).sum(-1)
    assert np.median(cosine) > 0.99999


def test_order_of_cameras_does_not_matter() -> None:
    asset, _ = normalised(shape_from_seed(1, "car"), rule="bounding_sphere")
    cameras = Orbit.static(15, 4, radius=1.75).cameras(24, 24)
    forward, backward = render_views(asset, cameras), render_views(asset, cameras[::-1])
    np.testing.assert_array_equal(forward.images, backward.images[::-1])


def test_size_of_the_world_does_not_matter() -> None:
    """Object, camera distance and nothing else a thousand times larger: the same picture."""
    asset, _ = normalised(shape_from_seed(2, "robot"), rule="bounding_sphere")
    large = Mesh(asset.mesh.vertices * 1024, asset.mesh.faces, asset.mesh.normals, asset.mesh.uvs)
    near = Camera.looking_at((0.5, 0.4, 1.6), (0, 0, 0), 33.8, 32, 32)
    far = Camera.looking_at(1024 * near.position, (0, 0, 0), 33.8, 32, 32)
    a = render_views(asset, [near]).rgba_u8().astype(int)
    b = render_views(Asset(large, asset.materials, asset.face_materials), [far]).rgba_u8().astype(int)
    assert np.abs(a - b).mean() < 0.2
