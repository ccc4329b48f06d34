"""What an orbit costs and how close it comes to a path tracer: the rasteriser, Cycles and Mitsuba in one run.

    python benchmarks/render_quality.py --models FOLDER -o benchmarks/results/render_quality.json
    ... --timed-views 21 --reference-views 21 --reference-samples 1024      the whole thing: days of CPU time

FOLDER holds the scans named in SCENES (GLB). Cycles needs SVDMV_BLENDER (docs/guide/rendering.md), Mitsuba the extra
`reference`; a renderer that is not there is a row that says so. CPU seconds are user + system of all threads, compiling
left out. The rasteriser draws all 21 views, PNG encoding included, in a process of its own; the others draw
--timed-views of them and the rest is extrapolated from all but the first. PSNR: over the reference's foreground
(alpha > 0), 8-bit sRGB on white, mean over the reference views; the reference keeps its own noise, so high values are
lower bounds.
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
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from svdmv.core import Asset, MissingDependency, Orbit, ViewSet
from svdmv.io.atomic import write_json

NUM_VIEWS, ELEVATION_DEG, RADIUS = 21, 20.0, 1.75
REFERENCE_FIRST = 4  # the first view that is compared
# name: model (a scan, or shape:SEED:KIND), metallic, roughness (None = as shipped), light, shadings
SCENES: dict[str, tuple[str, float | None, float | None, str, tuple[str, ...]]] = {
    "matte scan": ("prl__lunchbox", None, None, "sky", ("matte",)),
    "plastic scan": ("urdf-scans__plastic_pear", 0.0, 0.35, "studio", ("pbr", "final")),
    "shiny metal": ("shape:11:teapot", 1.0, 0.2, "sky", ("pbr", "final")),
}


def asset_of(scene: str, models: Path) -> Asset:
    """The scene's object in a sphere of radius 0.5, with the scene's material."""
    from svdmv.dataset.shapes import shape_from_seed
    from svdmv.io.meshes import normalised, read_asset

    name, metallic, roughness, _, _ = SCENES[scene]
    if name.startswith("shape:"):
        _, seed, kind = name.split(":")
        asset = shape_from_seed(int(seed), kind)
    else:
        asset = read_asset(models / f"{name}.glb")
    if metallic is not None and roughness is not None:
        changed = {"metallic": metallic, "roughness": roughness, "metallic_roughness_linear": None}
        asset = replace(asset, materials=tuple(replace(m, **changed) for m in asset.materials))
    return normalised(asset, rule="bounding_sphere")[0]


def draw_one(scene: str, models: Path, size: int, shading: str, supersampling: int, out: Path) -> None:
    """One orbit by the rasteriser in this process: pixels to `out`, figures to standard output."""
    from svdmv.io.quick_png import quick_png_bytes
    from svdmv.render.light import light_from
    from svdmv.render.raster import prepare, render

    light = SCENES[scene][3]
    cameras = Orbit.static(ELEVATION_DEG, NUM_VIEWS, radius=RADIUS).cameras(size, size)
    light_from(light)
    render(prepare(asset_of(scene, models), light, shading=shading), cameras[0], supersampling=supersampling)
    clock = [time.process_time()]
    asset = asset_of(scene, models)
    clock.append(time.process_time())
    prepared = prepare(asset, light, shading=shading)
    clock.append(time.process_time())
    views = [render(prepared, c, supersampling=supersampling, with_geometry=False).rgba for c in cameras]
    clock.append(time.process_time())
    num_bytes = sum(len(quick_png_bytes(view)) for view in views)
    clock.append(time.process_time())
    np.save(out, np.stack(views))
    names = ("load_s", "light_s", "views_s", "png_s")
    figures: dict[str, Any] = {n: round(b - a, 3) for n, a, b in zip(names, clock, clock[1:], strict=False)}
    figures["orbit_cpu_s"] = round(clock[-1] - clock[0], 3)
    figures["peak_memory_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    figures["png_mb"] = round(num_bytes / 1e6, 3)
    figures["faces"] = len(prepared.scene.faces)
    figures["light_rays"] = 0 if prepared.baked is None else prepared.baked.num_rays
    figures["covered_samples"] = int(sum((view[..., 3] > 0).sum() for view in views)) * supersampling**2
    print(json.dumps(figures))


def foreground_psnr(views: np.ndarray, reference: np.ndarray) -> float:
    """Mean over views of the PSNR of RGBA bytes (N, H, W, 4) on white, where the reference covers anything."""
    scores = []
    for a, b in zip(views.astype(np.float64) / 255, reference.astype(np.float64) / 255, strict=True):
        white_a, white_b = (x[..., :3] * x[..., 3:] + 1 - x[..., 3:] for x in (a, b))
        error = ((white_a - white_b)[b[..., 3] > 0] ** 2).mean()
        scores.append(-10 * np.log10(max(error, 1e-12)))
    return round(float(np.mean(scores)), 2)


def by_rasteriser(scene: str, options: argparse.Namespace, folder: Path) -> list[tuple[dict[str, Any], np.ndarray]]:
    """All shadings of a scene with 2 x 2 and 3 x 3 samples."""
    rows = []
    for shading in SCENES[scene][4]:
        for supersampling in (2,) if shading == "pbr" else (2, 3):
            out = folder / "views.npy"
            words = ["--one", scene, "--shading", shading, "--supersampling", str(supersampling), "-o", str(out)]
            words += ["--models", str(options.models), "--size", str(options.size)]
            done = subprocess.run(
                [sys.executable, __file__, *words], check=True, capture_output=True, text=True, env=os.environ
            )
            row = {"renderer": f"raster {shading}", "samples": f"{supersampling}x{supersampling}"}
            rows.append((row | json.loads(done.stdout), np.load(out)))
    return rows


def extrapolated(seconds: list[float], load: float) -> float:
    """CPU seconds of the orbit from those of a few views; the first also sets things up."""
    later = float(np.mean(seconds[1:])) if len(seconds) > 1 else seconds[0]
    return round(load + seconds[0] + later * (NUM_VIEWS - 1), 1)


def by_cycles(asset: Asset, light: str, shading: str, cameras: Any, samples: int, denoise: bool) -> ViewSet:
    """Views by Cycles on the cores of this process."""
    from svdmv.render import cycles

    threads = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 1
    return cycles.render_views(
        asset,
        cameras,
        light=light,
        shading=shading,
        with_geometry=False,
        samples=samples,
        denoise=denoise,
        threads=threads,
    )


def scene_rows(scene: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything about one scene."""
    from svdmv.render import mitsuba

    light, shading = SCENES[scene][3], SCENES[scene][4][0]
    asset = asset_of(scene, options.models)
    cameras = Orbit.static(ELEVATION_DEG, NUM_VIEWS, radius=RADIUS).cameras(options.size, options.size)
    every = max(1, NUM_VIEWS // max(options.reference_views, options.timed_views))
    chosen = [
        (REFERENCE_FIRST + k * every) % NUM_VIEWS for k in range(max(options.reference_views, options.timed_views))
    ]
    compared, timed = chosen[: options.reference_views], chosen[: options.timed_views]
    rows: list[dict[str, Any]] = []
    drawn = by_rasteriser(scene, options, folder)
    say(f"{scene}: rasteriser done")
    truth = by_cycles(asset, light, shading, [cameras[k] for k in compared], options.reference_samples, False)
    say(f"{scene}: reference done")
    reference = truth.rgba_u8()
    for row, views in drawn:
        rows.append(row | {"psnr_db": foreground_psnr(views[compared], reference)})
    views = by_cycles(asset, light, shading, [cameras[k] for k in timed], options.cycles_samples, True)
    told, count = views.provenance, min(len(timed), len(compared))
    rows.append(
        {
            "renderer": "cycles " + told["blender"],
            "samples": f"{options.cycles_samples} + denoiser",
            "orbit_cpu_s": extrapolated(told["view_cpu_s"], told["load_cpu_s"]),
            "views_timed": len(timed),
            "peak_memory_mb": round(told["peak_memory_mb"]),
            "psnr_db": foreground_psnr(views.rgba_u8()[:count], reference[:count]),
        }
    )
    try:
        seconds, mark = [], [time.process_time()]

        def note(stage: str, done: int, total: int) -> None:
            if stage == "views":
                seconds.append(time.process_time() - mark[0])
            mark[0] = time.process_time()

        views = mitsuba.render_views(
            asset,
            [cameras[k] for k in timed],
            light=light,
            shading=shading,
            with_geometry=False,
            samples=options.mitsuba_samples,
            report=note,
        )
        rows.append(
            {
                "renderer": f"mitsuba {views.provenance['version']} {views.provenance['variant']}",
                "samples": str(options.mitsuba_samples),
                "orbit_cpu_s": extrapolated(seconds, 0.0),
                "views_timed": len(timed),
                "psnr_db": foreground_psnr(views.rgba_u8()[:count], reference[:count]),
            }
        )
    except MissingDependency as error:
        rows.append({"renderer": "mitsuba", "not_run": error.one_line()})
    say(f"{scene}: done")
    name, metallic, roughness, _, _ = SCENES[scene]
    about = {"object": name, "metallic": metallic, "roughness": roughness, "light": light, "views_compared": compared}
    return about | {"reference_cpu_s_per_view": truth.provenance["view_cpu_s"], "rows": rows}


def say(text: str) -> None:
    """Progress, with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def command_of(words: list[str]) -> str:
    """The command line, without the paths of this machine."""
    known = {"--models": "FOLDER", "-o": "FILE", "--output": "FILE"}
    shown = [known.get(before, word) for before, word in zip(["", *words], words, strict=False)]
    return "python benchmarks/render_quality.py " + shlex.join(shown)


def processor() -> str:
    """Name of the processor."""
    path = Path("/proc/cpuinfo")
    lines = (
        [row for row in path.read_text("utf-8").splitlines() if row.startswith("model name")] if path.is_file() else []
    )
    return lines[0].partition(":")[2].strip() if lines else platform.processor()


def main() -> int:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, required=True)
    parser.add_argument("--size", type=int, default=576)
    parser.add_argument("--reference-samples", type=int, default=256)
    parser.add_argument("--reference-views", type=int, default=1)
    parser.add_argument("--timed-views", type=int, default=2)
    parser.add_argument("--cycles-samples", type=int, default=16)
    parser.add_argument("--mitsuba-samples", type=int, default=16)
    parser.add_argument("--scenes", nargs="*", default=list(SCENES))
    parser.add_argument("--remark", default="", help="what else the machine was doing")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    parser.add_argument("--shading", default="pbr", help=argparse.SUPPRESS)
    parser.add_argument("--supersampling", type=int, default=2, help=argparse.SUPPRESS)
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    if options.one:
        draw_one(options.one, options.models, options.size, options.shading, options.supersampling, options.output)
        return 0
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        scenes = {}
        for scene in options.scenes:
            scenes[scene] = scene_rows(scene, options, Path(name))
            result = {
                "what": "CPU seconds of a 21-view orbit and foreground PSNR against Cycles",
                "command": command_of(sys.argv[1:]),
                "date": datetime.now(UTC).strftime("%Y-%m-%d"),
                "size_px": options.size,
                "reference": f"Cycles, {options.reference_samples} spp, not denoised, views: {options.reference_views}",
                "orbit": {"views": NUM_VIEWS, "elevation_deg": ELEVATION_DEG, "radius": RADIUS},
                "scenes": scenes,
                "hardware": {
                    "cpu": processor(),
                    "cores_used": len(os.sched_getaffinity(0)),
                    "load": os.getloadavg()[0],
                },
                "versions": {n: version(n) for n in ("svdmv", "numpy", "numba", "embreex")},
                "remark": options.remark,
            }
            write_json(options.output, result)
            for row in scenes[scene]["rows"]:
                print(f"  {scene}: " + ", ".join(f"{k} {v}" for k, v in row.items()), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
