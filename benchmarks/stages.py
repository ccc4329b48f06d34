"""How long each stage of `svdmv run` takes, and how much memory, from the provenance.json of fresh processes.

    python benchmarks/stages.py --picture data/demo/teapot.png --repeats 5 -o benchmarks/results/stages.json

The first run has empty caches, as on a new machine (numba compiles); it is told apart. Every run is a process of its
own: `python -m svdmv run PICTURE -o TEMPORARY --elevation 10`. Exit code 1 when a run misses the promise: 90 s and
4 GB on two cores without a GPU.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from svdmv.io.atomic import write_json

PROMISED_S, PROMISED_GB = 90.0, 4.0


def one_run(picture: Path, out: Path, caches: Path, more: list[str]) -> dict[str, Any]:
    """Provenance of one run in a fresh process, with the seconds of the whole process added."""
    flags = ["-o", str(out), "--elevation", "10", "--quiet", *more]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(caches / "numba"), "XDG_CACHE_HOME": str(caches)}
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-m", "svdmv", "run", str(picture), *flags], env=environment, check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    story = json.loads((out / "provenance.json").read_text("utf-8"))
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return story | {"process_s": round(wall, 2), "process_cpu_s": round(cpu, 2)}


def spread(values: list[float]) -> dict[str, float]:
    """Smallest, median and largest."""
    middle = statistics.median(values)
    return {"min": round(min(values), 2), "median": round(middle, 2), "max": round(max(values), 2)}


def processor() -> dict[str, Any]:
    """Name of the processor and how many cores this process may use."""
    path, name = Path("/proc/cpuinfo"), platform.processor()
    if path.is_file():
        lines = [line for line in path.read_text("utf-8").splitlines() if line.startswith("model name")]
        name = lines[0].partition(":")[2].strip() if lines else name
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {"cpu": name, "cores_used": usable, "cores": os.cpu_count(), "system": platform.system()}


def summary(first: dict[str, Any], runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Spread of every stage and of the whole, over the repeats."""
    stages = {
        name: {
            "seconds": spread([run["stages"][name]["seconds"] for run in runs]),
            "peak_memory_mb": max(run["stages"][name]["peak_memory_mb"] for run in runs),
            "first_run_s": first["stages"][name]["seconds"],
        }
        for name in sorted(runs[0]["stages"], key=list(first["stages"]).index)
    }
    return {
        "stages": stages,
        "all_stages_s": spread([run["seconds"] for run in runs]),
        "process_s": spread([run["process_s"] for run in runs]),
        "process_cpu_s": spread([run["process_cpu_s"] for run in runs]),
        "first_run_process_s": first["process_s"],
        "peak_memory_gb": round(max(run["peak_memory_mb"] for run in [first, *runs]) / 1024, 2),
    }


def main() -> int:
    """Measure, write the result, say whether the promise holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, default=Path("data/demo/teapot.png"))
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--remark", default="", help="what else the machine was doing")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options, more = parser.parse_known_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = [one_run(options.picture, folder / str(n), folder / "caches", more) for n in range(options.repeats + 1)]
    measured = summary(made[0], made[1:])
    slowest, memory = max(run["process_s"] for run in made), measured["peak_memory_gb"]
    kept = slowest <= PROMISED_S and memory <= PROMISED_GB
    result = {
        "what": "seconds and memory of each stage of svdmv run, fresh processes",
        "command": f"python benchmarks/stages.py --picture {options.picture} --repeats {options.repeats} -o OUT",
        "run_options": more,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "model": made[0]["model"],
        "weights_sha256": made[0]["weights_sha256"],
        "repeats": options.repeats,
        **measured,
        "promise": {"seconds": PROMISED_S, "memory_gb": PROMISED_GB, "slowest_run_s": slowest, "kept": kept},
        "hardware": processor() | {"load_before": load},
        "remark": options.remark,
        "versions": made[0]["versions"],
    }
    write_json(options.output, result)
    print(json.dumps(measured, indent=1))
    word = "kept" if kept else "MISSED"
    print(f"promise {word}: slowest run {slowest} s of {PROMISED_S:g}, memory {memory} GB of {PROMISED_GB:g}")
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
