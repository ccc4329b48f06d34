"""A memory plan before the first step: what a training needs, from parameters, optimiser and activations.

Activations are counted, not guessed: the UNet runs once on the meta device, where tensors have shapes and no storage,
and what autograd keeps for the backward pass is added up.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from svdmv.core import DeviceError
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.shortcuts import use_one_token_attention
from svdmv.diffusion.unet import run_unet
from svdmv.train.layer_checkpoints import checkpoint_layers, large_layers
from svdmv.train.settings import Finetuning

GB = 1e9
MOMENT_BYTES = {"adamw": 8, "adamw8bit": 2, "muon": 4}  # of a parameter
SPARE = 1.1  # allocator's gaps, workspaces of kernels, the driver
IN_HALF = {functional.linear, torch.conv2d, torch.conv3d, torch.bmm, torch.matmul}
IN_SINGLE = {functional.group_norm, functional.layer_norm, torch.group_norm, torch.layer_norm}


@dataclass(frozen=True)
class MemoryPlan:
    """Gigabytes on each device: weights (with their copies in half precision), gradients, moments of the optimiser,
    moving average, frozen networks, and the most that a step holds beside them. state_gb: on the disk, of one state.
    cheaper: settings that need less, with their total, from the mildest on.
    """

    weights_gb: float
    gradients_gb: float
    moments_gb: float
    average_gb: float
    frozen_gb: float
    step_gb: float
    state_gb: float
    cheaper: tuple[tuple[str, float], ...] = ()

    @property
    def total_gb(self) -> float:
        """With a tenth to spare."""
        parts = (self.weights_gb, self.gradients_gb, self.moments_gb, self.average_gb, self.frozen_gb, self.step_gb)
        return SPARE * sum(parts)

    def text(self) -> str:
        """One line for people."""
        parts = ("weights", "gradients", "moments", "average", "frozen", "step")
        told = ", ".join(f"{name} {getattr(self, name + '_gb'):.2g}" for name in parts)
        total = f"memory: {self.total_gb:.3g} GB a device ({told}, a tenth to spare)"
        return f"{total}; {self.state_gb:.3g} GB a saved state"

    def require(self, there_gb: float | None) -> None:
        """Raise DeviceError when the device has less; it names the mildest settings that fit."""
        if there_gb is None or self.total_gb <= there_gb:
            return
        fitting = next((f"{told} ({total:.0f} GB)" for told, total in self.cheaper if total <= there_gb), None)
        least = min(self.cheaper, key=lambda pair: pair[1], default=("", self.total_gb))
        raise DeviceError(
            f"The training needs {self.total_gb:.3g} GB, the device has {there_gb:.3g}",
            where="memory plan",
            seen=self.text(),
            expected=f"at most {there_gb:.3g} GB",
            next_step=f"use {fitting}" if fitting else f"a larger device: {least[0]} still needs {least[1]:.3g} GB",
        )


def memory_plan(model: SvdMv, settings: Finetuning, processes: int, parallel: str, precision: str) -> MemoryPlan:
    """What each of `processes` devices needs for a step of `settings`."""
    counts = {
        "trained": sum(p.numel() for p in model.unet.parameters() if p.requires_grad),
        "unet": sum(p.numel() for p in model.unet.parameters()),
        "frozen": sum(p.numel() for net in (model.vae, model.image_encoder) for p in net.parameters()),
    }
    half = precision == "bf16"
    clip_bytes = {kept: step_bytes(model, half=half, checkpointing=kept) for kept in (False, True)}

    def plan(chosen: Finetuning, how: str, over: int) -> MemoryPlan:
        share = -(-chosen.batch // over)
        clips = min(chosen.micro_batch or share, share)
        parts = over if how != "data" else 1
        whole = (2 if half else 0) * counts["unet"] + (4 * counts["unet"] if how == "zero2" else 0)
        moments = MOMENT_BYTES[chosen.optimizer] * counts["trained"] / parts
        activations = clips * clip_bytes[chosen.gradient_checkpointing]
        side = model.info.image_size
        encoding = clips * 3 * 4 * side * side * int(model.vae.config.block_out_channels[0])
        update = 4 * counts["trained"] / parts  # AdamW's temporary copies
        return MemoryPlan(
            (4 * counts["unet"] / parts + whole) / GB,
            4 * counts["trained"] / parts / GB,
            moments / GB,
            4 * counts["trained"] / parts / GB,
            4 * counts["frozen"] / GB,
            max(activations, encoding, update) / GB,
            (8 * counts["trained"] / parts + moments) * parts / GB,
        )

    milder, told, cheaper = settings, "", []
    steps: list[tuple[str, Callable[[Finetuning], Finetuning]]] = [
        ("finetuning.gradient_checkpointing=true", lambda s: replace(s, gradient_checkpointing=True)),
        ("finetuning.micro_batch=1", lambda s: replace(s, micro_batch=1)),
        ("finetuning.optimizer=adamw8bit", lambda s: replace(s, optimizer="adamw8bit")),
    ]
    for name, change in steps:
        if change(milder) != milder:
            milder, told = change(milder), f"{told} {name}".strip()
            cheaper.append((told, plan(milder, parallel, processes).total_gb))
    if parallel == "data":
        eight = max(processes, 8)
        told = f"{told} hardware.parallel=zero3 on {eight} devices".strip()
        cheaper.append((told, plan(milder, "zero3", eight).total_gb))
    return replace(plan(settings, parallel, processes), cheaper=tuple(cheaper))


def memory_there(device: str) -> float | None:
    """Free gigabytes of a device, or None where nobody says."""
    if torch.device(device).type == "cuda":
        return float(torch.cuda.mem_get_info(device)[0]) / GB
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            kilobytes = next(line.split()[1] for line in file if line.startswith("MemAvailable"))
        return int(kilobytes) * 1024 / GB
    except (OSError, StopIteration):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / GB if hasattr(os, "sysconf") else None


def step_bytes(model: SvdMv, *, half: bool, checkpointing: bool) -> int:
    """Bytes that a forward pass of the UNet over one clip keeps for the backward pass, with the most that is made anew
    inside one layer where layers are checkpointed.
    """
    unet = _without_storage(model)
    kept, inside = _kept_bytes(unet, model, half, checkpointing=False)
    if not checkpointing:
        return kept
    checkpoint_layers(unet)
    return _kept_bytes(unet, model, half, checkpointing=True)[0] + inside


def _without_storage(model: SvdMv) -> Any:
    from diffusers import UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel.from_config({k: v for k, v in model.unet.config.items() if k[0] != "_"})
    unet.to("meta")  # a few parameters are made on the CPU whatever the device
    use_one_token_attention(unet)
    return unet.train()


def _kept_bytes(unet: Any, model: SvdMv, half: bool, *, checkpointing: bool) -> tuple[int, int]:
    """(bytes kept of all, the most kept inside one layer)."""
    info, (channels, height, width) = model.info, model.latent_shape
    own = {p.untyped_storage()._cdata for p in unet.parameters()}
    kept: dict[int, Tensor] = {}
    most = [0]

    def keep(tensor: Tensor) -> Tensor:
        if tensor.device.type == "meta" and tensor.untyped_storage()._cdata not in own:
            kept.setdefault(tensor.untyped_storage()._cdata, tensor)
        return tensor

    def before(module: Any, arguments: Any, named: Any) -> None:
        if checkpointing:  # what a checkpointed layer is given is kept instead of what it makes
            for value in (*arguments, *named.values()):
                if isinstance(value, Tensor):
                    keep(value)
        module.kept_before = _bytes_of(kept)

    def after(module: Any, arguments: Any, out: Any) -> None:
        most[0] = max(most[0], _bytes_of(kept) - module.kept_before)

    layers = large_layers(unet)
    hooks = [m.register_forward_pre_hook(before, with_kwargs=True) for m in layers]
    hooks += [m.register_forward_hook(after) for m in layers]
    with torch.device("meta"):
        sample = torch.empty(1, info.num_views, int(unet.config.in_channels), height, width)
        tokens = torch.empty(1, 1, int(unet.config.cross_attention_dim))
        level, ids = torch.ones(1), torch.ones(1, len(info.ids))
    with torch.device("meta"), torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t), _as_on_a_gpu(half, own):
        out = run_unet(unet, sample, level, tokens, ids, info.id_widths)
    assert out.shape[2] == channels
    for hook in hooks:
        hook.remove()
    return _bytes_of(kept), most[0]


def _bytes_of(kept: dict[int, Tensor]) -> int:
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


@contextmanager
def _as_on_a_gpu(half: bool, own: set[int]) -> Iterator[None]:
    """Attention that keeps its inputs and output only, and, with `half`, the casts of CUDA's autocast to bfloat16."""

    class Fused(torch.autograd.Function):
        """Scaled dot product attention, without the matrix of its weights."""

        @staticmethod
        def forward(ctx: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
            out = query.new_empty((*query.shape[:-1], value.shape[-1]))
            ctx.save_for_backward(query, key, value, out)
            return out

    casts: dict[int, Tensor] = {}

    def cast(value: Any, dtype: torch.dtype) -> Any:
        if not isinstance(value, Tensor) or not value.is_floating_point() or value.dtype == dtype:
            return value
        place = value.untyped_storage()._cdata
        if place not in own:
            return value.to(dtype)
        if id(value) not in casts:
            casts[id(value)] = value.to(dtype)
            own.add(casts[id(value)].untyped_storage()._cdata)
        return casts[id(value)]

    class Mode(TorchFunctionMode):
        """Intercepts what a GPU does in another way than the meta device."""

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            wanted = torch.bfloat16 if func in IN_HALF else torch.float32 if func in IN_SINGLE else None
            if func is functional.scaled_dot_product_attention:
                wanted = torch.bfloat16
            if half and wanted is not None:
                args = tuple(cast(a, wanted) for a in args)
                kwargs = {k: cast(v, wanted) for k, v in kwargs.items()}
            if func is functional.scaled_dot_product_attention:
                return Fused.apply(*args[:3])  # type: ignore[no-untyped-call]
            return func(*args, **kwargs)

    with Mode():
        yield
