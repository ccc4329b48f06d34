"""The result of a run: result.json, views.csv, objects.csv. docs/guide/benchmark.md documents the schema.

Averaging: views, then seeds, then tracks, then objects; intervals are bootstrapped over objects. Six decimals: scores
are computed in float64 from 8-bit pictures, and another order of summation moves the seventh.
"""

from __future__ import annotations

import csv
import io
import math
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.bench.alignment import alignment_summary
from svdmv.bench.scoring import mean_of_views, pooled_psnr
from svdmv.bench.statistics import bootstrap_mean, paired_test
from svdmv.io.atomic import write_json, write_text

INFINITE_PSNR = 1e9  # how infinity stands in JSON


def write_result(
    out: Path, protocol: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], software: Mapping[str, str]
) -> dict[str, Any]:
    """Gather objects' rows into the three files; returns what result.json holds."""
    result = result_from_rows(protocol, rows, software)
    write_text(out / "views.csv", _views_csv(protocol, rows))
    write_text(out / "objects.csv", _objects_csv(protocol, result))
    write_json(out / "result.json", result)
    return result


def result_from_rows(
    protocol: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], software: Mapping[str, str]
) -> dict[str, Any]:
    """Means, intervals, pooled values, curves and paired tests; failures by name."""
    background = protocol["backgrounds"][0]
    names, metrics = list(protocol["methods"]), list(protocol["metrics"])
    failed = {row["object"]: row["failed"] for row in rows if row["failed"]}
    failed_predictions = [
        {"object": row["object"], **{k: p[k] for k in ("method", "track", "seed", "failed")}}
        for row in rows
        for p in row["predictions"]
        if "failed" in p
    ]
    table = {m: {k: _object_means(rows, m, k, background) for k in metrics} for m in names}
    means = {m: {k: _summary(rows, m, k, background, table[m][k]) for k in metrics} for m in names}
    return {
        **protocol,
        "complete": not failed and not failed_predictions,
        "failed_objects": failed,
        "failed_predictions": failed_predictions,
        "mean": means,
        "per_object": {
            row["object"]: {m: {k: _rounded(table[m][k][n]) for k in metrics} for m in names}
            for n, row in enumerate(rows)
        },
        "paired": _paired(protocol, table),
        "curves": {m: {k: _curve(rows, m, k, background) for k in metrics} for m in names},
        "turning": {m: _turning(rows, m) for m in names},
        "alignment": {m: _alignment(rows, m) for m, facts in protocol["methods"].items() if facts["kind"] == "model"},
        "swing": {b: {m: {k: _rounded(_mean(_object_means(rows, m, k, b))) for k in metrics} for m in names}
                  for b in protocol["backgrounds"]},
        "seconds": {m: _rounded(_cost(rows, m, "seconds", np.mean)) for m in names},
        "peak_memory_mb": {m: _rounded(_cost(rows, m, "peak_memory_mb", np.max)) for m in names},
        "versions": dict(software),
        "hardware": f"{platform.machine()}, {platform.processor() or 'CPU'}",
    }  # fmt: skip


def _predictions(rows: Sequence[Mapping[str, Any]], method: str) -> list[list[Mapping[str, Any]]]:
    """By object, those that were made."""
    return [[p for p in row["predictions"] if p["method"] == method and "scores" in p] for row in rows]


def _values(prediction: Mapping[str, Any], metric: str, background: str) -> np.ndarray:
    column = prediction["scores"][background][metric]
    values = np.array([math.nan if v is None else v for v in column], np.float64)
    return np.where(values >= INFINITE_PSNR, np.inf, values)


def _counted(prediction: Mapping[str, Any], background: str) -> np.ndarray:
    return np.array(prediction["scores"][background]["counted"]) > 0


def _object_means(rows: Sequence[Mapping[str, Any]], method: str, metric: str, background: str) -> np.ndarray:
    """(objects,): mean over views, then seeds, then tracks; NaN where an object has no prediction."""
    out = np.full(len(rows), np.nan)
    for n, predictions in enumerate(_predictions(rows, method)):
        tracks: dict[str, list[float]] = {}
        for p in predictions:
            value = mean_of_views(_values(p, metric, background), _counted(p, background), metric)
            tracks.setdefault(p["track"], []).append(value)
        per_track = [_mean(np.array(v)) for v in tracks.values()]
        out[n] = _mean(np.array(per_track))
    return out


