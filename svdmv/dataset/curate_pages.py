"""The pages of a curation: a report of what was dropped and why, and side-by-side comparisons. One file each, no
network; pictures are inside."""

from __future__ import annotations

import base64
import html
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from svdmv.dataset.curate_filters import SCORES, ClipRow, FilterRule, counts_by_reason, threshold_of
from svdmv.dataset.preferences import Pair, Verdict
from svdmv.io.atomic import write_text

STRIP_FRAMES, STRIP_SIDE_PX = 6, 96
PAIR_SIDE_PX = 300
MOST_SHOWN = 150
Strip = Callable[[str], bytes]  # clip id -> JPEG of STRIP_FRAMES frames side by side

_STYLE = """
:root{color-scheme:light dark}
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem}
h1{font-size:1.5rem} h2{font-size:1.15rem;margin-top:2.2rem} small{color:#777} .why{color:#b3261e}
table{border-collapse:collapse} td,th{padding:.25rem .9rem .25rem 0;text-align:left;vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums} svg{max-width:100%}
.clip{margin:.9rem 0;border-top:1px solid #8884;padding-top:.6rem}
.clip img{display:block;max-width:100%;border-radius:4px} .id{font:13px ui-monospace,monospace;overflow-wrap:anywhere}
.sides{display:flex;gap:1.5rem;flex-wrap:wrap} .sides[hidden]{display:none}
.side{cursor:pointer;border:3px solid transparent;border-radius:8px;padding:4px} .side:hover{border-color:#3a7ab8}
.film{background-repeat:no-repeat;border-radius:4px} button{font:inherit;padding:.45rem 1rem;margin-right:.6rem}
@media(prefers-color-scheme:dark){.why{color:#ff8a80} small{color:#aaa}}
"""


