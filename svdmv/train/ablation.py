"""The paper's ablation in small: the same orbits and steps, begun from a video prior, an image prior, or nothing.

SVD section 4.5 compares SVD-MV with SD2.1-MV and Scratch-MV. Here the priors are trained first, on the half of the
objects that the orbits are not of: on clips in which the camera moves at other speeds and ways (video), or stands still
(image). Both are told no elevation.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from svdmv.dataset.orbits import OrbitStore, pixels_from_rgba
from svdmv.dataset.splits import mark_of
from svdmv.diffusion.model import SvdMv
from svdmv.train.finetune import Loop, Watch, finetune
from svdmv.train.loss import Batch
from svdmv.train.report import write_report
from svdmv.train.settings import Finetuning
from svdmv.train.store_batches import LatentOrbits, StoreBatches
from svdmv.train.validation import drawn_orbit, orbit_figures

PRIORS = ("video", "image", "none")


@dataclass(frozen=True)
class PriorClips:
    """Clips out of orbits that are no orbits: every second to fourth view, either way, or one view all the time."""

    orbits: StoreBatches
    prior: str

    def told(self) -> Mapping[str, Any]:
        """What the clips depend on."""
        return {**self.orbits.told(), "prior": self.prior}

    def batch(self, step: int, rows: slice) -> Batch:
        """Rows of the batch of a step; the input view stays the first one."""
        batch = self.orbits.batch(step, rows)
        views = batch.targets.shape[1]
        draws = np.random.default_rng((self.orbits.seed, step, 7)).choice([-4, -3, -2, 2, 3, 4], self.orbits.size)
        order = torch.arange(views) * torch.tensor(draws[rows])[:, None] if self.prior == "video" else None
        index = torch.zeros(len(batch.targets), views, dtype=torch.long) if order is None else order % views
        clips = torch.stack([clip[i] for clip, i in zip(batch.targets, index, strict=True)])
        return replace(batch, targets=clips, elevations_deg=torch.zeros_like(batch.elevations_deg))


def run_ablation(
    new_model: Callable[[], SvdMv],
    store: OrbitStore,
    latents: LatentOrbits,
    settings: Finetuning,
    out: Path,
    *,
    looks: int = 10,
    sampler_steps: int = 10,
    device: str = "cpu",
    bf16: bool = True,
    report: Callable[[str, int, int], None] | None = None,
) -> Path:
    """Train all three, look at held-out orbits `looks` times, draw the curves; the figure. It goes on anywhere."""
    train, held = store.split(0.1)
    first = np.array([mark_of(f"prior {store.ids[n]}") < 0.5 for n in train])
    scaling = float(new_model().vae.config.scaling_factor)

    def batches(orbits: Any) -> StoreBatches:
        return StoreBatches(store, latents, orbits, settings.batch, scaling, settings.seed)

    def loop(model: SvdMv, stage: str, watch: Watch | None = None) -> Loop:
        told = None if report is None else (lambda done, total: report(stage, done, total))
        networks = nn.ModuleDict({"unet": model.unet, "image_encoder": model.image_encoder})
        return Loop(1e6, device, bf16=bf16, trained=networks, watch=watch, report=told)

    for prior in PRIORS:
        model = new_model()
        if prior != "none":
            clips = PriorClips(batches(train[first]), prior)
            finetune(model, clips, settings, out / f"prior_{prior}", loop(model, f"prior {prior}"))
        watch = Watch(_look(store, held[:8], sampler_steps), max(settings.num_steps // looks, 1))
        orbits = batches(train[~first])
        finetune(model, orbits, settings, out / prior, loop(model, f"orbits from {prior}", watch))
    return write_report([out / prior for prior in PRIORS], out / "ablation.svg")


def _look(store: OrbitStore, orbits: Any, steps: int) -> Callable[[int, SvdMv], Mapping[str, float]]:
    views = store.images.shape[1]

    def look(step: int, model: SvdMv) -> Mapping[str, float]:
        rows = []
        for n in orbits:
            truth = torch.from_numpy(pixels_from_rgba(np.asarray(store.images[n])))
            angles = (np.full(views, store.elevations_deg[n]), 360 * np.arange(views) / views)
            rows.append(orbit_figures(model, drawn_orbit(model, truth[:1], *angles, steps, int(n)), truth, None))
        return {name: round(float(np.mean([row[name] for row in rows])), 6) for name in rows[0]}

    return look
