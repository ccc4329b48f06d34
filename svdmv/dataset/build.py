"""Build a data set: shards from a plan, every object accounted for, stopped and gone on with at any moment.

OUT/plan.json            what is to be made; the output belongs to it
OUT/ledger/*.sqlite      how every object ended, attempts, shards
OUT/parts/00012/         objects of a shard that is under way
OUT/shards/00012.tar     whole shards
OUT/manifest.jsonl, objects.jsonl, ATTRIBUTION.md, provenance.json      when all shards are there
"""

from __future__ import annotations

import hashlib
import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svdmv.core import DataError, InputError
from svdmv.dataset.ledger import FOLDER as LEDGER_FOLDER
from svdmv.dataset.ledger import Ledger, all_rows, shard_ledger
from svdmv.dataset.manifest import MANIFEST_FILE, shard_name, write_manifest
from svdmv.dataset.plan import Plan, only_run
from svdmv.dataset.shard import TAR_END
from svdmv.dataset.worker import WorkerSettings
from svdmv.dataset.workers import WORKER_COMMAND, ChildEndedError, Limits, Task, render_tasks
from svdmv.io.atomic import remove_leftovers, whole_file

Report = Callable[[str, int, int], None]
LEAST_FREE_MB = 32


@dataclass(frozen=True)
class BuildReport:
    """What an output holds now.

    Attributes:
        complete: every object has ended and every shard is whole. samples: orbits in whole or begun shards.
        ended: (status, reason) -> objects. attempts: reason -> attempts that gave no answer.
        newly_rendered: objects that this run worked on.
    """

    complete: bool
    objects: int
    samples: int
    part_bytes: int
    ended: dict[tuple[str, str], int] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    newly_rendered: int = 0


def build(
    plan: Plan,
    folder: Path,
    *,
    limits: Limits | None = None,
    workers: int = 1,
    minutes: float = 1e9,
    command: Sequence[str] = WORKER_COMMAND,
    report: Report | None = None,
) -> BuildReport:
    """Build on this machine, or go on with what is there; nothing is done twice.

    Args:
        plan: see Plan; an output belongs to the first plan it was begun with.
        limits: of the child processes. workers: how many of them, one a core.
        minutes: begin no object afterwards; the next call goes on.
        command: what starts a child.

    Raises:
        ConfigError: the output belongs to another plan. InputError: another run is at work here; the disk is full.
        DataError: a ledger is damaged. In each case nothing is lost and the same call goes on.
    """
    with only_run(folder / "run.lock"):
        prepare(plan, folder)
        done = run_shards(plan, folder, range(plan.num_shards), limits=limits or Limits(), workers=workers,
                          minutes=minutes, command=command, report=report)  # fmt: skip
        return finish(plan, folder, done)


def prepare(plan: Plan, folder: Path) -> None:
    """Begin an output: its plan, its lights (prepared once, on disk, before workers ask for them), room on its disk."""
    from svdmv.render.light import light_from

    plan.keep(folder)
    remove_leftovers(folder)
    free = shutil.disk_usage(folder).free / 1e6
    if free < LEAST_FREE_MB:
        raise InputError(
            "The disk has no room for a data set",
            where=folder,
            seen=f"{free:.0f} MB free",
            expected=f"at least {LEAST_FREE_MB} MB, about 1 MB an orbit at 256 px",
            next_step="free some space, or choose another out=FOLDER",
        )
    if not (folder / MANIFEST_FILE).is_file() and plan.rule.renderer == "raster" and plan.rule.shading != "unlit":
        for name in sorted(set(plan.rule.lights)):
            light_from(Path(name) if "." in name else name)


def try_again(plan: Plan, folder: Path, reasons: Sequence[str]) -> None:
    """Forget failed objects of these reasons ("timeout", "crash", "oom" ...) and the shards that were made without
    them: the next build renders those shards anew. Raises as `build` does.
    """
    with only_run(folder / "run.lock"):
        for path in sorted((folder / LEDGER_FOLDER).glob("*.sqlite")):
            with Ledger(folder, plan.digest, path.stem) as ledger:
                ledger.forget_failures(reasons)
        (folder / MANIFEST_FILE).unlink(missing_ok=True)


def run_shards(
    plan: Plan,
    folder: Path,
    numbers: Sequence[int],
    *,
    limits: Limits,
    workers: int,
    minutes: float = 1e9,
    command: Sequence[str] = WORKER_COMMAND,
    report: Report | None = None,
    ledger: str = "main",
    lock_shards: bool = False,
    wait_for_lock: bool = False,
) -> int:
    """Bring some shards to their end; how many objects were worked on. Raises as `build` does.

    ledger: name of the file that this run writes. lock_shards: several runs share the output, each with its own shards;
    wait_for_lock: until the children of a run that has just died have let go.
    """
    if lock_shards:
        total = 0
        for number in numbers:
            with only_run(folder / "locks" / f"{number:05d}.lock", wait=wait_for_lock):
                total += _run(plan, folder, [number], limits, workers, minutes, command, report, shard_ledger(number))
        return total
    return _run(plan, folder, numbers, limits, workers, minutes, command, report, ledger)


