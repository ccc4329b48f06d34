"""Slow twins of the sparse radiance field: one corner, one sample after the other."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch

from svdmv.reconstruct.nerf_field import RadianceField, SparseLevel
from svdmv.reconstruct.nerf_render import Bundle, Volume


def slow_sample(level: SparseLevel, places: torch.Tensor) -> torch.Tensor:
    """(S, F): trilinear interpolation of the level's table; corners without features count as slot 0."""
    rows = []
    for place in places / level.stride:
        first = [min(max(math.floor(float(v.detach())), 0), n - 2) for v, n in zip(place, level.shape, strict=True)]
        total = torch.zeros(level.table.shape[1], dtype=level.table.dtype)
        for corner in itertools.product((0, 1), repeat=3):
            weight = torch.ones((), dtype=place.dtype)
            for axis in range(3):
                share = (place[axis] - first[axis]).clamp(0, 1)
                weight = weight * (share if corner[axis] else 1 - share)
            at = [a + b for a, b in zip(first, corner, strict=True)]
            slot = level.slots.reshape(level.shape)[tuple(at)]
            total = total + weight * level.table[slot]
        rows.append(total)
    return torch.stack(rows)


def slow_picture_row(
    volume: Volume, field: RadianceField, rays: Bundle, jitter: torch.Tensor, r: int
) -> tuple[np.ndarray, float, float, float]:
    """Colour, alpha, mean distance (premultiplied) and spread of ray r, by the definition of each sum."""
    origin, direction = rays.origins[r].numpy().astype(np.float64), rays.directions[r].numpy().astype(np.float64)
    low = volume.low.numpy().astype(np.float64)
    size = volume.shape.numpy() * volume.step
    one, other = (low - origin) / direction, (low + size - origin) / direction
    near, far = max(np.minimum(one, other).max(), 0.0), np.maximum(one, other).min()
    light, samples, k = 1.0, [], 0
    cells = volume.cells.numpy().reshape(volume.shape.tolist())
    while True:
        t = near + (k + float(jitter[r])) * volume.step
        k += 1
        if t >= far:
            break
        place = (origin + t * direction - low) / volume.step
        cell = np.floor(place).astype(int)
        if (cell < 0).any() or (cell >= cells.shape).any() or not cells[tuple(cell)]:
            continue
        at = torch.tensor(place[None], dtype=torch.float32)
        density, color = field(at, torch.tensor(direction[None], dtype=torch.float32))
        absorbed = 1 - math.exp(-float(density) * volume.step)
        samples.append((light * absorbed, t, color[0].numpy()))
        light *= 1 - absorbed
    shade = sum((w * c for w, _, c in samples), np.zeros(3))
    spread = sum(w1 * w2 * abs(t1 - t2) for w1, t1, _ in samples for w2, t2, _ in samples)
    spread += sum(w * w for w, _, _ in samples) * volume.step / 3
    return shade, sum(w for w, _, _ in samples), sum(w * t for w, t, _ in samples), spread
