"""Files fetched over HTTP as a farm needs it: retry, time-out, checksum, whole files only, a ledger of every file."""

from __future__ import annotations

import hashlib
import http.client
import re
import sqlite3
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from svdmv.core import DataError, InputError, SvdmvError
from svdmv.io.atomic import whole_file

CHUNK_BYTES = 1 << 20
RETRIED_CODES = (408, 425, 429, 500, 502, 503, 504)
_HASH_HEADER = "X-Linked-Etag"  # the hub's sha256 of a file in large-file storage, on the answer before the redirect


@dataclass(frozen=True)
class Download:
    """One file: id for the ledger, address, place on disk, and what is known of it (None = not known)."""

    id: str
    url: str
    path: Path
    sha256: str | None = None
    num_bytes: int | None = None


@dataclass(frozen=True)
class Patience:
    """attempts: tries a file. timeout_s: silence after which a try is given up. deadline_s: the longest a whole try may
    take. pause_s: wait before the second try, doubled for each further one."""

    attempts: int = 4
    timeout_s: float = 30.0
    deadline_s: float = 900.0
    pause_s: float = 1.0


@dataclass(frozen=True)
class Fetched:
    """What came: its sha256, length, how many tries and seconds it took."""

    sha256: str
    num_bytes: int
    attempts: int
    seconds: float


def fetch(item: Download, patience: Patience = Patience()) -> Fetched:
    """Fetch one file to item.path, whole or not at all, and compare length and sha256 with whatever is known of them:
    from `item`, from Content-Length and from the hub's hash header.

    Raises InputError: the server refuses or every try failed; the text holds the last reason.
    """
    began, last = time.monotonic(), ""
    for attempt in range(1, patience.attempts + 1):
        try:
            digest, length = _fetch_once(item, patience)
            return Fetched(digest, length, attempt, round(time.monotonic() - began, 3))
        except urllib.error.HTTPError as error:
            last = f"HTTP {error.code} {error.reason}"
            error.close()
            if error.code not in RETRIED_CODES:
                break
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError, DataError) as error:
            last = error.what if isinstance(error, DataError) else str(getattr(error, "reason", error)) or repr(error)
        if attempt < patience.attempts:
            time.sleep(patience.pause_s * 2 ** (attempt - 1))
    raise InputError(
        "The file could not be fetched",
        where=item.url,
        seen=f"{last} (try {attempt} of {patience.attempts})",
        expected="the whole file",
        next_step="check the network and run the same command again; what is here is kept",
    )


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects and keeps the hash header of the answers on the way."""

    def __init__(self) -> None:
        self.hash: str | None = None

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        self.hash = self.hash or _hash_in(headers)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _hash_in(headers: Any) -> str | None:
    text = (headers.get(_HASH_HEADER) or "").strip('"')
    return text if re.fullmatch(r"[0-9a-f]{64}", text) else None


def _fetch_once(item: Download, patience: Patience) -> tuple[str, int]:
    """One try. Raises DataError when what came is not what was announced."""
    redirects, began = _Redirects(), time.monotonic()
    request = urllib.request.Request(item.url, headers={"User-Agent": "svdmv", "Accept-Encoding": "identity"})
    digest, length = hashlib.sha256(), 0
    opener = urllib.request.build_opener(redirects)
    with opener.open(request, timeout=patience.timeout_s) as answer, whole_file(item.path) as temporary:
        with temporary.open("wb") as file:
            while chunk := answer.read(CHUNK_BYTES):
                file.write(chunk)
                digest.update(chunk)
                length += len(chunk)
                if time.monotonic() - began > patience.deadline_s:
                    raise TimeoutError(f"more than {patience.deadline_s:g} s for one file")
        announced = answer.headers.get("Content-Length")
        for expected in (item.num_bytes, int(announced) if announced and announced.isdigit() else None):
            if expected is not None and expected != length:
                raise DataError(f"{length} bytes came, {expected} were announced")
        for named in (item.sha256, redirects.hash or _hash_in(answer.headers)):
            if named is not None and named != digest.hexdigest():
                raise DataError(f"sha256 {digest.hexdigest()[:12]} came, {named[:12]} was announced")
    return digest.hexdigest(), length


class DownloadLedger:
    """One row a file in an SQLite database (WAL, so that others may read while one writes): status ok, rejected or
    failed with its reason, sha256, bytes, tries, seconds, licence."""

    _COLUMNS = ("id", "status", "reason", "sha256", "bytes", "attempts", "seconds", "licence")

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with closing(sqlite3.connect(self.path, timeout=60)) as base, base:
                base.execute("PRAGMA journal_mode=WAL")
                base.execute(
                    "CREATE TABLE IF NOT EXISTS files (id TEXT PRIMARY KEY, status TEXT NOT NULL, reason TEXT NOT NULL,"
                    " sha256 TEXT, bytes INTEGER, attempts INTEGER, seconds REAL, licence TEXT)"
                )
                yield base
        except sqlite3.Error as error:
            raise DataError(
                "The ledger of downloads cannot be used",
                where=self.path,
                seen=error,
                expected="a database of svdmv on a disk with room",
                next_step=f"move {self.path.name} away: files on disk are checked and entered again",
            ) from error

    def write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Enter rows (keys: id, status, and any of the other columns), each replacing the one of its id."""
        values = [[row.get(c, "" if c == "reason" else None) for c in self._COLUMNS] for row in rows]
        marks = ", ".join("?" * len(self._COLUMNS))
        with self._open() as base:
            base.executemany(f"INSERT OR REPLACE INTO files ({', '.join(self._COLUMNS)}) VALUES ({marks})", values)

    def rows(self) -> dict[str, dict[str, Any]]:
        """All rows by id."""
        with self._open() as base:
            found = base.execute(f"SELECT {', '.join(self._COLUMNS)} FROM files ORDER BY id").fetchall()
        return {row[0]: dict(zip(self._COLUMNS, row, strict=True)) for row in found}


