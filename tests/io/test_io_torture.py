"""A hundred awkward models: each has the outcome that the table beside this file says, known from elsewhere.

Where the table's numbers come from stands in its "about". The models themselves are not part of the project.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from svdmv.core import Asset, Mesh, Orbit, SvdmvError
from svdmv.io.colour import linear_from_srgb, srgb_from_linear
from svdmv.io.load_status import STATUSES, load_status
from svdmv.io.meshes import normalised, read_asset
from svdmv.render import render_views

MODELS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "gltf_torture"
TABLE = json.loads((Path(__file__).parent / "torture_outcomes.json").read_text(encoding="utf-8"))["files"]
UNIFORM, TEXTURED = (
    2.0,
    12.0,
)  # how far a mean colour may lie off: the texture's weights are areas, the views' are pixels

pytestmark = pytest.mark.skipif(not MODELS.is_dir(), reason="the shared models are not here")


def name_of(row: dict[str, Any]) -> str:
    return str(row["file"])


def mean_colour(asset: Asset) -> np.ndarray:
    """Mean of the base colour over eight small views in linear light, weighted by coverage, as sRGB."""
    fitted, _ = normalised(asset)
    cameras = [camera for tilt in (-30.0, 30.0) for camera in Orbit.static(tilt, 4).cameras(48, 48)]
    views = render_views(fitted, cameras, shading="unlit", supersampling=1, with_geometry=False)
    assert views.alphas is not None
    linear = linear_from_srgb(views.images.reshape(-1, 3) / 255)
    return srgb_from_linear(np.average(linear, axis=0, weights=views.alphas.reshape(-1))) * 255


def front_view(asset: Asset, size: int) -> np.ndarray:
    """(size, size, 3) base colour seen from +Z, over grey."""
    fitted, _ = normalised(asset)
    camera = Orbit.static(0.0, 1).cameras(size, size)[0]
    views = render_views(fitted, [camera], shading="unlit", supersampling=2, with_geometry=False)
    assert views.alphas is not None
    alpha = views.alphas[0][..., None] / 255.0
    return views.images[0] * alpha + 128.0 * (1 - alpha)


def test_the_table_is_the_manifest() -> None:
    files = json.loads((MODELS / "manifest.json").read_text(encoding="utf-8"))["files"]
    assert [row["file"] for row in TABLE] == [row["file"] for row in files]
    for row, told in zip(TABLE, files, strict=True):
        if "or" not in told["expect"].split():
            assert (row["status"] == "ok") == told["expect"].startswith("loads"), row["file"]


@pytest.mark.parametrize("row", [row for row in TABLE if row["status"] == "ok"], ids=name_of)
def test_it_loads_as_it_was_meant(row: dict[str, Any]) -> None:
    asset = read_asset(MODELS / row["file"])
    assert len(asset.mesh.faces) == row["faces"]
    extent = np.array(row["extent"])
    np.testing.assert_allclose(np.ptp(asset.mesh.bounds, axis=0), extent, atol=2e-4 * extent.max())
    used = {asset.materials[i] for i in np.unique(asset.material_of_faces())}
    assert any(material.base_color_srgb is not None for material in used) == row["textured"]
    fitted, matrix = normalised(asset)
    bounds = fitted.mesh.bounds.astype(float)
    np.testing.assert_allclose([np.ptp(bounds, axis=0).max(), *bounds.mean(0)], [1, 0, 0, 0], atol=1e-6)
    np.testing.assert_allclose(matrix[0, 0] * extent.max(), 1, rtol=2e-4)
    if "colour" in row:
        np.testing.assert_allclose(mean_colour(asset), row["colour"], atol=TEXTURED if row["textured"] else UNIFORM)


@pytest.mark.parametrize("row", [row for row in TABLE if row["status"] != "ok"], ids=name_of)
def test_it_is_refused_with_its_reason(row: dict[str, Any]) -> None:
    with pytest.raises(SvdmvError) as caught:
        read_asset(MODELS / row["file"])
    assert load_status(caught.value) == row["status"]
    assert row["status"].partition(":")[0] in STATUSES
    assert row["says"] in caught.value.what
    assert caught.value.what.count(".") == 0
    assert caught.value.next_step


def test_the_texture_stands_upright() -> None:
    """The model's own words: yellow top left, orange top right, blue bottom left, green bottom right."""
    view = front_view(read_asset(MODELS / "khr_TextureCoordinateTest.glb"), 96)
    quarters = {
        (row, column): view[row : row + 12, column : column + 12].reshape(-1, 3).mean(0)
        for row in (26, 58)
        for column in (26, 58)
    }
    expected = {(26, 26): (1, 1, 0), (26, 58): (1, 0.33, 0), (58, 26): (0, 0.4, 1), (58, 58): (0, 1, 0)}
    for place, colour in expected.items():
        found = quarters[place] / quarters[place].max()
        np.testing.assert_allclose(found, colour, atol=0.2, err_msg=str(place))


