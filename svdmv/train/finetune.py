"""The finetuning loop of SVD-MV, the same for svdmv-mini and the full model: averaged weights, exact resume.

Every draw comes from (seed, step) and every batch from its step, so a stopped run goes on as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from svdmv.core import CheckpointError
from svdmv.diffusion.model import SvdMv
from svdmv.io.atomic import write_json
from svdmv.train.autoencoder import learning_rate_at
from svdmv.train.layer_checkpoints import checkpoint_layers
from svdmv.train.loss import Batch, Draws, edm_loss
from svdmv.train.optimizers import new_optimizer
from svdmv.train.parallel import ALONE, Team
from svdmv.train.progress import Curve, StepClock
from svdmv.train.sentinel import clear_failures, finite, reason_of
from svdmv.train.settings import Finetuning
from svdmv.train.state import Average, step_generator, trained_parameters
from svdmv.train.states import States

LEFT_OUT = "left_out.json"
LESS_MEMORY = "finetuning.micro_batch=1 finetuning.gradient_checkpointing=true"


class BatchSource(Protocol):
    """Where clips come from."""

    def told(self) -> Mapping[str, Any]:
        """What the batches depend on: a run that goes on must have the same."""

    def batch(self, step: int, rows: slice) -> Batch:
        """These rows of the batch of a step: a function of the step alone."""


@dataclass(frozen=True)
class Watch:
    """Called with (step, model) every so many steps, the averaged weights in the model's place; returns figures."""

    look: Callable[[int, SvdMv], Mapping[str, float]]
    every: int


@dataclass
class Loop:
    """What a run of the loop needs beside model and data.

    Attributes:
        minutes: stop after so many. bf16: products in bfloat16, noise levels and sums in float32.
        trained: the modules that are trained, by name; None = UNet and image encoder.
        dealt_out: parameters are dealt out over the team already.
        told: what the run is of beside settings and data, for the check on resuming.
        log: called with every row of the curve. loss: of (model, batch, draws, settings).
    """

    minutes: float
    device: str = "cpu"
    bf16: bool = True
    trained: nn.ModuleDict | None = None
    team: Team = ALONE
    dealt_out: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)
    accept_changes: bool = False
    watch: Watch | None = None
    curve_every: int = 25
    loss: Callable[[SvdMv, Batch, Draws, Finetuning], torch.Tensor] | None = None
    log: Callable[[dict[str, float]], None] | None = None
    report: Callable[[int, int], None] | None = None


def finetune(model: SvdMv, source: BatchSource, settings: Finetuning, folder: Path, loop: Loop) -> bool:
    """Train, or go on, until done or the minutes are spent; True when done. The averaged weights end up in `model`.

    Raises:
        CheckpointError: a value that is not finite came back too often. ConfigError: the state is of another run.
        DeviceError: memory ran out, or a process of the team died. InputError: the disk refuses.
    """
    trained, team, device = loop.trained, loop.team, loop.device
    if trained is None:
        trained = nn.ModuleDict({"unet": model.unet, "image_encoder": model.image_encoder})
    trained.to(device).train()
    model.image_encoder.to(device)
    model.vae.to(device).eval().requires_grad_(False)
    if settings.gradient_checkpointing:
        checkpoint_layers(model.unet)
    average = Average(trained, settings.average_decay)
    parameters = list(trained_parameters(trained).values())
    optimizer = new_optimizer(settings.optimizer, parameters, settings.learning_rate, settings.weight_decay)
    told = {"finetuning": asdict(settings), "data": dict(source.told()), **loop.told}
    states = States(folder, told, team, loop.dealt_out, accept_changes=loop.accept_changes)
    curve, clock = Curve(folder / "curve.jsonl", loop.curve_every, loop.log), StepClock(loop.minutes)
    left_out, rollbacks = _read_left_out(folder), 0

    def save(step: int) -> None:
        states.save(trained, optimizer, average, step, {"seconds": clock.seconds(), "time": time.time()})

    loaded = states.load(trained, optimizer, average)
    step = 0 if loaded is None else loaded[0]
    if loaded is None and settings.max_rollbacks:
        save(0)
    rows = team.rows(settings.batch)
    stop = team.any(clock.spent())
    while step < settings.num_steps and not stop:
        if step not in left_out:
            for group in optimizer.param_groups:
                group["lr"] = _rate(step, settings)
            batch = source.batch(step, rows).rows(slice(None), device)
            with clear_failures(device, LESS_MEMORY):
                loss = _backward(model, batch, settings, step, loop)
                if not loop.dealt_out:
                    team.average_gradients(parameters)
                norm = _whole(torch.nn.utils.clip_grad_norm_(parameters, settings.grad_norm))
            if team.any(not finite(loss, norm)):
                reason = reason_of(batch, trained, loss) if not finite(loss, norm) else "another process's share"
                rollbacks += 1
                _require_another_try(rollbacks, settings, step, reason, loss, norm)
                left_out[step] = reason
                if team.writes:
                    write_json(folder / LEFT_OUT, {str(k): v for k, v in left_out.items()})
                team.wait()
                optimizer.zero_grad(set_to_none=True)
                again = states.load(trained, optimizer, average)
                assert again is not None
                step = again[0]
                curve.drop_from(step)
                continue
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            average.update(trained, step)
            curve.add(step + 1, loss=float(team.mean(loss)), norm=float(norm))
        step += 1
        clock.tick()
        if loop.report is not None:
            loop.report(step, settings.num_steps)
        stop = team.any(clock.spent())
        if step % settings.save_every == 0 or step == settings.num_steps or stop:
            save(step)
            if team.writes:
                curve.flush(step if step == settings.num_steps else None)
        if loop.watch is not None and (step % loop.watch.every == 0 or step == settings.num_steps):
            _look(loop.watch, step, model, trained, average, curve, loop)
    average.copy_to(trained)
    trained.eval()
    return step >= settings.num_steps


