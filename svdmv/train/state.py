"""Exact resume: weights, averages and optimiser moments in one safetensors file, counters beside them.

Randomness needs no state: every draw comes from (seed, step), so a stopped run goes on as if nothing had happened.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svdmv.core import CheckpointError
from svdmv.io.atomic import whole_file


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of one step: a function of seed and step alone."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % (2**63 - 1))


class Average:
    """Exponential moving average of a model's parameters, kept in float32 (decay warms up as (1 + n) / (10 + n))."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: p.detach().clone().float() for name, p in model.named_parameters()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """One step."""
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        names, values = zip(*model.named_parameters(), strict=True)
        torch._foreach_lerp_([self.shadow[n] for n in names], [v.detach().float() for v in values], rate)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Put the average in the model's place."""
        for name, parameter in model.named_parameters():
            parameter.copy_(self.shadow[name])


def save_state(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average, step: int, extra: dict[str, Any]
) -> None:
    """Everything needed to go on at `step`, written whole or not at all."""
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {f"model.{n}": t.contiguous() for n, t in model.state_dict().items()}
    tensors |= {f"average.{n}": t for n, t in average.shadow.items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{slot}": torch.as_tensor(value) for slot, value in slots.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        save_file(tensors, temporary, metadata={"step": str(step), "extra": json.dumps(extra)})


def load_state(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average
) -> tuple[int, dict[str, Any]]:
    """Put a saved state back; returns step and extra. Raises CheckpointError when it belongs to another model."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            meta = file.metadata()
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
        step, extra = int(meta["step"]), json.loads(meta["extra"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise _unusable("The training state cannot be read", path, error) from error
    part = {
        head: {n[len(head) + 1 :]: t for n, t in tensors.items() if n.startswith(head + ".")}
        for head in ("model", "average", "optimizer")
    }
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    saved = {name: tuple(tensor.shape) for name, tensor in part["model"].items()}
    if wrong := [name for name in shapes | saved if shapes.get(name) != saved.get(name)]:
        seen = f"{len(wrong)} tensors differ, first {wrong[0]}: {saved.get(wrong[0], 'absent')}"
        raise _unusable("The training state belongs to another model", path, seen)
    model.load_state_dict(part["model"])
    average.shadow = part["average"]
    slots: dict[int, dict[str, Tensor]] = {}
    for name, tensor in part["optimizer"].items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = tensor
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return step, extra


def _unusable(what: str, path: Path, seen: object) -> CheckpointError:
    return CheckpointError(
        what, where=path, seen=seen, expected="the state of this recipe", next_step=f"rm {path}, or another out folder"
    )


def check_finite(values: Iterable[Tensor], where: str, step: int) -> None:
    """Raise CheckpointError when a loss or gradient norm is not finite: a NaN never reaches the weights."""
    for value in values:
        if not bool(torch.isfinite(value).all()):
            raise CheckpointError(
                "Training met a value that is not finite",
                where=f"{where}, step {step}",
                seen=value.detach().flatten()[:4].tolist(),
                expected="finite loss and gradients",
                next_step="run again: the last saved state is intact; lower the learning rate",
            )
