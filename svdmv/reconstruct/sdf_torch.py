"""The signed-distance fit in torch: the same sums as the compiled loops, gradients by automatic differentiation.

Serves CUDA and MPS; on the CPU it is the slow definition that the compiled loops are compared to.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from svdmv.geometry.field import Lattice
from svdmv.reconstruct.sdf_rays import Rays

Tensor = torch.Tensor
MAX_SAMPLES, LAST_LIGHT, LEAST_WEIGHT, TINY, CHARBONNIER, SOLID = 96, 2e-3, 1e-5, 1e-7, 1e-3, 0.95
CORNERS = [(q >> 2, (q >> 1) & 1, q & 1) for q in range(8)]


class TorchGrid:
    """A lattice's field and colours on a device, and what a batch of rays and the energies say about them.

    Args:
        phi: (nx, ny, nz) float32, world units. colors: (nx, ny, nz, 3) float32.
        device: of torch. dtype: float64 for comparisons.
    """

    def __init__(
        self,
        lattice: Lattice,
        phi: NDArray[np.float32],
        colors: NDArray[np.float32],
        rays: Rays,
        view_weights: NDArray[np.floating],
        device: str,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.shape, self.h = lattice.shape, lattice.step

        def tensor(array: Any) -> Tensor:
            return torch.tensor(np.asarray(array), device=device, dtype=dtype)

        self.phi = tensor(phi).reshape(-1).requires_grad_()
        self.colors = tensor(colors).reshape(-1, 3).requires_grad_()
        self.eyes = tensor((rays.eyes - np.array(lattice.low)) / lattice.step)
        self.view = torch.tensor(rays.view, device=device, dtype=torch.int64)
        self.direction, self.target, self.normal = tensor(rays.direction), tensor(rays.target), tensor(rays.normal)
        self.depth, self.view_weights = tensor(rays.depth / lattice.step), tensor(view_weights)

    def _cell(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """First voxel of the cells (...,) and the fractions (..., 3)."""
        last = torch.tensor([n - 1.001 for n in self.shape], device=places.device, dtype=places.dtype)
        clamped = torch.minimum(places.clamp(min=0), last)
        low = clamped.floor()
        i, j, k = low.long().unbind(-1)
        return (i * self.shape[1] + j) * self.shape[2] + k, clamped - low

    def _gathered(self, values: Tensor, base: Tensor, part: Tensor) -> Tensor:
        """Trilinear values at cells; `values` (V,) or (V, C)."""
        total: Tensor = torch.zeros((), device=values.device, dtype=values.dtype)
        for x, y, z in CORNERS:
            weight = torch.ones_like(part[..., 0])
            for axis, corner in enumerate((x, y, z)):
                weight = weight * (part[..., axis] if corner else 1 - part[..., axis])
            corner_values = values[base + (x * self.shape[1] + y) * self.shape[2] + z]
            total = total + (weight if values.ndim == 1 else weight[..., None]) * corner_values
        return total

    def _slope(self, base: Tensor, part: Tensor) -> Tensor:
        """(..., 3) gradient of the trilinear field in a cell, per world unit."""
        parts = []
        for axis in range(3):
            total: Tensor = torch.zeros((), device=self.phi.device, dtype=self.phi.dtype)
            for corner in CORNERS:
                weight = torch.ones_like(part[..., 0])
                for other in range(3):
                    if other != axis:
                        weight = weight * (part[..., other] if corner[other] else 1 - part[..., other])
                x, y, z = corner
                at = base + (x * self.shape[1] + y) * self.shape[2] + z
                total = total + (2 * corner[axis] - 1) * weight * self.phi[at]
            parts.append(total / self.h)
        return torch.stack(parts, -1)

    @torch.no_grad()
    def _march(self, origin: Tensor, direction: Tensor, s: float) -> tuple[Tensor, Tensor]:
        """Ray parameters (B, MAX_SAMPLES) of the samples and their number (B,)."""
        batch, near = len(origin), 5.0 / s
        steep = torch.where(direction.abs() < 1e-9, torch.full_like(direction, 1e-9), direction)
        last = torch.tensor([n - 1.01 for n in self.shape], device=origin.device, dtype=origin.dtype)
        one, two = (0.01 - origin) / steep, (last - origin) / steep
        t = torch.minimum(one, two).amax(1).clamp(min=0)
        end = torch.maximum(one, two).amin(1).clamp(max=1e9)
        kept = torch.zeros(batch, MAX_SAMPLES + 1, device=origin.device, dtype=origin.dtype)
        n = torch.zeros(batch, dtype=torch.int64, device=origin.device)
        light, before = torch.ones_like(t), torch.zeros_like(t)
        alive = t < end
        while bool(alive.any()):
            base, part = self._cell(origin + t[:, None] * direction)
            f = self._gathered(self.phi, base, part)
            close = alive & ~(f > near + self.h)
            p = torch.sigmoid(s * f)
            kept[torch.arange(batch, device=n.device), torch.where(close, n, MAX_SAMPLES)] = t
            passed = ((p + TINY) / (before + TINY)).clamp(max=1)
            light = torch.where(close & (n > 0), light * passed, light)
            before = torch.where(close, p, before)
            n = n + close
            away = ((f - near) / self.h * 0.9).clamp(min=0.5)
            t = t + torch.where(close, (0.4 * f.abs() / self.h).clamp(0.45, 2.0), away)
            alive = alive & (t < end) & (n < MAX_SAMPLES) & ~(close & (light < LAST_LIGHT))
        return kept[:, :MAX_SAMPLES], n

    def loss(self, chosen: Tensor, s: float, terms: tuple[float, float, float]) -> Tensor:
        """(4,) sums over the rays of colour, mask, normal and depth terms; weights of the last three in `terms`."""
        mask_weight, normal_weight, depth_weight = terms
        view, direction, target = self.view[chosen], self.direction[chosen], self.target[chosen]
        origin, cover, share = self.eyes[view], target[:, 3], self.view_weights[view]
        t, n = self._march(origin, direction, s)
        width = max(2, int(n.max()))
        t = t[:, :width]
        base, part = self._cell(origin[:, None] + t[..., None] * direction[:, None])
        f = self._gathered(self.phi, base, part)
        p = torch.sigmoid(s * f)
        valid = torch.arange(width - 1, device=n.device)[None] < (n[:, None] - 1)
        alpha = (1 - (p[:, 1:] + TINY) / (p[:, :-1] + TINY)).clamp(min=0) * valid
        with torch.no_grad():
            light = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha], 1), 1)[:, :-1]
            shown = alpha * light > LEAST_WEIGHT
            crossing = (f[:, :-1] / (f[:, :-1] - f[:, 1:])).nan_to_num(0.0, 0.0, 0.0).clamp(0, 1)
            middle = t[:, :-1] + crossing * (t[:, 1:] - t[:, :-1])
        alpha = torch.where(shown, alpha, alpha.detach())
        light = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha], 1), 1)[:, :-1]
        weight = alpha * light * shown
        base, part = self._cell(origin[:, None] + middle[..., None] * direction[:, None])
        color = (weight[..., None] * self._gathered(self.colors, base, part)).sum(1)
        off = torch.sqrt((color - target[:, :3] * cover[:, None]) ** 2 + CHARBONNIER).sum(1)
        terms_out = [(share * off).sum(), (share * mask_weight * (weight.sum(1) - cover) ** 2).sum()]
        zero = torch.zeros((), device=cover.device, dtype=cover.dtype)
        terms_out += [zero, zero]
        if normal_weight > 0:
            known = (cover > SOLID) & ((self.normal[chosen] ** 2).sum(1) > 0.25)
            normal = (weight[..., None] * self._slope(base, part)).sum(1)
            far = ((normal - self.normal[chosen]) ** 2).sum(1)
            terms_out[2] = (share * normal_weight * far * known).sum()
        if depth_weight > 0:
            depth = self.depth[chosen]
            base, part = self._cell(origin + depth[:, None] * direction)
            steps = self._gathered(self.phi, base, part) / self.h
            known = (cover > SOLID) & (depth > 0)
            terms_out[3] = (share * depth_weight * (torch.sqrt(steps**2 + 1) - 1) * known).sum()
        return torch.stack(terms_out)

    def energy(self, rows: Tensor, weights: tuple[float, float, float]) -> Tensor:
        """Eikonal, area and thin-plate energies, so scaled that their gradient at `rows` is the compiled one."""
        eikonal, area, plate = weights
        phi = self.phi.reshape(self.shape)
        inner = phi[1:-1, 1:-1, 1:-1]
        ends = [
            (phi[2:, 1:-1, 1:-1], phi[:-2, 1:-1, 1:-1]),
            (phi[1:-1, 2:, 1:-1], phi[1:-1, :-2, 1:-1]),
            (phi[1:-1, 1:-1, 2:], phi[1:-1, 1:-1, :-2]),
        ]
        slope = torch.stack([(a - b) / (2 * self.h) for a, b in ends])
        length = torch.sqrt((slope**2).sum(0) + 1e-20) + 1e-6
        bend = (sum(a + b for a, b in ends) - 6 * inner) / self.h
        chosen = torch.zeros_like(self.phi)
        chosen[rows] = 1
        bend = bend * chosen.reshape(self.shape)[1:-1, 1:-1, 1:-1]
        edges = sum((phi.diff(dim=axis) ** 2).sum() for axis in range(3)) / (2 * self.h)
        total = eikonal * self.h * ((length - 1) ** 2).sum() + area * edges + plate * self.h * (bend**2).sum() / 2
        return total / len(rows)

    def interior(self, rows: Tensor) -> Tensor:
        """(A,) bool: rows at least two voxels from the lattice's border; the energies move no others."""
        nx, ny, nz = self.shape
        i, j, k = rows // (ny * nz), rows // nz % ny, rows % nz
        inside: Tensor = (i >= 2) & (i < nx - 2) & (j >= 2) & (j < ny - 2) & (k >= 2) & (k < nz - 2)
        return inside


