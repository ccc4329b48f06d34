"""An autoencoder grown around a smaller one: the inside computes what it did, and the latents stay where they were."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from test_train_recipe import SMALL, small_data
from tiny_training import AUTOENCODER, SIZE, same_weights, tiny_model
from torch.nn import functional

from svdmv.core import ConfigError
from svdmv.dataset.orbits import OrbitStore
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.train.autoencoder import AutoencoderTraining, train_autoencoder
from svdmv.train.config import train_config
from svdmv.train.grown import begin_from, begun_autoencoder, grown_autoencoder, latents_of_halved
from svdmv.train.mini import train_mini
from svdmv.train.networks import AutoencoderShape, new_autoencoder

INNER = AutoencoderShape((32, 32, 64), layers=1, latent_channels=4, image_channels=4, image_size=SIZE)
OUTER = replace(INNER, channels=(32, 32, 32, 64), image_size=2 * SIZE)


def what_enters(module: torch.nn.Module, kept: list[Any]) -> None:
    module.register_forward_pre_hook(lambda _, given: kept.append(given[0].detach()))


@torch.no_grad()
def test_inner_levels_compute_what_they_did() -> None:
    small = new_autoencoder(INNER, 1).eval()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        for weights in small.parameters():
            weights.add_(0.1 * torch.randn_like(weights))
    big = grown_autoencoder(small, OUTER, 2).eval()
    before, after = [], []
    what_enters(small.decoder.conv_norm_out, before)
    what_enters(big.decoder.up_blocks[2].upsamplers[0], after)
    latents = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    small.decode(latents, num_frames=3)
    assert big.decode(latents, num_frames=3).sample.shape == (3, 4, 2 * SIZE, 2 * SIZE)
    torch.testing.assert_close(after[0], before[0])
    hidden = torch.randn(2, 32, 8, 8, generator=torch.Generator().manual_seed(1))
    one, two = hidden, hidden
    for block in small.encoder.down_blocks[1:]:
        one = block(one)
    for block in big.encoder.down_blocks[2:]:
        two = block(two)
    assert len(big.encoder.down_blocks) == 4
    torch.testing.assert_close(two, one)


def test_latents_of_halved_undo_an_enlargement() -> None:
    small = new_autoencoder(INNER, 1).eval()
    pixels = torch.rand(2, 4, SIZE, SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    enlarged = functional.interpolate(pixels, scale_factor=2.0, mode="nearest")
    with torch.no_grad():
        expected = small.encode(pixels).latent_dist.mode()
    torch.testing.assert_close(latents_of_halved(small)(enlarged), expected)


def test_training_brings_the_encoder_to_the_known_latents(store: OrbitStore, tmp_path: Path) -> None:
    """The distance to given latents falls where its weight is large, and hardly where it is nothing."""
    settings = AutoencoderTraining(
        num_steps=25, temporal_steps=0, batch=4, warmup_steps=2, learning_rate=4e-3, optimizer="muon"
    )
    last = {}
    for weight in (0.0, 10.0):
        vae, folder = new_autoencoder(AUTOENCODER, 0), tmp_path / str(weight)

        def known(pixels: torch.Tensor) -> torch.Tensor:
            return 2 * functional.avg_pool2d(pixels, 4)

        done = train_autoencoder(
            vae,
            store,
            replace(settings, latents_weight=weight),
            folder,
            lpips=None,
            minutes=9,
            kept_latents=known,
            bf16=False,
        )
        assert done
        rows = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
        last[weight] = rows[-1]["latents"]
    assert last[10.0] < 0.5 * last[0.0]


@pytest.mark.parametrize(
    "shape",
    [
        replace(OUTER, channels=(32, 32, 64, 64)),
        replace(OUTER, channels=(32, 32, 32, 32, 64)),
        replace(OUTER, latent_channels=8),
        replace(OUTER, layers=2),
    ],
)
def test_another_inside_is_refused_with_the_shape_that_fits(shape: AutoencoderShape) -> None:
    with pytest.raises(ConfigError, match="cannot be grown") as caught:
        grown_autoencoder(new_autoencoder(INNER, 0), shape, 0)
    assert "autoencoder_shape.channels=[32,32,32,64]" in caught.value.block()


def test_the_start_of_the_same_size_is_taken_whole() -> None:
    start, other = tiny_model(0), tiny_model(1)
    vae, known = begun_autoencoder(AUTOENCODER, 5, start)
    assert known is None
    assert same_weights(vae, tiny_model(0).vae)
    assert all(p.requires_grad for p in vae.parameters())
    begin_from(other, start)
    assert same_weights(other.unet, start.unet)
    assert same_weights(other.image_encoder, start.image_encoder)


def test_a_start_of_another_network_is_refused_in_a_sentence() -> None:
    start = tiny_model(0)
    start.unet.conv_in = torch.nn.Conv2d(3, 32, 3)
    with pytest.raises(ConfigError, match="not those of the recipe") as caught:
        begin_from(tiny_model(1), start)
    assert "conv_in" in caught.value.block()


def test_from_a_small_checkpoint_to_one_of_twice_the_size(tmp_path: Path) -> None:
    """Trained on, or with the UNet as it is."""
    data, start = small_data(tmp_path), tmp_path / "s" / "c"
    assert train_mini(train_config([*SMALL, f"data_dir={data}", f"out={tmp_path / 's'}", f"checkpoint={start}"]))
    small = load_checkpoint(str(start))
    for steps in (0, 2):
        out = tmp_path / f"large{steps}"
        changed = [
            f"data_dir={data}", f"out={out}", f"checkpoint={out / 'c'}", f"start={start}", "rendering.size=32",
            "autoencoder_shape.image_size=32", "autoencoder_shape.channels=[32,32,32]", f"finetuning.num_steps={steps}",
        ]  # fmt: skip
        assert train_mini(train_config([*SMALL, *changed]))
        made = load_checkpoint(str(out / "c"))
        assert made.info.image_size == 32
        assert made.latent_shape == small.latent_shape
        assert same_weights(made.unet, small.unet) == (steps == 0)
        assert (out / "latents.npy").is_file() == (steps > 0)


def test_random_weights_are_not_left_as_they_are(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be left as it is"):
        train_mini(train_config([*SMALL, f"out={tmp_path / 'out'}", "finetuning.num_steps=0"]))
