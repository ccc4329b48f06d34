"""What colour things get: textures, factors, alpha, energy, light from the right side, same bytes each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from render_solids import WHITE, box_mesh, front_camera, quad_asset, sphere_mesh

from svdmv.core import Asset, ConfigError, Material, Mesh, Orbit
from svdmv.io.colour import linear_from_srgb
from svdmv.render import render_views
from svdmv.render.environment import ENVIRONMENTS, environment_map, irradiance_over_pi, map_directions
from svdmv.render.scene import scene_from_asset


def uniform(level: float) -> np.ndarray:
    """A map with the same light everywhere."""
    return np.full((16, 32, 3), level, np.float32)


def textured(rgb: np.ndarray, alpha: int | np.ndarray = 255, **options: object) -> Material:
    """A material with a base colour picture."""
    rgba = np.concatenate([rgb, np.broadcast_to(np.uint8(alpha), rgb.shape[:2])[..., None]], -1).astype(np.uint8)
    return Material(base_color_srgb=rgba, **options)  # type: ignore[arg-type]  # options are Material's own


@pytest.mark.parametrize("shading", ["matte", "pbr"])
@pytest.mark.parametrize("metallic", [0.0, 1.0])
def test_white_furnace(shading: str, metallic: float) -> None:
    """A white convex object in even light disappears: it sends back what comes in (0.5 linear = 188 of 255)."""
    for roughness in (0.1, 0.5, 1.0):
        material = replace(WHITE, roughness=roughness, metallic=metallic)
        asset = Asset(sphere_mesh(segments=48), (material,))
        views = render_views(asset, [front_camera(32)], light=uniform(0.5), shading=shading)  # type: ignore[arg-type]
        assert views.alphas is not None
        seen = views.images[views.alphas > 0].astype(int)
        assert np.abs(seen - 188).max() <= 1


def test_matte_light_on_a_convex_body_is_the_irradiance_of_the_map() -> None:
    """Every known light, on a sphere: within 2 % of the exact integral."""
    mesh = sphere_mesh(segments=40)
    asset = Asset(mesh, (WHITE,))
    for name in ("studio", "sky", "overcast"):
        from svdmv.render.raster import prepare

        prepared = prepare(asset, name, shading="matte")
        assert prepared.baked is not None
        light = prepared.baked.light[prepared.baked.point_of[0]]
        exact = irradiance_over_pi(environment_map(name), prepared.scene.normals)
        assert np.abs(light / exact - 1).mean() < 0.02
        assert np.abs(light / exact - 1).max() < 0.08


@pytest.mark.parametrize("name", sorted(ENVIRONMENTS))
def test_lights_by_name_show_white_as_bright_and_not_burnt(name: str) -> None:
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(400, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    level = irradiance_over_pi(environment_map(name), normals)
    assert level.mean() == pytest.approx(0.69, abs=0.05)
    if name in ("studio", "overcast", "uniform"):
        assert level.max() <= 1.0
        assert level.min() > 0.25


def test_light_comes_from_where_the_map_says() -> None:
    """u = 0.5 + atan2(z, x) / 2 pi, v from the top: a bright cell lights the side that faces it, and no other."""
    asset = Asset(sphere_mesh(segments=48), (WHITE,))
    azimuths = np.array([0.0, 90.0, 180.0, 270.0])  # +Z, +X, -Z, -X
    orbit = Orbit(azimuths, np.zeros(4), 2.0)
    for direction, view in (((0, 0, 1), 0), ((1, 0, 0), 1), ((0, 0, -1), 2), ((-1, 0, 0), 3)):
        x, _, z = direction
        u = 0.5 + np.arctan2(z, x) / (2 * np.pi)
        light = np.zeros((32, 64, 3), np.float32)
        light[14:18, (int(u * 64) + np.arange(-2, 2)) % 64] = 20.0
        images = render_views(asset, orbit.cameras(24, 24), light=light, shading="matte").images
        brightness = images[:, 12, 12].astype(int).sum(1)
        assert brightness.argmax() == view
        assert brightness[(view + 2) % 4] == 0
    light = np.zeros((32, 64, 3), np.float32)
    light[:4] = 5.0
    above = render_views(asset, orbit.cameras(24, 24), light=light, shading="matte").images[0]
    assert above[7, 12].sum() > 4 * max(int(above[17, 12].sum()), 1)


def test_map_directions_follow_the_written_rule() -> None:
    directions, solid = map_directions(8)
    row, column = 2, 13
    v, u = (row + 0.5) / 8, (column + 0.5) / 16
    x, y, z = directions[row, column]
    assert u == pytest.approx(0.5 + np.arctan2(z, x) / (2 * np.pi))
    assert v == pytest.approx(np.arccos(y) / np.pi)
    assert solid.sum() == pytest.approx(4 * np.pi)


def test_unlit_shows_the_exact_colours_of_a_texture_the_right_way_up() -> None:
    rgb = np.zeros((2, 2, 3), np.uint8)
    rgb[0, 0], rgb[0, 1], rgb[1, 0], rgb[1, 1] = (200, 10, 30), (17, 180, 60), (40, 80, 250), (255, 254, 3)
    picture = np.repeat(np.repeat(rgb, 32, 0), 32, 1)
    view = render_views(quad_asset(textured(picture)), [front_camera(48, 1.2)], shading="unlit").images[0]
    for row, column in ((0, 0), (0, 1), (1, 0), (1, 1)):
        np.testing.assert_array_equal(view[12 + 24 * row, 12 + 24 * column], rgb[row, column])


def test_a_texture_repeats_outside_the_unit_square() -> None:
    picture = np.zeros((16, 16, 3), np.uint8)
    picture[:, 8:] = 255
    quad = quad_asset(textured(picture))
    assert quad.mesh.uvs is not None
    moved = replace(quad, mesh=replace(quad.mesh, uvs=quad.mesh.uvs + np.float32([-3, 5])))
    a, b = (render_views(x, [front_camera(32, 1.2)], shading="unlit").images for x in (quad, moved))
    np.testing.assert_array_equal(a, b)


def test_factors_and_vertex_colours_multiply_in_linear_light() -> None:
    picture = np.full((8, 8, 3), 188, np.uint8)  # 0.503 linear
    material = textured(picture, base_color_factor_linear=(0.5, 1.0, 0.25, 1.0))
    quad = quad_asset(material)
    mesh = replace(quad.mesh, colors=np.full((4, 3), 188, np.uint8))
    rgb = render_views(replace(quad, mesh=mesh), [front_camera(16, 1.0)], shading="unlit").images[0, 8, 8]
    linear = float(linear_from_srgb(np.array(188 / 255)))
    expected = np.array([0.5, 1.0, 0.25]) * linear * linear
    np.testing.assert_allclose(linear_from_srgb(rgb / 255), expected, atol=0.004)


def test_mask_cuts_out_and_opaque_does_not() -> None:
    rgb = np.full((32, 32, 3), 255, np.uint8)
    alpha = np.full((32, 32), 255, np.uint8)
    alpha[:, :16] = 60
    camera = front_camera(40, 1.2)
    for mode, left in (("OPAQUE", 255), ("MASK", 0), ("BLEND", 60)):
        views = render_views(quad_asset(textured(rgb, alpha, alpha_mode=mode)), [camera], shading="unlit")
        assert views.alphas is not None
        assert views.depths is not None
        assert views.alphas[0, 20, 8] == left
        assert bool(np.isfinite(views.depths[0, 20, 8])) == (left == 255)
        assert views.alphas[0, 20, 30] == 255
    low = render_views(quad_asset(textured(rgb, alpha, alpha_mode="MASK", alpha_cutoff=0.2)), [camera]).alphas
    assert low is not None
    assert low[0, 20, 8] == 255


def test_glass_shows_its_share_and_counts_as_a_surface() -> None:
    """BLEND with a factor of 0.2 and no texture covers a fifth; depth and mask still find it."""
    glass = Material(base_color_factor_linear=(0.4, 0.7, 0.9, 0.2), alpha_mode="BLEND")
    views = render_views(quad_asset(glass), [front_camera(16, 1.0)], shading="unlit", with_surface=True)
    assert views.alphas is not None
    assert views.depths is not None
    assert views.masks is not None
    assert views.alphas[0, 8, 8] == 51
    np.testing.assert_allclose(linear_from_srgb(views.images[0, 8, 8] / 255), [0.4, 0.7, 0.9], atol=0.004)
    assert views.depths[0, 8, 8] == pytest.approx(1.0)
    assert views.masks[0, 8, 8]


def test_colour_does_not_darken_at_the_rim() -> None:
    """Straight alpha: half-covered pixels keep the full colour."""
    views = render_views(Asset(sphere_mesh(segments=64), (WHITE,)), [front_camera(32)], shading="unlit")
    assert views.alphas is not None
    rim = (views.alphas > 5) & (views.alphas < 250)
    assert rim.sum() > 30
    assert views.images[rim].min() == 255


def test_emission_shows_in_the_dark() -> None:
    dark = np.zeros((16, 32, 3), np.float32)
    material = replace(WHITE, emissive_factor_linear=(0.2, 0.4, 0.0))
    rgb = render_views(quad_asset(material), [front_camera(16, 1.0)], light=dark).images[0, 8, 8]
    np.testing.assert_allclose(linear_from_srgb(rgb / 255), [0.2, 0.4, 0.0], atol=0.004)


def test_both_sides_of_an_open_sheet_are_lit_by_their_own_light() -> None:
    """Light from +Z only: the face towards it is bright from both windings, the other side dark."""
    light = np.zeros((32, 64, 3), np.float32)
    light[8:24, 40:56] = 4.0  # around u = 0.75: +Z
    orbit = Orbit(np.array([0.0, 180.0]), np.zeros(2), 1.5)
    for flipped in (False, True):
        asset = quad_asset(WHITE, flipped=flipped)
        front, back = render_views(asset, orbit.cameras(16, 16), light=light, shading="matte").images[:, 8, 8]
        assert front.min() > 150
        assert back.max() < 30


def test_a_shadow_falls_under_a_table() -> None:
    floor, top = box_mesh((-1, -0.55, -1), (1, -0.5, 1)), box_mesh((-0.4, 0.1, -0.4), (0.4, 0.15, 0.4))
    vertices = np.concatenate([floor.vertices, top.vertices])
    asset = Asset(Mesh(vertices, np.concatenate([floor.faces, top.faces + 8])), (WHITE,))
    light = np.zeros((32, 64, 3), np.float32)
    light[:5] = 3.0
    orbit = Orbit(np.array([0.0]), np.array([35.0]), 4.0)
    view = render_views(asset, orbit.cameras(64, 64), light=light, shading="matte")
    camera = view.cameras[0]
    pixels, _ = camera.project(np.array([[0.0, -0.5, 0.55], [0.0, -0.5, 0.25], [0.85, -0.5, 0.85]]))
    under_edge, under, free = (linear_from_srgb(view.images[0, int(y), int(x)] / 255).sum() for x, y in pixels)
    assert under < 0.5 * free
    assert under < under_edge < 1.02 * free


def test_many_vertices_share_points_of_light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the cap near vertices with like normals share one point; the light stays the same within a few percent."""
    from svdmv.render import bake as bake_module
    from svdmv.render.raster import prepare

    asset = Asset(sphere_mesh(segments=80), (WHITE,))
    full = prepare(asset, "studio", shading="matte").baked
    monkeypatch.setattr(bake_module, "MAX_POINTS", 900)
    few = prepare(asset, "studio", shading="matte").baked
    assert full is not None
    assert few is not None
    assert few.point_of[0].max() < 900 < full.point_of[0].max()
    ratio = few.light[few.point_of[0]] / full.light[full.point_of[0]]
    assert np.abs(ratio - 1).mean() < 0.03


