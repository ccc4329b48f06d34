"""What a glTF model shows beyond plain triangles: skins, morphs, Draco, edges of textures, second coordinates, kinds of
material, and the word that each refusal leaves behind."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svdmv.core import Asset, InputError, Material, Mesh, MissingDependency
from svdmv.io import gltf_draco
from svdmv.io.gltf import write_glb
from svdmv.io.load_status import load_status
from svdmv.io.meshes import normalised, read_asset, require_thickness
from svdmv.io.pictures import png_bytes
from svdmv.io.specular_glossiness import metallic_roughness_from_specular_glossiness
from svdmv.io.uv_repaint import repainted

KINDS = {"f4": 5126, "u1": 5121, "u2": 5123, "u4": 5125, "i2": 5122}
WIDTHS = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4", 16: "MAT4"}
TRIANGLE = np.array([(0, 0, 0), (1, 0, 0), (0, 1, 0)], "<f4")
SQUARE = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], "<f4")
FAN = {"mode": 6}


def model(arrays: list[np.ndarray], primitive: dict[str, Any], raw: bytes = b"", **more: Any) -> dict[str, Any]:
    """A glTF with one accessor an array, and `raw` in the bufferView behind theirs."""
    blob, views, accessors = b"", [], []
    for values in [*arrays, np.frombuffer(raw, np.uint8)]:
        blob += b"\0" * (-len(blob) % 4)
        views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": values.nbytes})
        blob += values.tobytes()
    for number, values in enumerate(arrays):
        kind, width = KINDS[values.dtype.str[1:]], 1 if values.ndim == 1 else values.shape[1]
        accessors.append({"bufferView": number, "componentType": kind, "count": len(values), "type": WIDTHS[width]})
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [primitive]}],
        "accessors": accessors,
        "bufferViews": views,
        "buffers": [{"byteLength": len(blob), "uri": "data:;base64," + base64.b64encode(blob).decode()}],
        **more,
    }


def read(tmp_path: Path, tree: dict[str, Any]) -> Asset:
    (tmp_path / "x.gltf").write_text(json.dumps(tree))
    return read_asset(tmp_path / "x.gltf")


def notes_of(asset: Asset) -> list[str]:
    return list(asset.provenance["source"]["notes"])


# skins and morphs


def skinned(weights: np.ndarray, joints: np.ndarray, **more: Any) -> dict[str, Any]:
    """A triangle on two joints: node 1 turned a quarter about +Z at x = 2, node 2 its child one unit up."""
    half = np.sqrt(0.5)
    bind = np.stack([np.eye(4), np.eye(4)]).astype("<f4")
    bind[1, 1, 3] = -1  # the second joint was bound at y = 1
    nodes = [
        {"mesh": 0, "skin": 0, "translation": [100, 0, 0]},
        {"translation": [2, 0, 0], "rotation": [0, 0, half, half], "children": [2]},
        {"translation": [0, 1, 0]},
    ]
    normals = np.array([(0, 1, 0)] * 3, "<f4")
    columns = np.ascontiguousarray(bind.transpose(0, 2, 1)).reshape(2, 16)
    primitive = {"attributes": {"POSITION": 0, "NORMAL": 1, "JOINTS_0": 2, "WEIGHTS_0": 3}}
    skins = [{"joints": [1, 2], "inverseBindMatrices": 4}]
    scene = {"scenes": [{"nodes": [0, 1]}], "nodes": nodes, "skins": skins}
    return model([TRIANGLE, normals, joints, weights, columns], primitive, **{**scene, **more})


def test_a_skin_stands_in_the_pose_of_its_nodes_and_not_at_its_own_node(tmp_path: Path) -> None:
    """A quarter turn takes (x, y) to (-y, x); the joint stands at x = 2; the mesh's own node (x = 100) is not asked."""
    joints, weights = np.array([(0, 0, 0, 0), (1, 0, 0, 0), (0, 1, 0, 0)], "<u2"), np.zeros((3, 4), "<f4")
    weights[:, 0], weights[2, 1] = 1, 3  # the last vertex hangs on both joints; weights need not sum to one
    mesh = read(tmp_path, skinned(weights, joints)).mesh
    np.testing.assert_allclose(mesh.vertices, [(2, 0, 0), (2, 1, 0), (1, 0, 0)], atol=1e-6)
    np.testing.assert_allclose(mesh.normals, [(-1, 0, 0)] * 3, atol=1e-6)


