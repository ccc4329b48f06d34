"""Saved states, averages, learning rates, curves and clocks."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from svdmv.core import CheckpointError
from svdmv.train.autoencoder import learning_rate_at
from svdmv.train.progress import Curve, StepClock
from svdmv.train.state import Average, check_finite, load_state, save_state, step_generator


def network(width: int = 3, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, width), nn.Linear(width, 1))


def stepped(model: nn.Module, optimizer: torch.optim.Optimizer, average: Average, steps: range) -> None:
    for step in steps:
        loss = model(torch.randn(4, 2, generator=step_generator(1, step))).square().mean()
        torch.autograd.backward(loss)
        optimizer.step()
        optimizer.zero_grad()
        average.update(model, step)


def test_saving_and_loading_continue_bit_for_bit(tmp_path: Path) -> None:
    straight, halves = network(), network()
    one = (torch.optim.AdamW(straight.parameters(), 0.1), Average(straight, 0.9))
    two = (torch.optim.AdamW(halves.parameters(), 0.1), Average(halves, 0.9))
    stepped(straight, *one, range(8))
    stepped(halves, *two, range(5))
    save_state(tmp_path / "deep" / "state.safetensors", halves, *two, 5, {"seconds": 1.5, "note": "half"})
    other = network(seed=9)
    fresh = (torch.optim.AdamW(other.parameters(), 0.1), Average(other, 0.9))
    assert load_state(tmp_path / "deep" / "state.safetensors", other, *fresh) == (5, {"seconds": 1.5, "note": "half"})
    stepped(other, *fresh, range(5, 8))
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), other.parameters(), strict=True))
    assert all(torch.equal(one[1].shadow[n], fresh[1].shadow[n]) for n in one[1].shadow)


def test_the_state_of_another_model_is_refused(tmp_path: Path) -> None:
    small, large = network(3), network(7)
    save_state(tmp_path / "state.safetensors", small, torch.optim.AdamW(small.parameters()), Average(small, 0.9), 1, {})
    kept = [p.clone() for p in large.parameters()]
    with pytest.raises(CheckpointError, match="another model"):
        load_state(tmp_path / "state.safetensors", large, torch.optim.AdamW(large.parameters()), Average(large, 0.9))
    assert all(torch.equal(a, b) for a, b in zip(kept, large.parameters(), strict=True))


@pytest.mark.parametrize("content", [b"", b"not a state", b"\xff" * 100], ids=["empty", "text", "ones"])
def test_a_damaged_state_is_refused(tmp_path: Path, content: bytes) -> None:
    model = network()
    (tmp_path / "state.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"state\.safetensors"):
        load_state(tmp_path / "state.safetensors", model, torch.optim.AdamW(model.parameters()), Average(model, 0.9))


def test_a_kill_while_saving_keeps_the_older_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, path = network(), tmp_path / "state.safetensors"
    rest = (torch.optim.AdamW(model.parameters()), Average(model, 0.9))
    save_state(path, model, *rest, 1, {})
    before = path.read_bytes()

    def torn(tensors: object, file: Path, metadata: object) -> None:
        Path(file).write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr("safetensors.torch.save_file", torn)
    with pytest.raises(KeyboardInterrupt):
        save_state(path, model, *rest, 2, {})
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["state.safetensors"]


def test_average_follows_its_definition() -> None:
    """shadow = d shadow + (1 - d) value with d = min(decay, (1 + n) / (10 + n)), written out slowly."""
    model = nn.Linear(1, 1, bias=False)
    average, expected = Average(model, 0.5), model.weight.item()
    for step in range(20):
        model.weight.data.fill_(float(step))
        average.update(model, step)
        decay = min(0.5, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * step
    assert average.shadow["weight"].item() == pytest.approx(expected, rel=1e-6)
    average.copy_to(model)
    assert model.weight.item() == pytest.approx(expected, rel=1e-6)


def test_average_of_what_does_not_change_is_itself() -> None:
    model = network()
    average = Average(model, 0.999)
    for step in range(50):
        average.update(model, step)
    assert all(torch.allclose(average.shadow[n], p) for n, p in model.named_parameters())


def test_generators_differ_by_seed_and_by_step() -> None:
    draws = {torch.rand(1, generator=step_generator(seed, step)).item() for seed in range(4) for step in range(50)}
    assert len(draws) == 200
    assert torch.equal(torch.rand(3, generator=step_generator(2, 7)), torch.rand(3, generator=step_generator(2, 7)))


def test_learning_rate_rises_falls_and_never_ends_at_zero() -> None:
    rates = [learning_rate_at(step, 100, 10, 2.0) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert max(rates) == pytest.approx(2.0)
    assert rates.index(max(rates)) in (9, 10)
    assert all(a <= b for a, b in itertools.pairwise(rates[:10]))
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert learning_rate_at(100, 100, 10, 2.0) == pytest.approx(0.04)
    assert learning_rate_at(55, 100, 10, 2.0) == pytest.approx(2 * 0.51, rel=1e-6)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_named(value: float) -> None:
    check_finite((torch.tensor(1.0), torch.zeros(3)), "loop", 4)
    with pytest.raises(CheckpointError, match="loop, step 4"):
        check_finite((torch.tensor(1.0), torch.tensor([0.0, value])), "loop", 4)


def test_curve_holds_means_and_goes_on_in_the_same_file(tmp_path: Path) -> None:
    for start in (0, 4):
        curve = Curve(tmp_path / "sub" / "curve.jsonl", every=2)
        for step in range(start, start + 4):
            curve.add(step + 1, loss=float(step))
        curve.flush()
        curve.flush()
    rows = [json.loads(line) for line in (tmp_path / "sub" / "curve.jsonl").read_text().splitlines()]
    assert rows == [
        {"step": 2, "loss": 0.5},
        {"step": 4, "loss": 2.5},
        {"step": 6, "loss": 4.5},
        {"step": 8, "loss": 6.5},
    ]


def test_clock_is_spent_before_a_step_that_would_end_too_late(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("svdmv.train.progress.time.monotonic", lambda: now[0])
    clock = StepClock(1.0)
    now[0] += 25
    clock.tick()
    assert not clock.spent()
    now[0] += 25
    clock.tick()
    assert clock.spent(), "50 s are gone and a step takes 25"
    assert clock.seconds() == 50
