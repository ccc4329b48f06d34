"""One self-contained HTML page of one or several runs: tables, curves, strips of pictures, protocol, warnings."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from svdmv.bench.comparison import warnings_between
from svdmv.bench.published import published_block
from svdmv.bench.report_style import STYLE
from svdmv.bench.tables import caption, column_title, load_result, rows_of, warnings_of
from svdmv.io.atomic import write_text
from svdmv.io.views import load_views

STRIP_VIEWS, THUMB_PX = 7, 96
CASES = 3
COLORS = ("#3366cc", "#dc7a12", "#2a9d5c", "#b5394f", "#7a5bc7", "#5f6b7a", "#a08a00", "#0f8f9c")


def write_report(runs: Sequence[Path], out: Path) -> None:
    """Write the page. Raises InputError: a run has no result."""
    results = [(path, load_result(path)) for path in runs]
    body = "".join([_warnings([r for _, r in results]), *(_run(path, result) for path, result in results)])
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>svdmv benchmark</title><style>{STYLE}</style></head>'
    )
    write_text(out, f"{head}<body><main><h1>svdmv benchmark</h1>{body}{published_block()}</main></body></html>\n")


def _warnings(results: Sequence[Mapping[str, Any]]) -> str:
    said = [w for other in results[1:] for w in warnings_between(results[0], other)]
    for result in results:
        said += warnings_of(result)
    if not said:
        return ""
    return (
        '<section class="warn"><h2>Warnings</h2><ul>' + "".join(f"<li>{_e(w)}</li>" for w in said) + "</ul></section>"
    )


def _run(folder: Path, result: Mapping[str, Any]) -> str:
    suite = result["suite"]
    parts = [
        f"<h2>{_e(suite['title'])}</h2><p class='note'>{_e(caption(result))}</p>",
        _table(result),
        _margins(result),
    ]
    parts += [_curves(result), _cases(folder, result), _protocol(result)]
    return "<section>" + "".join(parts) + "</section>"


def _table(result: Mapping[str, Any]) -> str:
    heads = "".join(
        f"<th>{_e(column_title(result, m))}<br><small>{_e(result['metrics'][m]['detail'])}</small></th>"
        for m in result["metrics"]
    )
    kinds = {name: facts["kind"] for name, facts in result["methods"].items()}
    rows = "".join(
        f"<tr class='{kinds[name]}'><th>{_e(name)}</th>" + "".join(f"<td>{_e(c)}</td>" for c in cells) + "</tr>"
        for name, cells in rows_of(result)
    )
    return f"<div class='wide'><table><thead><tr><th></th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"


def _margins(result: Mapping[str, Any]) -> str:
    rows = [
        p for p in result["paired"] if result["methods"][p["against"]]["kind"] != "oracle" and p["gain"] is not None
    ]
    if not rows:
        return ""
    body = ""
    for p in rows:
        verdict = "good" if p["low_95"] > 0 else "bad" if p["high_95"] < 0 else ""
        gain = f"{p['gain']:+.4f} [{p['low_95']:+.4f}, {p['high_95']:+.4f}]"
        cells = [p["metric"], gain, "" if p["p_value"] is None else p["p_value"], p["objects_needed"] or ""]
        title = f"{p['method']} over {p['against']}"
        body += f"<tr class='{verdict}'><th>{_e(title)}</th>{''.join(f'<td>{_e(c)}</td>' for c in cells)}</tr>"
    heads = "".join(f"<th>{h}</th>" for h in ("", "metric", "gain", "p", "objects to see it"))
    return (
        "<details><summary>Paired gains (positive = better)</summary><div class='wide'>"
        f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table></div></details>"
    )


def _curves(result: Mapping[str, Any]) -> str:
    """Score against view number, one small chart a metric, oracles left out."""
    names = [m for m, facts in result["methods"].items() if facts["kind"] != "oracle"]
    legend = "".join(
        f"<span><i style='background:{COLORS[n % len(COLORS)]}'></i>{_e(m)}</span>" for n, m in enumerate(names)
    )
    charts = "".join(_chart(metric, [result["curves"][m][metric] for m in names]) for metric in result["metrics"])
    return f"<h3>Along the orbit</h3><p class='legend'>{legend}</p><div class='charts'>{charts}</div>"


def _chart(metric: str, curves: Sequence[Sequence[float | None]]) -> str:
    values = [v for curve in curves for v in curve[1:] if v is not None]
    if not values:
        return ""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    width, height = 280, 120
    lines = []
    for n, curve in enumerate(curves):
        points = " ".join(
            f"{34 + k / max(len(curve) - 1, 1) * (width - 40):.1f},{8 + (1 - (v - low) / span) * (height - 24):.1f}"
            for k, v in enumerate(curve)
            if v is not None and k > 0
        )
        lines.append(f"<polyline points='{points}' fill='none' stroke='{COLORS[n % len(COLORS)]}' stroke-width='1.6'/>")
    axis = (
        "".join(f"<text x='0' y='{y}' class='axis'>{v:.3g}</text>" for v, y in ((high, 12), (low, height - 14)))
        + f"<text x='34' y='{height - 2}' class='axis'>view 1</text>"
    )
    drawing = f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='{_e(metric)}'>{axis}{''.join(lines)}</svg>"
    return f"<figure>{drawing}<figcaption>{_e(metric)}</figcaption></figure>"


def _cases(folder: Path, result: Mapping[str, Any]) -> str:
    """Best and worst objects of every model by its first metric: truth, prediction, error."""
    parts = []
    metric = next(iter(result["metrics"]))
    better = result["metrics"][metric]["higher_is_better"]
    for method in (m for m, facts in result["methods"].items() if facts["kind"] == "model"):
        scored = [(n, v[method][metric]) for n, v in result["per_object"].items() if v[method][metric] is not None]
        scored.sort(key=lambda row: row[1], reverse=better)
        chosen = scored if len(scored) <= 2 * CASES else [*scored[:CASES], *scored[-CASES:]]
        strips = "".join(_strip(folder, method, name, value, metric, result["tracks"][0]) for name, value in chosen)
        if strips:
            parts.append(f"<h3>{_e(method)}: best and worst by {_e(metric)}</h3>{strips}")
    return "".join(parts)


def _strip(folder: Path, method: str, name: str, value: float, metric: str, track: str) -> str:
    home = folder / "predictions" / method / name / f"{track}-s0"
    truth = folder / "references" / name / track
    if not (home / "transforms.json").is_file() or not (truth / "transforms.json").is_file():
        return ""
    made, true = (load_views(path).on_background() for path in (home, truth))
    picks = np.linspace(0, len(true) - 1, min(STRIP_VIEWS, len(true))).astype(int)
    error = np.abs(made - true).mean(-1, keepdims=True).repeat(3, -1)
    rows = [
        np.concatenate([_thumb(views[n]) for n in picks], 1) for views in (true, made, 1 - np.clip(3 * error, 0, 1))
    ]
    data = _png(np.concatenate(rows, 0))
    return (
        f"<figure class='strip'><img alt='{_e(name)}: truth, prediction, error' src='data:image/png;base64,{data}'>"
        f"<figcaption>{_e(name)}, {_e(metric)} {value:.3f}; rows: truth, prediction, error times 3</figcaption>"
        "</figure>"
    )


def _thumb(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(np.round(picture * 255).astype(np.uint8))
    return np.asarray(image.resize((THUMB_PX, THUMB_PX), Image.Resampling.LANCZOS))


def _png(pixels: np.ndarray) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return base64.b64encode(buffer.getvalue()).decode()


def _protocol(result: Mapping[str, Any]) -> str:
    facts: list[tuple[str, Any]] = [
        ("suite", f"{result['suite']['name']} version {result['suite']['version']}, {result['suite']['sha256']}"),
        ("cameras", f"{', '.join(result['tracks'])}; lens {result['fov_y_deg']:g} degrees; {result['size_px']} px"),
        ("input view counted", result["input_view_counted"]),
        ("averaging", result["averaging"]),
        ("seeds", result["seeds"]),
        *((f"as published: {k}", v) for k, v in result["published"].items()),
        *((f"our choice: {k}", v) for k, v in result["ours"].items()),
        *((f"method {k}", v) for k, v in result["methods"].items()),
        *((f"seconds a prediction: {k}", v) for k, v in result["seconds"].items() if v is not None),
        ("software", result["versions"]),
        ("hardware", result["hardware"]),
        ("objects", result["attribution"]),
    ]
    rows = "".join(f"<tr><th>{_e(k)}</th><td>{_e(_flat(v))}</td></tr>" for k, v in facts)
    return (
        f"<details><summary>Protocol</summary><div class='wide'><table class='protocol'>{rows}</table></div></details>"
    )


def _flat(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_flat(v)}" for k, v in value.items())
    return str(value)


def _e(text: Any) -> str:
    return html.escape(str(text), quote=True)
