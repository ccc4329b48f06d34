"""Held-out orbits drawn while training: PSNR, LPIPS and CLIP-S against the true views, and a sheet to look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svdmv.core import ConfigError
from svdmv.dataset.loader import OrbitLoader
from svdmv.diffusion.conditioning import Condition, condition_latents, id_rows, image_tokens
from svdmv.diffusion.edm import karras_sigmas
from svdmv.diffusion.generate import start_noise
from svdmv.diffusion.guidance import guided
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.perceptual import Lpips
from svdmv.diffusion.samplers import SAMPLERS
from svdmv.io.atomic import whole_file
from svdmv.train.shard_batches import pixels_of, view_of_frame


@dataclass(frozen=True)
class Watching:
    """every: steps between two looks; 0 = never. orbits: of held-out objects. num_steps: of the sampler; 0 = the
    checkpoint's. lpips: file of LPIPS weights (alex); empty = not measured. tensorboard: also write its event files.
    """

    every: int = 1000
    orbits: int = 4
    num_steps: int = 0
    lpips: str = ""
    tensorboard: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        if self.every < 0 or self.orbits < 1 or self.num_steps < 0:
            raise ConfigError(
                "A setting of watching is out of range", where="watching", seen=self, expected="0 or more"
            )


@torch.no_grad()
def drawn_orbit(
    model: SvdMv,
    pixels: Tensor,
    elevations_deg: NDArray[np.float64],
    azimuths_deg: NDArray[np.float64],
    num_steps: int,
    seed: int,
) -> Tensor:
    """The orbit of an input view, told these cameras.

    Args:
        pixels: (1, 3 or 4, H, W) in [-1, 1]. elevations_deg, azimuths_deg: (V,), the input view first.
        num_steps: of the sampler; 0 = the checkpoint's.

    Returns:
        (V, 3 or 4, H, W) in [-1, 1] on the CPU, the input view first.
    """
    info, device = model.info, model.device
    turn = view_of_frame(info)
    pixels = pixels.to(device)
    strength = torch.full((1,), info.noise_aug, device=device)
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed ^ 0x5EED)).to(device)
    elevations, azimuths = (
        torch.tensor(a[turn], dtype=torch.float32, device=device)[None] for a in (elevations_deg, azimuths_deg)
    )
    told = (elevations, strength, azimuths) if info.ids_per_view else (elevations[:, info.input_view_index], strength)
    ids = id_rows(info, *told)
    condition = Condition(
        image_tokens(model.image_encoder, pixels, info.clip_size),
        condition_latents(model.vae, pixels, strength, noise),
        ids,
    )
    scales = info.guidance.scales(info.num_views, info.input_view_index).to(device)
    denoiser = guided(model.denoiser(condition), model.denoiser(condition.null()), scales)
    sigmas = karras_sigmas(num_steps or info.num_steps, info.sigma_min, info.sigma_max, info.rho)
    latents = SAMPLERS[info.sampler](denoiser, start_noise(model, seed, info.sigma_max).to(device), sigmas, None)
    frames = model.pixels_from_latents(latents)[0]
    return frames[torch.from_numpy(np.argsort(turn))].cpu()


@torch.no_grad()
def orbit_figures(model: SvdMv, drawn: Tensor, truth: Tensor, lpips: Lpips | None) -> dict[str, float]:
    """Means over all views but the input: psnr (dB), clip_s (cosine by the model's own image encoder), lpips (alex),
    and motion, the mean change from view to view as a share of the true orbit's: near 0 the orbit stands still.
    """
    one, two = drawn[1:, :3], truth[1:, :3]
    error = ((one - two) / 2).square().mean((1, 2, 3))
    device, size = next(model.image_encoder.parameters()).device, model.info.clip_size
    tokens = [image_tokens(model.image_encoder, p.to(device), size)[:, 0].float() for p in (one, two)]
    alike = torch.nn.functional.cosine_similarity(tokens[0], tokens[1])
    steps = [(views - views.roll(1, 0)).abs().mean() for views in (drawn[:, :3], truth[:, :3])]
    figures = {
        "psnr": float((-10 * error.clamp(min=1e-10).log10()).mean()),
        "clip_s": float(alike.mean()),
        "motion": float(steps[0] / steps[1].clamp(min=1e-6)),
    }
    if lpips is not None:
        figures["lpips"] = float(lpips(one, two).mean())
    return figures


@dataclass(frozen=True)
class Validation:
    """`look` draws the first orbits of `loader`, writes samples/STEP.png and returns mean figures."""

    loader: OrbitLoader
    watching: Watching
    folder: Path

    def look(self, step: int, model: SvdMv) -> Mapping[str, float]:
        """Figures of the model as it is; True views above drawn ones in the sheet."""
        from PIL import Image

        net = Lpips("alex", Path(self.watching.lpips)) if self.watching.lpips else None
        rows: list[dict[str, float]] = []
        sheet: list[Tensor] = []
        for number in range(min(self.watching.orbits, len(self.loader))):
            sample = self.loader.sample(number)
            truth = pixels_of(sample.pixels)
            angles = (sample.elevations_deg, sample.azimuths_deg)
            drawn = drawn_orbit(model, truth[:1], *angles, self.watching.num_steps, self.watching.seed + number)
            rows.append(orbit_figures(model, drawn, truth, net))
            shown = range(0, len(truth), max(len(truth) // 7, 1))
            sheet += [torch.cat([views[n] for n in shown], 2) for views in (truth, drawn[:, :3])]
        picture = (torch.cat(sheet, 1).add(1).mul(127.5).round().byte()).permute(1, 2, 0).numpy()
        with whole_file(self.folder / f"{step:08d}.png") as temporary:
            Image.fromarray(picture).save(temporary, "PNG")
        return {name: round(float(np.mean([row[name] for row in rows])), 6) for name in rows[0]}


def board_writer(folder: Path) -> Any:
    """A function that writes rows to TensorBoard's event files. Raises MissingDependency."""
    from svdmv.core.require import require

    require("tensorboard", "train", "TensorBoard")
    board = require("torch.utils.tensorboard", "train", "TensorBoard").SummaryWriter(str(folder))

    def write(row: Mapping[str, float]) -> None:
        for name, value in row.items():
            if name != "step":
                board.add_scalar(name, value, int(row["step"]))
        board.flush()

    return write
