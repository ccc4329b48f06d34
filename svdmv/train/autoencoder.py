"""Training the RGBA autoencoder of a small checkpoint: colour, alpha, LPIPS and a little KL."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svdmv.dataset.orbits import OrbitStore, pixels_from_rgba
from svdmv.diffusion.perceptual import Lpips
from svdmv.train.networks import temporal_blocks
from svdmv.train.optimizers import new_optimizer
from svdmv.train.parallel import ALONE, Team
from svdmv.train.progress import Curve, StepClock
from svdmv.train.state import Average, check_finite, load_state, save_state, step_generator


@dataclass(frozen=True)
class AutoencoderTraining:
    """Settings of the autoencoder's training.

    num_steps: all steps; the last `temporal_steps` run on clips of `clip_views` neighbouring views and train the
    decoder's temporal layers too, before them the temporal layers are the identity and are skipped.
    batch: pictures a step. optimizer: adamw or muon. Weights multiply the terms of the loss; latents_weight: of the
    squared distance to the latents of a smaller checkpoint that the training begins from.
    """

    num_steps: int = 3000
    temporal_steps: int = 300
    clip_views: int = 4
    batch: int = 24
    optimizer: str = "adamw"
    learning_rate: float = 8e-4
    warmup_steps: int = 50
    average_decay: float = 0.995
    alpha_weight: float = 1.0
    lpips_weight: float = 0.4
    kl_weight: float = 1e-3
    latents_weight: float = 0.0
    grad_norm: float = 1.0
    seed: int = 1


def learning_rate_at(step: int, num_steps: int, warmup: int, peak: float) -> float:
    """Linear warm-up, then half a cosine down to 2 % of the peak."""
    if step < warmup:
        return peak * (step + 1) / warmup
    share = (step - warmup) / max(num_steps - warmup, 1)
    return peak * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def augmented(rgba: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """One clip (V, H, W, 4) with its colour channels permuted and, half of the time, mirrored."""
    order = [*rng.permutation(3), 3]
    out = rgba[..., order]
    return out[:, :, ::-1] if rng.random() < 0.5 else out


def picture_batch(
    store: OrbitStore, orbits: NDArray[np.int64], count: int, clip_views: int, seed: int, step: int
) -> Tensor:
    """(count, 4, S, S) in [-1, 1]: count / clip_views clips of neighbouring views, a function of (seed, step)."""
    rng = np.random.default_rng((seed, step))
    clips = []
    for _ in range(count // clip_views):
        orbit, start = rng.choice(orbits), rng.integers(store.images.shape[1])
        views = (start + np.arange(clip_views)) % store.images.shape[1]
        clips.append(augmented(np.asarray(store.images[orbit, views]), rng))
    return torch.from_numpy(pixels_from_rgba(np.concatenate(clips)))


def reconstruction_loss(
    decoded: Tensor, target: Tensor, settings: AutoencoderTraining, lpips: Lpips | None
) -> tuple[Tensor, dict[str, float]]:
    """Weighted absolute error of colour (object three times the background), alpha, and LPIPS."""
    weight = 0.5 + 1.5 * (target[:, 3:] > -0.99).float()
    color = ((decoded[:, :3] - target[:, :3]).abs() * weight).mean()
    alpha = (decoded[:, 3] - target[:, 3]).abs().mean()
    total = color + settings.alpha_weight * alpha
    parts = {"color": float(color.detach()), "alpha": float(alpha.detach())}
    if lpips is not None and settings.lpips_weight > 0:
        distance = lpips(decoded[:, :3], target[:, :3]).mean()
        total = total + settings.lpips_weight * distance
        parts["lpips"] = float(distance.detach())
    return total, parts


class _Identity(torch.nn.Module):
    def forward(self, hidden: Tensor, temb: Tensor | None = None) -> Tensor:
        return hidden


class _TimeConvolution(torch.nn.Conv3d):
    """In float32 under autocast, too: on large pictures oneDNN's backward in bfloat16 writes beyond its memory."""

    def forward(self, input: Tensor) -> Tensor:
        with torch.autocast(input.device.type, enabled=False):
            return super().forward(input.float())


def _with_safe_time_convolutions(vae: Any) -> None:
    for module in vae.decoder.modules():
        if type(module) is torch.nn.Conv3d:
            module.__class__ = _TimeConvolution


def set_temporal(vae: Any, on: bool, kept: list[Any]) -> None:
    """Swap the decoder's temporal blocks for the identity and back; `kept` holds the real ones meanwhile."""
    holders = [m for m in vae.decoder.modules() if hasattr(m, "temporal_res_block")]
    for holder, block in zip(holders, kept, strict=True):
        holder.temporal_res_block = block if on else _Identity()


