"""Views between views: nine channels without effect at first, the ends given, three views learnt and drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_shards import SIZE, write_shards, write_svd

from svdmv.core import CheckpointError
from svdmv.diffusion.interpolation import (
    Ends,
    interpolated_orbit,
    interpolating_denoiser,
    load_interpolator,
    make_interpolating,
)
from svdmv.diffusion.model import SvdMv
from svdmv.train.config import settings_of
from svdmv.train.full import FullTraining, train_full
from svdmv.train.interpolate import BetweenBatches, between_loss
from svdmv.train.loss import Draws
from svdmv.train.settings import Finetuning
from svdmv.train.shard_batches import loaders_of
from svdmv.train.starts import StartModel, started_model


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("between")
    write_svd(folder / "svd")
    write_shards(folder / "data", stored=8)
    return folder


def started(place: Path) -> SvdMv:
    return started_model(
        StartModel(str(place / "svd"), num_views=5, image_size=SIZE, ids=("fps", "motion_bucket", "noise_aug"))
    )


def batches(place: Path, model: SvdMv) -> BetweenBatches:
    config = settings_of(["experiment=interpolate_x4", f"data.folder={place / 'data'}", "data.held_out_share=0.2"])
    assert isinstance(config, FullTraining)
    return BetweenBatches(loaders_of(config.data, model.info, whole_orbits=True)[0], model, 2)


def ends_of(batch: Any, model: SvdMv) -> Ends:
    return Ends(batch.tokens, batch.inputs, torch.ones(len(batch.targets), 3))


def test_the_ninth_channel_starts_without_effect(place: Path) -> None:
    """With an embedding of zero the wide network sees what the narrow one sees; the mask is multiplied by zero."""
    narrow, wide = started(place), started(place)
    make_interpolating(wide.unet)
    batch = batches(place, narrow).batch(0, slice(0, 2))
    given = torch.zeros_like(batch.targets)
    given[:, [0, -1]] = batch.inputs
    sigma = torch.tensor([0.5, 2.0])
    from svdmv.diffusion.edm import denoised_from_network
    from svdmv.diffusion.unet import run_unet

    ids = torch.ones(2, 3)
    with torch.no_grad():
        truth = denoised_from_network(
            lambda x, c: run_unet(narrow.unet, torch.cat([x, given], 2), c, batch.tokens, ids), batch.targets, sigma
        )
        made = interpolating_denoiser(wide, ends_of(batch, wide))(batch.targets, sigma)
    torch.testing.assert_close(made, truth, atol=1e-5, rtol=1e-5)
    assert wide.unet.config.in_channels == 9
    with pytest.raises(CheckpointError, match="9 channels"):
        make_interpolating(wide.unet)


def test_clips_are_neighbours_and_the_ends_are_theirs(place: Path) -> None:
    model = started(place)
    source = batches(place, model)
    one, again = source.batch(3, slice(0, 2)), source.batch(3, slice(1, 2))
    torch.testing.assert_close(one.inputs * 0.18215, one.targets[:, [0, -1]])
    torch.testing.assert_close(again.targets[0], one.targets[1])
    assert one.tokens is not None
    assert one.tokens.shape[:2] == (2, 2)
    assert not torch.equal(one.tokens[0, 0], one.tokens[0, 1])


def test_the_loss_counts_the_views_between_alone_and_all_parts_learn(place: Path) -> None:
    model = started(place)
    make_interpolating(model.unet)
    batch, settings = batches(place, model).batch(0, slice(0, 2)), Finetuning(batch=2, dropout=0.0)
    draws = Draws.of(batch, 2, settings, torch.Generator().manual_seed(0))
    assert draws.pixel_noise.shape == batch.inputs.shape, "noise of the ends is of their latents"
    loss = between_loss(model, batch, draws, settings)
    torch.autograd.backward(loss)
    assert bool(model.unet.given_nothing.grad.any())
    assert bool(model.unet.conv_in.weight.grad[:, 8].any())
    gone = between_loss(model, batch, Draws(**{**vars(draws), "drop": torch.ones(2, dtype=torch.bool)}), settings)
    assert float(gone.detach()) != float(loss.detach())


def test_from_dense_orbits_to_four_times_the_views(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("svdmv.train.memory.step_bytes", lambda model, half, checkpointing: 1000)
    config = settings_of(
        [
            "experiment=interpolate_x4", f"model.weights={place / 'svd'}", f"model.image_size={SIZE}",
            f"data.folder={place / 'data'}", "data.held_out_share=0.2", f"out={tmp_path}", "finetuning.num_steps=2",
            "finetuning.batch=2", "finetuning.micro_batch=1", "hardware.device=cpu", "hardware.precision=fp32",
            "watching.every=2", "watching.orbits=1", "watching.num_steps=1",
        ]
    )  # fmt: skip
    assert isinstance(config, FullTraining)
    assert train_full(config)
    model = load_interpolator(tmp_path / "checkpoint")
    assert bool(model.unet.given_nothing.any())
    views = torch.rand(3, 3, SIZE, SIZE) * 2 - 1
    made = interpolated_orbit(model, views, num_steps=1)
    assert made.shape == (12, 3, SIZE, SIZE)
    assert torch.equal(made[::4], views)
    assert (tmp_path / "validation.jsonl").is_file()
    with pytest.raises(CheckpointError, match="no interpolation"):
        load_interpolator(place / "svd")
