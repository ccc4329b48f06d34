"""svdmv train: Hydra overrides on typed settings; svdmv train report: the curves of runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.progress import progress_bar
from svdmv.core import ConfigError


def train(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(metavar="KEY=VALUE", help="experiment=NAME and settings; or: report RUN...", show_default=False),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Of report: FILE.svg or FILE.html.", show_default=False)
    ] = None,
) -> None:
    """Train a checkpoint; a stopped run goes on with the same command.

    Example: svdmv train experiment=mini minutes=9 out=outputs/mini
    Example: svdmv train report outputs/svd_mv_objaverse outputs/scratch_mv -o curves.html
    """
    words = overrides or []
    if words[:1] == ["report"]:
        from svdmv.train.report import write_report

        folders = [Path(word) for word in words[1:]]
        made = write_report(folders, output or Path("curves.html"))
        sys.stdout.write(f"{made}\n")
        return
    if output is not None:
        raise ConfigError(
            "A training has no -o", where="-o", seen=output, expected="out=FOLDER", next_step=f"out={output}"
        )
    from svdmv.train.config import TrainConfig, settings_of
    from svdmv.train.full import train_full
    from svdmv.train.mini import train_mini

    config = settings_of(words)
    with progress_bar(quiet=False) as report:
        if isinstance(config, TrainConfig):
            done, folder = train_mini(config, report), config.checkpoint
        else:
            done = train_full(config, report, lambda line: typer.echo(line, err=True))
            folder = str(config.folder)
    sys.stdout.write(f"checkpoint: {folder}\n" if done else "time is spent; run the same command again\n")
    raise typer.Exit(0 if done else 4)
