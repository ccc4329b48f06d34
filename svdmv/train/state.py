"""Exact resume: weights, averages and optimiser moments in one safetensors file, counters beside them.

Randomness needs no state: every draw comes from (seed, step), so a stopped run goes on as if nothing had happened.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svdmv.core import CheckpointError
from svdmv.io.atomic import whole_file


def step_generator(seed: int, step: int) -> torch.Generator:
    """The generator of one step: a function of seed and step alone."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % (2**63 - 1))


def local_part(tensor: Tensor) -> Tensor:
    """This process's part of a tensor that is dealt out over a team; any other tensor as it is."""
    from torch.distributed.tensor import DTensor

    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


class Average:
    """Exponential moving average of the trained parameters, kept in float32 (decay warms up as (1 + n) / (10 + n))."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.shadow = {name: local_part(p.detach()).clone().float() for name, p in trained_parameters(model).items()}

    @torch.no_grad()
    def update(self, model: nn.Module, step: int) -> None:
        """One step."""
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        names, values = zip(*trained_parameters(model).items(), strict=True)
        parts = [local_part(v.detach()).float() for v in values]
        torch._foreach_lerp_([self.shadow[n] for n in names], parts, rate)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Put the average in the model's place."""
        for name, parameter in trained_parameters(model).items():
            local_part(parameter).copy_(self.shadow[name])

    @contextlib.contextmanager
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """The average in the model's place for a while, to draw samples with."""
        kept = {name: local_part(p.detach()).clone() for name, p in trained_parameters(model).items()}
        self.copy_to(model)
        try:
            yield
        finally:
            with torch.no_grad():
                for name, parameter in trained_parameters(model).items():
                    local_part(parameter).copy_(kept[name])


def trained_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """Those that are not frozen, by name."""
    return {name: p for name, p in model.named_parameters() if p.requires_grad}


def kept_tensors(model: nn.Module) -> dict[str, Tensor]:
    """What a state holds of a model: parameters that are trained, and buffers."""
    frozen = {name for name, p in model.named_parameters() if not p.requires_grad}
    return {name: local_part(t) for name, t in model.state_dict().items() if name not in frozen}


def save_state(
    path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, average: Average, step: int, extra: dict[str, Any]
) -> None:
    """Everything needed to go on at `step`, written whole or not at all. Raises InputError: the disk refuses."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors: dict[str, Tensor] = {f"model.{n}": t.detach().contiguous() for n, t in kept_tensors(model).items()}
    tensors |= {f"average.{n}": t for n, t in average.shadow.items()}
    for index, slots in optimizer.state_dict()["state"].items():
        tensors |= {
            f"optimizer.{index}.{slot}": local_part(torch.as_tensor(value)).contiguous()
            for slot, value in slots.items()
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        try:
            save_file(tensors, temporary, metadata={"step": str(step), "extra": json.dumps(extra)})
        except SafetensorError as error:  # it hides the system's number in its text
            number = re.search(r"os error (\d+)|code: (\d+)", str(error))
            code = int(number[1] or number[2]) if number else errno.EIO
            raise OSError(code, os.strerror(code), str(path)) from error


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
    own = kept_tensors(model)
    shapes = {name: tuple(tensor.shape) for name, tensor in own.items()}
    saved = {name: tuple(tensor.shape) for name, tensor in part["model"].items()}
    if wrong := [name for name in shapes | saved if shapes.get(name) != saved.get(name)]:
        seen = f"{len(wrong)} tensors differ, first {wrong[0]}: {saved.get(wrong[0], 'absent')}"
        raise _unusable("The training state belongs to another model", path, seen)
    with torch.no_grad():
        for name, tensor in own.items():
            tensor.copy_(part["model"][name])
    average.shadow = {name: part["average"][name].to(old.device) for name, old in average.shadow.items()}
    slots: dict[int, dict[str, Tensor]] = {}
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    for name, tensor in part["optimizer"].items():
        index, slot = name.split(".", 1)
        slots.setdefault(int(index), {})[slot] = _dealt_out_as(tensor, parameters[int(index)])
    optimizer.load_state_dict({"state": slots, "param_groups": optimizer.state_dict()["param_groups"]})
    return step, extra


def _dealt_out_as(tensor: Tensor, parameter: Tensor) -> Tensor:
    """A moment of a parameter that is dealt out over a team is dealt out likewise."""
    from torch.distributed.tensor import DTensor

    if not isinstance(parameter, DTensor) or tensor.shape != parameter.to_local().shape or tensor.ndim == 0:
        return tensor
    return DTensor.from_local(
        tensor, parameter.device_mesh, parameter.placements, shape=parameter.shape, stride=parameter.stride()
    )


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
