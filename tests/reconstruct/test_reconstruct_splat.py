"""Splats: the fit with a stand-in for gsplat's rasteriser; what is said where there is no CUDA."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from analytic_shapes import sphere, views_of
from slow_splats import rasterization

from svdmv.core import ConfigError, DeviceError, ViewSet
from svdmv.io.splats import splat_ply, splats_from_ply
from svdmv.reconstruct import reconstruct_mesh
from svdmv.reconstruct.splat import fitted_splats


@pytest.fixture(scope="module")
def views() -> ViewSet:
    return views_of(sphere(0.4), size=20, num_views=6)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_without_cuda_another_method_is_named(views: ViewSet) -> None:
    with pytest.raises(DeviceError) as caught:
        reconstruct_mesh(views, method="splat")
    assert "--method nerf" in str(caught.value.next_step)
    with pytest.raises(ConfigError):
        reconstruct_mesh(views, method="splat", steps=0)


def test_a_fit_shows_the_object_and_survives_the_file(views: ViewSet) -> None:
    hull = reconstruct_mesh(views, method="hull", resolution=24)

    def fit(steps: int) -> tuple:
        return fitted_splats(hull.views, hull.mesh, rasterization, torch.device("cpu"), steps=steps, count=300, seed=1)

    def error(splats) -> float:
        total = 0.0
        for i, camera in enumerate(views.cameras):
            arrays = [torch.from_numpy(a) for a in (splats.means, splats.rotations, splats.scales, splats.opacities)]
            pose, lens = (torch.tensor(m[None], dtype=torch.float32) for m in (camera.camera_from_world, camera.K))
            harmonics = torch.from_numpy(splats.harmonics)
            drawn, _, _ = rasterization(*arrays, harmonics, pose, lens, 20, 20, sh_degree=0, render_mode="RGB+ED")
            wanted = views.images[i] * views.alphas[i][..., None]
            total += float(np.abs(drawn[0, ..., :3].numpy() - wanted).mean())
        return total / len(views)

    before, _ = fit(1)
    after, depths = fit(40)
    again, _ = fit(40)
    assert error(after) < 0.75 * error(before)
    np.testing.assert_array_equal(after.means, again.means)
    assert error(splats_from_ply(splat_ply(after))) == pytest.approx(error(after), abs=1e-5)
    seen = np.isfinite(depths) & np.isfinite(views.depths) & (views.alphas > 0.99)
    assert seen.sum() > 0.8 * (views.alphas > 0.99).sum()
    assert np.median(np.abs(depths[seen] - views.depths[seen])) < 0.08
