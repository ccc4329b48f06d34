"""A data set of drawn orbits as `svdmv data build` leaves it, and a Stable Video Diffusion folder, both tiny."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from tiny_training import orbits_of

from svdmv.dataset.sampling import OrbitRule
from svdmv.dataset.shard import TAR_END, sample_blocks
from svdmv.diffusion.checkpoint import save_checkpoint
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.train.networks import (
    AutoencoderShape,
    ImageEncoderShape,
    UNetShape,
    new_autoencoder,
    new_image_encoder,
    new_unet,
)

SIZE, VIEWS = 16, 5
SVD_UNET = UNetShape(channels=(32, 64), layers=1, head_channels=16, id_width=16, num_ids=3, token_width=16)


def write_shards(folder: Path, count: int = 8, stored: int = VIEWS, *, posed: bool = True, size: int = SIZE) -> Path:
    """`count` orbits of `stored` views in two shards; without cameras when not posed."""
    rule = OrbitRule(size=size, num_views=stored, orbits_per_object=1, codec="png")
    (folder / "shards").mkdir(parents=True)
    images, rows, shards = orbits_of(count, stored, size), [], []
    for shard in range(2):
        data = b""
        for n in range(shard * count // 2, (shard + 1) * count // 2):
            wave = 10 * np.sin(2 * np.pi * np.arange(stored) / stored)
            facts = {
                "uid": f"toy-{n}", "orbit": 0, "coverage": [0.3], "light": "none", "light_yaw_deg": 0.0,
                "object_yaw_deg": 0.0, "exposure_stops": 0.0, "radius": 2.0,
                "azimuths_deg": (360 * np.arange(stored) / stored).tolist() if posed else None,
                "elevations_deg": (2.0 * n + wave).tolist() if posed else None,
            }  # fmt: skip
            block, row = sample_blocks(facts, images[n], rule)
            rows.append({**row, "licence": "CC0", "shard": shard, "offset": len(data)})
            data += block
        path = folder / "shards" / f"{shard:05d}.tar"
        path.write_bytes(data + TAR_END)
        shards.append({"file": f"shards/{path.name}", "sha256": "", "bytes": path.stat().st_size})
    head = {"format": "svdmv-orbits-1", "plan": f"toy{count}", "seed": 0, "rule": asdict(rule), "num_objects": count,
            "num_samples": len(rows), "shards": shards}  # fmt: skip
    (folder / "manifest.jsonl").write_text("".join(json.dumps(r) + "\n" for r in [head, *rows]), "utf-8")
    return folder


def write_svd(folder: Path, seed: int = 0) -> Path:
    """Random weights in the layout of Stable Video Diffusion: three ids, 16 px pictures, 4 px latents."""
    vae = new_autoencoder(AutoencoderShape((32, 32, 32), 1, 4, 3, SIZE), seed)
    vae.register_to_config(scaling_factor=0.18215)
    encoder = new_image_encoder(ImageEncoderShape(32, 1, 2, 8, SIZE), SVD_UNET.token_width, seed)
    unet = new_unet(SVD_UNET, 4, SIZE // 4, VIEWS, seed)
    torch.nn.init.normal_(unet.add_embedding.linear_2.weight, generator=torch.Generator().manual_seed(seed))
    info = CheckpointInfo("toy", "none", image_size=SIZE, num_views=VIEWS, clip_size=SIZE)
    save_checkpoint(SvdMv(unet, vae, encoder, info), folder, half=False)
    (folder / "svdmv.json").unlink()
    return folder


def write_image_model(folder: Path, seed: int = 5) -> Path:
    """Random weights in the layout of Stable Diffusion 2.1's image UNet."""
    from diffusers import UNet2DConditionModel

    torch.manual_seed(seed)
    unet = UNet2DConditionModel(
        sample_size=SIZE // 4, in_channels=4, out_channels=4, block_out_channels=SVD_UNET.channels, layers_per_block=1,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"), up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=SVD_UNET.token_width, attention_head_dim=(2, 4), use_linear_projection=True,
    )  # fmt: skip
    unet.save_pretrained(folder / "unet")
    return folder
