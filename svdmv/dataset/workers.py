"""Child processes that render objects: one a core, watched for time and memory, killed, restarted and recycled."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Protocol

from svdmv.core import ConfigError, DeviceError, InputError, SvdmvError
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.worker import resident_mb

WORKER_COMMAND = (sys.executable, "-m", "svdmv.dataset.worker")
LOOK_EVERY_S = 0.2
MOST_FAILED_STARTS = 3
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


@dataclass(frozen=True)
class Limits:
    """Bounds on a child.

    Attributes:
        memory_mb: of private and of resident memory; 0 = none.
        seconds: for an object, as WorkClock counts. start_seconds: until the child is ready, likewise.
        recycle_after: objects until a fresh child takes over.
        attempts: of an object that ends or outlasts its child, over all runs, before it counts as failed.
    """

    memory_mb: int = 4000
    seconds: float = 180.0
    start_seconds: float = 180.0
    recycle_after: int = 200
    attempts: int = 3

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value <= 0 and name != "memory_mb":
                raise ConfigError("A limit is out of range", where=f"limits.{name}", seen=value, expected="above 0")


class Settings(Protocol):
    """A frozen dataclass that a child is told once, as one JSON line."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def memory_mb(self) -> int:
        """Bound on private memory; the limits' when it is told."""

    @property
    def parent(self) -> int:
        """Process with which the child dies."""

    def line(self) -> str:
        """As one JSON line."""


@dataclass(frozen=True)
class Task:
    """An object to work on and the file its part goes to."""

    item: ObjectSource
    target: Path


class ChildEndedError(Exception):
    """The child did not answer; `reason` is crash, timeout or oom; `last_words` is what it wrote to standard error."""

    def __init__(self, reason: str, detail: str, seconds: float, last_words: str = "") -> None:
        super().__init__(detail)
        self.reason, self.detail, self.seconds, self.last_words = reason, detail, seconds, last_words


class StoppedError(Exception):
    """The run is to end now."""


class WorkClock:
    """Time that a process has had: its CPU time, and the time it slept. Waiting for a busy core does not count, so that
    no good object runs out of time because the machine is overloaded. Where there is no /proc, time by the clock.
    """

    def __init__(self, pid: int) -> None:
        self._stat = Path(f"/proc/{pid}/stat")
        self._charged = 0.0
        self._last, self._last_cpu = time.monotonic(), self._now()[1]

    def seconds(self) -> float:
        """Up to now; to be asked often, since sleep is seen by looking."""
        now = time.monotonic()
        runnable, cpu = self._now()
        worked, passed = cpu - self._last_cpu, now - self._last
        self._charged += worked if runnable else max(worked, passed)
        self._last, self._last_cpu = now, cpu
        return self._charged

    def _now(self) -> tuple[bool, float]:
        """Does it want a core, and its CPU seconds."""
        try:
            words = self._stat.read_text().rpartition(")")[2].split()
        except OSError:
            return False, 0.0
        return words[0] == "R", (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


class Child:
    """One child process and the conversation with it."""

    def __init__(self, settings: Settings, limits: Limits, command: Sequence[str], stop: threading.Event) -> None:
        self._limits, self._stop = limits, stop
        environment = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")}
        self._words = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill()
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            env=environment,
            start_new_session=True,
        )
        self._unread = bytearray()
        self.objects_done = 0
        told = replace(settings, memory_mb=limits.memory_mb, parent=os.getpid())
        try:
            self._exchange(told.line(), limits.start_seconds)
        except BaseException:
            self.kill()
            raise

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def ask(self, task: Task) -> dict[str, Any]:
        """The answer about an object. Raises ChildEndedError (the child is then gone) or StoppedError."""
        self.objects_done += 1
        request = json.dumps({"item": asdict(task.item), "target": str(task.target)}) + "\n"
        try:
            return self._exchange(request, self._limits.seconds)
        except BaseException:
            self.kill()
            raise

    def kill(self) -> None:
        """End the process and all it started."""
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()
        self._process.wait()
        for file in (self._process.stdin, self._process.stdout, self._words):
            with contextlib.suppress(OSError):  # a pipe with unsent bytes and nobody to read them
                if file is not None:
                    file.close()

    def _exchange(self, line: str, seconds: float) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        began, handle, clock = time.monotonic(), self._process.stdout.fileno(), WorkClock(self._process.pid)
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError:
            raise self._ended(began) from None
        while b"\n" not in self._unread:
            if self._stop.is_set():
                raise StoppedError
            used = resident_mb(self._process.pid)
            if self._limits.memory_mb and used > self._limits.memory_mb:
                raise self._killed("oom", f"more than {self._limits.memory_mb} MB", began)
            if clock.seconds() > seconds:
                raise self._killed("timeout", f"more than {seconds:g} s", began)
            if select.select([handle], [], [], LOOK_EVERY_S)[0]:
                chunk = os.read(handle, 1 << 16)
                if not chunk:
                    raise self._ended(began)
                self._unread += chunk
        answer, _, rest = bytes(self._unread).partition(b"\n")
        self._unread = bytearray(rest)
        made: dict[str, Any] = json.loads(answer)
        return made

    def _ended(self, began: float) -> ChildEndedError:
        code = self._process.wait()
        text = f"signal {-code} ({signal.Signals(-code).name})" if code < 0 else f"exit code {code}"
        return self._killed("crash", text, began)

    def _killed(self, reason: str, detail: str, began: float) -> ChildEndedError:
        self._words.seek(max(0, self._words.seek(0, os.SEEK_END) - 2000))
        lines = self._words.read().decode("utf-8", "replace").split("\n")
        words = " | ".join(line.strip() for line in lines if line.strip())[-300:]
        return ChildEndedError(reason, detail, time.monotonic() - began, words)


