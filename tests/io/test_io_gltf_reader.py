"""The glTF reader: trees, primitives, damaged files, the shared models."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from svdmv.core import Asset, InputError
from svdmv.io.gltf import write_glb
from svdmv.io.gltf_scene import matrix_from_trs
from svdmv.io.meshes import read_asset
from svdmv.io.pictures import png_bytes

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "data"

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
    assert read(tmp_path, tree).provenance["source"]["notes"] == ["points are left out"]


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
