"""The law behind mirrored training orbits, held against the renderer itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from svdmv.core import Asset, Orbit
from svdmv.dataset.shapes import shape_from_seed
from svdmv.io.meshes import normalised
from svdmv.render import render_views
from svdmv.train.store_batches import varied

VIEWS = 7


def orbit_of(asset: Asset) -> NDArray[np.uint8]:
    """(V, S, S, 4) at an elevation of 20 degrees, unlit: light would not be mirrored."""
    cameras = Orbit.static(20.0, VIEWS, radius=1.75).cameras(48, 48)
    return render_views(asset, cameras, shading="unlit", supersampling=2, with_geometry=False).rgba_u8()


def test_a_mirrored_orbit_is_the_orbit_of_the_mirrored_object() -> None:
    """Pictures flipped and views in the opposite order, with view 0 in its place; only that order fits."""
    asset, _ = normalised(shape_from_seed(3, "car"), rule="bounding_sphere")
    asset = replace(asset, mesh=asset.mesh.transformed(np.diag([1.0, 1, 1, 1]) + 0.2 * np.eye(4, k=2)))  # askew
    mirror = replace(asset, mesh=asset.mesh.transformed(np.diag([-1.0, 1, 1, 1])))
    plain, truth = orbit_of(asset), orbit_of(mirror)
    flag = np.array([0, 1, 2, 1], np.int8)

    def distance(guess: NDArray[np.uint8]) -> float:
        alpha = guess[..., 3:] / 255, truth[..., 3:] / 255
        over = guess[..., :3] * alpha[0] + 255 * (1 - alpha[0]), truth[..., :3] * alpha[1] + 255 * (1 - alpha[1])
        return float(np.abs(over[0] - over[1]).mean())

    assert distance(varied(plain, flag)) < 0.5
    assert distance(plain) > 3
    assert distance(plain[:, :, ::-1]) > 3, "flipping without turning the order round is another orbit"
    assert distance(np.roll(varied(plain, flag), 1, 0)) > 3


def test_mirroring_twice_and_permuting_back_change_nothing() -> None:
    rgba = np.random.default_rng(0).integers(0, 256, (VIEWS, 6, 6, 4), np.uint8)
    mirror = np.array([0, 1, 2, 1], np.int8)
    np.testing.assert_array_equal(varied(varied(rgba, mirror), mirror), rgba)
    there, back = np.array([1, 2, 0, 0], np.int8), np.array([2, 0, 1, 0], np.int8)
    np.testing.assert_array_equal(varied(varied(rgba, there), back), rgba)
    np.testing.assert_array_equal(varied(rgba, mirror)[0], rgba[0, :, ::-1])
    np.testing.assert_array_equal(varied(rgba, mirror)[1], rgba[-1, :, ::-1])
