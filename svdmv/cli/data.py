"""svdmv data build|check|stats|curate|latents: data sets from objects and videos; Hydra overrides."""

from __future__ import annotations

import difflib
import importlib
import sys
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.progress import progress_bar
from svdmv.core import ConfigError
from svdmv.core.errors import EXIT_OK, EXIT_PARTIAL

ACTIONS = {
    "build": "svdmv.cli.data:build",
    "check": "svdmv.cli.data:check",
    "stats": "svdmv.cli.data:stats",
    "curate": "svdmv.cli.data_curate:curate",
    "latents": "svdmv.cli.data_latents:latents",
}


def data(
    action: Annotated[str, typer.Argument(metavar="|".join(ACTIONS), help="What to do.", show_default=False)],
    overrides: Annotated[
        list[str] | None, typer.Argument(metavar="KEY=VALUE", help="Settings.", show_default=False)
    ] = None,
) -> None:
    """Render objects to training shards; check, describe and encode them; curate videos. What was stopped goes on.

    Examples: svdmv data build sources.procedural.count=100 preset=small out=outputs/data
    svdmv data check data=outputs/data
    """
    if action not in ACTIONS:
        near = difflib.get_close_matches(action, ACTIONS, 1, 0.4)
        raise ConfigError(
            "There is no such action",
            where="svdmv data",
            seen=action,
            expected=f"{near[0]}?" if near else " or ".join(ACTIONS),
            next_step="svdmv data --help",
        )
    module, _, function = ACTIONS[action].partition(":")
    raise typer.Exit(getattr(importlib.import_module(module), function)(overrides or []))


def build(overrides: list[str]) -> int:
    """svdmv data build: exit 0 when every object has ended, 4 when there is more to do."""
    from svdmv.dataset.build import try_again
    from svdmv.dataset.engines import build_with
    from svdmv.dataset.plan import Plan
    from svdmv.dataset.settings import build_settings, chosen_objects

    settings = build_settings(overrides)
    plan = Plan.made(
        chosen_objects(settings), settings.orbits, settings.rejects, settings.seed, settings.objects_per_shard
    )
    engine, out = settings.engine, Path(settings.out)
    if settings.retry:
        try_again(plan, out, settings.retry)
    with progress_bar(quiet=False, title="build") as report:
        made = build_with(
            engine.name,
            plan,
            out,
            limits=settings.limits,
            workers=engine.workers,
            minutes=settings.minutes,
            address=engine.address,
            cpus_per_shard=engine.cpus_per_shard,
            report=report,
        )
    left = made.objects - sum(made.ended.values())
    lines = [f"{out}: {made.objects} objects, {made.samples} orbits, {made.part_bytes / 1e6:.1f} MB"]
    lines += [
        f"  {count:>7}  {status}{f' ({reason})' if reason else ''}" for (status, reason), count in made.ended.items()
    ]
    lines += [f"  {left:>7}  to do"] if left else []
    lines += [f"  {count:>7}  attempts without an answer ({reason})" for reason, count in made.attempts.items()]
    lines += ["finished" if made.complete else "not finished: run the same command again"]
    _print(lines)
    return EXIT_OK if made.complete else EXIT_PARTIAL


def check(overrides: list[str]) -> int:
    """svdmv data check: exit 0 when all is whole, 4 when something is damaged; each damage is named."""
    from svdmv.dataset.check import check_dataset
    from svdmv.dataset.settings import check_settings

    settings = check_settings(overrides)
    with progress_bar(quiet=False, title="check") as report:
        checked = check_dataset(Path(settings.data), pictures=settings.pictures, report=report)
    lines = [f"{damage.where}: {damage.what}" for damage in checked.damages]
    lines += [f"{checked.shards} shards, {checked.samples} orbits, {checked.members} members, "
              f"{checked.bytes / 1e6:.1f} MB: {'damaged' if lines else 'whole'}"]  # fmt: skip
    _print(lines)
    return EXIT_PARTIAL if checked.damages else EXIT_OK


def stats(overrides: list[str]) -> int:
    """svdmv data stats: bars on the terminal and one HTML page."""
    from svdmv.dataset.settings import stats_settings
    from svdmv.dataset.stats import dataset_stats, text_from_stats, write_stats_page

    settings = stats_settings(overrides)
    made = dataset_stats(Path(settings.data))
    page = Path(settings.out) if settings.out else Path(settings.data) / "stats.html"
    write_stats_page(page, made)
    _print([text_from_stats(made), f"page: {page}"])
    return EXIT_OK


def _print(lines: list[str]) -> None:
    sys.stdout.write("\n".join(lines) + "\n")
