"""The door: methods by name, settings, and what is refused."""

from __future__ import annotations

import importlib.metadata
from dataclasses import replace

import numpy as np
import pytest
from analytic_shapes import sphere, views_of

from svdmv.core import ConfigError, DataError, Mesh, Orbit, SvdmvError, ViewSet
from svdmv.reconstruct import METHODS, Reconstruction, reconstruct_mesh, reconstruction_methods


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return views_of(sphere(0.3), size=32, num_views=8)


def test_auto_fits_views_that_agree_and_says_so(views: ViewSet) -> None:
    result = reconstruct_mesh(views, resolution=32, steps=(5, 5, 5), batch=256)
    assert result.method == "sdf"
    assert "agree" in result.why
    assert reconstruct_mesh(views, method="hull", resolution=32).why == "asked for by name"
    assert {"hull", "sdf"} <= set(METHODS)


def test_auto_takes_the_hull_of_views_that_disagree(views: ViewSet) -> None:
    assert views.alphas is not None
    rng = np.random.default_rng(0)
    alphas = np.stack([np.roll(a, tuple(rng.integers(-6, 7, 2)), (0, 1)) for a in views.alphas])
    alphas[::2, 12:] = 0
    result = reconstruct_mesh(replace(views, alphas=alphas), resolution=32)
    assert result.method == "hull"
    assert "disagree" in result.why


def plain_method(views: ViewSet) -> Reconstruction:
    mesh = Mesh(np.eye(3, dtype=np.float32), np.array([[0, 1, 2]], np.int32))
    return Reconstruction(mesh, "?", "?", views)


def test_methods_of_other_packages_join(views: ViewSet, monkeypatch: pytest.MonkeyPatch) -> None:
    point = importlib.metadata.EntryPoint("plain", f"{__name__}:plain_method", "svdmv.reconstructors")
    monkeypatch.setattr("svdmv.reconstruct.door.entry_points", lambda group: [point])
    assert reconstruction_methods()["plain"].endswith(":plain_method")
    result = reconstruct_mesh(views, method="plain")
    assert result.method == "plain"
    assert len(result.mesh.faces) == 1


def test_an_unknown_method_names_the_nearest(views: ViewSet) -> None:
    with pytest.raises(ConfigError) as caught:
        reconstruct_mesh(views, method="hul")
    assert caught.value.next_step == "use hull"


@pytest.mark.parametrize(
    "settings",
    [
        {"resolution": 4},
        {"resolution": 4000},
        {"drop": -1},
        {"drop": 8},
        {"drop": "some"},
        {"flatten": 1.5},
        {"input_view": 8},
        {"colour": "red"},
    ],
)
def test_settings_out_of_range_are_refused(views: ViewSet, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        reconstruct_mesh(views, method="hull", **settings)


def test_views_without_alpha_and_without_an_object_are_told_to_bring_it(views: ViewSet) -> None:
    with pytest.raises(SvdmvError) as caught:  # which one, the segmenters on this machine decide
        reconstruct_mesh(replace(views, images=np.zeros_like(views.images), alphas=None))
    assert caught.value.exit_code == 2
    assert caught.value.next_step


@pytest.mark.parametrize(("level", "what"), [(0.0, "No view shows an object"), (1.0, "where the object ends")])
def test_masks_without_an_outline_are_refused(views: ViewSet, level: float, what: str) -> None:
    assert views.alphas is not None
    with pytest.raises(DataError, match=what):
        reconstruct_mesh(replace(views, alphas=np.full_like(views.alphas, level)))


def test_one_view_and_views_from_one_side_are_refused(views: ViewSet) -> None:
    with pytest.raises(DataError, match="one side"):
        reconstruct_mesh(views.subset([0]))
    near = Orbit(np.array([0.0, 4, 8]), np.zeros(3), radius=1.75)
    with pytest.raises(DataError, match="one side"):
        reconstruct_mesh(views_of(sphere(0.3), near.cameras(32, 32)))


def test_two_views_across_are_enough() -> None:
    across = Orbit(np.array([0.0, 90]), np.zeros(2), radius=1.75)
    result = reconstruct_mesh(views_of(sphere(0.3), across.cameras(32, 32)), method="hull", resolution=40)
    low, high = result.mesh.bounds
    np.testing.assert_allclose(high - low, 0.6, atol=0.12)  # two cones: wider behind


def test_a_forced_vote_that_leaves_nothing_says_what_to_do(views: ViewSet) -> None:
    assert views.alphas is not None
    alphas = np.zeros_like(views.alphas)
    alphas[:, 2:6, 2:6] = 1
    alphas[::2] = np.roll(alphas[::2], (0, 20, 20), (0, 1, 2))
    with pytest.raises(DataError) as caught:
        reconstruct_mesh(replace(views, alphas=alphas), method="hull", drop=0)
    assert 'drop="auto"' in str(caught.value.next_step)


def test_values_that_are_not_numbers_never_get_this_far(views: ViewSet) -> None:
    assert views.alphas is not None
    broken = views.alphas.copy()
    broken[0, 0, 0] = np.nan
    with pytest.raises(DataError, match="finite"):
        replace(views, alphas=broken)
