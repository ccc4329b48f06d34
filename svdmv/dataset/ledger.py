"""The ledger: every object of a build ends as rendered, rejected(reason) or failed(reason), kept in SQLite (WAL).

A row is on disk before the next object is asked for, so a killed run knows what it has. A ledger file has one writer;
runs on several machines write one file each, and `all_rows` reads them together.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from svdmv.core import DataError, InputError

LEDGER_FORMAT = "svdmv-ledger-1"
FOLDER = "ledger"
_COLUMNS = ("uid", "shard", "status", "reason", "detail", "attempts", "seconds", "cpu_s", "rss_mb", "licence",
            "source_sha256", "part_sha256", "part_bytes", "samples")  # fmt: skip
_SCHEMA = f"""
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT);
CREATE TABLE IF NOT EXISTS objects ({", ".join(_COLUMNS)}, PRIMARY KEY (uid));
CREATE INDEX IF NOT EXISTS objects_by_shard ON objects (shard);
CREATE TABLE IF NOT EXISTS attempts (uid TEXT, reason TEXT, detail TEXT, seconds REAL);
CREATE TABLE IF NOT EXISTS shards (number INTEGER PRIMARY KEY, sha256 TEXT, bytes INTEGER);
"""


class Ledger:
    """One writer's ledger. Use as a context; methods may be called from several threads.

    Raises:
        DataError: the file is no ledger, of another version, or of another plan.
        InputError: the disk is full or refuses.
    """

    def __init__(self, folder: Path, plan: str, name: str = "main") -> None:
        self.path = folder / FOLDER / f"{name}.sqlite"
        self._lock = threading.Lock()
        with _translated(self.path):
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None, timeout=30)
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=NORMAL")
            self._base.executescript(_SCHEMA)
            for key, value in (("format", LEDGER_FORMAT), ("plan", plan)):
                self._base.execute("INSERT OR IGNORE INTO facts VALUES (?, ?)", (key, value))
        _require_same(self.path, dict(self._base.execute("SELECT name, value FROM facts")), plan)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; its WAL is folded in where the disk allows."""
        with self._lock:
            self._base.close()

    def record(self, row: dict[str, Any]) -> None:
        """Write an object's end. Keys: the columns; `samples` is a list."""
        values = [json.dumps(row[c]) if c == "samples" else row.get(c) for c in _COLUMNS]
        marks = ", ".join("?" * len(_COLUMNS))
        self._write(f"INSERT OR REPLACE INTO objects VALUES ({marks})", values)

    def note_attempt(self, uid: str, reason: str, detail: str, seconds: float) -> int:
        """Write an attempt that did not come to an end; how many there are of this object now."""
        self._write("INSERT INTO attempts VALUES (?, ?, ?, ?)", (uid, reason, detail, seconds))
        return self.attempts_of(uid)

    def attempts_of(self, uid: str) -> int:
        """How many attempts at an object came to no end."""
        with self._lock, _translated(self.path):
            return int(self._base.execute("SELECT count(*) FROM attempts WHERE uid = ?", (uid,)).fetchone()[0])

    def forget(self, uid: str) -> None:
        """Take an object's end back, because its part is gone or damaged."""
        self._write("DELETE FROM objects WHERE uid = ?", (uid,))

    def forget_failures(self, reasons: Sequence[str]) -> None:
        """Take back every failed object of these reasons, its attempts, and the shards that were made without it."""
        marks = ", ".join("?" * len(reasons))
        failed = f"SELECT uid FROM objects WHERE status = 'failed' AND reason IN ({marks})"
        shards = failed.replace("SELECT uid", "SELECT shard")
        self._write(f"DELETE FROM shards WHERE number IN ({shards})", tuple(reasons))
        self._write(f"DELETE FROM attempts WHERE uid IN ({failed})", tuple(reasons))
        self._write(f"DELETE FROM objects WHERE uid IN ({failed})", tuple(reasons))

    def record_shard(self, number: int, sha256: str, size: int) -> None:
        """Write that a shard is whole on disk."""
        self._write("INSERT OR REPLACE INTO shards VALUES (?, ?, ?)", (number, sha256, size))

    def _write(self, line: str, values: Any) -> None:
        with self._lock, _translated(self.path):
            self._base.execute(line, values)


def shard_ledger(number: int) -> str:
    """Name of the ledger of a run that has one shard."""
    return f"shard-{number:05d}"


def all_rows(
    folder: Path, plan: str, shard: int | None = None
) -> tuple[dict[str, dict[str, Any]], dict[int, tuple[str, int]], dict[str, int]]:
    """What all ledgers of an output say, or what they say about one shard.

    Returns:
        objects: uid -> its row, `samples` as a list; shards: number -> (sha256, bytes); attempts that came to no end
        by their reason.

    Raises:
        DataError: a ledger is damaged, of another version, or of another plan.
    """
    objects: dict[str, dict[str, Any]] = {}
    shards: dict[int, tuple[str, int]] = {}
    attempts: dict[str, int] = {}
    paths = sorted((folder / FOLDER).glob("*.sqlite"))
    where, values_of_shard = "", tuple[int, ...]()
    if shard is not None:
        paths = [path for path in paths if path.stem in ("main", shard_ledger(shard))]
        where, values_of_shard = " WHERE shard = ?", (shard,)
    for path in paths:
        with _translated(path):
            base = sqlite3.connect(path, timeout=30)
            try:
                _require_same(path, dict(base.execute("SELECT name, value FROM facts")), plan)
                for values in base.execute(f"SELECT {', '.join(_COLUMNS)} FROM objects{where}", values_of_shard):
                    row = dict(zip(_COLUMNS, values, strict=True))
                    row["samples"] = json.loads(row["samples"])
                    if row["status"] == "rendered" or row["uid"] not in objects:
                        objects[row["uid"]] = row
                for number, sha256, size in base.execute("SELECT number, sha256, bytes FROM shards"):
                    shards[number] = (sha256, size)
                for reason, count in base.execute("SELECT reason, count(*) FROM attempts GROUP BY reason"):
                    attempts[reason] = attempts.get(reason, 0) + count
            finally:
                base.close()
    return objects, shards, attempts


def _require_same(path: Path, facts: dict[str, str], plan: str) -> None:
    for name, seen, expected in (("version", facts.get("format"), LEDGER_FORMAT), ("plan", facts.get("plan"), plan)):
        if seen != expected:
            raise DataError(
                f"The ledger is of another {name}",
                where=path,
                seen=seen,
                expected=expected,
                next_step="choose another out=FOLDER, or the settings that this folder was begun with",
            )


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.DatabaseError as error:
        text = str(error)
        if "full" in text or "disk I/O" in text or "readonly" in text or "unable to open" in text:
            raise InputError(
                "The ledger cannot be written",
                where=path,
                seen=text,
                expected="free space on a disk that can be written",
                next_step="free some space and run the same command again; it goes on",
            ) from error
        raise DataError(
            "The ledger is damaged",
            where=path,
            seen=text,
            expected="a SQLite file of svdmv data build",
            next_step="remove it: parts that are whole are rendered again from the plan",
        ) from error
