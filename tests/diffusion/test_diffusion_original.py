"""Known answers of the original implementation of SVD and SV3D, run on tiny random networks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from svdmv.diffusion.conditioning import Condition, condition_latents
from svdmv.diffusion.edm import denoised_from_network, karras_sigmas
from svdmv.diffusion.guidance import Guidance, guided
from svdmv.diffusion.samplers import euler
from svdmv.diffusion.sgm_file import SV3D_P, SVD, SgmKind, below, unet_from_sgm, vae_from_sgm
from svdmv.diffusion.unet import run_unet, vector_from_ids


def opened(folder: Path, kind: SgmKind) -> tuple[Any, dict[str, Tensor], dict[str, Any]]:
    """The UNet with the original weights, its recorded inputs and outputs, its settings."""
    from diffusers import UNetSpatioTemporalConditionModel

    config = json.loads((folder / "config.json").read_text("utf-8"))
    theirs = below({n: t.float() for n, t in load_file(folder / "unet.safetensors").items()}, "model.diffusion_model.")
    settings, state = unet_from_sgm(theirs, "test", kind, head_width=config["unet"]["num_head_channels"])
    unet = UNetSpatioTemporalConditionModel.from_config({k: v for k, v in settings.items() if k[0] != "_"})
    unet.load_state_dict(state, strict=True)
    return unet.eval().requires_grad_(False), load_file(folder / "io.safetensors"), config


@pytest.fixture(scope="module")
def original(shared_data: Path) -> Path:
    folder = shared_data / "sgm_parity"
    if not folder.is_dir():
        pytest.skip("the original implementation's answers (../shared/data/sgm_parity) are not on this machine")
    return folder


@pytest.fixture(scope="module")
def svd(original: Path) -> tuple[Any, dict[str, Tensor], dict[str, Any]]:
    return opened(original / "svd_tiny", SVD)


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
    _unet, io, config = svd
    ids = torch.stack([io["raw_fps_id"], io["raw_motion_bucket_id"], io["raw_cond_aug"]], 1)
    vector = vector_from_ids(ids, SVD.id_widths)
    torch.testing.assert_close(vector, io["vector"][:: config["num_frames"]], atol=1e-5, rtol=0)


def sampled(
    unet: Any, io: dict[str, Tensor], config: dict[str, Any], ids: Tensor, widths: tuple[int, ...] = ()
) -> Tensor:
    """The first clip, drawn by our Euler sampler with the recorded start noise and scales."""
    frames = config["num_frames"]
    condition = Condition(io["crossattn"][:1], io["concat"][:1], ids)
    torch.testing.assert_close(io["concat"][:frames], io["concat"][:1].expand(frames, -1, -1, -1))

    def denoiser(told: Condition) -> Any:
        def network(sample: Tensor, c_noise: Tensor) -> Tensor:
            copied = told.latents[:, None].expand(-1, frames, -1, -1, -1)
            return run_unet(unet, torch.cat([sample, copied], 2), c_noise, told.tokens, told.ids, widths)

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
    """One forward of two clips and a guided sampling, from raw angles: each view's vector is the original's."""
    unet, io, config = opened(original / "sv3d_p_tiny", SV3D_P)
    frames, widths = config["num_frames"], SV3D_P.id_widths
    ids = torch.stack([io["raw_cond_aug"], io["raw_polars_rad"], io["raw_azimuths_rad"]], 1)
    torch.testing.assert_close(vector_from_ids(ids, widths), io["vector"], atol=1e-5, rtol=0)
    sample = torch.cat([io["x"], io["concat"]], 1).unflatten(0, (2, frames))
    rows = ids.unflatten(0, (2, frames))
    ours = run_unet(unet, sample, io["timesteps"][::frames], io["crossattn"][::frames], rows, widths)
    torch.testing.assert_close(ours.flatten(0, 1), io["output"], atol=5e-4, rtol=0)
    drawn = sampled(unet, io, config, rows[:1], widths)
    scale = io["sampler_output"].std().item()
    torch.testing.assert_close(drawn, io["sampler_output"], atol=1e-3 * scale, rtol=0)
    torch.testing.assert_close(Guidance("triangle_frames", *config["guidance"]).scales(frames), io["guidance"])


def test_triangle_of_sv3d_counts_angles_not_frames(original: Path) -> None:
    """The original rises and falls over frame numbers, so its first frame, one step past the input, has scale 1;
    ours goes by the angle to the input view: the same highest scale, never more than one step (0.15) apart."""
    theirs = load_file(original / "sv3d_p_tiny" / "io.safetensors")["guidance"]
    ours = Guidance("triangle", 1.0, 2.5).scales(21, 20)
    assert theirs[0] == theirs[20] == ours[20] == 1
    assert theirs.max() == ours.max() == 2.5
    assert (ours - theirs).abs().max().item() == pytest.approx(0.15, abs=1e-6)


@pytest.mark.parametrize("half", ["video", "image"])
def test_autoencoder(original: Path, half: str) -> None:
    """Encoder with its posterior mean; the temporal decoder of SVD over one clip, or the plain one of SV3D."""
    from diffusers import AutoencoderKL, AutoencoderKLTemporalDecoder

    folder = original / "vae_tiny"
    config, io = json.loads((folder / "config.json").read_text("utf-8")), load_file(folder / "io.safetensors")
    state = {name: tensor.float() for name, tensor in load_file(folder / "vae.safetensors").items()}
    encoder = {name: tensor for name, tensor in state.items() if name.startswith(("encoder.", "quant_conv."))}
    settings, made = vae_from_sgm(encoder, below(state, f"{half}_decoder."), "test")
    kind = {"AutoencoderKL": AutoencoderKL, "AutoencoderKLTemporalDecoder": AutoencoderKLTemporalDecoder}
    vae = kind[settings["_class_name"]].from_config({k: v for k, v in settings.items() if k[0] != "_"}).eval()
    vae.load_state_dict(made, strict=True)
    mean = io["encoder_moments_quant_conv"].chunk(2, 1)[0]
    ours = condition_latents(vae, io["images"], torch.zeros(len(mean)), None)
    torch.testing.assert_close(ours, mean, atol=1e-5, rtol=0)
    told = {"num_frames": config["num_frames"]} if half == "video" else {}
    decoded = vae.decode(io["latents"], **told).sample
    torch.testing.assert_close(decoded, io[f"{half}_decoded"], atol=1e-5, rtol=0)
