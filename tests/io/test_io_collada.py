"""COLLADA by hand: axes, units, nodes, polygons, materials, pictures where they lie, and broken files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from svdmv.core import Asset, InputError
from svdmv.io.load_status import load_status
from svdmv.io.meshes import read_asset
from svdmv.io.pictures import png_bytes

QUAD = (
    '<polylist count="1" material="skin"><input semantic="VERTEX" source="#v" offset="0"/>{more}'
    "<vcount>4</vcount><p>{p}</p></polylist>"
)
UVS = (
    '<source id="t"><float_array id="ta" count="8">0 0 1 0 1 1 0 1</float_array><technique_common>'
    '<accessor source="#ta" count="4" stride="2"/></technique_common></source>'
)
EFFECT = '<diffuse><texture texture="sampler" texcoord="UV"/></diffuse>'


def dae(
    *,
    shape: str = QUAD.format(more="", p="0 1 2 3"),
    axes: str = "<up_axis>Y_UP</up_axis>",
    node: str = "",
    inner: str = '<instance_geometry url="#g"/>',
    shader: str = "<diffuse><color>1 0 0 1</color></diffuse>",
    sources: str = "",
    picture: str = "x.png",
    points: str = "0 0 0 2 0 0 2 1 0 0 1 0",
) -> str:
    """A document with a quad 2 by 1 in the xy plane."""
    return f"""<?xml version="1.0"?>
<COLLADA xmlns="http://www.collada.org/2005/11/COLLADASchema" version="1.4.1"><asset>{axes}</asset>
<library_images><image id="image"><init_from>{picture}</init_from></image></library_images>
<library_effects><effect id="e"><profile_COMMON>
<newparam sid="surface"><surface type="2D"><init_from>image</init_from></surface></newparam>
<newparam sid="sampler"><sampler2D><source>surface</source></sampler2D></newparam>
<technique sid="c"><lambert>{shader}</lambert></technique></profile_COMMON></effect></library_effects>
<library_materials><material id="skin" name="Skin"><instance_effect url="#e"/></material></library_materials>
<library_geometries><geometry id="g"><mesh><source id="p"><float_array id="pa" count="12">{points}</float_array>
<technique_common><accessor source="#pa" count="4" stride="3"/></technique_common></source>{sources}
<vertices id="v"><input semantic="POSITION" source="#p"/></vertices>{shape}</mesh></geometry></library_geometries>
<library_visual_scenes><visual_scene id="s"><node id="n">{node}{inner}</node></visual_scene></library_visual_scenes>
<scene><instance_visual_scene url="#s"/></scene></COLLADA>"""


def read(tmp_path: Path, text: str) -> Asset:
    (tmp_path / "x.dae").write_text(text)
    return read_asset(tmp_path / "x.dae")


def corners(asset: Asset) -> list[list[float]]:
    return np.unique(asset.mesh.vertices.round(5) + 0.0, axis=0).tolist()


@pytest.mark.parametrize(
    ("axes", "tip"),
    [
        ("<up_axis>Y_UP</up_axis>", (0, 3, 0)),
        ("<up_axis>Z_UP</up_axis>", (0, 0, -3)),
        ("<up_axis>X_UP</up_axis>", (-3, 0, 0)),
        ('<unit meter="0.01"/><up_axis>Y_UP</up_axis>', (0, 0.03, 0)),
        ("", (0, 3, 0)),
    ],
)
def test_axes_and_units_come_out_as_ours(tmp_path: Path, axes: str, tip: tuple[float, ...]) -> None:
    """The file's +Y arrow of length 3: up when Y is up, away from the viewer when Z is."""
    asset = read(tmp_path, dae(axes=axes, points="0 0 0 1 0 0 0 3 0 0 0 0"))
    assert any(np.allclose(vertex, tip, atol=1e-6) for vertex in asset.mesh.vertices)


def test_z_up_turns_the_file_and_does_not_mirror_it(tmp_path: Path) -> None:
    asset = read(tmp_path, dae(axes="<up_axis>Z_UP</up_axis>", points="0 0 0 1 0 0 0 0 5 0 0 0"))
    assert any(np.allclose(vertex, (0, 5, 0)) for vertex in asset.mesh.vertices)
    a, b, c = asset.mesh.vertices[asset.mesh.faces[0]].astype(float)
    np.testing.assert_allclose(np.cross(b - a, c - a), (0, 0, 5), atol=1e-6)  # (0, -5, 0) in the file: -Y is our +Z


def test_transforms_of_a_node_apply_in_their_order(tmp_path: Path) -> None:
    node = "<translate>10 0 0</translate><rotate>0 0 1 90</rotate><scale>2 1 1</scale>"
    assert corners(read(tmp_path, dae(node=node))) == [[9, 0, 0], [9, 4, 0], [10, 0, 0], [10, 4, 0]]
    matrix = "<matrix>1 0 0 5 0 1 0 6 0 0 1 7 0 0 0 1</matrix>"
    assert [5, 6, 7] in corners(read(tmp_path, dae(node=matrix)))


