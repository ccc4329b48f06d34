"""Statistics of rows: means of an object over views, seeds and tracks, curves, best of several seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from svdmv.bench.scoring import mean_of_views
from svdmv.bench.statistics import FloatArray, bootstrap_mean

INFINITE_PSNR = 1e9  # how infinity stands in JSON
Rows = Sequence[Mapping[str, Any]]
MOST_BINS = 64


def predictions_of(rows: Rows, method: str) -> list[list[Mapping[str, Any]]]:
    """By object, those that were made and scored."""
    return [[p for p in row["predictions"] if p["method"] == method and "scores" in p] for row in rows]


def values_of(prediction: Mapping[str, Any], metric: str, background: str) -> FloatArray:
    """(N,) a view; NaN = not defined."""
    column = prediction["scores"][background][metric]
    values = np.array([math.nan if v is None else v for v in column], np.float64)
    return np.where(values >= INFINITE_PSNR, np.inf, values)


def counted_of(prediction: Mapping[str, Any], background: str) -> np.ndarray:
    """(N,) bool."""
    return np.array(prediction["scores"][background]["counted"]) > 0


def seed_means(rows: Rows, method: str, metric: str, background: str) -> list[dict[int, dict[str, float]]]:
    """By object: seed -> track -> mean over the counted views."""
    out = []
    for predictions in predictions_of(rows, method):
        seeds: dict[int, dict[str, float]] = {}
        for p in predictions:
            value = mean_of_views(values_of(p, metric, background), counted_of(p, background), metric)
            seeds.setdefault(p["seed"], {})[p["track"]] = value
        out.append(seeds)
    return out


def object_means(rows: Rows, method: str, metric: str, background: str) -> FloatArray:
    """(objects,): mean over views, then seeds, then tracks; NaN where an object has no prediction."""
    out = np.full(len(rows), np.nan)
    for n, seeds in enumerate(seed_means(rows, method, metric, background)):
        tracks: dict[str, list[float]] = {}
        for per_track in seeds.values():
            for track, value in per_track.items():
                tracks.setdefault(track, []).append(value)
        out[n] = mean_of(np.array([mean_of(np.array(values)) for values in tracks.values()]))
    return out


def best_of_seeds(rows: Rows, method: str, metric: str, background: str, *, higher_is_better: bool) -> dict[str, Any]:
    """The object's best seed by this very metric: what several tries and a look at the truth would give.

    spread: mean over objects of the deviation between seeds (n - 1).
    """
    best, spread = [], []
    for seeds in seed_means(rows, method, metric, background):
        values = np.array([mean_of(np.array(list(tracks.values()))) for tracks in seeds.values()])
        kept = values[~np.isnan(values)]
        best.append(float(kept.max() if higher_is_better else kept.min()) if len(kept) else math.nan)
        spread.append(float(kept.std(ddof=1)) if len(kept) > 1 else math.nan)
    interval = bootstrap_mean(np.array(best))
    return {
        "mean": rounded(interval.mean),
        "low_95": rounded(interval.low),
        "high_95": rounded(interval.high),
        "spread": rounded(mean_of(np.array(spread))),
    }


def curve_azimuths(protocol: Mapping[str, Any]) -> list[float]:
    """Azimuths from the input view at which curves are told: the tracks' own, or equal steps where these are many."""
    tracks = protocol["azimuths_deg"]
    every = sorted({_relative(a, tracks[t], protocol["input_views"][t]) for t in tracks for a in tracks[t]})
    if len(every) <= MOST_BINS:
        return every
    count = max(map(len, tracks.values()))
    return [round(n * 360.0 / count, 3) for n in range(count)]


def curve(rows: Rows, method: str, metric: str, background: str, protocol: Mapping[str, Any]) -> list[float | None]:
    """Mean at every azimuth of `curve_azimuths` (the nearest one) over the counted views of all predictions."""
    places = np.array(curve_azimuths(protocol))
    found: list[list[float]] = [[] for _ in places]
    for p in (p for ps in predictions_of(rows, method) for p in ps):
        azimuths = protocol["azimuths_deg"][p["track"]]
        start = protocol["input_views"][p["track"]]
        values, counted = values_of(p, metric, background), counted_of(p, background)
        if metric.startswith("psnr"):
            values = np.minimum(values, 100.0)
        for azimuth, value, kept in zip(azimuths, values, counted, strict=True):
            if kept:
                away = np.abs((places - _relative(azimuth, azimuths, start) + 180) % 360 - 180)
                found[int(away.argmin())].append(float(value))
    return [rounded(mean_of(np.array(values))) for values in found]


def _relative(azimuth: float, azimuths: Sequence[float], input_view: int) -> float:
    return round((azimuth - azimuths[input_view]) % 360, 3) % 360


def mean_of(values: np.ndarray) -> float:
    """Of those that are numbers; NaN when none is."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else math.nan


def rounded(value: float | None) -> float | None:
    """To the digits that results give; NaN as None."""
    return None if value is None or math.isnan(value) else round(float(value), 6)
