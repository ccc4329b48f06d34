"""LPIPS and CLIP-S: metrics with networks that the user has, in SVDMV_WEIGHTS or torch's cache, and in SVDMV_CLIP."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import numpy as np
import torch

from svdmv.bench.lpips_views import LpipsOfViews
from svdmv.bench.lpips_weights import weights_path
from svdmv.bench.metrics import FloatArray, Metric, Pixels, ViewPair
from svdmv.core import CheckpointError
from svdmv.diffusion.conditioning import clip_pixels

CHUNK = 32  # pictures at once


def lpips_metric(net: str, weights: Path) -> Metric:
    """LPIPS v0.1 with a trunk (alex, squeeze, vgg) and its file of weights."""
    network = LpipsOfViews(net, weights)
    return Metric(f"lpips_{net}", False, network.compute, detail=f"v0.1 {net}, weights {network.sha256[:12]}")


def lpips_alex() -> Metric:
    """LPIPS v0.1, AlexNet."""
    return lpips_metric("alex", weights_path("alex"))


def lpips_squeeze() -> Metric:
    """LPIPS v0.1, SqueezeNet 1.1."""
    return lpips_metric("squeeze", weights_path("squeeze"))


def lpips_vgg() -> Metric:
    """LPIPS v0.1, VGG16."""
    return lpips_metric("vgg", weights_path("vgg"))


def clip_s() -> Metric:
    """CLIP-S as SVD-MV and SV3D report it: cosine of two image embeddings, in [-1, 1], with CLIP's mean and deviation.

    The model is a folder in transformers' layout (CLIPVisionModelWithProjection) named by SVDMV_CLIP; its hash stands
    in the column's header. Raises CheckpointError: none is named, or it is no such folder.
    """
    folder = Path(os.environ.get("SVDMV_CLIP", ""))
    weights = folder / "model.safetensors"
    if not os.environ.get("SVDMV_CLIP") or not weights.is_file():
        raise CheckpointError(
            "CLIP-S needs a CLIP image encoder",
            where="SVDMV_CLIP",
            seen=os.environ.get("SVDMV_CLIP") or "not set",
            expected="a folder with config.json and model.safetensors of CLIPVisionModelWithProjection",
            next_step="export SVDMV_CLIP=FOLDER, or leave clip_s out of the metrics",
        )
    from transformers import CLIPVisionModelWithProjection

    try:
        network = CLIPVisionModelWithProjection.from_pretrained(folder, local_files_only=True, use_safetensors=True)
    except (OSError, ValueError, RuntimeError) as error:
        raise CheckpointError("The CLIP folder cannot be loaded", where=folder, seen=str(error)[:200]) from error
    network.eval().requires_grad_(False)
    size = int(network.config.image_size)
    sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()

    @torch.inference_mode()
    def embedded(pixels: Pixels) -> torch.Tensor:
        parts = [network(clip_pixels(x, size)).image_embeds for x in torch.split(network_input(pixels), CHUNK)]
        return torch.nn.functional.normalize(torch.cat(parts).double(), dim=-1)

    def compute(pair: ViewPair) -> FloatArray:
        scores: FloatArray = (embedded(pair.prediction) * embedded(pair.truth)).sum(-1).numpy()
        return scores

    return Metric("clip_s", True, compute, detail=f"image-image cosine, {folder.name}, weights {sha256[:12]}")


def network_input(pixels: Pixels) -> torch.Tensor:
    """(N, 3, H, W) in [-1, 1] of (N, H, W, 3) in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pixels)).permute(0, 3, 1, 2) * 2 - 1
