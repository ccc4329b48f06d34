"""Open cavities: found where colours contradict a lid, left alone where they do not, and kept by the fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import Distance, ellipsoid, views_of

from svdmv.core import ViewSet
from svdmv.geometry.closest import TriangleTree
from svdmv.geometry.field import Lattice
from svdmv.geometry.topology import closed_after_merging
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.cavities import Cavities, cavities_of

UP = np.array([0.0, 1.0, 0.0])
THICKNESS = 0.07


def cup(p: np.ndarray) -> np.ndarray:
    """A beaker, radius 0.3, from -0.3 to 0.25, with walls and floor of one thickness, open above."""
    radius = np.hypot(p[..., 0], p[..., 2])
    outer = np.maximum(radius - 0.3, np.abs(p[..., 1] + 0.025) - 0.275)
    inner = np.maximum(radius - (0.3 - THICKNESS), -0.3 + THICKNESS - p[..., 1])
    return np.maximum(outer, -inner)


def filled_cup(p: np.ndarray) -> np.ndarray:
    """The beaker with something in it, up to 0.12."""
    return np.minimum(cup(p), np.maximum(np.hypot(p[..., 0], p[..., 2]) - 0.27, np.abs(p[..., 1] + 0.09) - 0.21))


def closed_cup(p: np.ndarray) -> np.ndarray:
    return np.maximum(np.hypot(p[..., 0], p[..., 2]) - 0.3, np.abs(p[..., 1] + 0.025) - 0.275)


def patterned(p: np.ndarray) -> np.ndarray:
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    return 0.5 + 0.3 * np.stack([np.sin(15 * x + 1), np.sin(12 * y - 3 * z), np.cos(14 * z + 2 * x)], -1)


def seen(shape: Distance, elevation_deg: float = 25) -> ViewSet:
    views = views_of(shape, coloring=patterned, size=64, elevation_deg=elevation_deg, num_views=14)
    return replace(views, depths=None)


def found(views: ViewSet) -> tuple[Cavities | None, Lattice]:
    """What is found in the closed beaker, the hull of all three shapes."""
    lattice = Lattice.around(np.array([-0.3, -0.3, -0.3]), np.array([0.3, 0.25, 0.3]), 56)
    solid = closed_cup(lattice.points()).astype(np.float32)
    return cavities_of(solid, lattice, views, range(len(views)), UP), lattice


@pytest.fixture(scope="module")
def cup_views() -> ViewSet:
    return seen(cup)


def test_a_beaker_is_opened_to_its_true_shape(cup_views: ViewSet) -> None:
    cavities, lattice = found(cup_views)
    assert cavities is not None
    assert cavities.thickness == pytest.approx(THICKNESS, abs=1.5 * lattice.step)
    solid = closed_cup(lattice.points()).astype(np.float32)
    opened, true = cavities.carved(solid, lattice) < 0, cup(lattice.points()) < 0
    assert (opened & true).sum() > 0.8 * (opened | true).sum()
    assert cavities.share_left < 0.4


def test_places_that_no_camera_sees_are_held(cup_views: ViewSet) -> None:
    cavities, lattice = found(cup_views)
    assert cavities is not None
    held = cavities.held(lattice)

    def at(*place: float) -> bool:
        return bool(held[tuple(np.round((np.array(place) - lattice.low) / lattice.step).astype(int))])

    assert at(0.0, -0.3 + THICKNESS, 0.0)  # the floor, deep behind the rim
    assert not at(0.3 - THICKNESS, 0.15, 0.0)  # the wall under the rim, that the other side's cameras see
    assert not at(0.3, 0.0, 0.0)  # the outside


def test_a_closed_shape_stays_closed() -> None:
    assert found(seen(closed_cup))[0] is None


def test_a_lid_that_only_stands_too_high_is_no_cavity() -> None:
    views = seen(closed_cup)
    lattice = Lattice.around(np.array([-0.3, -0.3, -0.3]), np.array([0.3, 0.35, 0.3]), 40)
    roofed = lattice.points() - np.array([0.0, 0.08, 0.0])
    solid = np.minimum(closed_cup(lattice.points()), closed_cup(roofed)).astype(np.float32)
    assert cavities_of(solid, lattice, views, range(len(views)), UP) is None


def test_what_fills_a_beaker_stays_in_it() -> None:
    cavities, lattice = found(seen(filled_cup, 45))
    assert cavities is not None
    middle = np.round((np.array([0.0, 0.0, 0.0]) - lattice.low) / lattice.step).astype(int)
    column = cavities.field[middle[0], :, middle[2]] < 0
    floor = lattice.low[1] + lattice.step * np.flatnonzero(column)[0]
    assert floor == pytest.approx(0.12, abs=0.08)


def test_tilted_columns_are_not_tried(cup_views: ViewSet) -> None:
    lattice = Lattice.around(np.array([-0.3, -0.3, -0.3]), np.array([0.3, 0.25, 0.3]), 24)
    solid = closed_cup(lattice.points()).astype(np.float32)
    assert cavities_of(solid, lattice, cup_views, range(4), np.array([0.7, 0.714, 0.0])) is None


def test_the_fit_keeps_what_was_opened(cup_views: ViewSet) -> None:
    made = reconstruct_mesh(cup_views, method="sdf", resolution=40, steps=(20, 20, 20), batch=1024)
    inner = 0.3 - THICKNESS
    places = np.array([[0.0, THICKNESS - 0.3, 0.0], [inner, -0.1, 0.0], [0.0, 0.1, -inner]])
    distances, _ = TriangleTree(made.mesh.vertices, made.mesh.faces).closest(places)
    assert distances.max() < 0.07  # under a lid 0.15 and more; the hull of such views reaches below the floor
    assert closed_after_merging(made.mesh.vertices, made.mesh.faces)
    assert any("cavity" in note for note in made.notes)


def test_a_round_body_is_not_hollowed() -> None:
    views = seen(ellipsoid(0.3, 0.2, 0.3))
    lattice = Lattice.around(np.array([-0.3, -0.2, -0.3]), np.array([0.3, 0.2, 0.3]), 40)
    solid = ellipsoid(0.3, 0.2, 0.3)(lattice.points()).astype(np.float32)
    assert cavities_of(solid, lattice, views, range(len(views)), UP) is None
