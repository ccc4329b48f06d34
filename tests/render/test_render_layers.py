"""Blended surfaces, bumps, maps at pixel centres, reflections by rays, and pictures drawn in parts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from render_solids import WHITE, box_mesh, front_camera, joined_meshes, quad_asset, sphere_mesh

from svdmv.core import Asset, Camera, Material, Mesh, Orbit
from svdmv.io.colour import linear_from_srgb
from svdmv.render import pixels, render_views


def sheets(depths: list[float], materials: list[Material]) -> Asset:
    """Squares facing +Z at some depths, one material each."""
    quad = quad_asset(WHITE, half=0.6).mesh
    meshes = [Mesh(quad.vertices + np.float32([0, 0, z]), quad.faces) for z in depths]
    return Asset(joined_meshes(meshes), tuple(materials), np.repeat(np.arange(len(depths)), 2).astype(np.int32))


def glass(rgb: tuple[float, float, float], alpha: float) -> Material:
    return Material(base_color_factor_linear=(*rgb, alpha), alpha_mode="BLEND")


def test_blended_sheets_mix_from_front_to_back_whatever_their_order() -> None:
    """Red at 0.5 over green at 0.25 over opaque blue: linear (0.5, 0.125, 0.375)."""
    parts = {0.2: glass((1, 0, 0), 0.5), 0.0: glass((0, 1, 0), 0.25)}
    parts[-0.2] = Material(base_color_factor_linear=(0, 0, 1, 1))
    for order in ((0.2, 0.0, -0.2), (-0.2, 0.0, 0.2), (0.0, 0.2, -0.2)):
        asset = sheets(list(order), [parts[z] for z in order])
        view = render_views(asset, [front_camera(16, 1.0)], shading="unlit")
        assert view.alphas is not None
        assert view.alphas[0, 8, 8] == 255
        np.testing.assert_allclose(linear_from_srgb(view.images[0, 8, 8] / 255), [0.5, 0.125, 0.375], atol=0.004)
    open_asset = sheets([0.2, 0.0], [parts[0.2], parts[0.0]])
    view = render_views(open_asset, [front_camera(16, 1.0)], shading="unlit")
    assert view.alphas is not None
    assert abs(int(view.alphas[0, 8, 8]) - 255 * 0.625) <= 1  # 1 - 0.5 * 0.75
    np.testing.assert_allclose(linear_from_srgb(view.images[0, 8, 8] / 255), [0.8, 0.2, 0], atol=0.005)


def test_sheets_that_cross_are_sorted_at_every_sample() -> None:
    """Two half-transparent squares through each other: left of the line one is in front, right of it the other."""
    red, green = glass((1, 0, 0), 0.5), glass((0, 1, 0), 0.5)
    quad = quad_asset(WHITE, half=0.6).mesh
    tilted = [Mesh(quad.vertices + np.float32([0, 0, 1]) * quad.vertices[:, :1] * s, quad.faces) for s in (0.4, -0.4)]
    asset = Asset(joined_meshes(tilted), (red, green), np.array([0, 0, 1, 1], np.int32))
    view = linear_from_srgb(render_views(asset, [front_camera(32, 1.4)], shading="unlit").images[0] / 255)
    left, right = view[16, 6], view[16, 26]
    np.testing.assert_allclose(left, [1 / 3, 2 / 3, 0], atol=0.01)
    np.testing.assert_allclose(right, [2 / 3, 1 / 3, 0], atol=0.01)


def test_thin_glass_throws_no_shadow_and_a_board_does() -> None:
    light = np.zeros((32, 64, 3), np.float32)
    light[:4] = 3.0
    floor = box_mesh((-1, -0.55, -1), (1, -0.5, 1))
    pane = box_mesh((-0.6, 0.1, -0.6), (0.6, 0.12, 0.6))
    seen = []
    for material in (glass((1, 1, 1), 0.1), WHITE):
        of_faces = np.repeat([0, 1], [len(floor.faces), len(pane.faces)]).astype(np.int32)
        asset = Asset(joined_meshes([floor, pane]), (WHITE, material), of_faces)
        camera = Camera.looking_at((0, -0.2, 3), (0, -0.5, 0), 40, 48, 48)
        view = render_views(asset, [camera], light=light, shading="matte")
        (pixel,), _ = camera.project(np.array([[0.0, -0.5, 0.2]]))
        seen.append(linear_from_srgb(view.images[0, int(pixel[1]), int(pixel[0])] / 255).sum())
    assert seen[1] < 0.5 * seen[0]


def test_emission_lights_what_is_near() -> None:
    dark = np.zeros((16, 32, 3), np.float32)
    lamp = replace(WHITE, emissive_factor_linear=(0.0, 6.0, 0.0))
    floor, bulb = box_mesh((-1, -0.55, -1), (1, -0.5, 1)), box_mesh((-0.2, -0.3, -0.2), (0.2, -0.1, 0.2))
    of_faces = np.repeat([0, 1], 12).astype(np.int32)
    asset = Asset(joined_meshes([floor, bulb]), (WHITE, lamp), of_faces)
    camera = Camera.looking_at((0, 1.2, 3), (0, -0.5, 0), 40, 48, 48)
    view = render_views(asset, [camera], light=dark, shading="matte")
    near, far = (camera.project(np.array([[0.0, -0.5, z]]))[0][0].astype(int) for z in (0.4, 0.95))
    bright, dim = (linear_from_srgb(view.images[0, p[1], p[0]] / 255) for p in (near, far))
    assert bright[1] > 2 * dim[1] > 0
    assert bright[0] == 0


def bumpy(normal: tuple[float, float, float], **options: object) -> Material:
    """A material whose normal map is the same everywhere."""
    value = np.rint((np.asarray(normal) / np.linalg.norm(normal) + 1) / 2 * 255).astype(np.uint8)
    return replace(WHITE, normal_linear=np.broadcast_to(value, (4, 4, 3)).copy(), **options)  # type: ignore[arg-type]


@pytest.mark.parametrize(("mirrored", "sign"), [(False, 1.0), (True, -1.0)])
def test_a_normal_map_turns_red_along_u_and_green_up(mirrored: bool, sign: float) -> None:
    """glTF: red follows u, green goes against v (v counts down), also where the picture lies mirrored on the mesh."""
    quad = quad_asset(bumpy((0.6, 0.3, 1.0)))
    assert quad.mesh.uvs is not None
    uvs = quad.mesh.uvs * np.float32([-1, 1]) + np.float32([1, 0]) if mirrored else quad.mesh.uvs
    asset = replace(quad, mesh=replace(quad.mesh, uvs=uvs))
    normals = render_views(asset, [front_camera(16, 2.0)], shading="pbr").normals
    assert normals is not None
    expected = np.array([sign * 0.6, 0.3, 1.0])
    np.testing.assert_allclose(normals[0, 8, 8], expected / np.linalg.norm(expected), atol=0.01)


def test_a_flat_normal_map_changes_nothing_and_a_tilted_one_turns_to_the_light() -> None:
    light = np.zeros((32, 64, 3), np.float32)
    light[8:24, 44:52] = 1.0  # from +Z
    light[8:24, 28:36] = 1.0  # and from +X
    camera = [front_camera(16, 1.0)]
    plain, flat, to_x, away = (
        linear_from_srgb(render_views(quad_asset(m), camera, light=light, shading="matte").images[0, 8, 8] / 255).sum()
        for m in (WHITE, bumpy((0, 0, 1)), bumpy((0.5, 0, 1)), bumpy((-0.5, 0, 1)))
    )
    assert flat == pytest.approx(plain, rel=0.02)
    assert to_x > 1.04 * plain
    assert away < 0.8 * plain


def test_maps_agree_with_each_other_and_with_the_camera() -> None:
    rng = np.random.default_rng(1)
    picture = np.concatenate([rng.integers(0, 256, (8, 8, 3)), np.full((8, 8, 1), 255)], -1).astype(np.uint8)
    picture = picture.repeat(16, 0).repeat(16, 1)
    mesh = sphere_mesh(segments=48)
    uvs = (mesh.vertices[:, :2] + 0.5).astype(np.float32)
    asset = Asset(replace(mesh, uvs=uvs), (Material(base_color_srgb=picture),))
    camera = Camera.looking_at((0.5, 0.4, 1.6), (0, 0, 0), 33.8, 48, 40)
    views = render_views(asset, [camera], with_surface=True, supersampling=3)
    assert views.masks is not None
    assert views.positions is not None
    assert views.depths is not None
    assert views.albedos is not None
    mask = views.masks[0]
    np.testing.assert_array_equal(mask, np.isfinite(views.depths[0]))
    places, depth = camera.project(views.positions[0][mask].astype(np.float64))
    rows, columns = np.nonzero(mask)
    np.testing.assert_allclose(places, np.stack([columns, rows], 1) + 0.5, atol=1e-3)
    np.testing.assert_allclose(depth, views.depths[0][mask], rtol=1e-5)
    assert not views.positions[0][~mask].any()
    assert not views.albedos[0][~mask].any()
    near = views.positions[0] @ np.array([[1, 0], [0, 1], [0, 0]]) + 0.5
    texel = np.clip((near * 8).astype(int), 0, 7)
    inner = mask & (np.abs(near * 8 - np.round(near * 8)).min(-1) > 0.3)
    expected = picture[::16, ::16, :3][texel[..., 1], texel[..., 0]]
    assert inner.sum() > 20
    assert np.median(np.abs(views.albedos[0][inner].astype(int) - expected[inner])) <= 2


def mirror_room() -> tuple[Asset, Camera]:
    """A polished metal floor, and above it a red box whose mirror image the camera sees."""
    floor, box = box_mesh((-1.8, -0.55, -1.8), (1.8, -0.5, 1.8)), box_mesh((-0.3, -0.2, -0.3), (0.3, 0.4, 0.3))
    steel = replace(WHITE, roughness=0.02, metallic=1.0)
    red = replace(WHITE, base_color_factor_linear=(0.8, 0.02, 0.02, 1.0))
    asset = Asset(joined_meshes([floor, box]), (steel, red), np.repeat([0, 1], 12).astype(np.int32))
    return asset, Camera.looking_at((0, 0.8, 3), (0, -0.4, 0), 50, 64, 64)


@pytest.mark.parametrize("shading", ["pbr", "final"])
def test_a_polished_floor_shows_the_mirror_image_of_what_stands_over_it(shading: str) -> None:
    asset, camera = mirror_room()
    view = linear_from_srgb(
        render_views(asset, [camera], light="overcast", shading=shading).images[0] / 255  # type: ignore[arg-type]
    )
    eye = camera.position
    for target, is_red in (((0.0, 0.1, 0.3), True), ((0.2, -0.1, 0.3), True), ((0.9, 0.1, 0.3), False)):
        image = np.array([target[0], -1.0 - target[1], target[2]])  # mirrored in the plane y = -0.5
        t = (-0.5 - eye[1]) / (image[1] - eye[1])
        (pixel,), _ = camera.project((eye + t * (image - eye))[None])
        r, g, _ = view[int(pixel[1]), int(pixel[0])]
        assert (r > 4 * g) == is_red


@pytest.mark.parametrize("metallic", [0.0, 1.0])
def test_white_furnace_with_traced_reflections(metallic: float) -> None:
    """Even light, a convex white body: 0.5 linear goes in and 188 of 255 comes out, rays or not."""
    for roughness in (0.05, 0.3, 0.8):
        asset = Asset(sphere_mesh(segments=48), (replace(WHITE, roughness=roughness, metallic=metallic),))
        light = np.full((16, 32, 3), 0.5, np.float32)
        views = render_views(asset, [front_camera(32)], light=light, shading="final")
        assert views.alphas is not None
        assert np.abs(views.images[views.alphas > 0].astype(int) - 188).max() <= 2


def test_traced_and_looked_up_reflections_agree_on_a_lonely_rough_ball() -> None:
    """Nothing but sky to mirror: rays and the blurred map show nearly the same."""
    asset = Asset(sphere_mesh(segments=64), (replace(WHITE, roughness=0.45, metallic=1.0),))
    pbr, final = (
        render_views(asset, [front_camera(64)], light="studio", shading=s).images.astype(int)  # type: ignore[arg-type]
        for s in ("pbr", "final")
    )
    assert np.abs(pbr - final).mean() < 4


@pytest.mark.parametrize("shading", ["pbr", "final"])
def test_a_picture_drawn_in_bands_is_the_same_picture(shading: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asset, camera = mirror_room()
    whole = render_views(asset, [camera], shading=shading).rgba_u8()  # type: ignore[arg-type]
    again = render_views(asset, [camera], shading=shading).rgba_u8()  # type: ignore[arg-type]
    np.testing.assert_array_equal(whole, again)
    monkeypatch.setattr(pixels, "SAMPLES_AT_ONCE", 64 * 4 * 16)
    banded = render_views(asset, [camera], shading=shading).rgba_u8()  # type: ignore[arg-type]
    np.testing.assert_array_equal(whole, banded)


def test_same_bytes_with_glass_bumps_and_rays() -> None:
    rng = np.random.default_rng(3)
    bumps = rng.integers(96, 160, (16, 16, 3)).astype(np.uint8)
    bumps[..., 2] = 240
    ball = sphere_mesh(segments=24)
    shell = Mesh(ball.vertices * np.float32(1.3), ball.faces, ball.normals)
    uvs = np.concatenate([ball.vertices[:, :2], ball.vertices[:, 1:]]).astype(np.float32)
    assert ball.normals is not None
    both = joined_meshes([Mesh(ball.vertices, ball.faces), Mesh(shell.vertices, shell.faces)])
    mesh = Mesh(both.vertices, both.faces, np.concatenate([ball.normals, ball.normals]), uvs)
    shiny = Material(metallic=1.0, roughness=0.15, normal_linear=bumps)
    asset = Asset(mesh, (shiny, glass((0.9, 0.9, 1), 0.3)), np.repeat([0, 1], len(ball.faces)).astype(np.int32))
    cameras = Orbit.static(20, 3, radius=2.2).cameras(24, 24)
    a, b = (render_views(asset, cameras, shading="final", with_surface=True) for _ in range(2))
    for name in ("images", "alphas", "depths", "normals", "positions", "albedos", "masks"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    alone = render_views(asset, cameras[2:], shading="final")
    np.testing.assert_array_equal(alone.images[0], a.images[2])


def test_large_pictures_are_averaged_in_linear_light_before_use() -> None:
    from svdmv.io.colour import linear_from_srgb
    from svdmv.render import texels

    checks = np.indices((64, 64)).sum(0) % 2 * 255
    picture = np.stack([checks, checks, checks, np.full((64, 64), 255)], -1).astype(np.uint8)
    reduced = texels._resized(picture[..., :3], texels.LINEAR_OF_BYTE, 16, 16)
    np.testing.assert_allclose(reduced, 0.5, atol=1e-6)
    found = texels.texels_of([Material(base_color_srgb=picture)])
    np.testing.assert_array_equal(found.rows[0, 1:], [64, 64])
    np.testing.assert_allclose(linear_from_srgb(found.values[found.rows[1, 0], :3] / 65535), 0.5, atol=1e-4)