def train_autoencoder(
    vae: Any,
    store: OrbitStore,
    settings: AutoencoderTraining,
    folder: Path,
    *,
    lpips: Lpips | None,
    minutes: float,
    kept_latents: Callable[[Tensor], Tensor] | None = None,
    device: str = "cpu",
    bf16: bool = True,
    team: Team = ALONE,
    report: Callable[[int, int], None] | None = None,
) -> bool:
    """Train, or go on training, until done or `minutes` are spent; True when done.

    kept_latents: of pictures (B, C, H, W), the (B, c, h, w) that the encoder shall stay near (`latents_weight`).
    State and curve lie in `folder` (state.safetensors, curve.jsonl). The averaged weights end up in `vae`.
    """
    train, _ = store.split(0.03)
    vae.to(device).train()
    _with_safe_time_convolutions(vae)
    average = Average(vae, settings.average_decay)
    optimizer = new_optimizer(settings.optimizer, vae.parameters(), settings.learning_rate, 1e-3)
    step, path = 0, folder / "state.safetensors"
    if path.is_file():
        step, _ = load_state(path, vae, optimizer, average)
    kept = temporal_blocks(vae)
    first_temporal = settings.num_steps - settings.temporal_steps
    curve, clock = Curve(folder / "curve.jsonl"), StepClock(minutes)
    if lpips is not None:
        lpips.to(device)
    stop = team.any(clock.spent())
    while step < settings.num_steps and not stop:
        temporal = step >= first_temporal
        set_temporal(vae, temporal, kept)
        clip = settings.clip_views if temporal else 1
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings.num_steps, settings.warmup_steps, settings.learning_rate)
        pixels = picture_batch(store, train, settings.batch, clip, settings.seed, step).to(device)
        rows = team.rows(len(pixels))
        noise = torch.randn(
            len(pixels),
            vae.config.latent_channels,
            *(s // 2 ** (len(vae.config.block_out_channels) - 1) for s in pixels.shape[-2:]),
            generator=step_generator(settings.seed, step),
        )[rows].to(device)
        pixels = pixels[rows]
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16):
            known = None if kept_latents is None else kept_latents(pixels)
            posterior = vae.encode(pixels).latent_dist
            latents = posterior.mean + posterior.std * noise
            decoded = vae.decode(latents, num_frames=clip).sample
        loss, parts = reconstruction_loss(decoded.float(), pixels, settings, lpips)
        mean, logvar = posterior.mean.float(), posterior.logvar.float()
        kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
        loss = loss + settings.kl_weight * kl
        if known is not None:
            apart = (mean - known).square().mean()
            loss = loss + settings.latents_weight * apart
            parts["latents"] = float(apart.detach())
        torch.autograd.backward(loss)
        team.average_gradients(vae.parameters())
        norm = torch.nn.utils.clip_grad_norm_(vae.parameters(), settings.grad_norm)
        check_finite((loss, norm), "autoencoder", step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(vae, step)
        step += 1
        curve.add(step, loss=float(loss.detach()), kl=float(kl.detach()), norm=float(norm), **parts)
        clock.tick()
        if report is not None:
            report(step, settings.num_steps)
        stop = team.any(clock.spent())
        if team.writes and (step % 500 == 0 or step == settings.num_steps or stop):
            set_temporal(vae, True, kept)
            save_state(path, vae, optimizer, average, step, {"seconds": clock.seconds(), "time": time.time()})
            curve.flush()
    set_temporal(vae, True, kept)
    average.copy_to(vae)
    vae.eval()
    return step >= settings.num_steps


@torch.no_grad()
def measure_autoencoder(vae: Any, store: OrbitStore, *, count: int = 210, device: str = "cpu") -> dict[str, float]:
    """Round trip of orbits: PSNR over the whole picture and the object, IoU of alpha; latent statistics.

    held_out is 1 when the orbits were held out of training, 0 when the store is too small to hold any out.
    """
    train, held = store.split(0.03)
    views = store.images.shape[1]
    psnr, psnr_object, iou, values = [], [], [], []
    for orbit in (held if len(held) else train)[: max(count // views, 1)]:
        pixels = torch.from_numpy(pixels_from_rgba(np.asarray(store.images[orbit]))).to(device)
        mode = vae.encode(pixels).latent_dist.mode()
        decoded = vae.decode(mode, num_frames=views).sample.clamp(-1, 1)
        error = ((decoded[:, :3] - pixels[:, :3]) / 2).square()
        mask, seen = pixels[:, 3] > 0, decoded[:, 3] > 0
        both = (mask | seen).float()
        psnr.append(-10 * error.mean((1, 2, 3)).log10())
        psnr_object.append(-10 * ((error.mean(1) * both).sum((1, 2)) / both.sum((1, 2))).log10())
        iou.append((mask & seen).sum((1, 2)) / both.sum((1, 2)))
        values.append(mode)
    latents = torch.cat(values)
    return {
        "psnr": float(torch.cat(psnr).mean()),
        "psnr_object": float(torch.cat(psnr_object).mean()),
        "iou": float(torch.cat(iou).mean()),
        "held_out": float(len(held) > 0),
        "latent_std": float(latents.std()),
        "latent_mean_of_channels": float(latents.mean((0, 2, 3)).abs().max()),
    }
