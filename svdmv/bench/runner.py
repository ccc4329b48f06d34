"""A suite run: every object, track, method and seed becomes rows of scores; a stopped run goes on where it was.

OUT/protocol.json     the suite, methods, metrics; a run with another protocol is refused
OUT/predictions/METHOD/OBJECT/TRACK-sSEED/    a model's views as they were scored
OUT/objects/OBJECT.json                       rows of one object, written whole: what is there is done
OUT/result.json, views.csv, objects.csv       made from these at the end
"""

from __future__ import annotations

import fcntl
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from svdmv import __version__
from svdmv.bench.alignment import elevation_ladder, searched_alignment
from svdmv.bench.methods import Method, Task
from svdmv.bench.metrics import Metric
from svdmv.bench.references import reference_views
from svdmv.bench.scoring import scores_of, turning
from svdmv.bench.suite import Suite, SuiteObject, Track
from svdmv.core import InputError, SvdmvError, ViewSet
from svdmv.io.atomic import write_json
from svdmv.io.run_folder import versions
from svdmv.io.stages import forget_peak_memory, peak_memory_mb
from svdmv.io.views import load_views, save_views

FORMAT = 1
Report = Callable[[str, int, int], None]


@dataclass(frozen=True)
class RunPlan:
    """What is to be run. data: folder of the suite's objects. cache: for reference views, None = none.

    seeds: for methods that use one. backgrounds: the first one is scored and tabled, the others show the swing.
    """

    suite: Suite
    methods: tuple[Method, ...]
    metrics: tuple[Metric, ...]
    seeds: int = 1
    backgrounds: tuple[str, ...] = ("white",)
    data: Path | None = None
    cache: Path | None = None
    limit: int | None = None

    @property
    def objects(self) -> tuple[SuiteObject, ...]:
        """The suite's, or its first `limit`."""
        return self.suite.objects[: self.limit]

    def protocol(self) -> dict[str, Any]:
        """JSON form of everything that decides the scores."""
        suite = self.suite
        return {
            "format": FORMAT,
            "suite": {"name": suite.name, "version": suite.version, "sha256": suite.sha256, "title": suite.title},
            "objects": [item.name for item in self.objects],
            "objects_of_suite": len(suite.objects),
            "tracks": [track.name for track in suite.tracks],
            "size_px": suite.size_px,
            "fov_y_deg": suite.fov_y_deg,
            "input_view_counted": suite.input_view_counted,
            "averaging": suite.averaging,
            "published": dict(suite.published),
            "ours": dict(suite.ours),
            "attribution": suite.attribution,
            "methods": {
                m.name: {"kind": m.kind, "knows_truth": m.knows_truth, "stochastic": m.stochastic, **m.facts}
                for m in self.methods
            },
            "metrics": {
                m.name: {"higher_is_better": m.higher_is_better, "unit": m.unit, "detail": m.detail}
                for m in self.metrics
            },
            "seeds": self.seeds,
            "backgrounds": list(self.backgrounds),
        }


def run_suite(plan: RunPlan, out: Path, report: Report | None = None) -> dict[str, Any]:
    """Run what is missing and write the result; returns it (see svdmv.bench.result).

    Raises:
        InputError: OUT holds a run of another protocol, or another run is at work in it.
    """
    from svdmv.bench.result import write_result

    out.mkdir(parents=True, exist_ok=True)
    protocol = json.loads(json.dumps(plan.protocol()))
    with only_run_in(out):
        _check_protocol(out, protocol)
        write_json(out / "protocol.json", protocol)
        for done, item in enumerate(plan.objects):
            if report is not None:
                report(item.name, done, len(plan.objects))
            path = out / "objects" / f"{item.name}.json"
            if not path.is_file():
                write_json(path, object_rows(plan, item, out))
        if report is not None:
            report("result", len(plan.objects), len(plan.objects))
        rows = [json.loads((out / "objects" / f"{item.name}.json").read_text("utf-8")) for item in plan.objects]
        return write_result(out, protocol, rows, {"svdmv": __version__, **versions()})


