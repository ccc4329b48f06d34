"""Who runs the shards of a plan: this machine, a Ray cluster, or the tasks of a Slurm array. Same bytes each way.

Ray and Slurm hand out shard numbers; below them every shard is rendered by child processes as on one machine. All
machines see the output under the same path. A shard is locked while somebody works on it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from svdmv.core import ConfigError, DeviceError, InputError, SvdmvError
from svdmv.core.require import require
from svdmv.dataset.build import BuildReport, Report, build, finish, prepare, run_shards
from svdmv.dataset.ledger import all_rows
from svdmv.dataset.plan import Plan, only_run
from svdmv.dataset.workers import WORKER_COMMAND, Limits

ENGINES = ("local", "ray", "slurm")


def build_with(
    engine: str,
    plan: Plan,
    folder: Path,
    *,
    limits: Limits,
    workers: int = 0,
    minutes: float = 1e9,
    address: str = "",
    cpus_per_shard: int = 1,
    report: Report | None = None,
    command: Sequence[str] = WORKER_COMMAND,
) -> BuildReport:
    """Build with an engine of ENGINES; see `build` for what is raised, and ConfigError for an unknown engine."""
    if engine == "local":
        return build(plan, folder, limits=limits, workers=workers or cores(), minutes=minutes, command=command,
                     report=report)  # fmt: skip
    if engine == "slurm":
        return build_slurm_task(plan, folder, limits=limits, workers=workers or cores(), minutes=minutes,
                                command=command, report=report)  # fmt: skip
    if engine == "ray":
        return build_on_ray(plan, folder, limits=limits, address=address, cpus_per_shard=cpus_per_shard,
                            minutes=minutes, command=command, report=report)  # fmt: skip
    raise ConfigError("Unknown engine", where="engine.name", seen=engine, expected=" or ".join(ENGINES))


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def build_slurm_task(
    plan: Plan,
    folder: Path,
    *,
    limits: Limits,
    workers: int,
    minutes: float = 1e9,
    command: Sequence[str] = WORKER_COMMAND,
    report: Report | None = None,
    environment: Mapping[str, str] = os.environ,
) -> BuildReport:
    """The shards of one task of a Slurm array: those whose number leaves this task's remainder.

    Tasks of one array run side by side; a local run at the same output is refused meanwhile. The task that ends last
    writes the manifest.
    """
    numbers = shards_of_task(plan.num_shards, environment)
    with only_run(folder / "run.lock", shared=True):
        with only_run(folder / "plan.lock", wait=True):
            prepare(plan, folder)
        done = run_shards(plan, folder, numbers, limits=limits, workers=workers, minutes=minutes, command=command,
                          report=report, lock_shards=True)  # fmt: skip
        with only_run(folder / "plan.lock", wait=True):
            return finish(plan, folder, done)


def shards_of_task(num_shards: int, environment: Mapping[str, str]) -> range:
    """Shard numbers of this task of a Slurm array, whatever --array said. Raises ConfigError outside of an array."""
    names = ("SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_STEP", "SLURM_ARRAY_TASK_COUNT")
    try:
        task, first, step, count = (int(environment.get(n, d)) for n, d in zip(names, ("", "0", "1", "1"), strict=True))
        place = (task - first) // step
        if not 0 <= place < count:
            raise ValueError(f"task {task} of {count}")
    except (ValueError, ZeroDivisionError) as error:
        raise ConfigError(
            "This is no task of a Slurm array",
            where="engine.name=slurm",
            seen={n: environment[n] for n in names if n in environment} or "no SLURM_ARRAY_TASK_ID",
            expected="sbatch --array=0-N with consecutive or evenly stepped numbers",
            next_step="see docs/scale.md, or engine.name=local",
        ) from error
    return range(place, num_shards, count)


def build_on_ray(
    plan: Plan,
    folder: Path,
    *,
    limits: Limits,
    address: str = "",
    cpus_per_shard: int = 1,
    minutes: float = 1e9,
    command: Sequence[str] = WORKER_COMMAND,
    report: Report | None = None,
) -> BuildReport:
    """One Ray task a shard. A task whose node dies is run again elsewhere and goes on with the parts that are there.

    Raises MissingDependency: no ray. Otherwise as `build`.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = require("ray", "ray", "engine.name=ray")
    with only_run(folder / "run.lock"):
        prepare(plan, folder)
        _, shards, _ = all_rows(folder, plan.digest)
        numbers = [n for n in range(plan.num_shards) if n not in shards]
        started = not ray.is_initialized()
        if started and numbers:
            join_cluster(ray, address)
        try:
            done = _rendered_on_ray(ray, folder, numbers, limits, cpus_per_shard, minutes, command, report)
        except ray.exceptions.RayError as error:
            raise DeviceError(
                "A shard was lost on the Ray cluster",
                where=address or "a cluster on this machine",
                seen=" ".join(str(error).split())[:300],
                expected="nodes that stay, or come back, and see the output under the same path",
                next_step="run the same command again; it goes on",
            ) from error
        finally:
            if started and numbers:
                ray.shutdown()
        return finish(plan, folder, done)


def join_cluster(ray: Any, address: str) -> None:
    """Enter a Ray cluster, or start one on this machine. Raises DeviceError: none answers."""
    try:
        ray.init(address=address or None, logging_level="ERROR", log_to_driver=False)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise DeviceError(
            "The Ray cluster does not answer",
            where=address or "a cluster on this machine",
            seen=" ".join(str(error).split())[:300],
            expected="HOST:PORT of a running head node, or nothing for a cluster here",
            next_step="ray start --head",
        ) from error


def _rendered_on_ray(
    ray: Any,
    folder: Path,
    numbers: Sequence[int],
    limits: Limits,
    cpus_per_shard: int,
    minutes: float,
    command: Sequence[str],
    report: Report | None,
) -> int:
    if not numbers:
        return 0
    task: Callable[..., Any] = ray.remote(num_cpus=cpus_per_shard, max_retries=20, retry_exceptions=False)(_shard_task)
    waiting = [
        task.remote(str(folder.resolve()), n, limits, cpus_per_shard, minutes, tuple(command))  # type: ignore[attr-defined]
        for n in numbers
    ]
    total, done = len(waiting), 0
    while waiting:
        ready, waiting = ray.wait(waiting, num_returns=1)
        answer = ray.get(ready[0])
        if "error" in answer:
            for other in waiting:
                ray.cancel(other)
            raise InputError(answer["error"], where=answer["where"], seen=answer["seen"], expected=answer["expected"],
                             next_step=answer["next"])  # fmt: skip
        done += answer["objects"]
        if report is not None:
            report("shards", total - len(waiting), total)
    return done


def _shard_task(
    folder: str, number: int, limits: Limits, workers: int, minutes: float, command: Sequence[str]
) -> dict[str, Any]:
    """Runs on a node: one shard, from the plan on the shared disk. Errors travel as text."""
    path = Path(folder)
    try:
        done = run_shards(Plan.open(path), path, [number], limits=limits, workers=workers, minutes=minutes,
                          command=command, lock_shards=True, wait_for_lock=True)  # fmt: skip
    except SvdmvError as error:
        return {"error": error.what, "where": error.where, "seen": error.seen, "expected": error.expected,
                "next": error.next_step}  # fmt: skip
    return {"objects": done}