def fetch_all(
    items: Sequence[Download],
    ledger: DownloadLedger,
    *,
    workers: int = 8,
    patience: Patience = Patience(),
    licences: dict[str, str] | None = None,
    check: Callable[[Path], str | None] | None = None,
    report: Callable[[str, int, int], None] | None = None,
) -> dict[str, str]:
    """Fetch what is not here yet; every file gets its ledger row as soon as it is done, so that a killed run goes on.

    Args:
        items: files; one that lies in its place with the length and hash that are known of it is not fetched again.
        ledger: where rows go.
        licences: id -> licence, for the rows.
        check: looks into a finished file and returns what is wrong with it, or None.

    Returns:
        id -> reason of those that failed.
    """
    known, licences = ledger.rows(), licences or {}
    failed: dict[str, str] = {}

    def one(item: Download) -> dict[str, Any]:
        row: dict[str, Any] = {"id": item.id, "licence": licences.get(item.id)}
        earlier = known.get(item.id, {})
        here = item.path.stat().st_size if item.path.is_file() else None
        wanted = item.sha256 or earlier.get("sha256")
        if here is not None and earlier.get("status") == "ok" and earlier["bytes"] == here and not item.sha256:
            return {**earlier, **row}
        if here is not None and (item.num_bytes in (None, here)) and (check is None or check(item.path) is None):
            with item.path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            if wanted in (None, digest):
                return {**row, "status": "ok", "sha256": digest, "bytes": here, "attempts": 0, "seconds": 0.0}
        try:
            got = fetch(item, patience)
        except SvdmvError as error:
            return {**row, "status": "failed", "reason": error.one_line(), "attempts": patience.attempts}
        wrong = check(item.path) if check is not None else None
        if wrong is not None:
            item.path.unlink()
            return {**row, "status": "failed", "reason": wrong, "attempts": got.attempts}
        done = {"sha256": got.sha256, "bytes": got.num_bytes, "attempts": got.attempts, "seconds": got.seconds}
        return {**row, "status": "ok", **done}

    with ThreadPoolExecutor(max(1, workers)) as pool:
        for number, row in enumerate(pool.map(one, items), 1):
            ledger.write([row])
            if row["status"] != "ok":
                failed[row["id"]] = row["reason"]
            if report is not None:
                report("download", number, len(items))
    return failed
