"""The child process that renders: one JSON line in, one JSON line out, under a memory limit.

python -m svdmv.dataset.worker reads a line of settings, answers {"ready": ...}, then takes an object a line. It dies
with its parent. Whatever happens to it - a segmentation fault, a hang, a kill - happens to one object.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

from svdmv.core import SvdmvError
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.rejects import RejectRules
from svdmv.dataset.sampling import OrbitRule
from svdmv.dataset.shard import ObjectResult, rendered_object, warm_up
from svdmv.io.atomic import whole_file

Render = Callable[[ObjectSource, OrbitRule, RejectRules, int], ObjectResult]
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True)
class WorkerSettings:
    """What a worker is told once. memory_mb: bound on its private memory, 0 = none. parent: it dies with this one."""

    rule: OrbitRule
    rejects: RejectRules
    seed: int
    memory_mb: int = 0
    parent: int = 0

    def line(self) -> str:
        """As one JSON line."""
        return json.dumps(asdict(self)) + "\n"

    @classmethod
    def from_line(cls, line: str) -> WorkerSettings:
        """Read back what `line` wrote."""
        read = json.loads(line)
        rule, rejects = OrbitRule(**read["rule"]), RejectRules(**read["rejects"])
        return cls(rule, rejects, read["seed"], read["memory_mb"], read["parent"])


def serve(render: Render = rendered_object, prepared: Callable[[OrbitRule], None] | None = warm_up) -> None:
    """Answer lines of standard input until it ends.

    render: what is done to an object. prepared: called before the first answer.
    """
    lines, answers = sys.stdin, answers_stream()
    settings = WorkerSettings.from_line(lines.readline())
    bind_to_parent(settings.parent)
    _limit_memory(settings.memory_mb)
    if prepared is not None:
        prepared(settings.rule)
    say(answers, {"ready": os.getpid()})
    for line in lines:
        say(answers, _answer(json.loads(line), settings, render))
        release_free_memory()


def _answer(request: dict[str, Any], settings: WorkerSettings, render: Render) -> dict[str, Any]:
    """Render, keep the object's part on disk, tell what came of it."""
    began, cpu = time.monotonic(), time.process_time()
    item, target = ObjectSource(**request["item"]), Path(request["target"])
    try:
        result = render(item, settings.rule, settings.rejects, settings.seed)
        if result.status == "rendered":
            with whole_file(target) as temporary:
                temporary.write_bytes(result.data)
    except OSError as error:
        return {"disk": f"{error.strerror or error}: {error.filename or target.parent}"}
    except SvdmvError as error:
        return {"disk": error.one_line()}
    return {
        "uid": item.id,
        "status": result.status,
        "reason": result.reason,
        "detail": result.detail,
        "seconds": round(time.monotonic() - began, 3),
        "cpu_s": round(time.process_time() - cpu, 3),
        "rss_mb": round(resident_mb(os.getpid()), 1),
        "source_sha256": result.source_sha256,
        "part_sha256": hashlib.sha256(result.data).hexdigest() if result.data else "",
        "part_bytes": len(result.data),
        "samples": list(result.samples),
    }


def resident_mb(pid: int) -> float:
    """Memory of a process that is in use, MB; 0 where the system does not tell or the process is gone."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def release_free_memory() -> None:
    """Return what the last object left free to the system, where the allocator can (glibc): small pieces of it would
    else stay under the next object's large arrays."""
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)


def answers_stream() -> IO[str]:
    """Where answers go; from now on prints of other code go to standard error, out of the way."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    return answers


def say(answers: IO[str], message: dict[str, Any]) -> None:
    """One answer, a line."""
    answers.write(json.dumps(message) + "\n")
    answers.flush()


def bind_to_parent(parent: int) -> None:
    """Be killed when the thread that started this process ends (Linux); leave at once when that has happened."""
    if parent and sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def _limit_memory(megabytes: int) -> None:
    """Private memory beyond the limit raises MemoryError instead of filling the machine."""
    if megabytes and os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (megabytes * 1_000_000, megabytes * 1_000_000))


if __name__ == "__main__":
    serve()
