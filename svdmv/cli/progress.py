"""Progress for people: a bar with the time left on standard error, nothing when quiet or not a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress_bar(quiet: bool, title: str = "") -> Iterator[Callable[[str, int, int], None]]:
    """A report function (stage, done, total)."""
    if quiet or not sys.stderr.isatty():
        yield lambda stage, done, total: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description:<24}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title or "start", total=1)
        last = [""]

        def report(stage: str, done: int, total: int) -> None:
            if stage != last[0]:
                last[0] = stage
                bar.reset(task, description=f"{title} {stage}".strip(), total=total)
            bar.update(task, completed=done, total=total)

        yield report
