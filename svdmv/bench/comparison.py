"""Two runs against each other: the same objects, paired; other protocols are said, not hidden."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from svdmv.bench.statistics import paired_test
from svdmv.bench.whole_scores import shown_as, whole_names
from svdmv.core import ConfigError, InputError

PROTOCOL = ("size_px", "tracks", "backgrounds", "input_view_counted", "fov_y_deg")


def warnings_between(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Why figures of two results may not stand in one table; empty when they may."""
    out = []
    if first["suite"]["sha256"] != second["suite"]["sha256"]:
        a, b = (f"{r['suite']['name']} v{r['suite']['version']} {r['suite']['sha256'][:12]}" for r in (first, second))
        out.append(f"other suites: {a} and {b}")
    out += [f"other {key}: {first[key]} and {second[key]}" for key in PROTOCOL if first[key] != second[key]]
    out += [f"other {key}" for key in ("consistency", "meshes") if first.get(key) != second.get(key)]
    for metric in first["metrics"].keys() & second["metrics"].keys():
        if first["metrics"][metric] != second["metrics"][metric]:
            out.append(f"other networks behind {metric}")
    made = [r.get("references", {}) for r in (first, second)]
    other = [name for name in made[0].keys() & made[1].keys() if made[0][name] != made[1][name]]
    if other and first["suite"]["sha256"] == second["suite"]["sha256"]:
        out.append(f"true views made by other code or from other files ({len(other)} objects)")
    return out


def shared_objects(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Objects that both have, in the first one's order."""
    return [name for name in first["per_object"] if name in second["per_object"]]


@dataclass(frozen=True)
class Difference:
    """One model of the first run against one of the second, by one metric. gain: positive = the first is better."""

    first: str
    second: str
    metric: str
    gain: float
    low_95: float
    high_95: float
    p_value: float
    objects: int
    objects_needed: int | None


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[Difference]:
    """Every model of the first run against every model of the second, metric by metric that both have.

    Raises InputError: no common object, or a run without a model.
    """
    objects = shared_objects(first, second)
    models = [[m for m, facts in r["methods"].items() if facts["kind"] == "model"] for r in (first, second)]
    if not objects or not all(models):
        raise InputError(
            "The runs cannot be compared",
            where=f"{first['suite']['name']}, {second['suite']['name']}",
            seen="no common object" if not objects else "a run without a model",
            expected="two runs over the same objects, each with a model or a folder of views",
        )
    out = []
    for a in models[0]:
        for b in models[1]:
            for name, better in _shared_figures(first, second):
                columns = [_column(r, m, name, objects) for r, m in ((first, a), (second, b))]
                test = paired_test(*columns, higher_is_better=better)
                if not np.isnan(test.gain.mean):
                    interval = (test.gain.mean, test.gain.low, test.gain.high)
                    out.append(Difference(a, b, name, *interval, test.p_value, test.objects, test.objects_needed))
    return out


def comparison_text(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Warnings, then every difference, for a terminal."""
    lines = [f"WARNING {w}" for w in warnings_between(first, second)]
    lines.append(f"{len(shared_objects(first, second))} objects in both")
    pair: tuple[str, str] | None = None
    for row in differences(first, second):
        if pair != (row.first, row.second):
            pair = row.first, row.second
            lines.append(f"{row.first} (first) - {row.second} (second); positive = first better")
        needed = "" if row.objects_needed is None else f", {row.objects_needed} objects would show it"
        gain = f"{row.gain:+.4f} [{row.low_95:+.4f}, {row.high_95:+.4f}]"
        lines.append(f"  {row.metric}: {gain}, p {row.p_value:.3f}{needed}")
    lines += [f"  {metric}: only in the first" for metric in first["metrics"] if metric not in second["metrics"]]
    return "\n".join(lines) + "\n"


def styled_comparison(first: Mapping[str, Any], second: Mapping[str, Any], style: str) -> str:
    """text, markdown, latex, csv or json, each with the warnings. Raises ConfigError: another style."""
    styles = ("text", "markdown", "latex", "csv", "json")
    if style not in styles:
        raise ConfigError("The table format is unknown", where="--format", seen=style, expected=", ".join(styles))
    if style == "text":
        return comparison_text(first, second)
    found, warnings = differences(first, second), warnings_between(first, second)
    if style == "json":
        return json.dumps({"warnings": warnings, "differences": [asdict(row) for row in found]}, indent=1) + "\n"
    if style == "csv":
        text = io.StringIO()
        writer = csv.DictWriter(text, [*Difference.__dataclass_fields__, "warnings"], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**asdict(row), "warnings": "; ".join(warnings)} for row in found)
        return text.getvalue()
    lines = [["first", "second", "metric", "gain of the first", "p", "objects", "objects to see it"]]
    for row in found:
        gain = f"{row.gain:+.4f} [{row.low_95:+.4f}, {row.high_95:+.4f}]"
        numbers = [gain, f"{row.p_value:.3f}", str(row.objects), str(row.objects_needed or "")]
        lines.append([row.first, row.second, row.metric, *numbers])
    if style == "markdown":
        body = [f"| {' | '.join(line)} |" for line in (lines[0], ["---"] * len(lines[0]), *lines[1:])]
        return "\n".join([*(f"**WARNING** {w}\n" for w in warnings), *body]) + "\n"
    safe = str.maketrans({c: f"\\{c}" for c in "_%&#"})
    rows = [" & ".join(cell.translate(safe) for cell in line) + " \\\\" for line in lines]
    table = [
        "\\begin{tabular}{lllrrrr}",
        "\\toprule",
        rows[0],
        "\\midrule",
        *rows[1:],
        "\\bottomrule",
        "\\end{tabular}",
    ]
    return "\n".join([*(f"% WARNING {w}" for w in warnings), *table]) + "\n"


def _shared_figures(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[tuple[str, bool]]:
    """Metrics and whole figures that both have, and whether higher is better."""
    out = [(m, bool(facts["higher_is_better"])) for m, facts in first["metrics"].items() if m in second["metrics"]]
    for name in whole_names(first, ""):
        better = shown_as(name).higher_is_better
        if better is not None and name in whole_names(second, ""):
            out.append((name, better))
    return out


def _column(result: Mapping[str, Any], method: str, name: str, objects: list[str]) -> np.ndarray:
    if name in result["metrics"]:
        values = [result["per_object"][o][method][name] for o in objects]
    else:
        values = [result["whole"][method].get(name, {}).get("per_object", {}).get(o) for o in objects]
    return np.array([np.nan if v is None else v for v in values], np.float64)