class TorchAdam:
    """Adam on some voxels of a grid, as the compiled step does it."""

    def __init__(self, grid: TorchGrid, rows: NDArray[np.int64]) -> None:
        self.grid = grid
        self.rows = torch.tensor(rows, device=grid.phi.device)
        self.inner = grid.interior(self.rows)
        like = {"device": grid.phi.device, "dtype": grid.phi.dtype}
        self.moments = torch.zeros(2, len(rows), 4, **like)  # type: ignore[call-overload]  # device and dtype
        self.count = 0

    def gradient(self, terms: Tensor, batch: int, energies: tuple[float, float, float]) -> Tensor:
        """(A, 4) gradient of the mean over the batch and of the energies, at the rows."""
        grid = self.grid
        phi, colors = torch.autograd.grad(terms.sum() / batch, (grid.phi, grid.colors), allow_unused=True)
        smooth = torch.autograd.grad(grid.energy(self.rows, energies), grid.phi)[0][self.rows]
        phi = torch.zeros_like(grid.phi) if phi is None else phi
        colors = torch.zeros_like(grid.colors) if colors is None else colors
        return torch.cat([(phi[self.rows] + smooth * self.inner)[:, None], colors[self.rows]], 1)

    @torch.no_grad()
    def step(self, gradient: Tensor, rate: float, color_rate: float) -> None:
        """Move field and colours at the rows against the gradient (A, 4)."""
        self.count += 1
        self.moments[0].mul_(0.9).add_(gradient, alpha=0.1)
        self.moments[1].mul_(0.99).add_(gradient**2, alpha=0.01)
        root = torch.sqrt(self.moments[1] / (1 - 0.99**self.count))
        d = self.moments[0] / (1 - 0.9**self.count)
        self.grid.phi[self.rows] -= rate * d[:, 0] / (root[:, 0] + 3e-7)
        moved = self.grid.colors[self.rows] - color_rate * d[:, 1:] / (root[:, 1:] + 1e-9)
        held = gradient[:, 1:] == 0
        self.grid.colors[self.rows] = torch.where(held, self.grid.colors[self.rows], moved.clamp(0, 1))


