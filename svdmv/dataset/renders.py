"""From 3D objects to an orbit store: every object ends as a row of the ledger, rendered or failed with a reason.

Restartable: finished objects are kept, a slice of work stops after `minutes`. Elevations and light are drawn from the
object's id, so the result does not depend on order, worker count or restarts.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.core import DataError, Orbit, SvdmvError
from svdmv.dataset.object_source import ObjectSource
from svdmv.dataset.objects import asset_from_location
from svdmv.io.atomic import whole_file, write_json


@dataclass(frozen=True)
class OrbitRendering:
    """The rule of the renders: world (bounding sphere of radius 0.5), lens, orbits an object, lights, picture size.

    `lights` names environments; a repeated name is drawn more often.
    """

    size: int = 64
    num_views: int = 21
    orbits_per_object: int = 4
    elevation_range_deg: tuple[float, float] = (-5.0, 30.0)
    radius: float = 1.75
    fov_y_deg: float = 33.8
    supersampling: int = 3
    lights: tuple[str, ...] = ("studio", "studio", "overcast")
    least_coverage: float = 0.005


def drawn_for(id_: str, rule: OrbitRendering) -> tuple[list[float], str]:
    """Elevations (degrees) and light of one object: a function of its id."""
    rng = np.random.default_rng(int(hashlib.sha256(id_.encode()).hexdigest()[:15], 16))
    elevations = [round(float(e), 3) for e in rng.uniform(*rule.elevation_range_deg, rule.orbits_per_object)]
    return elevations, rule.lights[int(rng.integers(len(rule.lights)))]


def rendered_orbits(item: ObjectSource, rule: OrbitRendering) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """(K, V, S, S, 4) uint8. Raises SvdmvError when the object cannot be used."""
    from svdmv.io.meshes import normalised
    from svdmv.render import render_views

    asset, _ = normalised(asset_from_location(item.location), rule="bounding_sphere")
    elevations, light = drawn_for(item.id, rule)
    orbits = [Orbit.static(e, rule.num_views, radius=rule.radius, fov_y_deg=rule.fov_y_deg) for e in elevations]
    cameras = [camera for orbit in orbits for camera in orbit.cameras(rule.size, rule.size)]
    views = render_views(asset, cameras, light=light, supersampling=rule.supersampling, with_geometry=False)
    rgba = views.rgba_u8().reshape(len(orbits), rule.num_views, rule.size, rule.size, 4)
    coverage = float((rgba[..., 3] > 127).mean())
    if coverage < rule.least_coverage:
        raise DataError(
            "Nearly nothing of the object is visible",
            where=item.id,
            seen=f"{coverage:.4f} of the pictures",
            expected=f"at least {rule.least_coverage}",
        )
    return rgba


def _job(task: tuple[ObjectSource, OrbitRendering, Path]) -> dict[str, Any]:
    item, rule, target = task
    began = time.process_time()
    try:
        rgba = rendered_orbits(item, rule)
        with whole_file(target) as temporary, temporary.open("wb") as file:
            np.save(file, rgba)
    except SvdmvError as error:
        return {"id": item.id, "status": "failed", "reason": error.one_line()}
    except Exception as error:  # a ledger names every failure, ours too; the run goes on
        return {"id": item.id, "status": "crash", "reason": f"{type(error).__name__}: {error}"[:300]}
    return {"id": item.id, "status": "ok", "cpu_s": round(time.process_time() - began, 3)}


def render_parts(
    items: Sequence[ObjectSource],
    rule: OrbitRendering,
    folder: Path,
    *,
    workers: int = 2,
    minutes: float = 1e9,
    report: Callable[[int, int], None] | None = None,
) -> bool:
    """Render what is missing into folder/parts/ID.npy; ledger.jsonl gets a row an object. True when all are done."""
    from multiprocessing import get_context

    from svdmv.render.light import light_from

    parts = folder / "parts"
    parts.mkdir(parents=True, exist_ok=True)
    failed = {row["id"] for row in ledger_rows(folder) if row["status"] != "ok"}
    todo = [i for i in items if i.id not in failed and not (parts / f"{i.id}.npy").is_file()]
    for name in sorted(set(rule.lights)) if todo else ():
        light_from(name)  # prefiltered once, on disk, before the workers ask for it
    began, done = time.monotonic(), len(items) - len(todo)
    if not todo:
        return True
    with get_context("spawn").Pool(workers) as pool, (folder / "ledger.jsonl").open("a", encoding="utf-8") as ledger:
        tasks = ((item, rule, parts / f"{item.id}.npy") for item in todo)
        for row in pool.imap_unordered(_job, tasks, chunksize=2):
            ledger.write(json.dumps(row) + "\n")
            ledger.flush()
            done += 1
            if report is not None:
                report(done, len(items))
            if time.monotonic() - began > minutes * 60:
                pool.terminate()
                break
    return done == len(items)


def ledger_rows(folder: Path) -> list[dict[str, Any]]:
    """Rows of folder/ledger.jsonl, in the order they happened; a row cut off by a kill is left out."""
    path = folder / "ledger.jsonl"
    rows = []
    for line in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def assemble(items: Sequence[ObjectSource], rule: OrbitRendering, folder: Path) -> None:
    """Join folder/parts into orbits.npy and index.json, in the order of `items`; failed objects are named rows."""
    reasons = {row["id"]: row["reason"] for row in ledger_rows(folder) if row["status"] != "ok"}
    present = [item for item in items if (folder / "parts" / f"{item.id}.npy").is_file()]
    missing = [item.id for item in items if item not in present and item.id not in reasons]
    if missing or not present:
        raise DataError(
            "Objects are neither rendered nor failed",
            where=folder,
            seen=f"{len(missing)}: {missing[:3]}",
            expected="a finished rendering",
            next_step="run the rendering again; it goes on",
        )
    rows: list[dict[str, Any]] = []
    with whole_file(folder / "orbits.npy") as temporary:
        shape = (len(present) * rule.orbits_per_object, rule.num_views, rule.size, rule.size, 4)
        out = np.lib.format.open_memmap(temporary, "w+", np.uint8, shape)
        for n, item in enumerate(present):
            start = n * rule.orbits_per_object
            out[start : start + rule.orbits_per_object] = np.load(
                folder / "parts" / f"{item.id}.npy", allow_pickle=False
            )
            elevations, light = drawn_for(item.id, rule)
            rows += [{"id": item.id, "elevation_deg": e, "light": light} for e in elevations]
        out.flush()
        del out
    objects = [asdict(item) for item in present]
    write_json(folder / "index.json", {"rule": asdict(rule), "orbits": rows, "objects": objects, "failed": reasons})