def _summary(
    rows: Sequence[Mapping[str, Any]], method: str, metric: str, background: str, per_object: np.ndarray
) -> dict[str, Any]:
    interval = bootstrap_mean(per_object)
    made: dict[str, Any] = {
        "mean": _rounded(interval.mean),
        "low_95": _rounded(interval.low),
        "high_95": _rounded(interval.high),
        "objects": int((~np.isnan(per_object)).sum()),
    }
    if metric.startswith("psnr"):
        every = [
            _values(p, metric, background)[_counted(p, background)] for ps in _predictions(rows, method) for p in ps
        ]
        made["pooled"] = _rounded(pooled_psnr(np.concatenate(every))) if every else None
    return made


def _paired(protocol: Mapping[str, Any], table: Mapping[str, Mapping[str, np.ndarray]]) -> list[dict[str, Any]]:
    """Every model against every other row."""
    out = []
    for first in (m for m, facts in protocol["methods"].items() if facts["kind"] == "model"):
        for second in protocol["methods"]:
            for metric, facts in protocol["metrics"].items():
                if second == first:
                    continue
                test = paired_test(
                    table[first][metric], table[second][metric], higher_is_better=facts["higher_is_better"]
                )
                out.append(
                    {
                        "method": first,
                        "against": second,
                        "metric": metric,
                        "gain": _rounded(test.gain.mean),
                        "low_95": _rounded(test.gain.low),
                        "high_95": _rounded(test.gain.high),
                        "p_value": _rounded(test.p_value),
                        "objects": test.objects,
                        "objects_needed": test.objects_needed,
                    }
                )
    return out


def _curve(rows: Sequence[Mapping[str, Any]], method: str, metric: str, background: str) -> list[float | None]:
    """Mean over everything of view 0, 1, 2 ... (tracks of unequal length: as far as the shortest)."""
    columns = [_values(p, metric, background) for ps in _predictions(rows, method) for p in ps]
    if not columns:
        return []
    length = min(map(len, columns))
    stacked = np.minimum(np.stack([c[:length] for c in columns]), 100.0 if metric.startswith("psnr") else np.inf)
    return [_rounded(_mean(stacked[:, n])) for n in range(length)]


def _turning(rows: Sequence[Mapping[str, Any]], method: str) -> float | None:
    """Change from view to view, as a share of the truth's."""
    found = [p["turning"] for ps in _predictions(rows, method) for p in ps]
    truth = sum(t["truth"] for t in found)
    return _rounded(sum(t["prediction"] for t in found) / truth) if truth > 0 else None


def _alignment(rows: Sequence[Mapping[str, Any]], method: str) -> dict[str, Any]:
    return alignment_summary([p["alignment"] for ps in _predictions(rows, method) for p in ps if "alignment" in p])


def _cost(rows: Sequence[Mapping[str, Any]], method: str, key: str, how: Any) -> float:
    values = [p[key] for ps in _predictions(rows, method) for p in ps if key in p]
    return float(how(values)) if values else math.nan


def _mean(values: np.ndarray) -> float:
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else math.nan


def _rounded(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else round(float(value), 6)


def _views_csv(protocol: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    metrics = list(protocol["metrics"])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["object", "track", "method", "seed", "background", "view", "counted", *metrics])
    for row in rows:
        for p in row["predictions"]:
            for background, scores in p.get("scores", {}).items():
                for view, counted in enumerate(scores["counted"]):
                    cells = [_cell(scores[m][view]) for m in metrics]
                    writer.writerow(
                        [row["object"], p["track"], p["method"], p["seed"], background, view, int(counted), *cells]
                    )
    return text.getvalue()


def _objects_csv(protocol: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    metrics = list(protocol["metrics"])
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["object", "method", *metrics, "note"])
    for name, methods in result["per_object"].items():
        for method, values in methods.items():
            note = result["failed_objects"].get(name, "")
            writer.writerow([name, method, *(_cell(values[m]) for m in metrics), note])
    return text.getvalue()


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return "inf" if value >= INFINITE_PSNR else f"{value:.6f}"
