"""Rows of one object: every track, method and seed predicted and scored, or taken from what was made before."""

from __future__ import annotations

import hashlib
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.bench.alignment import elevation_ladder, searched_alignment
from svdmv.bench.kept import copy_views, keep_row, kept_row, prediction_key, row_key
from svdmv.bench.mesh_scores import TrueObject
from svdmv.bench.methods import Method, Task
from svdmv.bench.metrics import Metric
from svdmv.bench.plan import RunPlan
from svdmv.bench.references import check_object, reference_key, reference_views
from svdmv.bench.scoring import scores_of, turning
from svdmv.bench.suite import SuiteObject, Track
from svdmv.bench.whole_figures import whole_figures
from svdmv.core import DataError, SvdmvError, ViewSet
from svdmv.io.atomic import write_json
from svdmv.io.stages import forget_peak_memory, peak_memory_mb
from svdmv.io.views import load_views, save_views

OUT_OF_MEMORY = ("MemoryError", "OutOfMemoryError")


@dataclass
class ObjectTruth:
    """What is known of one object; rendered or read when something has to be made, not before."""

    plan: RunPlan
    item: SuiteObject
    ladders: dict[str, dict[float, ViewSet]] = field(default_factory=dict)

    @cached_property
    def views(self) -> dict[str, ViewSet]:
        """Reference views by track."""
        return reference_views(self.plan.suite, self.item, self.plan.data, self.plan.cache, self.known)

    @cached_property
    def known(self) -> TrueObject:
        """The object itself."""
        return TrueObject(self.plan.suite, self.item, self.plan.data)

    def key(self, track: Track) -> str:
        """Of the track's reference views."""
        return reference_key(self.plan.suite, self.item, track, self.plan.data)

    def ladder(self, track: Track) -> dict[float, ViewSet]:
        """The track from other elevations; empty where a turn of the orbit has no meaning."""
        if track.name not in self.ladders:
            plan = self.plan
            steps = equal_steps(track)
            made = elevation_ladder(plan.suite, self.item, track, plan.data, plan.cache, self.known) if steps else {}
            self.ladders[track.name] = made
        return self.ladders[track.name]

    def task(self, track: Track, method: Method, seed: int) -> Task:
        """What the method is asked."""
        truth = self.views[track.name]
        ladder = self.ladder(track) if method.kind == "model" else {}
        given = truth.rgba_u8()[track.input_view]
        return Task(self.plan.suite, track, self.item.name, given, seed, truth, ladder, self.known)


def object_path(out: Path, name: str) -> Path:
    """Where an object's rows lie."""
    return out / "objects" / f"{name}.json"


def write_object(plan: RunPlan, item: SuiteObject, out: Path) -> None:
    """Make the rows of an object and write them whole."""
    write_json(object_path(out, item.name), object_rows(plan, item, out))


def object_rows(plan: RunPlan, item: SuiteObject, out: Path) -> dict[str, Any]:
    """Everything about one object. An object or prediction that fails is a named row with its reason."""
    began = time.perf_counter()
    record: dict[str, Any] = {"object": item.name, "predictions": [], "failed": None}
    truth = ObjectTruth(plan, item)
    try:
        check_object(plan.suite, item, plan.data, plan.cache)
        for track in plan.suite.tracks:
            for method in plan.methods:
                for seed in range(plan.seeds if method.stochastic else 1):
                    record["predictions"].append(prediction_row(truth, track, method, seed, out))
        keep_first_track(truth, out / "references" / item.name)
        record["references"] = {track.name: truth.key(track) for track in plan.suite.tracks}
    except SvdmvError as error:
        return {**record, "predictions": [], "failed": f"{error.what}: {error.seen}"}
    return record | {"seconds": round(time.perf_counter() - began, 3)}


def keep_first_track(truth: ObjectTruth, folder: Path) -> None:
    """The true views that the report shows."""
    track = truth.plan.suite.tracks[0]
    cache = truth.plan.cache
    if cache is None or not copy_views(cache / truth.key(track), folder / track.name):
        save_views(truth.views[track.name], folder / track.name)


