"""The finetuning loop: what the loss feeds the network, exact resume, learning, and refusals."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tiny_training import LATENT, VIEWS, batches_of, looped, random_latents, same_weights, state_of, tiny_model
from torch import Tensor

import svdmv.train.finetune as loop
from svdmv.core import CheckpointError
from svdmv.dataset.orbits import OrbitStore, pixels_from_rgba
from svdmv.diffusion.conditioning import clip_pixels
from svdmv.diffusion.edm import sigmas_for_training
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.unet import vector_from_ids
from svdmv.train.finetune import finetune
from svdmv.train.loss import Batch, Draws, edm_loss
from svdmv.train.settings import Finetuning
from svdmv.train.state import step_generator
from svdmv.train.store_batches import encode_orbits, orbit_batch, variants_of, varied

SHORT = Finetuning(num_steps=10, batch=2, warmup_steps=2, save_every=3, learning_rate=1e-3)


def batch_of(count: int, seed: int = 0) -> Batch:
    g = torch.Generator().manual_seed(seed)
    return Batch(
        torch.randn(count, VIEWS, LATENT, 4, 4, generator=g),
        torch.rand(count, 4, 16, 16, generator=g) * 2 - 1,
        torch.linspace(-5, 30, count),
    )


def loss_of(model: SvdMv, batch: Batch, settings: Finetuning, generator: torch.Generator) -> Tensor:
    return edm_loss(model, batch, Draws.of(batch, len(batch.targets), settings, generator), settings)


def told(model: SvdMv, batch: Batch, settings: Finetuning, seed: int = 0) -> dict[str, Tensor]:
    """What reaches the networks in one evaluation of the loss."""
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, arguments, out: seen.__setitem__(name, arguments[0].detach())

    hooks = [
        model.unet.time_proj.register_forward_hook(keep("c_noise")),
        model.unet.conv_in.register_forward_hook(keep("joined")),
        model.unet.mid_block.attentions[0].transformer_blocks[0].attn2.to_k.register_forward_hook(keep("tokens")),
        model.image_encoder.vision_model.embeddings.patch_embedding.register_forward_hook(keep("clip")),
        model.vae.encoder.register_forward_hook(keep("encoded")),
    ]
    with mock.patch("svdmv.diffusion.unet.vector_from_ids", wraps=vector_from_ids) as vector:
        seen["loss"] = loss_of(model, batch, settings, torch.Generator().manual_seed(seed)).detach()
    seen["ids"] = vector.call_args.args[0]
    for hook in hooks:
        hook.remove()
    return seen


def test_one_noise_level_a_clip_as_a_quarter_of_its_logarithm() -> None:
    settings = Finetuning(p_mean=1.0, p_std=1.6)
    seen = told(tiny_model(), batch_of(3), settings)
    sigmas = sigmas_for_training(3, 1.0, 1.6, torch.Generator().manual_seed(0))
    assert seen["c_noise"].shape == (3,)
    torch.testing.assert_close(seen["c_noise"], 0.25 * sigmas.log())


def test_ids_have_a_row_a_clip_with_its_own_strength_and_elevation() -> None:
    batch = batch_of(3)
    rows = told(tiny_model(), batch, Finetuning())["ids"].reshape(3, VIEWS, 4)
    assert bool((rows == rows[:, :1]).all()), "all views of a clip share the ids"
    assert rows[:, 0, :2].tolist() == [[6, 127]] * 3
    assert len(rows[:, 0, 2].unique()) == 3
    torch.testing.assert_close(rows[:, 0, 3], batch.elevations_deg)


def test_image_encoder_sees_the_clean_view_and_the_autoencoder_the_noisy_one() -> None:
    batch, seed = batch_of(2), 5
    settings = Finetuning(noise_aug_log_mean=-1.0)
    seen = told(tiny_model(), batch, settings, seed)
    torch.testing.assert_close(seen["clip"], clip_pixels(batch.inputs[:, :3], 16))
    noise = seen["encoded"] - batch.inputs
    strength = told(tiny_model(), batch, settings, seed)["ids"].reshape(2, VIEWS, 4)[:, 0, 2]
    torch.testing.assert_close(noise.std((1, 2, 3)), strength, rtol=0.1, atol=0)


def test_batch_is_left_alone() -> None:
    batch = batch_of(2)
    kept = [t.clone() for t in (batch.targets, batch.inputs, batch.elevations_deg)]
    told(tiny_model(), batch, Finetuning())
    assert all(
        torch.equal(a, b) for a, b in zip(kept, (batch.targets, batch.inputs, batch.elevations_deg), strict=True)
    )


def test_condition_is_dropped_per_clip_and_jointly_and_ids_never() -> None:
    """Token and latent vanish together; about half of 64 clips at a rate of 0.5; not the whole batch at once."""
    model, batch = tiny_model(), batch_of(64)
    seen = told(model, batch, Finetuning(dropout=0.5))
    latents = seen["joined"].unflatten(0, (64, VIEWS))[:, :, LATENT:]
    tokens = seen["tokens"].reshape(64, -1)
    no_latent, no_token = latents.abs().amax((1, 2, 3, 4)) == 0, tokens.abs().amax(1) == 0
    assert torch.equal(no_latent, no_token)
    assert 18 <= int(no_token.sum()) <= 46
    assert bool((seen["ids"].reshape(64, VIEWS, 4)[:, :, 2] > 0).all())
    assert not (told(model, batch, Finetuning(dropout=0.0))["joined"][:, LATENT:].abs().amax((1, 2, 3)) == 0).any()


def test_input_latent_is_the_same_on_every_view() -> None:
    latents = told(tiny_model(), batch_of(2), Finetuning())["joined"].unflatten(0, (2, VIEWS))[:, :, LATENT:]
    assert bool((latents == latents[:, :1]).all())


def test_loss_of_a_silent_network_is_the_variance_of_its_target() -> None:
    """weight * c_out^2 = 1: with F = 0 and unit-variance data the loss is 1 at every noise level."""
    model = tiny_model()
    torch.nn.init.zeros_(model.unet.conv_out.weight)
    torch.nn.init.zeros_(model.unet.conv_out.bias)
    for p_mean in (-4.0, 0.0, 4.0):
        settings = Finetuning(p_mean=p_mean, p_std=0.1)
        assert told(model, batch_of(24), settings)["loss"].item() == pytest.approx(1, rel=0.05)


def test_the_loss_is_a_function_of_its_generator() -> None:
    model, batch = tiny_model(), batch_of(2)
    one, two, other = (told(model, batch, Finetuning(), seed)["loss"] for seed in (1, 1, 2))
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_view_k_of_a_batch_is_view_start_plus_k_and_the_input_is_view_0(store: OrbitStore) -> None:
    """Latents that spell (round, orbit, view) show what was taken."""
    latents = random_latents(store)
    marks = np.arange(2 * len(store) * VIEWS).reshape(2, len(store), VIEWS)
    latents.latents[:] = marks[..., None, None, None]
    starts, mirrored = set(), set()
    for step in range(12):
        batch = orbit_batch(store, latents, np.arange(len(store)), 3, 2.0, 1, step)
        for targets, pixels, elevation in zip(batch.targets, batch.inputs, batch.elevations_deg, strict=True):
            views = (targets[:, 0, 0, 0] / 2.0).round().int().tolist()
            m, n, start = (int(i) for i in np.argwhere(marks == views[0])[0])
            assert views == [int(marks[m, n, (start + k) % VIEWS]) for k in range(VIEWS)]
            expected = pixels_from_rgba(varied(np.asarray(store.images[n]), latents.variants[m, n]))[start]
            np.testing.assert_array_equal(pixels.numpy(), expected)
            assert elevation == store.elevations_deg[n]
            starts.add(start)
            mirrored.add(m)
    assert starts == set(range(VIEWS))
    assert mirrored == {0, 1}


def test_a_batch_is_a_function_of_seed_and_step(store: OrbitStore) -> None:
    latents, orbits = random_latents(store), np.arange(len(store))
    one, two, other = (orbit_batch(store, latents, orbits, 2, 1.0, 1, step) for step in (3, 3, 4))
    assert torch.equal(one.targets, two.targets)
    assert torch.equal(one.inputs, two.inputs)
    assert not torch.equal(one.targets, other.targets)


def test_variants_take_turns(store: OrbitStore) -> None:
    variants = variants_of(8, 4, 0)
    assert variants.shape == (4, 8, 4)
    for orbit in range(8):
        assert variants[:, orbit, 3].sum() == 2, "half of the rounds are mirrored"
        plain = (variants[:, orbit, :3] == (0, 1, 2)).all(1)
        assert plain.sum() >= 2
    assert bool((np.sort(variants[..., :3], -1) == (0, 1, 2)).all()), "every colour order is a permutation"


def test_encoded_orbits_are_posterior_means_of_the_varied_pictures(store: OrbitStore) -> None:
    model, reports = tiny_model(), []
    variants = variants_of(len(store), 2, 0)
    made = encode_orbits(model, store, variants, np.array([0, 1]), report=lambda n, of: reports.append((n, of)))
    assert made.shape == (2, 2, VIEWS, LATENT, 4, 4)
    assert reports[-1] == (4, 4)
    pixels = torch.from_numpy(pixels_from_rgba(varied(np.asarray(store.images[1]), variants[1, 1])))
    with torch.no_grad():
        mean = model.vae.encode(pixels).latent_dist.mean
    error = torch.from_numpy(made[1, 1]).float() - mean
    assert (error.norm() / mean.norm()).item() < 0.02, "encoded in bfloat16, kept in float16, not scaled"


def trained(store: OrbitStore, folder: Path, settings: Finetuning, **options: Any) -> SvdMv:
    model = tiny_model()
    assert finetune(model, batches_of(store, settings), settings, folder, looped(**options))
    return model


@pytest.mark.parametrize("bf16", [False, True])
def test_a_killed_run_goes_on_as_if_nothing_had_happened(
    store: OrbitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bf16: bool
) -> None:
    """Ten steps in one go; six, two more that are lost, a kill, and four more from the saved state: the same bits."""
    straight = trained(store, tmp_path / "straight", SHORT, bf16=bf16)
    real, calls = loop.finite, []

    def killed_in_step_nine(*values: Tensor) -> bool:
        calls.append(1)
        if len(calls) == 9:
            raise KeyboardInterrupt
        return real(*values)

    monkeypatch.setattr(loop, "finite", killed_in_step_nine)
    with pytest.raises(KeyboardInterrupt):
        trained(store, tmp_path / "killed", SHORT, bf16=bf16)
    monkeypatch.setattr(loop, "finite", real)
    went_on = trained(store, tmp_path / "killed", SHORT, bf16=bf16)
    assert same_weights(straight.unet, went_on.unet)
    assert same_weights(straight.image_encoder, went_on.image_encoder)
    one, two = (load_file(state_of(tmp_path / name)) for name in ("straight", "killed"))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_out_of_time_stops_between_steps_and_goes_on(
    store: OrbitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time at all, then slices of three steps, add up to the same weights."""
    straight = trained(store, tmp_path / "straight", SHORT)

    class ThreeSteps(loop.StepClock):
        """Spent after three steps."""

        left = 3

        def tick(self) -> None:
            self.left -= 1

        def spent(self) -> bool:
            return self.limit == 0 or self.left == 0

    monkeypatch.setattr(loop, "StepClock", ThreeSteps)
    done = []
    for minutes in (0, 1, 1, 1, 1):
        model = tiny_model()
        done.append(finetune(model, batches_of(store, SHORT), SHORT, tmp_path / "slices", looped(minutes=minutes)))
    assert done == [False, False, False, False, True]
    assert same_weights(straight.unet, model.unet)