def render_tasks(
    tasks: Iterable[Task],
    settings: Settings,
    limits: Limits,
    *,
    workers: int,
    done: Callable[[Task, dict[str, Any]], None],
    attempt: Callable[[Task, ChildEndedError], int],
    minutes: float = 1e9,
    command: Sequence[str] = WORKER_COMMAND,
) -> bool:
    """Render objects in child processes, one a worker.

    Args:
        tasks: taken in order, each by whoever is free.
        done: called with every answer; from several threads.
        attempt: called for an attempt that gave no answer; returns how many there were of this object.
        minutes: no new object is begun afterwards.

    Returns:
        True when all tasks were done.

    Raises:
        InputError: the disk is full. Whatever `done` raises. KeyboardInterrupt: children are ended first.
    """
    left, guard, stop = deque(tasks), threading.Lock(), threading.Event()
    errors: list[BaseException] = []
    deadline = time.monotonic() + minutes * 60

    def work() -> None:
        child: Child | None = None
        failed_starts = 0
        try:
            while not stop.is_set() and time.monotonic() < deadline:
                try:
                    child = child or Child(settings, limits, command, stop)
                    failed_starts = 0
                except ChildEndedError as ended:
                    failed_starts += 1
                    if failed_starts == MOST_FAILED_STARTS:
                        raise _start_error(ended, command) from None
                    continue
                with guard:
                    if not left:
                        break
                    task = left.popleft()
                try:
                    answer = child.ask(task)
                    if child.objects_done >= limits.recycle_after:
                        child.kill()
                        child = None
                except ChildEndedError as ended:
                    child = None
                    if attempt(task, ended) < limits.attempts:
                        with guard:
                            left.appendleft(task)
                        continue
                    answer = {"uid": task.item.id, "status": "failed", "reason": ended.reason, "detail": ended.detail,
                              "seconds": round(ended.seconds, 3)}  # fmt: skip
                if "disk" in answer:
                    raise _disk_error(task, answer["disk"])
                done(task, answer)
        except StoppedError:
            return
        except BaseException as error:
            errors.append(error)
            stop.set()
        finally:
            if child is not None:
                child.kill()

    threads = [threading.Thread(target=work, daemon=True) for _ in range(max(1, min(workers, len(left))))]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            while thread.is_alive():
                thread.join(LOOK_EVERY_S)
    except KeyboardInterrupt:
        stop.set()
        for thread in threads:
            thread.join()
        raise
    if errors:
        raise errors[0]
    return not left


def _start_error(ended: ChildEndedError, command: Sequence[str]) -> SvdmvError:
    return DeviceError(
        "Workers do not start",
        where=" ".join(command),
        seen=f"{ended.reason}: {ended.detail}; {ended.last_words}",
        expected="a child that answers, within limits.start_seconds and limits.memory_mb",
        next_step="svdmv doctor",
    )


def _disk_error(task: Task, seen: str) -> SvdmvError:
    return InputError(
        "A part cannot be written",
        where=task.target.parent,
        seen=seen,
        expected="free space on a disk that can be written",
        next_step="free some space and run the same command again; it goes on",
    )
