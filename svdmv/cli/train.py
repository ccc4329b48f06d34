"""svdmv train: Hydra overrides on typed settings."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from svdmv.cli.progress import progress_bar


def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="experiment=NAME and settings.", show_default=False),
    ] = None,
) -> None:
    """Train a checkpoint; a stopped run goes on with the same command.

    Example: svdmv train experiment=mini minutes=9 out=outputs/mini
    """
    from svdmv.train.config import train_config
    from svdmv.train.mini import train_mini

    config = train_config(overrides or [])
    with progress_bar(quiet=False) as report:
        done = train_mini(config, report)
    sys.stdout.write(f"checkpoint: {config.checkpoint}\n" if done else "time is spent; run the same command again\n")
    raise typer.Exit(0 if done else 4)
