"""Checkpoints in and out: SVD's folder is widened, ours keeps every value, diffusers reads what we write."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_checkpoints import ID_WIDTH, VAE, edited_json

from svdmv.core import CheckpointError
from svdmv.diffusion.checkpoint import checkpoint_folder, load_checkpoint, save_checkpoint
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.info import CheckpointInfo, Framing
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.weight_files import PARTS

LINEAR = "add_embedding.linear_1.weight"


def states(model: SvdMv) -> dict[str, torch.Tensor]:
    return {f"{part}.{n}": t for part in PARTS for n, t in getattr(model, part).state_dict().items()}


def test_svd_folder_is_widened_and_every_other_value_is_its_own(model: SvdMv, parts: dict[str, Any]) -> None:
    loaded = states(model)
    for part in PARTS:
        for name, tensor in parts[part].state_dict().items():
            if name == LINEAR:
                assert torch.equal(loaded[f"unet.{LINEAR}"][:, : 3 * ID_WIDTH], tensor)
                assert not loaded[f"unet.{LINEAR}"][:, 3 * ID_WIDTH :].any()
            else:
                assert torch.equal(loaded[f"{part}.{name}"], tensor), f"{part}.{name}"
    assert not any(p.requires_grad for p in model.unet.parameters())
    assert not any(network.training for network in (model.unet, model.vae, model.image_encoder))


def test_svd_folder_says_what_is_known_and_what_is_assumed(model: SvdMv) -> None:
    info = model.info
    assert info.ids == ("fps", "motion_bucket", "noise_aug", "elevation")
    assert (info.fps_id, info.motion_bucket_id, info.noise_aug) == (6, 127, 0.02)
    assert (info.sigma_min, info.sigma_max, info.rho) == (0.002, 700, 7)
    assert (info.image_size, info.num_views, info.clip_size, info.image_channels) == (32, 21, 224, 3)
    assert {"elevation_unit", "azimuth_sign", "framing"} <= set(info.assumed)
    assert len(info.sha256) == 64
    assert model.latent_shape == (4, 4, 4)


def test_svd_s_own_size_gives_svd_mv_s(svd_copy: Path) -> None:
    """The published settings hold sample_size 96; SVD-MV is drawn at 576 px."""
    edited_json(svd_copy / "unet" / "config.json", sample_size=96)
    (svd_copy / "LICENSE.md").write_text("STABLE VIDEO DIFFUSION LICENCE\nmore\n")
    edited_json(svd_copy / "image_encoder" / "config.json", torch_dtype="float16", transformers_version="4.34.0.dev0")
    info = load_checkpoint(str(svd_copy)).info
    assert info.image_size == 576
    assert info.licence == "STABLE VIDEO DIFFUSION LICENCE"


def test_the_loaded_image_encoder_knows_its_positions(model: SvdMv, parts: dict[str, Any]) -> None:
    """The buffer that no file holds: outputs are equal to those of the network that was saved."""
    pixels = torch.rand(1, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    assert torch.equal(model.image_encoder(pixels).image_embeds, parts["image_encoder"](pixels).image_embeds)


@pytest.mark.parametrize("half", [False, True])
def test_saving_and_loading_keeps_every_value(model: SvdMv, tmp_path: Path, half: bool) -> None:
    """Bit-equal in float32, rounded once in float16; the settings are the same."""
    info = replace(
        model.info, name="kept", framing=Framing("bounding_sphere", 1.75), guidance=Guidance("linear", 1, 2), sha256=""
    )
    ours = replace(model, info=info)
    save_checkpoint(ours, tmp_path / "kept", half=half)
    again = load_checkpoint(str(tmp_path / "kept"))
    for name, tensor in states(again).items():
        before = states(ours)[name]
        assert torch.equal(tensor, before.half().float() if half else before), name
    assert replace(again.info, sha256="") == info


def test_shards_and_whole_files_hold_the_same(model: SvdMv, tmp_path: Path) -> None:
    save_checkpoint(model, tmp_path / "whole", half=False, max_shard_mb=100)
    save_checkpoint(model, tmp_path / "shards", half=False, max_shard_mb=1)
    assert len(list((tmp_path / "shards" / "unet").glob("*.safetensors"))) > 1
    assert all(p.stat().st_size < 2e6 for p in (tmp_path / "shards").rglob("*.safetensors"))
    whole, shards = load_checkpoint(str(tmp_path / "whole")), load_checkpoint(str(tmp_path / "shards"))
    assert all(torch.equal(a, b) for a, b in zip(states(whole).values(), states(shards).values(), strict=True))


def test_saving_twice_gives_the_same_bytes(model: SvdMv, tmp_path: Path) -> None:
    for name in ("one", "two"):
        save_checkpoint(model, tmp_path / name)
    files = sorted(p.relative_to(tmp_path / "one") for p in (tmp_path / "one").rglob("*") if p.is_file())
    assert {str(f) for f in files} >= {"svdmv.json", "model_index.json", "unet/config.json", "vae/config.json"}
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)


def test_diffusers_reads_what_we_write(model: SvdMv, tmp_path: Path) -> None:
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionModelWithProjection

    save_checkpoint(model, tmp_path / "ours", half=False, max_shard_mb=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(logging.getLogger("diffusers"), "disabled", True)
        theirs = {
            "unet": UNetSpatioTemporalConditionModel.from_pretrained(tmp_path / "ours" / "unet"),
            "vae": AutoencoderKLTemporalDecoder.from_pretrained(tmp_path / "ours" / "vae"),
            "image_encoder": CLIPVisionModelWithProjection.from_pretrained(tmp_path / "ours" / "image_encoder"),
        }
    for part, network in theirs.items():
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, states(model)[f"{part}.{name}"]), f"{part}.{name}"
    assert theirs["unet"].config.projection_class_embeddings_input_dim == 4 * ID_WIDTH


def test_saving_and_loading_are_quiet(
    model: SvdMv, tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No progress bars, and no word from the loggers of the packages below."""
    said: list[str] = []
    monkeypatch.setattr(logging.Logger, "handle", lambda self, record: said.append(record.getMessage()))
    save_checkpoint(model, tmp_path / "quiet")
    load_checkpoint(str(tmp_path / "quiet"), dtype="fp16")
    assert capfd.readouterr() == ("", "")
    assert said == []


