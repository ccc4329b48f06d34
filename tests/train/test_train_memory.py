"""The memory plan: bytes that autograd keeps, counted without storage, and refusals in one sentence."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from tiny_training import LATENT, VIEWS, tiny_model
from torch import Tensor

from svdmv.core import DeviceError
from svdmv.diffusion.info import CheckpointInfo
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.unet import run_unet
from svdmv.train.finetune import attention_for
from svdmv.train.layer_checkpoints import checkpoint_layers
from svdmv.train.memory import MemoryPlan, memory_plan, step_bytes
from svdmv.train.settings import Finetuning


def really_kept(model: SvdMv) -> int:
    """Bytes of distinct storages that a true forward pass keeps, weights left out."""
    own = {p.untyped_storage().data_ptr() for p in model.unet.parameters()}
    kept: dict[int, Tensor] = {}

    def keep(tensor: Tensor) -> Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
        out = run_unet(
            model.unet, torch.randn(1, VIEWS, 2 * LATENT, 4, 4), torch.ones(1), torch.randn(1, 1, 16), torch.ones(1, 4)
        )
    assert out.requires_grad
    return sum(t.untyped_storage().nbytes() for t in kept.values())


def test_the_count_without_storage_is_that_of_a_true_step() -> None:
    model = tiny_model()
    assert step_bytes(model, half=False, checkpointing=False) == pytest.approx(really_kept(model), rel=0.1)


def test_checkpointed_layers_keep_a_fraction_and_give_the_same_gradients() -> None:
    model, plain = tiny_model(), tiny_model()
    checkpoint_layers(model.unet)
    told = (torch.randn(1, VIEWS, 2 * LATENT, 4, 4), torch.ones(1), torch.randn(1, 1, 16), torch.ones(1, 4))
    grads = []
    for unet in (plain.unet, model.unet):
        with attention_for("cpu"):
            torch.autograd.backward(run_unet(unet, *told).square().mean())
        grads.append({n: p.grad for n, p in unet.named_parameters() if p.grad is not None})
    assert grads[0].keys() == grads[1].keys()
    for name, grad in grads[0].items():
        torch.testing.assert_close(grads[1][name], grad, atol=1e-7, rtol=1e-5)
    assert really_kept(model) < 0.5 * really_kept(plain)


def full_size() -> SvdMv:
    """Stable Video Diffusion's networks by shape, no storage."""
    from diffusers import AutoencoderKLTemporalDecoder, UNetSpatioTemporalConditionModel

    with torch.device("meta"):
        unet = UNetSpatioTemporalConditionModel(projection_class_embeddings_input_dim=1024)
        vae = AutoencoderKLTemporalDecoder(
            block_out_channels=(128, 256, 512, 512), down_block_types=("DownEncoderBlock2D",) * 4, layers_per_block=2
        )
        clip = torch.nn.Linear(1000, 632_077, bias=False)
    return SvdMv(unet, vae, clip, CheckpointInfo("full", "none"))


def test_plan_of_the_full_model() -> None:
    """1.52 G parameters in float32 with AdamW: 6.1 GB weights, as much gradients, twice as much moments."""
    settings = Finetuning(batch=16, micro_batch=1, gradient_checkpointing=True)
    plan = memory_plan(full_size(), settings, 8, "data", "bf16")
    assert plan.gradients_gb == pytest.approx(6.1, abs=0.05)
    assert plan.moments_gb == pytest.approx(2 * plan.gradients_gb)
    assert plan.weights_gb == pytest.approx(1.5 * plan.gradients_gb, rel=0.01), "and their copies in half precision"
    assert 6 < plan.step_gb < 12, "one clip of 21 views at 576 px, checkpointed"
    assert plan.total_gb < 80, "the paper's A100"
    assert plan.state_gb == pytest.approx(4 * plan.gradients_gb)
    plan.require(80)
    plan.require(None)
    with pytest.raises(DeviceError) as caught:
        plan.require(40)
    assert caught.value.what == f"The training needs {plan.total_gb:.3g} GB, the device has 40"
    assert caught.value.next_step is not None
    assert caught.value.next_step.startswith("use finetuning.optimizer=adamw8bit (")
    with pytest.raises(DeviceError, match="zero3 on 8 devices"):
        plan.require(24)
    with pytest.raises(DeviceError, match="a larger device"):
        plan.require(4)


def test_more_clips_need_more_and_milder_settings_less(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "svdmv.train.memory.step_bytes", lambda model, half, checkpointing: 10**8 if checkpointing else 10**9
    )
    model, base = tiny_model(), Finetuning(batch=8)
    step = [memory_plan(model, replace(base, micro_batch=n), 1, "data", "fp32").step_gb for n in (0, 8, 4)]
    assert step[0] == step[1]
    assert step[0] == 2 * step[2] == 8
    totals = [total for _, total in memory_plan(model, base, 1, "data", "fp32").cheaper]
    assert totals == sorted(totals, reverse=True)
    parts = MemoryPlan(1, 1, 2, 1, 1, 4, 3)
    assert parts.total_gb == pytest.approx(11)
