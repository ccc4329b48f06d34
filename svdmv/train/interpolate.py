"""Training the interpolation network: five views in a row out of dense orbits, the three in the middle predicted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from svdmv.dataset.loader import OrbitLoader
from svdmv.diffusion.conditioning import id_rows, image_tokens
from svdmv.diffusion.edm import loss_weight_from_sigma, spread
from svdmv.diffusion.interpolation import FRAMES, Ends, interpolating_denoiser, views_between
from svdmv.diffusion.model import SvdMv
from svdmv.train.loss import Batch, Draws
from svdmv.train.settings import Finetuning
from svdmv.train.shard_batches import encoded_views, pixels_of
from svdmv.train.validation import orbit_figures


@dataclass
class BetweenBatches:
    """A BatchSource: five neighbouring views of orbits, from any start; inputs are the ends' unscaled latents."""

    loader: OrbitLoader
    model: SvdMv
    size: int
    seed: int = 0
    encode_chunk: int = 4

    def told(self) -> Mapping[str, Any]:
        """What the clips depend on."""
        return {"plan": self.loader.manifest.head["plan"], "seed": self.seed, "samples": len(self.loader)}

    def batch(self, step: int, rows: slice) -> Batch:
        """Rows of the batch of a step: a function of the step."""
        made = [self._clip(step * self.size + k) for k in range(*rows.indices(self.size))]
        latents, tokens, keys = (list(part) for part in zip(*made, strict=True))
        clips = torch.stack(latents)
        scaling = float(self.model.vae.config.scaling_factor)
        return Batch(
            clips * scaling, clips[:, [0, -1]], torch.zeros(len(made)), tokens=torch.stack(tokens), keys=tuple(keys)
        )

    def _clip(self, place: int) -> tuple[Tensor, Tensor, str]:
        epoch, position = divmod(place, len(self.loader))
        sample = self.loader.sample(self.loader.order(epoch)[position])
        start = int(np.random.default_rng((self.seed, place)).integers(len(sample.pixels)))
        pixels = pixels_of(sample.pixels[(start + np.arange(FRAMES)) % len(sample.pixels)])
        with torch.no_grad():
            device = next(self.model.image_encoder.parameters()).device
            ends = pixels[[0, -1]].to(device)
            tokens = image_tokens(self.model.image_encoder, ends, self.model.info.clip_size)[:, 0]
        return encoded_views(self.model, pixels, self.encode_chunk), tokens, sample.key


def between_loss(model: SvdMv, batch: Batch, draws: Draws, settings: Finetuning) -> Tensor:
    """The EDM loss over the three views that are not given; the noise of the ends is added in latent space."""
    assert batch.tokens is not None
    strength = draws.strength[:, None, None, None, None]
    ids = id_rows(model.info, batch.elevations_deg, draws.strength)
    ends = Ends(batch.tokens, batch.inputs + strength * draws.pixel_noise, ids).dropped(draws.drop)
    noisy = batch.targets + spread(draws.sigma, draws.noise) * draws.noise
    error = (interpolating_denoiser(model, ends)(noisy, draws.sigma).float() - batch.targets)[:, 1:-1]
    return (loss_weight_from_sigma(draws.sigma) * error.square().mean((1, 2, 3, 4))).mean()


@dataclass(frozen=True)
class BetweenValidation:
    """Looks at the views between view 0 and view 4 of held-out orbits."""

    loader: OrbitLoader
    orbits: int
    num_steps: int

    def look(self, step: int, model: SvdMv) -> Mapping[str, float]:
        """Mean figures of the views between."""
        rows = []
        for number in range(min(self.orbits, len(self.loader))):
            truth = pixels_of(self.loader.sample(number).pixels[:FRAMES])
            made = views_between(model, truth[[0, -1]], seed=number, num_steps=self.num_steps)
            rows.append(orbit_figures(model, torch.cat([truth[:1], made]), truth[:-1], None))
        return {name: round(float(np.mean([row[name] for row in rows])), 6) for name in rows[0]}
