"""Curves of training runs as one picture: loss, and PSNR, LPIPS, CLIP-S and motion on held-out objects, by iteration.

SVD-MV's paper shows such curves for its three priors (figure 10 b). Drawn as SVG, alone or inside an HTML page.
"""

from __future__ import annotations

import html
import json
import math
from collections.abc import Sequence
from pathlib import Path

from svdmv.core import InputError
from svdmv.io.atomic import write_text

COLORS = ("#1b6ca8", "#c8553d", "#3a7d44", "#8b5fbf", "#b8860b", "#444444")
PANELS = (
    ("loss", "loss (training)"),
    ("psnr", "PSNR, dB (held-out)"),
    ("lpips", "LPIPS, alex (held-out)"),
    ("clip_s", "CLIP-S (held-out)"),
    ("motion", "motion / true motion"),
)
WIDTH, HEIGHT, LEFT, TOP, GAP = 360, 220, 56, 30, 46
Series = dict[str, list[tuple[float, float]]]


def read_run(folder: Path) -> Series:
    """Figure -> (step, value) of a run's folder; a step that was done twice counts as it was done last.

    Raises InputError: no curve there, or one that cannot be read.
    """
    rows: dict[str, dict[float, float]] = {}
    files = [place / name for place in (folder, folder / "finetuning") for name in ("curve.jsonl", "validation.jsonl")]
    try:
        for path in (p for p in files if p.is_file()):
            for line in path.read_text("utf-8").splitlines():
                row = json.loads(line)
                for name, value in row.items():
                    if name != "step":
                        rows.setdefault(name, {})[float(row["step"])] = float(value)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            "The curve of a run cannot be read", where=folder, seen=error, expected="JSON lines"
        ) from error
    if not rows:
        raise InputError(
            "There is no curve of a training run",
            where=folder,
            seen="no curve.jsonl",
            expected="the out folder of svdmv train",
            next_step="svdmv train report RUN... -o curves.html",
        )
    return {name: sorted(values.items()) for name, values in rows.items()}


def curves_svg(runs: dict[str, Series]) -> str:
    """One panel a figure that any run has, one line a run."""
    panels = [(name, title) for name, title in PANELS if any(name in run for run in runs.values())]
    height = TOP + len(panels) * (HEIGHT + GAP) + 18 * len(runs)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" height="{height}" '
        'font-family="sans-serif" font-size="11">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for place, (name, title) in enumerate(panels):
        shown = {label: run[name] for label, run in runs.items() if name in run}
        parts += _panel(shown, title, list(runs), TOP + place * (HEIGHT + GAP))
    for number, label in enumerate(runs):
        y = height - 18 * (len(runs) - number) + 6
        color = COLORS[number % len(COLORS)]
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + 24}" y1="{y}" y2="{y}" stroke="{color}" stroke-width="2"/>')
        parts.append(f'<text x="{LEFT + 30}" y="{y + 4}">{html.escape(label)}</text>')
    return "\n".join([*parts, "</svg>"]) + "\n"


def _panel(shown: dict[str, list[tuple[float, float]]], title: str, labels: list[str], top: float) -> list[str]:
    finite = [(x, y) for points in shown.values() for x, y in points if math.isfinite(y)]
    if not finite:
        return []
    left, right = 0.0, max(x for x, _ in finite) or 1.0
    low, high = min(y for _, y in finite), max(y for _, y in finite)
    low, high = (low - 0.5, high + 0.5) if high - low < 1e-9 else (low, high)

    def at(x: float, y: float) -> str:
        return (
            f"{LEFT + (x - left) / (right - left) * WIDTH:.1f},{top + HEIGHT - (y - low) / (high - low) * HEIGHT:.1f}"
        )

    parts = [
        f'<text x="{LEFT}" y="{top - 8}" font-weight="bold">{html.escape(title)}</text>',
        f'<rect x="{LEFT}" y="{top}" width="{WIDTH}" height="{HEIGHT}" fill="none" stroke="#999"/>',
    ]
    for k in range(5):
        value, y = low + (high - low) * k / 4, top + HEIGHT - HEIGHT * k / 4
        parts.append(f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y}" y2="{y}" stroke="#eee"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end">{value:.3g}</text>')
        x = LEFT + WIDTH * k / 4
        parts.append(f'<text x="{x}" y="{top + HEIGHT + 13}" text-anchor="middle">{right * k / 4:g}</text>')
    for label, points in shown.items():
        color = COLORS[labels.index(label) % len(COLORS)]
        line = " ".join(at(x, y) for x, y in points if math.isfinite(y))
        parts.append(f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.6"/>')
        parts += [
            f'<circle cx="{p.split(",")[0]}" cy="{p.split(",")[1]}" r="2" fill="{color}"/>' for p in line.split()[-1:]
        ]
    return parts


def write_report(folders: Sequence[Path], path: Path) -> Path:
    """Draw the runs into FILE.svg or FILE.html. Raises InputError: no runs, no curves, another suffix."""
    if not folders or path.suffix not in (".svg", ".html"):
        raise InputError(
            "A report needs runs and a file",
            where="svdmv train report",
            seen=f"{len(folders)} runs, {path.name}",
            expected="one or more out folders, and -o FILE.svg or FILE.html",
            next_step="svdmv train report outputs/mini -o curves.html",
        )
    names = [folder.name if sum(f.name == folder.name for f in folders) == 1 else str(folder) for folder in folders]
    runs = {name: read_run(folder) for name, folder in zip(names, folders, strict=True)}
    svg = curves_svg(runs)
    if path.suffix == ".svg":
        write_text(path, svg)
        return path
    rows = [
        f"<tr><td>{html.escape(name)}</td><td>{figure}</td><td>{points[-1][0]:g}</td><td>{points[-1][1]:.4g}</td></tr>"
        for name, run in runs.items()
        for figure, points in run.items()
    ]
    table = "<table><tr><th>run</th><th>figure</th><th>last step</th><th>value</th></tr>" + "".join(rows) + "</table>"
    style = "body{font-family:sans-serif;margin:2em}td,th{padding:2px 12px;text-align:left}"
    page = f"<!doctype html><meta charset=utf-8><title>Training curves</title><style>{style}</style>{svg}{table}\n"
    write_text(path, page)
    return path
