"""A value that is not finite: found before it reaches the weights, and given its reason."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from svdmv.core import DeviceError
from svdmv.train.loss import Batch
from svdmv.train.state import trained_parameters


def finite(*values: Tensor) -> bool:
    """Whether all are."""
    return all(bool(torch.isfinite(value).all()) for value in values)


def reason_of(batch: Batch, model: nn.Module, loss: Tensor) -> str:
    """Where the first value that is not finite stands: data, weights, loss or gradients."""
    bad = [k for k in range(len(batch.targets)) if not finite(batch.targets[k], batch.inputs[k])]
    if bad:
        return "the data: " + ", ".join(batch.keys[k] if batch.keys else f"clip {k}" for k in bad[:4])
    weights = [name for name, p in trained_parameters(model).items() if not finite(p.detach())]
    if weights:
        return f"the weights: {len(weights)} tensors, first {weights[0]}"
    if not finite(loss):
        return "the loss: the network's output overflowed; a lower learning rate, or precision=fp32"
    return "the gradients; a lower learning rate, or a smaller grad_norm"


@contextlib.contextmanager
def clear_failures(device: str, next_step: str) -> Iterator[None]:
    """Memory that ran out and a process of the team that died, each told in one block."""
    try:
        yield
    except (torch.OutOfMemoryError, RuntimeError) as error:
        text = " ".join(str(error).split())
        if isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in text:
            raise DeviceError(
                "The device's memory ran out",
                where=device,
                seen=text[:160],
                expected="room for a step; the last saved state is intact",
                next_step=next_step,
            ) from error
        if any(sign in text for sign in ("Connection closed", "Connection reset", "gloo", "NCCL", "Broken pipe")):
            raise DeviceError(
                "Another process of the team is gone",
                where="torch.distributed",
                seen=text[:160],
                expected="all processes alive; the last saved state is intact",
                next_step="run the same command again: it goes on at the last saved state",
            ) from error
        raise