@pytest.mark.parametrize("joint", [2, 60000])
def test_a_joint_that_is_not_there_is_refused(tmp_path: Path, joint: int) -> None:
    weights = np.array([(1, 0, 0, 0)] * 3, "<f4")
    with pytest.raises(InputError, match="joint that is not there"):
        read(tmp_path, skinned(weights, np.full((3, 4), joint, "<u2")))


def test_joints_in_a_circle_are_refused_and_joints_outside_the_scene_found(tmp_path: Path) -> None:
    weights, joints = np.array([(1, 0, 0, 0)] * 3, "<f4"), np.zeros((3, 4), "<u2")
    tree = skinned(weights, joints, scenes=[{"nodes": [0]}])
    np.testing.assert_allclose(read(tmp_path, tree).mesh.vertices[0], (2, 0, 0), atol=1e-6)
    tree["nodes"][2]["children"] = [1]
    with pytest.raises(InputError, match="circle"):
        read(tmp_path, tree)


def test_morph_targets_stand_at_their_default_weights(tmp_path: Path) -> None:
    up, right = np.array([(0, 0, 0), (0, 0, 0), (0, 2, 0)], "<f4"), np.array([(4, 0, 0)] * 3, "<f4")
    primitive = {"attributes": {"POSITION": 0}, "targets": [{"POSITION": 1}, {"POSITION": 2}]}
    tree = model([TRIANGLE, up, right], primitive)
    assert read(tmp_path, tree).mesh.vertices.tolist() == TRIANGLE.tolist()
    tree["meshes"][0]["weights"] = [0.5, 0]
    assert read(tmp_path, tree).mesh.vertices[2].tolist() == [0, 2, 0]
    tree["nodes"][0]["weights"] = [0, 0.25]  # a node's weights stand before its mesh's
    assert read(tmp_path, tree).mesh.vertices.tolist() == (TRIANGLE + np.array([1, 0, 0])).tolist()


def test_a_flattening_node_makes_a_plate_with_upright_normals(tmp_path: Path) -> None:
    normals = np.array([(0, 0.6, 0.8)] * 3, "<f4")
    tree = model([TRIANGLE, normals], {"attributes": {"POSITION": 0, "NORMAL": 1}})
    tree["nodes"][0]["scale"] = [1, 1, 0]
    mesh = read(tmp_path, tree).mesh
    assert not mesh.vertices[:, 2].any()
    np.testing.assert_allclose(mesh.normals, [(0, 0, 1)] * 3)


def test_hidden_nodes_are_left_out_and_noted(tmp_path: Path) -> None:
    tree = model([TRIANGLE], {"attributes": {"POSITION": 0}})
    tree["nodes"].append({"mesh": 0, "extensions": {"KHR_node_visibility": {"visible": False}}})
    tree["scenes"][0]["nodes"] = [0, 1]
    asset = read(tmp_path, tree)
    assert len(asset.mesh.faces) == 1
    assert notes_of(asset) == ["hidden nodes are left out"]


# Draco


def draco_model() -> dict[str, Any]:
    draco = pytest.importorskip("DracoPy", reason="the extra draco is not installed")
    faces = np.array([(0, 1, 2), (0, 2, 3)], np.uint32)
    packed = draco.encode(SQUARE * 3, faces, quantization_bits=14)
    primitive = {
        "attributes": {"POSITION": 0},
        "indices": 1,
        "extensions": {"KHR_draco_mesh_compression": {"bufferView": 2, "attributes": {"POSITION": 0}}},
    }
    tree = model([SQUARE * 0, faces.reshape(-1).astype("<u4")], primitive, packed)
    for accessor in tree["accessors"]:
        del accessor["bufferView"]
    return {**tree, "extensionsRequired": ["KHR_draco_mesh_compression"]}


def test_draco_is_decoded(tmp_path: Path) -> None:
    mesh = read(tmp_path, draco_model()).mesh
    assert len(mesh.faces) == 2
    np.testing.assert_allclose(np.unique(mesh.vertices, axis=0), np.unique(SQUARE * 3, axis=0), atol=1e-3)


