"""What another program needs to answer a suite: input pictures, cameras in its convention, and the commands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.bench.foreign import Program, program
from svdmv.bench.references import reference_views
from svdmv.bench.suite import Suite, Track
from svdmv.core import InputError
from svdmv.io.atomic import write_json, write_text
from svdmv.io.pictures import write_png

Report = Callable[[str, int, int], None]


def write_inputs(
    suite: Suite, name: str, out: Path, data: Path | None, cache: Path | None, report: Report | None = None
) -> list[str]:
    """Write OUT/TRACK/OBJECT.png (RGBA, the only view that is given away), OUT/TRACK/cameras.json, OUT/commands.sh.

    EscherNet gets its own data set's folders instead. Returns warnings: cameras that the program cannot draw.

    Raises:
        ConfigError: unknown program. InputError: the folder is not empty, or an object is not at hand.
    """
    told = program(name)
    if out.exists() and any(out.iterdir()):
        raise InputError("The output folder is not empty", where=out, expected="a new folder", next_step="-o FOLDER")
    lines = ["set -e", f"# {told.source}; run in its repository, paths made absolute", 'IN="$1" OUT="$2"']
    for track in suite.tracks:
        write_json(out / track.name / "cameras.json", {"program": name, "views": told.told(track, suite)})
        if told.once:
            lines.append(told.once.format(folder=f'"$IN/{track.name}"', output=f'"$OUT/{track.name}"'))
    for done, item in enumerate(suite.objects):
        if report is not None:
            report(item.name, done, len(suite.objects))
        for track_name, views in reference_views(suite, item, data, cache).items():
            track = next(t for t in suite.tracks if t.name == track_name)
            given = views.rgba_u8()[track.input_view]
            folder = out / track.name
            if name == "eschernet":
                _write_eschernet(folder / item.name / "render_mvs_25" / "model", given, told, track, suite)
            else:
                write_png(folder / f"{item.name}.png", given)
            if told.command:
                lines.append(_command(told, track, suite, item.name))
    write_text(out / "commands.sh", "\n".join(lines) + "\n")
    if suite.name in told.suites:
        return []
    return [f"{name} does not draw the cameras of {suite.name}; it has its own: {', '.join(told.suites)}"]


def _command(told: Program, track: Track, suite: Suite, name: str) -> str:
    rows = told.told(track, suite)
    filled: dict[str, Any] = {
        "input": f'"$IN/{track.name}/{name}.png"',
        "folder": f'"$IN/{track.name}"',
        "name": name,
        "output": '"$OUT"',
        "elevation": f"{track.elevation_deg:g}",
    }
    if "azimuth_deg" in rows[0]:
        filled["elevations"] = _listed([row["elevation_deg"] for row in rows])
        filled["azimuths"] = _listed([row["azimuth_deg"] for row in rows])
        filled["name"] = f"{name}/{track.name}"
    return told.command.format(**filled)


def _listed(values: list[float]) -> str:
    return "[" + ",".join(f"{v:.6g}" for v in values) + "]"


def _write_eschernet(folder: Path, given: np.ndarray, told: Program, track: Track, suite: Suite) -> None:
    """000.png and poses 000.npy to 024.npy; the other pictures, which its script reads to show them, are the input."""
    folder.mkdir(parents=True)
    for n, row in enumerate(told.told(track, suite)):
        write_png(folder / f"{n:03d}.png", given)
        np.save(folder / f"{n:03d}.npy", np.array(row["camera_from_world"], np.float32))
