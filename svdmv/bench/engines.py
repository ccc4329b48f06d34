"""Who makes the rows of a run: this process, processes of this machine, or a Ray cluster. Same bytes each way.

Every process has one thread and takes one object at a time; with several GPUs each process has one of them.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from svdmv.bench.config import BenchConfig, plan_from_config
from svdmv.bench.plan import RunPlan
from svdmv.bench.references import check_any_object
from svdmv.bench.rows import object_path, write_object
from svdmv.bench.runner import Report, Work, run_suite
from svdmv.bench.worker import BenchWork, one_thread, plan_of
from svdmv.core import ConfigError, DeviceError, SvdmvError
from svdmv.core.require import require
from svdmv.dataset.engines import join_cluster
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.workers import ChildEndedError, Limits, Task, render_tasks
from svdmv.io.atomic import write_json

ENGINES = ("local", "ray")
COMMAND = (sys.executable, "-m", "svdmv.bench.worker")
CARRIED = "SVDMV_"  # variables with this head go along to other machines
LIMITS = Limits(memory_mb=0, seconds=1e9, start_seconds=1800, recycle_after=10**9, attempts=2)


def run_config(config: BenchConfig, report: Report | None = None) -> dict[str, Any]:
    """Run `svdmv bench run` with these settings; returns the result.

    Raises:
        ConfigError: a setting is wrong. DeviceError: workers or the cluster do not answer.
        InputError: the output folder cannot be used, or none of the suite's objects is at hand.
        MissingDependency: engine=ray without ray.
    """
    devices = tuple(config.device.split(","))
    workers = config.workers or len(devices)
    if config.engine not in ENGINES or workers < 1:
        raise ConfigError(
            "The engine or the number of workers is unknown",
            where="engine, workers",
            seen=f"{config.engine}, {config.workers}",
            expected=f"{' or '.join(ENGINES)}, 1 or more",
            next_step="workers=2",
        )
    alone = config.engine == "local" and workers == 1
    told = {"name": config.engine, "workers": workers, "devices": list(devices)}
    out = Path(config.output)
    with one_thread():
        plan = plan_from_config(replace(config, device=devices[0] if alone else "cpu"))
        if not out.exists():
            check_any_object(plan.suite, plan.objects, plan.data, plan.cache)
        work: Work | None = None
        if config.engine == "ray":
            work = ray_work(config, plan, out, workers, devices)
        elif not alone:
            work = process_work(config, out, workers, devices)
        return run_suite(plan, out, report, work, told)


def process_work(config: BenchConfig, out: Path, workers: int, devices: Sequence[str]) -> Work:
    """Child processes on this machine. An object that ends its process twice is a failed object with the reason."""
    ends: dict[str, list[ChildEndedError]] = {}

    def work(names: Sequence[str], done: Callable[[str], None]) -> None:
        def ended(task: Task, error: ChildEndedError) -> int:
            ends.setdefault(task.item.id, []).append(error)
            return len(ends[task.item.id])

        def answered(task: Task, answer: dict[str, Any]) -> None:
            if answer["status"] != "done":
                write_failed(out, task.item.id, ends[task.item.id][-1])
            done(task.item.id)

        tasks = [Task(ObjectSource(name, "", ""), object_path(out, name)) for name in names]
        settings = BenchWork(asdict(config), tuple(devices))
        render_tasks(
            tasks, settings, LIMITS, workers=workers, done=answered, attempt=ended, command=COMMAND,
        )  # fmt: skip

    return work


def write_failed(out: Path, name: str, error: ChildEndedError) -> None:
    """The row of an object that ended its process."""
    why = f"its process ended: {error.reason}, {error.detail}"
    record = {"object": name, "predictions": [], "failed": f"{why}; {error.last_words}" if error.last_words else why}
    write_json(object_path(out, name), record)


def ray_work(config: BenchConfig, plan: RunPlan, out: Path, workers: int, devices: Sequence[str]) -> Work:
    """One Ray task an object, at most `workers` at once; with device=cuda each task has a GPU of the cluster.

    All machines see the output, the data and the cache under the same paths.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray = require("ray", "ray", "engine=ray")
    gpus = 1 if devices[0].startswith("cuda") else 0
    carried = {name: value for name, value in os.environ.items() if name.startswith(CARRIED)}
    settings = absolute(config, plan, "cuda" if gpus else devices[0])

    def work(names: Sequence[str], done: Callable[[str], None]) -> None:
        if not names:
            return
        started = not ray.is_initialized()
        if started:
            join_cluster(ray, config.address)
        task: Callable[..., Any] = ray.remote(num_cpus=1, num_gpus=gpus, max_retries=20, retry_exceptions=False)(
            object_task
        )
        waiting: dict[Any, str] = {}
        left = list(names)
        try:
            while left or waiting:
                while left and len(waiting) < workers:
                    name = left.pop(0)
                    waiting[task.remote(settings, name, carried)] = name  # type: ignore[attr-defined]
                ready = ray.wait(list(waiting), num_returns=1)[0][0]
                error = ray.get(ready)
                if error:
                    raise DeviceError("An object's rows could not be written", where=waiting[ready], seen=error)
                done(waiting.pop(ready))
        except ray.exceptions.RayError as error:
            raise DeviceError(
                "An object was lost on the Ray cluster",
                where=config.address or "a cluster on this machine",
                seen=" ".join(str(error).split())[:300],
                expected="nodes that stay, or come back, and see the output under the same path",
                next_step="run the same command again; it goes on",
            ) from error
        finally:
            if started:
                ray.shutdown()

    return work


def absolute(config: BenchConfig, plan: RunPlan, device: str) -> dict[str, Any]:
    """The settings with whole paths, for processes that stand elsewhere."""
    paths = {
        key: str(Path(value).resolve())
        for key in ("output", "data", "store", "views")
        if (value := getattr(config, key))
    }
    for key in ("suite", "model"):
        if Path(getattr(config, key)).exists():
            paths[key] = str(Path(getattr(config, key)).resolve())
    cache = "none" if plan.cache is None else str(plan.cache.resolve())
    return {**asdict(config), **paths, "cache": cache, "device": device}


@lru_cache(maxsize=1)
def _plan_here(settings: tuple[tuple[str, Any], ...]) -> RunPlan:
    """Ray keeps its processes: the model is loaded once in each."""
    config = dict(settings)
    return plan_of(config, config["device"])


def object_task(settings: dict[str, Any], name: str, variables: dict[str, str]) -> str:
    """Runs on a node: one object. Returns what went wrong with its file, or nothing."""
    os.environ.update(variables)
    with one_thread():
        plan = _plan_here(tuple(sorted(settings.items())))
        try:
            write_object(plan, next(item for item in plan.objects if item.name == name), Path(settings["output"]))
        except SvdmvError as error:
            return error.one_line()
    return ""