def test_roughness_and_metal_textures_are_read_from_green_and_blue() -> None:
    rgb = np.full((8, 8, 3), 255, np.uint8)
    extra = np.zeros((4, 4, 3), np.uint8)
    extra[..., 0], extra[..., 1], extra[..., 2] = 9, 51, 204
    material = textured(rgb, metallic_roughness_linear=extra, metallic=0.5, roughness=1.0)
    scene = scene_from_asset(quad_asset(material))
    np.testing.assert_allclose(scene.texels.values[:, 3] / 65535, 0.2, atol=1e-3)
    np.testing.assert_allclose(scene.texels.values[:, 4] / 65535, 0.4, atol=1e-3)


def test_mips_keep_the_mean_of_linear_light() -> None:
    """Black and white texels seen from afar average to 0.5 linear, 188 of 255, not 128."""
    checks = np.indices((128, 128)).sum(0) % 2 * 255
    picture = np.repeat(checks[..., None], 3, -1).astype(np.uint8)
    rgb = render_views(quad_asset(textured(picture)), [front_camera(16, 4.0)], shading="unlit").images[0, 8, 8]
    assert np.abs(rgb.astype(int) - 188).max() <= 2


def test_same_bytes_twice_and_however_many_cameras() -> None:
    rng = np.random.default_rng(3)
    picture = rng.integers(0, 256, (32, 32, 3), np.uint8)
    box = box_mesh((-0.4, -0.3, -0.2), (0.3, 0.4, 0.4))
    material = textured(picture, roughness=0.3)
    asset = Asset(Mesh(box.vertices, box.faces, uvs=rng.uniform(size=(8, 2)).astype(np.float32)), (material,))
    cameras = Orbit.static(20, 5, radius=1.75).cameras(24, 24)
    together = render_views(asset, cameras)
    again = render_views(asset, cameras)
    for name in ("images", "alphas", "depths", "normals"):
        np.testing.assert_array_equal(getattr(together, name), getattr(again, name))
    alone = render_views(asset, cameras[3:4])
    np.testing.assert_array_equal(alone.images[0], together.images[3])
    assert alone.depths is not None
    assert together.depths is not None
    np.testing.assert_array_equal(alone.depths[0], together.depths[3])


