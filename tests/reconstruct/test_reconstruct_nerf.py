"""The radiance field: its parts by known answers, a whole fit on a shape known by formula."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from analytic_shapes import ellipsoid, view_of, views_of
from slow_radiance import slow_picture_row, slow_sample

from svdmv.core import Camera, ConfigError, DataError, InputError, ViewSet
from svdmv.geometry.field import Lattice
from svdmv.geometry.topology import closed_after_merging, signed_volumes
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.nerf import marked_pixels
from svdmv.reconstruct.nerf_field import RadianceField, SparseLevel
from svdmv.reconstruct.nerf_fit import moved_rays
from svdmv.reconstruct.nerf_render import Bundle, Volume, bundle_from_camera

QUICK = {"method": "nerf", "resolution": 32, "steps": 50, "rays": 256, "novel_views": 3, "device": "cpu"}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return views_of(ellipsoid(), size=40, num_views=10)


def block(shape: tuple[int, int, int] = (6, 5, 4)) -> np.ndarray:
    occupied = np.zeros(shape, bool)
    occupied[1:4, 1:4, 1:3] = True
    return occupied


@pytest.mark.parametrize("stride", [1, 2])
def test_a_level_interpolates_between_its_corners(stride: int) -> None:
    level = SparseLevel(block(), stride, 3, torch.Generator().manual_seed(1))
    places = torch.rand((50, 3), generator=torch.Generator().manual_seed(2)) * torch.tensor([3.0, 3, 2]) + 1
    expected = slow_sample(level, places)
    torch.testing.assert_close(level(places), expected, atol=1e-6, rtol=1e-5)


def test_gradients_of_a_level_are_those_of_the_plain_sum() -> None:
    level = SparseLevel(block(), 1, 2, torch.Generator().manual_seed(1)).double()
    places = (torch.rand((5, 3), generator=torch.Generator().manual_seed(3)) * 2 + 1.01).double().requires_grad_()
    weight = torch.rand((5, 2), generator=torch.Generator().manual_seed(4)).double()
    grads = torch.autograd.grad((level(places) * weight).sum(), [level.table, places])
    plain = torch.autograd.grad((slow_sample(level, places) * weight).sum(), [level.table, places])
    for one, other in zip(grads, plain, strict=True):
        torch.testing.assert_close(one, other)


def test_what_a_ray_sees_is_emission_and_absorption_one_sample_after_the_other() -> None:
    lattice = Lattice((-0.25, -0.2, -0.15), 0.1, (6, 5, 4))
    field = RadianceField(block(), lattice.step, seed=3, strides=(2, 1))
    volume = Volume(lattice, block(), torch.device("cpu"))
    camera = Camera.looking_at((0.3, 0.4, 1.5), (0, 0, 0), 30, 8, 6)
    rays = bundle_from_camera(camera, torch.device("cpu"))
    jitter = torch.linspace(0, 1, len(rays.origins))
    with torch.no_grad():
        shown = volume.render(field, rays, jitter)
        slow = [slow_picture_row(volume, field, rays, jitter, r) for r in range(len(rays.origins))]
    colors, alphas, distances, spreads = zip(*slow, strict=True)
    assert max(alphas) > 0.5
    np.testing.assert_allclose(shown.colors, np.stack(colors), atol=2e-5)
    np.testing.assert_allclose(shown.alphas, alphas, atol=2e-5)
    np.testing.assert_allclose(shown.distances, distances, atol=2e-5)
    np.testing.assert_allclose(shown.spread, spreads, atol=2e-5)


def test_what_lies_behind_something_opaque_is_not_sampled() -> None:
    lattice = Lattice((0.0, 0, 0), 1.0, (10, 1, 1))
    volume = Volume(lattice, np.ones((10, 1, 1), bool), torch.device("cpu"))
    ray = Bundle(torch.tensor([[-5.0, 0, 0]]), torch.tensor([[1.0, 0, 0]]), torch.ones(1))
    assert len(volume.samples(ray, torch.full((1,), 0.5))[1]) == 10
    volume.believed[:] = 0.0
    volume.believed[3:] = 4.0
    volume.cells = volume.believed > 0
    volume.trusted = True
    index, t, begins = volume.samples(ray, torch.full((1,), 0.5))
    np.testing.assert_allclose(t, [8, 9])  # exp(-8) of the light is left after two cells
    assert index.tolist() == [0, 0]
    assert begins.tolist() == [0, 2]


def test_small_motions_turn_and_shift_rays() -> None:
    ray = Bundle(torch.tensor([[0.0, 0, 2]]), torch.tensor([[0.0, 0, -1]]), torch.ones(1))
    moved = moved_rays(ray, torch.tensor([[0.0, 0.01, 0, 0.1, 0, 0]]))  # a turn about +Y takes +Z to +X
    np.testing.assert_allclose(moved.origins, [[0.12, 0, 2]], atol=1e-6)
    np.testing.assert_allclose(moved.directions, [[-0.01, 0, -1]], atol=1e-4)


def test_marked_pixels_are_those_that_can_see_the_hull(views: ViewSet) -> None:
    lattice = Lattice.around(np.full(3, -0.45), np.full(3, 0.45), 30)
    inside = ellipsoid()(lattice.points()) < lattice.step
    marked = marked_pixels(views, lattice, inside)
    assert views.alphas is not None
    assert marked[views.alphas > 0].all()
    assert marked.mean() < 2.5 * (views.alphas > 0).mean()


@pytest.fixture(scope="module")
def made(views: ViewSet) -> object:
    return reconstruct_mesh(views, **QUICK)


def test_a_fit_finds_the_shape_and_its_colours(views: ViewSet, made) -> None:
    assert closed_after_merging(made.mesh.vertices, made.mesh.faces)
    assert np.abs(ellipsoid()(made.mesh.vertices.astype(np.float64))).mean() < 0.02
    volume = signed_volumes(made.mesh.vertices, made.mesh.faces).sum()
    assert volume == pytest.approx(4 / 3 * np.pi * 0.4 * 0.25 * 0.3, rel=0.15)
    assert made.figures["fit_psnr_db"] > 15
    assert made.figures["mean_mask_iou"] > 0.8
    assert made.method == "nerf"


def test_novel_views_show_what_stands_there(made) -> None:
    assert made.renders is not None
    assert len(made.renders) == 3
    for i, camera in enumerate(made.renders.cameras):
        color, alpha, depth = view_of(ellipsoid(), camera, samples=2)
        ours = made.renders.rgba_u8()[i] / 255
        both = (alpha > 0.99) & (ours[..., 3] > 0.9)
        assert both.sum() > 0.85 * (alpha > 0.5).sum()
        assert np.abs(ours[..., :3] - color)[both].mean() < 0.12
        assert np.median(np.abs(made.renders.depths[i][both] - depth[both])) < 0.03
        assert (ours[..., 3][alpha == 0] < 0.5).mean() > 0.85  # so short a fit on cells of 1.5 pixels leaves a rim


def test_one_seed_one_result_also_when_stopped_and_continued(views: ViewSet, made, tmp_path: Path) -> None:
    state = tmp_path / "fit.safetensors"

    def stop(stage: str, done: int, total: int) -> None:
        assert (stage, total) == ("nerf", 50)
        if done == 37:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        reconstruct_mesh(views, **QUICK, state=state, report=stop)
    assert state.is_file()
    with pytest.raises(InputError, match="another fit"):
        reconstruct_mesh(views, **QUICK, state=state, seed=5)
    seen: list[int] = []
    again = reconstruct_mesh(views, **QUICK, state=state, report=lambda stage, done, total: seen.append(done))
    assert seen[0] == 38
    assert not state.exists()
    np.testing.assert_array_equal(again.mesh.vertices, made.mesh.vertices)
    np.testing.assert_array_equal(again.renders.images, made.renders.images)
    state.write_bytes(b"nothing of use")
    with pytest.raises(InputError, match="cannot be read"):
        reconstruct_mesh(views, **QUICK, state=state)


def test_gains_of_views_that_were_exposed_differently_are_found(views: ViewSet) -> None:
    gain = np.where(np.arange(len(views)) % 2, 0.7, 1.0).astype(np.float32)
    uneven = replace(views, images=views.images * gain[:, None, None, None])
    found = reconstruct_mesh(uneven, **{**QUICK, "novel_views": 0}, exposure=True)
    gains = np.array(found.figures["exposure_gains"]).mean(1)
    assert gains[1::2].max() < gains[::2].min()
    assert 0.6 < gains[1::2].mean() / gains[::2].mean() < 0.88  # on its way from 1 to 0.7 in so few steps
    assert found.renders is None


def test_moving_cameras_runs_and_stays_small(views: ViewSet) -> None:
    found = reconstruct_mesh(views, **{**QUICK, "steps": 15, "novel_views": 0}, move_cameras=True)
    assert 0 < found.figures["largest_motion"] < 0.02


@pytest.mark.parametrize("bad", [{"resolution": 8}, {"steps": 0}, {"rays": 1}, {"novel_views": -1}, {"device": "tpu"}])
def test_settings_out_of_range_are_refused(views: ViewSet, bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        reconstruct_mesh(views, **{**QUICK, **bad})


def test_views_without_an_object_are_refused(views: ViewSet) -> None:
    assert views.alphas is not None
    with pytest.raises(DataError, match="No view shows an object"):
        reconstruct_mesh(replace(views, alphas=np.zeros_like(views.alphas)), **QUICK)
