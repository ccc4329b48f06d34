"""What the full model starts from: Stable Video Diffusion, an image model, or nothing, and which ids it is told.

Nothing is re-initialised that the start knows: ids that come in have zero weights, and ids that go away are folded into
the bias at the value they had, so that the first step computes what the start computes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from svdmv.core import CheckpointError, ConfigError
from svdmv.diffusion.checkpoint import checkpoint_folder, load_checkpoint
from svdmv.diffusion.guidance import Guidance
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.shortcuts import use_one_token_attention
from svdmv.diffusion.unet import vector_from_ids
from svdmv.diffusion.weight_files import part_config, read_weights

PRIORS = ("video", "image", "none")
ID_LAYER = "add_embedding.linear_1"


@dataclass(frozen=True)
class StartModel:
    """What is trained and how it will be sampled; most of it becomes the checkpoint's svdmv.json.

    Attributes:
        weights: a folder, a hub id whose files are in the cache, or a released .safetensors file. Autoencoder and image
            encoder always come from there.
        prior: of the UNet: video (from `weights`), image (spatial layers from `image_prior`, temporal layers without
            effect at first), none (random).
        image_prior: folder or hub id of Stable Diffusion 2.1, for prior=image.
        ids, id_widths, elevation_unit: the vector condition, as CheckpointInfo has it.
        guidance: as `svdmv run --guidance` takes it.
    """

    weights: str = "stabilityai/stable-video-diffusion-img2vid-xt"
    prior: str = "video"
    image_prior: str = ""
    name: str = "svd-mv"
    num_views: int = 21
    image_size: int = 576
    ids: tuple[str, ...] = ("fps", "motion_bucket", "noise_aug", "elevation")
    id_widths: tuple[int, ...] = ()
    elevation_unit: str = "deg"
    elevation_range_deg: tuple[float, float] = (-5.0, 30.0)
    input_view_index: int = 0
    azimuth_sign: int = 1
    noise_aug: float = 0.02
    num_steps: int = 25
    guidance: str = "triangle:1:2.5"
    decode_chunk: int = 8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("ids", "id_widths", "elevation_range_deg"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        if self.prior not in PRIORS:
            raise ConfigError(
                "The prior is not known", where="model.prior", seen=self.prior, expected=", ".join(PRIORS)
            )
        if (self.prior == "image") != bool(self.image_prior):
            raise ConfigError(
                "Prior and image model do not go together",
                where="model.image_prior",
                seen=f"prior={self.prior}, image_prior={self.image_prior or 'none'}",
                expected="image_prior=FOLDER with prior=image, and none without",
                next_step="svdmv train experiment=sd21_mv model.image_prior=FOLDER",
            )


def started_model(start: StartModel) -> SvdMv:
    """The networks at step 0, in float32 on the CPU. Raises CheckpointError, ConfigError."""
    base = load_checkpoint(start.weights)
    guidance = Guidance.parse(start.guidance)
    known: dict[str, Any] = {
        "name": start.name,
        "num_views": start.num_views,
        "image_size": start.image_size,
        "ids": start.ids,
        "id_widths": start.id_widths,
        "elevation_unit": start.elevation_unit,
        "elevation_range_deg": start.elevation_range_deg,
        "input_view_index": start.input_view_index,
        "azimuth_sign": start.azimuth_sign,
        "noise_aug": start.noise_aug,
        "num_steps": start.num_steps,
        "guidance": guidance,
        "decode_chunk": start.decode_chunk,
    }
    info = CheckpointInfo.from_dict(replace(base.info, **known).as_dict(), start.weights)
    info = replace(info, sha256=base.info.sha256)  # of the start: what a resumed run is compared with
    retold = with_ids(base.unet, base.info, info)
    if start.prior == "none":
        unet = fresh_unet(retold.config, start.seed)
    elif start.prior == "image":
        unet = unet_from_image_model(fresh_unet(retold.config, start.seed), start.image_prior)
    else:
        unet = retold
    use_one_token_attention(unet)
    frozen = (base.vae, base.image_encoder)
    for network in frozen:
        network.eval().requires_grad_(False)
    return SvdMv(unet.requires_grad_(True), *frozen, info)


def fresh_unet(config: Mapping[str, Any], seed: int) -> Any:
    """A randomly initialised UNetSpatioTemporalConditionModel of these settings."""
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return UNetSpatioTemporalConditionModel.from_config({k: v for k, v in config.items() if k[0] != "_"})


def with_ids(unet: Any, before: CheckpointInfo, after: CheckpointInfo) -> Any:
    """`unet` with the ids of `after`: columns of shared ids kept, of new ones zero; fps and motion bucket that go away
    are folded into the bias at the checkpoint's own values.

    Raises ConfigError: an id goes away that has weights and no fixed value, or a shared id changes its width.
    """
    width = int(unet.config.addition_time_embed_dim)
    old_widths = dict(zip(before.ids, before.id_widths or (width,) * len(before.ids), strict=True))
    new_widths = dict(zip(after.ids, after.id_widths or (width,) * len(after.ids), strict=True))
    state = unet.state_dict()
    weight, bias = state[f"{ID_LAYER}.weight"], state[f"{ID_LAYER}.bias"]
    columns = dict(zip(old_widths, torch.split(weight, list(old_widths.values()), 1), strict=True))
    fixed = {"fps": before.fps_id, "motion_bucket": before.motion_bucket_id}
    for name in old_widths.keys() - new_widths.keys():
        if name in fixed:
            bias = bias + columns[name] @ vector_from_ids(torch.tensor([[fixed[name]]]), [old_widths[name]])[0]
        elif bool(columns[name].any()):
            raise _id_refusal(name, "has weights", "an id of the start that is kept")
    wide = torch.zeros(weight.shape[0], sum(new_widths.values()))
    for name, part in zip(new_widths, torch.split(wide, list(new_widths.values()), 1), strict=True):
        if name in columns:
            if part.shape != columns[name].shape:
                raise _id_refusal(name, f"{part.shape[1]} columns", f"{columns[name].shape[1]}, as in the start")
            part.copy_(columns[name])
    layer = nn.Linear(wide.shape[1], wide.shape[0])
    layer.weight, layer.bias = nn.Parameter(wide), nn.Parameter(bias.clone())
    unet.add_embedding.linear_1 = layer
    unet.register_to_config(projection_class_embeddings_input_dim=wide.shape[1])
    return unet


def _id_refusal(name: str, seen: str, expected: str) -> ConfigError:
    return ConfigError("The ids do not fit the start", where=f"model.ids: {name}", seen=seen, expected=expected)


def unet_from_image_model(unet: Any, source: str) -> Any:
    """`unet` with the spatial layers of Stable Diffusion's image UNet; its temporal layers and ids have no effect yet.

    The input convolution's columns for the condition latent are zero. Raises CheckpointError: another layout.
    """
    folder = checkpoint_folder(source)
    config, state = part_config(folder, "unet"), read_weights(folder, "unet")
    if config.get("_class_name") != "UNet2DConditionModel":
        raise _other_image_model(folder, config.get("_class_name"), "UNet2DConditionModel")
    own = unet.state_dict()
    filled: dict[str, Tensor] = {}
    for name, tensor in own.items():
        found = state.pop(name.replace(".spatial_res_block", ""), None)
        if found is None:
            if not is_temporal(name):
                raise _other_image_model(folder, "absent", f"{name} {tuple(tensor.shape)}")
            filled[name] = tensor
            continue
        if name == "conv_in.weight" and found.shape[1] < tensor.shape[1]:
            found = torch.cat([found, torch.zeros_like(tensor[:, found.shape[1] :])], 1)
        if found.shape != tensor.shape:
            raise _other_image_model(folder, f"{name} {tuple(found.shape)}", str(tuple(tensor.shape)))
        filled[name] = found.float()
    if state:
        raise _other_image_model(folder, f"{len(state)} tensors without a place, first {min(state)}", "none")
    unet.load_state_dict(filled)
    silence_temporal_layers(unet)
    return unet


def is_temporal(name: str) -> bool:
    """Whether a parameter of UNetSpatioTemporalConditionModel has no counterpart in an image UNet."""
    return any(word in name for word in ("temporal_", "time_mixer", "time_pos_embed", "add_embedding"))


def silence_temporal_layers(unet: Any) -> None:
    """Zero what ends every temporal branch and the embedding of the ids: views are single pictures until they learn."""
    last: list[nn.Module] = [unet.add_embedding.linear_2]
    for module in unet.modules():
        if hasattr(module, "temporal_res_block"):
            last.append(module.temporal_res_block.conv2)
        if hasattr(module, "temporal_transformer_blocks"):
            last.append(module.time_pos_embed.linear_2)
            for block in module.temporal_transformer_blocks:
                last += [block.ff_in.net[2], block.attn1.to_out[0], block.attn2.to_out[0], block.ff.net[2]]
    for layer in last:
        for parameter in layer.parameters():
            nn.init.zeros_(parameter)


def _other_image_model(folder: Path, seen: object, expected: str) -> CheckpointError:
    return CheckpointError(
        "The image model has another layout than the spatial layers",
        where=folder / "unet",
        seen=seen,
        expected=expected,
        next_step="model.image_prior=FOLDER of Stable Diffusion 2.1 in diffusers' layout",
    )