def test_damaged_draco_is_refused(tmp_path: Path) -> None:
    tree = draco_model()
    tree["bufferViews"][2]["byteLength"] //= 2
    with pytest.raises(InputError, match="Draco"):
        read(tmp_path, tree)


def test_without_the_decoder_the_install_line_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = draco_model()

    def absent(module: str, extra: str | None, purpose: str) -> Any:
        raise MissingDependency(purpose, where=f"import {module}", next_step=f'pip install "svdmv[{extra}]"')

    monkeypatch.setattr(gltf_draco, "require", absent)
    with pytest.raises(MissingDependency, match="draco") as caught:
        read(tmp_path, tree)
    assert load_status(caught.value) == "unsupported:KHR_draco_mesh_compression"
    plain = model([SQUARE, np.array([0, 1, 2], "<u4")], dict(tree["meshes"][0]["primitives"][0]), b"none")
    assert len(read(tmp_path, plain).mesh.faces) == 1  # not required: the plain copy is read


# textures


def textured(tmp_path: Path, uvs: np.ndarray, wraps: tuple[int, int], **material: Any) -> dict[str, Any]:
    picture = np.zeros((4, 4, 3), np.uint8)
    picture[:, :, 0], picture[:, :, 1] = np.arange(4) * 60, np.arange(4)[:, None] * 60
    (tmp_path / "a.png").write_bytes(png_bytes(picture))
    row = {"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}, **material}
    return model(
        [SQUARE, uvs.astype("<f4")],
        {"attributes": {"POSITION": 0, "TEXCOORD_0": 1}, "material": 0, **FAN},
        materials=[row],
        textures=[{"source": 0, "sampler": 0}],
        samplers=[{"wrapS": wraps[0], "wrapT": wraps[1]}],
        images=[{"uri": "a.png"}],
    )


CORNERS = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
REPEAT, CLAMP, MIRROR = 10497, 33071, 33648


def shown(asset: Asset, u: float, v: float) -> list[int]:
    """The texel at a point of the square, by repeating the picture."""
    mesh, picture = asset.mesh, asset.materials[0].base_color_srgb
    assert picture is not None
    assert mesh.uvs is not None
    place = {tuple(p): uv for p, uv in zip(mesh.vertices[:, :2].tolist(), mesh.uvs.astype(float), strict=True)}
    uv = place[(0, 0)] + u * (place[(1, 0)] - place[(0, 0)]) + v * (place[(0, 1)] - place[(0, 0)])
    height, width = picture.shape[:2]
    return picture[int(np.floor(uv[1] * height)) % height, int(np.floor(uv[0] * width)) % width, :2].tolist()


@pytest.mark.parametrize(
    ("wrap", "at"),
    [
        (REPEAT, {-0.9: 0, -0.1: 180, 0.1: 0, 0.9: 180, 1.1: 0, 1.9: 180}),
        (CLAMP, {-0.9: 0, -0.1: 0, 0.1: 0, 0.9: 180, 1.1: 180, 1.9: 180}),
        (MIRROR, {-0.9: 180, -0.1: 0, 0.1: 0, 0.9: 180, 1.1: 180, 1.9: 0}),
    ],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_textures_end_as_their_sampler_says(tmp_path: Path, wrap: int, at: dict[float, int], axis: int) -> None:
    """Coordinates -1 .. 2 on one axis; known: the texel at each place, from the definition of the mode."""
    uvs = CORNERS.astype(float)
    uvs[:, axis] = uvs[:, axis] * 3 - 1
    wraps = (wrap, REPEAT) if axis == 0 else (REPEAT, wrap)
    asset = read(tmp_path, textured(tmp_path, uvs, wraps))
    for coordinate, value in at.items():
        place = [0.6, 0.6]
        place[axis] = (coordinate + 1) / 3
        assert shown(asset, *place)[axis] == value, coordinate
        assert shown(asset, *place)[1 - axis] == 120


def test_coordinates_inside_a_clamped_picture_change_nothing(tmp_path: Path) -> None:
    asset = read(tmp_path, textured(tmp_path, CORNERS, (CLAMP, CLAMP)))
    assert asset.mesh.uvs.tolist() == CORNERS.tolist()
    assert asset.materials[0].base_color_srgb.shape == (4, 4, 4)
    far = read(tmp_path, textured(tmp_path, CORNERS * 9000.0, (CLAMP, REPEAT)))
    assert any("does not repeat" in note for note in notes_of(far))


def test_large_pictures_are_reduced_to_what_is_asked_for(tmp_path: Path) -> None:
    read(tmp_path, textured(tmp_path, CORNERS, (REPEAT, REPEAT)))
    asset = read_asset(tmp_path / "x.gltf", max_texture_px=2)
    assert asset.materials[0].base_color_srgb.shape == (2, 2, 4)
    assert notes_of(asset) == ["texture 0: reduced from 4x4 to 2x2 px"]


def test_a_texture_on_turned_coordinates_is_painted_where_they_point() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (8, 8, 4)).astype(np.uint8)
    faces = np.array([(0, 1, 2), (0, 2, 3)])
    turned = np.stack([CORNERS[:, 1], 1 - CORNERS[:, 0]], 1)  # (u, v) reads (v, 1 - u)
    out = repainted(picture, (REPEAT, REPEAT), [(faces, CORNERS, turned)], (8, 8))
    assert out is not None
    rows, columns = np.mgrid[:8, :8]
    np.testing.assert_array_equal(out, picture[7 - columns, rows])


def test_faces_that_share_texels_and_disagree_are_not_painted() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 4)).astype(np.uint8)
    faces, others = np.array([(0, 1, 2), (3, 4, 5)]), np.array([(0, 0), (1, 0), (1, 1), (1, 1), (0, 1), (0, 0)])
    same = np.tile(CORNERS[:3], (2, 1))
    assert repainted(picture, (REPEAT, REPEAT), [(faces, same, others)], (8, 8)) is None


