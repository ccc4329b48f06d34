"""Batches out of an orbit store: latents made once in several variants, each clip begun at a random view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from svdmv.dataset.orbits import OrbitStore, pixels_from_rgba
from svdmv.diffusion.model import SvdMv
from svdmv.train.loss import Batch


@dataclass(frozen=True)
class LatentOrbits:
    """Encoded orbits in several variants (mirrored, colour channels permuted).

    latents: (M, N, V, C, h, w) float16, posterior means, unscaled. variants: (M, N, 4): colour order and mirror flag.
    """

    latents: NDArray[np.float16]
    variants: NDArray[np.int8]


def varied(rgba: NDArray[np.uint8], variant: NDArray[np.int8]) -> NDArray[np.uint8]:
    """One orbit (V, H, W, 4) with colours permuted; mirrored pictures turn the order of the views around, too."""
    out = rgba[..., [*variant[:3], 3]]
    return np.concatenate([out[:1], out[:0:-1]])[:, :, ::-1] if variant[3] else out


def variants_of(count: int, rounds: int, seed: int) -> NDArray[np.int8]:
    """(rounds, count, 4) variants: the four kinds (plain, mirrored, colours permuted, both) take turns over orbits."""
    rng = np.random.default_rng(seed)
    out = np.zeros((rounds, count, 4), np.int8)
    out[..., :3] = (0, 1, 2)
    for m in range(rounds):
        kind = (np.arange(count) + m) % 4
        out[m, :, 3] = kind % 2
        orders = rng.permuted(np.tile(np.array([0, 1, 2], np.int8), (count, 1)), axis=1)
        out[m, kind >= 2, :3] = orders[kind >= 2]
    return out


@torch.no_grad()
def encode_orbits(
    model: SvdMv,
    store: OrbitStore,
    variants: NDArray[np.int8],
    orbits: NDArray[np.int64],
    *,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> NDArray[np.float16]:
    """(M, len(orbits), V, C, h, w): latents of the store's `orbits` in every variant (M, N, 4)."""
    rounds, count = len(variants), len(orbits)
    out = np.empty((rounds, count, store.images.shape[1], *model.latent_shape), np.float16)
    for m in range(rounds):
        for row, n in enumerate(orbits):
            pixels = torch.from_numpy(pixels_from_rgba(varied(np.asarray(store.images[n]), variants[m, n]))).to(device)
            with torch.autocast(torch.device(device).type, torch.bfloat16):
                out[m, row] = model.vae.encode(pixels).latent_dist.mode().float().cpu().numpy()
            if report is not None:
                report(m * count + row + 1, rounds * count)
    return out


@dataclass(frozen=True)
class StoreBatches:
    """Batches of `size` out of `orbits` of a store; scaling: of the autoencoder's latents."""

    store: OrbitStore
    latents: LatentOrbits
    orbits: NDArray[np.int64]
    size: int
    scaling: float
    seed: int

    def told(self) -> dict[str, Any]:
        """What the batches depend on beside the settings of the loop."""
        return {"orbits": len(self.orbits), "views": self.store.images.shape[1], "variants": len(self.latents.latents)}

    def batch(self, step: int, rows: slice) -> Batch:
        """Rows of the batch of a step: a function of (seed, step)."""
        whole = orbit_batch(self.store, self.latents, self.orbits, self.size, self.scaling, self.seed, step)
        return whole.rows(rows, "cpu")


def orbit_batch(
    store: OrbitStore, latents: LatentOrbits, orbits: NDArray[np.int64], size: int, scaling: float, seed: int, step: int
) -> Batch:
    """`size` orbits, each begun at a random view; a function of (seed, step)."""
    rng = np.random.default_rng((seed, step))
    views = store.images.shape[1]
    targets, inputs, elevations = [], [], []
    for n in rng.choice(orbits, size, replace=len(orbits) < size):
        m, start = rng.integers(len(latents.latents)), int(rng.integers(views))
        targets.append(np.roll(latents.latents[m, n], -start, 0))
        variant = latents.variants[m, n]
        source = (views - start) % views if variant[3] else start
        view = np.asarray(store.images[n, source])[..., [*variant[:3], 3]]
        inputs.append(pixels_from_rgba(view[:, ::-1] if variant[3] else view))
        elevations.append(store.elevations_deg[n])
    return Batch(
        torch.from_numpy(np.stack(targets)).float() * scaling,
        torch.from_numpy(np.stack(inputs)),
        torch.tensor(elevations, dtype=torch.float32),
    )