def test_a_mirror_turns_the_faces_and_a_node_may_stand_twice(tmp_path: Path) -> None:
    twice = '<instance_geometry url="#g"/><node><scale>-1 1 1</scale><instance_geometry url="#g"/></node>'
    asset = read(tmp_path, dae(inner=twice))
    assert len(asset.mesh.faces) == 4
    a, b, c = (asset.mesh.vertices[asset.mesh.faces[:, k]].astype(float) for k in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()


@pytest.mark.parametrize(
    "shape",
    [
        '<triangles count="2"><input semantic="VERTEX" source="#v" offset="0"/><p>0 1 2 0 2 3</p></triangles>',
        '<polygons count="1"><input semantic="VERTEX" source="#v" offset="0"/><p>0 1 2 3</p></polygons>',
        '<trifans count="1"><input semantic="VERTEX" source="#v" offset="0"/><p>0 1 2 3</p></trifans>',
        '<tristrips count="1"><input semantic="VERTEX" source="#v" offset="0"/><p>0 1 3 2</p></tristrips>',
    ],
)
def test_every_kind_of_shape_gives_the_quad_facing_forward(tmp_path: Path, shape: str) -> None:
    mesh = read(tmp_path, dae(shape=shape)).mesh
    a, b, c = (mesh.vertices[mesh.faces[:, k]].astype(float) for k in range(3))
    np.testing.assert_allclose(np.cross(b - a, c - a).sum(0), (0, 0, 4), atol=1e-6)


@pytest.mark.parametrize("place", ["x.png", "textures/x.png", "../materials/textures/x.png"])
def test_pictures_are_found_where_such_files_keep_them(tmp_path: Path, place: str) -> None:
    folder = tmp_path / "meshes"
    (folder / place).parent.mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 256, (3, 2, 3)).astype(np.uint8)
    (folder / place).write_bytes(png_bytes(picture))
    more = '<input semantic="TEXCOORD" source="#t" offset="1" set="0"/>'
    text = dae(shape=QUAD.format(more=more, p="0 0 1 1 2 2 3 3"), sources=UVS, shader=EFFECT, picture="x.png")
    asset = read(folder, text)
    np.testing.assert_array_equal(asset.materials[0].base_color_srgb[..., :3], picture)
    found = {tuple(v): uv.tolist() for v, uv in zip(asset.mesh.vertices.tolist(), asset.mesh.uvs, strict=True)}
    assert found[(0, 0, 0)] == [0, 1]  # v counts from the bottom in the file


def test_colours_transparency_and_names(tmp_path: Path) -> None:
    shader = "<emission><color>0 1 0 1</color></emission><diffuse><color>1 0 0 1</color></diffuse>{}"
    part = '<transparent opaque="{}"><color>{}</color></transparent><transparency><float>0.25</float></transparency>'
    material = read(tmp_path, dae(shader=shader.format(""))).materials[0]
    assert (material.name, material.alpha_mode) == ("Skin", "OPAQUE")
    assert material.base_color_factor_linear == (1, 0, 0, 1)
    assert material.emissive_factor_linear == (0, 1, 0)
    for mode, colour, alpha in (
        ("A_ONE", "1 1 1 1", 0.25),
        ("RGB_ZERO", "1 1 1 1", 0.75),
        ("A_ZERO", "0 0 0 1", 0.75),
        ("A_ONE", "0 0 0 0", 1.0),
    ):
        material = read(tmp_path, dae(shader=shader.format(part.format(mode, colour)))).materials[0]
        assert material.base_color_factor_linear[3] == pytest.approx(alpha, abs=1e-5)


@pytest.mark.parametrize(
    ("text", "sentence", "status"),
    [
        ("", "not a COLLADA", "load_error"),
        ("<html></html>", "not a COLLADA", "load_error"),
        (dae()[:900], "not a COLLADA", "load_error"),
        ('<!DOCTYPE x [<!ENTITY a "b">]><COLLADA/>', "entities", "load_error"),
        (dae(inner=""), "no triangles", "empty"),
        (dae(inner='<instance_node url="#n"/>'), "circle", "load_error"),
        (dae(shape=QUAD.format(more="", p="0 1 2 9")), "vertex that is not there", "load_error"),
        (dae(shape=QUAD.format(more="", p="0 1")), "shorter", "load_error"),
        (dae(points="0 0 0 2 0 0 2 1 0 0 1"), "shorter", "load_error"),
        (dae(points="0 0 0 2 0 0 2 1 0 0 nan 0"), "not finite", "load_error"),
        (dae(points="0 0 0 0 0 0 0 0 0 0 0 0"), "no surface", "degenerate"),
        (dae(shader=EFFECT), "picture that is not there", "missing_texture"),
        (dae(shader=EFFECT, picture="/etc/hostname"), "picture that is not there", "missing_texture"),
        (dae(node="<matrix>1 2 3</matrix>"), "damaged", "load_error"),
    ],
)
def test_broken_files_are_refused_with_a_sentence(tmp_path: Path, text: str, sentence: str, status: str) -> None:
    (tmp_path / "m").mkdir()
    with pytest.raises(InputError, match=sentence) as caught:
        read(tmp_path / "m", text)
    assert load_status(caught.value) == status
