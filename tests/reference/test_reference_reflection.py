"""Slow twins of surfaces, hemisphere rays, layers, bytes and traced reflections: plain numpy from their definitions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from svdmv.core import Asset, Camera, Material, Mesh
from svdmv.io.colour import linear_from_srgb, srgb_from_linear
from svdmv.render import _bake_kernels, _kernels, _reflection, _shading, _surface
from svdmv.render.light import light_cells
from svdmv.render.pixels import srgb_steps
from svdmv.render.raster import lighting_of, prepare, projected, surface_of
from svdmv.render.reflection import lobe_taps


def unit(v: np.ndarray) -> np.ndarray:
    return v / np.linalg.norm(v, axis=-1, keepdims=True)


def test_bytes_equal_the_rounded_srgb_curve() -> None:
    thresholds, guesses = srgb_steps()
    values = np.concatenate([np.linspace(-0.1, 1.1, 4001), thresholds.astype(float) + 1e-7, [0.0, 1.0]])
    expected = np.rint(np.asarray(srgb_from_linear(values.clip(0, 1)), np.float64) * 255)
    found = np.array([_kernels.byte_of(np.float32(v), thresholds, guesses) for v in values])
    near = np.abs(np.asarray(srgb_from_linear(values.clip(0, 1))) * 255 % 1 - 0.5) < 1e-3
    np.testing.assert_array_equal(found[~near], expected[~near])
    assert np.abs(found - expected).max() <= 1


def test_quick_angles_are_near_the_exact_ones() -> None:
    angle = np.linspace(-np.pi, np.pi, 997)
    found = np.array([_shading.longitude(np.sin(a), np.cos(a)) for a in angle])
    turn = (found - angle + np.pi) % (2 * np.pi) - np.pi
    assert np.abs(turn).max() < 2e-5
    y = np.linspace(-1, 1, 501)
    assert np.abs(np.array([_shading.latitude(v) for v in y]) - np.arcsin(y)).max() < 1e-4


def test_texels_are_mixed_as_stored_repeat_and_are_decoded_then() -> None:
    """Colours (channels 0 to 2) and emission (here 6 to 8) are stored encoded; Cycles, too, mixes before it decodes."""
    rng = np.random.default_rng(3)
    texels = rng.integers(0, 65536, (12, 9)).astype(np.uint16)
    grid = texels.reshape(3, 4, 9) / 65535
    faces = np.array([[0, 1, 2]], np.int32)
    rows, colors = np.array([[0, 3, 4]]), np.zeros((0, 3), np.float32)
    out = np.zeros(9, np.float32)
    for _ in range(20):
        uvs = rng.uniform(-1, 2, (3, 2)).astype(np.float32)
        weights = rng.dirichlet(np.ones(3))
        u, v = weights @ uvs
        _surface.material_at(faces, uvs, colors, texels, rows, 0, *weights, 0, 6, out)
        x, y = u * 4 - 0.5, v * 3 - 0.5
        i, j = int(np.floor(x)), int(np.floor(y))
        expected = sum(
            (1 - abs(x - i - a)) * (1 - abs(y - j - b)) * grid[(j + b) % 3, (i + a) % 4] for a in (0, 1) for b in (0, 1)
        )
        expected[:3], expected[6:] = linear_from_srgb(expected[:3]), linear_from_srgb(expected[6:])
        np.testing.assert_allclose(out, expected, atol=2e-5)


def test_hemisphere_rays_and_their_hits_in_order() -> None:
    rng = np.random.default_rng(5)
    directions = unit(rng.normal(size=(9, 3))).astype(np.float32)
    normals = unit(rng.normal(size=(6, 3))).astype(np.float32)
    positions = rng.normal(size=(6, 3)).astype(np.float32)
    starts, rays = np.zeros((54, 3), np.float32), np.zeros((54, 3), np.float32)
    count = _bake_kernels.hemisphere_rays(positions, normals, directions, 0.1, 1, 5, starts, rays)
    expected = [(p, c) for p in range(1, 5) for c in range(9) if normals[p] @ directions[c] > 0]
    assert count == len(expected)
    for n, (p, c) in enumerate(expected):
        np.testing.assert_allclose(starts[n], positions[p] + 0.1 * normals[p], atol=1e-6)
        np.testing.assert_array_equal(rays[n], directions[c])
    met = rng.integers(-1, 4, count).astype(np.int32)
    face_normals = rng.normal(size=(4, 3)).astype(np.float32)
    hit = np.full((6, 9), 99, np.int32)
    _bake_kernels.note_hits(met, face_normals, normals, directions, 1, 5, hit)
    assert (hit[[0, 5]] == 99).all()
    for p in range(1, 5):
        for c in range(9):
            if (p, c) not in expected:
                assert hit[p, c] == -2
                continue
            t = met[expected.index((p, c))]
            assert hit[p, c] == (-1 if t < 0 else 2 * t + (face_normals[t] @ directions[c] > 0))


def test_lean_is_the_mean_direction_of_the_light() -> None:
    rng = np.random.default_rng(7)
    directions, energies, angles = light_cells(rng.uniform(size=(16, 32, 3)).astype(np.float32), count=24)
    normals = unit(rng.normal(size=(8, 3))).astype(np.float32)
    radiosity = rng.uniform(size=(6, 3)).astype(np.float32)
    up = normals @ directions.T > 0
    hit = np.where(up, rng.integers(-1, 6, up.shape), -2).astype(np.int32)
    out = np.empty((8, 3), np.float32)
    _bake_kernels.lean_of_light(hit, normals, directions, energies, angles, radiosity, out)
    for p in range(8):
        light = np.where((hit[p] >= 0)[:, None], angles[:, None] * radiosity[np.maximum(hit[p], 0)], energies).sum(1)
        total = (light * up[p]) @ directions
        np.testing.assert_allclose(out[p], total / (total @ normals[p]), rtol=2e-4, atol=1e-5)


@pytest.fixture(scope="module")
def tangle() -> tuple[Asset, Camera]:
    """Sixteen shiny triangles through each other."""
    rng = np.random.default_rng(21)
    vertices = (rng.uniform(-0.4, 0.4, (16, 1, 3)) + rng.uniform(-0.4, 0.4, (16, 3, 3))).reshape(-1, 3)
    flat = np.cross(vertices[1::3] - vertices[::3], vertices[2::3] - vertices[::3])
    normals = unit(np.repeat(unit(flat), 3, 0) + rng.normal(0, 0.05, (48, 3)))
    colors = rng.integers(60, 256, (48, 3), np.uint8)
    faces = np.arange(48, dtype=np.int32).reshape(-1, 3)
    mesh = Mesh(vertices.astype(np.float32), faces, normals.astype(np.float32), None, colors)
    camera = Camera.looking_at((0.8, 0.7, 1.5), (0, 0, 0), 38, 20, 16)
    return Asset(mesh, (Material(metallic=1.0, roughness=0.3),)), camera


def rasterised(asset: Asset, camera: Camera, ceiling: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scene = prepare(asset, shading="unlit").scene
    ids, nearest = np.full((16, 20), -1, np.int32), np.zeros((16, 20), np.float32)
    count, t = len(scene.faces), scene.texels
    _kernels.rasterise(
        projected(scene, camera), scene.faces, np.ones(count, bool), np.zeros(count, np.float32), scene.uvs, t.values,
        t.rows, np.zeros(count, np.int64), ceiling, ids, nearest,
    )  # fmt: skip
    return ids, nearest


def test_layers_peel_off_in_the_order_of_depth(tangle: tuple[Asset, Camera]) -> None:
    asset, camera = tangle
    corners = asset.mesh.vertices[asset.mesh.faces].astype(np.float64)
    ceiling = np.zeros((0, 0), np.float32)
    layers = []
    for _ in range(3):
        ids, nearest = rasterised(asset, camera, ceiling)
        layers.append((ids, nearest))
        ceiling = np.where(ids >= 0, nearest * np.float32(1 - 1e-6), np.float32(0))
    checked = 0
    for y, x in np.ndindex(16, 20):
        ray = camera.unproject(np.array([[x + 0.5, y + 0.5]]), np.ones(1))[0] - camera.position
        found, torn = [], False
        for f, (a, b, c) in enumerate(corners):
            inside = np.linalg.solve(np.stack([b - a, c - a, -ray], 1), camera.position - a)
            margin = min(inside[0], inside[1], 1 - inside[0] - inside[1])
            torn |= abs(margin) < 1e-6
            if margin >= 0 and inside[2] > 0:
                found.append((inside[2], f))
        found.sort()
        if torn or any(b[0] - a[0] < 1e-5 for a, b in pairwise(found)):
            continue
        for k, (ids, nearest) in enumerate(layers):
            assert ids[y, x] == (found[k][1] if k < len(found) else -1)
            if k < len(found):
                assert nearest[y, x] == pytest.approx(1 / found[k][0], rel=1e-5)
        checked += len(found) > 1
    assert checked > 20


def test_visible_normals_keep_the_projected_area_of_what_is_seen() -> None:
    """Drawn evenly over the disc, normals m have the mean of their reflections given by D_v: E[f] by quadrature."""
    alpha, nv = 0.35, 0.55
    view = np.array([np.sqrt(1 - nv * nv), 0, nv])
    n = 400
    radius, turns = np.sqrt((np.arange(100) + 0.5) / 100), (np.arange(100) + 0.5) / 100 * 2 * np.pi
    angle = (np.arange(n) + 0.5) / n * 2 * np.pi
    found = np.array(
        [_reflection.visible_normal(r * np.cos(a), r * np.sin(a), alpha, nv) for r in radius for a in turns]
    )
    theta = (np.arange(n) + 0.5) / n * np.pi / 2
    m = np.stack(
        np.broadcast_arrays(
            np.sin(theta)[:, None] * np.cos(angle), np.sin(theta)[:, None] * np.sin(angle), np.cos(theta)[:, None]
        ),
        -1,
    )
    density = alpha**2 / (np.pi * (m[..., 2] ** 2 * (alpha**2 - 1) + 1) ** 2)
    weight = density * np.maximum(m @ view, 0) * np.sin(theta)[:, None]
    expected = (weight[..., None] * m).sum((0, 1)) / weight.sum()
    np.testing.assert_allclose(found.mean(0), expected, atol=2e-3)
    masking = nv / (weight.sum() * (np.pi / 2 / n) * (2 * np.pi / n))  # G1: what is seen fills the projected area
    assert 1 / _reflection.smith(alpha, nv) == pytest.approx(masking, rel=1e-3)


def test_rays_mirror_the_view_at_the_tap_and_bring_the_light_they_meet(tangle: tuple[Asset, Camera]) -> None:
    asset, camera = tangle
    prepared = prepare(asset, "studio", shading="final")
    scene = prepared.scene
    ids, nearest = rasterised_scene(prepared, camera)
    face_rows = scene.texels.first_rows[scene.face_materials]
    surface = surface_of(scene, projected(scene, camera), face_rows)
    lighting = lighting_of(prepared.light, prepared.baked)
    shape, count = ids.shape, int((ids >= 0).sum())
    normals, roughness, weights = np.empty((*shape, 3), np.float32), np.empty(shape, np.float32), np.empty(shape)
    weights = weights.astype(np.float32)
    places, blurs = np.empty(count, np.int32), np.empty(count, np.float32)
    starts, rays = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
    num = _reflection.reflection_rays(
        ids, surface, camera.position, 1e-3, 1.0, False, lobe_taps(), normals, roughness, weights, places, starts, rays,
        blurs,
    )  # fmt: skip
    assert num > 60
    alpha, straight = 0.09, 0
    for n in range(num):
        y, x = divmod(int(places[n]), shape[1])
        pixel = np.array([[x + 0.5, y + 0.5]])
        point = camera.unproject(pixel, np.array([1 / nearest[y, x]]))[0]
        to_eye, normal = unit(camera.position - point), normals[y, x].astype(np.float64)
        assert np.linalg.norm(starts[n] - point) == pytest.approx(1e-3, abs=2e-4)
        nv = float(np.clip(normal @ to_eye, 1e-3, 1))
        tangent = unit(to_eye - nv * normal)
        tap = lobe_taps()[y % 8, x % 8]
        m = np.array(_reflection.visible_normal(float(tap[0]), float(tap[1]), alpha, nv))
        m = m[0] * tangent + m[1] * np.cross(normal, tangent) + m[2] * normal
        mirrored = 2 * (m @ to_eye) * m - to_eye
        corners = scene.vertices[scene.faces[ids[y, x]]]
        flat = unit(np.cross(corners[1] - corners[0], corners[2] - corners[0]))
        flat *= np.sign(flat @ to_eye)
        if mirrored @ flat > 0.03:
            np.testing.assert_allclose(rays[n], mirrored, atol=2e-3)
            straight += 1
        else:
            assert rays[n] @ flat > 0
    assert straight > 40
    met, us, vs = nearest_faces(scene.vertices[scene.faces], starts[:num], rays[:num])
    light = np.zeros((*shape, 3), np.float32)
    _reflection.light_of_rays(
        met, us, vs, rays[:num], blurs[:num], places[:num], face_rows, surface, lighting, light
    )  # fmt: skip
    found = prepared.embree.run(starts[:num], rays[:num])
    assert (found == met).mean() > 0.99
    assert prepared.light is not None
    for n in np.nonzero(met < 0)[0][:20]:
        y, x = divmod(int(places[n]), shape[1])
        sky = _shading.light_along(
            lighting.levels, lighting.sharp, lighting.level_roughness, *rays[n].astype(float), float(blurs[n])
        )
        np.testing.assert_allclose(light[y, x], sky, rtol=1e-4)
    assert (light[np.divmod(places[:num][met >= 0], shape[1])] > 0).all()


def rasterised_scene(prepared: object, camera: Camera) -> tuple[np.ndarray, np.ndarray]:
    scene = prepared.scene  # type: ignore[attr-defined]
    ids = np.full((camera.height, camera.width), -1, np.int32)
    nearest = np.zeros(ids.shape, np.float32)
    t, count = scene.texels, len(scene.faces)
    rows = t.first_rows[scene.face_materials]
    _kernels.rasterise(
        projected(scene, camera), scene.faces, np.ones(count, bool), scene.face_cutoffs, scene.uvs, t.values, t.rows,
        rows, np.zeros((0, 0), np.float32), ids, nearest,
    )  # fmt: skip
    return ids, nearest


def nearest_faces(corners: np.ndarray, starts: np.ndarray, rays: np.ndarray) -> tuple[np.ndarray, ...]:
    """Face (-1 = none) and weights of its second and third corner that each ray meets first (Moeller-Trumbore)."""
    met, us, vs = np.full(len(rays), -1, np.int32), np.zeros(len(rays), np.float32), np.zeros(len(rays), np.float32)
    a, e1, e2 = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    for n, (start, ray) in enumerate(zip(starts.astype(float), rays.astype(float), strict=True)):
        p = np.cross(ray, e2)
        det = (e1 * p).sum(1)
        s = start - a
        u = (s * p).sum(1) / det
        q = np.cross(s, e1)
        v, t = (q @ ray) / det, (e2 * q).sum(1) / det
        t = np.where((u >= 0) & (v >= 0) & (u + v <= 1) & (t > 0), t, np.inf)
        if np.isfinite(t.min()):
            f = int(t.argmin())
            met[n], us[n], vs[n] = f, u[f], v[f]
    return met, us, vs


def test_smoothing_is_the_weighted_mean_of_like_neighbours() -> None:
    rng = np.random.default_rng(2)
    shape = (11, 13)
    light = rng.uniform(size=(*shape, 3)).astype(np.float32)
    normals = unit(np.array([0, 0, 1]) + rng.normal(0, 0.05, (*shape, 3))).astype(np.float32)
    rough = rng.choice([-1.0, 0.05, 0.4, 0.45], shape, p=[0.2, 0.1, 0.4, 0.3]).astype(np.float32)
    weights = np.where(rough >= 0, rng.uniform(0, 1, shape), 0).astype(np.float32)
    depths = (1 + 0.03 * rng.integers(0, 2, shape)).astype(np.float32)
    out = np.empty((*shape, 3), np.float32)
    _reflection.smooth_light(light, weights, rough, normals, depths, out)
    for y, x in np.ndindex(shape):
        if rough[y, x] < 0:
            assert out[y, x, 0] < 0
            continue
        before, after = (0, 1) if rough[y, x] < _reflection.SMOOTH_ROUGHNESS else (4, 4)
        total, norm = np.zeros(3), 0.0
        for yy in range(max(0, y - before), min(shape[0], y + after)):
            for xx in range(max(0, x - before), min(shape[1], x + after)):
                far = abs(depths[yy, xx] - depths[y, x]) > 0.02 * depths[y, x]
                alpha = max(float(rough[y, x]) ** 2, 1e-3)
                turned = 1 - float(normals[yy, xx].astype(float) @ normals[y, x]) > alpha**2 / 2
                other = abs(float(rough[yy, xx]) - float(rough[y, x])) > _reflection.LIKE_ROUGHNESS
                w = 0.0 if far or turned or other else float(weights[yy, xx])
                total, norm = total + w * light[yy, xx], norm + w
        if norm > 1e-4:
            np.testing.assert_allclose(out[y, x], total / norm, rtol=2e-3, atol=1e-4)
