"""Which device the networks run on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from svdmv.core import DeviceError


def resolved_device(name: str) -> str:
    """`auto` takes cuda, then mps, then cpu; a device that is asked for must be there. Raises DeviceError."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return next(kind for kind, present in there.items() if present)
    kind = name.split(":")[0]
    if kind not in there:
        raise DeviceError(
            "The device is not known",
            where="--device",
            seen=name,
            expected="auto, cpu, cuda or mps",
            next_step="--device auto",
        )
    if not there[kind]:
        raise DeviceError(
            "The device is not on this machine",
            where="--device",
            seen=name,
            expected="one of " + ", ".join(k for k, present in there.items() if present),
            next_step="--device auto; svdmv doctor shows what torch sees",
        )
    if kind == "cuda" and ":" in name and name.split(":")[1] not in map(str, range(torch.cuda.device_count())):
        raise DeviceError(
            "The GPU is not on this machine",
            where="--device",
            seen=name,
            expected=f"cuda:0 to cuda:{torch.cuda.device_count() - 1}",
            next_step="--device cuda",
        )
    return name


@contextmanager
def torch_threads_kept() -> Iterator[None]:
    """Give torch its number of threads back afterwards: numba shares the OpenMP runtime with it and resets the number,
    and sums over another number of threads end in other bits.
    """
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
