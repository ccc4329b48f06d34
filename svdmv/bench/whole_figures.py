"""Figures of one prediction as a whole: consistency of its views, and its mesh where there is one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.bench.consistency import consistency_of
from svdmv.bench.mesh_scores import mesh_scores, reconstructed_asset, views_of_mesh
from svdmv.bench.methods import Method, Task
from svdmv.bench.metrics import Metric
from svdmv.bench.scoring import mean_of_views, scores_of
from svdmv.core import Asset, SvdmvError, ViewSet
from svdmv.io.meshes import read_asset, write_asset
from svdmv.io.views import save_views

BESIDE = ("reference", "copy")  # measured beside every model: the ceiling and the floor


def whole_figures(
    task: Task, method: Method, prediction: ViewSet, folder: Path, metrics: Sequence[Metric], *, meshes: bool
) -> dict[str, Any]:
    """Parts of the prediction's row: `whole` (name -> number), `mesh_moved` (what a rule did), `mesh_failed` (why).

    meshes: reconstruct the views of models, of the truth and of the copied input; otherwise only methods that bring a
    mesh have one. A reconstructed mesh is kept as folder/mesh.glb with its views in folder/mesh_views.
    """
    if method.kind != "model" and method.name not in BESIDE:
        return {}
    row: dict[str, Any] = {"whole": {}}
    agreed = consistency_of(prediction)
    if agreed is not None:
        row["whole"] |= {"consistency_psnr": agreed.psnr_object, "consistency_iou": agreed.iou}
    try:
        if method.mesh is not None:
            asset, row["mesh_moved"] = method.mesh(task)
            row["whole"] |= mesh_scores(asset, task.true_object)
        elif meshes:
            asset = _kept_or_made(prediction, folder / "mesh.glb")
            again = views_of_mesh(asset, prediction.cameras, task.suite, "unlit")
            if method.kind == "model":
                save_views(again, folder / "mesh_views")
            row["whole"] |= mesh_scores(asset, task.true_object) | _scored_again(task, again, metrics)
    except SvdmvError as error:
        row["mesh_failed"] = f"mesh: {error.what}: {error.seen}"
    row["whole"] = {name: round(float(value), 6) for name, value in row["whole"].items() if np.isfinite(value)}
    return row


def _kept_or_made(prediction: ViewSet, path: Path) -> Asset:
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_asset(path, reconstructed_asset(prediction))
    return read_asset(path)


def _scored_again(task: Task, again: ViewSet, metrics: Sequence[Metric]) -> dict[str, float]:
    """Means over the views of the mesh, white."""
    made = scores_of(task, again, metrics, "white")
    return {f"mesh_{name}": mean_of_views(values, made.counted, name) for name, values in made.values.items()}
