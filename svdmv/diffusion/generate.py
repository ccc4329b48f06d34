"""One framed picture in, 21 views out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from svdmv.core import ConfigError, InputError, Orbit, ViewSet
from svdmv.diffusion.alpha import alpha_from_white, unmixed_from_white
from svdmv.diffusion.color import calibrated_colors
from svdmv.diffusion.conditioning import Condition, condition_latents, id_rows, image_tokens
from svdmv.diffusion.edm import Denoiser, karras_sigmas
from svdmv.diffusion.guidance import Guidance, guided, guided_together
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.samplers import SAMPLERS, StepReport

MAX_SEED = 2**63 - 1
MAX_STEPS = 1000
ORBITS = ("static", "sine", "dynamic")
SMALL_CLIP = 8192  # latent pixels of a clip: 21 views of 128 px are 5,376


@dataclass(frozen=True)
class Sampling:
    """How to sample. None takes what the checkpoint recommends.

    elevation_deg: elevation of the input view, absolute degrees; the whole orbit stands at it.
    seed: of the first picture; picture k of a batch uses seed + k, whatever the batch size.
    orbit: static, or, where the checkpoint is told every view's camera, sine or dynamic (from the seed).
    fast: half the checkpoint's steps, where these are not given.
    """

    elevation_deg: float = 10.0
    seed: int = 0
    num_steps: int | None = None
    guidance: Guidance | None = None
    sampler: str | None = None
    noise_aug: float | None = None
    decode_chunk: int | None = None
    orbit: str = "static"
    fast: bool = False

    def resolved(self, info: CheckpointInfo) -> Sampling:
        """With the checkpoint's defaults filled in and every value checked; raises ConfigError."""
        usual_steps = math.ceil(info.num_steps / 2) if self.fast else info.num_steps
        made = replace(
            self,
            num_steps=usual_steps if self.num_steps is None else self.num_steps,
            guidance=info.guidance if self.guidance is None else self.guidance,
            sampler=info.sampler if self.sampler is None else self.sampler,
            noise_aug=info.noise_aug if self.noise_aug is None else self.noise_aug,
            decode_chunk=info.decode_chunk if self.decode_chunk is None else self.decode_chunk,
        )
        low, high = info.elevation_range_deg
        if not (math.isfinite(made.elevation_deg) and low <= made.elevation_deg <= high):
            raise ConfigError(
                "The elevation is outside what the model was trained on",
                where="--elevation",
                seen=f"{made.elevation_deg:g} degrees",
                expected=f"{low:g} .. {high:g} degrees above the horizon",
                next_step=f"--elevation {min(max(made.elevation_deg, low), high):g}"
                if math.isfinite(made.elevation_deg)
                else "--elevation 10",
            )
        if not 1 <= (made.num_steps or 0) <= MAX_STEPS:
            raise ConfigError(
                "The number of sampling steps is out of range",
                where="--steps",
                seen=made.num_steps,
                expected=f"1 .. {MAX_STEPS}",
                next_step=f"--steps {info.num_steps}",
            )
        if not (isinstance(made.seed, int) and 0 <= made.seed <= MAX_SEED):
            raise ConfigError(
                "The seed is out of range",
                where="--seed",
                seen=made.seed,
                expected=f"0 .. {MAX_SEED}",
                next_step="--seed 0",
            )
        if made.sampler not in SAMPLERS:
            raise ConfigError(
                "The sampler is not known",
                where="--sampler",
                seen=made.sampler,
                expected=", ".join(SAMPLERS),
                next_step=f"--sampler {info.sampler}",
            )
        if not 0 <= (made.noise_aug or 0.0) <= 1:
            raise ConfigError(
                "The condition noise is out of range",
                where="noise_aug",
                seen=made.noise_aug,
                expected="0 .. 1",
                next_step=f"leave it out: the checkpoint asks for {info.noise_aug:g}",
            )
        kinds = ORBITS if info.ids_per_view else ORBITS[:1]
        if made.orbit not in kinds:
            raise ConfigError(
                "The checkpoint cannot draw this orbit",
                where="--orbit",
                seen=made.orbit,
                expected=", ".join(kinds),
                next_step=f"--orbit {kinds[0]}",
            )
        if (made.decode_chunk or 0) < 1:
            raise ConfigError(
                "The decode chunk is out of range",
                where="--decode-chunk",
                seen=made.decode_chunk,
                expected="1 or more frames",
                next_step=f"--decode-chunk {info.decode_chunk}",
            )
        return made

    def as_dict(self) -> dict[str, Any]:
        """JSON form for provenance."""
        guidance = None if self.guidance is None else self.guidance.as_dict()
        return {
            "elevation_deg": self.elevation_deg,
            "seed": self.seed,
            "num_steps": self.num_steps,
            "guidance": guidance,
            "sampler": self.sampler,
            "noise_aug": self.noise_aug,
            "decode_chunk": self.decode_chunk,
            "orbit": self.orbit,
        }


