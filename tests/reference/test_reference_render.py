"""Slow twins of the renderer's compiled loops, from their definitions in plain numpy, compared by value."""

from __future__ import annotations

import numpy as np
import pytest

from svdmv.core import Asset, Camera, Material, Mesh
from svdmv.io.colour import srgb_from_linear
from svdmv.render import _bake_kernels, _kernels, _shading
from svdmv.render.environment import map_directions
from svdmv.render.light import ggx_lobe, light_cells, zonal_blur
from svdmv.render.pixels import filter_weights, srgb_steps
from svdmv.render.raster import lighting_of, prepare, projected, render, surface_of


def nearest_hits(mesh: Mesh, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Face (-1 = none), depth, barycentric weights and distance to the nearest edge of each pixel centre's ray
    (Moeller and Trumbore 1997), one ray and one triangle at a time."""
    shape = (camera.height, camera.width)
    ids, depth, weights = np.full(shape, -1), np.full(shape, np.inf), np.zeros((*shape, 3))
    margin = np.full(shape, np.inf)
    for y in range(camera.height):
        for x in range(camera.width):
            ray = camera.unproject(np.array([[x + 0.5, y + 0.5]]), np.ones(1))[0] - camera.position
            for f, (a, b, c) in enumerate(mesh.vertices[mesh.faces].astype(np.float64)):
                e1, e2 = b - a, c - a
                p = np.cross(ray, e2)
                det = e1 @ p
                if abs(det) < 1e-14:
                    continue
                s = camera.position - a
                u = s @ p / det
                v = ray @ np.cross(s, e1) / det
                t = e2 @ np.cross(s, e1) / det
                inside = min(u, v, 1 - u - v)
                if t > 1e-3 and t < depth[y, x] + 1e-4:
                    margin[y, x] = min(margin[y, x], abs(inside))
                if inside >= 0 and 1e-3 < t < depth[y, x]:
                    ids[y, x], depth[y, x], weights[y, x] = f, t, (1 - u - v, u, v)
    return ids, depth, weights, margin


@pytest.fixture(scope="module")
def tangle() -> tuple[Mesh, Camera]:
    """Forty triangles through each other and a camera with a lens of its own."""
    rng = np.random.default_rng(11)
    centres = rng.uniform(-0.4, 0.4, (40, 1, 3))
    vertices = (centres + rng.uniform(-0.25, 0.25, (40, 3, 3))).reshape(-1, 3).astype(np.float32)
    normals = rng.normal(size=(120, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    mesh = Mesh(vertices, np.arange(120, dtype=np.int32).reshape(-1, 3), normals.astype(np.float32))
    plain = Camera.looking_at((0.9, 0.7, 1.4), (0, 0.05, 0), 35, 36, 28)
    K = np.array([[44.0, 0, 16.5], [0, 52.0, 15.2], [0, 0, 1]])
    return mesh, Camera(K, plain.world_from_camera, 36, 28)


def test_faces_depths_and_normals_equal_rays_through_pixel_centres(tangle: tuple[Mesh, Camera]) -> None:
    mesh, camera = tangle
    ids, depth, weights, margin = nearest_hits(mesh, camera)
    view = render(prepare(Asset(mesh), shading="unlit"), camera, supersampling=1)
    clear = margin > 1e-6
    assert clear.mean() > 0.99
    assert view.depth is not None
    assert view.normal is not None
    np.testing.assert_array_equal(np.isfinite(view.depth)[clear], (ids >= 0)[clear])
    seen = clear & (ids >= 0)
    np.testing.assert_allclose(view.depth[seen], depth[seen], rtol=2e-6)
    assert mesh.normals is not None
    normal = np.einsum("hwk,hwki->hwi", weights, mesh.normals[mesh.faces[ids]])
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    point = np.einsum("hwk,hwki->hwi", weights, mesh.vertices[mesh.faces[ids]])
    facing = ((camera.position - point) * normal).sum(-1)
    settled = seen & (np.abs(facing) > 1e-4)
    expected = normal * np.sign(facing)[..., None]
    np.testing.assert_allclose(view.normal[settled], expected[settled], atol=1e-4)
    assert not view.normal[ids < 0][clear[ids < 0]].any()


def test_texture_look_up_is_perspective_correct(tangle: tuple[Mesh, Camera]) -> None:
    """Vertex colours interpolate by the ray's own barycentric weights."""
    mesh, camera = tangle
    rng = np.random.default_rng(2)
    colors = rng.integers(0, 256, (120, 3), np.uint8)
    colored = Mesh(mesh.vertices, mesh.faces, mesh.normals, None, colors)
    ids, _, weights, margin = nearest_hits(mesh, camera)
    prepared = prepare(Asset(colored), shading="unlit")
    size = (camera.height, camera.width)
    samples = np.zeros((*size, 4), np.float32)
    surface = surface_of(prepared.scene, projected(prepared.scene, camera), np.zeros(40, np.int64))
    found = np.where(margin > 1e-6, ids, -1).astype(np.int32)
    untraced = np.zeros((0, 0, 3), np.float32)
    _shading.shade(
        _shading.UNLIT, 1, found, surface, lighting_of(None, None), camera.position, untraced, samples
    )  # fmt: skip
    linear = prepared.scene.colors
    expected = np.einsum("hwk,hwki->hwi", weights, linear[mesh.faces[found]])
    np.testing.assert_allclose(samples[found >= 0][:, :3], expected[found >= 0], atol=2e-5)


@pytest.mark.parametrize("ss", [1, 2, 3])
def test_filter_equals_the_weighted_mean_of_samples(ss: int) -> None:
    gain = (1.0, 0.5, 1.7)[ss - 1]
    rng = np.random.default_rng(4)
    h, w = 7, 9
    samples = np.zeros((h * ss, w * ss, 4), np.float32)
    covered = rng.uniform(size=samples.shape[:2]) < 0.4
    covered[:, : 2 * ss] = False
    samples[covered] = np.concatenate([rng.uniform(size=(covered.sum(), 3)), np.ones((covered.sum(), 1))], 1)
    out = np.zeros((h, w, 4), np.uint8)
    weights, reach = filter_weights(ss)
    assert weights.sum() == pytest.approx(1, abs=1e-6)
    np.testing.assert_allclose(weights, weights[::-1], atol=1e-7)
    top, bottom, left, right = 1, 6, 2, 8  # the part of the picture that has samples
    part = np.zeros_like(samples)
    part[top * ss : bottom * ss, left * ss : right * ss] = samples[top * ss : bottom * ss, left * ss : right * ss]
    samples = part
    cropped = np.ascontiguousarray(samples[top * ss : bottom * ss, left * ss : right * ss])
    _kernels.resolve(cropped, weights, reach, ss, top, left, 0, h, gain, *srgb_steps(), out)
    for y in range(h):
        for x in range(w):
            total, norm = np.zeros(4), 0.0
            for j, wy in enumerate(weights.astype(float)):
                for i, wx in enumerate(weights.astype(float)):
                    yy, xx = y * ss + j - reach, x * ss + i - reach
                    if 0 <= yy < h * ss and 0 <= xx < w * ss:
                        total += wy * wx * samples[yy, xx]
                        norm += wy * wx
            alpha = total[3] / norm
            color = np.minimum(gain * total[:3] / total[3], 1) if total[3] > 0 else np.zeros(3)
            srgb = np.where(color <= 0.0031308, 12.92 * color, 1.055 * color ** (1 / 2.4) - 0.055)
            expected = np.append(srgb, min(alpha, 1)) * 255
            if abs(expected[3] - 0.5) > 0.01:
                shown = expected if expected[3] > 0.5 else np.zeros(4)  # no colour where nothing shows
                assert np.abs(out[y, x] - shown).max() < 0.51


def test_gathering_equals_the_sum_over_cells() -> None:
    rng = np.random.default_rng(6)
    directions, energies, angles = light_cells(rng.uniform(size=(16, 32, 3)).astype(np.float32), count=20)
    normals = rng.normal(size=(15, 3)).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    radiosity = rng.uniform(size=(12, 3)).astype(np.float32)
    up = normals @ directions.T > 0
    hit = np.where(up, rng.integers(-1, 12, up.shape), -2).astype(np.int32)
    out = np.empty((15, 3), np.float32)
    _bake_kernels.gather(hit, normals, directions, energies, angles, radiosity, out)
    for p in range(15):
        total, norm = np.zeros(3), 0.0
        for c in range(20):
            if hit[p, c] == -2:
                continue
            cosine = float(normals[p] @ directions[c])
            norm += cosine * angles[c]
            total += cosine * (energies[c] if hit[p, c] == -1 else angles[c] * radiosity[hit[p, c]])
        np.testing.assert_allclose(out[p], total / norm, rtol=1e-4)


def test_probes_equal_lobe_weighted_shares() -> None:
    rng = np.random.default_rng(8)
    hit = rng.integers(-2, 6, (9, 10)).astype(np.int32)
    hit[0] = -1
    shine, area = (rng.uniform(0.1, 1, (2, 10, 4)).astype(np.float32) for _ in range(2))
    radiosity = rng.uniform(size=(6, 3)).astype(np.float32)
    out = np.empty((9, 2, 4, 4), np.float32)
    _bake_kernels.probes_from_hits(hit, shine, area, radiosity, out)
    for p in range(9):
        up, free = hit[p] > -2, hit[p] == -1
        seen = np.where((hit[p] >= 0)[:, None], radiosity[np.maximum(hit[p], 0)], 0)
        for level in range(2):
            share = shine[level][free].sum(0) / shine[level][up].sum(0)
            color = (area[level].T @ seen) / area[level][up].sum(0)[:, None]
            np.testing.assert_allclose(out[p, level, :, 0], share, rtol=1e-4, atol=1e-6)
            np.testing.assert_allclose(out[p, level, :, 1:], color, rtol=1e-4, atol=1e-6)


def test_blurred_light_equals_the_integral_over_the_sphere() -> None:
    rng = np.random.default_rng(9)
    image = rng.uniform(size=(16, 32, 3)).astype(np.float32)
    directions, _ = map_directions(16)
    flat = directions.reshape(-1, 3)
    area = np.repeat(np.cos((0.5 - (np.arange(16) + 0.5) / 16) * np.pi), 32)
    for roughness in (0.35, 0.7):
        blurred = zonal_blur(image, roughness)
        for y, x in ((0, 0), (7, 20), (15, 31)):
            weight = ggx_lobe(flat @ directions[y, x], roughness) * area
            expected = weight @ image.reshape(-1, 3) / weight.sum()
            np.testing.assert_allclose(blurred[y, x], expected, rtol=1e-4)


def test_light_along_a_direction_is_the_maps_own_value() -> None:
    """At pixel centres of a level the look-up returns that pixel."""
    rng = np.random.default_rng(10)
    levels = rng.uniform(size=(3, 8, 16, 3)).astype(np.float32)
    roughness = np.array([0.0, 0.5, 1.0], np.float32)
    directions, _ = map_directions(8)
    for lev, y, x in ((0, 0, 3), (1, 4, 15), (2, 7, 0)):
        found = _shading.light_along(levels, levels[:1], roughness, *directions[y, x], float(roughness[lev]))
        np.testing.assert_allclose(found, levels[lev, y, x], rtol=2e-3)


def test_corner_normals_equal_sums_within_the_crease() -> None:
    rng = np.random.default_rng(12)
    vertices = rng.uniform(size=(8, 3))
    faces = np.array([rng.choice(8, 3, replace=False) for _ in range(14)], np.int64)
    cross = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    flat = faces.reshape(-1)
    order = np.argsort(flat, kind="stable")
    starts = np.searchsorted(flat[order], np.arange(9))
    out = _kernels.corner_normals(faces, cross, starts, order, 0.5)
    unit = cross / np.linalg.norm(cross, axis=1, keepdims=True)
    for f, face in enumerate(faces):
        for k, v in enumerate(face):
            total = sum(cross[g] for g in range(14) if v in faces[g] and unit[f] @ unit[g] >= 0.5 - 1e-12)
            np.testing.assert_allclose(out[f, k], total / np.linalg.norm(total), atol=1e-9)


def test_cut_out_alpha_is_bilinear_and_repeats() -> None:
    rng = np.random.default_rng(13)
    texels = np.zeros((12, 6), np.uint16)
    texels[:, 5] = rng.integers(0, 65536, 12)
    grid = texels[:, 5].reshape(3, 4) / 65535
    rows = np.array([[0, 3, 4]])
    for u, v in rng.uniform(-1, 2, (20, 2)):
        x, y = u * 4 - 0.5, v * 3 - 0.5
        i, j = int(np.floor(x)), int(np.floor(y))
        expected = 0.0
        for dj in (0, 1):
            for di in (0, 1):
                weight = (1 - abs(x - i - di)) * (1 - abs(y - j - dj))
                expected += weight * grid[(j + dj) % 3, (i + di) % 4]
        assert _kernels.texel_alpha(texels, rows, 0, u, v) == pytest.approx(expected, abs=1e-6)


def test_the_finest_mip_is_taken_near_and_a_coarse_one_afar() -> None:
    """A texel as large as a pixel asks for level 0, four times smaller for level 2 (bias 0)."""
    screen = np.array([[0, 0, 1], [8, 0, 1], [0, 8, 1]], np.float64)
    faces = np.array([[0, 1, 2]], np.int32)
    out = np.empty(1, np.int64)
    for texels, level in ((64.0, 0), (64.0 * 16, 2), (1.0, 0), (64.0 * 4**6, 3)):
        _kernels.choose_mips(
            screen, faces, np.array([texels]), np.zeros(1, np.int32), np.array([5]), np.array([4]), 0.0, out
        )
        assert out[0] == 5 + level


def test_materials_with_factors_become_encoded_texels() -> None:
    from svdmv.render.scene import scene_from_asset

    material = Material(base_color_factor_linear=(0.1, 0.2, 0.3, 1.0), metallic=0.25, roughness=0.6)
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))
    values = scene_from_asset(Asset(mesh, (material,))).texels.values
    colors = srgb_from_linear(np.array([0.1, 0.2, 0.3]))
    np.testing.assert_allclose(values / 65535, [[*colors, 0.6, 0.25, 1.0]], atol=1e-5)
