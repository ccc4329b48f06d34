"""Muon: momentum made orthogonal for every matrix and kernel, Adam for the rest.

Source: Keller Jordan and others, "Muon: An optimizer for hidden layers in neural networks", 2024; the scale that lets
it share Adam's learning rates: Liu and others, "Muon is scalable for LLM training", arXiv 2502.16982.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic Newton-Schulz iteration
SMALLEST_SIDE = 16  # narrower matrices are left to Adam


def orthogonalised(matrices: Tensor, steps: int = 5) -> Tensor:
    """(N, R, C) with the same singular vectors and singular values near 1 (0.7 to 1.2), computed in bfloat16."""
    x = matrices.bfloat16()
    wide = x.shape[-2] <= x.shape[-1]
    x = x if wide else x.mT
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x if wide else x.mT).to(matrices.dtype)


def is_matrix(parameter: Tensor) -> bool:
    """Whether Muon's rule serves it: at least 16 outputs and 16 inputs, kernels flattened to (out, in * k * k)."""
    return parameter.ndim >= 2 and min(parameter.shape[0], parameter[0].numel()) >= SMALLEST_SIDE


class Muon(torch.optim.Optimizer):
    """Steps of 0.2 sqrt(max(R, C)) * learning rate along the orthogonalised Nesterov momentum; decoupled decay.

    Parameters that are no matrices get Adam with the same learning rate and no decay.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        lr: float,
        *,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 1e-2,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient; no closure."""
        for group in self.param_groups:
            given = [p for p in group["params"] if p.grad is not None]
            alike: dict[tuple[int, int], list[Tensor]] = {}
            for parameter in given:
                if is_matrix(parameter):
                    alike.setdefault((len(parameter), parameter[0].numel()), []).append(parameter)
                else:
                    self._adam_step(parameter, self.state[parameter], group)
            for shape, parameters in alike.items():
                self._matrix_step(parameters, shape, group)

    def _matrix_step(self, parameters: list[Tensor], shape: tuple[int, int], group: dict[str, float]) -> None:
        """All matrices of one shape together: one batched product is several times faster than many small ones."""
        for parameter in parameters:
            if not self.state[parameter]:
                self.state[parameter]["momentum"] = torch.zeros_like(parameter)
        grads = [p.grad for p in parameters if p.grad is not None]
        momenta = [self.state[p]["momentum"] for p in parameters]
        torch._foreach_lerp_(momenta, grads, 1 - group["momentum"])
        ahead = torch._foreach_lerp(grads, momenta, group["momentum"])
        moves = orthogonalised(torch.stack([u.reshape(shape).bfloat16() for u in ahead]))
        torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
        scale = -group["lr"] * 0.2 * float(max(shape)) ** 0.5
        steps = [move.reshape(p.shape).to(p.dtype) for p, move in zip(parameters, moves, strict=True)]
        torch._foreach_add_(parameters, steps, alpha=scale)

    @staticmethod
    def _adam_step(parameter: Tensor, state: dict[str, Tensor], group: dict[str, tuple[float, float]]) -> None:
        if not state:
            state["step"] = torch.zeros(())
            state["first"], state["second"] = torch.zeros_like(parameter), torch.zeros_like(parameter)
        grad, (b1, b2) = parameter.grad, group["betas"]
        assert grad is not None
        state["step"] += 1
        step = float(state["step"])
        state["first"].lerp_(grad, 1 - b1)
        state["second"].lerp_(grad.square(), 1 - b2)
        denominator = (state["second"] / (1 - b2**step)).sqrt() + 1e-8
        parameter.addcdiv_(state["first"] / (1 - b1**step), denominator, value=-float(group["lr"]))  # type: ignore[arg-type]
