"""What an orbit costs and how close it comes to a path tracer: the rasteriser, Cycles and Mitsuba in one run.

    python benchmarks/render_quality.py --models FOLDER -o benchmarks/results/render_quality.json
    ... --timed-views 21 --reference-views 21      the whole thing: hours of CPU time

FOLDER holds the scans named in SCENES (GLB). Cycles needs SVDMV_BLENDER (docs/guide/rendering.md), Mitsuba the extra
`reference`; a renderer that is not there is a row that says so. CPU seconds are user + system of all threads, compiling
left out. The rasteriser draws all 21 views, PNG encoding included, in a process of its own; the others draw
--timed-views of them and the rest is extrapolated from all but the first. Reference views are made one at a time and
kept in --references, so a run can be stopped and continued; --reference-views 0 takes those that are there. PSNR: on
the reference's foreground (alpha > 0), 8-bit sRGB on white, mean over the reference views; the reference keeps its own
noise, so high values are lower bounds.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
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
from svdmv.io.stages import peak_memory_mb

NUM_VIEWS, ELEVATION_DEG, RADIUS = 21, 20.0, 1.75
VIEW_ORDER = tuple((4 + 9 * k + k // 7) % NUM_VIEWS for k in range(NUM_VIEWS))  # the first few are spread over it
# name: model (a scan, or shape:SEED:KIND), metallic, roughness (None = as shipped), light and the degrees that it is
# turned, shadings. The renderer was tuned on other models and other turns of the lights.
SCENES: dict[str, tuple[str, float | None, float | None, str, float, tuple[str, ...]]] = {
    "matte scan": ("Schleich_Spinosaurus_Action_Figure", None, None, "studio", 137.0, ("matte",)),
    "plastic scan": ("Schleich_S_Bayala_Unicorn_70432", 0.0, 0.35, "sky", 200.0, ("pbr", "final")),
    "shiny metal": ("Cole_Hardware_Hammer_Black", 1.0, 0.2, "studio", 61.0, ("pbr", "final")),
    "bright metal": ("Android_Figure_Chrome", 1.0, 0.2, "sky", 120.0, ("pbr", "final")),
}


def asset_of(scene: str, models: Path) -> Asset:
    """The scene's object in a sphere of radius 0.5, with the scene's material."""
    from svdmv.dataset.shapes import shape_from_seed
    from svdmv.io.meshes import normalised, read_asset

    name, metallic, roughness, *_ = SCENES[scene]
    if name.startswith("shape:"):
        _, seed, kind = name.split(":")
        asset = shape_from_seed(int(seed), kind)
    else:
        asset = read_asset(models / f"{name}.glb")
    if metallic is not None and roughness is not None:
        changed = {"metallic": metallic, "roughness": roughness, "metallic_roughness_linear": None}
        asset = replace(asset, materials=tuple(replace(m, **changed) for m in asset.materials))
    return normalised(asset, rule="bounding_sphere")[0]


def light_of(scene: str) -> np.ndarray:
    """The scene's light map, turned."""
    from svdmv.render.environment import environment_map

    plain = environment_map(SCENES[scene][3])
    return np.ascontiguousarray(np.roll(plain, round(SCENES[scene][4] / 360 * plain.shape[1]), axis=1))


def draw_one(scene: str, models: Path, size: int, shading: str, supersampling: int, out: Path) -> None:
    """One orbit by the rasteriser in this process: pixels to `out`, figures to standard output."""
    from svdmv.io.quick_png import quick_png_bytes
    from svdmv.render.light import light_from
    from svdmv.render.raster import prepare, render

    light = light_of(scene)
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
    figures["peak_memory_mb"] = round(peak_memory_mb())
    figures["png_mb"] = round(num_bytes / 1e6, 3)
    figures["faces"] = len(prepared.scene.faces)
    figures["light_rays"] = 0 if prepared.baked is None else prepared.baked.num_rays
    figures["covered_samples"] = int(sum((view[..., 3] > 0).sum() for view in views)) * supersampling**2
    print(json.dumps(figures))


def closeness(views: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """Mean and least over views of the PSNR of bytes (N, H, W, 4) on white, where the reference covers anything."""
    scores = []
    for a, b in zip(views.astype(np.float64) / 255, reference.astype(np.float64) / 255, strict=True):
        white_a, white_b = (x[..., :3] * x[..., 3:] + 1 - x[..., 3:] for x in (a, b))
        error = ((white_a - white_b)[b[..., 3] > 0] ** 2).mean()
        scores.append(-10 * np.log10(max(error, 1e-12)))
    return {"psnr_db": round(float(np.mean(scores)), 2), "worst_view_psnr_db": round(min(scores), 2)}


def by_rasteriser(scene: str, options: argparse.Namespace, folder: Path) -> list[tuple[dict[str, Any], np.ndarray]]:
    """All shadings of a scene with 2 x 2 and 3 x 3 samples."""
    rows = []
    for shading in SCENES[scene][5]:
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


def by_cycles(
    asset: Asset, light: np.ndarray, shading: str, cameras: Any, samples: int, denoise: bool, noise: float = 0.0
) -> ViewSet:
    """Views by Cycles on the cores of this process; noise as in cycles.render_views."""
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
        noise_threshold=noise,
    )


