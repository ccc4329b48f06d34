"""Clean-up, budget, charts and the acceptance report of finished assets."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import sphere, torus, views_of
from simple_meshes import ball, both, cube

from svdmv.asset import check_asset, textured_asset
from svdmv.asset.cleanup import cleaned_mesh
from svdmv.core import Asset, ConfigError, DataError, Material, Mesh, ViewSet, vertex_normals
from svdmv.geometry.field import Lattice
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import closed_after_merging, signed_volumes


def mesh_of(arrays: tuple[np.ndarray, np.ndarray]) -> Mesh:
    return Mesh(arrays[0].astype(np.float32), arrays[1].astype(np.int32))


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return views_of(sphere(0.4), size=32, num_views=8, samples=2)


@pytest.fixture(scope="module")
def ring() -> Mesh:
    lattice = Lattice.around(np.full(3, -0.45), np.full(3, 0.45), 64)
    return mesh_of(surface_from_field(torus()(lattice.points()), lattice))


@pytest.fixture(scope="module")
def asset(views: ViewSet, ring: Mesh) -> Asset:
    return textured_asset(ring, views, faces=1500, texture_size=256, provenance={"seed": 3})


def failing(asset: Asset) -> set[str]:
    return {row.name for row in check_asset(asset) if not row.ok}


def test_a_finished_asset_passes_its_report(asset: Asset) -> None:
    assert failing(asset) <= {"seen by the views"}  # the pictures are of another shape
    assert 750 < len(asset.mesh.faces) <= 1500
    assert len(check_asset(asset)) >= 11


def test_provenance_is_json_and_kept(asset: Asset) -> None:
    story = json.loads(json.dumps(asset.provenance))
    assert story["seed"] == 3
    assert story["asset"]["unwrap"] == "xatlas"
    assert story["asset"]["faces"] == len(asset.mesh.faces)
    assert any("simplified from" in note for note in story["asset"]["notes"])


def test_normals_run_smoothly_across_seams(asset: Asset) -> None:
    mesh = asset.mesh
    assert mesh.normals is not None
    _, index = np.unique(mesh.vertices, axis=0, return_inverse=True)
    first = np.zeros((index.max() + 1, 3), np.float32)
    first[index.ravel()] = mesh.normals
    np.testing.assert_array_equal(first[index.ravel()], mesh.normals)
    assert len(first) < len(mesh.vertices)


def test_the_same_input_gives_the_same_bytes(views: ViewSet, ring: Mesh, asset: Asset) -> None:
    again = textured_asset(ring, views, faces=1500, texture_size=256, provenance={"seed": 3})
    for name in ("vertices", "faces", "normals", "uvs"):
        assert getattr(again.mesh, name).tobytes() == getattr(asset.mesh, name).tobytes()
    textures = [a.materials[0].base_color_srgb for a in (again, asset)]
    assert textures[0] is not None
    assert textures[1] is not None
    assert textures[0].tobytes() == textures[1].tobytes()


@pytest.mark.parametrize("budget", [20, 200, 5000])
def test_the_budget_of_faces_holds(ring: Mesh, budget: int) -> None:
    clean, _ = cleaned_mesh(ring, faces=budget)
    assert len(clean.faces) <= budget
    assert closed_after_merging(clean.vertices, clean.faces)


def test_cleaning_turns_outward_and_removes_floaters() -> None:
    vertices, faces = both(ball(0.4, 3), cube(0.02), (0.5, 0, 0))
    clean, notes = cleaned_mesh(mesh_of((vertices, faces[:, ::-1])), faces=2000)
    assert len(clean.faces) == 1280
    assert signed_volumes(clean.vertices, clean.faces).sum() == pytest.approx(4 / 3 * np.pi * 0.4**3, rel=0.03)
    assert any("turned outward" in note for note in notes)
    assert any("1 small" in note for note in notes)


def test_smoothing_takes_the_staircase_out_of_voxels() -> None:
    lattice = Lattice.around(np.full(3, -0.4), np.full(3, 0.4), 40)
    stairs = np.where(np.linalg.norm(lattice.points(), axis=-1) < 0.35, -1.0, 1.0)
    mesh = mesh_of(surface_from_field(stairs, lattice))
    spread = []
    for rounds in (0, 10):
        clean, _ = cleaned_mesh(mesh, faces=100_000, smoothing=rounds)
        normals = vertex_normals(clean.vertices, clean.faces)
        radial = clean.vertices / np.linalg.norm(clean.vertices, axis=1, keepdims=True)
        spread.append(float(1 - (normals * radial).sum(1).mean()))
    assert spread[1] < 0.5 * spread[0]


def test_many_faces_fall_back_to_cells_and_say_so(views: ViewSet, ring: Mesh, monkeypatch: pytest.MonkeyPatch) -> None:
    from svdmv.geometry import atlas

    monkeypatch.setattr(atlas.unwrapped, "__kwdefaults__", {**atlas.unwrapped.__kwdefaults__, "max_faces": 100})
    asset = textured_asset(ring, views, faces=800, texture_size=256)
    assert asset.provenance["asset"]["unwrap"] == "triangles"
    assert any("two triangles a cell" in note for note in asset.provenance["asset"]["notes"])
    assert "uv without overlap" not in failing(asset)


def test_an_open_mesh_is_kept_and_named(views: ViewSet) -> None:
    vertices, faces = ball(0.4, 2)
    asset = textured_asset(mesh_of((vertices, faces[5:])), views, faces=1000, texture_size=64)
    assert any("not closed" in note for note in asset.provenance["asset"]["notes"])
    assert "closed" in failing(asset)


@pytest.mark.parametrize(
    "settings", [{"faces": 3}, {"texture_size": 4}, {"texture_size": 10_000}, {"input_view": 8}, {"input_view": -1}]
)
def test_settings_out_of_range_are_refused(views: ViewSet, ring: Mesh, settings: dict[str, int]) -> None:
    with pytest.raises(ConfigError):
        textured_asset(ring, views, **settings)  # type: ignore[arg-type]  # a dict of mixed values


def test_a_mesh_without_surface_is_refused(views: ViewSet) -> None:
    flat = Mesh(np.zeros((3, 3), np.float32), np.array([[0, 1, 2]], np.int32))
    with pytest.raises(DataError, match="no surface"):
        textured_asset(flat, views)


def plain_asset(arrays: tuple[np.ndarray, np.ndarray], **changes: object) -> Asset:
    vertices, faces = arrays
    count = len(faces)
    cells = np.arange(count) / count
    corner = np.array([[0.1, 0.1], [0.9, 0.1], [0.1, 0.9]]) / count
    uvs = (np.stack([cells, np.zeros(count)], 1)[:, None] + corner).reshape(-1, 2).astype(np.float32)
    soup = vertices[faces.ravel()].astype(np.float32)
    index = np.arange(3 * count, dtype=np.int32).reshape(-1, 3)
    normals = vertex_normals(soup, index)
    mesh = replace(Mesh(soup, index, normals, uvs), **changes)  # type: ignore[arg-type]  # a dict of mixed values
    return Asset(mesh, (Material(base_color_srgb=np.zeros((4, 4, 4), np.uint8)),))


def test_the_report_passes_a_sound_cube_and_sees_each_damage() -> None:
    vertices, faces = cube(0.5)
    sound = plain_asset((vertices, faces))
    assert failing(sound) == set()
    mesh = sound.mesh
    assert mesh.normals is not None
    assert mesh.uvs is not None
    flat = np.concatenate([faces, [[0, 1, 1]]]).astype(np.int32)
    assert "closed" in failing(plain_asset((vertices, faces[1:])))
    assert "no degenerate faces" in failing(plain_asset((vertices, flat)))
    assert "turned outward" in failing(plain_asset((vertices, faces[:, ::-1])))
    assert "one component" in failing(plain_asset(both(cube(0.2), cube(0.2), (0.5, 0, 0))))
    assert "fits the unit ball" in failing(plain_asset((3 * vertices, faces)))
    assert "normals agree with winding" in failing(plain_asset((vertices, faces), normals=-mesh.normals))
    assert "normals agree with winding" in failing(plain_asset((vertices, faces), normals=None))
    assert "uv in range" in failing(plain_asset((vertices, faces), uvs=mesh.uvs + 0.5))
    assert "uv without overlap" in failing(plain_asset((vertices, faces), uvs=mesh.uvs % np.float32(1 / 12)))
    assert "uv present" in failing(plain_asset((vertices, faces), uvs=None))
    assert "textured" in failing(Asset(mesh))
    assert "seen by the views" in failing(replace(sound, provenance={"asset": {"seen_share": 0.1}}))
    nothing = Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))
    assert failing(Asset(nothing)) == {"has faces"}


def test_the_report_sees_thin_plates_uneven_texels_and_seams() -> None:
    vertices, faces = cube(0.5)
    thin = plain_asset((vertices * (1, 1, 0.002), faces))
    assert "thickness" in failing(thin)
    sound = plain_asset((vertices, faces))
    uvs = sound.mesh.uvs
    assert uvs is not None
    squeezed = uvs.copy()
    squeezed[:12] = uvs[:12] * (0.05, 0.05)
    assert "texel density" in failing(plain_asset((vertices, faces), uvs=squeezed.astype(np.float32)))
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 4), np.uint8)
    assert "seam error" in failing(replace(sound, materials=(Material(base_color_srgb=noise),)))
    sheared = uvs * np.array((1, 0.1), np.float32)
    assert "uv stretch" in failing(plain_asset((vertices, faces), uvs=sheared))
