"""Building: every object ends once, whatever happens to workers, driver and disk, and the bytes are the same."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from drawn_objects import objects, plan_of
from stand_in_worker import COMMAND, drawn_object

from svdmv.core import ConfigError, DataError, DeviceError, InputError
from svdmv.dataset.build import BuildReport, build, shard_path, try_again
from svdmv.dataset.engines import build_slurm_task, build_with, shards_of_task
from svdmv.dataset.ledger import all_rows
from svdmv.dataset.plan import Plan, only_run
from svdmv.dataset.shard import TAR_END
from svdmv.dataset.workers import Limits, WorkClock

QUICK = Limits(memory_mb=2000, seconds=3, attempts=2)


def bytes_of(folder: Path) -> dict[str, bytes]:
    """What has to be the same for every run of a plan."""
    names = [
        "manifest.jsonl",
        "objects.jsonl",
        "ATTRIBUTION.md",
        *sorted(p.name for p in (folder / "shards").iterdir()),
    ]
    return {n: (folder / ("shards" if n.endswith(".tar") else "") / n).read_bytes() for n in names}


def run(plan: Plan, folder: Path, limits: Limits = QUICK, **options: object) -> BuildReport:
    return build(plan, folder, limits=limits, command=COMMAND, **options)  # type: ignore[arg-type]


def test_shards_are_what_the_pure_function_makes(drawn_data: Path) -> None:
    plan = plan_of(objects(10))
    assert plan.num_shards == 4
    for number in range(4):
        parts = [drawn_object(item, plan.rule, plan.rejects, plan.seed).data for item in plan.shard(number)]
        assert shard_path(drawn_data, number).read_bytes() == b"".join(parts) + TAR_END
    assert not (drawn_data / "parts").exists()


def test_a_second_run_does_nothing(drawn_data: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in drawn_data.rglob("*") if p.suffix in (".tar", ".jsonl", ".md")}
    again = build(plan_of(objects(10)), drawn_data, command=("no such program",))
    assert again.newly_rendered == 0
    assert again.complete
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_every_fault_is_its_own_row_and_the_others_are_untouched(drawn_data: Path, tmp_path: Path) -> None:
    faults = {
        "a-segfault": "fault:segfault",
        "b-hang": "fault:hang",
        "c-memory": "fault:memory",
        "d-exit": "fault:exit",
    }
    once = {f"e-{kind}": f"fault:{kind}:{tmp_path / kind}" for kind in ("killed", "hang")}
    plan = plan_of(objects(10, **faults, **once, f="reject:border"), per_shard=4)
    made = run(plan, tmp_path / "out", workers=2)
    assert made.complete
    assert made.ended == {
        ("failed", "crash"): 2,
        ("failed", "oom"): 1,
        ("failed", "timeout"): 1,
        ("rejected", "border"): 1,
        ("rendered", ""): 12,
    }
    assert made.attempts == {"crash": 5, "timeout": 3}
    rows = [json.loads(line) for line in (tmp_path / "out" / "objects.jsonl").read_text().splitlines()]
    told = {row["uid"]: (row["reason"], row["detail"]) for row in rows}
    assert told["a-segfault"] == ("crash", "signal 11 (SIGSEGV)")
    assert told["b-hang"] == ("timeout", "more than 3 s")
    assert told["c-memory"][0] == "oom"
    assert told["d-exit"] == ("crash", "exit code 7")
    calm = [json.loads(line) for line in (drawn_data / "manifest.jsonl").read_text().splitlines()[1:]]
    here = [json.loads(line) for line in (tmp_path / "out" / "manifest.jsonl").read_text().splitlines()[1:]]
    sums = {row["key"]: row["sha256"] for row in here}
    assert {row["key"]: row["sha256"] for row in calm}.items() <= sums.items()


def test_time_counts_work_and_sleep_and_not_waiting_for_a_core(drawn_data: Path, tmp_path: Path) -> None:
    made = run(plan_of(objects(1, x="fault:busy")), tmp_path / "out", Limits(seconds=3, attempts=1))
    assert made.ended == {("failed", "timeout"): 1, ("rendered", ""): 1}
    stopped = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    clock, began, slept = WorkClock(stopped.pid), time.monotonic(), 0.0
    while slept < 0.2 and time.monotonic() - began < 50:
        time.sleep(0.02)
        slept = clock.seconds()
    stopped.kill()
    stopped.wait()
    assert slept >= 0.2


def test_failures_are_tried_again_when_asked(drawn_data: Path, tmp_path: Path) -> None:
    """An object that crashed twice is taken back with its shard; the others of the shard come out the same."""
    out, room = tmp_path / "out", tmp_path / "mended"
    plan = plan_of(objects(4, x=f"fault:broken:{room}"), per_shard=5)
    first = run(plan, out, Limits(attempts=1))
    assert first.ended == {("failed", "crash"): 1, ("rendered", ""): 4}
    room.write_text("done")
    assert run(plan, out).newly_rendered == 0
    try_again(plan, out, ["timeout"])
    assert run(plan, out).newly_rendered == 0
    try_again(plan, out, ["timeout", "crash"])
    assert run(plan, out).ended == {("rendered", ""): 5}
    whole = run(plan_of(objects(4, x="disc:4"), per_shard=5), tmp_path / "whole")
    assert whole.complete
    assert bytes_of(out) == bytes_of(tmp_path / "whole")


def test_a_killed_driver_goes_on_and_ends_with_the_same_bytes(drawn_data: Path, tmp_path: Path) -> None:
    """The driver is killed from inside an object; a fresh one finishes, and renders only what was missing."""
    marker, out = tmp_path / "killed", tmp_path / "out"
    items = objects(10)
    victim = plan_of(items).items[5]
    told = [i if i.id != victim.id else type(i)(i.id, f"fault:driver:{marker}", *_rights(i)) for i in items]
    code = (
        "import sys; sys.path.insert(0, sys.argv[1]); from drawn_objects import ObjectSource, plan_of\n"
        "from stand_in_worker import COMMAND; from svdmv.dataset.build import build; from pathlib import Path\n"
        "items = [ObjectSource(**row) for row in __import__('json').loads(sys.argv[3])]\n"
        "build(plan_of(items), Path(sys.argv[2]), command=COMMAND)"
    )
    rows = json.dumps([vars(i) for i in told])
    done = subprocess.run([sys.executable, "-c", code, str(Path(__file__).parent), str(out), rows], check=False)
    assert done.returncode == -9
    assert marker.exists()
    assert not (out / "manifest.jsonl").exists()
    before = len(all_rows(out, plan_of(told).digest)[0])
    assert 0 < before < 10
    made = run(plan_of(told), out)
    assert made.complete
    assert made.newly_rendered == 10 - before
    assert bytes_of(out) == bytes_of(drawn_data)


def _rights(item: object) -> tuple[str, str, str]:
    return (item.licence, item.attribution, item.source)  # type: ignore[attr-defined]


def test_a_full_disk_stops_with_one_block_and_the_run_goes_on(drawn_data: Path, tmp_path: Path) -> None:
    marker, items = tmp_path / "room", objects(10)
    told = [type(i)(i.id, f"fault:disk:{marker}" if i.id == "o04" else i.location, *_rights(i)) for i in items]
    with pytest.raises(InputError, match=r"cannot be written(.|\n)*No space left") as caught:
        run(plan_of(told), tmp_path / "out")
    assert caught.value.exit_code == 2
    marker.write_text("free")
    assert run(plan_of(told), tmp_path / "out").complete
    assert bytes_of(tmp_path / "out") == bytes_of(drawn_data)


def test_time_that_is_spent_is_a_partial_build_that_goes_on(drawn_data: Path, tmp_path: Path) -> None:
    made = run(plan_of(objects(10)), tmp_path / "out", minutes=0)
    assert not made.complete
    assert made.ended == {}
    assert run(plan_of(objects(10)), tmp_path / "out", Limits(recycle_after=2)).complete
    assert bytes_of(tmp_path / "out") == bytes_of(drawn_data)


def test_half_a_shard_and_a_lost_part_are_made_again(drawn_data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    plan = plan_of(objects(10))
    assert run(plan, out).complete
    tar = shard_path(out, 2)
    tar.write_bytes(tar.read_bytes()[:700])
    (out / "manifest.jsonl").unlink()
    made = run(plan, out)
    assert made.newly_rendered == 3
    assert bytes_of(out) == bytes_of(drawn_data)


def test_a_part_that_changed_on_the_disk_is_found(drawn_data: Path, tmp_path: Path) -> None:
    out, last = tmp_path / "out", plan_of(objects(4)).items[-1]
    told = [
        type(i)(i.id, f"fault:disk:{tmp_path / 'room'}" if i == last else i.location, "CC0-1.0") for i in objects(4)
    ]
    plan = plan_of(told, per_shard=4)
    with pytest.raises(InputError):
        run(plan, out)
    part = next((out / "parts").rglob("*.blocks"))
    data = bytearray(part.read_bytes())
    data[600] ^= 1
    part.write_bytes(data)
    (tmp_path / "room").write_text("free")
    with pytest.raises(DataError, match="A part changed on the disk"):
        run(plan, out)
    assert run(plan, out).newly_rendered == 1
    assert run(plan, out).complete


def test_two_runs_and_two_plans_at_one_output_are_refused(drawn_data: Path, tmp_path: Path) -> None:
    with only_run(tmp_path / "run.lock"), pytest.raises(InputError, match="Another run is at work"):
        run(plan_of(objects(10)), tmp_path)
    with pytest.raises(ConfigError, match=r"other objects or settings(.|\n)*seed: 0 there, 1 asked for"):
        run(plan_of(objects(10), seed=1), drawn_data)
    with pytest.raises(ConfigError, match="10 objects there, 9 asked for"):
        run(plan_of(objects(9)), drawn_data)


def test_what_a_plan_refuses() -> None:
    with pytest.raises(DataError, match="list of objects is empty"):
        plan_of([])
    with pytest.raises(DataError, match="Ids of objects come twice"):
        plan_of([*objects(2), *objects(1)])
    with pytest.raises(ConfigError, match="A shard holds nothing"):
        plan_of(objects(2), per_shard=0)


def test_a_plan_and_a_ledger_of_another_version_are_refused(tmp_path: Path) -> None:
    plan = plan_of(objects(2))
    plan.keep(tmp_path)
    assert Plan.open(tmp_path) == plan
    told = json.loads((tmp_path / "plan.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps({**told, "format": "svdmv-plan-0"}))
    with pytest.raises(DataError, match=r"plan is of another version(.|\n)*svdmv-plan-0"):
        Plan.open(tmp_path)
    (tmp_path / "plan.json").write_text(json.dumps(told)[:-20])
    with pytest.raises(DataError, match="There is no readable plan"):
        run(plan, tmp_path)
    (tmp_path / "plan.json").unlink()
    (tmp_path / "ledger").mkdir()
    (tmp_path / "ledger" / "main.sqlite").write_bytes(b"no ledger" * 200)
    with pytest.raises(DataError, match="The ledger is damaged"):
        run(plan, tmp_path)


def test_a_worker_that_does_not_start_is_one_error(drawn_data: Path, tmp_path: Path) -> None:
    broken = (sys.executable, "-c", "raise SystemExit('no renderer here')")
    with pytest.raises(DeviceError, match=r"Workers do not start(.|\n)*no renderer here"):
        build(plan_of(objects(2)), tmp_path / "out", command=broken)
    assert run(plan_of(objects(2)), tmp_path / "out").ended == {("rendered", ""): 2}


def test_slurm_tasks_share_the_shards_and_make_the_same_bytes(drawn_data: Path, tmp_path: Path) -> None:
    out, plan = tmp_path / "out", plan_of(objects(10))
    for task in ("6", "4"):
        place = {"SLURM_ARRAY_TASK_ID": task, "SLURM_ARRAY_TASK_MIN": "4", "SLURM_ARRAY_TASK_COUNT": "2",
                 "SLURM_ARRAY_TASK_STEP": "2"}  # fmt: skip
        made = build_slurm_task(plan, out, limits=QUICK, workers=1, command=COMMAND, environment=place)
        assert made.complete == (task == "4")
    assert bytes_of(out) == bytes_of(drawn_data)
    assert build(plan, out, command=("no such program",)).newly_rendered == 0


def test_shards_of_a_slurm_array() -> None:
    def task(number: int) -> dict[str, str]:
        return {"SLURM_ARRAY_TASK_ID": str(number), "SLURM_ARRAY_TASK_MIN": "1", "SLURM_ARRAY_TASK_COUNT": "3"}

    assert sorted(n for t in (1, 2, 3) for n in shards_of_task(8, task(t))) == list(range(8))
    for wrong in ({}, {"SLURM_ARRAY_TASK_ID": "x"}, task(4), task(0)):
        with pytest.raises(ConfigError, match="no task of a Slurm array"):
            shards_of_task(8, wrong)


def test_an_unknown_engine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="local or ray or slurm"):
        build_with("rya", plan_of(objects(1)), tmp_path, limits=QUICK)


def test_ray_makes_the_same_bytes(drawn_data: Path, tmp_path: Path) -> None:
    ray = pytest.importorskip("ray", reason="ray is not installed")
    ray.init(num_cpus=1, include_dashboard=False, object_store_memory=80_000_000, logging_level="ERROR")
    try:
        assert build_with("ray", plan_of(objects(10)), tmp_path / "out", limits=QUICK, command=COMMAND).complete
    finally:
        ray.shutdown()
    assert bytes_of(tmp_path / "out") == bytes_of(drawn_data)
