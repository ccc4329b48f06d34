"""Two runs against each other: the same objects, paired; other protocols are said, not hidden."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from svdmv.bench.statistics import paired_test

PROTOCOL = ("size_px", "tracks", "backgrounds", "input_view_counted", "fov_y_deg")


def warnings_between(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Why figures of two results may not stand in one table; empty when they may."""
    out = []
    if first["suite"]["sha256"] != second["suite"]["sha256"]:
        a, b = (f"{r['suite']['name']} v{r['suite']['version']} {r['suite']['sha256'][:12]}" for r in (first, second))
        out.append(f"other suites: {a} and {b}")
    out += [f"other {key}: {first[key]} and {second[key]}" for key in PROTOCOL if first[key] != second[key]]
    for metric in first["metrics"].keys() & second["metrics"].keys():
        if first["metrics"][metric] != second["metrics"][metric]:
            out.append(f"other networks behind {metric}")
    return out


def shared_objects(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Objects that both have, in the first one's order."""
    return [name for name in first["per_object"] if name in second["per_object"]]


def comparison_text(first: Mapping[str, Any], second: Mapping[str, Any]) -> str:
    """Every model of the first run against every model of the second, metric by metric."""
    lines = [f"WARNING {w}" for w in warnings_between(first, second)]
    objects = shared_objects(first, second)
    lines.append(f"{len(objects)} objects in both")
    models = [[m for m, facts in r["methods"].items() if facts["kind"] == "model"] for r in (first, second)]
    for a in models[0]:
        for b in models[1]:
            lines.append(f"{a} (first) - {b} (second); positive = first better")
            for metric, facts in first["metrics"].items():
                if metric not in second["metrics"]:
                    lines.append(f"  {metric}: only in the first")
                    continue
                columns = [_column(r, m, metric, objects) for r, m in ((first, a), (second, b))]
                test = paired_test(*columns, higher_is_better=facts["higher_is_better"])
                needed = "" if test.objects_needed is None else f", {test.objects_needed} objects would show it"
                lines.append(
                    f"  {metric}: {test.gain.mean:+.4f} [{test.gain.low:+.4f}, {test.gain.high:+.4f}], "
                    f"p {test.p_value:.3f}{needed}"
                )
    return "\n".join(lines) + "\n"


def _column(result: Mapping[str, Any], method: str, metric: str, objects: list[str]) -> np.ndarray:
    values = [result["per_object"][name][method][metric] for name in objects]
    return np.array([np.nan if v is None else v for v in values], np.float64)
