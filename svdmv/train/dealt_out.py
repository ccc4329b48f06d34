"""The UNet's parameters, gradients and moments dealt out over the processes of a team (fully sharded data parallel).

zero3 gathers a block's weights before it runs and lets them go afterwards; zero2 keeps them for the backward pass.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from svdmv.core import ConfigError
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.unet import run_unet
from svdmv.train.layer_checkpoints import large_layers
from svdmv.train.parallel import Team

PARALLEL = ("data", "zero2", "zero3")


class CalledUNet(nn.Module):
    """`run_unet` as a module, so that what is done around a module's call is done around it."""

    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, *told: Any) -> Tensor:
        """As `run_unet` without its first argument."""
        return run_unet(self.unet, *told)


def deal_out(model: SvdMv, team: Team, parallel: str, device: str) -> None:
    """Deal out the UNet of `model`, in place. Raises ConfigError: a process alone."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import fully_shard

    if team.count == 1:
        raise ConfigError(
            "Weights cannot be dealt out to one process",
            where="hardware.parallel",
            seen=parallel,
            expected="several processes",
            next_step=f"torchrun --nproc-per-node 8 -m svdmv train ... hardware.parallel={parallel}",
        )
    mesh = init_device_mesh(torch.device(device).type, (team.count,))
    model.unet.to(device)
    for module in large_layers(model.unet):
        fully_shard(module, mesh=mesh, reshard_after_forward=parallel == "zero3")
    called = CalledUNet(model.unet)
    fully_shard(called, mesh=mesh, reshard_after_forward=parallel == "zero3")
    model.call = called


def gathered_unet(model: SvdMv) -> Any:
    """A whole UNet with the weights of one that is dealt out; every process calls it and gets one, on the CPU."""
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        whole = UNetSpatioTemporalConditionModel.from_config(
            {k: v for k, v in model.unet.config.items() if k[0] != "_"}
        )
    state = {}
    for name, tensor in model.unet.state_dict().items():
        state[name] = (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).detach().cpu()
    whole.load_state_dict(state, assign=True)
    return whole
