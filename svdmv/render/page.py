"""A page to look at: pictures that turn under the finger, in one HTML file that needs nothing from outside."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_SPRITE_PX = 16_000  # a WebP ends at 16,383
QUALITY = 88

STYLE = """
:root{color-scheme:light dark;--bg:#fff;--fg:#1c2430;--dim:#5d6877;--line:#d9dfe6;--card:#f4f6f9;--accent:#3366cc}
@media (prefers-color-scheme:dark){:root{--bg:#12161c;--fg:#e4e9ef;--dim:#9aa6b4;--line:#2a323d;--card:#1a2029;
--accent:#7da2ff}}
*{box-sizing:border-box}body{margin:0;background:var(--bg);color:var(--fg);font:15px/1.5 system-ui,sans-serif}
main{max-width:1180px;margin:auto;padding:16px}h1{font-size:20px;overflow-wrap:anywhere}
.panes{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,300px),1fr));gap:16px}
figure{margin:0;min-width:0}figcaption{color:var(--dim);font-size:13px}
.turn,.still{width:100%;aspect-ratio:1;border:1px solid var(--line);border-radius:10px;background-color:#fff;
background-repeat:no-repeat;background-size:contain;background-position:center}
.turn{touch-action:pan-y;cursor:grab;user-select:none}.turn:active{cursor:grabbing}
input[type=range]{width:100%;accent-color:var(--accent)}
ul{padding-left:20px}table{border-collapse:collapse;font-size:13px}th,td{text-align:left;padding:4px 14px 4px 0;
border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}th{color:var(--dim);font-weight:500}
"""

SCRIPT = """
for (const pane of document.querySelectorAll('.turn')) {
  const count = Number(pane.dataset.count), slider = pane.parentElement.querySelector('input');
  const show = frame => {
    const at = ((Math.round(frame) % count) + count) % count;
    slider.value = at;
    pane.style.backgroundPosition = (count > 1 ? 100 * at / (count - 1) : 0) + '% 0';
  };
  let from = null, start = 0;
  slider.addEventListener('input', () => show(Number(slider.value)));
  pane.addEventListener('pointerdown', event => {
    from = event.clientX; start = Number(slider.value); pane.setPointerCapture(event.pointerId);
  });
  pane.addEventListener('pointermove', event => {
    if (from !== null) show(start - (event.clientX - from) * count / pane.clientWidth / 1.5);
  });
  for (const end of ['pointerup', 'pointercancel']) pane.addEventListener(end, () => { from = null; });
  show(0);
}
"""


@dataclass(frozen=True, eq=False)
class Pane:
    """One picture of the page. frames: (N, S, S, 3) uint8; more than one can be turned, the next to the right."""

    title: str
    frames: NDArray[np.uint8]


def page_from_panes(title: str, panes: Sequence[Pane], notes: Sequence[str], facts: Sequence[tuple[str, str]]) -> str:
    """One HTML document: the panes, the notes as a list, the facts as a table. Every text is escaped."""
    figures = "\n".join(_figure(pane) for pane in panes)
    told = "".join(f"<li>{html.escape(note)}</li>" for note in notes)
    rows = "".join(f"<tr><th>{html.escape(a)}</th><td>{html.escape(b)}</td></tr>" for a, b in facts)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{html.escape(title)}</title>\n'
        f'<meta name="viewport" content="width=device-width,initial-scale=1"><style>{STYLE}</style></head>\n'
        f'<body><main><h1>{html.escape(title)}</h1>\n<div class="panes">\n{figures}\n</div>\n'
        + (f"<h2>Notes</h2><ul>{told}</ul>\n" if told else "")
        + (f"<table>{rows}</table>\n" if rows else "")
        + f"</main><script>{SCRIPT}</script></body></html>\n"
    )


def _figure(pane: Pane) -> str:
    count, side = len(pane.frames), pane.frames.shape[1]
    step = -(-count * side // MOST_SPRITE_PX)  # leave frames out rather than blur them
    frames = pane.frames[::step]
    source = _data_uri(np.concatenate(list(frames), 1))
    label = html.escape(pane.title)
    if len(frames) == 1:
        return (
            f'<figure><div class="still" role="img" aria-label="{label}" style="background-image:url({source})"></div>'
            f"<figcaption>{label}</figcaption></figure>"
        )
    return (
        f'<figure><div class="turn" role="img" aria-label="{label}" data-count="{len(frames)}" '
        f'style="background-image:url({source});background-size:{100 * len(frames)}% 100%"></div>'
        f'<input type="range" min="0" max="{len(frames) - 1}" value="0" aria-label="turn {label}">'
        f"<figcaption>{label}: drag to turn</figcaption></figure>"
    )


def _data_uri(picture: NDArray[np.uint8]) -> str:
    from PIL import Image

    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "WEBP", quality=QUALITY)
    return "data:image/webp;base64," + base64.b64encode(packed.getvalue()).decode()
