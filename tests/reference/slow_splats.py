"""A stand-in for gsplat.rasterization in plain torch: every Gaussian at every pixel, front to back."""

from __future__ import annotations

from typing import Any

import torch


def rasterization(
    means: torch.Tensor,
    quats: torch.Tensor,
    scales: torch.Tensor,
    opacities: torch.Tensor,
    colors: torch.Tensor,
    viewmats: torch.Tensor,
    Ks: torch.Tensor,
    width: int,
    height: int,
    *,
    sh_degree: int,
    render_mode: str,
) -> tuple[torch.Tensor, torch.Tensor, dict[str, Any]]:
    """(1, H, W, 4) colours and expected depth, (1, H, W, 1) alphas; one camera, harmonics of degree 0."""
    assert (sh_degree, render_mode, len(viewmats)) == (0, "RGB+ED", 1)
    view, K = viewmats[0], Ks[0]
    local = means @ view[:3, :3].T + view[:3, 3]
    order = torch.argsort(local[:, 2])
    local, quats, scales, opacities, colors = (a[order] for a in (local, quats, scales, opacities, colors))
    w, x, y, z = quats.unbind(1)
    turn = torch.stack(
        [
            1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
            2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
            2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y),
        ],
        1,
    ).reshape(-1, 3, 3)  # fmt: skip
    axes = view[:3, :3] @ turn * scales[:, None]
    depth = local[:, 2]
    zero = torch.zeros_like(depth)
    slope = torch.stack(
        [
            torch.stack([K[0, 0] / depth, zero, -K[0, 0] * local[:, 0] / depth**2], 1),
            torch.stack([zero, K[1, 1] / depth, -K[1, 1] * local[:, 1] / depth**2], 1),
        ],
        1,
    )
    flat = slope @ axes
    spread = flat @ flat.transpose(1, 2) + 0.3 * torch.eye(2)
    middle = torch.stack([K[0, 0] * local[:, 0] / depth + K[0, 2], K[1, 1] * local[:, 1] / depth + K[1, 2]], 1)
    v, u = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    way = torch.stack([u.reshape(-1), v.reshape(-1)], 1)[:, None] - middle
    power = torch.einsum("pgi,gij,pgj->pg", way, torch.linalg.inv(spread), way)
    alpha = (opacities * torch.exp(-0.5 * power)).clamp(max=0.999)
    left = torch.cumprod(torch.cat([torch.ones_like(alpha[:, :1]), 1 - alpha], 1), 1)
    weights = alpha * left[:, :-1]
    shade = (0.5 + 0.28209479177387814 * colors[:, 0]).clamp(min=0)
    total = weights.sum(1, keepdim=True)
    expected = weights @ depth[:, None] / total.clamp(min=1e-6)
    drawn = torch.cat([weights @ shade, expected], 1).reshape(1, height, width, 4)
    return drawn, total.reshape(1, height, width, 1), {}
