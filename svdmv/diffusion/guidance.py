"""Classifier-free guidance with a scale per view."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch
from torch import Tensor

from svdmv.core import ConfigError
from svdmv.diffusion.edm import Denoiser

Kind = Literal["constant", "linear", "triangle", "triangle_frames"]
KINDS: tuple[Kind, ...] = ("constant", "linear", "triangle", "triangle_frames")


@dataclass(frozen=True)
class Guidance:
    """How strongly each view is pushed away from the unconditional prediction.

    constant: `high` at every view. linear: `low` at view 0 to `high` at the last (SVD). triangle: `low` at the input
    view, `high` at the back, `low` again when the orbit closes (SV3D section 3, 1 -> 2.5 -> 1). triangle_frames: `low`
    at the first and the last frame, `high` in the middle, wherever the input view stands (SV3D's own program).
    """

    kind: Kind = "triangle"
    low: float = 1.0
    high: float = 2.5

    def __post_init__(self) -> None:
        finite = all(0 <= value < 1000 for value in (self.low, self.high))
        if self.kind not in KINDS or not finite:
            raise ConfigError(
                "Guidance is out of range",
                where="guidance",
                seen=f"{self.kind}:{self.low}:{self.high}",
                expected="constant:S, linear:LOW:HIGH or triangle:LOW:HIGH, scales from 0 to 1000",
                next_step="--guidance triangle:1:2.5",
            )

    @classmethod
    def parse(cls, text: str) -> Guidance:
        """`2`, `constant:2`, `linear:1:3`, `triangle:1:2.5`."""
        parts = text.split(":")
        try:
            if len(parts) == 1:
                return cls("constant", float(parts[0]), float(parts[0]))
            if parts[0] == "constant" and len(parts) == 2:
                return cls("constant", float(parts[1]), float(parts[1]))
            for kind in KINDS[1:]:
                if parts[0] == kind and len(parts) == 3:
                    return cls(kind, float(parts[1]), float(parts[2]))
        except ValueError:
            parts = []  # no numbers: told below
        raise ConfigError(
            "Guidance cannot be read",
            where="--guidance",
            seen=text,
            expected="a number, constant:S, linear:LOW:HIGH or triangle:LOW:HIGH",
            next_step="--guidance triangle:1:2.5",
        )

    def as_dict(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    def scales(self, num_views: int, input_view_index: int = 0) -> Tensor:
        """(num_views,) float32."""
        if self.kind == "constant":
            return torch.full((num_views,), float(self.high))
        if self.kind == "linear":
            return torch.linspace(self.low, self.high, num_views)
        if self.kind == "triangle_frames":
            way = torch.linspace(0, 1, num_views)
            return self.low + (self.high - self.low) * (1 - (2 * way - 1).abs())
        steps = (torch.arange(num_views) - input_view_index) % num_views
        distance = torch.minimum(steps, num_views - steps).float()
        return self.low + (self.high - self.low) * distance / max(num_views // 2, 1)


def guided(conditional: Denoiser, unconditional: Denoiser, scales: Tensor) -> Denoiser:
    """D = D_u + s (D_c - D_u) with s (F,) over the view axis; scale 1 everywhere runs the conditional branch alone."""
    if bool((scales == 1).all()):
        return conditional
    shaped = scales.reshape(1, -1, 1, 1, 1)

    def denoise(noisy: Tensor, sigma: Tensor) -> Tensor:
        without = unconditional(noisy, sigma)
        return without + shaped.to(noisy) * (conditional(noisy, sigma) - without)

    return denoise


def guided_together(both: Denoiser, scales: Tensor) -> Denoiser:
    """The same in one pass: `both` denoises twice the batch, first half without and second half with the condition."""
    shaped = scales.reshape(1, -1, 1, 1, 1)

    def denoise(noisy: Tensor, sigma: Tensor) -> Tensor:
        without, conditioned = both(torch.cat([noisy, noisy]), torch.cat([sigma, sigma])).chunk(2)
        return without + shaped.to(noisy) * (conditioned - without)

    return denoise
