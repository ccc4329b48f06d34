"""Curves on disk and a clock that knows when a slice of work is spent."""

from __future__ import annotations

import json
import time
from pathlib import Path


class Curve:
    """Step figures, averaged over `every` steps, appended as JSON lines."""

    def __init__(self, path: Path, every: int = 25) -> None:
        self.path, self.every = path, every
        self.rows: list[dict[str, float]] = []
        self.sums: dict[str, float] = {}
        self.count = 0

    def add(self, step: int, **figures: float) -> None:
        """Figures of one step."""
        for name, value in figures.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        self.count += 1
        if self.count == self.every:
            means = {name: round(value / self.count, 6) for name, value in self.sums.items()}
            self.rows.append({"step": step, **means})
            self.sums, self.count = {}, 0

    def flush(self) -> None:
        """Append what has gathered."""
        if self.rows:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(row) + "\n" for row in self.rows)
            self.rows = []


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