def strip_jpeg(frames: NDArray[np.uint8], side_px: int = STRIP_SIDE_PX) -> bytes:
    """(N, H, W, 3) uint8 as one JPEG row, each frame fitted into a square of `side_px` on grey."""
    from PIL import Image

    row = Image.new("RGB", (side_px * len(frames), side_px), (128, 128, 128))
    for n, frame in enumerate(frames):
        picture = Image.fromarray(frame)
        picture.thumbnail((side_px, side_px))
        row.paste(picture, (n * side_px + (side_px - picture.width) // 2, (side_px - picture.height) // 2))
    buffer = io.BytesIO()
    row.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def write_report(
    path: Path,
    rows: Sequence[ClipRow],
    rule: FilterRule,
    strip: Strip,
    verdicts: Sequence[Verdict] = (),
    title: str = "",
) -> None:
    """The report: totals, reasons, distributions with their thresholds, every dropped clip with pictures and reasons
    (the first 150), kept ones, and what could not be read. Raises InputError."""
    parts: dict[str, list[ClipRow]] = {"kept": [], "dropped": [], "failed": []}
    for row in rows:
        parts[row.status].append(row)
    seconds = {k: sum((r.stop - r.start) / r.fps for r in v if r.fps) for k, v in parts.items()}
    body = [f"<h1>Curation{': ' + html.escape(title) if title else ''}</h1>", "<table>"]
    body.append("<tr><th></th><th class=n>clips</th><th class=n>seconds of video</th></tr>")
    for name, members in parts.items():
        body.append(f"<tr><td>{name}</td><td class=n>{len(members)}</td><td class=n>{seconds[name]:.1f}</td></tr>")
    body.append("</table><h2>Why clips were dropped</h2><table>")
    for reason, count in counts_by_reason(rows).items():
        body.append(f"<tr><td>{html.escape(reason)}</td><td class=n>{count}</td></tr>")
    body.append("</table><small>A clip may have several reasons.</small>")
    shares = {"motion": rule.least_motion, "sharpness": rule.least_sharpness, "network": rule.least_network}
    for score in SCORES:
        values = [float(getattr(r, score)) for r in rows if getattr(r, score) is not None]
        if values:
            limit = rule.max_text if score == "text" else threshold_of(values, shares[score])
            body.append(f"<h2>{score}</h2>{_histogram(values, limit, above=score == 'text')}")
    for verdict in verdicts:
        body.append(f"<h2>Preference: {html.escape(verdict.score)}</h2>{_ratings(verdict)}")
    for name in ("dropped", "kept"):
        shown = parts[name][:MOST_SHOWN]
        more = f", the first {MOST_SHOWN} are shown" if len(parts[name]) > MOST_SHOWN else ""
        body.append(f"<h2>{name.capitalize()}: {len(parts[name])}{more}</h2>")
        body += [_clip(row, strip) for row in shown]
    body.append(f"<h2>Not readable: {len(parts['failed'])}</h2>")
    for row in parts["failed"]:
        name, why = html.escape(row.id), html.escape(row.error)
        body.append(f"<div class=clip><span class=id>{name}</span><div class=why>{why}</div></div>")
    write_text(path, _page("Curation", "".join(body)))


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head><body>{body}</body></html>\n'
    )


def _clip(row: ClipRow, strip: Strip) -> str:
    scores = ", ".join(f"{s} {getattr(row, s):.4g}" for s in SCORES if getattr(row, s) is not None)
    why = "".join(f"<div class=why>{html.escape(reason)}</div>" for reason in row.reasons)
    return (
        f'<div class=clip><img alt="six frames of {html.escape(row.id)}" src="{_data(strip(row.id))}">'
        f"<span class=id>{html.escape(row.id)}</span> <small>{scores}</small>{why}</div>"
    )


def _data(jpeg: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(jpeg).decode()


def _histogram(values: Sequence[float], limit: float | None, *, above: bool, bins: int = 24) -> str:
    """Bars as SVG, those on the dropped side of the limit in red."""
    low, high = min(values), max(values)
    high = max(high, limit or high)
    width = (high - low) / bins or 1.0
    counts = [0] * bins
    for value in values:
        counts[min(int((value - low) / width), bins - 1)] += 1
    most, bars = max(counts), []
    for n, count in enumerate(counts):
        middle = low + (n + 0.5) * width
        out = limit is not None and (middle > limit if above else middle < limit)
        tall = 90 * count / most
        bars.append(
            f'<rect x="{20 * n}" y="{100 - tall:.1f}" width="17" height="{tall:.1f}" '
            f'fill="{"#c8483c" if out else "#3a7ab8"}"><title>{middle:.4g}: {count}</title></rect>'
        )
    line = ""
    if limit is not None and high > low:
        x = 20 * bins * (limit - low) / (high - low)
        line = f'<line x1="{x:.1f}" x2="{x:.1f}" y1="2" y2="100" stroke="#c8483c" stroke-width="2"/>'
    labels = f"<small>{low:.4g} to {high:.4g}; {'no limit' if limit is None else f'limit {limit:.4g}'}</small>"
    return f'<svg viewBox="0 0 {20 * bins} 102" width="{20 * bins}" role="img">{"".join(bars)}{line}</svg><br>{labels}'


def _ratings(verdict: Verdict) -> str:
    cells = "".join(f"<td class=n>{r:.0f}</td>" for r in verdict.ratings)
    heads = "".join(f"<th class=n>{100 * (n + 1) / len(verdict.ratings):g} %</th>" for n in range(len(verdict.ratings)))
    return (
        f"<table><tr><th>lowest</th>{heads}</tr><tr><td>Elo</td>{cells}</tr></table>"
        f"<p>{verdict.votes} votes; drop the lowest {100 * verdict.share:g} %.</p>"
    )


_SCRIPT = """
const data = JSON.parse(document.getElementById('data').textContent), key = 'svdmv-votes-' + data.stamp;
let votes = JSON.parse(localStorage.getItem(key) || '[]');
const by = id => document.getElementById(id);
function film(side, id) { const box = by(side); box.style.backgroundImage = `url(${data.strips[id]})`; }
function show() {
  const k = votes.length, done = k >= data.pairs.length;
  by('count').textContent = `${k} of ${data.pairs.length}`;
  by('sides').hidden = done; by('end').hidden = !done;
  if (!done) { film('left', data.pairs[k].left); film('right', data.pairs[k].right); }
}
function vote(choice) {
  if (votes.length >= data.pairs.length) return;
  votes.push({...data.pairs[votes.length], choice}); keep();
}
function keep() { try { localStorage.setItem(key, JSON.stringify(votes)); } catch (e) {} show(); }
function save() {
  const file = new Blob([JSON.stringify({format: 'svdmv-votes-1', score: data.score, votes}, null, 1)]);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file); link.download = 'votes.json'; link.click();
}
let frame = 0;
setInterval(() => { frame = (frame + 1) % data.frames;
  for (const side of ['left', 'right']) by(side).style.backgroundPosition = `${-frame * data.side}px 0`; }, 220);
document.addEventListener('keydown', e => ({ArrowLeft: () => vote('left'), ArrowRight: () => vote('right'),
  ArrowDown: () => vote('equal'), Backspace: () => { votes.pop(); keep(); }}[e.key] || (() => {}))());
for (const side of ['left', 'right']) by(side).parentElement.addEventListener('click', () => vote(side));
by('equal').addEventListener('click', () => vote('equal'));
by('back').addEventListener('click', () => { votes.pop(); keep(); });
by('save').addEventListener('click', save);
show();
"""


def write_preference_page(path: Path, score: str, pairs: Sequence[Pair], strip: Strip, stamp: str) -> None:
    """The comparison page: two clips play side by side, arrows or clicks choose, Save gives votes.json.

    Votes stay in the browser under `stamp` until they are saved. Which clip has the higher score is not shown.
    Raises InputError.
    """
    names = sorted({name for pair in pairs for name in (pair.left, pair.right)})
    data = {
        "score": score,
        "stamp": stamp,
        "pairs": [asdict(pair) for pair in pairs],
        "strips": {name: _data(strip(name)) for name in names},
        "frames": STRIP_FRAMES,
        "side": PAIR_SIDE_PX,
    }
    film = f'style="width:{PAIR_SIDE_PX}px;height:{PAIR_SIDE_PX}px" role="img"'
    text = json.dumps(data).replace("</", "<\\/")
    body = (
        "<h1>Which clip would you rather train on?</h1><p>Click it, or press the left or right arrow; down for equal, "
        'backspace to go back. <b id="count"></b></p><div class="sides" id="sides">'
        f'<div class="side"><div class="film" id="left" {film} aria-label="left clip"></div></div>'
        f'<div class="side"><div class="film" id="right" {film} aria-label="right clip"></div></div></div>'
        '<p id="end" hidden>That was the last one.</p><p><button id="equal">Equal</button>'
        '<button id="back">Back</button><button id="save">Save votes.json</button></p>'
        "<p><small>Then: svdmv data curate votes=votes.json ...</small></p>"
        f'<script type="application/json" id="data">{text}</script><script>{_SCRIPT}</script>'
    )
    write_text(path, _page("Preferences", body))
