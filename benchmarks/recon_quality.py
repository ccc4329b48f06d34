"""Meshes from 21 views against the scans they show: hull and signed-distance fit, clean views and spoiled ones.

    python benchmarks/recon_quality.py --models FOLDER -o benchmarks/results/recon_quality.json
    ... --jobs clean,spoiled_2d      only these kinds        ... --objects A,B      only these scans

FOLDER holds the Google Scanned Objects named in OBJECTS (GLB). A run goes on from the rows that the result file already
holds, whatever code made them (each row names its commit); delete it to begin anew. Views: 256 px, ring of 21, fov
33.8 degrees, object in a sphere of radius 0.5, own rasteriser, base colour times the studio light (matte). Every mesh
is cleaned and brought to
at most 20,000 faces as `svdmv reconstruct` does it, and judged by svdmv.geometry.mesh_metrics: distances to triangles,
only surface seen from outside counts. Chamfer is in percent of the longest side. PSNR: textured asset (1024 px) against
true views on white, whole picture: `ring` = 6 azimuths between the inputs, `off` = elevations -10, 40, 60. CPU seconds:
user + system of all threads for reconstruction and mesh clean-up, and apart for texture and atlas; compiling left out.
No setting was chosen on these scans for this run. TUNED were looked at when the first prototype was made: a row of
their own. HOLLOW have open cavities that a ring of views hardly sees into.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from recon_spoil import spoiled_2d, spoiled_3d

from svdmv.asset import textured_asset
from svdmv.asset.cleanup import cleaned_mesh
from svdmv.core import Asset, Orbit, ViewSet
from svdmv.geometry.mesh_metrics import TrueSurface
from svdmv.geometry.topology import closed_after_merging
from svdmv.io.atomic import write_json
from svdmv.io.meshes import normalised, read_asset
from svdmv.reconstruct import reconstruct_mesh
from svdmv.render import render_views

SOLID = (
    "Schleich_Lion_Action_Figure", "Nintendo_Yoshi_Action_Figure", "Sootheze_Toasty_Orca",
    "Thomas_Friends_Wooden_Railway_Porter_5JzRhMm3a9o", "Schleich_African_Black_Rhino", "Android_Figure_Chrome",
    "Android_Figure_Orange", "Android_Lego", "Animal_Planet_Foam_2Headed_Dragon", "Breyer_Horse_Of_The_Year_2015",
    "Cole_Hardware_Hammer_Black", "Craftsman_Grip_Screwdriver_Phillips_Cushion", "Crayola_Crayons_24_count",
    "Kong_Puppy_Teething_Rubber_Small_Pink", "Nickelodeon_Teenage_Mutant_Ninja_Turtles_Raphael",
    "Schleich_Bald_Eagle", "Schleich_S_Bayala_Unicorn_70432", "Schleich_Spinosaurus_Action_Figure",
    "Schleich_Therizinosaurus_ln9cruulPqc", "SpiderMan_Titan_Hero_12Inch_Action_Figure_oo1qph4wwiW",
    "TURBOPROP_AIRPLANE_WITH_PILOT", "Wishbone_Pencil_Case",
)  # fmt: skip
TUNED = (
    "SCHOOL_BUS", "Sonny_School_Bus", "Dino_3", "Dino_5", "Nintendo_Mario_Action_Figure", "Android_Figure_Panda",
)  # fmt: skip
HOLLOW = (
    "Cole_Hardware_School_Bell_Solid_Brass_38",
    "Room_Essentials_Mug_White_Yellow",
    "Now_Designs_Bowl_Akita_Black",
)
OBJECTS = {"solid": SOLID, "tuned": TUNED, "hollow": HOLLOW}
SIZE_PX, NUM_VIEWS, RADIUS, FOV_DEG, ELEVATION_DEG = 256, 21, 1.75, 33.8, 15.0
FACES, TEXTURE_PX, SEED = 20_000, 1024, 0
ELEVATIONS_DEG = (-5.0, 0.0, 30.0)
METHODS: dict[str, dict[str, Any]] = {
    "hull": {"method": "hull"},
    "sdf": {"method": "sdf"},
    "sdf, alignment off": {"method": "sdf", "align": False, "steps": (120, 240, 100)},  # as many steps as with it
    "sdf, normals given": {"method": "sdf", "use_depths": False},
}
JOBS = {
    "clean": ("hull", "sdf"),
    "spoiled_2d": ("hull", "sdf, alignment off", "sdf"),
    "spoiled_3d": ("hull", "sdf, alignment off", "sdf"),
    "elevation": ("hull", "sdf"),
    "normals": ("sdf, normals given",),
}


def ring(elevation_deg: float, num_views: int = NUM_VIEWS, *, first_deg: float = 0.0) -> Orbit:
    """Views evenly around at one elevation."""
    azimuths = (first_deg + 360 * np.arange(num_views) / num_views) % 360
    return Orbit(azimuths, np.full(num_views, elevation_deg), radius=RADIUS, fov_y_deg=FOV_DEG)


def shots(asset: Asset, orbit: Orbit, *, geometry: bool = False) -> ViewSet:
    """True views."""
    cameras = orbit.cameras(SIZE_PX, SIZE_PX)
    return render_views(asset, cameras, orbit=orbit, shading="matte", with_geometry=geometry)


def views_for(asset: Asset, job: str, elevation_deg: float) -> ViewSet:
    """The views that a method gets."""
    views = shots(asset, ring(elevation_deg), geometry=job == "normals")
    if job == "spoiled_2d":
        return spoiled_2d(views, SEED)
    if job == "spoiled_3d":
        return spoiled_3d(asset, views, SEED)
    return views


def mean_psnr_db(one: ViewSet, two: ViewSet) -> float:
    """Mean over the views of the PSNR of whole pictures on white."""
    errors = ((one.on_background() - two.on_background()) ** 2).mean((1, 2, 3))
    return float(np.mean(-10 * np.log10(np.maximum(errors, 1e-10))))


def asset_psnr_db(made: Asset, true: Asset, elevation_deg: float) -> dict[str, float]:
    """Textured asset against true views between the inputs and off the ring."""
    off = Orbit(10.0 + 60 * np.arange(6), np.tile([-10.0, 40.0, 60.0], 2), radius=RADIUS, fov_y_deg=FOV_DEG)
    out = {}
    for name, orbit in (("ring", ring(elevation_deg, 6, first_deg=180 / NUM_VIEWS)), ("off", off)):
        cameras = orbit.cameras(SIZE_PX, SIZE_PX)
        ours = render_views(made, cameras, orbit=orbit, shading="unlit", with_geometry=False)
        out[f"psnr_{name}_db"] = round(mean_psnr_db(ours, shots(true, orbit)), 3)
    return out


def one_row(
    asset: Asset, truth: TrueSurface, views: ViewSet, job: str, elevation_deg: float, method: str, *, texture: bool
) -> dict[str, Any]:
    """One method on one set of views."""
    begun, wall = time.process_time(), time.perf_counter()
    made = reconstruct_mesh(views, **METHODS[method])
    mesh, _ = cleaned_mesh(made.mesh, faces=FACES)
    seconds = {"cpu_s": round(time.process_time() - begun, 2), "wall_s_busy": round(time.perf_counter() - wall, 2)}
    scores = truth.scores(mesh.vertices, mesh.faces)
    row = {
        "job": job,
        "elevation_deg": elevation_deg,
        "method": method,
        "chamfer_percent": round(100 * scores.chamfer, 4),
        "f1_percent": round(100 * scores.f_score, 3),
        "normal_consistency": round(scores.normal_consistency, 4),
        "volume_iou": round(scores.volume_iou, 4),
        "faces": len(mesh.faces),
        "closed": closed_after_merging(mesh.vertices.astype(np.float32), mesh.faces),
        **seconds,
    }
    if texture:
        begun = time.process_time()
        final = textured_asset(made.mesh, made.views, faces=FACES, texture_size=TEXTURE_PX)
        row["texture_cpu_s"] = round(time.process_time() - begun, 2)
        row |= asset_psnr_db(final, asset, elevation_deg)
    return row


def plan(kinds: list[str], names: list[str] | None) -> Iterator[tuple[str, str, str, float]]:
    """(group, object, job, elevation) in the order in which they matter; costly kinds on scans spread over the list."""
    spread = [*SOLID[::3], *SOLID[1::3], *SOLID[2::3]]
    order = [(group, name, "clean", ELEVATION_DEG) for group, names in OBJECTS.items() for name in names]
    order += [("solid", name, job, ELEVATION_DEG) for name in spread[:8] for job in ("spoiled_2d", "spoiled_3d")]
    order += [("solid", name, "elevation", degrees) for name in spread for degrees in ELEVATIONS_DEG]
    order += [("solid", name, "normals", ELEVATION_DEG) for name in spread]
    order += [("solid", name, job, ELEVATION_DEG) for name in spread[8:] for job in ("spoiled_2d", "spoiled_3d")]
    for group, name, job, degrees in order:
        if job in kinds and (names is None or name in names):
            yield group, name, job, degrees


def peak_memory_mb(models: Path, name: str) -> dict[str, float]:
    """Peak resident memory of a fresh process that reads views and makes one mesh, for each method."""
    out = {}
    for method in ("hull", "sdf"):
        command = [sys.executable, __file__, "--models", str(models), "--alone", f"{name}:{method}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        out[method] = float(done.stdout.split()[-1])
    return out


def alone(models: Path, name: str, method: str) -> None:
    """One mesh in this process; peak memory in MB to standard output. Rendering comes first and is smaller."""
    asset, _ = normalised(read_asset(models / f"{name}.glb"), rule="bounding_sphere")
    reconstruct_mesh(shots(asset, ring(ELEVATION_DEG)), **METHODS[method])
    print(round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1))


def warm_up(asset: Asset) -> None:
    """Compile everything on small views."""
    orbit = ring(10.0, 6)
    views = render_views(asset, orbit.cameras(48, 48), orbit=orbit, shading="matte")
    for settings in METHODS.values():
        quick = {"steps": (2, 2, 2), "resolution": 32} if settings["method"] == "sdf" else {}
        made = reconstruct_mesh(views, **{**settings, **quick})
    textured_asset(made.mesh, made.views, faces=500, texture_size=64)


def commit_now() -> str:
    """Of the code, short; empty outside git."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def header() -> dict[str, Any]:
    """What the rows were made with; each row names its commit."""
    packages = ("svdmv", "numpy", "scipy", "numba", "scikit-image", "fast-simplification", "manifold3d")
    return {
        "command": shlex.join(["python", "benchmarks/recon_quality.py", "--models", "FOLDER", *sys.argv[3:]]),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
        "hardware": f"{platform.machine()}, {os.cpu_count()} cores shared with other work, no GPU",
        "threads": int(os.environ.get("NUMBA_NUM_THREADS", "0")) or os.cpu_count(),
        "settings": {
            "size_px": SIZE_PX, "views": NUM_VIEWS, "faces": FACES, "texture_px": TEXTURE_PX, "seed": SEED,
            "elevation_deg": ELEVATION_DEG, "methods": METHODS,
        },
        "groups": {group: list(names) for group, names in OBJECTS.items()},
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, default=Path("benchmarks/results/recon_quality.json"))
    parser.add_argument("--jobs", default=",".join(JOBS))
    parser.add_argument("--objects")
    parser.add_argument("--alone", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.alone:
        alone(chosen.models, *chosen.alone.split(":"))
        return
    result = json.loads(chosen.out.read_text()) if chosen.out.exists() else {**header(), "rows": []}
    done = {(r["object"], r["job"], r["elevation_deg"], r["method"]) for r in result["rows"]}
    names = chosen.objects.split(",") if chosen.objects else None
    warm, commit = False, commit_now()
    for group, name, job, degrees in plan(chosen.jobs.split(","), names):
        missing = [m for m in JOBS[job] if (name, job, degrees, m) not in done]
        if not missing:
            continue
        asset, _ = normalised(read_asset(chosen.models / f"{name}.glb"), rule="bounding_sphere")
        if not warm:
            warm_up(asset)
            warm = True
        truth = TrueSurface(asset.mesh.vertices, asset.mesh.faces)
        views = views_for(asset, job, degrees)
        for method in missing:
            textured = job == "clean" or (job == "elevation" and method == "sdf")
            row = one_row(asset, truth, views, job, degrees, method, texture=textured)
            result["rows"].append({"object": name, "group": group, **row, "commit": commit})
            write_json(chosen.out, result)
            print(name, row, flush=True)
    if "peak_memory_mb" not in result:
        result["peak_memory_mb"] = peak_memory_mb(chosen.models, SOLID[0])
        write_json(chosen.out, result)


if __name__ == "__main__":
    main()
