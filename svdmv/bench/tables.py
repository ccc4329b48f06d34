"""Tables of a result: text, Markdown, LaTeX. They are made from result.json and never typed."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from svdmv.bench.alignment import alignment_warnings
from svdmv.bench.whole_scores import whole_cells, whole_names, whole_title
from svdmv.core import ConfigError, InputError

DECIMALS = {"psnr": 2, "psnr_object": 2, "mse": 4}
ORDER = ("model", "trivial", "oracle")


def load_result(folder: Path) -> dict[str, Any]:
    """result.json of a run's folder, or the file itself. Raises InputError: none, damaged, or of another format."""
    from svdmv.bench.plan import FORMAT

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


def column_titles(result: Mapping[str, Any]) -> list[str]:
    """Of the table's columns: view metrics, then consistency."""
    return [
        *(column_title(result, m) for m in result["metrics"]),
        *(whole_title(name) for name in whole_names(result, "consistency_")),
    ]


def mesh_rows(result: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Titles and rows of the table of meshes; both empty where no mesh was scored."""
    names = whole_names(result, "mesh_")
    rows = [(m, whole_cells(result, m, names)) for m in _ordered(result)]
    return [whole_title(name) for name in names], [(m, cells) for m, cells in rows if any(cells)]


def mesh_caption(result: Mapping[str, Any]) -> str:
    """How meshes were compared."""
    said = [result["meshes"], *(facts.get("meshes", {}) for facts in result["methods"].values())]
    return "; ".join(f"{k.replace('_', ' ')}: {v}" for rules in said if rules for k, v in rules.items())


def _ordered(result: Mapping[str, Any]) -> list[str]:
    kinds = result["methods"]
    return sorted(kinds, key=lambda m: (ORDER.index(kinds[m]["kind"]), list(kinds).index(m)))


def rows_of(result: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Method and its cells, `mean [low, high]`; models first, then trivial rows, then controls."""
    wholes = whole_names(result, "consistency_")
    out = []
    for name in _ordered(result):
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
        out.append((name, [*cells, *whole_cells(result, name, wholes)]))
    return out


def label(result: Mapping[str, Any], method: str) -> str:
    """Name of a row, with the number of objects where its means are over fewer than the run has."""
    counts = [value["objects"] for value in result["mean"].get(method, {}).values()]
    total = len(result["objects"])
    return f"{method} ({max(counts)} of {total} objects)" if counts and max(counts) < total else method


def labelled_rows(result: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Rows under their labels; then the best of several seeds, named so."""
    wholes = len(whole_names(result, "consistency_"))
    rows = [(label(result, name), cells) for name, cells in rows_of(result)]
    return rows + [(name, [*cells, *[""] * wholes]) for name, cells in best_rows(result)]


def best_rows(result: Mapping[str, Any]) -> list[tuple[str, list[str]]]:
    """Best of several seeds, which looks at the truth, named so."""
    out = []
    for name, found in result.get("best_of_seeds", {}).items():
        cells = []
        for metric in result["metrics"]:
            value, digits = found[metric]["mean"], DECIMALS.get(metric, 3)
            spread = found[metric]["spread"]
            told = "" if spread is None else f" (seeds +-{spread:.{digits}f})"
            cells.append("not measured" if value is None else f"{value:.{digits}f}{told}")
        out.append((f"{name}, best of {found['seeds']} by the truth", cells))
    return out


def swing_rows(result: Mapping[str, Any]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """Titles and rows of what the background decides; empty with one background."""
    if len(result["backgrounds"]) < 2:
        return [], []
    metrics = [m for m in result["metrics"] if m != "iou"]
    titles = [f"{m} {'/'.join(result['backgrounds'])}" for m in metrics]
    rows = []
    for name in _ordered(result):
        values = [[result["swing"][b][name][m] for b in result["backgrounds"]] for m in metrics]
        rows.append((name, ["/".join("-" if v is None else f"{v:.{DECIMALS.get(m, 3)}f}" for v in row)
                            for m, row in zip(metrics, values, strict=True)]))  # fmt: skip
    return titles, rows


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
    """text, markdown, latex or csv. Raises ConfigError: another style."""
    styles = {"text": text_table, "markdown": markdown_table, "latex": latex_table, "csv": csv_table}
    if style not in styles:
        raise ConfigError(
            "The table format is unknown", where="--format", seen=style, expected=", ".join([*styles, "json"])
        )
    return styles[style](result)


def text_table(result: Mapping[str, Any]) -> str:
    """Columns in a terminal."""
    lines = [caption(result), *_aligned(column_titles(result), labelled_rows(result))]
    titles, rows = mesh_rows(result)
    if rows:
        lines += ["", f"meshes ({mesh_caption(result)})", *_aligned(titles, rows)]
    titles, rows = swing_rows(result)
    if rows:
        lines += ["", "what the background decides", *_aligned(titles, rows)]
    return "\n".join([*lines, *warnings_of(result)]) + "\n"


def _aligned(titles: list[str], rows: list[tuple[str, list[str]]]) -> list[str]:
    every = [("", titles), *rows]
    widths = [max(len(name) for name, _ in every)]
    widths += [max(len(cells[n]) for _, cells in every) for n in range(len(titles))]
    return [
        "  ".join(c.ljust(w) for c, w in zip([name, *cells], widths, strict=True)).rstrip() for name, cells in every
    ]


def warnings_of(result: Mapping[str, Any]) -> list[str]:
    """What a reader of this run's figures has to be told, a sentence each; empty when all is well."""
    said = [f"not measured: {name}: {why}" for name, why in result.get("absent_metrics", {}).items()]
    said += [f"not run: {name}: {why}" for name, why in result.get("absent_methods", {}).items()]
    said += [f"{name}: {why}" for name, why in result["failed_objects"].items()]
    said += [f"{p['object']}, {p['method']}, {p['track']}: {p['failed']}" for p in result["failed_predictions"]]
    for method, found in result["alignment"].items():
        said += alignment_warnings(method, found)
    if len(result["objects"]) < result["objects_of_suite"]:
        said.append(f"only {len(result['objects'])} of the suite's {result['objects_of_suite']} objects were run")
    return said


def markdown_table(result: Mapping[str, Any]) -> str:
    """For README and docs."""
    lines = [*_piped(column_titles(result), labelled_rows(result)), "", caption(result)]
    titles, rows = mesh_rows(result)
    if rows:
        lines += ["", *_piped(titles, rows), "", f"meshes ({mesh_caption(result)})"]
    titles, rows = swing_rows(result)
    if rows:
        lines += ["", *_piped(titles, rows), "", "what the background decides"]
    return "\n".join(lines) + "\n"


def _piped(titles: list[str], rows: list[tuple[str, list[str]]]) -> list[str]:
    lines = [f"| | {' | '.join(titles)} |", "| --- |" + " --- |" * len(titles)]
    return [*lines, *(f"| {name} | {' | '.join(cells)} |" for name, cells in rows)]


def csv_table(result: Mapping[str, Any]) -> str:
    """A row a method and metric, with the suite's hash in every row."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["suite", "suite_sha256", "method", "metric", "mean", "low_95", "high_95", "objects", "pooled"])
    for method in _ordered(result):
        for metric, value in result["mean"][method].items():
            cells = [value[key] for key in ("mean", "low_95", "high_95", "objects")]
            writer.writerow(
                [result["suite"]["name"], result["suite"]["sha256"], method, metric, *cells, value.get("pooled")]
            )
    return text.getvalue()


def latex_table(result: Mapping[str, Any]) -> str:
    """A tabular with booktabs rules."""

    def safe(text: str) -> str:
        return "".join("\\" + c if c in "_%&#" else c for c in text)

    def tabular(said: str, titles: list[str], rows: list[tuple[str, list[str]]]) -> list[str]:
        body = [f"{safe(name)} & {' & '.join(map(safe, cells))} \\\\" for name, cells in rows]
        return _tabular(said, [safe(t) for t in titles], body)

    lines = tabular(caption(result), column_titles(result), labelled_rows(result))
    titles, rows = mesh_rows(result)
    if rows:
        lines += tabular(f"meshes ({mesh_caption(result)})", titles, rows)
    titles, rows = swing_rows(result)
    if rows:
        lines += tabular("what the background decides", titles, rows)
    return "\n".join(lines) + "\n"


def _tabular(said: str, titles: list[str], body: list[str]) -> list[str]:
    return [
        f"% {said}",
        "\\begin{tabular}{l" + "r" * len(titles) + "}",
        "\\toprule",
        f" & {' & '.join(titles)} \\\\",
        "\\midrule",
        *body,
        "\\bottomrule",
        "\\end{tabular}",
    ]
