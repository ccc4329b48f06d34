"""OBJ, PLY and STL both ways, the unit of the world, and files that are no models."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from svdmv.core import Asset, InputError, Material, Mesh
from svdmv.io.meshes import EXPORTERS, normalised, read_asset, write_asset
from svdmv.io.pictures import png_bytes

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def cube(**extra: np.ndarray) -> Mesh:
    corners = np.array([(x, y, z) for x in (0, 1) for y in (0, 1) for z in (0, 1)], np.float32) / np.float32(3)
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [(a, b, c) for a, b, c, _ in quads] + [(a, c, d) for a, _, c, d in quads]
    return Mesh(corners, np.array(faces, np.int32), **extra)


def triangles(asset: Asset) -> np.ndarray:
    """(F, 9) corners in one order whatever the order of the faces."""
    corners = asset.mesh.vertices[asset.mesh.faces].reshape(-1, 9)
    return corners[np.lexsort(corners.T)]


@pytest.mark.parametrize("suffix", sorted(set(EXPORTERS) - {".usdz"}))
def test_shapes_come_back_bit_for_bit_and_facing_outward(tmp_path: Path, suffix: str):
    asset = Asset(cube())
    write_asset(tmp_path / f"x{suffix}", asset)
    again = read_asset(tmp_path / f"x{suffix}")
    np.testing.assert_array_equal(triangles(again), triangles(asset))
    a, b, c = (again.mesh.vertices[again.mesh.faces[:, i]].astype(float) for i in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6
    assert volume == pytest.approx(1 / 27, rel=1e-5)  # positive: counter-clockwise seen from outside


def test_obj_keeps_materials_pictures_and_coordinates(tmp_path: Path):
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (5, 4, 4)).astype(np.uint8)
    normals = rng.normal(size=(8, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    mesh = cube(uvs=rng.random((8, 2)).astype(np.float32), normals=normals.astype(np.float32))
    materials = (Material("a", base_color_srgb=picture), Material("b", (0.5, 0.25, 1.0, 1.0)))
    asset = Asset(mesh, materials, np.array([0, 1] * 6, np.int32))
    write_asset(tmp_path / "x.obj", asset)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["x.mtl", "x.obj", "x_0.png"]
    again = read_asset(tmp_path / "x.obj")
    by_picture = sorted(again.materials, key=lambda m: m.base_color_srgb is None)
    np.testing.assert_array_equal(by_picture[0].base_color_srgb, picture)
    assert by_picture[1].base_color_factor_linear == pytest.approx((0.5, 0.25, 1.0, 1.0), abs=0.005)
    # every vertex of the file is one of ours, with its own coordinates and normal
    found = {
        tuple(v): (uv, n) for v, uv, n in zip(again.mesh.vertices, again.mesh.uvs, again.mesh.normals, strict=True)
    }
    for vertex, uv, normal in zip(mesh.vertices, mesh.uvs, mesh.normals, strict=True):
        np.testing.assert_allclose(found[tuple(vertex)][0], uv, atol=1e-6)
        np.testing.assert_allclose(found[tuple(vertex)][1], normal, atol=1e-6)


@pytest.mark.parametrize("suffix", [".obj", ".ply"])
def test_vertex_colours_come_back(tmp_path: Path, suffix: str):
    colors = np.random.default_rng(0).integers(0, 256, (8, 3)).astype(np.uint8)
    write_asset(tmp_path / f"x{suffix}", Asset(cube(colors=colors)))
    again = read_asset(tmp_path / f"x{suffix}")
    found = {tuple(v): c.tolist() for v, c in zip(again.mesh.vertices, again.mesh.colors, strict=True)}
    assert [found[tuple(v)] for v in cube().vertices] == colors.tolist()


def test_colours_that_an_obj_loses_are_noted(tmp_path: Path):
    mesh = cube(colors=np.full((8, 3), 200, np.uint8))
    write_asset(tmp_path / "x.obj", Asset(mesh, (Material("red", (1.0, 0.0, 0.0, 1.0)),)))
    asset = read_asset(tmp_path / "x.obj")
    assert asset.provenance["source"]["notes"] == ["vertex colours beside a material are left out"]
    assert asset.materials[0].base_color_factor_linear == (1.0, 0.0, 0.0, 1.0)


def test_an_obj_by_hand(tmp_path: Path):
    """v counts from the bottom in OBJ and from the top here; a polygon becomes triangles; absent files are named."""
    (tmp_path / "m.mtl").write_text("newmtl a\nKd 1 0 0\nmap_Kd there.png\nnewmtl b\nmap_Kd absent.png\n")
    (tmp_path / "there.png").write_bytes(png_bytes(np.full((2, 2, 3), 7, np.uint8)))
    (tmp_path / "m.obj").write_text(
        "mtllib m.mtl\nmtllib absent.mtl\nv 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\nvt 0 0\nvt 1 0\nvt 1 0.75\nvt 0 1\n"
        "usemtl a\nf 1/1 2/2 3/3 4/4\n"
    )
    asset = read_asset(tmp_path / "m.obj")
    assert len(asset.mesh.faces) == 2
    found = {tuple(v): uv.tolist() for v, uv in zip(asset.mesh.vertices.tolist(), asset.mesh.uvs, strict=True)}
    assert found[(0, 0, 0)] == [0, 1]
    assert found[(1, 1, 0)] == [1, 0.25]
    assert (asset.materials[0].base_color_srgb[..., :3] == 7).all()
    assert asset.provenance["source"]["notes"] == ["absent.png is not there", "absent.mtl is not there"]


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("x.obj", "v 0 0 nan\nv 1 0 0\nv 0 1 0\nf 1 2 3\n", "not finite"),
        ("x.obj", "v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 9\n", "damaged"),
        ("x.obj", "v 0 0 0\nv 0 0 0\nv 0 0 0\nf 1 2 3\n", "no surface"),
        ("x.obj", "", "no triangles"),
        ("x.stl", "", "no triangles|damaged"),
        ("x.stl", "solid x\nendsolid x\n", "no triangles"),
        ("x.ply", "<html></html>", "damaged"),
        ("x.ply", "ply\nformat ascii 1.0\nelement vertex 3\nproperty float x\nend_header\n1\n", "damaged|no triangles"),
        ("x.glb", "", "not a glTF"),
        ("x.glb", "<html></html>", "not a glTF"),
        ("x.gltf", "{}", "not a glTF"),
        ("x.docx", "words", "not a model"),
        ("x", "words", "not a model"),
    ],
)
def test_what_is_no_model_is_refused(tmp_path: Path, name: str, text: str, sentence: str):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=sentence) as caught:
        read_asset(tmp_path / name)
    assert str(tmp_path / name) in caught.value.block()


def test_paths_that_are_no_file(tmp_path: Path):
    with pytest.raises(InputError, match="not there"):
        read_asset(tmp_path / "absent.glb")
    with pytest.raises(InputError, match="folder"):
        read_asset(tmp_path)
    with pytest.raises(InputError, match="suffix"):
        write_asset(tmp_path / "x.docx", Asset(cube()))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rule", ["unit_box", "bounding_sphere"])
def test_size_and_place_of_the_file_do_not_matter(rule: str):
    rng = np.random.default_rng(2)
    mesh = Mesh(rng.random((30, 3)).astype(np.float32), rng.integers(0, 30, (20, 3)).astype(np.int32))
    expected, _ = normalised(Asset(mesh), rule)
    for scale, shift in ((1e-6, 0.0), (1e6, 0.0), (3.0, 50.0)):
        moved = Mesh((mesh.vertices.astype(np.float64) * scale + shift).astype(np.float32), mesh.faces)
        asset, matrix = normalised(Asset(moved), rule)
        np.testing.assert_allclose(asset.mesh.vertices, expected.mesh.vertices, atol=2e-5)
        np.testing.assert_allclose(moved.vertices @ matrix[:3, :3].T + matrix[:3, 3], asset.mesh.vertices, atol=2e-5)


def test_vertices_without_a_face_do_not_count_for_the_size():
    vertices = np.array([(0, 0, 0), (2, 0, 0), (0, 1, 0), (99, 99, 99)], np.float32)
    asset, _ = normalised(Asset(Mesh(vertices, np.array([(0, 1, 2)], np.int32))))
    np.testing.assert_allclose(np.ptp(asset.mesh.bounds, axis=0), (1, 0.5, 0))


def test_normalising_what_has_no_extent_or_no_rule_is_refused():
    point = Mesh(np.ones((3, 3), np.float32), np.array([(0, 1, 2)], np.int32))
    with pytest.raises(InputError, match="no extent"):
        normalised(Asset(point))
    with pytest.raises(InputError, match="rule"):
        normalised(Asset(cube()), "unit_sphere")  # type: ignore[arg-type]  # a wrong name is the point


@pytest.mark.skipif(not (SHARED / "gso_test").is_dir(), reason="the shared models are not here")
def test_every_scan_loads_with_its_picture():
    for path in sorted((SHARED / "gso_test").glob("*.glb")):
        asset = read_asset(path)
        assert len(asset.mesh.faces) > 100
        assert asset.mesh.uvs is not None
        assert any(m.base_color_srgb is not None for m in asset.materials)
        unit, _ = normalised(asset)
        assert np.ptp(unit.mesh.bounds, axis=0).max() == pytest.approx(1)
