"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from svdmv.core import ConfigError
from svdmv.core.require import require
from svdmv.train.muon import Muon
from svdmv.train.settings import OPTIMIZERS

BETAS = (0.9, 0.99)


def new_optimizer(
    name: str, parameters: Iterable[Tensor], learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """adamw: for finetuning; adamw8bit: with moments of a quarter of the size (bitsandbytes); muon: two to three times
    fewer steps for networks that start from nothing.

    Muon decays ten times as much, for its steps are as large as its weights. Raises ConfigError: unknown name.
    MissingDependency: bitsandbytes is not installed.
    """
    if name == "adamw":
        return torch.optim.AdamW(parameters, learning_rate, betas=BETAS, weight_decay=weight_decay)
    if name == "muon":
        return Muon(parameters, learning_rate, weight_decay=10 * weight_decay)
    if name == "adamw8bit":
        package = require("bitsandbytes", "train8bit", "The 8-bit optimiser")
        made: torch.optim.Optimizer = package.optim.AdamW8bit(
            parameters, learning_rate, betas=BETAS, weight_decay=weight_decay
        )
        return made
    raise ConfigError("The optimiser is unknown", where="optimizer", seen=name, expected=" or ".join(OPTIMIZERS))
