"""Curves on disk and a clock that knows when a slice of work is spent."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from svdmv.io.atomic import translated_os_errors


class Curve:
    """Step figures, averaged over `every` steps, appended as JSON lines; `log` is told every row as it comes.

    Figures of single steps (`note`) stand in validation.jsonl beside it.
    """

    def __init__(self, path: Path, every: int = 25, log: Callable[[dict[str, float]], None] | None = None) -> None:
        self.path, self.every, self.log = path, every, log
        self.rows: list[dict[str, float]] = []
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, step: int, **figures: float) -> None:
        """Figures of one step."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if self.count == self.every:
            self._row(step)

    def _row(self, step: int) -> None:
        means = {name: round(value / self.count, 6) for name, value in self.sums.items()}
        self.rows.append({"step": step, **means})
        self.sums, self.count = {}, 0
        if self.log is not None:
            self.log(self.rows[-1])

    def drop_from(self, step: int) -> None:
        """Forget what came after `step` and was not yet appended."""
        self.rows = [row for row in self.rows if row["step"] <= step]
        self.sums, self.count = {}, 0

    def note(self, row: Mapping[str, float]) -> None:
        """Append one row to validation.jsonl at once."""
        self._append(self.path.with_name("validation.jsonl"), [dict(row)])
        if self.log is not None:
            self.log(dict(row))

    def flush(self, step: int | None = None) -> None:
        """Append what has gathered; at the run's last step the rest, too."""
        if step is not None and self.count:
            self._row(step)
        if self.rows:
            self._append(self.path, self.rows)
            self.rows = []

    @staticmethod
    def _append(path: Path, rows: list[dict[str, float]]) -> None:
        with translated_os_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)


class StepClock:
    """Spent when the next step would, at the pace so far, end after `minutes`."""

    def __init__(self, minutes: float) -> None:
        self.start = self.last = time.monotonic()
        self.limit = minutes * 60
        self.longest = 0.0

    def tick(self) -> None:
        """A step has ended."""
        now = time.monotonic()
        self.longest = max(0.9 * self.longest, now - self.last)
        self.last = now

    def seconds(self) -> float:
        """Since the start."""
        return time.monotonic() - self.start

    def spent(self) -> bool:
        """No time for another step."""
        return self.seconds() + self.longest > self.limit
