"""Score a checkpoint on the 34 held-out scans against every trivial predictor.

    python benchmarks/mini_gso.py --scans ../shared/data/gso_test --weights ../shared/data/weights \
        --store outputs/mini/store --model svdmv-mini -o benchmarks/results/mini_gso34.json

Views: 21, elevations -5, 10 and 25 degrees, studio light, the checkpoint's own size; view 0 is the input and is left
out. A score is the mean over views, then over the three elevations, then over objects; intervals are bootstrapped over
objects. The scans are used for nothing else.
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from pathlib import Path

import numpy as np

from svdmv.bench.bootstrap import bootstrap_interval
from svdmv.bench.trivial import blank, copied, mean_orbit, mirrored, nearest_orbit, thumbnails_of
from svdmv.bench.view_metrics import iou_per_view, lpips_per_view, psnr_per_view, turning
from svdmv.core import Orbit, ViewSet
from svdmv.dataset.orbits import OrbitStore
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.diffusion.generate import Sampling, generate_views
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.perceptual import LpipsAlex
from svdmv.io.atomic import write_json
from svdmv.io.meshes import normalised, read_asset
from svdmv.io.run_folder import versions
from svdmv.render import render_views

ELEVATIONS_DEG = (-5.0, 10.0, 25.0)
METRICS = {"psnr_object_db": 1, "iou": 1, "lpips_alex": -1, "psnr_db": 1}  # 1: higher is better


def true_orbits(path: Path, size: int, framing) -> list[ViewSet]:
    asset, _ = normalised(read_asset(path), rule=framing.rule)
    orbits = [Orbit.static(e, 21, radius=framing.radius, fov_y_deg=framing.fov_y_deg) for e in ELEVATIONS_DEG]
    cameras = [camera for orbit in orbits for camera in orbit.cameras(size, size)]
    views = render_views(asset, cameras, supersampling=3, with_geometry=False)
    return [
        ViewSet(
            views.images[i * 21 : (i + 1) * 21],
            views.cameras[i * 21 : (i + 1) * 21],
            views.alphas[i * 21 : (i + 1) * 21],
            orbit=orbit,
        )
        for i, orbit in enumerate(orbits)
    ]


def scores(prediction: ViewSet, truth: ViewSet, lpips: LpipsAlex) -> dict[str, float]:
    whole, on_object = psnr_per_view(prediction, truth)
    columns = {
        "psnr_object_db": on_object,
        "iou": iou_per_view(prediction, truth),
        "lpips_alex": lpips_per_view(prediction, truth, lpips),
        "psnr_db": whole,
    }
    return {name: float(np.nanmean(values[1:])) for name, values in columns.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scans", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--model", default="svdmv-mini")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--guidance", default=None)
    parser.add_argument("--steps", type=int, default=None)
    parser.add_argument("--limit", type=int, default=None)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()

    began = time.time()
    model = load_checkpoint(args.model)
    store = OrbitStore.open(args.store)
    lpips = LpipsAlex(args.weights / "lpips" / "lpips_alex_fp32.safetensors")
    mean, thumbnails = mean_orbit(store), np.stack([thumbnails_of(np.asarray(o)) for o in store.images])
    guidance = None if args.guidance is None else Guidance.parse(args.guidance)
    rows: dict[str, dict[str, list[dict[str, float]]]] = {}
    turn = {"truth": [], "model": []}
    paths = sorted(args.scans.glob("*.glb"))[: args.limit]
    for path in paths:
        per_method: dict[str, list[dict[str, float]]] = {}
        for truth in true_orbits(path, model.info.image_size, model.info.framing):
            made = [
                generate_views(
                    model,
                    [truth.rgba_u8()[0]],
                    Sampling(float(truth.orbit.elevations_deg[0]), seed, args.steps, guidance),
                )[0]
                for seed in range(args.seeds)
            ]
            predictions = {
                "copy": copied(truth),
                "mirrored copy": mirrored(truth),
                "blank": blank(truth),
                "mean orbit": ViewSet(mean[..., :3], truth.cameras, mean[..., 3]),
                "nearest orbit": nearest_orbit(truth, store, thumbnails),
            }
            for name, prediction in predictions.items():
                per_method.setdefault(name, []).append(scores(prediction, truth, lpips))
            each = [scores(views, truth, lpips) for views in made]
            per_method.setdefault("model", []).append({m: float(np.mean([s[m] for s in each])) for m in METRICS})
            turn["truth"].append(turning(truth))
            turn["model"].append(float(np.mean([turning(v) for v in made])))
        rows[path.stem] = per_method
        print(
            path.stem, {m: round(float(np.mean([s[m] for s in per_method["model"]])), 3) for m in METRICS}, flush=True
        )

    methods = list(next(iter(rows.values())))
    table = {
        name: {m: np.array([np.mean([s[m] for s in rows[o][name]]) for o in rows]) for m in METRICS} for name in methods
    }
    margins = {}
    for name in methods:
        if name != "model":
            margins[name] = {}
            for metric, sign in METRICS.items():
                gain, low, high = bootstrap_interval(sign * (table["model"][metric] - table[name][metric]))
                margins[name][metric] = {
                    "gain": round(gain, 4),
                    "low_95": round(low, 4),
                    "high_95": round(high, 4),
                    "excludes_0": bool(low > 0),
                }
    result = {
        "what": "svdmv checkpoint against trivial predictors on 34 held-out scans (Google Scanned Objects, CC-BY 4.0)",
        "command": "python benchmarks/mini_gso.py --scans SCANS --weights WEIGHTS --store STORE --model MODEL "
        f"--seeds {args.seeds} -o OUT",
        "model": model.info.name,
        "weights_sha256": model.info.sha256,
        "image_size": model.info.image_size,
        "sampling": Sampling(0.0, 0, args.steps, guidance).resolved(model.info).as_dict(),
        "seeds": args.seeds,
        "elevations_deg": ELEVATIONS_DEG,
        "light": "studio",
        "input_view_counted": False,
        "objects": len(rows),
        "mean": {n: {m: round(float(v.mean()), 4) for m, v in c.items()} for n, c in table.items()},
        "margins": margins,
        "turning_ratio": round(float(np.mean(turn["model"]) / np.mean(turn["truth"])), 4),
        "per_object": {
            o: {n: {m: round(float(np.mean([s[m] for s in rows[o][n]])), 4) for m in METRICS} for n in methods}
            for o in rows
        },
        "versions": versions(),
        "hardware": f"{platform.machine()}, {platform.processor() or 'CPU'}",
        "seconds": round(time.time() - began, 1),
    }
    write_json(args.output, result)
    print(json.dumps({"mean": result["mean"], "turning_ratio": result["turning_ratio"]}, indent=1))


if __name__ == "__main__":
    main()