def test_a_finished_run_is_done_at_once_and_keeps_its_weights(store: OrbitStore, tmp_path: Path) -> None:
    one = trained(store, tmp_path, SHORT)
    before = state_of(tmp_path).read_bytes()
    assert same_weights(trained(store, tmp_path, SHORT).unet, one.unet)
    assert state_of(tmp_path).read_bytes() == before


def test_two_orbits_are_learnt(store: OrbitStore, tmp_path: Path) -> None:
    """The loss on fixed noise falls by more than a quarter in fifty steps; the autoencoder does not change."""
    latents = random_latents(store, rounds=1)
    latents.latents[:] = latents.latents[..., :1, :, :1, :1]  # every view of an orbit one colour
    settings = Finetuning(num_steps=50, batch=4, learning_rate=4e-3, warmup_steps=5, average_decay=0.9, p_mean=1.0)
    batch = orbit_batch(store, latents, np.arange(2), 4, 1.0, 9, 9)
    fresh, model = tiny_model(), tiny_model()
    with torch.no_grad():
        before = loss_of(model, batch, settings, step_generator(0, 0)).item()
    assert finetune(model, batches_of(store, settings, latents), settings, tmp_path, looped())
    with torch.no_grad():
        after = loss_of(model, batch, settings, step_generator(0, 0)).item()
    assert after < 0.75 * before
    assert same_weights(model.vae, fresh.vae)
    assert not same_weights(model.image_encoder, fresh.image_encoder)
    rows = [json.loads(line) for line in (tmp_path / "curve.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == [25, 50]
    assert rows[1]["loss"] < rows[0]["loss"]


def test_the_image_encoder_can_stay_frozen(store: OrbitStore, tmp_path: Path) -> None:
    model = tiny_model()
    only = torch.nn.ModuleDict({"unet": model.unet})
    assert finetune(model, batches_of(store, SHORT), SHORT, tmp_path, looped(trained=only))
    assert same_weights(model.image_encoder, tiny_model().image_encoder)


def test_a_loss_that_is_not_a_number_stops_the_run_and_the_saved_state_stays(
    store: OrbitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = loop.edm_loss, []

    def sometimes_nan(*arguments: Any) -> Tensor:
        calls.append(1)
        return real(*arguments) * (float("nan") if len(calls) == 8 else 1.0)

    monkeypatch.setattr(loop, "edm_loss", sometimes_nan)
    with pytest.raises(CheckpointError, match=r"(?s)in the loss.*finetuning, step 7"):
        trained(store, tmp_path, SHORT)
    state = load_file(state_of(tmp_path))
    assert all(bool(t.isfinite().all()) for t in state.values())
    monkeypatch.setattr(loop, "edm_loss", real)
    assert same_weights(trained(store, tmp_path, SHORT).unet, trained(store, tmp_path / "fresh", SHORT).unet)