def orbit_of(info: CheckpointInfo, sampling: Sampling) -> Orbit:
    """The orbit a checkpoint draws, view 0 = the input view, counter-clockwise."""
    views, radius, lens = info.num_views, info.framing.radius, info.framing.fov_y_deg
    elevation = sampling.elevation_deg
    if sampling.orbit == "sine":
        return Orbit.sine(elevation, num_views=views, radius=radius, fov_y_deg=lens)
    if sampling.orbit == "dynamic":
        return Orbit.dynamic(elevation, sampling.seed, views, radius=radius, fov_y_deg=lens)
    return Orbit.static(elevation, views, radius=radius, fov_y_deg=lens)


def frame_order(info: CheckpointInfo) -> list[int]:
    """For each view of our orbit, the frame of the checkpoint that shows it (input view and sign are the model's)."""
    n = info.num_views
    return [(info.input_view_index + info.azimuth_sign * view) % n for view in range(n)]


def pixels_from_framed(framed: NDArray[np.uint8], channels: int) -> Tensor:
    """(1, 3 or 4, S, S) float32 in [-1, 1]: colour over white, alpha as fourth channel; from (S, S, 4) uint8."""
    values = framed.astype(np.float32) / 255
    alpha = values[..., 3:]
    joined = np.concatenate([values[..., :3] * alpha + (1 - alpha), alpha], -1)[..., :channels]
    return torch.from_numpy(np.ascontiguousarray(joined.transpose(2, 0, 1)[None])) * 2 - 1


def start_noise(model: SvdMv, seed: int, sigma_max: float) -> Tensor:
    """(1, F, C, h, w) float32: unit noise of this seed times sqrt(1 + sigma_max^2), drawn on the CPU on any device."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, model.info.num_views, *model.latent_shape, generator=generator)
    return noise * math.sqrt(1 + sigma_max**2)


def _guided_denoiser(model: SvdMv, condition: Condition, scales: Tensor) -> Denoiser:
    """One pass over both branches where clips are small and calls cost more than arithmetic; two passes, with half the
    memory, where they are large.
    """
    small = model.info.num_views * math.prod(model.latent_shape[1:]) <= SMALL_CLIP
    if small and bool((scales != 1).any()):
        return guided_together(model.denoiser(condition.null().joined(condition)), scales)
    return guided(model.denoiser(condition), model.denoiser(condition.null()), scales)


@torch.inference_mode()
def sample_latents(model: SvdMv, pixels: Tensor, sampling: Sampling, report: StepReport | None = None) -> Tensor:
    """(B, F, C, h, w) scaled latents of input views (B, 3 or 4, S, S) in [-1, 1]; `sampling` must be resolved.

    Clips are drawn one after the other, so that each is the same, bit for bit, in a batch of any size.
    """
    num_steps, clips = sampling.num_steps or model.info.num_steps, []
    for k, view in enumerate(pixels):

        def told(step: int, of: int, before: int = k) -> None:
            if report is not None:
                report(before * num_steps + step, len(pixels) * num_steps)

        clips.append(_sampled_clip(model, view[None], replace(sampling, seed=sampling.seed + k), told))
    return torch.cat(clips)


def _sampled_clip(model: SvdMv, pixels: Tensor, sampling: Sampling, report: StepReport) -> Tensor:
    info, device = model.info, model.device
    pixels = pixels.to(device)
    strength = torch.full((1,), float(sampling.noise_aug or 0.0), device=device)
    noise = None
    if sampling.noise_aug:
        noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(sampling.seed ^ 0x5EED)).to(device)
    condition = Condition(
        image_tokens(model.image_encoder, pixels, info.clip_size),
        condition_latents(model.vae, pixels, strength, noise),
        _ids(info, sampling, strength),
    )
    guidance = sampling.guidance or info.guidance
    scales = guidance.scales(info.num_views, info.input_view_index).to(device)
    sigmas = karras_sigmas(sampling.num_steps or info.num_steps, info.sigma_min, info.sigma_max, info.rho)
    start = start_noise(model, sampling.seed, info.sigma_max).to(device)
    sampler = SAMPLERS[sampling.sampler or info.sampler]
    return sampler(_guided_denoiser(model, condition, scales), start, sigmas, report)


def _ids(info: CheckpointInfo, sampling: Sampling, strength: Tensor) -> Tensor:
    """(1, K), or (1, F, K) in the model's frame order where every view is told its camera."""
    if not info.ids_per_view:
        return id_rows(info, torch.full_like(strength, float(sampling.elevation_deg)), strength)
    orbit = orbit_of(info, sampling)
    view_of_frame = np.argsort(frame_order(info))
    elevations, azimuths = (
        torch.tensor(values[view_of_frame], dtype=torch.float32, device=strength.device)[None]
        for values in (orbit.elevations_deg, orbit.azimuths_deg)
    )
    return id_rows(info, elevations, strength, azimuths)


