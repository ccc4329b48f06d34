"""Seconds and peak memory of the stages of one run."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

Report = Callable[[str, int, int], None]


class Stages:
    """What each stage took, and a voice for its progress.

    Attributes:
        rows: name -> {"seconds": wall time, "peak_memory_mb": highest resident memory of the process in that stage}.
    """

    def __init__(self, report: Report | None = None) -> None:
        self.rows: dict[str, dict[str, float]] = {}
        self._report = report

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the block; a name that comes again adds to its row."""
        before = self.rows.get(name, {"seconds": 0.0, "peak_memory_mb": 0.0})
        self.progress(name, 0, 1)
        forget_peak_memory()
        began = time.perf_counter()
        yield
        self.rows[name] = {
            "seconds": round(before["seconds"] + time.perf_counter() - began, 3),
            "peak_memory_mb": round(max(before["peak_memory_mb"], peak_memory_mb()), 1),
        }
        self.progress(name, 1, 1)

    def progress(self, name: str, done: int, total: int) -> None:
        """Say how far a stage is."""
        if self._report is not None:
            self._report(name, done, total)

    @property
    def seconds(self) -> float:
        """Of all stages together."""
        return round(sum(row["seconds"] for row in self.rows.values()), 2)

    @property
    def peak_memory_mb(self) -> float:
        """The highest of all stages."""
        return max((row["peak_memory_mb"] for row in self.rows.values()), default=0.0)


def forget_peak_memory() -> None:
    """Let the next peak count from here, where the system allows it (Linux); else a peak is of the whole process."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # proc(5): resets VmHWM
    except OSError:
        return


def peak_memory_mb() -> float:
    """Highest resident memory of this process since it was forgotten, in MB; 0 where the system does not tell."""
    try:
        found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) / 1024
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024 * 1024 if sys.platform == "darwin" else 1024)
