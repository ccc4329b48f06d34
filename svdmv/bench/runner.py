"""A suite run: every object, track, method and seed becomes rows of scores; a stopped run goes on where it was.

OUT/protocol.json     the suite, methods, metrics; a run with another protocol is refused
OUT/predictions/METHOD/OBJECT/TRACK-sSEED/    a model's views as they were scored
OUT/objects/OBJECT.json                       rows of one object, written whole: what is there without a failure is done
OUT/result.json, views.csv, objects.csv       made from these at the end
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from svdmv import __version__
from svdmv.bench.machine import git_revision, hardware
from svdmv.bench.plan import RunPlan
from svdmv.bench.rows import object_path, write_object
from svdmv.core import InputError
from svdmv.io.atomic import write_json
from svdmv.io.run_folder import versions

Report = Callable[[str, int, int], None]
Work = Callable[[Sequence[str], Callable[[str], None]], None]
"""Makes the rows of objects by name, and calls back with every name that is done."""


def run_suite(
    plan: RunPlan,
    out: Path,
    report: Report | None = None,
    work: Work | None = None,
    told: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Run what is missing or has failed before, and write the result; returns it (see svdmv.bench.result).

    Args:
        work: who makes the rows; None = this process, one object after another. See svdmv.bench.engines.
        told: what the result says of the engine.

    Raises:
        InputError: OUT holds a run of another protocol, or another run is at work in it. What `work` raises.
    """
    from svdmv.bench.result import write_result

    out.mkdir(parents=True, exist_ok=True)
    protocol = json.loads(json.dumps(plan.protocol()))
    with only_run_in(out):
        _check_protocol(out, protocol)
        write_json(out / "protocol.json", protocol)
        began, total = time.perf_counter(), len(plan.objects)
        missing = [item.name for item in plan.objects if not is_done(out, item.name)]
        done = total - len(missing)

        def count(name: str) -> None:
            nonlocal done
            done += 1
            if report is not None:
                report(name, done, total)

        if report is not None:
            report("objects", done, total)
        (work or serial_work(plan, out))(missing, count)
        rows = [json.loads(object_path(out, item.name).read_text("utf-8")) for item in plan.objects]
        machine = {
            "versions": {"svdmv": __version__, **versions()},
            "git": git_revision(),
            "hardware": hardware(),
            "engine": {"name": "serial", "workers": 1, **(told or {})},
            "wall_seconds": round(time.perf_counter() - began, 3),
            "objects_made": len(missing),
        }
        return write_result(out, protocol, rows, machine)


def serial_work(plan: RunPlan, out: Path) -> Work:
    """In this process."""
    items = {item.name: item for item in plan.objects}

    def work(names: Sequence[str], done: Callable[[str], None]) -> None:
        for name in names:
            write_object(plan, items[name], out)
            done(name)

    return work


def is_done(out: Path, name: str) -> bool:
    """Whether an object's rows are there and none of them tells of a failure, which may be mended by now."""
    try:
        record = json.loads(object_path(out, name).read_text("utf-8"))
        return not record["failed"] and not any("failed" in key for row in record["predictions"] for key in row)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _check_protocol(out: Path, protocol: dict[str, Any]) -> None:
    path = out / "protocol.json"
    if not path.is_file():
        if any(p.name != LOCK_NAME for p in out.iterdir()):
            raise InputError(
                "The output folder is not empty and holds no benchmark run",
                where=out,
                seen=", ".join(sorted(p.name for p in out.iterdir())[:4]),
                expected="a new folder, or one of an earlier run with the same protocol",
                next_step="output=another folder",
            )
        return
    before = json.loads(path.read_text("utf-8"))
    differing = [k for k in protocol if before.get(k, {}) != protocol[k]]  # a later key that is empty is no change
    if differing:
        raise InputError(
            "The folder holds a run of another protocol",
            where=out,
            seen=f"{', '.join(differing)} differ",
            expected="the same suite, objects, methods, metrics and seeds as before",
            next_step="output=another folder",
        )


LOCK_NAME = ".running"


@contextmanager
def only_run_in(out: Path) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process. Raises InputError: another run holds it."""
    with (out / LOCK_NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                "Another run is at work in this folder",
                where=out,
                seen=f"{LOCK_NAME} is held",
                expected="one run a folder",
                next_step="wait for it, or output=another folder",
            ) from error
        yield
