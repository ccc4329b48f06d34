"""Pictures in the report: turntables to drag, strips of truth, prediction and error, for best and worst objects."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from svdmv.io.views import load_views

STRIP_VIEWS, THUMB_PX, TURN_PX = 7, 96, 160
CASES = 3


def cases(folder: Path, result: Mapping[str, Any]) -> str:
    """Best and worst objects of every model by its first metric."""
    parts = []
    metric = next(iter(result["metrics"]))
    better = result["metrics"][metric]["higher_is_better"]
    for method in (m for m, facts in result["methods"].items() if facts["kind"] == "model"):
        scored = [(n, v[method][metric]) for n, v in result["per_object"].items() if v[method][metric] is not None]
        scored.sort(key=lambda row: row[1], reverse=better)
        few = len(scored) <= 2 * CASES
        groups = (
            [("all objects, best first", scored)]
            if few
            else [("best", scored[:CASES]), ("worst", scored[-CASES:][::-1])]
        )
        for title, chosen in groups:
            shown = "".join(_case(folder, method, name, value, metric, result["tracks"][0]) for name, value in chosen)
            if shown:
                parts.append(f"<h3>{_e(method)}: {title} by {_e(metric)}</h3><div class='cases'>{shown}</div>")
    return "".join(parts)


def _case(folder: Path, method: str, name: str, value: float, metric: str, track: str) -> str:
    home = folder / "predictions" / method / name / f"{track}-s0"
    truth = folder / "references" / name / track
    if not (home / "transforms.json").is_file() or not (truth / "transforms.json").is_file():
        return ""
    true, made = (load_views(path).on_background() for path in (truth, home))
    panes = [("truth", true), (method, made)]
    if (home / "mesh_views" / "transforms.json").is_file():
        panes.append(("its mesh", load_views(home / "mesh_views").on_background()))
    return (
        f"<figure class='case'><figcaption><b>{_e(name)}</b> {_e(metric)} {value:.3f}</figcaption>"
        f"{_turntable(name, panes)}{_strip(name, true, made)}</figure>"
    )


def _turntable(name: str, panes: list[tuple[str, np.ndarray]]) -> str:
    """One picture a pane with all views side by side; the script shows one of them."""
    count = len(panes[0][1])
    shown = "".join(
        f"<div><div class='pane' role='img' aria-label='{_e(name)}, {_e(title)}' "
        f"style='background-size:{count}00% 100%;background-image:url(data:image/jpeg;base64,{_sheet(views)})'></div>"
        f"<small>{_e(title)}</small></div>"
        for title, views in panes
    )
    return (
        f"<div class='turn' data-count='{count}'><div class='panes'>{shown}</div>"
        f"<input type='range' min='0' max='{count - 1}' value='0' aria-label='view of {_e(name)}'></div>"
    )


def _strip(name: str, true: np.ndarray, made: np.ndarray) -> str:
    picks = np.linspace(0, len(true) - 1, min(STRIP_VIEWS, len(true))).astype(int)
    error = np.abs(made - true).mean(-1, keepdims=True).repeat(3, -1)
    rows = [
        np.concatenate([_sized(views[n], THUMB_PX) for n in picks], 1)
        for views in (true, made, 1 - np.clip(3 * error, 0, 1))
    ]
    buffer = io.BytesIO()
    Image.fromarray(np.concatenate(rows, 0)).save(buffer, "PNG", optimize=True)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f"<div class='strip'><img alt='{_e(name)}: truth, prediction, error' loading='lazy' "
        f"src='data:image/png;base64,{data}'><small>views {', '.join(map(str, picks))}; rows: truth (view 0 is the "
        "input), prediction, error times 3</small></div>"
    )


def _sheet(views: np.ndarray) -> str:
    buffer = io.BytesIO()
    sheet = np.concatenate([_sized(view, TURN_PX) for view in views], 1)
    Image.fromarray(sheet).save(buffer, "JPEG", quality=80, optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _sized(picture: np.ndarray, side: int) -> np.ndarray:
    image = Image.fromarray(np.round(picture * 255).astype(np.uint8))
    return np.asarray(image.resize((side, side), Image.Resampling.LANCZOS))


def _e(text: Any) -> str:
    return html.escape(str(text), quote=True)
