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
from svdmv.train.progress import Curve, StepClock
from svdmv.train.state import Average, check_finite, load_state, save_state, step_generator


@dataclass(frozen=True)
class Finetuning:
    """Settings of the loop.

    p_mean, p_std: ln sigma ~ N(p_mean, p_std^2). noise_aug_log_mean, noise_aug_log_std: strength of the condition
    noise, ln-normal (SVD: -3, 0.5). dropout: probability of the null condition, per clip.
    """

    num_steps: int = 4000
    batch: int = 8
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
    *,
    device: str = "cpu",
    report: Callable[[int, int], None] | None = None,
) -> LatentOrbits:
    """Latents of every orbit of the store in every variant (M, N, 4)."""
    rounds, count = variants.shape[:2]
    out = np.empty((rounds, count, store.images.shape[1], *model.latent_shape), np.float16)
    for m in range(rounds):
        for n in range(count):
            pixels = torch.from_numpy(pixels_from_rgba(varied(np.asarray(store.images[n]), variants[m, n]))).to(device)
            with torch.autocast(torch.device(device).type, torch.bfloat16):
                out[m, n] = model.vae.encode(pixels).latent_dist.mode().float().cpu().numpy()
            if report is not None:
                report(m * count + n + 1, rounds * count)
    return LatentOrbits(out, variants)


@dataclass(frozen=True)
class Batch:
    """targets (B, V, C, h, w) scaled latents; inputs (B, 4, S, S) the clean input view; elevations_deg (B,)."""

    targets: Tensor
    inputs: Tensor
    elevations_deg: Tensor


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


def edm_loss(model: SvdMv, batch: Batch, settings: Finetuning, generator: torch.Generator) -> Tensor:
    """Mean over the batch of weight(sigma) * |D(x + sigma n; sigma) - x|^2; every draw comes from `generator`."""
    count, device = len(batch.targets), batch.targets.device
    sigma = sigmas_for_training(count, settings.p_mean, settings.p_std, generator)
    strength = sigmas_for_training(count, settings.noise_aug_log_mean, settings.noise_aug_log_std, generator)
    noise = torch.randn(batch.targets.shape, generator=generator).to(device)
    pixel_noise = torch.randn(batch.inputs.shape, generator=generator).to(device)
    drop = torch.rand(count, generator=generator) < settings.dropout
    sigma, strength, drop = sigma.to(device), strength.to(device), drop.to(device)
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
    optimizer = torch.optim.AdamW(
        trained.parameters(), settings.learning_rate, betas=(0.9, 0.99), weight_decay=settings.weight_decay
    )
    step, path = 0, folder / "state.safetensors"
    if path.is_file():
        step, _ = load_state(path, trained, optimizer, average)
    curve, clock = Curve(folder / "curve.jsonl"), StepClock(minutes)
    scaling = float(model.vae.config.scaling_factor)
    while step < settings.num_steps and not clock.spent():
        for group in optimizer.param_groups:
            group["lr"] = learning_rate_at(step, settings.num_steps, settings.warmup_steps, settings.learning_rate)
        batch = orbit_batch(store, latents, train, settings.batch, scaling, settings.seed, step)
        batch = Batch(batch.targets.to(device), batch.inputs.to(device), batch.elevations_deg.to(device))
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=bf16), attention_for(device):
            loss = edm_loss(model, batch, settings, step_generator(settings.seed, step))
            torch.autograd.backward(loss)
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
        if step % settings.save_every == 0 or step == settings.num_steps or clock.spent():
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
