"""Our way through the UNet against diffusers' own forward; widening; independence of clips; ids of each view."""

from __future__ import annotations

import copy
import math
import platform
from typing import Any

import pytest
import torch
from diffusers.models.resnet import AlphaBlender
from tiny_checkpoints import ID_WIDTH, TOKEN_WIDTH, UNET, tiny_parts
from torch import Tensor

from svdmv.core import CheckpointError
from svdmv.diffusion import shortcuts
from svdmv.diffusion.conditioning import Condition
from svdmv.diffusion.model import SvdMv
from svdmv.diffusion.shortcuts import use_one_token_attention, use_shortcuts
from svdmv.diffusion.unet import run_unet, widened_state

B, F, H, W = 2, 5, 4, 6  # all different from each other and from the channels


def inputs(ids: int = 3, seed: int = 0) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    g = torch.Generator().manual_seed(seed)
    sample = torch.randn(B, F, 8, H, W, generator=g)
    rows = torch.tensor([[6.0, 127.0, 0.02, 10.0], [6.0, 127.0, 0.1, -3.0]])[:, :ids]
    return sample, torch.tensor([0.3, -0.7]), torch.randn(B, 1, TOKEN_WIDTH, generator=g), rows


@pytest.fixture(scope="module")
def wide_unet(parts: dict[str, Any]) -> Any:
    from diffusers import UNetSpatioTemporalConditionModel

    unet = UNetSpatioTemporalConditionModel(**{**UNET, "projection_class_embeddings_input_dim": 4 * ID_WIDTH})
    unet.load_state_dict(widened_state(parts["unet"].state_dict(), 3, 4, ID_WIDTH))
    return unet.eval().requires_grad_(False)


def test_equals_the_stock_forward(parts: dict[str, Any]) -> None:
    sample, c_noise, tokens, rows = inputs()
    theirs = parts["unet"](sample, c_noise, encoder_hidden_states=tokens, added_time_ids=rows).sample
    ours = run_unet(parts["unet"], sample, c_noise, tokens, rows)
    assert ours.shape == (B, F, 4, H, W)
    assert theirs.std() > 0.01
    torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(5, 7), (1, 3)])
def test_odd_sizes_come_back_to_themselves(parts: dict[str, Any], height: int, width: int) -> None:
    sample = torch.randn(1, 3, 8, height, width, generator=torch.Generator().manual_seed(1))
    _, _, tokens, rows = inputs()
    ours = run_unet(parts["unet"], sample, torch.zeros(1), tokens[:1], rows[:1])
    assert ours.shape == (1, 3, 4, height, width)


def test_batch_of_two_equals_two_singles(parts: dict[str, Any]) -> None:
    """Catches temporal context in the wrong order and conditions that reach the wrong clip."""
    sample, c_noise, tokens, rows = inputs()
    both = run_unet(parts["unet"], sample, c_noise, tokens, rows)
    for i in range(B):
        alone = run_unet(parts["unet"], sample[i : i + 1], c_noise[i : i + 1], tokens[i : i + 1], rows[i : i + 1])
        torch.testing.assert_close(both[i : i + 1], alone, atol=1e-5, rtol=0)


def test_clips_do_not_see_each_other_and_views_do(parts: dict[str, Any]) -> None:
    sample, c_noise, tokens, rows = inputs()
    before = run_unet(parts["unet"], sample, c_noise, tokens, rows)
    other = sample.clone()
    other[1, 2] += 1
    after = run_unet(parts["unet"], other, c_noise, tokens, rows)
    torch.testing.assert_close(after[0], before[0], atol=1e-6, rtol=0)
    assert bool(((after[1] - before[1]).abs().amax((1, 2, 3)) > 1e-4).all()), "every view attends to view 2"


@pytest.mark.parametrize("which", ["sample", "c_noise", "tokens", "ids"])
def test_everything_told_to_the_network_matters(parts: dict[str, Any], which: str) -> None:
    told = dict(zip(("sample", "c_noise", "tokens", "ids"), inputs(), strict=True))
    before = run_unet(parts["unet"], **told)
    told[which] = told[which] + 0.5
    assert (run_unet(parts["unet"], **told) - before).abs().max() > 1e-3


