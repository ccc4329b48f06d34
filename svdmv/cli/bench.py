"""svdmv bench list | run | score | compare | report | validate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from svdmv.cli.progress import progress_bar

bench = typer.Typer(no_args_is_help=True, add_completion=False, help="Score views against the truth.")
Overrides = Annotated[list[str] | None, typer.Argument(metavar="KEY=VALUE", show_default=False)]
Results = Annotated[list[Path], typer.Argument(metavar="RESULT...", help="Folders of runs.", show_default=False)]


@bench.command("list")
def list_everything() -> None:
    """Suites, methods and metrics, and what each needs.

    Example: svdmv bench list
    """
    from svdmv.bench.listing import listing

    sys.stdout.write(listing())


@bench.command("run")
def run(overrides: Overrides = None) -> None:
    """Run methods on a suite; a stopped run goes on with the same command.

    Example: svdmv bench run suite=mini method=svdmv output=scores
    """
    from svdmv.bench.config import bench_config
    from svdmv.bench.engines import run_config
    from svdmv.bench.tables import text_table
    from svdmv.core import ConfigError

    config = bench_config(overrides or [])
    if not config.output:
        raise ConfigError(
            "No output folder is named",
            where="output",
            seen="nothing",
            expected="output=FOLDER",
            next_step="output=scores",
        )
    with progress_bar(quiet=False) as report:
        result = run_config(config, report)
    sys.stdout.write(text_table(result))
    raise typer.Exit(0 if result["complete"] else 4)


@bench.command("score")
def score(
    predictions: Annotated[Path, typer.Argument(help="Folder of views, or of meshes OBJECT.glb.", show_default=False)],
    suite: Annotated[str, typer.Option(help="Suite by name or file.")],
    out: Annotated[Path, typer.Option("-o", "--output", help="Folder of the run.")],
    data: Annotated[str, typer.Option(help="Folder of the suite's objects.")] = "",
    layout: Annotated[str, typer.Option(help="Whose layout the folder has; auto knows views and meshes.")] = "auto",
    align: Annotated[str, typer.Option(help="Rule for meshes: none, box or turn.")] = "none",
    name: Annotated[str, typer.Option(help="Name of the row.")] = "",
    metrics: Annotated[str, typer.Option(help="Instead of the suite's, comma between.")] = "",
    backgrounds: Annotated[str, typer.Option(help="white,grey,black shows how much the background decides.")] = "white",
    store: Annotated[str, typer.Option(help="Training orbits, for the rows of their mean and the nearest one.")] = "",
    workers: Annotated[int, typer.Option(help="Processes at once.")] = 1,
) -> None:
    """Score views or meshes that any program made.

    Example: svdmv bench score VIEWS --suite mini -o scores
    """
    run(
        [
            f"suite={suite}",
            "method=folder",
            f"views={predictions}",
            f"layout={layout}",
            f"align={align}",
            f"output={out}",
            f"backgrounds={backgrounds}",
            f"workers={workers}",
            *([f"metrics={metrics}"] if metrics else []),
            *([f"data={data}"] if data else []),
            *([f"store={store}"] if store else []),
            *([f"name={name}"] if name else []),
        ]
    )


@bench.command("inputs")
def inputs(
    suite: Annotated[str, typer.Option(help="Suite by name or file.")],
    program: Annotated[str, typer.Option("--for", help="zero123, zero123xl, stable_zero123, syncdreamer, ...")],
    out: Annotated[Path, typer.Option("-o", "--output", help="A new folder.")],
    data: Annotated[str, typer.Option(help="Folder of the suite's objects.")] = "",
) -> None:
    """Write what another program needs: input pictures, cameras in its convention, commands.

    Example: svdmv bench inputs --suite gso34-syncdreamer --for syncdreamer --data SCANS -o inputs
    """
    from svdmv.bench.inputs import write_inputs
    from svdmv.bench.references import cache_folder
    from svdmv.bench.suite import load_suite

    with progress_bar(quiet=False) as report:
        told = write_inputs(load_suite(suite), program, out, Path(data) if data else None, cache_folder(), report)
    sys.stdout.write("".join(f"WARNING {w}\n" for w in told) + f"{out / 'commands.sh'}\n")


@bench.command("compare")
def compare(
    first: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    second: Annotated[Path, typer.Argument(help="Folder of another run.", show_default=False)],
    style: Annotated[str, typer.Option("--format", help="text, markdown, latex, csv or json.")] = "text",
) -> None:
    """Models of two runs against each other on the objects that both have.

    Example: svdmv bench compare scores-a scores-b
    """
    from svdmv.bench.comparison import styled_comparison
    from svdmv.bench.tables import load_result

    sys.stdout.write(styled_comparison(load_result(first), load_result(second), style))


@bench.command("report")
def report_html(
    results: Results,
    out: Annotated[Path, typer.Option("-o", "--output", help="The HTML file.")],
) -> None:
    """One self-contained HTML page of one or several runs.

    Example: svdmv bench report scores -o report.html
    """
    from svdmv.bench.report import write_report

    write_report(results, out)
    sys.stdout.write(f"{out}\n")


@bench.command("table")
def table(
    result: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    style: Annotated[str, typer.Option("--format", help="text, markdown, latex, csv or json.")] = "text",
) -> None:
    """The table of a run.

    Example: svdmv bench table scores --format markdown
    """
    from svdmv.bench.tables import load_result, styled_table

    loaded = load_result(result)
    sys.stdout.write(json.dumps(loaded["mean"], indent=1) + "\n" if style == "json" else styled_table(loaded, style))


@bench.command("validate")
def validate() -> None:
    """Check this machine's scorer on the closed forms and controls; takes a few seconds.

    Example: svdmv bench validate
    """
    from svdmv.bench.validate import validation_rows

    rows = validation_rows()
    for name, passed, seen in rows:
        sys.stdout.write(f"{'ok  ' if passed else 'FAIL'} {name}: {seen}\n")
    raise typer.Exit(0 if all(passed for _, passed, _ in rows) else 1)
