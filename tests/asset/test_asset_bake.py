"""Textures: a known colour field comes back; nobody's background, nobody else's colours, no holes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import slow_bake
from analytic_shapes import joined, moved, smooth_colors, sphere, views_of
from simple_meshes import ball, both

from svdmv.asset import baked_asset, origin_from_picture, picture_from_origin, textured_asset
from svdmv.asset._bake_kernels import label_kernel, surroundings_kernel, texel_bake_kernel
from svdmv.asset.bake import sampled_pictures
from svdmv.asset.fill import dilated, spread_colors
from svdmv.asset.origin import OriginMap
from svdmv.asset.view_choice import agreement, chosen_shares, exposure_gains, vertex_links
from svdmv.core import Asset, DataError, Mesh, Orbit, ViewSet, vertex_normals
from svdmv.geometry.atlas import triangle_atlas
from svdmv.geometry.cameras import camera_positions, projection_matrices
from svdmv.geometry.raster import depth_maps, texel_map
from svdmv.geometry.symmetry import mirror_plane

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


def texel_rows_and_columns(asset: Asset) -> tuple[np.ndarray, np.ndarray]:
    """Where the texels of `texels_of` lie."""
    assert asset.mesh.uvs is not None
    return np.nonzero(texel_map(asset.mesh.uvs[asset.mesh.faces], SIZE, SIZE, gutter=0).face >= 0)


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
    assert np.quantile(colors[~behind & (points[:, 2] > 0.3), 2], 0.98) < 0.3


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
    normals = vertex_normals(vertices, faces).astype(np.float64)
    pictures = sampled_pictures(views)
    cameras = [camera.resized(256, 256) for camera in views.cameras]
    depths = depth_maps(vertices, faces, [camera.resized(96, 96) for camera in cameras])
    around = np.zeros((*depths.shape, 3), np.float32)
    surroundings_kernel(depths, around)
    rng = np.random.default_rng(0)
    broad, sharp = rng.uniform(0.2, 2, (2, len(vertices), len(views)))
    atlas = triangle_atlas(faces, 48)
    texels = texel_map(atlas.uvs[atlas.faces], 48, 48)
    rgb, confidence, truth = np.zeros((48, 48, 3), np.uint8), np.zeros((48, 48), np.uint8), np.zeros((48, 48), np.uint8)
    total = np.zeros((48, 48), np.float32)
    texel_bake_kernel(
        texels.face, texels.weights, faces, vertices, normals, np.zeros((len(vertices), 3)), broad, sharp,
        np.ones(broad.shape, bool), pictures, pictures[0], -1, around, projection_matrices(cameras),
        camera_positions(cameras), np.ones(len(views), bool), 0.01, 0.0, rgb, confidence, truth, total,
    )  # fmt: skip
    rows, columns = np.nonzero(texels.layers == 1)
    rows, columns = rows[::7], columns[::7]
    corners, weights = faces[texels.face[rows, columns]], texels.weights[rows, columns].astype(np.float64)
    mixed = [np.einsum("mk,mkc->mc", weights, values[corners]) for values in (vertices, normals, broad, sharp)]
    mixed[1] /= np.linalg.norm(mixed[1], axis=1, keepdims=True)
    slow_colors, slow_sums = slow_bake.blended(mixed[0], mixed[1], pictures, depths, cameras, mixed[2], mixed[3], 0.01)
    np.testing.assert_allclose(total[rows, columns], slow_sums, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(rgb[rows, columns] / 255, np.clip(slow_colors, 0, 1), atol=0.003)
    assert (slow_sums > 0.1).sum() > 20
    assert set(np.unique(truth[rows, columns])) == {0, 255}


def test_spread_colours_keep_what_is_sure_and_bridge_the_rest() -> None:
    vertices, faces = ball(0.4, 2)
    sure = np.abs(vertices[:, 0]) > 0.25
    colors = np.where(vertices[:, :1] > 0, (1.0, 0, 0), (0, 0, 1.0))
    out = spread_colors(faces, colors, sure.astype(np.float64))
    assert np.abs(out[sure] - colors[sure]).max() < 0.1
    middle = np.abs(vertices[:, 0]) < 0.05
    np.testing.assert_allclose(out[middle], [[0.5, 0, 0.5]] * middle.sum(), atol=0.12)
    assert (spread_colors(faces, colors, np.zeros(len(vertices))) == 0.5).all()


def test_the_choice_of_views_is_the_cheapest_on_a_tree() -> None:
    rng = np.random.default_rng(3)
    edges = np.array([(0, 1), (1, 2), (2, 3), (2, 4), (4, 5)])
    costs = rng.uniform(0, 2, (6, 3))
    faces = np.array([(a, b, a) for a, b in edges], np.int32)  # as edges only: a face that goes there and back
    links = vertex_links(6, faces)
    rows = np.repeat(np.arange(6), np.diff(links.indptr))
    twins = np.lexsort((rows, links.indices))
    for e, twin in enumerate(twins):
        assert (rows[twin], links.indices[twin]) == (links.indices[e], rows[e])
    labels, messages = np.zeros(6, np.int32), np.zeros((len(rows), 3), np.float32)
    label_kernel(costs, links.indptr, links.indices, twins, 0.5, 12, messages, labels)
    np.testing.assert_array_equal(labels, slow_bake.cheapest_labels(costs, edges, 0.5))
    assert len(set(labels)) > 1


def test_patches_of_one_view_are_large_and_their_borders_soft() -> None:
    vertices, faces = ball(0.4, 3)
    votes = np.clip(np.stack([vertices[:, 0], -vertices[:, 0]], 1) + 0.2, 0, None).astype(np.float32)
    votes *= np.random.default_rng(0).uniform(0.7, 1.4, votes.shape).astype(np.float32)
    shares = chosen_shares(votes, faces)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)
    far = np.abs(vertices[:, 0]) > 0.15
    np.testing.assert_allclose(shares[far, 0], vertices[far, 0] > 0, atol=1e-6)
    assert ((shares[:, 0] > 0.1) & (shares[:, 0] < 0.9)).sum() > 10


def test_exposure_of_dark_and_tinted_views_is_found() -> None:
    rng = np.random.default_rng(1)
    colors = np.repeat(rng.uniform(0.2, 0.7, (400, 1, 3)), 5, 1).astype(np.float32)
    true = np.array([[1, 1, 1], [0.9, 1.0, 1.1], [1.2, 1.2, 1.2], [0.85, 0.8, 0.9], [1, 1, 1]], np.float32)
    quality = rng.uniform(0.2, 1, (400, 5)).astype(np.float32) * (rng.uniform(size=(400, 5)) < 0.7)
    gains = exposure_gains(quality, colors * true, np.ones(5), np.arange(5) == 0)
    np.testing.assert_allclose(gains * true, 1, atol=0.03)
    np.testing.assert_array_equal(gains[0], 1)
    free = exposure_gains(quality, colors * true, np.ones(5), np.zeros(5, bool))
    np.testing.assert_allclose(free.mean(0), 1, atol=1e-6)


def test_a_view_that_disagrees_loses_its_vote() -> None:
    colors = np.full((3, 5, 3), 0.4, np.float32)
    colors[:, 2] = (0.9, 0.1, 0.1)
    votes = agreement(np.ones((3, 5), np.float32), colors, np.ones(5))
    assert (votes[:, 2] < 0.1).all()
    np.testing.assert_allclose(np.delete(votes, 2, 1), 1)


def test_details_do_not_show_twice_where_views_disagree(views: ViewSet) -> None:
    """Stripes, shifted in every other view: a mean loses their contrast, a choice keeps it."""

    def stripes(shift: float) -> ViewSet:
        return views_of(
            sphere(0.4), views.cameras, lambda p: 0.5 + 0.4 * np.sin(45 * p[..., 1:2] + shift) * np.ones(3), size=64
        )

    first, second = stripes(0.0), stripes(np.pi)
    images = np.where((np.arange(len(views)) % 2 == 0)[:, None, None, None], first.images, second.images)
    points, colors = texels_of(baked(mesh_of(ball(0.4, 3)), replace(first, images=images), input_view=None))
    beside = np.abs(points[:, 1]) < 0.25
    assert colors[beside].std() > 0.6 * np.sqrt(0.5) * 0.4


def test_a_sharper_picture_of_the_input_view_sharpens_its_side(views: ViewSet) -> None:
    def stripes(p: np.ndarray) -> np.ndarray:
        return 0.5 + 0.4 * np.sin(150 * p[..., 1:2]) * np.ones(3)

    coarse = views_of(sphere(0.4), views.cameras, stripes, size=64)
    sharp = views_of(sphere(0.4), [views.cameras[0].resized(512, 512)], stripes, samples=1).rgba_u8()[0]
    errors = []
    for settings in ({}, {"detail": sharp}):
        points, colors = texels_of(baked(mesh_of(ball(0.4, 4)), coarse, **settings, faces=6000))
        facing = points[:, 2] > 0.3
        errors.append(psnr(colors[facing], stripes(points[facing])))
    assert errors[1] > errors[0] + 4


def test_origins_are_named_texel_by_texel(views: ViewSet) -> None:
    mesh = mesh_of(ball(0.4, 3))
    made = baked_asset(mesh, views, texture_size=SIZE, smoothing=0, generated=True)
    points = texels_of(made.asset)[0]
    kinds = made.origin.kind[texel_rows_and_columns(made.asset)]
    toward = (views.cameras[0].position - points) / np.linalg.norm(views.cameras[0].position - points, axis=1)[:, None]
    cosine = (toward * points).sum(1) / np.linalg.norm(points, axis=1)
    assert (kinds[cosine > 0.75] == 1).mean() > 0.97
    assert (kinds[cosine < 0] != 1).all()
    assert (kinds[points[:, 1] < -0.38] >= 3).mean() > 0.9  # the bottom: no view sees it
    assert (kinds[(cosine < 0) & (np.abs(points[:, 1]) < 0.2)] == 2).mean() > 0.97
    shares = made.asset.provenance["asset"]["texture_origin"]
    assert shares["seen"] + shares["generated"] + shares["filled"] == pytest.approx(1, abs=2e-3)
    assert 0.2 < shares["seen"] < 0.5
    assert shares["filled"] == pytest.approx((points[kinds >= 3, 1] < 9).sum() / len(points), abs=0.03)
    true = baked_asset(mesh, views, texture_size=SIZE, smoothing=0).asset.provenance["asset"]["texture_origin"]
    assert true["generated"] == 0
    assert true["seen"] == pytest.approx(shares["seen"] + shares["generated"], abs=0.01)


def test_the_map_of_origins_comes_back_from_its_picture() -> None:
    kind = np.arange(5, dtype=np.uint8).repeat(256).reshape(5, 256)
    confidence = np.where(kind > 0, np.arange(256, dtype=np.uint8), 0).astype(np.uint8)
    again = origin_from_picture(picture_from_origin(OriginMap(kind, confidence)))
    np.testing.assert_array_equal(again.kind, kind)
    assert np.abs(again.confidence.astype(int) - confidence).max() <= 1
    with pytest.raises(DataError, match="no map of origins"):
        origin_from_picture(np.full((2, 2, 3), 200, np.uint8))


def test_the_far_side_of_a_symmetric_object_is_guessed_from_the_near_one() -> None:
    """Seen from the right only, coloured by height and |x|: the left must show the same."""

    def both_sides_alike(p: np.ndarray) -> np.ndarray:
        return 0.5 + 0.4 * np.stack([np.sin(8 * np.abs(p[..., 0])), np.sin(9 * p[..., 1]), np.sin(6 * p[..., 2])], -1)

    orbit = Orbit.static(10.0, 12, radius=1.75, fov_y_deg=33.8)
    views = views_of(sphere(0.4), orbit.cameras(64, 64)[1:6], both_sides_alike)
    shape = mesh_of(ball(0.4, 3))
    made = baked_asset(shape, views, texture_size=SIZE, smoothing=0, input_view=None)
    points, colors = texels_of(made.asset)
    left = (points[:, 0] < -0.1) & (np.abs(points[:, 1]) < 0.2)
    assert made.asset.provenance["asset"]["texture_origin"]["of_filled_mirrored"] > 0.1
    assert psnr(colors[left], both_sides_alike(points[left])) > 20
    kinds = made.origin.kind[texel_rows_and_columns(made.asset)]
    assert (kinds[left & (kinds >= 3)] == 4).mean() > 0.9
    assert (kinds[points[:, 1] < -0.38] != 4).mean() > 0.9  # nobody saw the other half of the bottom


def test_a_mirror_plane_needs_a_shape_that_fits_and_colours_seen_on_both_sides() -> None:
    vertices, faces = ball(0.4, 4)
    bent = vertices * np.where(vertices[:, :1] > 0, 1.0, 0.7) * (1, 0.8, 0.6) * np.where(vertices[:, 1:2] > 0, 1, 0.6)
    normals = vertex_normals(bent, faces)
    plane = mirror_plane(bent, normals)
    assert plane is not None
    assert abs(plane.normal[2]) > 0.999  # front and back alike, left and right not
    assert plane.offset == pytest.approx(0, abs=1e-9)
    np.testing.assert_allclose(plane.mirrored(plane.mirrored(bent)), bent, atol=1e-12)
    colors = np.where(vertices[:, 2:] > -0.02, vertices + 0.5, np.nan)
    assert (
        mirror_plane(bent, normals, np.where(vertices[:, 1:2] > 0, vertices + 0.5, np.nan)) is None
    )  # front is not back
    assert mirror_plane(bent, normals, colors) is None  # the back was never seen
    lumpy = vertices * (1 + 0.3 * np.sin(7 * vertices[:, :1] + 3 * vertices[:, 1:2] + 9 * vertices[:, 2:]))
    assert mirror_plane(lumpy, vertex_normals(lumpy, faces)) is None


def test_gutters_hold_chart_colours_at_every_mip_level() -> None:
    owned = np.zeros((37, 64), bool)
    owned[5:9, 7:20] = True
    picture = np.zeros((37, 64, 3), np.uint8)
    picture[owned] = (200, 100, 50)
    np.testing.assert_array_equal(dilated(picture, owned), np.broadcast_to((200, 100, 50), (37, 64, 3)))
