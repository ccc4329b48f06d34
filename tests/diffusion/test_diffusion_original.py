"""Known answers of the original implementation of SVD and SV3D, run on tiny random networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from sgm_names import unet_config, unet_state, vae_state
from torch import Tensor

from svdmv.diffusion.conditioning import Condition, condition_latents
from svdmv.diffusion.edm import denoised_from_network, karras_sigmas
from svdmv.diffusion.guidance import Guidance, guided
from svdmv.diffusion.samplers import euler
from svdmv.diffusion.unet import run_unet


def opened(folder: Path, num_ids: int, id_width: int) -> tuple[Any, dict[str, Tensor], dict[str, Any]]:
    """The UNet with the original weights, its recorded inputs and outputs, its settings."""
    from diffusers import UNetSpatioTemporalConditionModel

    config = json.loads((folder / "config.json").read_text("utf-8"))
    unet = UNetSpatioTemporalConditionModel(**unet_config(config, num_ids, id_width))
    levels, layers = len(config["unet"]["channel_mult"]), config["unet"]["num_res_blocks"]
    unet.load_state_dict(unet_state(load_file(folder / "unet.safetensors"), levels, layers), strict=True)
    return unet.eval().requires_grad_(False), load_file(folder / "io.safetensors"), config


@pytest.fixture(scope="module")
def original(shared_data: Path) -> Path:
    folder = shared_data / "sgm_parity"
    if not folder.is_dir():
        pytest.skip("the original implementation's answers (../shared/data/sgm_parity) are not on this machine")
    return folder


@pytest.fixture(scope="module")
def svd(original: Path) -> tuple[Any, dict[str, Tensor], dict[str, Any]]:
    return opened(original / "svd_tiny", 3, 256)


def test_unet_of_svd(svd: tuple[Any, dict[str, Tensor], dict[str, Any]]) -> None:
    """One forward of two clips with different ids: every tensor used, raw ids embedded by us."""
    unet, io, config = svd
    frames = config["num_frames"]
    ids = torch.stack([io["raw_fps_id"], io["raw_motion_bucket_id"], io["raw_cond_aug"]], 1)
    assert not torch.equal(ids[0], ids[1])
    sample = torch.cat([io["x"], io["concat"]], 1).unflatten(0, (2, frames))
    ours = run_unet(unet, sample, io["timesteps"][::frames], io["crossattn"][::frames], ids)
    torch.testing.assert_close(ours.flatten(0, 1), io["output"], atol=1e-4, rtol=0)


def test_vector_of_svd(svd: tuple[Any, dict[str, Tensor], dict[str, Any]]) -> None:
    """Sinusoids of fps, motion bucket, noise strength, in that order: cosines first."""
    unet, io, config = svd
    ids = torch.stack([io["raw_fps_id"], io["raw_motion_bucket_id"], io["raw_cond_aug"]], 1)
    vector = unet.add_time_proj(ids.reshape(-1)).reshape(2, -1)
    torch.testing.assert_close(vector, io["vector"][:: config["num_frames"]], atol=1e-5, rtol=0)


def sampled(unet: Any, io: dict[str, Tensor], config: dict[str, Any], ids: Tensor) -> Tensor:
    """The first clip, drawn by our Euler sampler with the recorded start noise and scales."""
    frames = config["num_frames"]
    condition = Condition(io["crossattn"][:1], io["concat"][:1], ids)
    torch.testing.assert_close(io["concat"][:frames], io["concat"][:1].expand(frames, -1, -1, -1))

    def denoiser(told: Condition) -> Any:
        def network(sample: Tensor, c_noise: Tensor) -> Tensor:
            copied = told.latents[:, None].expand(-1, frames, -1, -1, -1)
            return run_unet(unet, torch.cat([sample, copied], 2), c_noise, told.tokens, told.ids)

        return lambda noisy, sigma: denoised_from_network(network, noisy, sigma)

    sigmas = karras_sigmas(config["sampler"]["steps"])
    torch.testing.assert_close(sigmas.float(), io["sampler_sigmas"], rtol=1e-5, atol=1e-7)
    start = io["sampler_noise"][None] * (1 + 700.0**2) ** 0.5
    return euler(guided(denoiser(condition), denoiser(condition.null()), io["guidance"]), start, sigmas)[0]


def test_guided_sampling_of_svd(svd: tuple[Any, dict[str, Tensor], dict[str, Any]]) -> None:
    """Six Euler steps with linear guidance."""
    unet, io, config = svd
    ids = torch.stack([io["raw_fps_id"], io["raw_motion_bucket_id"], io["raw_cond_aug"]], 1)[:1]
    torch.testing.assert_close(Guidance("linear", *config["guidance"]).scales(config["num_frames"]), io["guidance"])
    torch.testing.assert_close(sampled(unet, io, config, ids), io["sampler_output"], atol=5e-4, rtol=0)


def test_sv3d_with_a_vector_a_view(original: Path) -> None:
    """One forward of two clips and a guided sampling; the vector of each view is fed as recorded, already embedded."""
    unet, io, config = opened(original / "sv3d_p_tiny", 5, 256)
    frames = config["num_frames"]
    unet.add_time_proj = torch.nn.Identity()
    sample = torch.cat([io["x"], io["concat"]], 1).unflatten(0, (2, frames))
    rows = io["vector"].unflatten(0, (2, frames))
    ours = run_unet(unet, sample, io["timesteps"][::frames], io["crossattn"][::frames], rows)
    torch.testing.assert_close(ours.flatten(0, 1), io["output"], atol=1e-3, rtol=0)
    torch.testing.assert_close(sampled(unet, io, config, rows[:1]), io["sampler_output"], atol=2e-3, rtol=0)


def test_triangle_of_sv3d_counts_angles_not_frames(original: Path) -> None:
    """The original rises and falls over frame numbers, so its first frame, one step past the input, has scale 1;
    ours goes by the angle to the input view: the same highest scale, never more than one step (0.15) apart."""
    theirs = load_file(original / "sv3d_p_tiny" / "io.safetensors")["guidance"]
    ours = Guidance("triangle", 1.0, 2.5).scales(21, 20)
    assert theirs[0] == theirs[20] == ours[20] == 1
    assert theirs.max() == ours.max() == 2.5
    assert (ours - theirs).abs().max().item() == pytest.approx(0.15, abs=1e-6)


def test_autoencoder_of_svd(original: Path) -> None:
    """Encoder with its posterior mean, and the temporal decoder over one clip."""
    from diffusers import AutoencoderKLTemporalDecoder

    folder = original / "vae_tiny"
    config, io = json.loads((folder / "config.json").read_text("utf-8")), load_file(folder / "io.safetensors")
    own = config["ddconfig"]
    vae = AutoencoderKLTemporalDecoder(
        block_out_channels=tuple(own["ch"] * m for m in own["ch_mult"]),
        down_block_types=("DownEncoderBlock2D",) * len(own["ch_mult"]),
        layers_per_block=own["num_res_blocks"],
        latent_channels=own["z_channels"],
    )
    vae.load_state_dict(vae_state(load_file(folder / "vae.safetensors"), len(own["ch_mult"])), strict=True)
    vae.eval()
    mean = io["encoder_moments_quant_conv"].chunk(2, 1)[0]
    ours = condition_latents(vae, io["images"], torch.zeros(len(mean)), None)
    torch.testing.assert_close(ours, mean, atol=2e-5, rtol=0)
    decoded = vae.decode(io["latents"], num_frames=config["num_frames"]).sample
    torch.testing.assert_close(decoded, io["video_decoded"], atol=2e-5, rtol=0)
