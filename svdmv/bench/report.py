"""One self-contained HTML page of one or several runs: tables, curves, turntables, strips, protocol, warnings."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from svdmv.bench.comparison import warnings_between
from svdmv.bench.published import published_block
from svdmv.bench.report_cases import cases
from svdmv.bench.report_style import SCRIPT, STYLE
from svdmv.bench.tables import (
    caption,
    column_title,
    column_titles,
    label,
    labelled_rows,
    load_result,
    mesh_caption,
    mesh_rows,
    warnings_of,
)
from svdmv.io.atomic import write_text

COLORS = ("#3b74d8", "#dc7a12", "#2a9d5c", "#c6455c", "#8a6bd6", "#738093", "#a08a00", "#0f8f9c")


def write_report(runs: Sequence[Path], out: Path) -> None:
    """Write the page. Raises InputError: a run has no result."""
    results = [(path, load_result(path)) for path in runs]
    body = "".join([_warnings([r for _, r in results]), *(_run(path, result) for path, result in results)])
    head = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
        f'content="width=device-width, initial-scale=1"><title>svdmv benchmark</title><style>{STYLE}</style></head>'
    )
    published = published_block([r for _, r in results])
    page = f"<main><h1>svdmv benchmark</h1>{body}{published}</main><script>{SCRIPT}</script>"
    write_text(out, f"{head}<body>{page}</body></html>\n")


def _warnings(results: Sequence[Mapping[str, Any]]) -> str:
    said = [w for other in results[1:] for w in warnings_between(results[0], other)]
    for result in results:
        models = [name for name, facts in result["methods"].items() if facts["kind"] == "model"]
        told = f"{', '.join([result['suite']['name'], *models])}: " if len(results) > 1 else ""
        said += [told + words for words in warnings_of(result)]
    if not said:
        return ""
    return (
        '<section class="warn"><h2>Warnings</h2><ul>' + "".join(f"<li>{_e(w)}</li>" for w in said) + "</ul></section>"
    )


def _run(folder: Path, result: Mapping[str, Any]) -> str:
    parts = [
        f"<h2>{_e(result['suite']['title'])}</h2>",
        _card(result),
        f"<p class='note'>{_e(caption(result))}</p>",
        _table(result),
        _meshes(result),
        _conventions(result),
        _margins(result),
        _swing(result),
        _curves(result, result.get("curve_azimuths_deg")),
        cases(folder, result),
        _protocol(result),
    ]
    return "<section>" + "".join(parts) + "</section>"


def _card(result: Mapping[str, Any]) -> str:
    """What decides the figures, at a glance; all of it is in the protocol below."""
    suite = result["suite"]
    networks = [f"{m}: {facts['detail']}" for m, facts in result["metrics"].items() if facts["detail"]]
    facts = [
        ("suite", f"{suite['name']} v{suite['version']}, hash {suite['sha256'][:12]}"),
        ("objects", f"{len(result['objects'])} of {result['objects_of_suite']}"),
        ("cameras", f"{', '.join(result['tracks'])}; lens {result['fov_y_deg']:g} degrees"),
        ("pictures", f"{result['size_px']} px over {', '.join(result['backgrounds'])}"),
        ("input view", "counted" if result["input_view_counted"] else "not counted"),
        ("averaging", f"{result['averaging']}; bootstrap over objects"),
        ("seeds", result["seeds"]),
        ("networks", "; ".join(networks) or "none"),
    ]
    return "<dl class='card'>" + "".join(f"<div><dt>{_e(k)}</dt><dd>{_e(v)}</dd></div>" for k, v in facts) + "</dl>"


def _rows(titles: Sequence[str], rows: Sequence[tuple[str, Sequence[Any]]], kinds: Mapping[str, str]) -> str:
    """An HTML table; titles are HTML, cells are text, kinds: row -> class."""
    heads = "".join(f"<th>{title}</th>" for title in titles)
    body = "".join(
        f"<tr class='{kinds.get(name, '')}'><th>{_e(name)}</th>"
        + "".join(f"<td>{_cell(c)}</td>" for c in cells)
        + "</tr>"
        for name, cells in rows
    )
    return f"<div class='wide'><table><thead><tr><th></th>{heads}</tr></thead><tbody>{body}</tbody></table></div>"


def _cell(text: Any) -> str:
    """Intervals below their means: wide tables fit a page."""
    mean, bracket, interval = str(text).partition(" [")
    return _e(mean) + (f"<br><small>[{_e(interval)}</small>" if bracket else "")


def _kinds(result: Mapping[str, Any]) -> dict[str, str]:
    kinds = {name: facts["kind"] for name, facts in result["methods"].items()}
    return kinds | {label(result, name): kind for name, kind in kinds.items()}


def _table(result: Mapping[str, Any]) -> str:
    details = [result["metrics"][m]["detail"] for m in result["metrics"]]
    titles = column_titles(result)
    details += [result.get("consistency", "")] * (len(titles) - len(details))
    heads = [f"{_e(t)}<br><small>{_e(d)}</small>" for t, d in zip(titles, details, strict=True)]
    return _rows(heads, labelled_rows(result), _kinds(result))


def _meshes(result: Mapping[str, Any]) -> str:
    titles, rows = mesh_rows(result)
    if not rows:
        return ""
    note = f"<p class='note'>{_e(mesh_caption(result))}</p>"
    return f"<h3>Meshes</h3>{note}" + _rows([_e(t) for t in titles], rows, _kinds(result))


def _conventions(result: Mapping[str, Any]) -> str:
    """What the alignment check found; nothing was changed by it."""
    rows = []
    for method, found in result["alignment"].items():
        if not found["searched"]:
            continue
        best = found["commonest"]
        offset = "none" if best is None else _flat({k: v for k, v in best.items() if not k.endswith("_db")})
        scores = "" if best is None else f"{best['as_is_db']:.2f} / {best['best_db']:.2f}"
        turns = f"{found['direction']} ({found['direction_ours']} : {found['direction_reversed']})"
        suspicious = f"{found['suspicious']} of {found['searched']}"
        rows.append((method, [turns, suspicious, offset, scores, "convention?" if found["convention"] else "no"]))
    if not rows:
        return ""
    heads = [
        "turns (ours : reversed)",
        "orbits that fit better otherwise",
        "commonest offset",
        "dB as is / there",
        "convention",
    ]
    return f"<details><summary>Alignment check</summary>{_rows(heads, rows, {})}</details>"


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


def _swing(result: Mapping[str, Any]) -> str:
    """The same views over other backgrounds."""
    if len(result["backgrounds"]) < 2:
        return ""
    rows = []
    for method in result["methods"]:
        for background in result["backgrounds"]:
            values = result["swing"][background][method].values()
            rows.append((f"{method}, {background}", ["" if v is None else f"{v:.3f}" for v in values]))
    heads = [_e(column_title(result, m)) for m in result["metrics"]]
    return f"<details><summary>Over other backgrounds</summary>{_rows(heads, rows, {})}</details>"


def _curves(result: Mapping[str, Any], azimuths: Sequence[float] | None) -> str:
    """Score against azimuth, one small chart a metric, oracles left out."""
    names = [m for m, facts in result["methods"].items() if facts["kind"] != "oracle"]
    legend = "".join(
        f"<span><i style='background:{COLORS[n % len(COLORS)]}'></i>{_e(m)}</span>" for n, m in enumerate(names)
    )
    charts = "".join(
        _chart(metric, [result["curves"][m][metric] for m in names], azimuths) for metric in result["metrics"]
    )
    return f"<h3>Along the orbit</h3><p class='legend'>{legend}</p><div class='charts'>{charts}</div>"


def _chart(metric: str, curves: Sequence[Sequence[float | None]], azimuths: Sequence[float] | None) -> str:
    count = max(map(len, curves), default=0)
    places = list(azimuths) if azimuths is not None and len(azimuths) >= count else [float(n) for n in range(count)]
    shown = [[(a, v) for a, v in zip(places, curve, strict=False) if v is not None] for curve in curves]
    values = [v for curve in shown for _, v in curve]
    if not values:
        return ""
    low, high = min(values), max(values)
    first, last = (0.0, 360.0) if azimuths is not None else (0.0, float(max(count - 1, 1)))
    width, height, left = 280, 130, 36
    scale = (width - left - 14) / (last - first)
    lines = []
    for n, curve in enumerate(shown):
        points = " ".join(
            f"{left + (a - first) * scale:.1f},{8 + (1 - (v - low) / ((high - low) or 1.0)) * (height - 34):.1f}"
            for a, v in curve
        )
        lines.append(f"<polyline points='{points}' fill='none' stroke='{COLORS[n % len(COLORS)]}' stroke-width='1.6'/>")
    ticks = (0, 90, 180, 270, 360) if azimuths is not None else (0, count - 1)
    axis = "".join(
        f"<text x='{left + (t - first) * scale:.1f}' y='{height - 5}' text-anchor='middle' class='axis'>{t}</text>"
        for t in ticks
    )
    axis += "".join(f"<text x='2' y='{y}' class='axis'>{v:.3g}</text>" for v, y in ((high, 12), (low, height - 22)))
    drawing = f"<svg viewBox='0 0 {width} {height}' role='img' aria-label='{_e(metric)}'>{axis}{''.join(lines)}</svg>"
    along = "azimuth, degrees" if azimuths is not None else "view"
    return f"<figure>{drawing}<figcaption>{_e(metric)} against {along}</figcaption></figure>"


def _protocol(result: Mapping[str, Any]) -> str:
    facts: list[tuple[str, Any]] = [
        ("suite", f"{result['suite']['name']} version {result['suite']['version']}, {result['suite']['sha256']}"),
        *((f"as published: {k}", v) for k, v in result["published"].items()),
        *((f"our choice: {k}", v) for k, v in result["ours"].items()),
        *((f"method {k}", v) for k, v in result["methods"].items()),
        *((f"seconds a prediction: {k}", v) for k, v in result["seconds"].items() if v is not None),
        *((f"peak memory MB: {k}", v) for k, v in result["peak_memory_mb"].items() if v is not None),
        *((k, result[k]) for k in ("versions", "git", "hardware", "engine", "devices") if result.get(k)),
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