def test_a_copy_of_the_coordinates_is_no_second_set_and_a_true_one_that_overlaps_is_noted(tmp_path: Path) -> None:
    tree = textured(tmp_path, CORNERS * 3.0, (REPEAT, REPEAT), normalTexture={"index": 0, "texCoord": 1})
    tree["accessors"].append(dict(tree["accessors"][1]))
    tree["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_1"] = 2
    asset = read(tmp_path, tree)
    assert asset.materials[0].normal_linear is not None
    assert notes_of(asset) == []
    tree["accessors"][2] = {**tree["accessors"][1], "byteOffset": 8, "count": 3}
    tree["accessors"][0]["count"] = tree["accessors"][1]["count"] = 3  # the same numbers, one corner on
    asset = read(tmp_path, tree)
    assert asset.materials[0].normal_linear is None
    assert notes_of(asset) == ["normal texture on other coordinates than the first is left out"]


def test_textures_without_coordinates_are_noted(tmp_path: Path) -> None:
    tree = textured(tmp_path, CORNERS, (REPEAT, REPEAT))
    del tree["meshes"][0]["primitives"][0]["attributes"]["TEXCOORD_0"]
    asset = read(tmp_path, tree)
    assert asset.materials[0].base_color_srgb is None
    assert notes_of(asset) == ["textures without texture coordinates are left out"]


# materials


@pytest.mark.parametrize(
    ("diffuse", "specular", "base", "metallic"),
    [
        ((0.5, 0.2, 0.1), (0.04, 0.04, 0.04), (0.5, 0.2, 0.1), 0.0),  # a plastic stays what it is
        ((0.0, 0.0, 0.0), (1.0, 0.8, 0.3), (1.0, 0.8, 0.3), 1.0),  # a metal's reflection is its colour
        ((0.6, 0.6, 0.6), (0.0, 0.0, 0.0), (0.625, 0.625, 0.625), 0.0),  # nothing reflected: 1 / 0.96 more diffuse
    ],
)
def test_specular_glossiness_by_hand(diffuse: Any, specular: Any, base: Any, metallic: float) -> None:
    factor, metal, roughness, picture, _ = metallic_roughness_from_specular_glossiness(
        (*diffuse, 0.5), specular, 0.25, None, None
    )
    np.testing.assert_allclose(factor, (*base, 0.5), atol=1e-6)
    assert metal == pytest.approx(metallic, abs=1e-6)
    assert roughness == 0.75
    assert picture is None


