"""Our sampling against diffusers' StableVideoDiffusionPipeline: same weights, steps, size, start noise and guidance.

    OMP_NUM_THREADS=1 python benchmarks/sampling_vs_diffusers.py -o benchmarks/results/sampling_vs_diffusers.json

Random networks in Stable Video Diffusion's layout (a tiny one and one of about 100M parameters in its UNet) are saved
as a folder; diffusers' pipeline and ours (widened by the elevation id) load it. Both are timed in one process, in
turns, in CPU seconds of the process (a busy machine disturbs them less); peak memory is the median over processes of
their own. Exit status 1 when latents differ by more than 1e-4.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

TOLERANCE = 1e-4
GUIDANCE = (1.0, 3.0)
VIEWS = 21
SIZES: dict[str, dict[str, Any]] = {
    "tiny": {"channels": (32, 64), "heads": (2, 4), "layers": 1, "token": 64, "ids": 64, "pixels": 64},
    "100M": {
        "channels": (96, 192, 320, 320),
        "heads": (3, 6, 10, 10),
        "layers": 2,
        "token": 512,
        "ids": 256,
        "pixels": 192,
    },
}
SCHEDULER = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "prediction_type": "v_prediction",
    "sigma_max": 700.0,
    "sigma_min": 0.002,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
}


def write_folder(name: str, folder: Path) -> int:
    """A random checkpoint in diffusers' layout; returns the parameters of its UNet."""
    import torch
    from diffusers import AutoencoderKLTemporalDecoder, EulerDiscreteScheduler, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    size = SIZES[name]
    torch.manual_seed(0)
    levels = len(size["channels"])
    unet = UNetSpatioTemporalConditionModel(
        sample_size=size["pixels"] // 8,
        block_out_channels=size["channels"],
        down_block_types=("CrossAttnDownBlockSpatioTemporal",) * (levels - 1) + ("DownBlockSpatioTemporal",),
        up_block_types=("UpBlockSpatioTemporal",) + ("CrossAttnUpBlockSpatioTemporal",) * (levels - 1),
        layers_per_block=size["layers"],
        num_attention_heads=size["heads"],
        cross_attention_dim=size["token"],
        addition_time_embed_dim=size["ids"],
        projection_class_embeddings_input_dim=3 * size["ids"],
        num_frames=VIEWS,
    )
    vae = AutoencoderKLTemporalDecoder(
        down_block_types=("DownEncoderBlock2D",) * 4,
        block_out_channels=(32, 32, 64, 64),
        layers_per_block=1,
        sample_size=size["pixels"],
    )
    clip = CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=224,
            patch_size=32,
            projection_dim=size["token"],
        )
    )
    for part, network in (("unet", unet), ("vae", vae), ("image_encoder", clip)):
        network.save_pretrained(folder / part)
    EulerDiscreteScheduler(**SCHEDULER).save_pretrained(folder / "scheduler")
    return sum(p.numel() for p in unet.parameters())


def their_sampler(folder: Path, num_steps: int) -> Callable[[], Any]:
    """diffusers' pipeline, ending in latents (1, F, 4, h, w)."""
    import torch
    from diffusers import (
        AutoencoderKLTemporalDecoder,
        EulerDiscreteScheduler,
        StableVideoDiffusionPipeline,
        UNetSpatioTemporalConditionModel,
    )
    from transformers import CLIPVisionModelWithProjection
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    pipeline = StableVideoDiffusionPipeline(
        unet=UNetSpatioTemporalConditionModel.from_pretrained(folder / "unet").eval(),
        vae=AutoencoderKLTemporalDecoder.from_pretrained(folder / "vae").eval(),
        image_encoder=CLIPVisionModelWithProjection.from_pretrained(folder / "image_encoder").eval(),
        scheduler=EulerDiscreteScheduler.from_pretrained(folder / "scheduler"),
        feature_extractor=CLIPImageProcessorPil(),
    )
    pipeline.set_progress_bar_config(disable=True)
    side = pipeline.unet.config.sample_size
    noise = torch.randn(1, VIEWS, 4, side, side, generator=torch.Generator().manual_seed(0))
    picture = input_picture(side * 8)

    def sample() -> Any:
        return pipeline(
            picture,
            height=side * 8,
            width=side * 8,
            num_frames=VIEWS,
            num_inference_steps=num_steps,
            min_guidance_scale=GUIDANCE[0],
            max_guidance_scale=GUIDANCE[1],
            noise_aug_strength=0.0,
            latents=noise,
            output_type="latent",
        ).frames

    return sample


def our_sampler(folder: Path, num_steps: int) -> Callable[[], Any]:
    """The same drawn by svdmv."""
    import numpy as np

    from svdmv.diffusion.checkpoint import load_checkpoint
    from svdmv.diffusion.generate import Sampling, pixels_from_framed, sample_latents
    from svdmv.diffusion.guidance import Guidance

    model = load_checkpoint(str(folder))
    sampling = Sampling(num_steps=num_steps, guidance=Guidance("linear", *GUIDANCE), noise_aug=0.0)
    rgb = np.asarray(input_picture(model.info.image_size))
    framed = np.concatenate([rgb, np.full((*rgb.shape[:2], 1), 255, np.uint8)], -1)

    def sample() -> Any:
        return sample_latents(model, pixels_from_framed(framed, 3), sampling.resolved(model.info))

    return sample


