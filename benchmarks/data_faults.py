"""One build through every fault: what is lost, what is rendered twice, and whether the bytes are the same.

    python benchmarks/data_faults.py ../shared/data/gltf_torture OUT [--models FOLDER] [--result FILE]

Objects: every file of the collection of broken and odd glTF files; models or procedural shapes; and objects that make
their worker fault: segmentation fault, hang, 20 GB of memory, exit, and two that take their worker down once.

Run A is left alone. Run B, of the same plan, meets in this order: kill -9 of workers, kill -9 of the driver, a full
disk (a small tmpfs, where it may be mounted), a Ray cluster of three nodes one of which is killed. Printed: every
object's end in both, what B rendered more than once, equality of all bytes, and that a further run does nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from svdmv.core import InputError
from svdmv.dataset.build import build
from svdmv.dataset.ledger import all_rows
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.plan import Plan
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule
from svdmv.dataset.shard import ObjectResult, rendered_object
from svdmv.dataset.worker import serve
from svdmv.dataset.workers import Limits
from svdmv.io.atomic import write_json

SCRIPT = str(Path(__file__).resolve())
COMMAND = (sys.executable, SCRIPT, "--serve")
FAULTS = ("segfault", "hang", "memory", "exit")
RULE = OrbitRule(size=32, orbits_per_object=1, shading="unlit", supersampling=1)
LIMITS = Limits(memory_mb=3000, seconds=20, recycle_after=60)


def faulty(item: ObjectSource, rule: OrbitRule, rejects: RejectRules, seed: int) -> ObjectResult:
    """What a worker of this script does: the real work, or the fault that the location asks for."""
    kind, _, rest = item.location.partition(" ")
    if kind in FAULTS:
        import ctypes

        import numpy as np

        try:
            if kind == "segfault":
                ctypes.string_at(0)
            elif kind == "hang":
                time.sleep(3600)
            elif kind == "memory":
                np.ones(20_000_000_000 // 8)
            os._exit(7)
        except MemoryError:
            return ObjectResult("failed", "oom", "MemoryError")
    if kind == "once":
        marker = Path(os.environ["SVDMV_FAULT_MARKS"]) / item.id
        if not marker.exists():
            marker.write_text("done")
            os.kill(os.getpid(), signal.SIGKILL)
        item = ObjectSource(item.id, rest, item.licence, item.attribution, item.source)
    return rendered_object(item, rule, rejects, seed)


def made_plan(torture: Path, models: Path | None, count: int) -> Plan:
    """At least 200 objects: the collection, models, faults."""
    names = [row["file"] for row in json.loads((torture / "manifest.json").read_text("utf-8"))["files"]]
    items = [ObjectSource(f"torture-{n}", str(torture / n), "CC0-1.0") for n in names]
    good = sorted(models.glob("*.glb"))[::7][:count] if models else [Path(f"shape:{n}") for n in range(count)]
    items += [ObjectSource(f"good-{p.stem}", str(p), "CC0-1.0") for p in good]
    items += [ObjectSource(f"fault-{kind}-{n}", kind, "CC0-1.0") for kind in FAULTS for n in range(2)]
    items += [ObjectSource(f"fault-once-{n}", f"once {good[n]}", "CC0-1.0") for n in range(2)]
    return Plan.made(items, RULE, RejectRules(), 0, 12)


def ended(plan: Plan, out: Path) -> int:
    """Objects that a run has accounted for."""
    return len(all_rows(out, plan.digest)[0])


def children(pid: int) -> list[int]:
    """Processes started by a process and its threads."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*"):
        with contextlib.suppress(OSError):
            found += [int(word) for word in (task / "children").read_text().split()]
    return found


