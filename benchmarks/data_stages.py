"""Where the time of an orbit goes, from file to shard: CPU seconds a stage, peak memory, orbits an hour on two cores.

    python benchmarks/data_stages.py ../shared/data/train OUT [--objects 40] [--size 576] [--models 0.6]

One process does what a worker does, object after object, in the order of a build; the clock is that of its own CPU
time, so that other work on the machine counts little. Orbits an hour on two free cores are computed from it. A run
that is stopped leaves the result of the objects that it has done, a fair sample in the order of a build.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import time
from collections import Counter
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import svdmv.render
from svdmv.dataset import shard
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule, share_of
from svdmv.dataset.sources import object_sources_from
from svdmv.io.atomic import whole_file, write_json
from svdmv.render import raster

STAGES = ("load", "light", "views", "judge", "encode", "write", "rest")


class Stages:
    """CPU seconds by stage; a stage inside another one is taken out of it."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._inner = [0.0]

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time put down to the stage."""

        def wrapped(*args: Any, **named: Any) -> Any:
            began = time.process_time()
            self._inner.append(0.0)
            try:
                return function(*args, **named)
            finally:
                spent = time.process_time() - began
                self.seconds[stage] += spent - self._inner.pop()
                self._inner[-1] += spent

        return wrapped


def peak_mb() -> float:
    """Most memory that this process ever held, MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--objects", type=int, default=40)
    parser.add_argument("--size", type=int, default=576)
    parser.add_argument("--models", type=float, default=0.6, help="share of the objects that are models")
    parser.add_argument("--conditions", default="nothing else of weight ran")
    parser.add_argument("--result", type=Path, default=Path("benchmarks/results/data_stages.json"))
    given = parser.parse_args()
    count = round(given.objects * given.models)
    models = object_sources_from("manifest", folder=given.data, unpack_to=given.out.parent / "models")
    models = sorted(models, key=lambda item: share_of(item.id, 0, 0, "chosen"))[:count]
    shapes = object_sources_from("procedural", count=given.objects - count)
    items = sorted([*models, *shapes], key=lambda item: share_of(item.id, 0, 0, "place"))
    rule, rejects = OrbitRule(size=given.size, orbits_per_object=1), RejectRules()
    shard.warm_up(rule)
    stages = Stages()
    svdmv.render.render_views = stages.timed("views", svdmv.render.render_views)
    raster.prepare = stages.timed("light", raster.prepare)
    shard._prepared = stages.timed("load", shard._prepared)
    shard.source_sha256 = stages.timed("load", shard.source_sha256)
    shard.require_good_views = stages.timed("judge", shard.require_good_views)
    shard.picture_bytes = stages.timed("encode", shard.picture_bytes)
    shard.sample_blocks = stages.timed("write", shard.sample_blocks)
    whole = stages.timed("rest", shard.rendered_object)
    ended: Counter[str] = Counter()
    spent: dict[str, list[float]] = {"models": [], "procedural": []}
    sizes: list[int] = []
    given.out.mkdir(parents=True, exist_ok=True)
    warm_mb = peak_mb()

    def keep(number: int, data: bytes) -> None:
        with whole_file(given.out / f"{number:05d}.blocks") as temporary:
            temporary.write_bytes(data)

    def told() -> dict[str, Any]:
        orbits, total = len(sizes), sum(stages.seconds.values())
        return {
            "objects": sum(ended.values()),
            "ended": dict(ended),
            "views": rule.num_views,
            "size_px": rule.size,
            "cpu_s_an_orbit": round(total / orbits, 3),
            "cpu_s_an_orbit_by_kind": {n: round(sum(v) / max(len(v), 1), 3) for n, v in spent.items()},
            "orbits_by_kind": {n: len(v) for n, v in spent.items()},
            "cpu_s_an_orbit_by_stage": {name: round(stages.seconds[name] / orbits, 4) for name in STAGES},
            "share_by_stage": {name: round(stages.seconds[name] / total, 3) for name in STAGES},
            "orbits_an_hour_on_two_cores_computed": round(2 * 3600 * orbits / total),
            "bytes_an_orbit": round(sum(sizes) / orbits),
            "peak_memory_mb": round(peak_mb()),
            "peak_memory_mb_before_the_first_object": round(warm_mb),
            "conditions": given.conditions,
            "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
            "python": platform.python_version(),
            "versions": {name: version(name) for name in ("svdmv", "numpy", "numba", "embreex")},
            "load": os.getloadavg(),
            "command": f"python benchmarks/data_stages.py ../shared/data/train OUT --objects {given.objects} "
            f"--size {given.size} --models {given.models}",
        }

    written = stages.timed("write", keep)
    for number, item in enumerate(items):
        began = time.process_time()
        result = whole(item, rule, rejects, 0)
        if result.status == "rendered":
            written(number, result.data)
            spent["procedural" if item.id.startswith("shape") else "models"].append(time.process_time() - began)
            sizes.append(len(result.data))
        ended[f"{result.status} {result.reason}".strip()] += 1
        if sizes:
            write_json(given.result, told())
    shutil.rmtree(given.out)
    for name, value in told().items():
        print(f"{name:<40}{value}")


if __name__ == "__main__":
    main()