def _backward(model: SvdMv, batch: Batch, settings: Finetuning, step: int, loop: Loop) -> torch.Tensor:
    """Gradients of the mean loss over this process's clips, a few at a time; the loss."""
    rows, count = loop.team.rows(settings.batch), len(batch.targets)
    draws = Draws.of(batch, settings.batch, settings, step_generator(settings.seed, step)).rows(rows, loop.device)
    held = settings.micro_batch or count
    total = torch.zeros((), device=loop.device)
    for start in range(0, count, held):
        part = slice(start, min(start + held, count))
        with (
            torch.autocast(torch.device(loop.device).type, torch.bfloat16, enabled=loop.bf16),
            attention_for(loop.device),
        ):
            share = (part.stop - part.start) / count
            measured = loop.loss or edm_loss
            loss = measured(model, batch.rows(part, loop.device), draws.rows(part, loop.device), settings)
            loss = loss if share == 1 else loss * share
            torch.autograd.backward(loss)
        total += loss.detach()
    return total


def _rate(step: int, settings: Finetuning) -> float:
    if settings.schedule == "constant":
        return settings.learning_rate * min(1.0, (step + 1) / max(settings.warmup_steps, 1))
    return learning_rate_at(step, settings.num_steps, settings.warmup_steps, settings.learning_rate)


def _whole(norm: torch.Tensor) -> torch.Tensor:
    """A norm over parameters that are dealt out is summed over the team."""
    from torch.distributed.tensor import DTensor

    return norm.full_tensor() if isinstance(norm, DTensor) else norm


def _read_left_out(folder: Path) -> dict[int, str]:
    path = folder / LEFT_OUT
    return {int(k): v for k, v in json.loads(path.read_text("utf-8")).items()} if path.is_file() else {}


def _require_another_try(
    rollbacks: int, settings: Finetuning, step: int, reason: str, loss: torch.Tensor, norm: torch.Tensor
) -> None:
    if rollbacks <= settings.max_rollbacks:
        return
    raise CheckpointError(
        f"Training met a value that is not finite in {reason}",
        where=f"finetuning, step {step}",
        seen=f"loss {float(loss):g}, gradient norm {float(norm):g}, {rollbacks - 1} rollbacks before",
        expected="finite loss and gradients; the last saved state is intact",
        next_step=f"svdmv train ... finetuning.learning_rate={settings.learning_rate / 10:g}, "
        "or finetuning.max_rollbacks=3 to leave such steps out",
    )


def _look(
    watch: Watch, step: int, model: SvdMv, trained: nn.Module, average: Average, curve: Curve, loop: Loop
) -> None:
    """Samples drawn with the averaged weights, by the first process alone unless the weights are dealt out."""
    with average.in_place_of(trained):
        trained.eval()
        if loop.team.writes or loop.dealt_out:
            figures = watch.look(step, model)
            if loop.team.writes:
                curve.note({"step": step, **figures})
        trained.train()
    loop.team.wait()


def attention_for(device: str) -> contextlib.AbstractContextManager[None]:
    """On a CPU the plain attention's backward is several times faster in bfloat16 than the fused one."""
    if torch.device(device).type != "cpu":
        return contextlib.nullcontext()
    from torch.nn.attention import SDPBackend, sdpa_kernel

    manager: contextlib.AbstractContextManager[None] = sdpa_kernel([SDPBackend.MATH])
    return manager