def references(
    scene: str, options: argparse.Namespace, asset: Asset, cameras: Any
) -> tuple[list[int], np.ndarray, Any]:
    """Numbers of the reference views, their pixels and CPU seconds; made and kept where they are not there yet."""
    from svdmv.io.pictures import read_png_rgba
    from svdmv.io.quick_png import quick_png_bytes

    shading = SCENES[scene][5][0]
    options.references.mkdir(parents=True, exist_ok=True)
    wanted = VIEW_ORDER[: options.reference_views or NUM_VIEWS]
    numbers, pictures, seconds = [], [], []
    for number in wanted:
        name = f"{SCENES[scene][0].replace(':', '-')}-{shading}-{options.size}-{options.reference_samples}-{number:02d}"
        path, told = options.references / f"{name}.png", options.references / f"{name}.json"
        if not path.is_file() and options.reference_views == 0:
            continue
        if not path.is_file():
            made = by_cycles(
                asset, light_of(scene), shading, [cameras[number]], options.reference_samples, False,
                options.reference_noise,
            )  # fmt: skip
            write_json(told, {"cpu_s": made.provenance["view_cpu_s"][0]})
            path.write_bytes(quick_png_bytes(made.rgba_u8()[0]))
            say(f"{scene}: reference view {number}")
        numbers.append(number)
        pictures.append(read_png_rgba(path))
        spent = json.loads(told.read_text("utf-8"))["cpu_s"]
        seconds.append(None if spent is None else round(spent, 1))
    if not numbers:
        raise SystemExit(f"{scene}: no reference in {options.references}; give --reference-views a number")
    return numbers, np.stack(pictures), seconds


def scene_rows(scene: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Everything about one scene."""
    from svdmv.render import mitsuba

    light, shading = light_of(scene), SCENES[scene][5][0]
    asset = asset_of(scene, options.models)
    cameras = Orbit.static(ELEVATION_DEG, NUM_VIEWS, radius=RADIUS).cameras(options.size, options.size)
    rows: list[dict[str, Any]] = []
    compared, reference, seconds_of_views = references(scene, options, asset, cameras)
    say(f"{scene}: references ready")
    drawn = by_rasteriser(scene, options, folder)
    say(f"{scene}: rasteriser done")
    for row, views in drawn:
        rows.append(row | closeness(views[compared], reference))
    timed = compared[: options.timed_views]
    count = len(timed)
    if "cycles" in options.skip:
        rows.append({"renderer": "cycles", "not_run": "left out of this run"})
    else:
        views = by_cycles(asset, light, shading, [cameras[k] for k in timed], options.cycles_samples, True)
        told = views.provenance
        rows.append(
            {
                "renderer": "cycles " + told["blender"],
                "samples": f"{options.cycles_samples} + denoiser",
                "orbit_cpu_s": extrapolated(told["view_cpu_s"], told["load_cpu_s"]),
                "views_timed": count,
                "peak_memory_mb": round(told["peak_memory_mb"]),
                **closeness(views.rgba_u8(), reference[:count]),
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
                **closeness(views.rgba_u8(), reference[:count]),
            }
        )
    except MissingDependency as error:
        rows.append({"renderer": "mitsuba", "not_run": error.one_line()})
    say(f"{scene}: done")
    name, metallic, roughness, light_name, turn, _ = SCENES[scene]
    about = {
        "object": name,
        "metallic": metallic,
        "roughness": roughness,
        "light": light_name,
        "light_turned_deg": turn,
    }
    return about | {"views_compared": compared, "reference_cpu_s_per_view": seconds_of_views, "rows": rows}


def say(text: str) -> None:
    """Progress, with the time."""
    print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)


def command_of(words: list[str]) -> str:
    """The command line, without the paths of this machine."""
    known = {"--models": "FOLDER", "--references": "FOLDER", "-o": "FILE", "--output": "FILE"}
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
    parser.add_argument("--references", type=Path, default=Path("references"))
    parser.add_argument("--reference-samples", type=int, default=1024)
    parser.add_argument("--reference-noise", type=float, default=0.01, help="Cycles stops a pixel below it; 0 = never")
    parser.add_argument("--reference-views", type=int, default=21)
    parser.add_argument("--timed-views", type=int, default=2)
    parser.add_argument("--cycles-samples", type=int, default=16)
    parser.add_argument("--mitsuba-samples", type=int, default=16)
    parser.add_argument("--scenes", nargs="*", default=list(SCENES))
    parser.add_argument("--skip", nargs="*", default=[], choices=["cycles"], help="what is not timed in this run")
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
                "reference": (
                    f"Cycles, up to {options.reference_samples} samples a pixel (noise threshold "
                    f"{options.reference_noise:g}), not denoised"
                ),
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
