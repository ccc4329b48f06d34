"""Parts that a hull of views that disagree loses, and parts that come free, are mended; parts apart stay apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import Distance, box, joined, moved, sphere, views_of

from svdmv.core import ViewSet
from svdmv.geometry.field import Lattice
from svdmv.geometry.raster import depth_maps
from svdmv.geometry.surface import surface_from_field
from svdmv.geometry.topology import closed_after_merging, face_components, without_floaters
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.hull import hull_on_lattice, hull_start, mended
from svdmv.reconstruct.mending import Mends
from svdmv.reconstruct.silhouettes import silhouettes_from_views


def at(shape: Distance, x: float, y: float = 0.0) -> Distance:
    return moved(shape, np.eye(3), np.array([x, y, 0.0]))


BODY, FIST, BAR = at(box(0.14, 0.3, 0.14), -0.15), at(sphere(0.09), 0.3), at(box(0.16, 0.035, 0.035), 0.1)
VIEWS = 13


def spoiled(first: Distance, others: tuple[Distance, ...]) -> ViewSet:
    """View 0 of one shape, the rest of others in turn, each mask shifted a little so that they disagree."""
    sets = [views_of(shape, size=48, num_views=VIEWS) for shape in (first, *others)]
    chosen = [sets[0 if i == 0 else 1 + i % len(others)] for i in range(VIEWS)]
    alphas = np.stack([views.alphas[i] for i, views in enumerate(chosen) if views.alphas is not None])
    rng = np.random.default_rng(3)
    for alpha in alphas[1:]:
        alpha[:] = np.roll(alpha, rng.integers(-2, 3, 2), (0, 1))
    return replace(sets[0], alphas=alphas, images=np.stack([v.images[i] for i, v in enumerate(chosen)]))


def parts(views: ViewSet, *, mend: bool) -> tuple[int, np.ndarray]:
    """How many parts the hull has, and where it shows in the input view."""
    start = hull_start(views, drop="auto", align=True, input_view=0, resolution=64)
    start = mended(start) if mend else start
    lattice = Lattice.around(start.vote.low, start.vote.high, 64)
    vertices, faces, _ = without_floaters(*surface_from_field(hull_on_lattice(start, lattice, 0.0), lattice))
    shown = np.isfinite(depth_maps(vertices, faces, start.silhouettes.cameras[:1])[0])
    return int(face_components(faces, len(vertices)).max()) + 1, shown


@pytest.fixture(scope="module")
def torn() -> ViewSet:
    """A fist on a thin arm that two views in three draw without the arm."""
    whole, bare = joined(BODY, FIST, BAR), joined(BODY, FIST)
    return spoiled(whole, (whole, bare, bare))


def test_an_arm_that_most_views_forget_is_joined_as_the_input_picture_shows_it(torn: ViewSet) -> None:
    before, shown_before = parts(torn, mend=False)
    after, shown = parts(torn, mend=True)
    mask = silhouettes_from_views(torn, 0).masks[0]
    assert before == 2
    assert after == 1
    assert (shown & mask).sum() > 0.97 * mask.sum() > (shown_before & mask).sum()
    assert (shown & ~mask).sum() < 0.1 * mask.sum()


def test_what_views_show_apart_stays_apart() -> None:
    apart = spoiled(joined(BODY, FIST), (joined(BODY, FIST),))
    assert parts(apart, mend=True)[0] == 2


def test_methods_give_one_closed_part_and_say_what_was_mended(torn: ViewSet) -> None:
    fit = {"steps": (20, 20, 20), "resolution": 48}
    for method, settings in (("hull", {"resolution": 64}), ("sdf", fit)):
        made = reconstruct_mesh(torn, method=method, **settings)
        assert not face_components(made.mesh.faces, len(made.mesh.vertices)).any(), method
        assert closed_after_merging(made.mesh.vertices, made.mesh.faces)
        assert any("only the input picture shows" in note for note in made.notes)


def test_views_that_agree_are_left_alone() -> None:
    start = hull_start(views_of(joined(BODY, FIST), size=48), drop="auto", align=True, input_view=0, resolution=64)
    assert mended(start) is start


def test_balls_are_added_as_distances_and_no_thinner_than_the_lattice_holds() -> None:
    lattice = Lattice((-0.5, -0.5, -0.5), 0.05, (21, 21, 21))
    empty = np.full(lattice.shape, 9.0, np.float32)
    centres = np.array([[0.0, 0.01, 0.02], [0.3, 0.3, 0.3], [0.49, 0.0, 0.0]])
    field = Mends(centres, np.array([0.2, 0.001, 0.1])).added(empty, lattice)
    away = np.linalg.norm(lattice.points()[..., None, :] - centres, axis=-1) - [0.2, 0.075, 0.1]
    expected = away.min(-1)
    near = expected < 0.05
    np.testing.assert_allclose(field[near], expected[near], atol=1e-6)
    assert (empty == 9).all()
    low, high = Mends(centres, np.array([0.2, 0.001, 0.1])).box(np.full(3, -0.3), np.full(3, 0.25))
    np.testing.assert_allclose(np.stack([low, high]), [[-0.3, -0.3, -0.3], [0.59, 0.301, 0.301]])
