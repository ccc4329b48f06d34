"""Data parallel training in plain torch.distributed: every process takes its rows of the very same batch.

    torchrun --nproc-per-node 2 -m svdmv train experiment=mini threads=1

All draws are made for the whole batch by every process, so the result does not depend on the number of processes but
for rounding. The first process alone writes files.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, distributed

from svdmv.core import ConfigError

LARGEST_MESSAGE = 1 << 26  # numbers, 256 MB: a copy of all gradients of the full model would take 6 GB


@dataclass(frozen=True)
class Team:
    """This process among `count`; Team() is a process alone."""

    rank: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        """Whether this is the process that writes states, curves and checkpoints."""
        return self.rank == 0

    def rows(self, total: int) -> slice:
        """This process's rows of a batch. Raises ConfigError when the batch cannot be dealt out evenly."""
        if total % self.count:
            raise ConfigError(
                "The batch cannot be dealt out evenly",
                where="batch",
                seen=total,
                expected=f"a multiple of {self.count} processes",
                next_step=f"svdmv train ... batch={self.count * max(total // self.count, 1)}",
            )
        share = total // self.count
        return slice(self.rank * share, (self.rank + 1) * share)

    def average_gradients(self, parameters: Iterable[Tensor]) -> None:
        """Mean of all processes' gradients, in place, in messages of bounded size."""
        if self.count == 1:
            return
        grads = [p.grad for p in parameters if p.grad is not None]
        while grads:
            message: list[Tensor] = []
            size = 0
            while grads and (not message or size + grads[0].numel() <= LARGEST_MESSAGE):
                size += grads[0].numel()
                message.append(grads.pop(0))
            flat = torch.cat([g.flatten() for g in message])
            distributed.all_reduce(flat)
            flat /= self.count
            for grad, part in zip(message, torch.split(flat, [g.numel() for g in message]), strict=True):
                grad.copy_(part.view_as(grad))

    def mean(self, value: Tensor) -> Tensor:
        """Of one number over all processes."""
        if self.count == 1:
            return value
        shared = value.detach().clone()
        distributed.all_reduce(shared)
        return shared / self.count

    def any(self, flag: bool) -> bool:
        """True on all when it is true on one, so that all stop at the same step."""
        if self.count == 1:
            return flag
        shared = torch.tensor([float(flag)])
        if distributed.get_backend() == "nccl":
            shared = shared.cuda()
        distributed.all_reduce(shared, distributed.ReduceOp.MAX)
        return bool(shared.item())

    def wait(self) -> None:
        """Until all are here."""
        if self.count > 1:
            distributed.barrier()


ALONE = Team()


def team_from_environment(device: str) -> Team:
    """The team that torchrun made (RANK, WORLD_SIZE, LOCAL_RANK), joined; alone without it."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        return ALONE
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if not distributed.is_initialized():
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    return Team(distributed.get_rank(), count)
