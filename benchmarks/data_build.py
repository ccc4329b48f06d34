"""Build orbits from real models and the procedural generator in one run; print orbits an hour, bytes, failures, memory.

    python benchmarks/data_build.py ../shared/data/train OUT [--objects 1000] [--size 256] [--workers 1] [--minutes 60]

One orbit an object, 60 % models of the manifest and the rest procedural, in an order mixed by hash, so that a run
stopped by --minutes is a fair sample. Workers are not recycled, so that memory shows what it does. The same call goes
on.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import time
from importlib.metadata import version
from pathlib import Path

from svdmv.dataset.build import build
from svdmv.dataset.plan import Plan
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule, share_of
from svdmv.dataset.sources import object_sources_from
from svdmv.dataset.worker import resident_mb
from svdmv.dataset.workers import Limits
from svdmv.io.atomic import write_json


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--objects", type=int, default=1000)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--shading", default="pbr")
    parser.add_argument("--models", type=float, default=0.6, help="share of the objects that are models")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=1e9)
    parser.add_argument("--conditions", default="nothing else of weight ran")
    parser.add_argument("--result", type=Path, default=Path("benchmarks/results/data_build.json"))
    given = parser.parse_args()
    models = object_sources_from("manifest", folder=given.data, unpack_to=given.out.parent / "models")
    models = sorted(models, key=lambda item: share_of(item.id, 0, 0, "chosen"))[: round(given.objects * given.models)]
    shapes = object_sources_from("procedural", count=given.objects - len(models))
    rule = OrbitRule(size=given.size, orbits_per_object=1, shading=given.shading)
    plan = Plan.made([*models, *shapes], rule, RejectRules(), 0, 50)
    limits = Limits(recycle_after=10**6)
    driver: list[float] = []
    began, cpu = time.monotonic(), sum(os.times()[:4])
    made = build(plan, given.out, limits=limits, workers=given.workers, minutes=given.minutes,
                 report=lambda stage, done, total: driver.append(resident_mb(os.getpid())))  # fmt: skip
    wall = time.monotonic() - began
    with sqlite3.connect(given.out / "ledger" / "main.sqlite") as base:
        rows = base.execute(
            "SELECT uid, status, cpu_s, seconds, rss_mb, part_bytes FROM objects ORDER BY rowid"
        ).fetchall()
    good = [row for row in rows if row[1] == "rendered"]
    cpu_s = sum(row[2] or 0 for row in rows)
    memory = [round(row[4] or 0) for row in rows]
    groups = {
        name: [row for row in good if row[0].startswith("shape") == (name == "procedural")]
        for name in ("models", "procedural")
    }
    result = {
        "objects": len(plan.items),
        "orbits": made.samples,
        "views": rule.num_views,
        "size_px": rule.size,
        "shading": rule.shading,
        "complete": made.complete,
        "ended": {" ".join(key).strip(): count for key, count in made.ended.items()},
        "attempts_without_answer": made.attempts,
        "wall_s_of_this_call": round(wall, 1),
        "objects_of_this_call": made.newly_rendered,
        "orbits_an_hour_by_the_clock": round(3600 * made.samples / sum(row[3] for row in rows) * given.workers),
        "orbits_a_core_hour_of_cpu_time": round(3600 * made.samples / cpu_s),
        "cpu_s_an_orbit": round(cpu_s / max(made.samples, 1), 3),
        "cpu_s_an_orbit_by_kind": {n: round(sum(r[2] for r in g) / max(len(g), 1), 3) for n, g in groups.items()},
        "bytes_an_orbit": round(made.part_bytes / max(made.samples, 1)),
        "worker_memory_mb_every_50_objects": memory[::50] + memory[-1:],
        "worker_memory_mb_most": max(memory),
        "driver_memory_mb_every_50_objects": [round(mb) for mb in driver[::50] + driver[-1:]],
        "driver_cpu_s": round(sum(os.times()[:2]) - cpu, 1),
        "workers": given.workers,
        "conditions": given.conditions,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("svdmv", "numpy", "numba", "embreex")},
        "load": os.getloadavg(),
        "command": f"python benchmarks/data_build.py ../shared/data/train OUT --objects {given.objects} "
        f"--size {given.size} --workers {given.workers}"
        + (f" --minutes {given.minutes:g}" if given.minutes < 1e9 else ""),
    }
    write_json(given.result, result)
    for name, value in result.items():
        print(f"{name:<40}{value}")


if __name__ == "__main__":
    main()
