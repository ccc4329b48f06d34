"""Edges halved where light changes: the surface stays the same, its light comes closer to rays from every point."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from render_solids import WHITE, box_mesh, front_camera, joined_meshes, sphere_mesh

from svdmv.core import Asset, Material
from svdmv.render import refine
from svdmv.render.bake import Bake, Tracer, baked_with_tracer
from svdmv.render.light import light_from
from svdmv.render.raster import Prepared, prepare, render
from svdmv.render.scene import Scene, scene_from_asset, welded


def crossed_boxes() -> Asset:
    """A post through a slab: contacts run within large faces. Vertex colours and texture coordinates come along."""
    mesh = joined_meshes(
        [box_mesh((-0.5, -0.1, -0.5), (0.5, 0.0, 0.5)), box_mesh((-0.12, -0.3, -0.1), (0.1, 0.5, 0.13))]
    )
    rng = np.random.default_rng(3)
    count = len(mesh.vertices)
    uvs, colors = rng.uniform(size=(count, 2)).astype(np.float32), rng.integers(128, 256, (count, 3), np.uint8)
    return Asset(replace(mesh, uvs=uvs, colors=colors), (WHITE,))


@pytest.fixture(scope="module")
def grown() -> tuple[Scene, Bake, Tracer, Scene, Bake]:
    """The crossed boxes before and after."""
    scene = scene_from_asset(crossed_boxes())
    baked, tracer, _ = baked_with_tracer(scene, light_from("sky"), with_probes=True)
    return (scene, baked, tracer, *refine.baked_and_refined(scene, light_from("sky"), with_probes=True))


def test_light_comes_closer_to_rays_from_every_point(grown: tuple[Scene, Bake, Tracer, Scene, Bake]) -> None:
    scene, baked, tracer, fine, lit = grown
    assert len(scene.vertices) < len(fine.vertices) < len(scene.vertices) + refine.MAX_NEW_VERTICES

    def error(where: Scene, light: Bake) -> float:
        rng = np.random.default_rng(5)
        corners = where.vertices[where.faces]
        areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
        faces = rng.choice(len(areas), 1500, p=areas / areas.sum())
        weights = rng.dirichlet(np.ones(3), 1500)
        positions = np.einsum("nk,nkc->nc", weights, where.vertices[where.faces[faces]]).astype(np.float32)
        normals = np.einsum("nk,nkc->nc", weights, where.normals[where.faces[faces]])
        normals = (normals / np.linalg.norm(normals, axis=1, keepdims=True)).astype(np.float32)
        hit = tracer.hits(positions, normals)
        truth = np.sqrt(tracer.light(hit, normals))
        found = np.sqrt(np.einsum("nk,nkc->nc", weights, light.light[light.point_of[0][where.faces[faces]]]))
        return float(np.sqrt(((truth - found) ** 2).mean()))

    before, after = error(scene, baked), error(fine, lit)
    assert before > 0.015
    assert after < 0.5 * before


def test_new_points_carry_what_a_bake_would_give_them(grown: tuple[Scene, Bake, Tracer, Scene, Bake]) -> None:
    scene, baked, tracer, fine, lit = grown
    new = np.arange(len(scene.vertices), len(fine.vertices))[::7]
    points = lit.point_of[0][new]
    hit = tracer.hits(fine.vertices[new].astype(np.float32), fine.normals[new])
    np.testing.assert_allclose(lit.light[points], tracer.light(hit, fine.normals[new]), atol=2e-3)
    np.testing.assert_array_equal(lit.light[: len(baked.light)], baked.light)
    assert len(lit.probes) == len(lit.light) == lit.point_of.max() + 1  # what was looked at and not used is not kept
    assert set(np.unique(lit.point_of)) == set(range(len(lit.light)))
    np.testing.assert_allclose(lit.probes[points], tracer.probes([hit]), atol=2e-2)


def test_no_gap_opens_and_attributes_stay_linear(grown: tuple[Scene, Bake, Tracer, Scene, Bake]) -> None:
    """Every edge keeps as many faces as before at its place; the outline is the same to the byte."""
    scene, baked, _, fine, lit = grown
    place, _ = welded(fine.vertices)
    corners = place[fine.faces]
    ends = np.sort(corners[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    assert set(Counter(map(tuple, ends.tolist())).values()) == {2}
    mesh = scene.vertices[scene.faces], fine.vertices[fine.faces]
    areas = [np.linalg.norm(np.cross(c[:, 1] - c[:, 0], c[:, 2] - c[:, 0]), axis=1).sum() for c in mesh]
    assert areas[0] == pytest.approx(areas[1], rel=1e-9)
    assert fine.face_texels.sum() == pytest.approx(scene.face_texels.sum(), rel=1e-5)
    assert fine.colors.shape == (len(fine.vertices), 3)
    camera = front_camera(64, 2.2)
    views = [
        render(Prepared(s, "matte", light_from("sky"), b, None, 0), camera) for s, b in ((scene, baked), (fine, lit))
    ]
    np.testing.assert_array_equal(views[0].rgba[..., 3], views[1].rgba[..., 3])
    assert views[0].normal is not None
    assert views[1].normal is not None
    np.testing.assert_allclose(views[0].normal, views[1].normal, atol=1e-4)


def test_even_light_needs_no_more_points() -> None:
    prepared = prepare(Asset(sphere_mesh(segments=24), (WHITE,)), "uniform", shading="matte")
    assert len(prepared.scene.vertices) == len(scene_from_asset(Asset(sphere_mesh(segments=24), (WHITE,))).vertices)


def test_black_surfaces_need_no_more_points() -> None:
    black = Material(base_color_factor_linear=(0.0, 0.0, 0.0, 1.0), roughness=1.0)
    asset = crossed_boxes()
    scene = scene_from_asset(replace(asset, materials=(black,)))
    fine, _ = refine.baked_and_refined(scene, light_from("sky"), with_probes=False)
    assert len(fine.vertices) == len(scene.vertices)


def test_the_cap_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(refine, "MAX_NEW_VERTICES", 60)
    scene = scene_from_asset(crossed_boxes())
    fine, lit = refine.baked_and_refined(scene, light_from("sky"), with_probes=False)
    assert len(scene.vertices) < len(fine.vertices) <= len(scene.vertices) + 60
    assert lit.point_of.shape == (2, len(fine.vertices))
