"""Charts: every face once, in range, without overlap."""

from __future__ import annotations

import numpy as np
import pytest
from simple_meshes import ball, both, cube

from svdmv.geometry.atlas import Atlas, triangle_atlas, unwrapped
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
