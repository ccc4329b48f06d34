"""Checkpoints small enough for tests: random weights in exactly the layout of Stable Video Diffusion's folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

SVD_SCALING = 0.18215
ID_WIDTH = 32
TOKEN_WIDTH = 16
SCHEDULER = {  # scheduler/scheduler_config.json of the published folder
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "v_prediction",
    "sigma_max": 700.0,
    "sigma_min": 0.002,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "timestep_type": "continuous",
    "use_karras_sigmas": True,
}
UNET = {
    "sample_size": 4,
    "in_channels": 8,
    "out_channels": 4,
    "block_out_channels": (32, 64),
    "down_block_types": ("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
    "up_block_types": ("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal"),
    "addition_time_embed_dim": ID_WIDTH,
    "projection_class_embeddings_input_dim": 3 * ID_WIDTH,
    "layers_per_block": 1,
    "cross_attention_dim": TOKEN_WIDTH,
    "num_attention_heads": (2, 4),
    "num_frames": 21,
}
VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "block_out_channels": (32, 32, 32, 32),
    "layers_per_block": 1,
    "latent_channels": 4,
    "sample_size": 32,
    "scaling_factor": SVD_SCALING,
    "force_upcast": True,
}
CLIP = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "image_size": 224,
    "patch_size": 32,
    "projection_dim": TOKEN_WIDTH,
}


def lively(network: Any, seed: int) -> Any:
    """Random biases and norms too, so that no part of a fresh network is the identity or zero by chance."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim <= 1:
                parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return network.eval().requires_grad_(False)


def tiny_parts(seed: int = 0) -> dict[str, Any]:
    """unet, vae, image_encoder with the SVD layout: three ids, four latent channels, 32 px pictures."""
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            "unet": lively(UNetSpatioTemporalConditionModel(**UNET), seed + 1),
            "vae": lively(AutoencoderKLTemporalDecoder(**VAE), seed + 2),
            "image_encoder": lively(CLIPVisionModelWithProjection(CLIPVisionConfig(**CLIP)), seed + 3),
        }


def stock_pipeline(parts: dict[str, Any]) -> Any:
    """diffusers' own pipeline around the same networks."""
    from diffusers import EulerDiscreteScheduler, StableVideoDiffusionPipeline
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    pipeline = StableVideoDiffusionPipeline(
        **parts, scheduler=EulerDiscreteScheduler(**SCHEDULER), feature_extractor=CLIPImageProcessorPil()
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def rewritten(path: Path, **changes: Any) -> None:
    """Change values of a safetensors file: name -> tensor, or None to leave it out."""
    from safetensors.torch import load_file

    state = load_file(path)
    for name, tensor in changes.items():
        if tensor is None:
            state.pop(name)
        else:
            state[name] = tensor
    save_file(state, path)


def edited_json(path: Path, **changes: Any) -> None:
    """Change values of a JSON file."""
    values = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps(values | changes), "utf-8")
