"""The compiled fit against torch's automatic differentiation, and against distances known by formula."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from analytic_shapes import ellipsoid, sphere, torus, views_of

from svdmv.geometry.field import Lattice, redistanced, resampled
from svdmv.reconstruct import _sdf_kernels as kernels
from svdmv.reconstruct.sdf_fit import FitSettings, FittedField, _Fitter, fit_field
from svdmv.reconstruct.sdf_rays import Rays, rays_from_views
from svdmv.reconstruct.sdf_torch import TorchAdam, TorchGrid

LATTICE = Lattice.around(np.array([-0.32, -0.3, -0.31]), np.array([0.3, 0.31, 0.32]), 22)


@pytest.fixture(scope="module")
def rays() -> Rays:
    views = views_of(sphere(0.29), size=24, num_views=6)
    assert views.depths is not None
    assert views.alphas is not None
    points = [c.unproject(np.argwhere(np.ones((24, 24)))[:, ::-1] + 0.5, d.ravel()) for c, d in zip(
        views.cameras, np.where(np.isfinite(views.depths), views.depths, 1), strict=True)]  # fmt: skip
    normals = np.stack([p.reshape(24, 24, 3) / 0.29 for p in points])
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    normals[~np.isfinite(views.depths)] = 0
    return rays_from_views(replace(views, normals=normals.astype(np.float32)), range(6), seed=0)


def bumpy(seed: int = 0) -> FittedField:
    rng = np.random.default_rng(seed)
    shape = LATTICE.shape
    phi = np.linalg.norm(LATTICE.points(), axis=-1) - 0.27 + 0.1 * LATTICE.step * rng.normal(size=shape)
    return FittedField(LATTICE, phi.astype(np.float32), rng.random((*shape, 3)).astype(np.float32))


@pytest.mark.parametrize("terms", [(4.0, 0.0, 0.0), (4.0, 0.3, 0.0), (1.0, 0.0, 0.5), (2.0, 0.4, 0.2)])
def test_loss_and_gradient_are_what_torch_finds(rays: Rays, terms: tuple[float, float, float]) -> None:
    field = bumpy()
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.3, 1, 6)
    chosen = rng.permutation(len(rays.view))[:600]
    s = 1 / (0.25 * LATTICE.step)
    rows = np.flatnonzero(np.abs(field.phi.reshape(-1)) < 6 * LATTICE.step)
    active = np.full(field.phi.size, -1, np.int32)
    active[rows] = np.arange(len(rows))
    gradient, loss = np.zeros((4, len(rows), 4), np.float32), np.zeros((4, 4))
    kernels.rays_kernel(
        field.phi.reshape(-1), field.colors.reshape(-1, 3), active, LATTICE.shape,
        (rays.eyes - np.array(LATTICE.low)) / LATTICE.step, LATTICE.step, rays.view, rays.direction, rays.target,
        rays.normal, rays.depth / np.float32(LATTICE.step), weights, chosen, s, terms, gradient, loss,
    )  # fmt: skip
    grid = TorchGrid(LATTICE, field.phi, field.colors, rays, weights, "cpu", torch.float64)
    slow_terms = grid.loss(torch.tensor(chosen), s, terms)
    np.testing.assert_allclose(loss.sum(0), slow_terms.detach().numpy(), rtol=2e-4, atol=1e-6)
    slow = TorchAdam(grid, rows).gradient(slow_terms, len(chosen), (0.0, 0.0, 0.0)).numpy()
    fast = gradient.sum(0)
    for channels in (slice(0, 1), slice(1, 4)):
        scale = np.abs(slow[:, channels]).max()
        assert scale > 0
        np.testing.assert_allclose(fast[:, channels], slow[:, channels], atol=2e-3 * scale)


def test_energies_are_what_torch_finds(rays: Rays) -> None:
    field = bumpy(3)
    rows = np.flatnonzero(np.abs(field.phi.reshape(-1)) < 3 * LATTICE.step)
    for weights in ((10.0, 0.0, 0.0), (0.0, 5.0, 0.0), (0.0, 0.0, 5.0)):
        out = np.zeros(len(rows), np.float32)
        kernels.regularise_kernel(
            field.phi.reshape(-1), rows, LATTICE.shape, LATTICE.step, weights, np.zeros(field.phi.size, np.float32), out
        )
        grid = TorchGrid(LATTICE, field.phi, field.colors, rays, np.ones(6), "cpu", torch.float64)
        chosen = torch.tensor(rows)
        slow = torch.autograd.grad(grid.energy(chosen, weights), grid.phi)[0][chosen] * grid.interior(chosen)
        np.testing.assert_allclose(out, slow.numpy(), atol=2e-4 * float(slow.abs().max()))


def test_a_segment_in_torch_ends_where_the_compiled_one_does(rays: Rays) -> None:
    settings = FitSettings(levels=((22, 20),), batch=400)
    ends = []
    for device in ("cpu", "torch"):
        now = bumpy(5)
        fitter = _Fitter(rays, now, settings, np.ones(6), "cpu", None)
        if device == "torch":
            shape = LATTICE.shape
            from svdmv.reconstruct.sdf_torch import run_segment

            phi = redistanced(now.phi, LATTICE.step)
            rows = np.flatnonzero(np.abs(phi.reshape(-1)) < 6 * LATTICE.step)
            grid = TorchGrid(LATTICE, phi, now.colors, rays, np.ones(6), "cpu")
            plan = fitter._plan(0, 0, 0, 20, 20, True)
            loss, flat, _ = run_segment(grid, rows, plan, fitter.terms, fitter.energies, settings.color_rate)
            ends.append((flat.reshape(shape), loss[:2]))
        else:
            loss = fitter.run(0, 0, 0, 20, 20, averaging=True)
            ends.append((now.phi, np.array(loss)))
    (fast, fast_loss), (slow, slow_loss) = ends
    near = np.abs(fast) < 2 * LATTICE.step
    assert np.abs(fast - bumpy(5).phi)[near].max() > 0.1 * LATTICE.step  # something happened
    assert np.sqrt(((fast - slow)[near] ** 2).mean()) < 0.02 * LATTICE.step
    np.testing.assert_allclose(fast_loss, slow_loss, rtol=0.02)


def test_distances_are_found_again_from_a_bent_field() -> None:
    lattice = Lattice.around(np.full(3, -0.4), np.full(3, 0.4), 41)
    true = torus(0.25, 0.1)(lattice.points())
    bent = (true * (1 + 5 * np.abs(true))).astype(np.float32)
    found = redistanced(bent, lattice.step)
    assert np.abs(found - true).max() < 0.6 * lattice.step
    assert ((found < 0) == (true < 0)).all()
    kept = redistanced(bent, lattice.step, reach=2 * lattice.step)
    far = np.abs(bent) > 2 * lattice.step
    np.testing.assert_array_equal(kept[far], bent[far])


def test_a_linear_field_comes_through_another_lattice() -> None:
    here, there = Lattice((0, 0, 0), 0.1, (8, 9, 10)), Lattice((0.13, 0.2, 0.05), 0.07, (7, 6, 5))
    values = (here.points() @ np.array([1.0, -2, 3]))[..., None].astype(np.float32)
    out = resampled(values, here, there)[..., 0]
    np.testing.assert_allclose(out, there.points() @ np.array([1.0, -2, 3]), atol=1e-5)


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    views = views_of(ellipsoid(0.35, 0.25, 0.3), size=32, num_views=9)
    rays = rays_from_views(views, range(9), seed=0)

    def fitted(seed: int) -> FittedField:
        return fit_field(
            rays, np.full(3, -0.37), np.full(3, 0.37),
            lambda lattice: sphere(0.37)(lattice.points()).astype(np.float32),
            FitSettings(levels=((20, 15), (26, 10)), batch=512, seed=seed),
        )  # fmt: skip

    first, second, other = fitted(0), fitted(0), fitted(1)
    np.testing.assert_array_equal(first.phi, second.phi)
    np.testing.assert_array_equal(first.colors, second.colors)
    assert (first.phi != other.phi).any()


def test_samples_that_hardly_show_hold_no_leftovers(rays: Rays) -> None:
    """Rays are judged alone: what one leaves in the work arrays must not reach the next."""
    field = bumpy(7)
    active = np.arange(field.phi.size, dtype=np.int32)

    def gradient_of(chosen: np.ndarray) -> np.ndarray:
        gradient, loss = np.zeros((1, field.phi.size, 4), np.float32), np.zeros((1, 4))
        kernels.rays_kernel(
            field.phi.reshape(-1), field.colors.reshape(-1, 3), active, LATTICE.shape,
            (rays.eyes - np.array(LATTICE.low)) / LATTICE.step, LATTICE.step, rays.view, rays.direction, rays.target,
            rays.normal, rays.depth / np.float32(LATTICE.step), np.ones(6), chosen, 400.0, (4.0, 0.3, 0.3), gradient,
            loss,
        )  # fmt: skip
        return gradient[0] * len(chosen)

    chosen = np.arange(0, len(rays.view), 7)
    together = gradient_of(chosen)
    alone = sum(gradient_of(chosen[k : k + 1]).astype(np.float64) for k in range(len(chosen)))
    np.testing.assert_allclose(together, alone, atol=1e-4 * np.abs(alone).max())
