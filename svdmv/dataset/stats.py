"""Distributions of a data set: bars for the terminal, one HTML page for people. No network, no scripts in the page."""

from __future__ import annotations

import html
import json
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from svdmv.core import DataError
from svdmv.dataset.manifest import OBJECTS_FILE, Manifest
from svdmv.io.atomic import write_text

NUM_BINS = 12


@dataclass(frozen=True)
class Distribution:
    """counts: label -> how many. A distribution of numbers has its bins in order, one of names its largest first."""

    title: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class DatasetStats:
    """Totals and distributions of a data set."""

    folder: Path
    totals: tuple[tuple[str, str], ...]
    distributions: tuple[Distribution, ...]


def dataset_stats(folder: Path) -> DatasetStats:
    """Read manifest and objects. Raises DataError: absent, damaged or of another version."""
    manifest = Manifest.open(folder)
    try:
        objects = [json.loads(line) for line in (folder / OBJECTS_FILE).read_text("utf-8").splitlines()]
        ends = Counter(f"{row['status']} {row['reason']}".strip() for row in objects)
        licences = Counter(row["licence"] for row in objects if row["status"] == "rendered")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(
            "The list of objects cannot be read",
            where=folder / OBJECTS_FILE,
            seen=error,
            expected="a finished output of svdmv data build",
            next_step=f"svdmv data check data={folder}",
        ) from error
    samples, rule, (height, width) = manifest.samples, manifest.rule, manifest.shape
    size = sum(row["bytes"] for row in manifest.head["shards"])
    totals = (
        ("objects", f"{len(objects)}, {manifest.head['num_objects']} of them rendered"),
        ("orbits", f"{len(samples)}, {rule['kind']}, {rule['num_views']} views of {width}x{height} px"),
        (
            "bytes",
            f"{size / 1e6:.1f} MB in {len(manifest.head['shards'])} shards, {size / max(len(samples), 1):.0f} an orbit",
        ),
    )
    columns = {
        "elevation of view 0, degrees": [s["elevation_deg"] for s in samples],
        "exposure, stops": [s["exposure_stops"] for s in samples],
        "turn of the object, degrees": [s["object_yaw_deg"] for s in samples],
        "turn of the light, degrees": [s["light_yaw_deg"] for s in samples],
        "camera distance": [s["radius"] for s in samples],
        "coverage, smallest view": [s["coverage"][0] for s in samples],
        "coverage, largest view": [s["coverage"][1] for s in samples],
        "bytes of an orbit": [float(s["length"]) for s in samples],
    }
    return DatasetStats(
        folder,
        totals,
        (
            Distribution("objects by end", tuple(ends.most_common())),
            Distribution("licences of what is rendered", tuple(licences.most_common())),
            Distribution("light", tuple(Counter(s["light"] or "as recorded" for s in samples).most_common())),
            *(Distribution(title, binned([v for v in values if v is not None])) for title, values in columns.items()),
        ),
    )


def binned(values: Sequence[float], num_bins: int = NUM_BINS) -> tuple[tuple[str, int], ...]:
    """Equal bins from the least to the greatest value, each with its lower bound as label; one bin for one value."""
    if not values:
        return ()
    low, high = min(values), max(values)
    if low == high:
        return ((f"{low:.4g}", len(values)),)
    width = (high - low) / num_bins
    counts = [0] * num_bins
    for value in values:
        counts[min(int((value - low) / width), num_bins - 1)] += 1
    return tuple((f"{low + n * width:.4g}", count) for n, count in enumerate(counts))


def text_from_stats(stats: DatasetStats) -> str:
    """Totals and bars, 72 columns wide."""
    lines = [f"{name:<10}{value}" for name, value in stats.totals]
    for part in stats.distributions:
        most = max((count for _, count in part.counts), default=1)
        lines += ["", part.title]
        for label, count in part.counts:
            bar = "#" * math.ceil(36 * count / most)
            lines.append(f"  {label[:22]:>22} {bar:<36} {count}")
    return "\n".join(lines)


def write_stats_page(path: Path, stats: DatasetStats) -> None:
    """One HTML file, drawn without scripts. Raises InputError: the disk refuses."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(value)}</td></tr>" for name, value in stats.totals
    )
    drawings = "".join(_drawing(part) for part in stats.distributions)
    write_text(
        path,
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">'
        f"<title>{html.escape(stats.folder.name)}</title><style>{_STYLE}</style>"
        f"<h1>{html.escape(stats.folder.name)}</h1><table>{rows}</table><main>{drawings}</main></html>\n",
    )


_STYLE = (
    "body{font:15px/1.4 system-ui,sans-serif;margin:2rem;color:#222;background:#fff}"
    "main{display:flex;flex-wrap:wrap;gap:1.5rem}figure{margin:0}figcaption{font-weight:600;margin-bottom:.3rem}"
    "th{text-align:left;padding-right:1rem}svg text{font-size:11px;fill:#444}rect{fill:#4a7ab5}"
)


def _drawing(part: Distribution) -> str:
    most = max((count for _, count in part.counts), default=1)
    bars = "".join(
        f'<text x="138" y="{18 * n + 13}" text-anchor="end">{html.escape(label[:24])}</text>'
        f'<rect x="144" y="{18 * n + 3}" width="{200 * count / most:.1f}" height="13"/>'
        f'<text x="{150 + 200 * count / most:.1f}" y="{18 * n + 13}">{count}</text>'
        for n, (label, count) in enumerate(part.counts)
    )
    height = 18 * max(len(part.counts), 1) + 4
    return (
        f"<figure><figcaption>{html.escape(part.title)}</figcaption>"
        f'<svg width="400" height="{height}" role="img">{bars}</svg></figure>'
    )