def test_a_weight_beyond_float16_is_refused_and_nothing_is_left(model: SvdMv, tmp_path: Path) -> None:
    bias = model.unet.conv_out.bias
    kept = bias.clone()
    bias[0] = 1e6
    try:
        with pytest.raises(CheckpointError, match="1e\\+06"):
            save_checkpoint(model, tmp_path / "large")
    finally:
        bias.copy_(kept)
    assert list(tmp_path.iterdir()) == []


def test_a_model_card_travels_along(model: SvdMv, tmp_path: Path) -> None:
    (tmp_path / "card.md").write_text("# card")
    save_checkpoint(model, tmp_path / "with", card=tmp_path / "card.md")
    assert (tmp_path / "with" / "README.md").read_text() == "# card"


def test_the_hash_follows_the_weights(svd_copy: Path, model: SvdMv) -> None:
    from tiny_checkpoints import rewritten

    assert load_checkpoint(str(svd_copy)).info.sha256 == model.info.sha256
    rewritten(
        svd_copy / "unet" / "diffusion_pytorch_model.safetensors", **{"conv_out.bias": torch.tensor([1.0, 2, 3, 4])}
    )
    assert load_checkpoint(str(svd_copy)).info.sha256 != model.info.sha256


@pytest.mark.parametrize(("dtype", "expected"), [("bf16", torch.bfloat16), ("fp16", torch.float16)])
def test_number_formats_and_the_autoencoder_s_exception(svd_folder: Path, dtype: str, expected: torch.dtype) -> None:
    """force_upcast: the autoencoder overflows in float16 and stays in float32; bfloat16 has the range."""
    model = load_checkpoint(str(svd_folder), dtype=dtype)
    assert VAE["force_upcast"]
    assert model.unet.dtype == model.image_encoder.dtype == expected
    assert model.vae.dtype == (torch.float32 if dtype == "fp16" else torch.bfloat16)


def test_a_hub_id_is_taken_from_the_cache(svd_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache's own layout: refs/main names a snapshot folder."""
    import huggingface_hub.constants

    home = tmp_path / "models--someone--tiny"
    shutil.copytree(svd_folder, home / "snapshots" / ("0" * 40))
    (home / "refs").mkdir()
    (home / "refs" / "main").write_text("0" * 40)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert checkpoint_folder("someone/tiny") == home / "snapshots" / ("0" * 40)
    assert load_checkpoint("someone/tiny").info.name == "someone/tiny"


def test_settings_survive_json(model: SvdMv) -> None:
    text = json.dumps(model.info.as_dict())
    assert replace(CheckpointInfo.from_dict(json.loads(text), "here"), sha256=model.info.sha256) == model.info


def test_the_tiny_folder_has_the_files_of_stable_video_diffusion(svd_folder: Path) -> None:
    files = {str(p.relative_to(svd_folder)) for p in svd_folder.rglob("*") if p.is_file()}
    assert files >= {
        "model_index.json",
        "image_encoder/config.json",
        "image_encoder/model.safetensors",
        "scheduler/scheduler_config.json",
        "unet/config.json",
        "unet/diffusion_pytorch_model.safetensors",
        "vae/config.json",
        "vae/diffusion_pytorch_model.safetensors",
    }