@pytest.mark.parametrize("elevation_deg", [-5.0, 0.0, 30.0])
def test_widening_changes_nothing_at_step_zero(parts: dict[str, Any], wide_unet: Any, elevation_deg: float) -> None:
    sample, c_noise, tokens, rows = inputs()
    four = torch.cat([rows, torch.full((B, 1), elevation_deg)], 1)
    narrow = parts["unet"](sample, c_noise, encoder_hidden_states=tokens, added_time_ids=rows).sample
    wide = wide_unet(sample, c_noise, encoder_hidden_states=tokens, added_time_ids=four).sample
    assert torch.equal(wide, narrow)
    assert torch.equal(
        run_unet(wide_unet, sample, c_noise, tokens, four), run_unet(parts["unet"], sample, c_noise, tokens, rows)
    )


def test_widening_copies_old_columns_and_touches_nothing_else(parts: dict[str, Any]) -> None:
    old = parts["unet"].state_dict()
    new = widened_state(old, 3, 4, ID_WIDTH)
    name = "add_embedding.linear_1.weight"
    assert torch.equal(new[name][:, : 3 * ID_WIDTH], old[name])
    assert not new[name][:, 3 * ID_WIDTH :].any()
    assert all(new[n] is old[n] for n in old if n != name)
    assert old[name].shape[1] == 3 * ID_WIDTH


@pytest.mark.parametrize("state", [{}, {"add_embedding.linear_1.weight": torch.zeros(8, 5)}])
def test_widening_another_layout_is_refused(state: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match="another layout"):
        widened_state(state, 3, 4, ID_WIDTH)


def test_equal_rows_for_each_view_are_the_same_as_one_for_the_clip(parts: dict[str, Any]) -> None:
    sample, c_noise, tokens, rows = inputs()
    one = run_unet(parts["unet"], sample, c_noise, tokens, rows)
    each = run_unet(parts["unet"], sample, c_noise, tokens, rows[:, None].repeat(1, F, 1))
    torch.testing.assert_close(each, one, atol=1e-6, rtol=0)


def test_the_row_of_a_view_reaches_that_view_first(parts: dict[str, Any]) -> None:
    """Other views change only through temporal layers: less than the view itself."""
    sample, c_noise, tokens, rows = inputs()
    each = rows[:, None].repeat(1, F, 1)
    before = run_unet(parts["unet"], sample, c_noise, tokens, each)
    each[0, 3, 0] += 10
    change = (run_unet(parts["unet"], sample, c_noise, tokens, each) - before).abs().mean((2, 3, 4))
    assert change[0].argmax().item() == 3
    assert change[1].max().item() < 1e-6


def test_denoiser_tells_the_unet_quarter_log_sigma_and_joins_the_latent_to_every_view(model: SvdMv) -> None:
    """A hook on the UNet: c_noise 0.25 ln sigma, input of unit variance, condition channels behind the noisy ones."""
    seen: dict[str, Tensor] = {}
    hooks = [
        model.unet.time_proj.register_forward_hook(lambda m, a, out: seen.__setitem__("c_noise", a[0])),
        model.unet.conv_in.register_forward_hook(lambda m, a, out: seen.__setitem__("joined", a[0])),
    ]
    latents = torch.randn(2, 4, 4, 4, generator=torch.Generator().manual_seed(2)) * 5
    ids = torch.tensor([[6.0, 127.0, 0.02, 10.0]]).repeat(2, 1)
    denoiser = model.denoiser(Condition(torch.zeros(2, 1, TOKEN_WIDTH), latents, ids))
    sigma = torch.tensor([700.0, math.exp(4)])
    noise = torch.randn(2, 21, 4, 4, 4, generator=torch.Generator().manual_seed(3))
    out = denoiser(noise * sigma.reshape(2, 1, 1, 1, 1), sigma)
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(seen["c_noise"], torch.tensor([1.6378, 1.0]), atol=1e-4, rtol=0)
    joined = seen["joined"].unflatten(0, (2, 21))
    assert joined[0, :, :4].std().item() == pytest.approx(1, abs=0.05)
    assert torch.equal(joined[:, :, 4:], latents[:, None].expand(-1, 21, -1, -1, -1))
    assert out.shape == (2, 21, 4, 4, 4)
    assert out.dtype == torch.float32