def generate_views(
    model: SvdMv,
    framed: Sequence[NDArray[np.uint8]],
    sampling: Sampling | None = None,
    *,
    report: StepReport | None = None,
) -> list[ViewSet]:
    """The orbit of each framed picture.

    Args:
        model: from load_checkpoint.
        framed: (S, S, 4) uint8 pictures, straight alpha, S = the checkpoint's image_size.
        report: called with (step, num_steps).

    Returns:
        One ViewSet a picture: float32 colours, alphas, orbit; view 0 is the framed input itself.

    Raises:
        InputError: a picture has another size. ConfigError: a setting is out of range.
        CheckpointError: the network gives values that are not finite.
    """
    info = model.info
    chosen = (sampling or Sampling()).resolved(info)
    for number, picture in enumerate(framed):
        if picture.shape != (info.image_size, info.image_size, 4) or picture.dtype != np.uint8:
            raise InputError(
                "A framed picture has another size than the checkpoint",
                where=f"picture {number}",
                seen=f"{picture.shape} {picture.dtype}",
                expected=f"({info.image_size}, {info.image_size}, 4) uint8",
                next_step="frame it with svdmv.subject.frame_subject",
            )
    if not framed:
        return []
    pixels = torch.cat([pixels_from_framed(picture, info.image_channels) for picture in framed])
    latents = sample_latents(model, pixels, chosen, report)
    with torch.inference_mode():
        decoded = model.pixels_from_latents(latents, chosen.decode_chunk)  # in the model's order: neighbours matter
    values = ((decoded[:, frame_order(info)] + 1) / 2).cpu().numpy().transpose(0, 1, 3, 4, 2)
    return [
        _view_set(info, clip, picture, chosen, chosen.seed + k)
        for k, (clip, picture) in enumerate(zip(values, framed, strict=True))
    ]


def straight_from_decoded(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Straight colours (N, H, W, 3) and alpha (N, H, W) of decoded pictures (N, H, W, 3 or 4) over white, about [0, 1].

    Without a fourth channel the alpha is found from the white background.
    """
    rgb = np.ascontiguousarray(values[..., :3])
    if values.shape[-1] == 4:
        alpha = np.clip((values[..., 3] - 0.02) / 0.96, 0, 1)  # decoded 0 and 1 are not exact
    else:
        alpha = alpha_from_white(rgb)
    return unmixed_from_white(rgb, alpha), alpha


def _view_set(
    info: CheckpointInfo, values: NDArray[np.float32], framed: NDArray[np.uint8], sampling: Sampling, seed: int
) -> ViewSet:
    rgb, alpha = straight_from_decoded(values)
    values_true = framed.astype(np.float32) / np.float32(255)
    true, true_alpha = values_true[..., :3], values_true[..., 3]
    if info.calibrate_color:
        rgb = calibrated_colors(rgb, alpha, true, true_alpha)
    if info.paste_input_view:
        rgb[0], alpha[0] = true, true_alpha
    orbit = orbit_of(info, replace(sampling, seed=seed))
    provenance = {
        "model": info.name,
        "weights_sha256": info.sha256,
        "licence": info.licence,
        "sampling": replace(sampling, seed=seed).as_dict(),
        "input_view_pasted": info.paste_input_view,
        "color_calibrated": info.calibrate_color,
    }
    return ViewSet(
        rgb.astype(np.float32),
        orbit.cameras(info.image_size, info.image_size),
        alpha.astype(np.float32),
        orbit=orbit,
        provenance=provenance,
    )
