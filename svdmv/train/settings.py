"""Settings of the finetuning loop, checked when they are made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from svdmv.core import ConfigError

OPTIMIZERS = ("adamw", "adamw8bit", "muon")
SCHEDULES = ("cosine", "constant")
FREE_TO_CHANGE = ("save_every", "micro_batch", "gradient_checkpointing", "max_rollbacks")  # a resumed run may differ


@dataclass(frozen=True)
class Finetuning:
    """Settings of the loop.

    batch: clips of a step, of all processes. micro_batch: clips a process holds at once; 0 = its whole share; the
    gradient is that of the whole batch either way. optimizer: adamw, adamw8bit or muon. schedule: cosine (down to 2 %)
    or constant, after the warm-up. average_decay: of the moving average of the weights, which is what is saved.
    p_mean, p_std: ln sigma ~ N(p_mean, p_std^2). noise_aug_log_mean, noise_aug_log_std: strength of the condition
    noise, ln-normal (SVD: -3, 0.5). dropout: probability of the null condition, per clip. input_view_weight: weight of
    the loss at the input view, rising evenly to its most at the back (1 = all views alike).
    gradient_checkpointing: more time for a fraction of the memory. max_rollbacks: how often a run may go back to its
    last state after a value that is not finite, leaving that step out.
    """

    num_steps: int = 4000
    batch: int = 8
    micro_batch: int = 0
    optimizer: str = "adamw"
    learning_rate: float = 6e-4
    schedule: str = "cosine"
    warmup_steps: int = 100
    average_decay: float = 0.998
    p_mean: float = 0.3
    p_std: float = 1.4
    noise_aug_log_mean: float = -3.0
    noise_aug_log_std: float = 0.5
    dropout: float = 0.1
    input_view_weight: float = 1.0
    weight_decay: float = 1e-3
    grad_norm: float = 1.0
    gradient_checkpointing: bool = False
    max_rollbacks: int = 0
    seed: int = 2
    save_every: int = 250

    def __post_init__(self) -> None:
        checks: list[tuple[str, Any, bool, str]] = [
            ("num_steps", self.num_steps, self.num_steps >= 0, "0 (the start as it is) or more"),
            ("batch", self.batch, self.batch > 0, "1 or more"),
            ("micro_batch", self.micro_batch, self.micro_batch >= 0, "0 or more"),
            ("optimizer", self.optimizer, self.optimizer in OPTIMIZERS, " or ".join(OPTIMIZERS)),
            ("schedule", self.schedule, self.schedule in SCHEDULES, " or ".join(SCHEDULES)),
            ("learning_rate", self.learning_rate, 0 < self.learning_rate <= 1, "above 0, to 1 (SVD-MV: 1e-5)"),
            ("average_decay", self.average_decay, 0 <= self.average_decay < 1, "0 to below 1"),
            ("p_std", self.p_std, self.p_std > 0, "above 0"),
            ("noise_aug_log_std", self.noise_aug_log_std, self.noise_aug_log_std >= 0, "0 or more"),
            ("dropout", self.dropout, 0 <= self.dropout < 1, "0 to below 1"),
            ("input_view_weight", self.input_view_weight, 0 < self.input_view_weight <= 1, "above 0, to 1"),
            ("grad_norm", self.grad_norm, self.grad_norm > 0, "above 0"),
            ("max_rollbacks", self.max_rollbacks, self.max_rollbacks >= 0, "0 or more"),
            ("save_every", self.save_every, self.save_every > 0, "1 or more"),
        ]
        for name, seen, good, expected in checks:
            if not good:
                raise ConfigError(
                    "A setting of the training is out of range",
                    where=f"finetuning.{name}",
                    seen=seen,
                    expected=expected,
                    next_step=f"svdmv train ... finetuning.{name}=...",
                )
