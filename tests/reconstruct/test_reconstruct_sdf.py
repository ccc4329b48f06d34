"""The fitted surface: nearer to the truth than the hull, closed, repeatable, stoppable; normals and depths are used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from analytic_shapes import box, ellipsoid, sphere, views_of

from svdmv.core import Camera, ConfigError, DataError, InputError, ViewSet
from svdmv.geometry.field import Lattice
from svdmv.geometry.topology import closed_after_merging
from svdmv.reconstruct import Reconstruction, reconstruct_mesh
from svdmv.reconstruct.sdf import _beyond
from svdmv.reconstruct.silhouettes import silhouettes_from_views

QUICK = {"method": "sdf", "resolution": 40, "steps": (40, 40, 40), "batch": 1024, "flatten": 0.0}


def bowl(p: np.ndarray) -> np.ndarray:
    """Half a ball with half a ball taken out of it, open above."""
    outer = np.maximum(np.linalg.norm(p, axis=-1) - 0.38, p[..., 1] - 0.12)
    return np.maximum(outer, 0.3 - np.linalg.norm(p - np.array([0, 0.05, 0]), axis=-1))


def patterned(p: np.ndarray) -> np.ndarray:
    x, y, z = p[..., 0], p[..., 1], p[..., 2]
    return 0.5 + 0.4 * np.stack([np.sin(25 * x + 1), np.sin(22 * y - 3 * z), np.cos(24 * z + 2 * x)], -1)


def with_normals(views: ViewSet, shape: object) -> ViewSet:
    """The views with the normals of a shape known by its distance."""
    assert views.depths is not None
    out = np.zeros((*views.depths.shape, 3), np.float32)
    for i, (camera, depth) in enumerate(zip(views.cameras, views.depths, strict=True)):
        y, x = np.nonzero(np.isfinite(depth))
        p = camera.unproject(np.stack([x + 0.5, y + 0.5], 1), depth[y, x])
        steps = 1e-4 * np.eye(3)
        slope = np.stack([shape(p + s) - shape(p - s) for s in steps], 1)  # type: ignore[operator]  # a Distance
        out[i, y, x] = slope / np.linalg.norm(slope, axis=1, keepdims=True)
    return replace(views, normals=out)


def off_by(result: Reconstruction, shape: object) -> float:
    """Mean distance of the vertices to the true surface."""
    return float(np.abs(shape(result.mesh.vertices.astype(np.float64))).mean())  # type: ignore[operator]  # a Distance


@pytest.fixture(scope="module")
def views() -> ViewSet:
    shape = box(0.3, 0.15, 0.2)
    return replace(views_of(shape, coloring=patterned, size=56, elevation_deg=25, num_views=12), depths=None)


@pytest.fixture(scope="module")
def fitted(views: ViewSet) -> Reconstruction:
    return reconstruct_mesh(views, **QUICK)


def test_the_fit_is_nearer_than_the_hull_and_closed(views: ViewSet, fitted: Reconstruction) -> None:
    shape = box(0.3, 0.15, 0.2)
    hull = reconstruct_mesh(views, method="hull", resolution=40, flatten=0.0)
    assert off_by(fitted, shape) < 0.7 * off_by(hull, shape)
    assert closed_after_merging(fitted.mesh.vertices, fitted.mesh.faces)
    assert fitted.method == "sdf"
    assert fitted.figures["mean_mask_iou"] > 0.93
    assert fitted.mesh.colors is not None
    true = patterned(fitted.mesh.vertices.astype(np.float64))
    seen = fitted.mesh.vertices[:, 1] > -0.1
    assert np.abs(fitted.mesh.colors / 255 - true)[seen].mean() < 0.12


def test_two_runs_are_equal_bit_for_bit(views: ViewSet, fitted: Reconstruction) -> None:
    again = reconstruct_mesh(views, **QUICK)
    np.testing.assert_array_equal(again.mesh.vertices, fitted.mesh.vertices)
    np.testing.assert_array_equal(again.mesh.faces, fitted.mesh.faces)
    assert again.figures == fitted.figures


def test_a_stopped_fit_goes_on_to_the_same_end(views: ViewSet, fitted: Reconstruction, tmp_path: Path) -> None:
    path, seen = tmp_path / "fit.npz", []

    def stop(stage: str, done: int, total: int) -> None:
        seen.append((stage, done, total))
        if done >= 80:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruct_mesh(views, state=path, report=stop, **QUICK)
    assert seen == [("fit", 0, 120), ("fit", 40, 120), ("fit", 80, 120)]
    assert path.exists()
    with pytest.raises(InputError, match="another fit"):
        reconstruct_mesh(views, state=path, seed=1, **QUICK)
    later: list[int] = []
    again = reconstruct_mesh(views, state=path, report=lambda _, done, __: later.append(done), **QUICK)
    assert later == [80, 120]
    assert not path.exists()
    np.testing.assert_array_equal(again.mesh.vertices, fitted.mesh.vertices)
    path.write_bytes(b"not a state")
    with pytest.raises(InputError, match="cannot be read"):
        reconstruct_mesh(views, state=path, **QUICK)


def test_normals_that_come_with_the_views_bring_it_nearer() -> None:
    shape = ellipsoid(0.35, 0.2, 0.28)
    plain = views_of(shape, size=48, num_views=10, coloring=lambda p: np.full((*p.shape[:-1], 3), 0.6))
    given = replace(with_normals(plain, shape), depths=None)
    without = reconstruct_mesh(given, use_normals=False, **QUICK)
    with_them = reconstruct_mesh(given, **QUICK)
    true = with_them.mesh.vertices.astype(np.float64)
    assert off_by(with_them, shape) < 0.85 * off_by(without, shape)
    assert np.isfinite(true).all()
    assert any("normals" in note for note in with_them.notes)
    assert not any("normals" in note for note in without.notes)


def test_depths_that_come_with_the_views_open_a_bowl() -> None:
    views = views_of(bowl, size=48, num_views=12, elevation_deg=40, coloring=patterned)
    closed = reconstruct_mesh(views, use_depths=False, open_cavities=False, **QUICK)
    opened = reconstruct_mesh(views, **QUICK)
    middle = np.array([[0.0, 0.05, 0.0]])
    from svdmv.geometry.closest import TriangleTree

    near, far = (float(TriangleTree(r.mesh.vertices, r.mesh.faces).closest(middle)[0][0]) for r in (closed, opened))
    assert far > 0.25  # the true wall is 0.3 away
    assert near < far
    assert off_by(opened, bowl) < 0.6 * off_by(closed, bowl)
    assert closed_after_merging(opened.mesh.vertices, opened.mesh.faces)


@pytest.mark.parametrize("wrong", [-0.004, 0.0, 0.003])
def test_a_field_whose_outlines_lie_beside_those_of_the_masks_is_told_by_how_much(wrong: float) -> None:
    silhouettes = silhouettes_from_views(views_of(sphere(0.3), size=64, num_views=6), None)
    lattice = Lattice.around(np.full(3, -0.32), np.full(3, 0.32), 64)
    field = (np.linalg.norm(lattice.points(), axis=-1) - 0.3 - wrong).astype(np.float32)
    assert _beyond(field, lattice, silhouettes) == pytest.approx(wrong, abs=0.0012)
    assert _beyond(np.ones_like(field), lattice, silhouettes) == 0


@pytest.mark.parametrize(
    "settings",
    [
        {"resolution": 8},
        {"resolution": 9000},
        {"steps": (0, 1, 1)},
        {"steps": 5},
        {"rounds": 0},
        {"denoise": -1.0},
        {"denoise": "much"},
        {"input_view": 99},
        {"eikonall": 3.0},
        {"drop": "some"},
        {"flatten": 2.0},
        {"batch": 0},
        {"area": float("nan")},
        {"sharpness": (0.0, 0.2)},
        {"device": "abacus"},
    ],
)
def test_settings_out_of_range_are_refused(views: ViewSet, settings: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        reconstruct_mesh(views, method="sdf", **settings)


def test_views_that_cannot_be_fitted_are_refused_by_name(views: ViewSet) -> None:
    assert views.alphas is not None
    for spoiled, what in (
        (replace(views, alphas=np.zeros_like(views.alphas)), "No view shows an object"),
        (replace(views, alphas=np.ones_like(views.alphas)), "where the object ends"),
        (views.subset([0]), "one side"),
    ):
        with pytest.raises(DataError, match=what):
            reconstruct_mesh(spoiled, method="sdf")


def test_some_empty_views_are_left_out_and_named(views: ViewSet) -> None:
    assert views.alphas is not None
    alphas = views.alphas.copy()
    alphas[3] = 0
    result = reconstruct_mesh(replace(views, alphas=alphas), **QUICK)
    assert any("without foreground" in note and "3" in note for note in result.notes)
    assert result.figures["mask_iou"][3] is None
    assert off_by(result, box(0.3, 0.15, 0.2)) < 0.02


def test_views_that_contradict_each_other_wholly_give_a_surface_that_says_so() -> None:
    rng = np.random.default_rng(0)
    views = views_of(sphere(0.3), size=40, num_views=8)
    assert views.alphas is not None
    alphas = np.stack([np.roll(a, tuple(rng.integers(-9, 10, 2)), (0, 1)) for a in views.alphas])
    images = rng.random(views.images.shape).astype(np.float32)
    result = reconstruct_mesh(replace(views, images=images, alphas=alphas, depths=None), **QUICK)
    assert len(result.mesh.faces) > 50
    assert closed_after_merging(result.mesh.vertices, result.mesh.faces)
    assert any("disagree" in note for note in result.notes)


def turned_away(camera: Camera) -> Camera:
    pose = camera.world_from_camera.copy()
    pose[:3, :3] = pose[:3, :3] @ np.diag([-1.0, 1, -1])
    return replace(camera, world_from_camera=pose)


def test_a_camera_that_does_not_see_the_object_does_no_harm_and_all_are_refused(views: ViewSet) -> None:
    cameras = list(views.cameras)
    cameras[5] = turned_away(cameras[5])
    result = reconstruct_mesh(replace(views, cameras=tuple(cameras), orbit=None), input_view=0, **QUICK)
    assert off_by(result, box(0.3, 0.15, 0.2)) < 0.02
    assert result.figures["mask_iou"][5] == 0
    blind = replace(views, cameras=tuple(turned_away(c) for c in views.cameras))
    with pytest.raises(DataError, match="do not see the object"):
        reconstruct_mesh(blind, **QUICK)


def test_a_pose_that_is_no_number_and_views_of_two_sizes_never_get_this_far(views: ViewSet) -> None:
    pose = views.cameras[2].world_from_camera.copy()
    pose[0, 3] = np.nan
    with pytest.raises(DataError, match="finite"):
        replace(views.cameras[2], world_from_camera=pose)
    cameras = (*views.cameras[:-1], views.cameras[-1].resized(64, 64))
    with pytest.raises(DataError, match="do not agree"):
        replace(views, cameras=cameras)


def test_views_that_disagree_much_get_a_stiffer_surface(views: ViewSet) -> None:
    rng = np.random.default_rng(1)
    assert views.alphas is not None
    alphas = np.stack([np.roll(a, tuple(rng.integers(-4, 5, 2)), (0, 1)) for a in views.alphas])
    alphas[1::3, :, 34:] = 0
    settings = {**QUICK, "resolution": "auto", "steps": (10, 10, 10), "align": True}
    calm, torn = (reconstruct_mesh(replace(views, alphas=a), **settings) for a in (views.alphas, alphas))
    assert torn.figures["mean_mask_iou"] < 0.88
    assert torn.figures["lattice_step"] > 1.3 * calm.figures["lattice_step"]
