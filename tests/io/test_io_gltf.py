"""GLB: our writer against our reader, trimesh and the specification; our reader against hand-made and broken files."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svdmv.core import Asset, DataError, InputError, Material, Mesh
from svdmv.io.gltf import glb_bytes, write_glb
from svdmv.io.meshes import read_asset

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def full_asset() -> Asset:
    """Three materials over one vertex buffer, every field used."""
    rng = np.random.default_rng(0)
    normals = rng.normal(size=(9, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    mesh = Mesh(
        rng.normal(size=(9, 3)).astype(np.float32),
        np.array([(0, 1, 2), (3, 4, 5), (6, 7, 8), (2, 4, 6)], np.int32),
        normals.astype(np.float32),
        rng.random((9, 2)).astype(np.float32),
        np.arange(27).reshape(9, 3).astype(np.uint8) * 9,
    )
    picture = rng.integers(0, 256, (6, 5, 4)).astype(np.uint8)
    opaque = np.dstack([picture[..., :3], np.full((6, 5), 255, np.uint8)])
    materials = (
        Material("skin ü", (0.5, 0.25, 1.0, 0.75), picture, 0.25, 0.5, alpha_mode="BLEND"),
        Material(
            "metal",
            base_color_srgb=opaque,
            metallic=1.0,
            roughness=0.0,
            metallic_roughness_linear=picture[..., :3],
            normal_linear=picture[::-1, :, :3],
            alpha_mode="MASK",
            alpha_cutoff=0.25,
            double_sided=True,
        ),
        Material("glow", emissive_factor_linear=(4.0, 1.0, 0.0), emissive_srgb=picture[:, ::-1, :3]),
    )
    provenance = {"tool": "svdmv", "seed": 3, "nested": {"x": [1.5, None, True]}, "text": "猫"}
    return Asset(mesh, materials, np.array([0, 1, 2, 1], np.int32), provenance)


def tree_of(data: bytes) -> dict[str, Any]:
    magic, version, total, size, kind = struct.unpack_from("<4sIIII", data)
    assert (magic, version, total, kind) == (b"glTF", 2, len(data), 0x4E4F534A)
    assert size % 4 == 0
    return json.loads(data[20 : 20 + size])


def corners_by_material(asset: Asset) -> dict[str, np.ndarray]:
    owners = asset.material_of_faces()
    return {m.name: asset.mesh.vertices[asset.mesh.faces[owners == i]] for i, m in enumerate(asset.materials)}


def test_everything_written_is_read_again(tmp_path: Path):
    asset = full_asset()
    write_glb(tmp_path / "thing.glb", asset)
    again = read_asset(tmp_path / "thing.glb")
    for name in ("vertices", "normals", "uvs", "colors"):
        np.testing.assert_array_equal(getattr(again.mesh, name), getattr(asset.mesh, name), err_msg=name)
    assert again.provenance == asset.provenance
    assert len(again.materials) == 3
    for before, after in zip(asset.materials, again.materials, strict=True):
        for field in Material.__dataclass_fields__:
            x, y = getattr(before, field), getattr(after, field)
            if isinstance(x, np.ndarray):
                np.testing.assert_array_equal(y, x, err_msg=field)
            elif isinstance(x, tuple):
                assert y == pytest.approx(x), field
            else:
                assert y == x, field
    after_corners = corners_by_material(again)
    for name, corners in corners_by_material(asset).items():
        np.testing.assert_array_equal(after_corners[name], corners)


def test_every_vertex_colour_survives_the_way_through_linear_light(tmp_path: Path):
    colors = np.stack([np.arange(256)] * 3, 1).astype(np.uint8)
    mesh = Mesh(np.random.default_rng(0).random((256, 3)).astype(np.float32), np.array([(0, 1, 2)]), colors=colors)
    write_glb(tmp_path / "x.glb", Asset(mesh))
    np.testing.assert_array_equal(read_asset(tmp_path / "x.glb").mesh.colors, colors)


def test_equal_assets_give_equal_bytes():
    assert glb_bytes(full_asset()) == glb_bytes(full_asset())


def test_the_file_obeys_the_specification():
    asset = full_asset()
    data = glb_bytes(asset, name="thing")
    tree = tree_of(data)
    assert tree["asset"]["version"] == "2.0"
    assert tree["asset"]["generator"].startswith("svdmv ")
    assert tree["asset"]["extras"] == {"svdmv": asset.provenance}
    assert tree["nodes"] == [{"mesh": 0, "name": "thing"}]
    start = len(data) - tree["buffers"][0]["byteLength"]
    assert start % 4 == 0
    for view in tree["bufferViews"]:
        assert view["byteOffset"] % 4 == 0
        assert view["byteOffset"] + view["byteLength"] <= tree["buffers"][0]["byteLength"]
    primitives = tree["meshes"][0]["primitives"]
    assert [p["material"] for p in primitives] == [0, 1, 2]
    for primitive in primitives:
        for name, index in primitive["attributes"].items():
            accessor = tree["accessors"][index]
            assert tree["bufferViews"][accessor["bufferView"]]["target"] == 34962
            assert accessor["count"] == 9
            if name == "POSITION":
                np.testing.assert_array_equal(np.float32(accessor["min"]), asset.mesh.vertices.min(0))
                np.testing.assert_array_equal(np.float32(accessor["max"]), asset.mesh.vertices.max(0))
        indices = tree["accessors"][primitive["indices"]]
        assert tree["bufferViews"][indices["bufferView"]]["target"] == 34963
    assert tree["extensionsUsed"] == ["KHR_materials_emissive_strength"]
    used = {
        tree["textures"][m["pbrMetallicRoughness"]["baseColorTexture"]["index"]]["source"]
        for m in tree["materials"][:2]
    }
    assert len(used) == 2


def test_large_meshes_get_32_bit_indices_and_small_ones_16(tmp_path: Path):
    for count, kind in ((65535, 5123), (65536, 5125)):
        vertices = np.random.default_rng(0).random((count, 3)).astype(np.float32)
        mesh = Mesh(vertices, np.array([(0, 1, count - 1)], np.int32))
        tree = tree_of(glb_bytes(Asset(mesh)))
        assert tree["accessors"][tree["meshes"][0]["primitives"][0]["indices"]]["componentType"] == kind
        write_glb(tmp_path / "x.glb", Asset(mesh))
        assert read_asset(tmp_path / "x.glb").mesh.faces.tolist() == [[0, 1, count - 1]]


def test_wrapping_follows_the_coordinates():
    asset = full_asset()
    assert tree_of(glb_bytes(asset))["samplers"][0]["wrapS"] == 33071
    mesh = Mesh(asset.mesh.vertices, asset.mesh.faces, uvs=asset.mesh.uvs * 3)
    assert tree_of(glb_bytes(Asset(mesh, asset.materials)))["samplers"][0]["wrapS"] == 10497


def test_normals_of_length_zero_are_mended(tmp_path: Path):
    normals = np.array([(0, 0, 0), (0, 0, 1), (0, 3, 4)], np.float32)
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([(0, 1, 2)]), normals)
    write_glb(tmp_path / "x.glb", Asset(mesh))
    np.testing.assert_allclose(read_asset(tmp_path / "x.glb").mesh.normals, [(0, 1, 0), (0, 0, 1), (0, 0.6, 0.8)])


def test_jpeg_textures_are_smaller_and_close(tmp_path: Path):
    y, x = np.mgrid[:64, :64].astype(np.uint8)
    picture = np.dstack([x * 4, y * 4, x + y, np.full_like(x, 255)])
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([(0, 1, 2)]), uvs=np.zeros((3, 2), np.float32))
    asset = Asset(mesh, (Material(base_color_srgb=picture, normal_linear=picture[..., :3]),))
    write_glb(tmp_path / "x.glb", asset, texture_format="jpeg")
    back = read_asset(tmp_path / "x.glb").materials[0]
    assert np.abs(back.base_color_srgb.astype(int) - picture).max() < 12
    np.testing.assert_array_equal(back.normal_linear, picture[..., :3])  # normal maps stay exact
    kinds = [image["mimeType"] for image in tree_of((tmp_path / "x.glb").read_bytes())["images"]]
    assert kinds == ["image/jpeg", "image/png"]


def test_trimesh_reads_the_same_shape_and_picture(tmp_path: Path):
    trimesh = pytest.importorskip("trimesh")
    asset = full_asset()
    picture = asset.materials[0].base_color_srgb
    one = Asset(Mesh(asset.mesh.vertices, asset.mesh.faces, uvs=asset.mesh.uvs), asset.materials[:1])
    write_glb(tmp_path / "x.glb", one)
    (found,) = trimesh.load_scene(str(tmp_path / "x.glb"), process=False).geometry.values()
    np.testing.assert_array_equal(found.vertices[found.faces], one.mesh.vertices[one.mesh.faces])
    uv = np.column_stack([one.mesh.uvs[:, 0], 1 - one.mesh.uvs[:, 1]])  # trimesh counts from the bottom
    np.testing.assert_allclose(found.visual.uv[found.faces], uv[one.mesh.faces], atol=1e-6)
    np.testing.assert_array_equal(np.asarray(found.visual.material.baseColorTexture), picture)


@pytest.mark.parametrize(
    "asset",
    [
        Asset(Mesh(np.zeros((0, 3), np.float32), np.zeros((0, 3), np.int32))),
        Asset(
            Mesh(np.eye(3, dtype=np.float32), np.array([(0, 1, 2)])),
            (Material(base_color_srgb=np.zeros((2, 2, 4), np.uint8)),),
        ),
        Asset(Mesh(np.eye(3, dtype=np.float32), np.array([(0, 1, 2)])), provenance={"x": float("nan")}),
        Asset(Mesh(np.eye(3, dtype=np.float32), np.array([(0, 1, 2)])), provenance={"x": np.zeros(2)}),
    ],
)
def test_what_a_glb_cannot_hold_is_refused_before_writing(tmp_path: Path, asset: Asset):
    with pytest.raises(DataError):
        write_glb(tmp_path / "x.glb", asset)
    assert list(tmp_path.iterdir()) == []


# reading: documents made by hand


def test_random_damage_gives_an_asset_or_an_input_error(tmp_path: Path):
    """Cut and flipped bytes of a whole GLB: never another exception."""
    data, rng = glb_bytes(full_asset()), np.random.default_rng(11)
    size = struct.unpack_from("<I", data, 12)[0]
    path = tmp_path / "x.glb"
    outcomes = {"read": 0, "refused": 0}
    for trial in range(300):
        broken = bytearray(data)
        for _ in range(int(rng.integers(1, 5))):
            end = 20 + size if trial % 3 else len(data)
            broken[int(rng.integers(0, end))] = int(rng.integers(0, 256))
        if trial % 10 == 0:
            del broken[int(rng.integers(1, len(data))) :]
        path.write_bytes(bytes(broken))
        try:
            read_asset(path)
            outcomes["read"] += 1
        except InputError:
            outcomes["refused"] += 1
    assert min(outcomes.values()) > 10
