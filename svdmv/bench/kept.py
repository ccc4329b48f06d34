"""What was made before and would come out the same: predictions and rows of scores, found by content.

CACHE/predictions/KEY/   views of a model        CACHE/rows/KEY.json   everything that a run says of one prediction

A key is a hash of all that decides the outcome: the code that makes it, the reference views, weights, settings, seed.
A method that does not say what decides its views (Method.identity) is asked again, and its rows are found by its views.
"""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from svdmv.bench.machine import code_sha256, key_of
from svdmv.bench.methods import Method
from svdmv.bench.metrics import METRICS, Metric
from svdmv.io.atomic import whole_folder, write_json

FORMAT = 1
PREDICTING = ("core", "diffusion", "bench/model_methods.py", "bench/resize.py")
LIBRARIES = ("numpy", "torch", "scipy", "pillow")


def prediction_key(method: Method, reference: str, seed: int) -> str | None:
    """Of a prediction; None when the method does not say what decides it."""
    if not method.identity:
        return None
    return key_of(
        {
            "format": FORMAT,
            "code": code_sha256(PREDICTING),
            "libraries": _libraries(),
            "reference": reference,
            "method": [method.name, method.identity],
            "seed": seed if method.stochastic else 0,
        }
    )


def row_key(said: Mapping[str, Any], metrics: Sequence[Metric]) -> str | None:
    """Of a row of scores; None when a metric's code cannot be read."""
    sources = [_metric_source(metric) for metric in metrics]
    if None in sources:
        return None
    columns = [[m.name, m.detail, source] for m, source in zip(metrics, sources, strict=True)]
    return key_of(
        {"format": FORMAT, "code": code_sha256(), "libraries": _libraries(), "metrics": columns, "said": dict(said)}
    )


def kept_row(folder: Path | None, key: str | None) -> dict[str, Any] | None:
    """The row, or None."""
    if folder is None or key is None:
        return None
    try:
        row: dict[str, Any] = json.loads((folder / "rows" / f"{key}.json").read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return row


def keep_row(folder: Path | None, key: str | None, row: Mapping[str, Any]) -> None:
    """Rows that tell of a failure are not kept."""
    if folder is not None and key is not None and not any("failed" in name for name in row):
        write_json(folder / "rows" / f"{key}.json", dict(row))


def copy_views(source: Path, target: Path) -> bool:
    """Copy a view folder as it is, whole; False when it is not there."""
    if not (source / "transforms.json").is_file():
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    with whole_folder(target, overwrite=True) as temporary:
        shutil.copytree(source, temporary, dirs_exist_ok=True)
    return True


def _libraries() -> list[str]:
    return [f"{name} {version(name)}" for name in LIBRARIES]


def _metric_source(metric: Metric) -> str | None:
    """Ours are part of the package's code; a user's is the file that defines it."""
    if metric.name in METRICS:
        return ""
    try:
        file = inspect.getsourcefile(metric.compute)
    except TypeError:  # an object with __call__
        file = inspect.getsourcefile(type(metric.compute))
    if file is None:
        return None
    try:
        return hashlib.sha256(Path(file).read_bytes()).hexdigest()
    except OSError:
        return None
