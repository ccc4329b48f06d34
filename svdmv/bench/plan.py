"""The plan of a run: which suite, methods and metrics, and what of it decides the scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from svdmv.bench.consistency import FITTER
from svdmv.bench.mesh_scores import mesh_protocol
from svdmv.bench.methods import Method
from svdmv.bench.metrics import Metric
from svdmv.bench.suite import Suite, SuiteObject

FORMAT = 1


@dataclass(frozen=True)
class RunPlan:
    """What is to be run. data: folder of the suite's objects. cache: for reference views, None = none.

    seeds: for methods that use one. backgrounds: the first one is scored and tabled, the others show the swing.
    meshes: reconstruct the views of models, truth and copy, and score the meshes. absent: metrics of the suite that
    cannot be had here, and why. device: where models run; it is told and decides no protocol. absent_methods: rows that
    would stand beside every model and cannot be had here, and why.
    """

    suite: Suite
    methods: tuple[Method, ...]
    metrics: tuple[Metric, ...]
    seeds: int = 1
    backgrounds: tuple[str, ...] = ("white",)
    data: Path | None = None
    cache: Path | None = None
    limit: int | None = None
    meshes: bool = False
    absent: Mapping[str, str] = field(default_factory=dict)
    device: str = "cpu"
    absent_methods: Mapping[str, str] = field(default_factory=dict)

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
            "azimuths_deg": {track.name: list(track.azimuths_deg) for track in suite.tracks},
            "input_views": {track.name: track.input_view for track in suite.tracks},
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
            "absent_metrics": dict(self.absent),
            "absent_methods": dict(self.absent_methods),
            "seeds": self.seeds,
            "backgrounds": list(self.backgrounds),
            "consistency": FITTER,
            "meshes": mesh_protocol("none", "unlit") if self.meshes else {},
        }

    def device_of(self, method: Method) -> str:
        """Where its predictions are made."""
        return self.device if method.kind == "model" else "cpu"
