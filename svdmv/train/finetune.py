"""The finetuning loop of SVD-MV: EDM loss on orbits, joint condition dropout, averaged weights, exact resume.

One noise level a clip, drawn in float32; noise augmentation of the input view in pixel space; the null condition
drops token and latent together and keeps the ids. Sources: SVD appendix D; FACTS are in docs/conventions.md.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from svdmv.dataset.orbits import OrbitStore, pixels_from_rgba
from svdmv.diffusion.conditioning import Condition, condition_latents, id_rows, image_tokens
from svdmv.diffusion.edm import loss_weight_from_sigma, sigmas_for_training, spread
from svdmv.diffusion.model import SvdMv
from svdmv.train.autoencoder import learning_rate_at
from svdmv.train.optimizers import new_optimizer
from svdmv.train.parallel import ALONE, Team
from svdmv.train.progress import Curve, StepClock
from svdmv.train.state import Average, check_finite, load_state, save_state, step_generator


@dataclass(frozen=True)
class Finetuning:
    """Settings of the loop.

    p_mean, p_std: ln sigma ~ N(p_mean, p_std^2). noise_aug_log_mean, noise_aug_log_std: strength of the condition
    noise, ln-normal (SVD: -3, 0.5). optimizer: adamw or muon. dropout: probability of the null condition, per clip.
    """

    num_steps: int = 4000
    batch: int = 8
    optimizer: str = "adamw"
    learning_rate: float = 6e-4
    warmup_steps: int = 100
    average_decay: float = 0.998
    p_mean: float = 0.3
    p_std: float = 1.4
    noise_aug_log_mean: float = -3.0
    noise_aug_log_std: float = 0.5
    dropout: float = 0.1
    weight_decay: float = 1e-3
    grad_norm: float = 1.0
    seed: int = 2
    save_every: int = 250


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
class Batch:
    """targets (B, V, C, h, w) scaled latents; inputs (B, 4, S, S) the clean input view; elevations_deg (B,)."""

    targets: Tensor
    inputs: Tensor
    elevations_deg: Tensor

    def rows(self, rows: slice, device: str) -> Batch:
        """Some of it, on a device."""
        return Batch(self.targets[rows].to(device), self.inputs[rows].to(device), self.elevations_deg[rows].to(device))


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


def edm_loss(
    model: SvdMv,
    batch: Batch,
    settings: Finetuning,
    generator: torch.Generator,
    device: str = "cpu",
    team: Team = ALONE,
) -> Tensor:
    """Mean over the team's rows of weight(sigma) * |D(x + sigma n; sigma) - x|^2.

    Every draw is made for the whole batch and comes from `generator`.
    """
    count = len(batch.targets)
    rows = team.rows(count)
    sigma = sigmas_for_training(count, settings.p_mean, settings.p_std, generator)
    strength = sigmas_for_training(count, settings.noise_aug_log_mean, settings.noise_aug_log_std, generator)
    noise = torch.randn(batch.targets.shape, generator=generator)[rows].to(device)
    pixel_noise = torch.randn(batch.inputs.shape, generator=generator)[rows].to(device)
    drop = torch.rand(count, generator=generator) < settings.dropout
    sigma, strength, drop = sigma[rows].to(device), strength[rows].to(device), drop[rows].to(device)
    batch = batch.rows(rows, device)
    with torch.no_grad():
        latents = condition_latents(model.vae, batch.inputs, strength, pixel_noise)
    tokens = image_tokens(model.image_encoder, batch.inputs, model.info.clip_size)
    ids = id_rows(model.info, batch.elevations_deg, strength)
    condition = Condition(tokens, latents, ids).dropped(drop)
    denoised = model.denoiser(condition)(batch.targets + spread(sigma, noise) * noise, sigma)
    error = (denoised.float() - batch.targets).square().mean((1, 2, 3, 4))
    return (loss_weight_from_sigma(sigma) * error).mean()


def finetune(
    model: SvdMv,
    store: OrbitStore,
    latents: LatentOrbits,
    settings: Finetuning,
    folder: Path,
    *,
    minutes: float,
    device: str = "cpu",
    bf16: bool = True,
    train_image_encoder: bool = True,
    team: Team = ALONE,
    report: Callable[[int, int], None] | None = None,
) -> bool:
    """Train, or go on, until done or `minutes` are spent; True when done. The averaged weights end up in `model`."""
    train, _ = store.split(0.03)
    trained = nn.ModuleDict({"unet": model.unet})
    if train_image_encoder:
        trained["image_encoder"] = model.image_encoder
    trained.to(device).train()
    model.vae.to(device).eval().requires_grad_(False)
    average = Average(trained, settings.average_decay)
    optimizer = new_optimizer(settings.optimizer, trained.parameters(), settings.learning_rate, settings.weight_decay)
    step, path = 0, folder / "state.safetensors"
    if path.is_file():
        step, _ = load_state(path, trained, optimizer, average)
    curve, clock = Curve(folder / "curve.jsonl"), StepClock(minutes)
    scaling = float(model.vae.config.scaling_factor)
    stop = team.any(clock.spent())
    while step < settings.num_steps and not stop:
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings.num_steps, settings.warmup_steps, settings.learning_rate)
        batch = orbit_batch(store, latents, train, settings.batch, scaling, settings.seed, step)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16), attention_for(device):
            loss = edm_loss(model, batch, settings, step_generator(settings.seed, step), device, team)
            torch.autograd.backward(loss)
        team.average_gradients(trained.parameters())
        norm = torch.nn.utils.clip_grad_norm_(trained.parameters(), settings.grad_norm)
        check_finite((loss, norm), "finetuning", step)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        average.update(trained, step)
        step += 1
        curve.add(step, loss=float(loss.detach()), norm=float(norm))
        clock.tick()
        if report is not None:
            report(step, settings.num_steps)
        stop = team.any(clock.spent())
        if team.writes and (step % settings.save_every == 0 or step == settings.num_steps or stop):
            save_state(path, trained, optimizer, average, step, {"seconds": clock.seconds(), "time": time.time()})
            curve.flush()
    average.copy_to(trained)
    trained.eval()
    return step >= settings.num_steps


def attention_for(device: str) -> contextlib.AbstractContextManager[None]:
    """On a CPU the plain attention's backward is several times faster in bfloat16 than the fused one."""
    if torch.device(device).type != "cpu":
        return contextlib.nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    manager: contextlib.AbstractContextManager[None] = sdpa_kernel([SDPBackend.MATH])
    return manager
