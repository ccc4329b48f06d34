"""Running and widening diffusers' UNetSpatioTemporalConditionModel.

The stock forward knows one vector of ids per clip. Ours also takes one per view (dynamic orbits, SV3D) and is equal
to the stock one when the vectors do not differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from diffusers.models.embeddings import get_timestep_embedding
from torch import Tensor

from svdmv.core import CheckpointError


def run_unet(
    unet: Any, sample: Tensor, c_noise: Tensor, tokens: Tensor, ids: Tensor, id_widths: Sequence[int] = ()
) -> Tensor:
    """The network F.

    Args:
        unet: a UNetSpatioTemporalConditionModel.
        sample: (B, F, C_noisy + C_condition, h, w).
        c_noise: (B,) 0.25 ln(sigma).
        tokens: (B, T, D) cross-attention tokens.
        ids: (B, K) or (B, F, K) float32 vector condition: fps, motion bucket, noise augmentation, elevation ...
        id_widths: width of each id's sinusoid; none: the UNet's own for all (SV3D: 256, 512, 512).

    Returns:
        (B, F, C_noisy, h, w).
    """
    clips, views = sample.shape[:2]
    rows = ids if ids.ndim == 3 else ids[:, None].expand(-1, views, -1)
    dtype = unet.dtype
    embedding = unet.time_embedding(unet.time_proj(c_noise.expand(clips)).to(dtype))
    vector = vector_from_ids(rows.flatten(0, 1), id_widths or (unet.config.addition_time_embed_dim,) * ids.shape[-1])
    embedding = embedding.repeat_interleave(views, 0) + unet.add_embedding(vector.to(dtype))
    context = tokens.to(dtype).repeat_interleave(views, 0)
    no_still = torch.zeros(clips, views, dtype=dtype, device=sample.device)

    x = unet.conv_in(sample.flatten(0, 1).to(dtype))
    skips = [x]
    for block in unet.down_blocks:
        if getattr(block, "has_cross_attention", False):
            x, new = block(x, temb=embedding, encoder_hidden_states=context, image_only_indicator=no_still)
        else:
            x, new = block(x, temb=embedding, image_only_indicator=no_still)
        skips.extend(new)
    x = unet.mid_block(x, temb=embedding, encoder_hidden_states=context, image_only_indicator=no_still)
    for block in unet.up_blocks:
        count = len(block.resnets)
        new, skips = tuple(skips[-count:]), skips[:-count]
        size = skips[-1].shape[2:] if skips else None  # odd sizes: come back to the size of the skip that follows
        if getattr(block, "has_cross_attention", False):
            x = block(
                x,
                temb=embedding,
                res_hidden_states_tuple=new,
                encoder_hidden_states=context,
                upsample_size=size,
                image_only_indicator=no_still,
            )
        else:
            x = block(x, temb=embedding, res_hidden_states_tuple=new, upsample_size=size, image_only_indicator=no_still)
    x = unet.conv_out(unet.conv_act(unet.conv_norm_out(x)))
    frames: Tensor = x.unflatten(0, (clips, views))
    return frames


def vector_from_ids(ids: Tensor, widths: Sequence[int]) -> Tensor:
    """(B, sum of widths) float32: the raw ids (B, K) as sinusoids beside each other, cosines first."""
    columns = [
        get_timestep_embedding(column, width, flip_sin_to_cos=True, downscale_freq_shift=0)
        for column, width in zip(ids.float().unbind(-1), widths, strict=True)
    ]
    return torch.cat(columns, -1)


def widened_state(state: dict[str, Tensor], ids_before: int, ids_after: int, id_width: int) -> dict[str, Tensor]:
    """A UNet's weights with room for more vector ids: old columns copied, new ones zero, nothing else touched.

    Step 0 of the wide network equals the narrow one bit for bit, whatever the new ids are (FACTS: SVD-MV adds the
    elevation as a fourth id). Raises CheckpointError when the layer does not have `ids_before * id_width` columns.
    """
    name = "add_embedding.linear_1.weight"
    old = state.get(name)
    if old is None or old.shape[1] != ids_before * id_width:
        raise CheckpointError(
            "The UNet's vector condition has another layout",
            where=name,
            seen="absent" if old is None else tuple(old.shape),
            expected=f"{ids_before} ids x {id_width} columns",
            next_step="check that config.json and the weights belong together",
        )
    wide = torch.zeros(old.shape[0], ids_after * id_width, dtype=old.dtype)
    wide[:, : old.shape[1]] = old
    return {**state, name: wide}
