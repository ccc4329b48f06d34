"""The result of a run: result.json, views.csv, objects.csv. docs/guide/benchmark.md documents the schema.

Averaging: views, then seeds, then tracks, then objects; intervals are bootstrapped over objects. Six decimals: scores
are computed in float64 from 8-bit pictures, and another order of summation moves the seventh.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.bench.alignment import alignment_summary
from svdmv.bench.row_statistics import (
    INFINITE_PSNR,
    best_of_seeds,
    counted_of,
    curve,
    curve_azimuths,
    mean_of,
    object_means,
    predictions_of,
    rounded,
    values_of,
)
from svdmv.bench.scoring import pooled_psnr
from svdmv.bench.statistics import bootstrap_mean, paired_test
from svdmv.bench.whole_scores import whole_summary
from svdmv.io.atomic import write_json, write_text


def write_result(
    out: Path, protocol: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], machine: Mapping[str, Any]
) -> dict[str, Any]:
    """Gather objects' rows into the three files; returns what result.json holds."""
    result = result_from_rows(protocol, rows, machine)
    write_text(out / "views.csv", _views_csv(protocol, rows))
    write_text(out / "objects.csv", _objects_csv(protocol, result))
    write_json(out / "result.json", result)
    return result


def result_from_rows(
    protocol: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], machine: Mapping[str, Any]
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
    ] + [
        {**{k: p[k] for k in ("method", "track", "seed")}, "object": row["object"], "failed": p["mesh_failed"]}
        for row in rows
        for p in row["predictions"]
        if "mesh_failed" in p
    ]
    table = {m: {k: object_means(rows, m, k, background) for k in metrics} for m in names}
    means = {m: {k: _summary(rows, m, k, background, table[m][k]) for k in metrics} for m in names}
    return {
        **protocol,
        "complete": not failed and not failed_predictions,
        "failed_objects": failed,
        "failed_predictions": failed_predictions,
        "mean": means,
        "per_object": {
            row["object"]: {m: {k: rounded(table[m][k][n]) for k in metrics} for m in names}
            for n, row in enumerate(rows)
        },
        "references": {row["object"]: row.get("references", {}) for row in rows},
        "paired": _paired(protocol, table),
        "curve_azimuths_deg": curve_azimuths(protocol),
        "curves": {m: {k: curve(rows, m, k, background, protocol) for k in metrics} for m in names},
        "best_of_seeds": _best(protocol, rows, background),
        "whole": whole_summary(rows, names),
        "turning": {m: _turning(rows, m) for m in names},
        "alignment": {m: _alignment(rows, m) for m, facts in protocol["methods"].items() if facts["kind"] == "model"},
        "swing": {b: {m: {k: rounded(mean_of(object_means(rows, m, k, b))) for k in metrics} for m in names}
                  for b in protocol["backgrounds"]},
        "seconds": {m: rounded(_cost(rows, m, "seconds", np.mean)) for m in names},
        "peak_memory_mb": {m: rounded(_cost(rows, m, "peak_memory_mb", np.max)) for m in names},
        "devices": {m: sorted({p["device"] for ps in predictions_of(rows, m) for p in ps}) for m in names},
        **machine,
    }  # fmt: skip


def _best(protocol: Mapping[str, Any], rows: Sequence[Mapping[str, Any]], background: str) -> dict[str, Any]:
    """Methods with several seeds: how many, and metric -> the best seed an object by that metric."""
    if protocol["seeds"] < 2:
        return {}
    return {
        m: {
            "seeds": protocol["seeds"],
            **{
                k: best_of_seeds(rows, m, k, background, higher_is_better=facts["higher_is_better"])
                for k, facts in protocol["metrics"].items()
            },
        }
        for m, said in protocol["methods"].items()
        if said["stochastic"]
    }


def _summary(
    rows: Sequence[Mapping[str, Any]], method: str, metric: str, background: str, per_object: np.ndarray
) -> dict[str, Any]:
    interval = bootstrap_mean(per_object)
    made: dict[str, Any] = {
        "mean": rounded(interval.mean),
        "low_95": rounded(interval.low),
        "high_95": rounded(interval.high),
        "objects": int((~np.isnan(per_object)).sum()),
    }
    if metric.startswith("psnr"):
        every = [
            values_of(p, metric, background)[counted_of(p, background)]
            for ps in predictions_of(rows, method)
            for p in ps
        ]
        made["pooled"] = rounded(pooled_psnr(np.concatenate(every))) if every else None
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
                        "gain": rounded(test.gain.mean),
                        "low_95": rounded(test.gain.low),
                        "high_95": rounded(test.gain.high),
                        "p_value": rounded(test.p_value),
                        "objects": test.objects,
                        "objects_needed": test.objects_needed,
                    }
                )
    return out


def _turning(rows: Sequence[Mapping[str, Any]], method: str) -> float | None:
    """Change from view to view, as a share of the truth's."""
    found = [p["turning"] for ps in predictions_of(rows, method) for p in ps]
    truth = sum(t["truth"] for t in found)
    return rounded(sum(t["prediction"] for t in found) / truth) if truth > 0 else None


def _alignment(rows: Sequence[Mapping[str, Any]], method: str) -> dict[str, Any]:
    found = [
        {**p["alignment"], "name": f"{row['object']}, {p['track']}"}
        for row, ps in zip(rows, predictions_of(rows, method), strict=True)
        for p in ps
        if "alignment" in p
    ]
    return alignment_summary(found)


def _cost(rows: Sequence[Mapping[str, Any]], method: str, key: str, how: Any) -> float:
    values = [p[key] for ps in predictions_of(rows, method) for p in ps if key in p]
    return float(how(values)) if values else math.nan


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
