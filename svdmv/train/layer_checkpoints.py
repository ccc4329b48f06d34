"""Gradient checkpointing: what a layer makes is forgotten and made anew for the backward pass."""

from __future__ import annotations

import functools
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint


def large_layers(unet: Any) -> list[nn.Module]:
    """The residual blocks and transformers of a UNetSpatioTemporalConditionModel: nearly all of what a step holds."""
    wanted = ("temporal_res_block", "temporal_transformer_blocks")
    return [module for module in unet.modules() if any(hasattr(module, name) for name in wanted)]


def checkpoint_layers(unet: Any) -> None:
    """Checkpoint every large layer, in place; the gradients stay the same.

    diffusers' own switch leaves the temporal transformers out, which hold most of the memory.
    """
    for module in large_layers(unet):
        plain = module.forward
        if not hasattr(plain, "func"):
            module.forward = functools.partial(checkpoint, plain, use_reentrant=False, preserve_rng_state=False)
