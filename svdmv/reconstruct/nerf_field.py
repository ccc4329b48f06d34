"""A radiance field on a sparse pyramid of lattices: features only where the hull is, a small network on their sum.

On a CPU this is the cheapest of the grid encodings: every level costs eight look-ups in a table without collisions,
as many as a hash grid's level, and a level of the pyramid is worth several hashed ones; empty space costs nothing.

Sources: T. Mueller et al., Instant Neural Graphics Primitives, SIGGRAPH 2022 (features on lattices, a small network);
C. Sun et al., Direct Voxel Grid Optimization, CVPR 2022 (a lattice that knows where space is empty).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

LEVEL_STRIDES = (16, 8, 4, 2, 1)
FEATURES = 4
HIDDEN = 32
DIRECTION_TERMS = 8
FIRST_DENSITY = 50.0  # per unit length: the hull begins as a fog that can be seen a little way into
VIEW_SHARE = 0.25  # scale of what the direction of view may change: sides that no view shows keep their colour


class SparseLevel(nn.Module):
    """Features at the corners of those cells of one level that hold something."""

    slots: torch.Tensor
    strides: torch.Tensor
    highest: torch.Tensor
    corner_offsets: torch.Tensor

    def __init__(self, occupied: NDArray[np.bool_], stride: int, features: int, generator: torch.Generator) -> None:
        super().__init__()
        from scipy.ndimage import binary_dilation

        shape = tuple(-(-n // stride) for n in occupied.shape)
        padded = np.zeros([n * stride for n in shape], bool)
        padded[tuple(slice(n) for n in occupied.shape)] = occupied
        cells = padded.reshape(shape[0], stride, shape[1], stride, shape[2], stride).any((1, 3, 5))
        corners = np.zeros([n + 1 for n in shape], bool)
        corners[:-1, :-1, :-1] = cells
        corners = binary_dilation(corners, np.ones((2, 2, 2), bool), origin=-1)
        slots = np.zeros(corners.shape, np.int64)
        slots[corners] = 1 + np.arange(int(corners.sum()))
        self.stride = stride
        self.shape = corners.shape
        self.register_buffer("slots", torch.from_numpy(slots.reshape(-1)), persistent=False)
        strides = (corners.shape[1] * corners.shape[2], corners.shape[2], 1)
        offsets = [a * strides[0] + b * strides[1] + c for a in (0, 1) for b in (0, 1) for c in (0, 1)]
        self.register_buffer("corner_offsets", torch.tensor(offsets), persistent=False)
        self.register_buffer("strides", torch.tensor(strides), persistent=False)
        self.register_buffer("highest", torch.tensor([n - 2 for n in corners.shape]), persistent=False)
        start = torch.rand((int(corners.sum()) + 1, features), generator=generator) * 2e-2 - 1e-2
        self.table = nn.Parameter(start)

    def forward(self, places: torch.Tensor) -> torch.Tensor:
        """(S, features) at (S, 3) places in cells of the finest level."""
        scaled = places / self.stride
        first = torch.minimum(scaled.detach().floor().long().clamp_(min=0), self.highest)
        f = (scaled - first).clamp(0, 1)
        g = 1 - f
        xy = torch.stack([g[:, 0] * g[:, 1], g[:, 0] * f[:, 1], f[:, 0] * g[:, 1], f[:, 0] * f[:, 1]], 1)
        weights = torch.stack([xy * g[:, 2:], xy * f[:, 2:]], 2).reshape(-1, 8)
        slots = self.slots[(first * self.strides).sum(1)[:, None] + self.corner_offsets]
        mixed: torch.Tensor = _Mixture.apply(self.table, slots, weights)  # type: ignore[no-untyped-call]
        return mixed


class _Mixture(torch.autograd.Function):
    """embedding_bag whose gradient is added up in order, without the sort that torch's own spends its time on."""

    @staticmethod
    def forward(ctx: Any, table: torch.Tensor, slots: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(table, slots, weights)
        return nn.functional.embedding_bag(slots, table, mode="sum", per_sample_weights=weights)

    @staticmethod
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor, None, torch.Tensor | None]:
        table, slots, weights = ctx.saved_tensors
        spread = (weights[..., None] * grad[:, None, :]).reshape(-1, grad.shape[1])
        to_table = torch.zeros_like(table).index_add_(0, slots.reshape(-1), spread)
        to_weights = (table[slots] * grad[:, None, :]).sum(-1) if ctx.needs_input_grad[2] else None
        return to_table, None, to_weights


class RadianceField(nn.Module):
    """Density and colour at places of a lattice.

    Args:
        occupied: (nx, ny, nz) bool: the cells of the finest level where something may be.
        cell: side of such a cell, world units.
        seed: of the first values.
        strides: cells of each level in cells of the finest.
    """

    def __init__(
        self, occupied: NDArray[np.bool_], cell: float, seed: int, strides: Sequence[int] = LEVEL_STRIDES
    ) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.cell = cell
        self.levels = nn.ModuleList(SparseLevel(occupied, s, FEATURES, generator) for s in strides)
        width = FEATURES * len(strides)
        self.trunk = nn.Sequential(nn.Linear(width, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN // 2))
        self.color = nn.Sequential(
            nn.Linear(HIDDEN // 2 - 1 + DIRECTION_TERMS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 3)
        )
        for layer in self.modules():
            if isinstance(layer, nn.Linear):
                bound = (6 / layer.in_features) ** 0.5
                with torch.no_grad():
                    layer.weight.copy_((torch.rand(layer.weight.shape, generator=generator) * 2 - 1) * bound)
                    layer.bias.zero_()
        self.shift = float(np.log(FIRST_DENSITY))

    def trunk_values(self, places: torch.Tensor) -> torch.Tensor:
        """(S, 16): raw density, and what the colour depends on."""
        values: torch.Tensor = self.trunk(torch.cat([level(places) for level in self.levels], 1))
        return values

    def density(self, values: torch.Tensor) -> torch.Tensor:
        """(S,) per world unit of length; grows by exp, kept finite."""
        return torch.exp((values[:, 0] + self.shift).clamp(max=9.0))

    def forward(self, places: torch.Tensor, directions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Density (S,) per world unit and sRGB colour (S, 3) at places (S, 3), seen along unit directions (S, 3)."""
        values = self.trunk_values(places)
        colors = torch.sigmoid(self.color(torch.cat([values[:, 1:], VIEW_SHARE * _harmonics(directions)], 1)))
        return self.density(values), colors


def _harmonics(d: torch.Tensor) -> torch.Tensor:
    """(S, 8): the real spherical harmonics of degree 1 and 2, up to constants."""
    x, y, z = d.unbind(1)
    return torch.stack([x, y, z, x * y, y * z, z * x, x * x - y * y, 3 * z * z - 1], 1)
