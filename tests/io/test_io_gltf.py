"""GLB: our writer against our reader, trimesh and the specification; our reader against hand-made and broken files."""

from __future__ import annotations

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from svdmv.core import Asset, DataError, InputError, Material, Mesh
from svdmv.io.gltf import glb_bytes, write_glb
from svdmv.io.gltf_reader import matrix_from_trs
from svdmv.io.meshes import read_asset
from svdmv.io.pictures import png_bytes

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


TRIANGLE = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0)], "<f4")


def document(arrays: dict[str, np.ndarray], primitive: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A glTF with one accessor an array, in order; `primitive` and the rows in `more` refer to them by number."""
    kinds = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125, "i2": 5122}
    blob, views, accessors = b"", [], []
    for values in arrays.values():
        blob += b"\0" * (-len(blob) % 4)
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": values.nbytes})
        width = 1 if values.ndim == 1 else values.shape[1]
        accessors.append(
            {
                "bufferView": len(views) - 1,
                "componentType": kinds[values.dtype.str[1:]],
                "count": len(values),
                "type": "SCALAR" if width == 1 else f"VEC{width}",
            }
        )
        blob += values.tobytes()
    uri = "data:application/octet-stream;base64," + base64.b64encode(blob).decode()
    base = {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(blob), "uri": uri}],
    }
    return {**base, **more}


def read(tmp_path: Path, tree: dict[str, Any]) -> Asset:
    (tmp_path / "x.gltf").write_text(json.dumps(tree))
    return read_asset(tmp_path / "x.gltf")


def simple(**more: Any) -> dict[str, Any]:
    return document({"p": TRIANGLE}, {"attributes": {"POSITION": 0}}, **more)


def test_nodes_multiply_down_the_tree(tmp_path: Path):
    half = np.sqrt(0.5)
    nodes = [
        {"children": [1], "translation": [10, 0, 0]},
        {"children": [2], "rotation": [0, 0, half, half]},  # a quarter turn about +Z: +X goes to +Y
        {"mesh": 0, "scale": [2, 3, 4]},
    ]
    asset = read(tmp_path, simple(nodes=nodes))
    np.testing.assert_allclose(asset.mesh.vertices, [(10, 0, 0), (10, 2, 0), (7, 0, 0)], atol=1e-6)


def test_a_matrix_is_column_major_and_a_mirror_turns_the_faces(tmp_path: Path):
    matrix = [-1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 5, 6, 7, 1]
    asset = read(tmp_path, simple(nodes=[{"mesh": 0, "matrix": matrix}]))
    np.testing.assert_allclose(asset.mesh.vertices, [(5, 6, 7), (4, 6, 7), (5, 7, 7)])
    assert asset.mesh.faces.tolist() == [[2, 1, 0]]


def test_normals_turn_by_the_inverse_transpose(tmp_path: Path):
    normals = np.array([(half := np.sqrt(0.5), half, 0)] * 3, "<f4")
    tree = document(
        {"p": TRIANGLE, "n": normals},
        {"attributes": {"POSITION": 0, "NORMAL": 1}},
        nodes=[{"mesh": 0, "scale": [1, 2, 1]}],
    )
    np.testing.assert_allclose(read(tmp_path, tree).mesh.normals[0], np.array([2, 1, 0]) / np.sqrt(5), atol=1e-6)


def test_the_unit_quaternion_by_hand():
    np.testing.assert_allclose(matrix_from_trs((1, 2, 3), (0, 0, 0, 1), (1, 1, 1))[:3, 3], (1, 2, 3))
    turn = matrix_from_trs((0, 0, 0), (0, np.sin(np.pi / 6), 0, np.cos(np.pi / 6)), (1, 1, 1))  # 60 degrees about +Y
    np.testing.assert_allclose(turn[:3, :3] @ (0, 0, 1), (np.sqrt(3) / 2, 0, 0.5), atol=1e-12)


@pytest.mark.parametrize(
    ("mode", "faces"),
    [
        (4, [[0, 1, 2], [3, 4, 5]]),
        (5, [[0, 1, 2], [1, 3, 2], [2, 3, 4], [3, 5, 4]]),
        (6, [[1, 2, 0], [2, 3, 0], [3, 4, 0], [4, 5, 0]]),
    ],
)
def test_lists_strips_and_fans(tmp_path: Path, mode: int, faces: list[list[int]]):
    points = np.random.default_rng(0).random((6, 3)).astype("<f4")
    tree = document({"p": points}, {"attributes": {"POSITION": 0}, "mode": mode})
    assert read(tmp_path, tree).mesh.faces.tolist() == faces


def test_points_are_left_out_and_noted(tmp_path: Path):
    tree = simple()
    tree["meshes"][0]["primitives"].append({"attributes": {"POSITION": 0}, "mode": 0})
    assert read(tmp_path, tree).provenance["source"]["notes"] == ["points and lines are left out"]


def test_quantised_sparse_and_interleaved_data(tmp_path: Path):
    points = np.array([(0, 0, 0), (32767, 0, 0), (0, -32768, 0)], "<i2")
    padded = np.concatenate([points, np.zeros((3, 1), "<i2")], 1)  # rows of 8 bytes, as the alignment asks
    tree = document({"p": padded}, {"attributes": {"POSITION": 0}})
    tree["accessors"][0] |= {"type": "VEC3", "normalized": True}
    tree["bufferViews"][0]["byteStride"] = 8
    tree["extensionsRequired"] = tree["extensionsUsed"] = ["KHR_mesh_quantization"]
    np.testing.assert_allclose(read(tmp_path, tree).mesh.vertices, [(0, 0, 0), (1, 0, 0), (0, -1, 0)])
    tree = document(
        {"p": TRIANGLE, "i": np.array([2], "<u2"), "v": np.array([(7, 8, 9)], "<f4")}, {"attributes": {"POSITION": 0}}
    )
    tree["accessors"][0]["sparse"] = {
        "count": 1,
        "indices": {"bufferView": 1, "componentType": 5123},
        "values": {"bufferView": 2},
    }
    assert read(tmp_path, tree).mesh.vertices.tolist() == [[0, 0, 0], [1, 0, 0], [7, 8, 9]]


def textured(transform: dict[str, Any] | None = None, **image: Any) -> dict[str, Any]:
    uvs = np.array([(0, 0), (1, 0), (0, 1)], "<f4")
    info: dict[str, Any] = {"index": 0}
    if transform:
        info["extensions"] = {"KHR_texture_transform": transform}
    return document(
        {"p": TRIANGLE, "t": uvs},
        {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0},
        materials=[{"pbrMetallicRoughness": {"baseColorTexture": info}}],
        textures=[{"source": 0}],
        images=[image],
    )


def test_texture_coordinates_keep_gltfs_origin_and_the_picture_its_rows(tmp_path: Path):
    picture = np.random.default_rng(0).integers(0, 256, (3, 2, 3)).astype(np.uint8)
    (tmp_path / "a b.png").write_bytes(png_bytes(picture))
    asset = read(tmp_path, textured(uri="a%20b.png"))
    assert asset.mesh.uvs.tolist() == [[0, 0], [1, 0], [0, 1]]
    np.testing.assert_array_equal(asset.materials[0].base_color_srgb[..., :3], picture)
    assert (asset.materials[0].metallic, asset.materials[0].roughness) == (1.0, 1.0)  # glTF's defaults


def test_a_texture_transform_is_worked_into_the_coordinates(tmp_path: Path):
    """KHR_texture_transform: scale, then turn (counter-clockwise in uv), then shift: (1, 0) -> (0.1, 0.2 - 2)."""
    (tmp_path / "a.png").write_bytes(png_bytes(np.zeros((2, 2, 3), np.uint8)))
    transform = {"offset": [0.1, 0.2], "rotation": np.pi / 2, "scale": [2, 3]}
    asset = read(tmp_path, textured(transform, uri="a.png"))
    np.testing.assert_allclose(asset.mesh.uvs, [(0.1, 0.2), (0.1, -1.8), (3.1, 0.2)], atol=1e-6)


def test_instances_are_all_placed(tmp_path: Path):
    tree = document({"p": TRIANGLE, "t": np.array([(0, 0, 0), (0, 0, 5)], "<f4")}, {"attributes": {"POSITION": 0}})
    tree["nodes"][0]["extensions"] = {"EXT_mesh_gpu_instancing": {"attributes": {"TRANSLATION": 1}}}
    asset = read(tmp_path, tree)
    assert len(asset.mesh.faces) == 2
    assert sorted(set(asset.mesh.vertices[:, 2].tolist())) == [0, 5]


def test_pieces_without_normals_uvs_or_colours_are_filled(tmp_path: Path):
    normals = np.array([(0, 0, 1)] * 3, "<f4")
    colors = np.array([(255, 0, 0, 255)] * 3, "u1")
    tree = document(
        {"p": TRIANGLE, "n": normals, "c": colors}, {"attributes": {"POSITION": 0, "NORMAL": 1, "COLOR_0": 2}}
    )
    tree["accessors"][2]["normalized"] = True
    tree["meshes"][0]["primitives"].append({"attributes": {"POSITION": 0}})
    mesh = read(tmp_path, tree).mesh
    np.testing.assert_allclose(mesh.normals, [(0, 0, 1)] * 6)
    assert mesh.colors.tolist() == [[255, 0, 0]] * 3 + [[255, 255, 255]] * 3


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"extensionsRequired": ["EXT_does_not_exist"]}, "requires an extension"),
        ({"extensionsRequired": ["KHR_draco_mesh_compression"]}, "Draco"),
        ({"extensionsRequired": ["EXT_meshopt_compression"]}, "meshopt"),
        ({"extensionsRequired": ["KHR_texture_basisu"]}, "KTX2"),
        ({"asset": {"version": "1.0"}}, "another glTF version"),
        ({"nodes": [{"mesh": 0, "children": [0]}]}, "circle"),
        ({"nodes": [{"mesh": 7}]}, "not there"),
        ({"nodes": 5}, "not a list"),
        ({"nodes": [{"mesh": 0, "matrix": [1, 2]}]}, "damaged"),
        ({"nodes": [{"mesh": 0, "translation": [float("inf"), 0, 0]}]}, "not finite"),
        ({"scenes": [{}]}, "no triangles"),
        ({"buffers": [{"byteLength": 36, "uri": "http://127.0.0.1:9/x.bin"}]}, "network"),
        ({"buffers": [{"byteLength": 36, "uri": "../x.bin"}]}, "outside its folder"),
        ({"buffers": [{"byteLength": 36, "uri": "/etc/hostname"}]}, "outside its folder"),
        ({"buffers": [{"byteLength": 36, "uri": "x.bin"}]}, "not there"),
        ({"buffers": [{"byteLength": 36, "uri": "data:;base64,@@@@"}]}, "cannot be decoded"),
        ({"buffers": [{"byteLength": 36}]}, "binary chunk is missing"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 400}]}, "shorter than it says"),
        ({"bufferViews": [{"buffer": 0, "byteLength": 30}]}, "shorter than it says"),
        ({"accessors": [{"componentType": 5126, "count": 2**31, "type": "VEC3"}]}, "too large"),
        ({"accessors": [{"componentType": 1, "count": 1, "type": "VEC3"}]}, "unknown type"),
    ],
)
def test_broken_models_are_refused_with_a_sentence(tmp_path: Path, change: dict[str, Any], sentence: str):
    with pytest.raises(InputError, match=sentence) as caught:
        read(tmp_path, simple(**change))
    assert str(tmp_path) in str(caught.value.where)


def test_damaged_numbers_are_refused(tmp_path: Path):
    bad = TRIANGLE.copy()
    bad[1, 1] = np.nan
    with pytest.raises(InputError, match="not finite"):
        read(tmp_path, document({"p": bad}, {"attributes": {"POSITION": 0}}))
    tree = document({"p": TRIANGLE, "i": np.array([0, 1, 9], "<u2")}, {"attributes": {"POSITION": 0}, "indices": 1})
    with pytest.raises(InputError, match="not there"):
        read(tmp_path, tree)
    with pytest.raises(InputError, match="no surface"):
        read(tmp_path, document({"p": TRIANGLE * 0}, {"attributes": {"POSITION": 0}}))
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    with pytest.raises(InputError, match="PNG"):
        read(tmp_path, textured(uri="a.png"))


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


@pytest.mark.skipif(not (SHARED / "gltf_torture").is_dir(), reason="the shared models are not here")
def test_the_torture_set_loads_or_is_refused_as_its_manifest_says():
    rows = json.loads((SHARED / "gltf_torture" / "manifest.json").read_text())["files"]
    wrong = []
    for row in rows:
        try:
            read_asset(SHARED / "gltf_torture" / row["file"])
            loaded = True
        except InputError as error:
            loaded = False
            needs_decoder = "not decoded here" in error.what
        must_load, must_fail = row["expect"].startswith("loads"), row["expect"].startswith("error")
        either = " or " in row["expect"]
        if (must_fail and loaded and not either) or (must_load and not loaded and not either and not needs_decoder):
            wrong.append(row["file"])
    assert len(rows) >= 99
    assert wrong == []


@pytest.mark.skipif(not (SHARED / "gso_test").is_dir(), reason="the shared models are not here")
def test_scans_come_back_equal_after_writing(tmp_path: Path):
    paths = sorted((SHARED / "gso_test").glob("*.glb"))
    assert len(paths) == 34
    for path in paths[:3]:
        asset = read_asset(path)
        write_glb(tmp_path / path.name, asset)
        again = read_asset(tmp_path / path.name)
        for name in ("vertices", "faces", "normals", "uvs"):
            np.testing.assert_array_equal(getattr(again.mesh, name), getattr(asset.mesh, name))
        np.testing.assert_array_equal(again.materials[0].base_color_srgb, asset.materials[0].base_color_srgb)
        assert again.provenance == asset.provenance


def test_webp_textures_are_read(tmp_path: Path):
    buffer = io.BytesIO()
    Image.fromarray(np.full((4, 4, 3), 99, np.uint8)).save(buffer, "WEBP", lossless=True)
    (tmp_path / "a.webp").write_bytes(buffer.getvalue())
    tree = textured(uri="a.webp")
    tree["textures"] = [{"extensions": {"EXT_texture_webp": {"source": 0}}}]
    tree["extensionsRequired"] = ["EXT_texture_webp"]
    assert (read(tmp_path, tree).materials[0].base_color_srgb[..., :3] == 99).all()