def quads(asset: Asset) -> list[tuple[np.ndarray, np.ndarray]]:
    """Centre and face numbers of each pair of faces that share their corners and stand upright before the board."""
    vertices, faces = asset.mesh.vertices, asset.mesh.faces
    found: dict[tuple[int, ...], list[int]] = {}
    owner = np.arange(len(vertices))
    for a, b, c in faces:
        low = min(owner[[a, b, c]])
        for old in {owner[a], owner[b], owner[c]}:
            owner[owner == old] = low
    for number, face in enumerate(faces):
        found.setdefault((int(owner[face[0]]),), []).append(number)
    pairs = [np.array(numbers) for numbers in found.values() if len(numbers) == 2]
    return [(vertices[faces[numbers]].reshape(-1, 3).mean(0), numbers) for numbers in pairs]


def only(asset: Asset, numbers: np.ndarray) -> Asset:
    mesh = asset.mesh
    return Asset(
        Mesh(mesh.vertices, mesh.faces[numbers], mesh.normals, mesh.uvs, mesh.colors),
        asset.materials,
        asset.material_of_faces()[numbers],
    )


def test_mirrored_and_clamped_textures_look_like_the_samples_beside_them() -> None:
    """Each row of the board holds a test and, right of it, a picture of what it must look like."""
    asset = read_asset(MODELS / "khr_TextureSettingsTest.glb")
    names = [asset.materials[i].name for i in asset.material_of_faces()]
    tiles = [
        (centre, numbers, names[numbers[0]])
        for centre, numbers in quads(asset)
        if names[numbers[0]].startswith("Texture")
    ]
    tests = [tile for tile in tiles if tile[0][0] < np.median([t[0][0] for t in tiles]) + 0.01]
    compared = 0
    for centre, numbers, name in tests:
        beside = [t for t in tiles if abs(t[0][1] - centre[1]) < 0.2 and t[0][0] > centre[0] + 0.5]
        for _, others, _ in beside:
            a, b = (front_view(only(asset, n), 32) for n in (numbers, others))
            assert np.abs(a - b).mean() < 12, name
            compared += 1
    assert compared >= 6


def test_a_second_set_of_coordinates_shows_the_same_as_the_first() -> None:
    """The board's columns: TEXCOORD_0, TEXCOORD_1, both moved by a texture transform, and a plain sample."""
    asset = read_asset(MODELS / "khr_TextureTransformMultiTest.glb")
    names = [material.name for material in asset.materials]
    owners = asset.material_of_faces()
    for kind in ("BaseColor", "Unlit"):
        first, second, sample = (
            front_view(only(asset, np.flatnonzero(owners == names.index(f"{kind}{end}"))), 48)
            for end in ("Test0Mat", "Test1Mat", "SampleMat")
        )
        assert np.ptp(sample[..., 0]) > 150  # a mark on a ground, not one colour
        assert np.abs(first - sample).mean() < 10
        assert np.abs(second - sample).mean() < 10


def test_a_texture_on_other_coordinates_is_painted_anew() -> None:
    asset = read_asset(MODELS / "khr_MultiUVTest.glb")
    glow = asset.materials[0].emissive_srgb
    assert glow is not None
    assert np.ptp(glow.astype(int), axis=(0, 1)).max() > 60
    assert not any("left out" in note for note in asset.provenance["source"]["notes"])


def test_unlit_materials_say_so() -> None:
    asset = read_asset(MODELS / "khr_UnlitTest.glb")
    assert all(material.unlit for material in asset.materials)
    colours = sorted(tuple(np.round(m.base_color_factor_linear[:3], 3)) for m in asset.materials)
    np.testing.assert_allclose(colours, [(0, 0.218, 1), (1, 0.218, 0)], atol=1e-3)


@pytest.mark.parametrize("name", ["made_draco_edgebreaker", "made_meshopt", "made_meshopt_high", "made_quantized"])
def test_compressed_copies_lie_on_the_scan(name: str) -> None:
    """Vertices and texture coordinates of every copy lie within its quantisation of the scan it was made from."""
    from scipy.spatial import cKDTree

    original, copy = (read_asset(MODELS / f"{stem}.glb").mesh for stem in ("made_webp", name))
    size = float(np.ptp(original.bounds, axis=0).max())
    assert original.uvs is not None
    assert copy.uvs is not None
    rows = [np.hstack([mesh.vertices / size, mesh.uvs]) for mesh in (original, copy)]
    distances, _ = cKDTree(rows[0]).query(rows[1])
    assert distances.max() < 2e-3
