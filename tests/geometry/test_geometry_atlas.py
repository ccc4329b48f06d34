"""Charts: every face once, in range, without overlap."""

from __future__ import annotations

import numpy as np
import pytest
from simple_meshes import ball, both, cube

from svdmv.geometry.atlas import Atlas, atlas_stretch, mesh_pieces, triangle_atlas, unwrapped
from svdmv.geometry.raster import texel_map

MESHES = {"cube": cube(0.5), "ball": ball(0.4, 3), "two": both(ball(0.2, 2), cube(0.2), (0.5, 0, 0))}


def check_atlas(atlas: Atlas, faces: np.ndarray, size: int) -> None:
    np.testing.assert_array_equal(atlas.source[atlas.faces], faces)
    assert atlas.uvs.min() >= 0
    assert atlas.uvs.max() <= 1
    layers = texel_map(atlas.uvs[atlas.faces], size, size, gutter=0).layers
    assert (layers > 1).sum() <= 0.001 * (layers > 0).sum()
    assert (layers > 0).mean() > 0.25


@pytest.mark.parametrize("name", MESHES)
def test_charts_hold_every_face_once_without_overlap(name: str) -> None:
    vertices, faces = MESHES[name]
    atlas = unwrapped(vertices, faces, texture_size=512)
    assert atlas.method == "xatlas"
    assert atlas.note == ""
    check_atlas(atlas, faces, 512)


@pytest.mark.parametrize("name", MESHES)
def test_two_triangles_a_cell_do_the_same(name: str) -> None:
    _, faces = MESHES[name]
    check_atlas(triangle_atlas(faces, 512), faces, 512)


def test_too_many_faces_fall_back_and_say_so() -> None:
    vertices, faces = MESHES["ball"]
    atlas = unwrapped(vertices, faces, max_faces=100)
    assert atlas.method == "triangles"
    assert "1280 faces are more than 100" in atlas.note


def test_a_refusal_of_xatlas_falls_back_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    import xatlas

    class Refusing(xatlas.Atlas):
        def generate(self, *_: object, **__: object) -> None:
            raise RuntimeError("no charts today")

    monkeypatch.setattr(xatlas, "Atlas", Refusing)
    vertices, faces = MESHES["cube"]
    atlas = unwrapped(vertices, faces)
    assert atlas.method == "triangles"
    assert "no charts today" in atlas.note
    check_atlas(atlas, faces, 256)


def test_the_same_mesh_gives_the_same_bytes() -> None:
    vertices, faces = MESHES["ball"]
    first, second = (unwrapped(vertices, faces) for _ in range(2))
    assert first.uvs.tobytes() == second.uvs.tobytes()
    assert first.faces.tobytes() == second.faces.tobytes()


def test_a_mesh_in_pieces_keeps_its_faces_and_gets_charts_without_overlap() -> None:
    vertices, faces = ball(0.4, 4)
    pieces = mesh_pieces(vertices, faces, 330)
    assert len(pieces) == 16
    assert max(len(piece) for piece in pieces) <= 330
    np.testing.assert_array_equal(np.sort(np.concatenate(pieces)), np.arange(len(faces)))
    atlas = unwrapped(vertices, faces, texture_size=1024)
    assert atlas.method == "xatlas"
    check_atlas(atlas, faces, 1024)
    assert atlas.charts < 120
    assert 0.4 < atlas.used_share < 1
    stretch = atlas_stretch(vertices, faces, atlas.uvs[atlas.faces])
    assert stretch.mean < 1.25
    assert stretch.worst_shear < 2.5


def test_stretch_knows_squares_sheared_and_squeezed() -> None:
    vertices = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], float)
    faces = np.array([(0, 1, 2), (0, 2, 3)])
    plain = vertices[:, :2] * 0.3
    assert atlas_stretch(vertices, faces, plain[faces]) == pytest.approx((1, 1))
    squeezed = atlas_stretch(vertices, faces, (plain * (1, 0.25))[faces])
    assert squeezed.worst_shear == pytest.approx(4)
    assert squeezed.mean == pytest.approx(np.sqrt((1 + 16) / 2 * 0.25))
    assert atlas_stretch(vertices, faces, np.zeros((2, 3, 2))).mean == np.inf
