"""What limits svdmv-mini: the same few steps of a narrow network, one thing changed at a time, on held-out objects.

    python benchmarks/mini_ablation.py --run outputs/mini --weights WEIGHTS -o benchmarks/results/mini_ablation.json

Takes renders, autoencoder and latents of a finished `svdmv train experiment=mini` run. Every row trains a fresh network
with the same seeds, batches and noise as far as the change allows, and is measured on orbits of held-out objects: the
loss at fixed noise, and drawn orbits against the true ones. Finished rows of the output file are kept, so a stopped run
goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from svdmv.core import DataError
from svdmv.dataset.orbits import OrbitStore, pixels_from_rgba
from svdmv.dataset.splits import mark_of
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.perceptual import Lpips
from svdmv.io.atomic import write_json
from svdmv.io.run_folder import versions
from svdmv.train.config import TrainConfig, train_config
from svdmv.train.finetune import Loop, attention_for, finetune
from svdmv.train.loss import Draws, edm_loss
from svdmv.train.mini import new_model, prepared_latents
from svdmv.train.parallel import ALONE
from svdmv.train.settings import Finetuning
from svdmv.train.state import step_generator
from svdmv.train.store_batches import LatentOrbits, StoreBatches
from svdmv.train.validation import drawn_orbit, orbit_figures

NARROW = ["experiment=mini", "unet_shape.channels=[128,96]", "finetuning.batch=3", "device=cpu", "threads=1"]
Chosen = Callable[[OrbitStore, Any], Any]


def part_of_objects(share: float) -> Chosen:
    """Orbits of this share of the objects."""
    return lambda store, orbits: orbits[np.array([mark_of(f"part {store.ids[n]}") < share for n in orbits])]


def without_shapes(store: OrbitStore, orbits: Any) -> Any:
    """No objects made by code."""
    return orbits[np.array([not store.ids[n].startswith("shape-") for n in orbits])]


def all_of_them(store: OrbitStore, orbits: Any) -> Any:
    """Every training orbit."""
    return orbits


ROWS: dict[str, tuple[list[str], Chosen]] = {
    "as it is": ([], all_of_them),
    "half of the objects": ([], part_of_objects(0.5)),
    "an eighth of the objects": ([], part_of_objects(0.125)),
    "no shapes made by code": ([], without_shapes),
    "half the width": (["unet_shape.channels=[64,64]"], all_of_them),
    "the shipped width": (["unet_shape.channels=[192,128]"], all_of_them),
    "three levels": (["unet_shape.channels=[128,96,96]", "unet_shape.attention=[false,true,true]"], all_of_them),
    "noise as in MINI's first try: ln sigma ~ N(0.3, 1.4)": (
        ["finetuning.p_mean=0.3", "finetuning.p_std=1.4"],
        all_of_them,
    ),
    "noise of Stable Video Diffusion: N(0.7, 1.6)": (["finetuning.p_mean=0.7", "finetuning.p_std=1.6"], all_of_them),
    "image encoder half as wide": (
        ["image_encoder_shape.width=64", "image_encoder_shape.heads=2", "image_encoder_shape.layers=2"],
        all_of_them,
    ),
    "AdamW at 6e-4": (["finetuning.optimizer=adamw", "finetuning.learning_rate=6e-4"], all_of_them),
    "twice the steps": (["STEPS*2"], all_of_them),
}


def settings_of(row: str, steps: int, run: Path, weights: Path) -> TrainConfig:
    """The recipe with one thing changed."""
    changes, _ = ROWS[row]
    count = steps * 2 if "STEPS*2" in changes else steps
    words = [*NARROW, *(c for c in changes if c != "STEPS*2"), f"finetuning.num_steps={count}"]
    return train_config([*words, f"out={run}", f"weights_dir={weights}", "finetuning.average_decay=0.98"])


@torch.no_grad()
def held_out_loss(model: SvdMv, store: OrbitStore, latents: LatentOrbits, held: Any, settings: Finetuning) -> float:
    """Mean loss of held-out orbits at noise levels of the base recipe, the same for every row; nothing dropped."""
    fixed = replace(settings, batch=4, p_mean=1.2, p_std=1.5, dropout=0.0)
    source = StoreBatches(store, latents, held, 4, float(model.vae.config.scaling_factor), 77)
    losses = []
    for step in range(12):
        batch = source.batch(step, slice(None))
        draws = Draws.of(batch, 4, fixed, step_generator(99, step))
        with torch.autocast("cpu", torch.bfloat16), attention_for("cpu"):
            losses.append(float(edm_loss(model, batch, draws, fixed)))
    return float(np.mean(losses))


def drawn_figures(model: SvdMv, store: OrbitStore, held: Any, lpips: Lpips) -> dict[str, float]:
    """Means over orbits of held-out objects, drawn with the recipe's sampler and guidance."""
    rows, views = [], store.images.shape[1]
    for n in held:
        truth = torch.from_numpy(pixels_from_rgba(np.asarray(store.images[n])))
        angles = (np.full(views, store.elevations_deg[n]), 360 * np.arange(views) / views)
        rows.append(orbit_figures(model, drawn_orbit(model, truth[:1], *angles, 0, int(n)), truth, lpips))
    return {name: round(float(np.mean([row[name] for row in rows])), 4) for name in ("psnr", "lpips", "motion")}