def prediction_row(truth: ObjectTruth, track: Track, method: Method, seed: int, out: Path) -> dict[str, Any]:
    """Scores of one prediction over every background. What a run made before, here or elsewhere, is taken.

    Raises SvdmvError: the object's truth cannot be had. What goes wrong with the prediction stands in its row.
    """
    plan = truth.plan
    folder = out / "predictions" / method.name / truth.item.name / f"{track.name}-s{seed}"
    said = {
        "suite": plan.suite.sha256,
        "reference": truth.key(track),
        "method": [method.name, method.kind],
        "seed": seed,
        "backgrounds": plan.backgrounds,
    }
    views_key = prediction_key(method, truth.key(track), seed)
    store = None if plan.cache is None or views_key is None else plan.cache / "predictions" / views_key
    searchable = not plan.meshes and method.mesh is None  # a mesh is more than its views
    key = row_key(said | {"views": views_key}, plan.metrics) if views_key and searchable else None
    row = kept_row(plan.cache, key)
    if row is not None and (method.kind != "model" or (store is not None and copy_views(store, folder))):
        return row
    task = truth.task(track, method, seed)
    row = {"method": method.name, "track": track.name, "seed": seed, "device": plan.device_of(method)}
    try:
        prediction, cost = _prediction(task, method, folder, store)
        row |= cost
        if key is None and searchable:
            key = row_key(said | {"views": _digest(prediction)}, plan.metrics)
            kept = kept_row(plan.cache, key)
            if kept is not None:
                return kept | row
        row["turning"] = {"prediction": turning(prediction), "truth": turning(task.truth)}
        row["scores"] = {b: _scored(task, prediction, plan.metrics, b) for b in plan.backgrounds}
        if method.kind == "model" and equal_steps(track):
            found = searched_alignment(prediction, task.truth, track.input_view, task.ladder)
            row["alignment"] = found.as_dict()
        row |= whole_figures(task, method, prediction, folder, plan.metrics, meshes=plan.meshes)
    except SvdmvError as error:
        return {k: v for k, v in row.items() if k != "scores"} | {"failed": f"{error.what}: {error.seen}"}
    keep_row(plan.cache, key, row)
    return row


def _prediction(task: Task, method: Method, folder: Path, store: Path | None) -> tuple[ViewSet, dict[str, Any]]:
    """The views as they are scored, and what they cost when they were made."""
    if store is not None and not (folder / "transforms.json").is_file():
        copy_views(store, folder)
    if (folder / "transforms.json").is_file():
        kept = load_views(folder)
        return kept, dict(kept.provenance.get("cost", {}))
    forget_peak_memory()
    began = time.perf_counter()
    made = _asked(method, task)
    cost = {"seconds": round(time.perf_counter() - began, 3), "peak_memory_mb": round(peak_memory_mb(), 1)}
    if method.kind != "model":
        return made, cost
    save_views(replace(made, provenance={**made.provenance, "cost": cost}), folder)
    if store is not None:
        copy_views(folder, store)
    return load_views(folder), cost  # what is scored is what lies there


def _asked(method: Method, task: Task) -> ViewSet:
    """The method's answer. Raises DataError where a method of another package breaks, or memory is used up."""
    try:
        made = method.predict(task)
    except SvdmvError:
        raise
    except Exception as error:
        foreign = not (method.predict.__module__ or "").startswith("svdmv.")
        if not foreign and type(error).__name__ not in OUT_OF_MEMORY:
            raise
        line = traceback.extract_tb(error.__traceback__)[-1]
        words = " ".join(str(error).split())[:200]
        raise DataError(
            "The method broke",
            where=f"method {method.name}",
            seen=f"{type(error).__name__}: {words} ({Path(line.filename).name}:{line.lineno})",
            expected="views, or an SvdmvError with the reason",
        ) from error
    if not isinstance(made, ViewSet):
        raise DataError("The method gave no views", where=method.name, seen=type(made).__name__, expected="a ViewSet")
    return made


def equal_steps(track: Track) -> bool:
    """Whether the cameras stand at equal azimuth steps and one elevation, so that turning the orbit has a meaning."""
    azimuths = np.array(track.azimuths_deg)
    step = 360.0 / len(azimuths)
    return bool(np.allclose(np.diff(azimuths), step, atol=1e-6) and np.ptp(track.elevations_deg) < 1e-6)


def _digest(prediction: ViewSet) -> str:
    said = hashlib.sha256(prediction.rgba_u8().tobytes())
    said.update(b"opaque" if prediction.alphas is None else b"alpha")
    return said.hexdigest()


def _scored(task: Task, prediction: ViewSet, metrics: Sequence[Metric], background: str) -> dict[str, list[float]]:
    """metric -> a value a view, rounded to 6 decimals (PSNR: infinite as 1e9, JSON has no infinity); NaN as None."""
    made = scores_of(task, prediction, metrics, background)
    values: dict[str, list[float]] = {"counted": [float(c) for c in made.counted]}
    for name, column in made.values.items():
        finite = np.where(np.isposinf(column), 1e9, column)
        values[name] = [None if np.isnan(v) else round(float(v), 6) for v in finite]  # type: ignore[misc]
    return values