def object_rows(plan: RunPlan, item: SuiteObject, out: Path) -> dict[str, Any]:
    """Everything about one object. An object or prediction that fails is a named row with its reason."""
    began = time.perf_counter()
    record: dict[str, Any] = {"object": item.name, "predictions": [], "failed": None}
    try:
        references = reference_views(plan.suite, item, plan.data, plan.cache)
    except SvdmvError as error:
        return record | {"failed": f"{error.what}: {error.seen}"}
    first = plan.suite.tracks[0].name
    save_views(references[first], out / "references" / item.name / first)  # for the report's strips
    for track in plan.suite.tracks:
        truth = references[track.name]
        given = truth.rgba_u8()[track.input_view]
        searched = equal_steps(track) and any(m.kind == "model" for m in plan.methods)
        ladder = elevation_ladder(plan.suite, item, track, plan.data, plan.cache) if searched else {}
        for method in plan.methods:
            for seed in range(plan.seeds if method.stochastic else 1):
                task = Task(plan.suite, track, item.name, given, seed, truth, ladder)
                folder = out / "predictions" / method.name / item.name / f"{track.name}-s{seed}"
                record["predictions"].append(prediction_row(plan, task, method, folder))
    return record | {"seconds": round(time.perf_counter() - began, 3)}


def prediction_row(plan: RunPlan, task: Task, method: Method, folder: Path) -> dict[str, Any]:
    """Make one prediction (or take the one that is there) and score it over every background."""
    row: dict[str, Any] = {"method": method.name, "track": task.track.name, "seed": task.seed}
    forget_peak_memory()
    began = time.perf_counter()
    try:
        kept = folder / "transforms.json"
        prediction = load_views(folder) if kept.is_file() else method.predict(task)
        if not kept.is_file() and method.kind == "model":
            save_views(prediction, folder)
            prediction = load_views(folder)  # what is scored is what lies there
        row["seconds"], row["peak_memory_mb"] = round(time.perf_counter() - began, 3), peak_memory_mb()
        scores = {b: _scored(task, prediction, plan.metrics, b) for b in plan.backgrounds}
        row["turning"] = {"prediction": turning(prediction), "truth": turning(task.truth)}
        if method.kind == "model" and equal_steps(task.track):
            found = searched_alignment(prediction, task.truth, task.track.input_view, task.ladder)
            row["alignment"] = found.as_dict()
    except SvdmvError as error:
        return row | {"failed": f"{error.what}: {error.seen}"}
    return row | {"scores": scores}


def equal_steps(track: Track) -> bool:
    """Whether the cameras stand at equal azimuth steps and one elevation, so that turning the orbit has a meaning."""
    azimuths = np.array(track.azimuths_deg)
    step = 360.0 / len(azimuths)
    return bool(np.allclose(np.diff(azimuths), step, atol=1e-6) and np.ptp(track.elevations_deg) < 1e-6)


def _scored(task: Task, prediction: ViewSet, metrics: Sequence[Metric], background: str) -> dict[str, list[float]]:
    """metric -> a value a view, rounded to 6 decimals (PSNR: infinite as 1e9, JSON has no infinity); NaN as None."""
    made = scores_of(task, prediction, metrics, background)
    values: dict[str, list[float]] = {"counted": [float(c) for c in made.counted]}
    for name, column in made.values.items():
        finite = np.where(np.isposinf(column), 1e9, column)
        values[name] = [None if np.isnan(v) else round(float(v), 6) for v in finite]  # type: ignore[misc]
    return values


def _check_protocol(out: Path, protocol: dict[str, Any]) -> None:
    path = out / "protocol.json"
    if not path.is_file():
        if any(p.name != LOCK_NAME for p in out.iterdir()):
            raise InputError(
                "The output folder is not empty and holds no benchmark run",
                where=out,
                seen=", ".join(sorted(p.name for p in out.iterdir())[:4]),
                expected="a new folder, or one of an earlier run with the same protocol",
                next_step="output=another folder",
            )
        return
    before = json.loads(path.read_text("utf-8"))
    differing = [k for k in protocol if before.get(k) != protocol[k]]
    if differing:
        raise InputError(
            "The folder holds a run of another protocol",
            where=out,
            seen=f"{', '.join(differing)} differ",
            expected="the same suite, objects, methods, metrics and seeds as before",
            next_step="output=another folder",
        )


LOCK_NAME = ".running"


@contextmanager
def only_run_in(out: Path) -> Iterator[None]:
    """Hold the folder's lock; it goes with the process. Raises InputError: another run holds it."""
    with (out / LOCK_NAME).open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(
                "Another run is at work in this folder",
                where=out,
                seen=f"{LOCK_NAME} is held",
                expected="one run a folder",
                next_step="wait for it, or output=another folder",
            ) from error
        yield
