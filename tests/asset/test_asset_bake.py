"""Textures: a known colour field comes back; nobody's background, nobody else's colours, no holes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slow_bake
from analytic_shapes import joined, moved, smooth_colors, sphere, views_of
from simple_meshes import ball, both

from svdmv.asset import textured_asset
from svdmv.asset._bake_kernels import blend_kernel
from svdmv.asset.bake import sampled_pictures, spread_colors
from svdmv.core import Asset, Mesh, ViewSet
from svdmv.geometry.cameras import camera_positions, projection_matrices
from svdmv.geometry.raster import depth_maps, texel_map

SIZE = 256


def mesh_of(arrays: tuple[np.ndarray, np.ndarray]) -> Mesh:
    return Mesh(arrays[0].astype(np.float32), arrays[1])


def baked(mesh: Mesh, views: ViewSet, **settings: object) -> Asset:
    return textured_asset(mesh, views, **{"texture_size": SIZE, "smoothing": 0, **settings})  # type: ignore[arg-type]  # a dict of mixed values


def texels_of(asset: Asset) -> tuple[np.ndarray, np.ndarray]:
    """World positions (M, 3) and colours (M, 3) in [0, 1] of the texels that faces own."""
    mesh, texture = asset.mesh, asset.materials[0].base_color_srgb
    assert mesh.uvs is not None
    assert texture is not None
    texels = texel_map(mesh.uvs[mesh.faces], SIZE, SIZE, gutter=0)
    rows, columns = np.nonzero(texels.face >= 0)
    corners = mesh.vertices[mesh.faces[texels.face[rows, columns]]]
    return np.einsum("mk,mkc->mc", texels.weights[rows, columns], corners), texture[rows, columns, :3] / 255


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(((a - b) ** 2).mean()))


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return views_of(sphere(0.4), size=64, num_views=12, samples=2)


@pytest.fixture(scope="module")
def asset(views: ViewSet) -> Asset:
    return baked(mesh_of(ball(0.4, 3)), views)


def test_a_known_colour_field_comes_back(asset: Asset) -> None:
    points, colors = texels_of(asset)
    points *= (0.4 / np.linalg.norm(points, axis=1))[:, None]
    beside = np.abs(points[:, 1]) < 0.3
    assert psnr(colors[beside], smooth_colors(points[beside])) > 32
    assert psnr(colors, smooth_colors(points)) > 22  # the bottom, which no view sees, included


def test_the_texture_is_opaque_and_the_material_matte(asset: Asset) -> None:
    material = asset.materials[0]
    assert material.base_color_srgb is not None
    assert material.base_color_srgb.shape == (SIZE, SIZE, 4)
    assert (material.base_color_srgb[..., 3] == 255).all()
    assert (material.metallic, material.roughness, material.alpha_mode) == (0, 0.9, "OPAQUE")
    assert 0.8 < asset.provenance["asset"]["seen_share"] < 1


def test_one_colour_stays_one_colour_everywhere(views: ViewSet) -> None:
    images = np.full_like(views.images, 0.0)
    assert views.alphas is not None
    images[views.alphas >= 0.9] = (0.8, 0.4, 0.2)  # black outside: nothing of it may enter
    texture = baked(mesh_of(ball(0.4, 3)), replace(views, images=images)).materials[0].base_color_srgb
    assert texture is not None
    assert np.abs(texture[..., :3].astype(int) - (204, 102, 51)).max() <= 2  # unseen texels and gutters as well


def test_what_stands_in_front_is_not_painted_on_what_is_behind() -> None:
    front = moved(sphere(0.12), np.eye(3), np.array([0, 0, 0.35]))
    shape = joined(front, sphere(0.2))

    def red_in_front(p: np.ndarray) -> np.ndarray:
        return np.where(p[..., 2:] > 0.215, (0.9, 0.1, 0.1), (0.1, 0.1, 0.9))

    views = views_of(shape, coloring=red_in_front, size=64, samples=2, num_views=12)
    mesh = mesh_of(both(ball(0.2, 3), ball(0.12, 3), (0, 0, 0.35)))
    points, colors = texels_of(baked(mesh, views))
    behind = np.linalg.norm(points, axis=1) < 0.21
    assert np.quantile(colors[behind, 0], 0.99) < 0.3
    assert np.quantile(colors[~behind & (points[:, 2] > 0.3), 2], 0.99) < 0.3


def test_the_input_view_outweighs_the_others(views: ViewSet) -> None:
    images = np.zeros_like(views.images)
    images[..., 2] = 1.0
    images[0] = (1, 0, 0)
    mixed = replace(views, images=images)
    reds = []
    for settings in ({"input_view": None}, {}, {"input_weight": 50.0}):
        points, colors = texels_of(baked(mesh_of(ball(0.4, 3)), mixed, **settings))
        facing, away = points[:, 2] > 0.3, points[:, 2] < -0.1
        reds.append(colors[facing, 0].mean())
        assert colors[away, 0].mean() < 0.02
    assert reds[0] < 0.6
    assert reds[1] > reds[0] + 0.1
    assert reds[2] > 0.9


def test_unseen_parts_take_the_colours_around_them(views: ViewSet) -> None:
    half = views.subset([0, 1, 11])
    points, colors = texels_of(baked(mesh_of(ball(0.4, 3)), half))
    back = points[:, 2] < -0.3
    beside = np.abs(points[:, 2]) < 0.1
    assert (colors[back] > colors[beside].min(0) - 0.02).all()
    assert (colors[back] < colors[beside].max(0) + 0.02).all()
    assert colors[back].std(0).max() < 0.15


def test_views_without_alpha_and_eight_bit_views_are_baked_too(views: ViewSet, asset: Asset) -> None:
    opaque = ViewSet(np.round(views.on_background(0.5) * 255).astype(np.uint8), views.cameras)
    points, colors = texels_of(baked(mesh_of(ball(0.4, 3)), opaque))
    facing = np.abs(points[:, 1]) < 0.2
    assert psnr(colors[facing], texels_of(asset)[1][facing]) > 30


def test_blending_agrees_with_the_slow_definition(views: ViewSet) -> None:
    vertices, faces = both(ball(0.3, 1), ball(0.1, 1), (0, 0.05, 0.38))
    pictures = sampled_pictures(views)
    cameras = [camera.resized(256, 256) for camera in views.cameras]
    depths = depth_maps(vertices, faces, [camera.resized(96, 96) for camera in cameras])
    points, weights = vertices[::5], np.linspace(1, 3, len(views))
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    colors, confidence = np.zeros((len(points), 3)), np.zeros(len(points))
    blend_kernel(points, normals, pictures, depths, projection_matrices(cameras), camera_positions(cameras), weights,
                 0.01, 6.0, colors, confidence)  # fmt: skip
    slow_colors, slow_confidence = slow_bake.blended(points, normals, pictures, depths, cameras, weights, 0.01, 6.0)
    np.testing.assert_allclose(confidence, slow_confidence, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(colors, slow_colors, atol=1e-4)
    assert (confidence > 0.1).sum() > 10


def test_spread_colours_keep_what_is_sure_and_bridge_the_rest() -> None:
    vertices, faces = ball(0.4, 2)
    sure = np.abs(vertices[:, 0]) > 0.25
    colors = np.where(vertices[:, :1] > 0, (1.0, 0, 0), (0, 0, 1.0)).astype(np.float32)
    corners = np.repeat(np.arange(len(vertices))[:, None], 3, 1)
    weights = np.tile([1.0, 0, 0], (len(vertices), 1))
    out = spread_colors(len(vertices), faces, corners, weights, colors, sure.astype(np.float32))
    assert np.abs(out[sure] - colors[sure]).max() < 0.1
    middle = np.abs(vertices[:, 0]) < 0.05
    np.testing.assert_allclose(out[middle], [[0.5, 0, 0.5]] * middle.sum(), atol=0.12)
    nothing = spread_colors(len(vertices), faces, corners, weights, colors, np.zeros(len(vertices), np.float32))
    assert (nothing == 0.5).all()
