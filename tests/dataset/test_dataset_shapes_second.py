"""The second generator of shapes: whole objects of every kind, cuts and relief that keep volumes, finishes, decals."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest

from svdmv.core import Asset, ConfigError, DataError
from svdmv.dataset.procedural.catalogue import KINDS_2
from svdmv.dataset.procedural.finishes import finished, normals_from_relief
from svdmv.dataset.procedural.forms import Part, ball, joined, lathe, rounded_box, superquadric
from svdmv.dataset.procedural.lofts import drum, loft_body, random_outline, torus, with_relief
from svdmv.dataset.procedural.paints import Canvas, flat, palette
from svdmv.dataset.procedural.prints import fitted, invented_name, lettering, width_of
from svdmv.dataset.procedural.solids import bumps, carved, lumps, raised, refined, ribs
from svdmv.dataset.procedural.stickers import first_hits, sticker
from svdmv.dataset.shapes import KINDS, drawn_kind, kinds_of, shape_from_seed
from svdmv.io.meshes import normalised

# seed, kind, vertices, faces, mean size of coordinates, mean of paints: as the checkpoint's training data were made
FIRST_VERSION = [
    (0, "letter", 1536, 2352, 0.4209, 0.35),
    (40, "beast", 4262, 6452, 0.4055, 0.549),
    (80, "medal", 522, 576, 0.1807, 0.423),
    (120, "snowman", 3447, 5292, 0.5621, 0.37),
    (160, "carton", 614, 728, 0.4235, 0.689),
    (200, "jumble", 2729, 4704, 0.3076, 0.358),
    (240, "chair", 2692, 4172, 0.3339, 0.226),
    (280, "shoe", 2955, 3920, 0.2745, 0.767),
    (320, "rocket", 2421, 3800, 0.3842, 0.391),
]


def volume(part: Part) -> float:
    a, b, c = (part.vertices[part.faces[:, k]] for k in range(3))
    return float(np.einsum("fi,fi->", a, np.cross(b, c)) / 6)


def digest(asset: Asset) -> str:
    h = hashlib.sha256()
    mesh = asset.mesh
    for array in (mesh.vertices, mesh.faces, mesh.uvs, asset.face_materials):
        assert array is not None
        h.update(array.tobytes())
    for m in asset.materials:
        h.update(repr((m.base_color_factor_linear, m.metallic, m.roughness)).encode())
        for picture in (m.base_color_srgb, m.metallic_roughness_linear, m.normal_linear):
            h.update(b"" if picture is None else picture.tobytes())
    return h.hexdigest()


@pytest.mark.parametrize(("seed", "kind", "vertices", "faces", "size", "paint"), FIRST_VERSION)
def test_objects_of_the_first_version_never_change(
    seed: int, kind: str, vertices: int, faces: int, size: float, paint: float
) -> None:
    asset = shape_from_seed(seed)
    assert asset.provenance == {"generator": "svdmv.dataset.shapes", "kind": kind, "seed": seed}
    assert drawn_kind(seed) == kind
    assert (len(asset.mesh.vertices), len(asset.mesh.faces)) == (vertices, faces)
    assert np.abs(asset.mesh.vertices).mean() == pytest.approx(size, abs=1e-4)
    tones = [
        np.mean(m.base_color_factor_linear[:3])
        if m.base_color_srgb is None
        else m.base_color_srgb[..., :3].mean() / 255
        for m in asset.materials
    ]
    assert np.mean(tones) == pytest.approx(paint, abs=2e-3)


@pytest.mark.parametrize("kind", sorted(KINDS_2))
def test_every_kind_of_the_second_version_is_whole(kind: str) -> None:
    asset = shape_from_seed(11, kind, version=2)
    mesh = asset.mesh
    assert asset.provenance == {"generator": "svdmv.dataset.shapes", "kind": kind, "seed": 11, "version": 2}
    assert 300 < len(mesh.faces) < 60_000
    assert mesh.normals is not None
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-4)
    assert mesh.uvs is not None
    assert mesh.uvs.min() >= -1e-6
    assert mesh.uvs.max() <= 1 + 1e-6
    box = Part(mesh.vertices.astype(np.float64), mesh.faces.astype(np.int64), mesh.uvs)
    assert volume(box) > 0.004 * float(np.prod(np.ptp(mesh.vertices, axis=0)))
    assert np.unique(asset.material_of_faces()).tolist() == list(range(len(asset.materials)))
    small, _ = normalised(asset, rule="bounding_sphere")
    assert np.linalg.norm(small.mesh.vertices, axis=1).max() == pytest.approx(0.5, abs=1e-4)


def test_same_seed_same_bytes_and_no_two_seeds_alike() -> None:
    first = [digest(shape_from_seed(seed, version=2)) for seed in range(3)]
    assert first == [digest(shape_from_seed(seed, version=2)) for seed in range(3)]
    assert len(set(first)) == 3


def test_kinds_of_both_versions_are_drawn_by_weight() -> None:
    drawn = [drawn_kind(seed, 2) for seed in range(3000)]
    kinds = kinds_of(2)
    assert set(kinds) == set(KINDS) | set(KINDS_2)
    total = sum(weight for _, weight in kinds.values())
    for kind in ("gadget", "packet", "car"):
        share = kinds[kind][1] / total
        assert drawn.count(kind) / 3000 == pytest.approx(share, abs=4 * (share / 3000) ** 0.5)
    assert shape_from_seed(2, version=2).provenance["kind"] == drawn[2]
    with pytest.raises(ConfigError):
        kinds_of(3)
    with pytest.raises(ConfigError):
        shape_from_seed(0, "gadget")


def test_a_cut_takes_what_the_cutter_fills_and_shows_the_inside() -> None:
    body, hole = rounded_box(0.5, 0.5, 0.5, 0.001), drum(0.2, 2.0, 0.0005, 96).moved(0, -1, 0)
    outside, inside = flat(np.array([1.0, 0, 0])), flat(np.array([0, 0, 1.0]))
    pieces = carved(body.painted(outside), [hole], inside)
    assert [p.paint for p in pieces] == [outside, inside]
    assert volume(joined(pieces)) == pytest.approx(1 - np.pi * 0.04, rel=0.01)
    assert np.hypot(pieces[1].vertices[:, 0], pieces[1].vertices[:, 2]).max() < 0.21
    untouched = carved(body.painted(outside), [hole.moved(5, 0, 0)], inside)
    assert len(untouched) == 1
    with pytest.raises(DataError, match="leaves nothing"):
        carved(body.painted(outside), [rounded_box(2, 2, 2, 0.01)], inside)
    open_one = lathe([(0.5, 0), (0.5, 1)], 12)
    with pytest.raises(DataError, match="not closed"):
        carved(open_one.painted(outside), [hole], inside)


@pytest.mark.parametrize("form", [superquadric(0.5, 0.4, 0.3), rounded_box(0.5, 0.4, 0.3), torus(0.4, 0.1)])
def test_refining_keeps_a_surface_and_relief_keeps_it_shut(form: Part) -> None:
    fine = refined(form, 1)
    assert len(fine.faces) == 4 * len(form.faces)
    assert volume(fine) == pytest.approx(volume(form), rel=1e-9)
    rng = np.random.default_rng(0)
    raised_one = raised(fine, bumps(lumps(rng, 0.2), 0.03))
    places, index = np.unique(np.round(raised_one.vertices, 6), axis=0, return_inverse=True)
    faces = index.reshape(-1)[raised_one.faces]
    edges = np.concatenate([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    edges = edges[edges[:, 0] != edges[:, 1]]
    assert len(places) < len(raised_one.vertices)
    forward, backward = ({tuple(e) for e in side.tolist()} for side in (edges, edges[:, ::-1]))
    assert forward == backward
    assert abs(volume(raised_one) / volume(form) - 1) > 1e-4


def test_ribs_raise_by_their_depth() -> None:
    fluted = raised(refined(ball(0.5, 48, 24)), ribs(6, 0.05))
    radius = np.linalg.norm(fluted.vertices, axis=1)
    assert radius.max() == pytest.approx(0.55, abs=0.004)
    assert radius.min() == pytest.approx(0.5, abs=0.004)


def test_random_bodies_are_closed_and_outlines_do_not_cross() -> None:
    rng = np.random.default_rng(5)
    for _ in range(12):
        part = with_relief(loft_body(rng, wall=0.05), rng)
        assert volume(part) > 0
        x, y = random_outline(rng).T
        assert 0.05 < 0.5 * float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()) < 2


def test_relief_leans_normals_away_from_slopes() -> None:
    up_to_the_right = np.tile(np.minimum(np.arange(32), 31 - np.arange(32)) * 0.5, (8, 1))
    normals = normals_from_relief(up_to_the_right)
    assert normals[4, 8] == pytest.approx(np.array([-0.5, 0, 1]) / 1.25**0.5)
    down = np.tile(np.arange(8.0)[:, None], (1, 4))  # height grows with v, downwards: the slope looks up
    assert normals_from_relief(down)[4, 2] == pytest.approx(np.array([0, 1, 1]) / 2**0.5)


def test_finishes_bring_maps_that_a_renderer_can_read() -> None:
    seen = set()
    for seed in range(24):
        rng = np.random.default_rng(seed)
        made = finished(flat(palette(rng)[0], None, 0.5 if seed % 2 else 0.95), rng, 1.0)
        material = made.material("m")
        seen.add((material.metallic_roughness_linear is not None, material.normal_linear is not None))
        if material.metallic_roughness_linear is not None:
            assert (material.roughness, material.metallic) == (1.0, 1.0)
        if material.normal_linear is not None:
            normal = material.normal_linear.astype(float) / 127.5 - 1
            assert np.linalg.norm(normal, axis=-1) == pytest.approx(1, abs=0.02)
    assert len(seen) > 2
    paint = flat(np.array([0.5, 0.5, 0.5]))
    assert finished(paint, np.random.default_rng(0), 0.0) is paint


def test_letters_fit_their_box_and_read_forward() -> None:
    rng = np.random.default_rng(1)
    names = [invented_name(rng) for _ in range(200)]
    assert all(2 <= len(name) <= 8 and name.isupper() for name in names)
    assert len(set(names)) > 150
    canvas = Canvas(np.zeros(3), 256, 128, 2.0)
    for word in ("L", "WIMO", "ZEBRANO"):
        height = fitted(word, 1.6, 0.5)
        rows, columns = np.nonzero(lettering(canvas, word, 0.5, 0.5, height, weight=0.1) > 0.5)
        wide = (columns.max() - columns.min()) / 256 * 2.0
        assert wide == pytest.approx(width_of(word) * height, abs=0.17 * height)
        assert (rows.max() - rows.min()) / 128 == pytest.approx(height * 1.1, abs=0.05)
    foot = lettering(canvas, "L", 0.5, 0.5, 0.8, weight=0.1) > 0.5
    assert np.nonzero(foot[100:])[1].max() > np.nonzero(foot[:60])[1].max()


def test_decals_lie_on_the_side_they_are_put_on() -> None:
    body = rounded_box(0.5, 0.5, 0.5, 0.02).painted(flat(np.array([0.5, 0.5, 0.5])))
    origins = np.array([[0, 0, 3.0], [0.2, 0.1, 3.0], [2, 0, 3.0]])
    distance, _ = first_hits(body.vertices, body.faces, origins, np.array([0, 0, -1.0]))
    assert distance == pytest.approx([2.5, 2.5, np.inf])
    for azimuth, axis, sign in ((0, 2, 1), (90, 0, 1), (180, 2, -1)):
        (print_,) = sticker(np.random.default_rng(3), [body], palette(np.random.default_rng(0)), azimuth)
        assert print_.vertices[:, axis] * sign == pytest.approx(0.508, abs=2e-3)
        corners = print_.vertices[print_.faces]
        normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        assert (normals[:, axis] * sign > 0).all()
        right = np.array([np.cos(np.radians(azimuth)), 0, -np.sin(np.radians(azimuth))])
        along = print_.vertices @ right
        assert np.corrcoef(along, print_.uvs[:, 0])[0, 1] == pytest.approx(1)
        assert np.corrcoef(print_.vertices[:, 1], print_.uvs[:, 1])[0, 1] == pytest.approx(-1)
