"""What a run survives: kills, full disks, values that are not finite, damaged states; and micro-batches."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from tiny_training import batches_of, looped, same_weights, state_of, tiny_model, toy_loop, toy_model, write_store

import svdmv.train.finetune as loop
from svdmv.core import CheckpointError, ConfigError, DeviceError, InputError, MissingDependency
from svdmv.dataset.orbits import OrbitStore
from svdmv.diffusion.model import SvdMv
from svdmv.train.finetune import finetune
from svdmv.train.loss import Batch, view_weights
from svdmv.train.optimizers import new_optimizer
from svdmv.train.sentinel import clear_failures
from svdmv.train.settings import Finetuning
from svdmv.train.states import States, differences

SHORT = Finetuning(num_steps=6, batch=4, warmup_steps=2, save_every=2, learning_rate=1e-3)


@dataclass
class Spoiled:
    """Batches of which one clip of one step is NaN."""

    source: Any
    step: int
    always: bool = False

    def told(self) -> dict[str, Any]:
        return dict(self.source.told())

    def batch(self, step: int, rows: slice) -> Batch:
        batch: Batch = self.source.batch(step, rows)
        if step == self.step or (self.always and step > self.step):
            batch.targets[1, 0, 0, 0, 0] = torch.nan
        return replace(batch, keys=("good", "bad", "good", "good"))


def run(store: OrbitStore, folder: Path, settings: Finetuning = SHORT, source: Any = None, **options: Any) -> SvdMv:
    model = toy_model()
    made = source(batches_of(store, settings)) if source else batches_of(store, settings)
    assert finetune(model, made, settings, folder, toy_loop(model, **options))
    return model


def test_sigkill_at_any_moment_loses_at_most_the_steps_since_the_last_state(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    write_store(tmp_path / "store")
    line = [sys.executable, str(Path(__file__).parent / "killed_run.py"), str(tmp_path / "store"), str(tmp_path)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    told = json.loads(done.stdout)
    assert {name: row["from"] for name, row in told.items()} == {
        "in step 4": 2,
        "half of the second state": 2,
        "before the second marker": 2,
        "before the old state goes": 4,
    }
    for name, row in told.items():
        assert row["signal"] == 9, name
        assert row["same"], name
        assert row["left"] == ["00000006"], name


def test_micro_batches_have_the_gradient_of_the_whole_batch(store: OrbitStore) -> None:
    grads = []
    for held in (0, 1, 3):
        model = tiny_model()
        settings = replace(SHORT, micro_batch=held)
        batch = batches_of(store, settings).batch(0, slice(0, 4))
        value = loop._backward(model, batch, settings, 0, looped())
        grads.append((float(value), {n: p.grad for n, p in model.unet.named_parameters() if p.grad is not None}))
    for value, parts in grads[1:]:
        assert value == pytest.approx(grads[0][0], rel=1e-5)
        assert parts.keys() == grads[0][1].keys()
        for name, grad in parts.items():
            torch.testing.assert_close(grad, grads[0][1][name], rtol=1e-4, atol=1e-6)


def test_a_bad_batch_is_named_and_stops_the_run(store: OrbitStore, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        run(store, tmp_path, source=lambda s: Spoiled(s, 3))
    assert caught.value.what == "Training met a value that is not finite in the data: bad"
    assert caught.value.where == "finetuning, step 3"
    assert States(tmp_path, {}).newest() == tmp_path / "states" / "00000002"


def test_with_rollbacks_the_bad_step_is_left_out_and_the_rest_goes_on(store: OrbitStore, tmp_path: Path) -> None:
    """Back to the last state; the end is that of a run that never had the step, and of one that is gone on with."""
    settings = replace(SHORT, max_rollbacks=1)
    rolled = run(store, tmp_path / "rolled", settings, lambda s: Spoiled(s, 3))
    assert json.loads((tmp_path / "rolled" / "left_out.json").read_text()) == {"3": "the data: bad"}
    (tmp_path / "known").mkdir()
    (tmp_path / "known" / "left_out.json").write_text('{"3": "known before"}')
    known = run(store, tmp_path / "known", SHORT)
    assert same_weights(rolled.unet, known.unet)
    assert not same_weights(rolled.unet, run(store, tmp_path / "whole", SHORT).unet)
    assert [json.loads(row)["step"] for row in (tmp_path / "rolled" / "curve.jsonl").read_text().splitlines()] == [6]


def test_rollbacks_come_to_an_end(store: OrbitStore, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"(?s)the data: bad.*2 rollbacks before"):
        run(store, tmp_path, replace(SHORT, max_rollbacks=2), lambda s: Spoiled(s, 3, always=True))
    state = load_file(state_of(tmp_path))
    assert all(bool(t.isfinite().all()) for t in state.values())


def test_weights_that_ran_away_are_named(store: OrbitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model, real = toy_model(), loop.Average.update

    def broken(self: Any, trained: Any, step: int) -> None:
        real(self, trained, step)
        model.unet.conv_in.weight.data[0] = torch.inf

    monkeypatch.setattr(loop.Average, "update", broken)
    with pytest.raises(CheckpointError, match=r"(?s)the weights: 1 tensors, first unet.conv_in.weight.*learning_rate"):
        finetune(model, batches_of(store, SHORT), SHORT, tmp_path, toy_loop(model))


def test_a_full_disk_while_saving_leaves_the_last_good_state(
    store: OrbitStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import safetensors.torch

    straight, real, calls = run(store, tmp_path / "straight"), safetensors.torch.save_file, []

    def full(tensors: Any, path: Path, **named: Any) -> None:
        calls.append(1)
        if len(calls) == 2:
            Path(path).write_bytes(b"half")
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        real(tensors, path, **named)

    monkeypatch.setattr(safetensors.torch, "save_file", full)
    with pytest.raises(InputError, match="No space left"):
        run(store, tmp_path / "full")
    assert States(tmp_path / "full", {}).newest() == tmp_path / "full" / "states" / "00000002"
    assert same_weights(run(store, tmp_path / "full").unet, straight.unet)
    assert [p.name for p in (tmp_path / "full" / "states").iterdir()] == ["00000006"]


def test_a_state_that_lost_bytes_is_refused_and_not_begun_anew(store: OrbitStore, tmp_path: Path) -> None:
    run(store, tmp_path)
    path = state_of(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match="damaged"):
        run(store, tmp_path)


def test_changed_settings_are_refused_with_the_difference_and_harmless_ones_are_not(
    store: OrbitStore, tmp_path: Path
) -> None:
    run(store, tmp_path)
    with pytest.raises(ConfigError) as caught:
        run(store, tmp_path, replace(SHORT, batch=2, p_mean=1.0))
    assert caught.value.seen == "finetuning.batch: 4 there, 2 asked for; finetuning.p_mean: 0.3 there, 1.0 asked for"
    run(store, tmp_path, replace(SHORT, micro_batch=2, save_every=1, max_rollbacks=4))
    run(store, tmp_path, replace(SHORT, num_steps=7), accept_changes=True)
    assert differences({"a": {"b": 1, "gone": 2}, "c": (1, 2)}, {"a": {"b": 1, "new": 3}, "c": (1, 2)}) == []


def test_a_state_of_the_older_layout_is_gone_on_with(store: OrbitStore, tmp_path: Path) -> None:
    straight = run(store, tmp_path / "new")
    (tmp_path / "old").mkdir()
    state_of(tmp_path / "new").rename(tmp_path / "old" / "state.safetensors")
    assert same_weights(run(store, tmp_path / "old").unet, straight.unet)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), "micro_batch"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "micro_batch"),
        (RuntimeError("[gloo] Connection closed by peer [127.0.0.1]:29500"), "goes on at the last saved state"),
    ],
)
def test_memory_that_ran_out_and_a_dead_process_are_one_block(error: Exception, told: str) -> None:
    with pytest.raises(DeviceError) as caught, clear_failures("cuda", "finetuning.micro_batch=1"):
        raise error
    assert told in caught.value.block()
    assert caught.value.exit_code == 2
    with pytest.raises(RuntimeError, match="shape"), clear_failures("cpu", ""):
        raise RuntimeError("a shape is wrong")


def test_a_missing_optimiser_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bitsandbytes", None)
    with pytest.raises(MissingDependency, match=r"svdmv\[train8bit\]"):
        new_optimizer("adamw8bit", [torch.zeros(2, requires_grad=True)], 1e-3, 0.0)


def test_views_weigh_least_at_the_input_and_one_on_average() -> None:
    weights = view_weights(21, 20, 0.5)
    assert float(weights.mean()) == pytest.approx(1)
    assert int(weights.argmin()) == 20
    assert float(weights[20] / weights.max()) == pytest.approx(0.5, rel=0.05)
    torch.testing.assert_close(weights[:10], weights.flip(0)[1:11])
    assert bool((view_weights(21, 0, 1.0) == 1).all())