def input_picture(pixels: int) -> Any:
    """A smooth random picture."""
    import numpy as np
    from PIL import Image

    coarse = np.random.default_rng(0).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((pixels, pixels), Image.Resampling.BICUBIC)


MAKERS = {"diffusers": their_sampler, "svdmv": our_sampler}


def peak_mb() -> float:
    """Highest resident memory since the last reset."""
    rows = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(rows["VmHWM"].split()[0]) / 1024


def memory_of(method: str, folder: Path, num_steps: int) -> dict[str, float]:
    """Load and sample once in this process: peak of both, and how much sampling adds to what was resident."""
    sample = MAKERS[method](folder, num_steps)
    load = peak_mb()
    Path("/proc/self/clear_refs").write_text("5")
    before = peak_mb()
    sample()
    return {"load_peak_mb": load, "resident_mb": before, "sampling_peak_mb": peak_mb()}


def in_a_process(method: str, folder: Path, num_steps: int) -> dict[str, float]:
    command = [sys.executable, __file__, "--memory-of", method, str(folder), "--steps", str(num_steps)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return {name: round(value, 1) for name, value in json.loads(done.stdout.splitlines()[-1]).items()}


def compared(name: str, num_steps: int, rounds: int, memory_runs: int) -> dict[str, Any]:
    """Figures of one size."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / name
        parameters = write_folder(name, folder)
        samplers = {method: make(folder, num_steps) for method, make in MAKERS.items()}
        latents = {method: sample() for method, sample in samplers.items()}  # also warms both up
        difference = float((latents["diffusers"] - latents["svdmv"]).abs().max())
        seconds: dict[str, list[float]] = {method: [] for method in samplers}
        for turn in range(rounds):
            for method in sorted(samplers, reverse=turn % 2 == 1):
                start = time.process_time()
                samplers[method]()
                seconds[method].append(time.process_time() - start)
        memory = {m: [in_a_process(m, folder, num_steps) for _ in range(memory_runs)] for m in samplers}
    peaks = {
        m: statistics.median(max(row["load_peak_mb"], row["sampling_peak_mb"]) for row in rows)
        for m, rows in memory.items()
    }
    return {
        "unet_parameters": parameters,
        "pixels": SIZES[name]["pixels"],
        "views": VIEWS,
        "steps": num_steps,
        "guidance": {"kind": "linear", "low": GUIDANCE[0], "high": GUIDANCE[1]},
        "latents_max_abs_difference": difference,
        "latents_std": float(latents["svdmv"].std()),
        "cpu_seconds": {m: [round(s, 4) for s in rows] for m, rows in seconds.items()},
        "time_ratio_of_minima": round(min(seconds["svdmv"]) / min(seconds["diffusers"]), 4),
        "time_ratio_of_medians": round(
            statistics.median(seconds["svdmv"]) / statistics.median(seconds["diffusers"]), 4
        ),
        "memory": memory,
        "memory_ratio": round(peaks["svdmv"] / peaks["diffusers"], 4),
    }


def torch_threads() -> int:
    """How many threads torch computes with."""
    import torch

    return torch.get_num_threads()


def hardware() -> dict[str, Any]:
    """What the figures were measured on."""
    cpu = next((r for r in Path("/proc/cpuinfo").read_text().splitlines() if r.startswith("model name")), ":")
    return {
        "cpu": cpu.split(":", 1)[1].strip(),
        "cores_usable": len(os.sched_getaffinity(0)),
        "torch_threads": torch_threads(),
        "machine": platform.machine(),
        "system": platform.system(),
        "load_average": os.getloadavg()[0],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-o", "--output", type=Path, help="result file (JSON)")
    parser.add_argument("--sizes", default="tiny,100M")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--memory-runs", type=int, default=2)
    parser.add_argument("--memory-of", nargs=2, metavar=("METHOD", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    os.environ["HF_HUB_OFFLINE"] = "1"
    if options.memory_of:
        method, folder = options.memory_of
        print(json.dumps(memory_of(method, Path(folder), options.steps)))
        return 0
    sizes = {n: compared(n, options.steps, options.rounds, options.memory_runs) for n in options.sizes.split(",")}
    packages = ("svdmv", "torch", "diffusers", "transformers")
    result = {
        "command": f"OMP_NUM_THREADS={torch_threads()} python benchmarks/sampling_vs_diffusers.py "
        f"--sizes {options.sizes} --steps {options.steps} --rounds {options.rounds} "
        f"--memory-runs {options.memory_runs}",
        "date": datetime.now(UTC).date().isoformat(),
        "versions": {name: version(name) for name in packages} | {"python": platform.python_version()},
        "hardware": hardware(),
        "precision": "fp32",
        "sizes": sizes,
    }
    for name, row in sizes.items():
        print(
            f"{name:5} {row['unet_parameters'] / 1e6:6.1f}M  time {row['time_ratio_of_minima']:.3f} (minima) "
            f"{row['time_ratio_of_medians']:.3f} (medians)  memory {row['memory_ratio']:.3f}  "
            f"latents differ by {row['latents_max_abs_difference']:.1e}"
        )
    if options.output:
        from svdmv.io.atomic import write_json

        write_json(options.output, result)
    return 0 if all(row["latents_max_abs_difference"] <= TOLERANCE for row in sizes.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