def killed_worker_and_driver(
    given: argparse.Namespace, plan: Plan, out: Path, until: int, workers: int
) -> dict[str, Any]:
    """Start the driver as a process, kill workers now and then, and at last the driver itself."""
    driver = subprocess.Popen([sys.executable, SCRIPT, *sys.argv[1:], "--drive", str(out)])
    killed, at = 0, 10
    while driver.poll() is None and ended(plan, out) < until:
        if ended(plan, out) >= at and (now := children(driver.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(now[0], signal.SIGKILL)
                killed += 1
            at += 10
        time.sleep(0.3)
    orphans = children(driver.pid)
    driver.kill()
    code = driver.wait()
    deadline = time.monotonic() + 60  # a child that is still starting binds itself to its parent only then
    while (alive := [pid for pid in orphans if state_of(pid) != "Z"]) and time.monotonic() < deadline:
        time.sleep(0.5)
    return {"workers_killed": killed, "driver_ended_with": code, "workers_left_behind": len(alive),
            "objects_then": ended(plan, out)}  # fmt: skip


def state_of(pid: int) -> str:
    """One letter of /proc: Z is a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return "Z"


@contextlib.contextmanager
def small_disk(out: Path, megabytes: int) -> Iterator[bool]:
    """`out` on a tmpfs of its own for as long as this lasts; False where it may not be mounted."""
    out.mkdir(parents=True)
    line = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(out)]
    mounted = subprocess.run(line, check=False, capture_output=True).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(out)], check=False)


def full_disk(given: argparse.Namespace, plan: Plan, out: Path) -> dict[str, Any]:
    """Fill the disk but for 400 kB, run into it, give the room back."""
    ballast = out / "ballast"
    ballast.write_bytes(bytes(max(shutil.disk_usage(out).free - 33_000_000, 0)))
    timer = threading.Timer(4.0, lambda: fill(out / "ballast2"))
    timer.start()
    try:
        build(plan, out, limits=LIMITS, workers=given.workers, command=COMMAND)
        told = "the build ended before the disk was full"
    except InputError as error:
        told = error.one_line()
    timer.join()
    left = shutil.disk_usage(out).free
    ballast.unlink()
    (out / "ballast2").unlink()
    return {"told": told.replace(str(out), "OUT"), "bytes_free_then": left, "objects_then": ended(plan, out)}


def fill(path: Path) -> None:
    """Write until nothing more goes in."""
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(50_000))


def ray_with_a_dying_node(given: argparse.Namespace, plan: Plan, out: Path) -> dict[str, Any]:
    """The rest on a Ray cluster of three nodes; one is killed after its first shards."""
    import ray
    from ray.cluster_utils import Cluster

    from svdmv.dataset.engines import build_on_ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    before = len(all_rows(out, plan.digest)[1])
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    ray.init(address=cluster.address, logging_level="ERROR", log_to_driver=False)
    facts: dict[str, Any] = {"nodes": len(ray.nodes())}

    def kill() -> None:
        while len(all_rows(out, plan.digest)[1]) < before + 1:
            time.sleep(0.5)
        facts["shards_whole_at_the_kill"] = len(all_rows(out, plan.digest)[1])
        cluster.remove_node(nodes[0], allow_graceful=False)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    made = build_on_ray(plan, out, limits=LIMITS, command=COMMAND)
    killer.join(5)
    facts |= {"nodes_alive_at_the_end": sum(node["Alive"] for node in ray.nodes()), "complete": made.complete}
    ray.shutdown()
    cluster.shutdown()
    return facts


def compared(plan: Plan, calm: Path, rough: Path) -> dict[str, Any]:
    """Are all files that a plan decides the same in both outputs?"""
    names = ["manifest.jsonl", "objects.jsonl", "ATTRIBUTION.md"]
    names += [f"shards/{n:05d}.tar" for n in range(plan.num_shards)]
    other = [name for name in names if (calm / name).read_bytes() != (rough / name).read_bytes()]
    return {"files_compared": len(names), "files_that_differ": other}


def main() -> None:
    """Run both and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("torture", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--drive", type=Path)
    parser.add_argument("--result", type=Path, default=Path("benchmarks/results/data_faults.json"))
    given = parser.parse_args()
    plan = made_plan(given.torture.resolve(), given.models.resolve() if given.models else None, given.count)
    if given.drive:
        build(plan, given.drive, limits=LIMITS, workers=given.workers, command=COMMAND)
        return
    shutil.rmtree(given.out, ignore_errors=True)
    began = time.monotonic()
    result: dict[str, Any] = {"objects": len(plan.items), "shards": plan.num_shards}
    for name in ("A", "B"):
        (given.out / f"marks{name}").mkdir(parents=True)
    calm, rough = given.out / "A", given.out / "B"
    os.environ["SVDMV_FAULT_MARKS"] = str(given.out / "marksA")
    made = build(plan, calm, limits=LIMITS, workers=given.workers, command=COMMAND)
    result["run_A"] = {"ended": {" ".join(k).strip(): n for k, n in made.ended.items()}, "attempts": made.attempts}
    print(json.dumps(result, indent=1), flush=True)
    os.environ["SVDMV_FAULT_MARKS"] = str(given.out / "marksB")
    with small_disk(rough, 400) as mounted:
        third = len(plan.items) // 3
        result["kills"] = killed_worker_and_driver(given, plan, rough, third, given.workers)
        print(json.dumps(result["kills"]), flush=True)
        result["full_disk"] = full_disk(given, plan, rough) if mounted else "no tmpfs may be mounted here: not shown"
        print(json.dumps(result["full_disk"]), flush=True)
        try:
            result["ray"] = ray_with_a_dying_node(given, plan, rough)
        except ImportError:
            result["ray"] = "ray is not installed: not shown"
        print(json.dumps(result["ray"]), flush=True)
        last = build(plan, rough, limits=LIMITS, workers=given.workers, command=COMMAND)
        result["run_B"] = {"ended": {" ".join(k).strip(): n for k, n in last.ended.items()}, "attempts": last.attempts}
        again = build(plan, rough, limits=LIMITS, command=("no such program",))
        result["objects_of_a_further_run"] = again.newly_rendered
        result["bytes"] = compared(plan, calm, rough)
        counts = Counter(s["key"] for s in map(json.loads, (rough / "manifest.jsonl").read_text().splitlines()[1:]))
        result["orbits"] = len(counts)
        result["orbits_that_come_twice"] = sum(n > 1 for n in counts.values())
    rows = [json.loads(line) for line in (calm / "objects.jsonl").read_text("utf-8").splitlines()]
    result["ends_of_the_collection"] = {
        r["uid"].removeprefix("torture-"): f"{r['status']} {r['reason']}".strip() for r in rows if "torture" in r["uid"]
    }
    result["minutes"] = round((time.monotonic() - began) / 60, 1)
    write_json(given.result, result)
    print(json.dumps({k: v for k, v in result.items() if k != "ends_of_the_collection"}, indent=1))


if __name__ == "__main__":
    if sys.argv[1:] == ["--serve"]:
        serve(faulty)
    else:
        main()
