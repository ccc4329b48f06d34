"""LPIPS v0.1 with its three published trunks in plain torch: alex, squeeze, vgg; frozen.

The weights are a file of the user's (folder named by SVDMV_WEIGHTS, or a path) with the trunk's own names
(features.N.weight) and the heads (linK.weight); nothing is downloaded. Source: Zhang et al., "The unreasonable
effectiveness of deep features as a perceptual metric", arXiv 1801.03924; equal to the lpips package where
that one imports.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from svdmv.core import CheckpointError

# One step a string: c = convolution and ReLU (index:stride:padding), p = max pooling, f = fire module of SqueezeNet;
# * = a feature is taken.
ALEX = ("c0:4:2*", "p", "c3:1:2*", "p", "c6:1:1*", "c8:1:1*", "c10:1:1*")
SQUEEZE = ("c0:2:0*", "p", "f3", "f4*", "p", "f6", "f7*", "p", "f9*", "f10*", "f11*", "f12*")
VGG = (
    *("c0:1:1", "c2:1:1*", "p", "c5:1:1", "c7:1:1*", "p", "c10:1:1", "c12:1:1", "c14:1:1*", "p"),
    *("c17:1:1", "c19:1:1", "c21:1:1*", "p", "c24:1:1", "c26:1:1", "c28:1:1*"),
)
TRUNKS = {"alex": ALEX, "squeeze": SQUEEZE, "vgg": VGG}
POOLING = {"alex": (3, 2, False), "squeeze": (3, 2, True), "vgg": (2, 2, False)}  # kernel, stride, ceil_mode
SHIFT = (-0.030, -0.088, -0.188)
SCALE = (0.458, 0.448, 0.450)
LEAST_LENGTH = 1e-10  # added to the length of a feature before it is divided by it


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


class Lpips(nn.Module):
    """LPIPS with one of the trunks. sha256: of the weights' file. Raises CheckpointError: a file of another kind."""

    def __init__(self, net: str, weights: Path) -> None:
        super().__init__()
        from safetensors import SafetensorError
        from safetensors.torch import load

        self.net = net
        try:
            data = weights.read_bytes()
            for name, tensor in load(data).items():
                self.register_buffer(name.replace(".", "_"), tensor.float())
            for layer in range(sum("*" in step for step in TRUNKS[net])):
                self.get_buffer(f"lin{layer}_weight")
        except (SafetensorError, OSError, AttributeError) as error:
            raise CheckpointError(
                "The LPIPS weights cannot be used",
                where=weights,
                seen=error,
                expected=f"trunk features.N.weight and heads linK.weight of {net}",
                next_step="export SVDMV_WEIGHTS=FOLDER",
            ) from error
        self.sha256 = hashlib.sha256(data).hexdigest()

    def features(self, pictures: Tensor) -> list[Tensor]:
        """Unit-length features of pictures (B, 3, H, W) in [-1, 1], one tensor a taken step."""
        shift, scale = (torch.tensor(v, device=pictures.device).reshape(1, 3, 1, 1) for v in (SHIFT, SCALE))
        layers = self.layers((pictures - shift) / scale)
        return [x / (x.square().sum(1, keepdim=True).sqrt() + LEAST_LENGTH) for x in layers]

    def layers(self, x: Tensor) -> list[Tensor]:
        """What the taken steps answer to shifted and scaled pictures (B, 3, H, W), of any length."""
        out = []
        for step in TRUNKS[self.net]:
            kind, rest = step[0], step[1:].rstrip("*")
            if kind == "p":
                kernel, stride, ceil = POOLING[self.net]
                x = functional.max_pool2d(x, kernel, stride, ceil_mode=ceil)
            elif kind == "c":
                index, stride, padding = map(int, rest.split(":"))
                x = functional.relu_(self._conv(x, f"features_{index}", stride, padding))
            else:
                squeezed = functional.relu_(self._conv(x, f"features_{rest}_squeeze"))
                wide = [self._conv(squeezed, f"features_{rest}_expand{k}x{k}", 1, k // 2) for k in (1, 3)]
                x = functional.relu_(torch.cat(wide, 1))
            if step.endswith("*"):
                out.append(x)
        return out

    def _conv(self, x: Tensor, name: str, stride: int = 1, padding: int = 0) -> Tensor:
        weight, bias = self.get_buffer(f"{name}_weight"), self.get_buffer(f"{name}_bias")
        return functional.conv2d(x, weight, bias, stride, padding)

    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        """(B,) distance of pictures (B, 3, H, W) in [-1, 1]."""
        total = torch.zeros(len(a), device=a.device)
        for layer, (fa, fb) in enumerate(zip(self.features(a), self.features(b), strict=True)):
            head = self.get_buffer(f"lin{layer}_weight")
            total = total + functional.conv2d((fa - fb).square(), head).mean((1, 2, 3))
        return total