def test_specular_glossiness_pictures_agree_with_factors() -> None:
    diffuse, gloss = np.full((2, 3, 4), 255, np.uint8), np.full((1, 1, 4), 255, np.uint8)
    arguments = ((0.5, 0.3, 0.1, 1.0), (0.3, 0.3, 0.2), 0.6)
    factor, metal, roughness, _, _ = metallic_roughness_from_specular_glossiness(*arguments, None, None)
    from svdmv.io.colour import linear_from_srgb

    _, _, _, base, rough = metallic_roughness_from_specular_glossiness(*arguments, diffuse, gloss)
    assert base is not None
    assert rough is not None
    np.testing.assert_allclose(linear_from_srgb(base[1, 2, :3] / 255), factor[:3], atol=0.005)
    np.testing.assert_allclose(rough[1, 2, 1:] / 255, (roughness, metal), atol=0.003)


def test_unlit_goes_through_a_file_and_back(tmp_path: Path) -> None:
    mesh = Mesh(TRIANGLE, np.array([(0, 1, 2)], np.int32))
    write_glb(tmp_path / "x.glb", Asset(mesh, (Material(unlit=True, emissive_factor_linear=(2.0, 0.0, 0.0)),)))
    material = read_asset(tmp_path / "x.glb").materials[0]
    assert material.unlit
    assert material.emissive_factor_linear == (2.0, 0.0, 0.0)


# statuses


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"extensionsRequired": ["EXT_made_up"]}, "unsupported:EXT_made_up"),
        ({"scenes": [{}]}, "empty"),
        ({"meshes": [{"primitives": [{"attributes": {"POSITION": 0}, "mode": 1}]}]}, "empty"),
        ({"nodes": [{"mesh": 0, "scale": [0, 0, 0]}]}, "degenerate"),
        ({"nodes": [{"mesh": 0, "translation": [1e39, 0, 0]}]}, "load_error"),
        ({"nodes": [{"mesh": 3}]}, "load_error"),
        ({"buffers": []}, "load_error"),
    ],
)
def test_refusals_leave_one_word(tmp_path: Path, change: dict[str, Any], status: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, {**model([TRIANGLE], {"attributes": {"POSITION": 0}}), **change})
    assert load_status(caught.value) == status
    assert caught.value.where == str(tmp_path / "x.gltf")


@pytest.mark.parametrize("data", [b"", b"\x89PNG\r\n\x1a\n broken", b"\xabKTX 20\xbb\r\n\x1a\nbroken", None])
def test_a_texture_that_is_absent_or_damaged_is_a_status_of_its_own(tmp_path: Path, data: bytes | None) -> None:
    tree = textured(tmp_path, CORNERS, (REPEAT, REPEAT))
    (tmp_path / "a.png").unlink()
    if data is not None:
        (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(InputError) as caught:
        read(tmp_path, tree)
    assert load_status(caught.value) == "missing_texture"


def test_a_texture_of_an_unknown_kind_is_named(tmp_path: Path) -> None:
    tree = textured(tmp_path, CORNERS, (REPEAT, REPEAT))
    tree["textures"] = [{"extensions": {"MSFT_made_up": {"source": 0}}}]
    with pytest.raises(InputError) as caught:
        read(tmp_path, tree)
    assert load_status(caught.value) == "unsupported:MSFT_made_up"


def test_plates_points_and_exhausted_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plate = Asset(Mesh(SQUARE, np.array([(0, 1, 2)], np.int32)))
    with pytest.raises(InputError) as caught:
        require_thickness(plate)
    assert load_status(caught.value) == "flat"
    require_thickness(plate, 0.0)
    with pytest.raises(InputError) as caught:
        normalised(Asset(Mesh(SQUARE * 0, np.array([(0, 1, 2)], np.int32))))
    assert load_status(caught.value) == "degenerate"
    assert load_status(MemoryError()) == "oom"
    assert load_status(RuntimeError()) == "load_error"
    monkeypatch.setattr("svdmv.io.gltf_reader.MAX_FACES", 0)
    with pytest.raises(InputError, match="too large") as caught:
        read(tmp_path, model([TRIANGLE], {"attributes": {"POSITION": 0}}))
    assert load_status(caught.value) == "oom"
