"""How much memory a worker takes: every model of some folders through what a worker does to an object, peak by peak.

    python benchmarks/data_worker_memory.py FOLDER_OR_FILE... [--procedural 20] [--size 576] [--result FILE]

One process renders one orbit of each, one after the other, as a worker that is never recycled does. The peak of an
object is the largest resident set while it is at work (Linux; the counter is reset before each).
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import Any

from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.objects import sources_from_seeds
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule
from svdmv.dataset.shard import rendered_object, warm_up
from svdmv.dataset.worker import release_free_memory
from svdmv.io.atomic import write_json


def peak_mb(reset: bool = False) -> float:
    """Most memory of this process since the last reset, MB."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) * 1024 / 1e6


def main() -> None:
    """Run and write the result."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--procedural", type=int, default=0, help="objects of the generator beside them")
    parser.add_argument("--size", type=int, default=576)
    parser.add_argument("--conditions", default="nothing else of weight ran")
    parser.add_argument("--result", type=Path, default=Path("benchmarks/results/data_worker_memory.json"))
    given = parser.parse_args()
    sources = [
        (path.name if path.is_dir() else path.parent.name, ObjectSource(file.stem, str(file), "unknown"))
        for path in given.models
        for file in (sorted(path.glob("*.glb")) if path.is_dir() else [path])
    ]
    if given.procedural:
        sources += [("procedural", item) for item in sources_from_seeds(given.procedural)]
    rule, rejects = OrbitRule(size=given.size, orbits_per_object=1), RejectRules()
    warm_up(rule)
    before = peak_mb()
    rows: list[dict[str, Any]] = []
    for group, item in sources:
        release_free_memory()
        peak_mb(reset=True)
        began = time.process_time()
        ended = rendered_object(item, rule, rejects, 0)
        rows.append({"group": group, "object": item.id, "ended": f"{ended.status} {ended.reason}".strip(),
                     "cpu_s": round(time.process_time() - began, 2), "peak_mb": round(peak_mb())})  # fmt: skip
    names = sorted({row["group"] for row in rows})
    result = {
        "what": "largest resident set of one worker process while it renders an orbit of each object, MB",
        "size_px": given.size,
        "views": rule.num_views,
        "peak_mb_before_the_first_object": round(before),
        "peak_mb": {
            name: {
                "objects": len(found := [row["peak_mb"] for row in rows if row["group"] == name]),
                "median": round(median(found)),
                "most": max(found),
            }
            for name in names
        },
        "rows": rows,
        "conditions": given.conditions,
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("svdmv", "numpy", "numba", "embreex")},
        "command": "python benchmarks/data_worker_memory.py "
        + " ".join(p.name for p in given.models)
        + f" --procedural {given.procedural} --size {given.size}",
    }
    write_json(given.result, result)
    for row in rows:
        print(*row.values())
    print(result["peak_mb"])


if __name__ == "__main__":
    main()
