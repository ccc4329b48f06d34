"""Training of the autoencoder: exact resume, learning, and the temporal layers that wait."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import AUTOENCODER, SIZE, same_weights

import svdmv.train.autoencoder as loop
from svdmv.core import CheckpointError
from svdmv.dataset.orbits import OrbitStore, pixels_from_rgba
from svdmv.train.autoencoder import (
    AutoencoderTraining,
    augmented,
    picture_batch,
    reconstruction_loss,
    set_temporal,
    train_autoencoder,
)
from svdmv.train.networks import new_autoencoder, temporal_blocks

SHORT = AutoencoderTraining(num_steps=10, temporal_steps=4, clip_views=2, batch=4, warmup_steps=2, learning_rate=2e-3)


def trained(store: OrbitStore, folder: Path, settings: AutoencoderTraining = SHORT, **options: Any) -> Any:
    vae = new_autoencoder(AUTOENCODER, 0)
    options = {"lpips": None, "minutes": 10, "bf16": False} | options
    assert train_autoencoder(vae, store, settings, folder, **options)
    return vae


def test_a_stopped_run_goes_on_as_if_nothing_had_happened(
    store: OrbitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Six of ten steps, one lost step, a kill, and the rest, over the border where temporal layers join."""
    straight = trained(store, tmp_path / "straight")

    class Spent(loop.StepClock):
        """Asks for a save after step six."""

        steps = 0

        def tick(self) -> None:
            super().tick()
            self.steps += 1

        def spent(self) -> bool:
            return self.steps == 6

    with monkeypatch.context() as patch:
        patch.setattr(loop, "StepClock", Spent)
        vae = new_autoencoder(AUTOENCODER, 0)
        assert not train_autoencoder(vae, store, SHORT, tmp_path / "killed", lpips=None, minutes=10, bf16=False)
    real = loop.check_finite

    def killed(values: Any, where: str, step: int) -> None:
        real(values, where, step)
        if step == 7:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(loop, "check_finite", killed)
        with pytest.raises(KeyboardInterrupt):
            trained(store, tmp_path / "killed")
    went_on = trained(store, tmp_path / "killed")
    assert same_weights(straight, went_on)
    one, two = (load_file(tmp_path / name / "state.safetensors") for name in ("straight", "killed"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_pictures_are_learnt(store: OrbitStore, tmp_path: Path) -> None:
    """Reconstruction of a held picture improves by a third in forty steps."""
    settings = AutoencoderTraining(
        num_steps=40, temporal_steps=8, clip_views=2, batch=8, learning_rate=4e-3, warmup_steps=4, average_decay=0.9
    )
    pixels = torch.from_numpy(pixels_from_rgba(np.asarray(store.images[0])))

    def error(vae: Any) -> float:
        with torch.no_grad():
            mode = vae.encode(pixels).latent_dist.mode()
            return float((vae.decode(mode, num_frames=len(pixels)).sample - pixels).abs().mean())

    before = error(new_autoencoder(AUTOENCODER, 0).eval())
    assert error(trained(store, tmp_path, settings)) < 0.67 * before


def test_a_loss_that_is_not_a_number_stops_the_run(
    store: OrbitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = loop.reconstruction_loss

    def broken(*arguments: Any) -> Any:
        loss, parts = real(*arguments)
        return loss * float("nan"), parts

    monkeypatch.setattr(loop, "reconstruction_loss", broken)
    with pytest.raises(CheckpointError, match="autoencoder, step 0"):
        trained(store, tmp_path)
    assert not (tmp_path / "state.safetensors").exists()


def test_temporal_layers_start_as_the_identity() -> None:
    """A fresh decoder treats a clip as single pictures, so they can be left out of the first steps."""
    vae = new_autoencoder(AUTOENCODER, 0).eval()
    latents = torch.randn(3, 4, 4, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        clip = vae.decode(latents, num_frames=3).sample
        single = torch.cat([vae.decode(one[None], num_frames=1).sample for one in latents])
        torch.testing.assert_close(clip, single, atol=1e-5, rtol=1e-4)
        kept = temporal_blocks(vae)
        assert len(kept) > 2
        set_temporal(vae, False, kept)
        without = vae.decode(latents, num_frames=3).sample
        set_temporal(vae, True, kept)
    torch.testing.assert_close(without, clip, atol=1e-5, rtol=1e-4)
    assert all(a is b for a, b in zip(temporal_blocks(vae), kept, strict=True))


def test_augmentation_permutes_colours_and_mirrors_and_keeps_alpha(store: OrbitStore) -> None:
    clip = np.asarray(store.images[0])
    seen = set()
    for seed in range(40):
        out = augmented(clip, np.random.default_rng(seed))
        mirrored = not np.array_equal(out[..., 3], clip[..., 3]) or not np.array_equal(
            np.sort(out[..., :3], -1), np.sort(clip[..., :3], -1)
        )
        back = out[:, :, ::-1] if mirrored else out
        np.testing.assert_array_equal(np.sort(back[..., :3], -1), np.sort(clip[..., :3], -1))
        np.testing.assert_array_equal(back[..., 3], clip[..., 3])
        seen.add((mirrored, tuple(back[0, SIZE // 2, SIZE // 2, :3])))
    assert len(seen) > 6


def test_a_batch_holds_neighbouring_views_and_is_a_function_of_seed_and_step(store: OrbitStore) -> None:
    orbits = np.arange(len(store))
    one, two, other = (picture_batch(store, orbits, 4, 2, 1, step) for step in (0, 0, 1))
    assert one.shape == (4, 4, SIZE, SIZE)
    assert torch.equal(one, two)
    assert not torch.equal(one, other)
    assert one.min() >= -1
    assert one.max() <= 1


def test_loss_counts_the_object_more_and_vanishes_at_the_target() -> None:
    target = -torch.ones(1, 4, 4, 4)
    target[:, :, :2] = 1
    settings = AutoencoderTraining()
    assert reconstruction_loss(target, target, settings, None)[0].item() == 0
    on_object, on_ground = target.clone(), target.clone()
    on_object[:, 0, 0, 0] -= 0.5
    on_ground[:, 0, 3, 3] += 0.5
    losses = [reconstruction_loss(decoded, target, settings, None)[0].item() for decoded in (on_object, on_ground)]
    assert losses[0] == pytest.approx(4 * losses[1])


def test_convolutions_over_time_stay_in_float32_under_autocast(store: OrbitStore, tmp_path: Path) -> None:
    """Their backward in bfloat16 writes beyond its memory on large pictures."""
    vae = trained(store, tmp_path, SHORT, bf16=True)
    over_time = [m for m in vae.decoder.modules() if isinstance(m, torch.nn.Conv3d)]
    assert len(over_time) > 1
    for conv in over_time:
        clip = torch.randn(1, conv.in_channels, 3, 4, 4, generator=torch.Generator().manual_seed(0))
        exact = torch.nn.functional.conv3d(clip, conv.weight, conv.bias, padding=(1, 0, 0))
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(conv(clip), exact)
