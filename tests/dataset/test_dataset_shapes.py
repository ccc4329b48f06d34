"""Procedural objects: the same for a seed, different between seeds, whole, coloured, facing +Z."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from svdmv.core import Asset, ConfigError
from svdmv.dataset.procedural.forms import ear_clipped, extruded, lathe, limb, lofted, rounded_box, superquadric
from svdmv.dataset.procedural.paints import Canvas
from svdmv.dataset.shapes import KINDS, shape_from_seed
from svdmv.io.meshes import normalised


def digest(asset: Asset) -> str:
    """Hash of all arrays of an asset."""
    h = hashlib.sha256()
    mesh = asset.mesh
    for array in (mesh.vertices, mesh.faces, mesh.normals, mesh.uvs, asset.face_materials):
        assert array is not None
        h.update(array.tobytes())
    for m in asset.materials:
        h.update(repr((m.base_color_factor_linear, m.metallic, m.roughness)).encode())
        h.update(b"" if m.base_color_srgb is None else m.base_color_srgb.tobytes())
    return h.hexdigest()


def signed_volume(vertices: np.ndarray, faces: np.ndarray) -> float:
    """Volume within a closed surface, positive when its faces look outward."""
    a, b, c = (vertices[faces[:, k]].astype(np.float64) for k in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def volumes_of_closed_pieces(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Signed volume of each connected piece in which every edge has its opposite."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    _, place = np.unique(vertices, axis=0, return_inverse=True)
    welded = place.reshape(-1)[faces]
    edges = np.concatenate([welded[:, [0, 1]], welded[:, [1, 2]], welded[:, [2, 0]]])
    count = int(welded.max()) + 1
    _, piece = connected_components(coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count)), directed=False)
    balance = coo_matrix((np.ones(len(edges)), edges.T), shape=(count, count)).tocsr()
    unmatched = np.unique(piece[np.nonzero(abs(balance - balance.T).sum(1))[0]])
    volumes = [
        signed_volume(vertices - vertices[faces[mine][0, 0]], faces[mine])
        for p in np.setdiff1d(np.unique(piece[welded]), unmatched)
        for mine in [piece[welded[:, 0]] == p]
    ]
    return np.array(volumes)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_makes_whole_coloured_objects(kind: str) -> None:
    for seed in (0, 1, 2):
        asset = shape_from_seed(seed, kind)
        mesh = asset.mesh
        assert mesh.normals is not None
        assert mesh.uvs is not None
        assert asset.provenance == {"generator": "svdmv.dataset.shapes", "kind": kind, "seed": seed}
        assert 300 < len(mesh.faces) < 40_000
        np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
        corners = mesh.vertices[mesh.faces].astype(np.float64)
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (np.linalg.norm(cross, axis=1) > 0).all()
        assert np.einsum("fi,fi->f", cross, mesh.normals[mesh.faces].sum(1).astype(np.float64)).min() > 0
        assert signed_volume(mesh.vertices, mesh.faces) > 0.01 * float(np.prod(np.ptp(mesh.vertices, axis=0)))
        assert volumes_of_closed_pieces(mesh.vertices, mesh.faces).min() > 0
        assert np.unique(asset.material_of_faces()).tolist() == list(range(len(asset.materials)))
        small, _ = normalised(asset, rule="bounding_sphere")
        assert np.linalg.norm(small.mesh.vertices, axis=1).max() == pytest.approx(0.5, abs=1e-4)


def test_same_seed_same_bytes_and_other_seeds_differ() -> None:
    first = [digest(shape_from_seed(seed)) for seed in range(8)]
    assert first == [digest(shape_from_seed(seed)) for seed in range(8)]
    assert len(set(first)) == 8


def test_many_kinds_come_up() -> None:
    kinds = [shape_from_seed(seed).provenance["kind"] for seed in range(30)]
    assert len(set(kinds)) > 14


def test_impossible_requests_are_refused() -> None:
    with pytest.raises(ConfigError):
        shape_from_seed(-1)
    with pytest.raises(ConfigError):
        shape_from_seed(0, "unicorn")


@pytest.mark.parametrize(
    ("form", "volume"),
    [
        (superquadric(0.5, 0.4, 0.3, segments=64, rings=40), 4 / 3 * np.pi * 0.06),
        (lathe([(0, 0), (0.5, 0), (0.5, 1), (0, 1)], 128), np.pi * 0.25),
        (limb((0, 0, 0), (0, 1, 0), 0.2, 0.2, segments=96), np.pi * 0.04 + 4 / 3 * np.pi * 0.008),
        (rounded_box(0.5, 0.4, 0.3, 0.01), 8 * 0.06),
        (extruded([(-1, -1), (1, -1), (1, 1), (0, 0), (-1, 1)], 0.5, 0.001), 3 * 0.5),
    ],
)
def test_forms_are_closed_and_have_their_volume(form: object, volume: float) -> None:
    from svdmv.dataset.procedural.forms import Part

    assert isinstance(form, Part)
    places, index = np.unique(np.round(form.vertices, 9), axis=0, return_inverse=True)
    faces = index.reshape(-1)[form.faces]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[edges[:, 0] != edges[:, 1]]
    directed = {tuple(e) for e in edges.tolist()}
    assert all((b, a) in directed for a, b in directed)
    assert len(places) > 6
    assert signed_volume(form.vertices, form.faces) == pytest.approx(volume, rel=0.03)
    assert form.uvs.min() >= 0
    assert form.uvs.max() <= 1


def test_a_loft_is_closed() -> None:
    angles = np.arange(8) * np.pi / 4
    rings = np.stack([np.column_stack([np.cos(angles), np.sin(angles), np.full(8, z)]) for z in (0.0, 1.0, 2.0)])
    octagon = 2 * np.sqrt(2)
    part = lofted(rings)
    assert signed_volume(part.vertices, part.faces) == pytest.approx(2 * octagon)


def test_ears_cover_a_concave_outline_once() -> None:
    star = np.array([(1, 0), (0.3, 0.3), (0, 1), (-0.3, 0.3), (-1, 0), (-0.3, -0.3), (0, -1), (0.3, -0.3)])
    triangles = ear_clipped(star)
    a, b, c = (star[triangles[:, k]] for k in range(3))
    areas = ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
    x, y = star.T
    whole = 0.5 * float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum())
    assert (areas > 0).all()
    assert areas.sum() == pytest.approx(whole)


def test_round_forms_show_the_middle_of_their_texture_to_the_front_and_letters_read_forward() -> None:
    part = superquadric(1, 1, 1)
    front = np.argmax(part.vertices[:, 2])
    right = np.argmax(part.vertices[:, 0])
    top = np.argmax(part.vertices[:, 1])
    assert part.uvs[front, 0] == pytest.approx(0.5)
    assert part.uvs[right, 0] == pytest.approx(0.75)
    assert part.uvs[top, 1] == pytest.approx(0)
    mask = Canvas(np.zeros(3), 64, 64).text("L", 0.5, 0.5, 0.5)
    rows, columns = np.nonzero(mask)
    assert columns[rows > 40].max() > columns[rows < 30].max()  # the foot points right


def test_eyes_are_in_front() -> None:
    """Animals look to +Z: their darkest round things, the eyes, are in the front half."""
    for seed in range(3):
        asset = shape_from_seed(seed, "bird")
        textured = [
            i
            for i, m in enumerate(asset.materials)
            if m.base_color_srgb is not None and m.base_color_srgb.shape[:2] == (64, 64)
        ]
        faces = np.isin(asset.material_of_faces(), textured)
        eyes = asset.mesh.vertices[asset.mesh.faces[faces]].reshape(-1, 3)
        middle = asset.mesh.vertices.mean(0)
        assert eyes[:, 2].mean() > middle[2] + 0.1
        assert eyes[:, 0].mean() == pytest.approx(0, abs=1e-3)
