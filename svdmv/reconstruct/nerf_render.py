"""Rays through a sparse radiance field: samples only where something is and something still shows, packed end to end.

Sums along rays are differences of one running sum in float64, so their order and with it their bits are fixed on every
device.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from svdmv.core import Camera
from svdmv.geometry.field import Lattice
from svdmv.reconstruct.nerf_field import RadianceField

LEAST_SHOWN = 5e-3  # of the light: samples behind that are not taken
LIT = 0.2  # of the light must reach a cell for what is found there to count
RAYS_AT_ONCE = 16384


@dataclass
class Bundle:
    """Rays: origins, unit directions (R, 3) in world units; lengths (R,): ray units a unit of depth along +Z."""

    origins: torch.Tensor
    directions: torch.Tensor
    lengths: torch.Tensor


@dataclass
class Shown:
    """What rays see: colors (R, 3) premultiplied, alphas (R,), distances (R,) premultiplied, spread (R,)."""

    colors: torch.Tensor
    alphas: torch.Tensor
    distances: torch.Tensor
    spread: torch.Tensor


class Volume:
    """Where samples are taken: a lattice of cells, those that may hold something, and how dense each is believed.

    Args:
        lattice: its points are the centres of the cells.
        occupied: (nx, ny, nz) bool.
    """

    def __init__(self, lattice: Lattice, occupied: np.ndarray, device: torch.device) -> None:
        self.lattice = lattice
        self.step = lattice.step
        self.low = torch.tensor(lattice.low, dtype=torch.float32, device=device) - lattice.step / 2
        self.shape = torch.tensor(occupied.shape, device=device)
        self.cells = torch.from_numpy(np.ascontiguousarray(occupied)).to(device).reshape(-1)
        self.believed = torch.where(self.cells, 1.0, 0.0)  # density per unit length
        self.where = torch.nonzero(self.cells)[:, 0]
        self.lit = torch.zeros_like(self.cells)  # cells that light was seen to reach since this was last cleared
        self.trusted = False  # until the field was asked, no sample is left out for what stands before it

    def places(self, points: torch.Tensor) -> torch.Tensor:
        """World points in units of cells, 0 at the low corner of the first cell."""
        return (points - self.low) / self.step

    def centres(self, cells: torch.Tensor) -> torch.Tensor:
        """(M, 3) middles of cells given by flat index, in units of cells."""
        ny, nz = int(self.shape[1]), int(self.shape[2])
        return torch.stack([cells // (ny * nz), cells // nz % ny, cells % nz], 1).float() + 0.5

    @torch.no_grad()
    def believe(self, field: RadianceField, *, forget: float = 0.7, least: float = 0.01) -> None:
        """Ask the field at every cell; cells of less than `least` absorption a step are passed over from now on."""
        found = torch.cat(
            [field.density(field.trunk_values(self.centres(c))) for c in torch.split(self.where, 1 << 17)]
        )
        self.believed[self.where] = torch.maximum(forget * self.believed[self.where], found)
        self.cells = self.believed * self.step > least
        self.trusted = True

    @torch.no_grad()
    def samples(
        self, rays: Bundle, jitter: torch.Tensor, stride: float = 1.0
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Ray index (S,), distance (S,) of every sample, and (R + 1,) where each ray's samples begin."""
        step = self.step * stride
        t, flat = self._march(rays, jitter, step)
        inside = flat >= 0
        flat = flat.clamp(min=0)
        keep = inside & self.cells[flat]
        if self.trusted:
            thickness = torch.where(keep, self.believed[flat] * step, torch.zeros_like(t))
            before = torch.cumsum(thickness, 1) - thickness
            keep &= before < -np.log(LEAST_SHOWN)
            self.lit[flat[keep & (before < -np.log(LIT))]] = True
        index, column = torch.nonzero(keep, as_tuple=True)
        begins = torch.zeros(len(t) + 1, dtype=torch.long, device=t.device)
        begins[1:] = torch.cumsum(keep.sum(1), 0)
        return index, t[index, column], begins

    def render(
        self, field: RadianceField, rays: Bundle, jitter: torch.Tensor, *, stride: float = 1.0, colors: bool = True
    ) -> Shown:
        """What the rays see of the field, emission and absorption (N. Max, 1995)."""
        index, t, begins = self.samples(rays, jitter, stride)
        directions = rays.directions[index]
        places = self.places(rays.origins[index] + t[:, None] * directions)
        if colors:
            density, shade = field(places, directions)
        else:
            density = field.density(field.trunk_values(places))
            shade = density.new_zeros((len(density), 3))
        thickness = density * (self.step * stride)
        running = torch.cumsum(thickness.double(), 0)
        running = torch.cat([running.new_zeros(1), running])
        before = (running[:-1] - running[begins[index]]).float()
        weights = torch.exp(-before) * -torch.expm1(-thickness)
        columns = torch.cat([weights[:, None] * shade, weights[:, None], (weights * t)[:, None]], 1)
        sums = torch.cat([columns.new_zeros((1, 5), dtype=torch.float64), torch.cumsum(columns.double(), 0)])
        ray_sums = (sums[begins[1:]] - sums[begins[:-1]]).float()
        spread = self._spread(weights, t, begins, index)
        return Shown(ray_sums[:, :3], ray_sums[:, 3], ray_sums[:, 4], spread)

    def _spread(
        self, weights: torch.Tensor, t: torch.Tensor, begins: torch.Tensor, index: torch.Tensor
    ) -> torch.Tensor:
        """(R,) sum over pairs of samples of w_i w_j |t_i - t_j|, world units (Barron et al., Mip-NeRF 360, eq. 15)."""
        pair = torch.stack([weights, weights * t], 1).double()
        running = torch.cat([pair.new_zeros((1, 2)), torch.cumsum(pair, 0)])
        before = running[:-1] - running[begins[index]]
        each = 2 * pair[:, 0] * (t.double() * before[:, 0] - before[:, 1]) + pair[:, 0] ** 2 * self.step / 3
        total = torch.cat([each.new_zeros(1), torch.cumsum(each, 0)])
        return (total[begins[1:]] - total[begins[:-1]]).float()

    def _span(self, rays: Bundle) -> tuple[torch.Tensor, torch.Tensor]:
        """Distances (R,) at which each ray enters and leaves the box; a ray that misses it leaves before it enters."""
        high = self.low + self.shape * self.step
        safe = torch.where(rays.directions.abs() < 1e-9, torch.full_like(rays.directions, 1e-9), rays.directions)
        one, other = (self.low - rays.origins) / safe, (high - rays.origins) / safe
        return torch.minimum(one, other).amax(1).clamp(min=0), torch.maximum(one, other).amin(1)

    def _march(self, rays: Bundle, jitter: torch.Tensor, step: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Distances (R, T) at even steps from where each ray enters the box, and the flat cell there, -1 outside."""
        near, far = self._span(rays)
        count = int(((far - near).amax().clamp(min=0) / step).ceil()) + 1
        t = near[:, None] + (torch.arange(count, device=near.device) + jitter[:, None]) * step
        points = rays.origins[:, None] + t[..., None] * rays.directions[:, None]
        cells = self.places(points).floor().long()
        inside = (t < far[:, None]) & ((cells >= 0) & (cells < self.shape)).all(-1)
        flat = (cells[..., 0] * self.shape[1] + cells[..., 1]) * self.shape[2] + cells[..., 2]
        return t, torch.where(inside, flat, torch.full_like(flat, -1))

    @torch.no_grad()
    def picture(self, field: RadianceField, camera: Camera) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Straight sRGB (H, W, 3) and alpha (H, W) float32 in [0, 1]; depth along +Z (H, W), inf where alpha < 0.5."""
        rays = bundle_from_camera(camera, self.low.device)
        near, far = self._span(rays)
        hit = torch.nonzero(near < far)[:, 0]
        values = torch.zeros((len(near), 5), device=near.device)
        for chunk in torch.split(hit, RAYS_AT_ONCE):
            some = Bundle(rays.origins[chunk], rays.directions[chunk], rays.lengths[chunk])
            shown = self.render(field, some, torch.full((len(chunk),), 0.5, device=near.device), stride=0.5)
            values[chunk] = torch.cat([shown.colors, shown.alphas[:, None], shown.distances[:, None]], 1)
        colors, alphas, distances = values[:, :3], values[:, 3], values[:, 4]
        solid = alphas.clamp(min=1e-4)
        depth = torch.where(alphas >= 0.5, distances / solid / rays.lengths, torch.full_like(alphas, torch.inf))
        shape = (camera.height, camera.width)
        straight = (colors / solid[:, None]).clamp(0, 1)
        straight = torch.where(alphas[:, None] > 1e-4, straight, torch.ones_like(straight))
        return (
            straight.reshape(*shape, 3).cpu().numpy(),
            alphas.clamp(0, 1).reshape(shape).cpu().numpy(),
            depth.reshape(shape).cpu().numpy(),
        )


def bundle_from_camera(camera: Camera, device: torch.device) -> Bundle:
    """The rays through all pixel centres, row by row."""
    v, u = np.meshgrid(np.arange(camera.height) + 0.5, np.arange(camera.width) + 0.5, indexing="ij")
    local = np.stack([u.ravel(), v.ravel(), np.ones(u.size)], 1) @ np.linalg.inv(camera.K).T
    lengths = np.linalg.norm(local, axis=1)
    directions = (local / lengths[:, None]) @ camera.world_from_camera[:3, :3].T
    origins = np.broadcast_to(camera.position, directions.shape)
    made = [torch.from_numpy(np.ascontiguousarray(a, np.float32)).to(device) for a in (origins, directions, lengths)]
    return Bundle(*made)
