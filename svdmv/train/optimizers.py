"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from svdmv.core import ConfigError
from svdmv.train.muon import Muon


def new_optimizer(
    name: str, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float
) -> Muon | torch.optim.AdamW:
    """adamw: for finetuning; muon: two to three times fewer steps for networks that start from nothing.

    Muon decays ten times as much, for its steps are as large as its weights. Raises ConfigError: unknown name.
    """
    if name == "adamw":
        return torch.optim.AdamW(parameters, learning_rate, betas=(0.9, 0.99), weight_decay=weight_decay)
    if name == "muon":
        return Muon(parameters, learning_rate, weight_decay=10 * weight_decay)
    raise ConfigError("The optimiser is unknown", where="optimizer", seen=name, expected="adamw or muon")