@pytest.mark.parametrize("precision", [torch.bfloat16, torch.float16])
def test_half_precision_is_near_and_comes_out_in_single(precision: torch.dtype) -> None:
    unet = tiny_parts(5)["unet"]
    sample, c_noise, tokens, rows = inputs()
    full = run_unet(unet, sample, c_noise, tokens, rows)
    half = run_unet(unet.to(precision), sample, c_noise, tokens, rows)
    assert half.dtype == precision
    assert ((half.float() - full).norm() / full.norm()).item() < {torch.bfloat16: 0.05, torch.float16: 0.01}[precision]


@pytest.mark.parametrize("tokens_count", [1, 3])
def test_short_way_of_cross_attention_changes_nothing(tokens_count: int) -> None:
    """With one token the softmax is 1; with more the stock attention runs."""
    unet = tiny_parts(6)["unet"]
    sample, c_noise, _, rows = inputs()
    tokens = torch.randn(B, tokens_count, TOKEN_WIDTH, generator=torch.Generator().manual_seed(7))
    before = unet(sample, c_noise, encoder_hidden_states=tokens, added_time_ids=rows).sample
    queries = []
    unet.mid_block.attentions[0].transformer_blocks[0].attn2.to_q.register_forward_hook(lambda *_: queries.append(1))
    use_one_token_attention(unet)
    torch.testing.assert_close(run_unet(unet, sample, c_noise, tokens, rows), before, atol=2e-6, rtol=1e-5)
    assert len(queries) == (0 if tokens_count == 1 else 1)
    unet.load_state_dict(unet.state_dict(), strict=True)


@pytest.mark.parametrize("layout", ["rows", "clips", "turned", "spread"])
def test_products_that_add_their_bias_as_they_go(layout: str) -> None:
    """Whatever the layout of what comes in: rows, batches of rows, turned axes, one row for all."""
    states = torch.randn(2, 6, 10, generator=torch.Generator().manual_seed(3))
    states = {
        "rows": states[0],
        "clips": states,
        "turned": states.transpose(0, 1),
        "spread": states[:, :1].expand(-1, 6, -1),
    }[layout]
    stock = torch.nn.Linear(10, 14)
    short = copy.deepcopy(stock)
    short.__class__ = shortcuts.FusedLinear
    with torch.no_grad():
        assert shortcuts.has_fused_products(states) or platform.machine() not in ("x86_64", "AMD64")
        torch.testing.assert_close(short(states), stock(states), atol=1e-6, rtol=1e-5)
        assert not shortcuts.has_fused_products(states.bfloat16())
        with torch.autocast("cpu", torch.bfloat16):
            assert short(states).dtype == torch.bfloat16
    with torch.enable_grad():
        assert not shortcuts.has_fused_products(states)


@pytest.mark.parametrize("part", ["unet", "vae"])
def test_shortcuts_change_nothing(part: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every kind of layer is met; values, gradients and the names of weights stay."""
    monkeypatch.setattr(shortcuts, "ROWS_AT_ONCE", 7)  # rows that are no multiple of it
    stock = tiny_parts(8)[part].requires_grad_(True)
    short = copy.deepcopy(stock)
    use_shortcuts(short)
    sample, c_noise, tokens, rows = inputs()
    latents = torch.randn(F, 4, 5, 3, generator=torch.Generator().manual_seed(9))

    def run(network: Any) -> Tensor:
        out: Tensor
        out = network.decode(latents, F).sample if part == "vae" else run_unet(network, sample, c_noise, tokens, rows)
        return out

    with torch.no_grad():
        torch.testing.assert_close(run(short), run(stock), atol=3e-6, rtol=1e-5)
    kinds = {type(module) for module in short.modules()}
    assert {shortcuts.ConvolutionOverTime, shortcuts.LerpBlender} <= kinds
    assert not {torch.nn.Conv3d, AlphaBlender} & kinds
    if part == "unet":
        attention = short.mid_block.attentions[0].transformer_blocks[0].attn1
        assert {shortcuts.FeedForwardByRows, shortcuts.FusedLinear} <= kinds
        assert isinstance(attention.processor, shortcuts.FlatSelfAttention)
    assert list(short.state_dict()) == list(stock.state_dict())
    with torch.enable_grad():
        for network in (short, stock):
            run(network).square().mean().backward()
    theirs = dict(stock.named_parameters())
    for name, parameter in short.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(parameter.grad, theirs[name].grad, atol=2e-5, rtol=1e-3)
        elif theirs[name].grad is not None:
            assert float(theirs[name].grad.abs().max()) < 1e-7, name  # queries and keys of one token
