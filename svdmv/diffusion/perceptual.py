"""LPIPS v0.1 in plain torch: a frozen AlexNet or SqueezeNet trunk and the published linear heads.

The weights are a file of the user's (folder named by SVDMV_WEIGHTS, or a path); nothing is downloaded.
Source: Zhang et al., arXiv 1801.03924; equal to the lpips package where that one imports.
"""

from __future__ import annotations

import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdmv.core import CheckpointError

ALEX_LAYERS = (
    (0, 3, 64, 11, 4, 2),
    (3, 64, 192, 5, 1, 2),
    (6, 192, 384, 3, 1, 1),
    (8, 384, 256, 3, 1, 1),
    (10, 256, 256, 3, 1, 1),
)  # index, in, out, kernel, stride, padding
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)


def lpips_weights_path(net: str = "alex") -> Path:
    """FOLDER/lpips_NET_fp32.safetensors or FOLDER/lpips/... under $SVDMV_WEIGHTS. Raises CheckpointError."""
    root = os.environ.get("SVDMV_WEIGHTS", "")
    name = f"lpips_{net}_fp32.safetensors"
    for folder in (Path(root), Path(root) / "lpips") if root else ():
        if (folder / name).is_file():
            return folder / name
    raise CheckpointError(
        "LPIPS weights are not at hand",
        where="SVDMV_WEIGHTS",
        seen=root or "not set",
        expected=f"a folder with {name}",
        next_step="export SVDMV_WEIGHTS=FOLDER",
    )


class LpipsAlex(nn.Module):
    """LPIPS v0.1 with the AlexNet trunk; frozen."""

    shift: Tensor
    scale: Tensor

    def __init__(self, weights: Path) -> None:
        super().__init__()
        from safetensors.torch import load_file

        state = load_file(weights)
        self.convs = nn.ModuleList(nn.Conv2d(i, o, k, s, p) for _, i, o, k, s, p in ALEX_LAYERS)
        self.heads = nn.ParameterList(
            nn.Parameter(state[f"lin{n}.weight"].float(), requires_grad=False) for n in range(5)
        )
        for conv, (index, *_) in zip(self.convs, ALEX_LAYERS, strict=True):
            conv.load_state_dict({"weight": state[f"features.{index}.weight"], "bias": state[f"features.{index}.bias"]})
        self.register_buffer("shift", torch.tensor(SHIFT).reshape(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).reshape(1, 3, 1, 1))
        self.requires_grad_(False)

    def _features(self, x: Tensor) -> list[Tensor]:
        x = (x - self.shift) / self.scale
        out = []
        for n, conv in enumerate(self.convs):
            if n in (1, 2):
                x = functional.max_pool2d(x, 3, 2)
            x = functional.relu(conv(x))
            out.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return out

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) distance of pictures (B, 3, H, W) in [-1, 1]."""
        total = torch.zeros(len(a), device=a.device)
        for fa, fb, head in zip(self._features(a), self._features(b), self.heads, strict=True):
            total = total + functional.conv2d((fa - fb).square(), head.to(fa)).mean((1, 2, 3))
        return total