def _run(
    plan: Plan,
    folder: Path,
    numbers: Sequence[int],
    limits: Limits,
    workers: int,
    minutes: float,
    command: Sequence[str],
    report: Report | None,
    ledger_name: str,
) -> int:
    rows, shards, _ = all_rows(folder, plan.digest, numbers[0] if len(numbers) == 1 else None)
    with Ledger(folder, plan.digest, ledger_name) as ledger:
        tasks: list[Task] = []
        open_objects: dict[int, int] = {}
        for number in numbers:
            if number in shards and _size(shard_path(folder, number)) == shards[number][1]:
                continue
            todo = _tasks_of(plan, folder, number, rows, ledger)
            open_objects[number] = len(todo)
            tasks += todo
            if not todo:
                _assemble(plan, folder, number, ledger)
        guard, counted = threading.Lock(), [0]
        shard_of = {str(task.target): int(task.target.parent.name) for task in tasks}

        def done(task: Task, answer: dict[str, Any]) -> None:
            number = shard_of[str(task.target)]
            tries = ledger.attempts_of(task.item.id) + ("samples" in answer)
            known = {"samples": [], "attempts": tries, "shard": number, "licence": task.item.licence}
            ledger.record({**known, **answer})
            with guard:
                open_objects[number] -= 1
                last = open_objects[number] == 0
                counted[0] += 1
                if report is not None:
                    report("render", counted[0], len(tasks))
            if last:
                _assemble(plan, folder, number, ledger)

        def attempt(task: Task, ended: ChildEndedError) -> int:
            detail = f"{ended.detail}; {ended.last_words}" if ended.last_words else ended.detail
            return ledger.note_attempt(task.item.id, ended.reason, detail, ended.seconds)

        if tasks:
            settings = WorkerSettings(plan.rule, plan.rejects, plan.seed)
            render_tasks(tasks, settings, limits, workers=workers, done=done, attempt=attempt, minutes=minutes,
                         command=command)  # fmt: skip
        return counted[0]


def finish(plan: Plan, folder: Path, newly_rendered: int = 0) -> BuildReport:
    """Count what an output holds; write its manifest, list of objects and attributions when all shards are there."""
    rows, shards, attempts = all_rows(folder, plan.digest)
    whole = [n for n in range(plan.num_shards) if n in shards and _size(shard_path(folder, n)) == shards[n][1]]
    complete = len(whole) == plan.num_shards
    if complete:
        write_manifest(plan, folder, rows, shards)
        for leftover in ("parts", "locks"):
            shutil.rmtree(folder / leftover, ignore_errors=True)
    ended: dict[tuple[str, str], int] = {}
    for row in rows.values():
        key = (row["status"], row["reason"] or "")
        ended[key] = ended.get(key, 0) + 1
    return BuildReport(
        complete=complete,
        objects=len(plan.items),
        samples=sum(len(row["samples"]) for row in rows.values()),
        part_bytes=sum(row["part_bytes"] or 0 for row in rows.values()),
        ended=dict(sorted(ended.items())),
        attempts=attempts,
        newly_rendered=newly_rendered,
    )


def shard_path(folder: Path, number: int) -> Path:
    """The tar of a shard."""
    return folder / shard_name(number)


def _tasks_of(plan: Plan, folder: Path, number: int, rows: dict[str, dict[str, Any]], ledger: Ledger) -> list[Task]:
    """Objects of a shard that have not ended, or whose part is gone."""
    parts, tasks = folder / "parts" / f"{number:05d}", []
    for place, item in enumerate(plan.shard(number)):
        row, target = rows.get(item.id), parts / f"{place:05d}.blocks"
        if row is not None and (row["status"] != "rendered" or _size(target) == row["part_bytes"]):
            continue
        if row is not None:
            ledger.forget(item.id)
        tasks.append(Task(item, target))
    if parts.is_dir():
        remove_leftovers(parts)
    return tasks


def _assemble(plan: Plan, folder: Path, number: int, ledger: Ledger) -> None:
    """Join the parts of a shard into its tar, each checked against its hash; then the parts go."""
    rows, _, _ = all_rows(folder, plan.digest, number)
    parts, target = folder / "parts" / f"{number:05d}", shard_path(folder, number)
    digest = hashlib.sha256()
    with whole_file(target) as temporary, temporary.open("wb") as out:
        for place, item in enumerate(plan.shard(number)):
            row = rows[item.id]
            if row["status"] != "rendered":
                continue
            data = (parts / f"{place:05d}.blocks").read_bytes()
            if hashlib.sha256(data).hexdigest() != row["part_sha256"]:
                ledger.forget(item.id)
                raise DataError(
                    "A part changed on the disk",
                    where=parts / f"{place:05d}.blocks",
                    seen="another hash than the ledger's",
                    expected="the bytes that were written",
                    next_step="run the same command again; the object is rendered anew",
                )
            out.write(data)
            digest.update(data)
        out.write(TAR_END)
        digest.update(TAR_END)
        size = out.tell()
    ledger.record_shard(number, digest.hexdigest(), size)
    shutil.rmtree(parts, ignore_errors=True)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1
