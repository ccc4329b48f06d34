"""How a checkpoint should be sampled: a small grid on held-out training orbits (never on the test scans).

    python benchmarks/sampling_settings.py --weights ../shared/data/weights --store outputs/mini/store \
        --model svdmv-mini --orbits 16 -o benchmarks/results/mini_sampling.json
"""

from __future__ import annotations

import argparse
import dataclasses
import time
from pathlib import Path

import numpy as np

from svdmv.bench.metrics import view_pair
from svdmv.bench.network_metrics import lpips_metric
from svdmv.bench.pixel_metrics import iou, psnr_object
from svdmv.bench.scoring import turning
from svdmv.core import Orbit, ViewSet
from svdmv.dataset.orbits import OrbitStore
from svdmv.diffusion.checkpoint import load_checkpoint
from svdmv.diffusion.generate import Sampling, generate_views
from svdmv.diffusion.guidance import Guidance
from svdmv.io.atomic import write_json
from svdmv.io.run_folder import versions

GRID = [  # sampler, steps, sigma_max, guidance
    ("euler", 10, 80.0, "1"),
    ("euler", 10, 80.0, "2"),
    ("euler", 10, 80.0, "3"),
    ("euler", 6, 80.0, "2"),
    ("euler", 5, 80.0, "2"),
    ("euler", 3, 80.0, "2"),
    ("dpmpp_2m", 5, 80.0, "2"),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--model", default="svdmv-mini")
    parser.add_argument("--orbits", type=int, default=16)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    model = load_checkpoint(args.model)
    store = OrbitStore.open(args.store)
    metrics = (psnr_object(), iou(), lpips_metric("alex", args.weights / "lpips" / "lpips_alex_fp32.safetensors"))
    held = store.split(0.03)[1]
    chosen = held[np.linspace(0, len(held) - 1, min(args.orbits, len(held))).astype(int)]
    rows = []
    for sampler, steps, sigma_max, guidance in GRID:
        model.info = dataclasses.replace(model.info, sigma_max=sigma_max)
        scores, began = [], time.process_time()
        for n in chosen:
            rgba, elevation = np.asarray(store.images[n]), float(store.elevations_deg[n])
            orbit = Orbit.static(elevation, radius=model.info.framing.radius)
            truth = ViewSet(rgba[..., :3], orbit.cameras(rgba.shape[2], rgba.shape[1]), rgba[..., 3], orbit=orbit)
            sampling = Sampling(elevation, 0, steps, Guidance.parse(guidance), sampler)
            made = generate_views(model, [rgba[0]], sampling)[0]
            pair = view_pair(made, truth)
            figures = [float(np.nanmean(metric.compute(pair)[1:])) for metric in metrics]
            scores.append([*figures, turning(made), turning(truth)])
        mean = np.nanmean(scores, 0)
        row = {
            "sampler": sampler,
            "steps": steps,
            "sigma_max": sigma_max,
            "guidance": guidance,
            "psnr_object_db": round(float(mean[0]), 3),
            "iou": round(float(mean[1]), 4),
            "lpips_alex": round(float(mean[2]), 4),
            "turning_ratio": round(float(mean[3] / mean[4]), 3),
            "cpu_seconds_an_orbit": round((time.process_time() - began) / len(chosen), 2),
        }
        rows.append(row)
        print(row, flush=True)
    write_json(
        args.output,
        {
            "what": "sampling settings on held-out training orbits",
            "model": model.info.name,
            "weights_sha256": model.info.sha256,
            "orbits": len(chosen),
            "rows": rows,
            "versions": versions(),
            "command": "python benchmarks/sampling_settings.py --weights WEIGHTS --store STORE --model MODEL "
            f"--orbits {args.orbits} -o OUT",
        },
    )


if __name__ == "__main__":
    main()
