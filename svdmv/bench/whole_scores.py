"""Scores of a prediction as a whole, not of its views: consistency of the orbit, its mesh. Averaged as views' are."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from svdmv.bench.statistics import bootstrap_mean


@dataclass(frozen=True)
class Whole:
    """How a figure is shown. higher_is_better: None where neither is."""

    title: str
    digits: int
    higher_is_better: bool | None = None


WHOLES = {
    "consistency_psnr": Whole("consistency dB", 2, True),
    "consistency_iou": Whole("consistency iou", 3, True),
    "mesh_chamfer": Whole("chamfer", 4, False),
    "mesh_f_score": Whole("f-score", 3, True),
    "mesh_volume_iou": Whole("volume iou", 3, True),
    "mesh_normals": Whole("normal consistency", 3, True),
    "mesh_watertight": Whole("watertight share", 2, True),
    "mesh_components": Whole("components", 1),
    "mesh_faces": Whole("faces", 0),
    "mesh_texture_px": Whole("texture px", 0),
}


def shown_as(name: str) -> Whole:
    """The figure's title, digits and direction; mesh_METRIC are view metrics of the mesh rendered again."""
    if name in WHOLES:
        return WHOLES[name]
    metric = name.removeprefix("mesh_")
    return Whole(f"rendered {metric}", 2 if metric.startswith("psnr") else 3)


def whole_summary(rows: Sequence[Mapping[str, Any]], methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """method -> figure -> mean, low_95, high_95, objects, per_object; only figures that some prediction has."""
    out: dict[str, dict[str, Any]] = {}
    for method in methods:
        found = [[p for p in row["predictions"] if p["method"] == method and p.get("whole")] for row in rows]
        names = list(dict.fromkeys(name for ps in found for p in ps for name in p["whole"]))
        out[method] = {}
        for name in names:
            values = np.array([_object_mean(ps, name) for ps in found])
            interval = bootstrap_mean(values)
            out[method][name] = {
                "mean": _rounded(interval.mean),
                "low_95": _rounded(interval.low),
                "high_95": _rounded(interval.high),
                "objects": int((~np.isnan(values)).sum()),
                "per_object": {row["object"]: _rounded(v) for row, v in zip(rows, values, strict=True)},
            }
    return out


def whole_cells(result: Mapping[str, Any], method: str, names: Sequence[str]) -> list[str]:
    """A cell a figure: mean [low, high]; empty where it was not asked for."""
    cells = []
    for name in names:
        value = result["whole"][method].get(name)
        digits = shown_as(name).digits
        if value is None or value["mean"] is None:
            cells.append("")
        elif value["objects"] > 1:
            cells.append(f"{value['mean']:.{digits}f} [{value['low_95']:.{digits}f}, {value['high_95']:.{digits}f}]")
        else:
            cells.append(f"{value['mean']:.{digits}f}")
    return cells


def whole_names(result: Mapping[str, Any], prefix: str) -> list[str]:
    """Figures that begin so and that some method has, in the order of the rows."""
    names = [name for figures in result.get("whole", {}).values() for name in figures if name.startswith(prefix)]
    return list(dict.fromkeys(names))


def whole_title(name: str) -> str:
    """Column header with its direction."""
    shown = shown_as(name)
    way = {True: " up", False: " down", None: ""}[shown.higher_is_better]
    return shown.title + way


def _object_mean(predictions: Sequence[Mapping[str, Any]], name: str) -> float:
    """Seeds, then tracks."""
    tracks: dict[str, list[float]] = {}
    for p in predictions:
        if p["whole"].get(name) is not None:
            tracks.setdefault(p["track"], []).append(p["whole"][name])
    return float(np.mean([np.mean(v) for v in tracks.values()])) if tracks else math.nan


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(float(value), 6)
