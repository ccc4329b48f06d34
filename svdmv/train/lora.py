"""Low-rank adapters on the temporal attention (SVD section 4.3.1: camera motion, rank 16), through peft."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from svdmv.core import ConfigError
from svdmv.core.require import require
from svdmv.io.atomic import whole_file

TEMPORAL = r".*temporal_transformer_blocks\.\d+\.(attn1\.(to_q|to_k|to_v|to_out\.0)|attn2\.(to_v|to_out\.0))"
MOTIONS = ("horizontal", "zoom", "static", "")


@dataclass(frozen=True)
class Lora:
    """rank: 0 trains the network itself. scale: of the adapter (alpha / rank). motion: what the clips show, a label."""

    rank: int = 0
    scale: float = 1.0
    motion: str = ""

    def __post_init__(self) -> None:
        if self.rank < 0 or self.motion not in MOTIONS:
            raise ConfigError(
                "A setting of the adapter is out of range",
                where="lora",
                seen=f"rank={self.rank} motion={self.motion}",
                expected=f"rank 0 or more, motion one of {', '.join(m or 'none' for m in MOTIONS)}",
            )


def add_adapters(unet: Any, lora: Lora, seed: int) -> None:
    """Freeze `unet` and give its temporal attention adapters, without effect at first, in place.

    Keys and queries of the attention to the one image token get none: a softmax over one token is 1 whatever they are.
    Raises MissingDependency: peft is not installed.
    """
    peft = require("peft", "train", "Training an adapter")
    unet.requires_grad_(False)
    config = peft.LoraConfig(r=lora.rank, lora_alpha=lora.scale * lora.rank, target_modules=TEMPORAL)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        peft.inject_adapter_in_model(config, unet)


def save_adapters(unet: Any, path: Path) -> None:
    """The adapters alone, as .safetensors, whole or not at all."""
    from safetensors.torch import save_file

    state = {n: t.detach().cpu().contiguous() for n, t in unet.state_dict().items() if ".lora_" in n}
    with whole_file(path) as temporary:
        save_file(state, temporary)


def merge_adapters(unet: Any) -> None:
    """Add the adapters to the weights that they adapt and take them away, in place."""
    for name, module in list(unet.named_modules()):
        if hasattr(module, "lora_A") and hasattr(module, "merge"):
            module.merge()
            parent = unet.get_submodule(name.rpartition(".")[0])
            base: nn.Module = module.get_base_layer()
            setattr(parent, name.rpartition(".")[2], base)
