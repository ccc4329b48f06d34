"""What training the full model needs on a device, computed on networks without storage: results/memory_plan.json.

    python benchmarks/memory_plan.py

No weights, no GPU and no step are needed; nothing here was compared with a GPU.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import diffusers
import torch

from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.io.atomic import write_json
from svdmv.train.memory import memory_plan, step_bytes
from svdmv.train.settings import Finetuning

RESULT = Path(__file__).parent / "results" / "memory_plan.json"
CLIP_PARAMETERS = 632_077_000  # of OpenCLIP's ViT-H/14 picture tower


def full_size() -> SvdMv:
    """Stable Video Diffusion's networks by shape, with the elevation id."""
    with torch.device("meta"):
        unet = diffusers.UNetSpatioTemporalConditionModel(projection_class_embeddings_input_dim=1024)
        vae = diffusers.AutoencoderKLTemporalDecoder(
            block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2
        )
        clip = torch.nn.Linear(1000, CLIP_PARAMETERS // 1000, bias=False)
    return SvdMv(unet, vae, clip, CheckpointInfo("full", "none"))


def main() -> None:
    """Bytes a clip keeps, and plans of 8 processes with two clips each."""
    model = full_size()
    kept = {
        f"{'bf16' if half else 'fp32'}{', checkpointed' if forgotten else ''}": round(
            step_bytes(model, half=half, checkpointing=forgotten) / 1e9, 2
        )
        for half in (True, False)
        for forgotten in (False, True)
    }
    plan = memory_plan(model, Finetuning(batch=16, gradient_checkpointing=True), 8, "data", "bf16")
    write_json(
        RESULT,
        {
            "what": "computed, not measured: memory of finetuning Stable Video Diffusion on 21 views of 576 px, GB",
            "command": "python benchmarks/memory_plan.py",
            "versions": {"torch": torch.__version__, "diffusers": diffusers.__version__},
            "kept_by_one_clip": kept,
            "plan_8_processes_2_clips_each": asdict(plan) | {"total_gb": plan.total_gb},
        },
    )


if __name__ == "__main__":
    main()