def test_a_real_scan_looks_like_its_texture(shared_data: Path) -> None:
    """The mean colour of a scan's matte render lies near the mean of its texture where it is used."""
    from svdmv.io.meshes import normalised, read_asset

    asset, _ = normalised(read_asset(shared_data / "gso_test" / "Android_Lego.glb"), rule="bounding_sphere")
    cameras = Orbit.static(10, 4, radius=1.75).cameras(64, 64)
    lit, plain = (render_views(asset, cameras, shading=s, light="uniform") for s in ("pbr", "unlit"))  # type: ignore[arg-type]  # literals
    assert lit.alphas is not None
    seen = lit.alphas == 255
    assert seen.mean() > 0.1
    np.testing.assert_allclose(lit.images[seen].mean(0), plain.images[seen].mean(0), atol=40)


def test_exposure_multiplies_linear_light_before_it_is_cut_off() -> None:
    """Light of 1.6 is white as it is; one stop less shows it as 0.8, which bytes that were cut off could not."""
    asset, cameras = Asset(sphere_mesh(segments=24), (WHITE,)), [front_camera(24)]

    def middle(stops: float, shading: str) -> float:
        views = render_views(asset, cameras, light=uniform(1.6), shading=shading, exposure_stops=stops)  # type: ignore[arg-type]
        assert views.provenance["exposure_stops"] == stops
        return float(linear_from_srgb(views.images[0, 12, 12] / 255).mean())

    assert middle(0.0, "matte") == 1.0
    assert middle(-1.0, "matte") == pytest.approx(0.8, abs=0.01)
    assert middle(-3.0, "pbr") == pytest.approx(0.2, abs=0.01)
    assert middle(-1.0, "unlit") == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("stops", [17.0, -np.inf, np.nan])
def test_exposure_out_of_range_is_refused(stops: float) -> None:
    with pytest.raises(ConfigError, match="exposure_stops"):
        render_views(quad_asset(WHITE), [front_camera(8)], exposure_stops=stops)
