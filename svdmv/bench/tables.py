"""Tables of a result: text, Markdown, LaTeX. They are made from result.json and never typed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svdmv.bench.alignment import alignment_warnings
from svdmv.core import ConfigError, InputError

DECIMALS = {"psnr": 2, "psnr_object": 2, "mse": 4}
ORDER = ("model", "trivial", "oracle")


def load_result(folder: Path) -> dict[str, Any]:
    """result.json of a run's folder, or the file itself. Raises InputError: none, damaged, or of another format."""
    from svdmv.bench.runner import FORMAT

    path = folder if folder.suffix == ".json" else folder / "result.json"
    try:
        result = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            "The result cannot be read",
            where=path,
            seen=str(error)[:160],
            expected="result.json of a finished run",
            next_step="svdmv bench run ... output=FOLDER",
        ) from error
    if not isinstance(result, dict) or result.get("format") != FORMAT:
        raise InputError(
            "The result has another format",
            where=path,
            seen=result.get("format") if isinstance(result, dict) else type(result).__name__,
            expected=str(FORMAT),
        )
    return result


def column_title(result: Mapping[str, Any], metric: str) -> str:
    """Name, unit and direction."""
    facts = result["metrics"][metric]
    unit = f" {facts['unit']}" if facts["unit"] else ""
    return f"{metric}{unit} {'up' if facts['higher_is_better'] else 'down'}"


def rows_of(result: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Method and its cells, `mean [low, high]`; models first, then trivial rows, then controls."""
    kinds = result["methods"]
    names = sorted(kinds, key=lambda m: (ORDER.index(kinds[m]["kind"]), list(kinds).index(m)))
    out = []
    for name in names:
        cells = []
        for metric, value in result["mean"][name].items():
            digits = DECIMALS.get(metric, 3)
            if value["mean"] is None:
                cells.append("not measured")
            elif value["objects"] > 1:
                cells.append(
                    f"{value['mean']:.{digits}f} [{value['low_95']:.{digits}f}, {value['high_95']:.{digits}f}]"
                )
            else:
                cells.append(f"{value['mean']:.{digits}f}")
        out.append((name, cells))
    return out


def caption(result: Mapping[str, Any]) -> str:
    """What the table is of, in one line."""
    suite = result["suite"]
    share = f"{len(result['objects'])} of {result['objects_of_suite']} objects"
    failed = f", {len(result['failed_objects'])} objects failed" if result["failed_objects"] else ""
    return (
        f"{suite['name']} v{suite['version']} ({suite['sha256'][:12]}), {share}{failed}, {result['size_px']} px, "
        f"{result['backgrounds'][0]}; mean over objects with bootstrap 95 % interval; "
        "PSNR of equal views counts as 100 dB"
    )


def styled_table(result: Mapping[str, Any], style: str) -> str:
    """text, markdown or latex. Raises ConfigError: another style."""
    styles = {"text": text_table, "markdown": markdown_table, "latex": latex_table}
    if style not in styles:
        raise ConfigError(
            "The table format is unknown", where="--format", seen=style, expected=", ".join([*styles, "json"])
        )
    return styles[style](result)


def text_table(result: Mapping[str, Any]) -> str:
    """Columns in a terminal."""
    rows = [("", [column_title(result, m) for m in result["metrics"]]), *rows_of(result)]
    widths = [max(len(name) for name, _ in rows)]
    widths += [max(len(cells[n]) for _, cells in rows) for n in range(len(result["metrics"]))]
    lines = [
        "  ".join(c.ljust(w) for c, w in zip([name, *cells], widths, strict=True)).rstrip() for name, cells in rows
    ]
    return "\n".join([caption(result), *lines, *warnings_of(result)]) + "\n"


def warnings_of(result: Mapping[str, Any]) -> list[str]:
    """What a reader of this run's figures has to be told, a sentence each; empty when all is well."""
    said = [f"{name}: {why}" for name, why in result["failed_objects"].items()]
    said += [f"{p['object']}, {p['method']}, {p['track']}: {p['failed']}" for p in result["failed_predictions"]]
    for method, found in result["alignment"].items():
        said += alignment_warnings(method, found)
    if len(result["objects"]) < result["objects_of_suite"]:
        said.append(f"only {len(result['objects'])} of the suite's {result['objects_of_suite']} objects were run")
    return said


def markdown_table(result: Mapping[str, Any]) -> str:
    """For README and docs."""
    titles = [column_title(result, m) for m in result["metrics"]]
    lines = [f"| | {' | '.join(titles)} |", "| --- |" + " --- |" * len(titles)]
    lines += [f"| {name} | {' | '.join(cells)} |" for name, cells in rows_of(result)]
    return "\n".join([*lines, "", caption(result)]) + "\n"


def latex_table(result: Mapping[str, Any]) -> str:
    """A tabular with booktabs rules."""

    def safe(text: str) -> str:
        return "".join("\\" + c if c in "_%&#" else c for c in text)

    titles = [safe(column_title(result, m)) for m in result["metrics"]]
    body = [f"{safe(name)} & {' & '.join(map(safe, cells))} \\\\" for name, cells in rows_of(result)]
    lines = [
        f"% {caption(result)}",
        "\\begin{tabular}{l" + "r" * len(titles) + "}",
        "\\toprule",
        f" & {' & '.join(titles)} \\\\",
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join(lines) + "\n"
