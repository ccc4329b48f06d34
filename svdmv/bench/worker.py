"""The child process of a run: settings on the first line, then an object a line; it writes the object's rows itself.

python -m svdmv.bench.worker is started by svdmv.dataset.workers. Whatever happens to it happens to one object.
"""

from __future__ import annotations

import fcntl
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from svdmv.bench.config import BenchConfig, plan_from_config
from svdmv.bench.plan import RunPlan
from svdmv.bench.rows import write_object
from svdmv.core import SvdmvError
from svdmv.dataset.worker import answers_stream, bind_to_parent, say


@dataclass(frozen=True)
class BenchWork:
    """What a worker is told once: the run's settings, its devices (a worker takes the first that no other holds)."""

    config: dict[str, Any]
    devices: tuple[str, ...]
    memory_mb: int = 0
    parent: int = 0

    def line(self) -> str:
        """As one JSON line."""
        return json.dumps(asdict(self)) + "\n"


def plan_of(config: dict[str, Any], device: str) -> RunPlan:
    """The plan of the settings on one device."""
    return plan_from_config(BenchConfig(**{**config, "device": device}))


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums over another number of threads end in other bits: a process of a run has one, whatever the machine has."""
    import numba
    import torch

    before = torch.get_num_threads(), numba.get_num_threads()
    torch.set_num_threads(1)
    numba.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])


def taken_device(devices: tuple[str, ...], folder: Path) -> tuple[str, IO[str] | None]:
    """The first device whose lock is free, and the lock, which goes with the process; the last one when none is."""
    for number, device in enumerate(devices if len(devices) > 1 else ()):
        lock = (folder / f".device-{number}").open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            continue
        return device, lock
    return devices[-1], None


def serve() -> None:
    """Answer lines of standard input until it ends."""
    lines, answers = sys.stdin, answers_stream()
    told = json.loads(lines.readline())
    bind_to_parent(told["parent"])
    out = Path(told["config"]["output"])
    device, lock = taken_device(tuple(told["devices"]), out)
    with one_thread():
        plan = plan_of(told["config"], device)
        items = {item.name: item for item in plan.objects}
        say(answers, {"ready": device})
        for line in lines:
            name = json.loads(line)["item"]["id"]
            try:
                write_object(plan, items[name], out)
            except SvdmvError as error:
                say(answers, {"disk": error.one_line()})
            else:
                say(answers, {"uid": name, "status": "done"})
    if lock is not None:
        lock.close()


if __name__ == "__main__":
    serve()