def run_segment(
    grid: TorchGrid,
    rows: NDArray[np.int64],
    batches: Iterable[tuple[NDArray[np.int64], float, float, bool]],
    terms: tuple[float, float, float],
    energies: tuple[float, float, float],
    color_rate: float,
) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
    """Steps of one segment. batches: rays, sharpness s, rate of the field, and whether the step counts in the mean.

    Returns:
        (4,) mean terms of the last batch; phi (V,), the mean over the steps that count, where any does; colors (V, 3).
    """
    adam = TorchAdam(grid, rows)
    mean, counted = torch.zeros(len(rows), device=grid.phi.device, dtype=grid.phi.dtype), 0
    last = np.zeros(4)
    for chosen, s, rate, counts in batches:
        terms_now = grid.loss(torch.tensor(chosen, device=grid.view.device), s, terms)
        adam.step(adam.gradient(terms_now, len(chosen), energies), rate, color_rate)
        last = terms_now.detach().cpu().numpy().astype(np.float64) / len(chosen)
        if counts:
            mean += grid.phi.detach()[adam.rows]
            counted += 1
    phi = grid.phi.detach().clone()
    if counted:
        phi[adam.rows] = mean / counted
    return last, phi.cpu().numpy().astype(np.float32), grid.colors.detach().cpu().numpy().astype(np.float32)
