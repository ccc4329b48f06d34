"""Fewer faces with the same look, sizes in metres, light taken out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import sphere, views_of
from simple_meshes import ball

from svdmv.asset import check_asset, textured_asset
from svdmv.asset.delight import delit, fitted_light
from svdmv.asset.levels import levels_of_detail, scaled_asset, simplified_asset
from svdmv.core import Asset, ConfigError, DataError, Material, Mesh, Orbit, vertex_normals
from svdmv.geometry.atlas import triangle_atlas
from svdmv.geometry.raster import texel_map
from svdmv.geometry.transfer import places_on_surface
from svdmv.io.colour import srgb_from_linear
from svdmv.render import render_views

SIZE = 256


def painted(paint: object, shade: object = None, dents: float = 0.0) -> Asset:
    """A ball whose texture is paint(points) in [0, 1], times shade(normals) in linear light."""
    vertices, faces = ball(0.4, 4)
    vertices = vertices * (1 + dents * np.sin(25 * vertices[:, :1]) * np.sin(25 * vertices[:, 1:2]))
    normals = vertex_normals(vertices, faces)
    atlas = triangle_atlas(faces, 512)
    texels = texel_map(atlas.uvs[atlas.faces], 512, 512)
    rows, columns = np.nonzero(texels.face >= 0)
    corners, weights = faces[texels.face[rows, columns]], texels.weights[rows, columns]
    points = np.einsum("mk,mkc->mc", weights, vertices[corners])
    sides = np.einsum("mk,mkc->mc", weights, normals[corners])
    linear = paint(points)  # type: ignore[operator]
    if shade is not None:
        linear = linear * shade(sides / np.linalg.norm(sides, axis=1, keepdims=True))[:, None]  # type: ignore[operator]
    picture = np.full((512, 512, 4), 255, np.uint8)
    picture[rows, columns, :3] = np.round(255 * srgb_from_linear(linear))
    mesh = Mesh(vertices[atlas.source].astype(np.float32), atlas.faces, normals[atlas.source], atlas.uvs)
    return Asset(mesh, (Material(base_color_srgb=picture),), provenance={"seed": 7})


def waves(p: np.ndarray) -> np.ndarray:
    return 0.4 + 0.3 * np.stack([np.sin(9 * p[:, 0]), np.sin(8 * p[:, 1]), np.cos(7 * p[:, 2])], 1)


@pytest.fixture(scope="module")
def asset() -> Asset:
    return painted(waves, dents=0.02)


def shown(asset: Asset, shading: str = "unlit") -> np.ndarray:
    cameras = Orbit.static(20.0, 4, radius=1.75, fov_y_deg=33.8).cameras(64, 64)
    return render_views(asset, cameras, shading=shading, supersampling=3).on_background()  # type: ignore[arg-type]


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(-10 * np.log10(((a - b) ** 2).mean()))


def test_levels_keep_the_look_and_the_budget(asset: Asset) -> None:
    levels = levels_of_detail(asset, [2000, 400], texture_size=SIZE * 2)
    assert [len(level.mesh.faces) <= budget for level, budget in zip(levels, (2000, 400), strict=True)] == [True, True]
    assert [level.materials[0].base_color_srgb.shape[0] for level in levels] == [256, 128]  # type: ignore[union-attr]
    truth = shown(asset)
    assert psnr(shown(levels[0]), truth) > 30
    assert psnr(shown(levels[1]), truth) > 25
    for level in levels:
        rows = {row.name: row for row in check_asset(level)}
        assert {name for name, row in rows.items() if not row.ok} == set()
        assert level.provenance["seed"] == 7


def test_the_normal_map_brings_back_the_shading_of_what_was_lost(asset: Asset) -> None:
    level = simplified_asset(asset, 300, texture_size=512)
    bumps = level.materials[0].normal_linear
    assert bumps is not None
    flipped = bumps.copy()
    flipped[..., 1] = 255 - bumps[..., 1]
    truth = shown(asset, "pbr")
    scores = [
        psnr(shown(replace(level, materials=(replace(level.materials[0], normal_linear=normals),)), "pbr"), truth)
        for normals in (bumps, None, flipped)
    ]
    assert scores[0] > scores[1] + 0.3  # what is left is the outline
    assert scores[1] > scores[2] + 0.3  # green up, as glTF has it


def test_a_baked_asset_keeps_the_relief_that_its_faces_lose(asset: Asset) -> None:
    dense = Mesh(asset.mesh.vertices, asset.mesh.faces)
    views = views_of(sphere(0.4), size=24, num_views=4, samples=1)
    made = textured_asset(dense, views, faces=300, texture_size=256, smoothing=0, relief=True)
    plain = replace(made.materials[0], base_color_srgb=None)
    whole = Asset(replace(asset.mesh, uvs=None), (replace(plain, normal_linear=None),))
    truth = shown(whole, "pbr")
    bumps, flat = (
        psnr(shown(replace(made, materials=(replace(plain, normal_linear=n),)), "pbr"), truth)
        for n in (plain.normal_linear, None)
    )
    assert bumps > flat + 0.3


def test_places_are_found_along_the_normal_and_else_nearby() -> None:
    vertices, faces = ball(0.4, 3)
    points = np.array([(0.45, 0, 0), (0, 0.36, 0), (0, 0, 3.0)])
    normals = points / np.linalg.norm(points, axis=1, keepdims=True)
    owners, shares = places_on_surface(vertices, faces, points, normals, reach=0.1)
    places = np.einsum("mk,mkc->mc", shares, vertices[faces[owners]])
    np.testing.assert_allclose(places, 0.4 * normals, atol=0.02)
    np.testing.assert_allclose(shares.sum(1), 1, atol=1e-5)


def test_levels_out_of_order_are_refused(asset: Asset) -> None:
    for budgets in ([], [100, 200], [500, 3]):
        with pytest.raises(ConfigError, match="no levels of detail"):
            levels_of_detail(asset, budgets)


def test_metres_scale_the_mesh_and_the_report_knows(asset: Asset) -> None:
    small = scaled_asset(asset, 0.12)
    assert np.ptp(small.mesh.bounds, axis=0).max() == pytest.approx(0.12, rel=1e-5)
    again = scaled_asset(small, 30.0)
    assert np.ptp(again.mesh.bounds, axis=0).max() == pytest.approx(30, rel=1e-5)
    side = float(np.ptp(asset.mesh.bounds, axis=0).max())
    assert again.provenance["scale"] == pytest.approx(30 / side)
    assert [row.ok for row in check_asset(again)] == [row.ok for row in check_asset(asset)]
    with pytest.raises(ConfigError, match="no size"):
        scaled_asset(asset, float("nan"))


def test_light_from_one_side_is_taken_out() -> None:
    def sun(normals: np.ndarray) -> np.ndarray:
        return 0.35 + 0.65 * np.clip(normals @ (0.6, 0.64, 0.48), 0, 1)

    lit = painted(lambda p: np.full((len(p), 3), (0.5, 0.3, 0.2)), sun)
    plain = delit(lit)
    inside = texel_map(lit.mesh.uvs[lit.mesh.faces], 512, 512, gutter=0).face >= 0  # type: ignore[index]
    before, after = (a.materials[0].base_color_srgb[inside, :3] / 255 for a in (lit, plain))  # type: ignore[index]
    assert after.std(0).max() < 0.3 * before.std(0).max()
    ratio = after.mean(0) / after.mean(0)[0]
    np.testing.assert_allclose(
        ratio, srgb_from_linear(np.array([0.5, 0.3, 0.2])) / srgb_from_linear(np.array(0.5)), atol=0.03
    )
    assert plain.provenance["delight"]["light_range"] > 1.8
    assert (plain.materials[0].metallic, plain.materials[0].roughness) == (0.0, 0.8)


def test_paint_is_not_taken_for_light() -> None:
    """Half the ball black, half white, in specks: no smooth light explains it."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(4000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    squares = np.where(rng.uniform(size=4000) < 0.5, 0.9, 0.1)
    light = fitted_light(normals, squares)
    assert light.max() / light.min() < 1.3
    assert fitted_light(normals, np.full(4000, 0.4)) == pytest.approx(0.4)


def test_light_needs_one_texture(asset: Asset) -> None:
    with pytest.raises(DataError, match="one texture"):
        delit(Asset(asset.mesh))