def row_of(row: str, options: argparse.Namespace, lpips: Lpips) -> dict[str, Any]:
    """Train and measure one row."""
    config = settings_of(row, options.steps, options.run, options.weights)
    prepared = prepared_latents(config, "cpu", ALONE)
    if prepared is None:
        raise DataError(
            "The run holds no latents yet", where=options.run, seen="an unfinished run", expected="latents.npy"
        )
    base, store, latents = prepared
    train, held = store.split(0.03)
    model, settings = new_model(config, base.vae), config.finetuning
    chosen = ROWS[row][1](store, train)
    scaling = float(model.vae.config.scaling_factor)
    source = StoreBatches(store, latents, chosen, settings.batch, scaling, settings.seed)
    began = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        finetune(model, source, settings, Path(folder), Loop(1e9, "cpu"))
    spent = time.process_time() - began
    few = held[np.linspace(0, len(held) - 1, options.orbits).astype(int)]
    return {
        "row": row,
        "steps": settings.num_steps,
        "orbits_trained_on": len(chosen),
        "objects_trained_on": len({store.ids[n] for n in chosen}),
        "parameters": sum(p.numel() for p in model.unet.parameters()),
        "held_out_loss": round(held_out_loss(model, store, latents, held, settings), 4),
        **drawn_figures(model, store, few, lpips),
        "training_cpu_s": round(spent),
    }


def main() -> None:
    """Measure what is missing and write after every row."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--orbits", type=int, default=12, help="drawn to measure a row")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    told = {"steps": options.steps, "orbits": options.orbits, "networks": " ".join(NARROW)}
    result: dict[str, Any] = {"rows": []}
    if options.output.is_file():
        kept = json.loads(options.output.read_text("utf-8"))
        result = kept if kept["told"] == told else result
    lpips = Lpips("alex", options.weights / "lpips" / "lpips_alex_fp32.safetensors")
    for row in ROWS:
        if row in {r["row"] for r in result["rows"]}:
            continue
        result["rows"].append(row_of(row, options, lpips))
        print(result["rows"][-1], flush=True)
        words = f"--run RUN --weights WEIGHTS --steps {options.steps} --orbits {options.orbits} -o FILE"
        about = {
            "what": "svdmv-mini's recipe in small, one thing changed a row, measured on orbits of held-out objects",
            "told": told,
            "rows": result["rows"],
            "hardware": {"machine": platform.machine(), "cores_usable": len(os.sched_getaffinity(0)), "threads": 1},
            "versions": versions(),
            "command": f"python benchmarks/mini_ablation.py {words}",
        }
        write_json(options.output, about)


if __name__ == "__main__":
    main()
