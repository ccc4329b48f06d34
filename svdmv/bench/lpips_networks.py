"""LPIPS v0.1 with its three published trunks in plain torch: alex, squeeze, vgg. Nothing is downloaded.

Source: Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", arXiv 1801.03924. Weight
files hold the trunk's own names (features.N.weight) and the heads (linK.weight).
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdmv.core import CheckpointError
from svdmv.diffusion.perceptual import SCALE, SHIFT

# One step a letter: c = convolution and ReLU, p = max pooling, f = fire module of SqueezeNet; * = a feature is taken.
ALEX = ("c0:4:2*", "p", "c3:1:2*", "p", "c6:1:1*", "c8:1:1*", "c10:1:1*")
SQUEEZE = ("c0:2:0*", "p", "f3", "f4*", "p", "f6", "f7*", "p", "f9*", "f10*", "f11*", "f12*")
VGG = (
    *("c0:1:1", "c2:1:1*", "p", "c5:1:1", "c7:1:1*", "p", "c10:1:1", "c12:1:1", "c14:1:1*", "p"),
    *("c17:1:1", "c19:1:1", "c21:1:1*", "p", "c24:1:1", "c26:1:1", "c28:1:1*"),
)
TRUNKS = {"alex": ALEX, "squeeze": SQUEEZE, "vgg": VGG}
POOLING = {"alex": (3, 2, False), "squeeze": (3, 2, True), "vgg": (2, 2, False)}  # kernel, stride, ceil_mode


class Lpips(nn.Module):
    """LPIPS with one of the trunks; frozen. weights: a .safetensors file. Raises CheckpointError: not such a file."""

    def __init__(self, net: str, weights: Path) -> None:
        super().__init__()
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        self.net = net
        try:
            self.state = {name: tensor.float() for name, tensor in load_file(weights).items()}
            self.heads = [self.state[f"lin{n}.weight"] for n in range(sum("*" in step for step in TRUNKS[net]))]
        except (SafetensorError, OSError, KeyError) as error:
            raise CheckpointError(
                "The LPIPS weights cannot be used",
                where=weights,
                seen=error,
                expected=f"trunk features.N.weight and heads linK.weight of {net}",
                next_step="export SVDMV_WEIGHTS=FOLDER",
            ) from error
        self.sha256 = hashlib.sha256(weights.read_bytes()).hexdigest()

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Unit-length features of pictures (B, 3, H, W) in [-1, 1], one tensor a taken step."""
        shift, scale = (torch.tensor(v).reshape(1, 3, 1, 1) for v in (SHIFT, SCALE))
        x, out = (pictures - shift) / scale, []
        for step in TRUNKS[self.net]:
            kind, rest = step[0], step[1:].rstrip("*")
            if kind == "p":
                kernel, stride, ceil = POOLING[self.net]
                x = functional.max_pool2d(x, kernel, stride, ceil_mode=ceil)
            elif kind == "c":
                index, stride, padding = map(int, rest.split(":"))
                x = functional.relu(self._conv(x, f"features.{index}", stride, padding))
            else:
                squeezed = functional.relu(self._conv(x, f"features.{rest}.squeeze"))
                wide = [self._conv(squeezed, f"features.{rest}.expand{k}x{k}", 1, k // 2) for k in (1, 3)]
                x = functional.relu(torch.cat(wide, 1))
            if step.endswith("*"):
                out.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return out

    def _conv(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        return functional.conv2d(x, self.state[f"{name}.weight"], self.state[f"{name}.bias"], stride, padding)

    @torch.inference_mode()
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) distances of pictures (B, 3, H, W) in [-1, 1]. Raises ValueError: values outside that range."""
        low, high = (float(f(torch.stack([f(a), f(b)]))) for f in (torch.min, torch.max))
        if low < -1.001 or high > 1.001:
            raise ValueError(f"LPIPS wants pictures in [-1, 1], seen {low:g} to {high:g}")
        total = torch.zeros(len(a))
        for fa, fb, head in zip(self.features(a), self.features(b), self.heads, strict=True):
            total += functional.conv2d((fa - fb).square(), head).mean((1, 2, 3))
        return total
