"""The same networks of diffusers with less work: equal values (to rounding), equal names of weights.

Layers are given a subclass of their own class that overrides `forward` alone, so that checkpoints, training and
device moves see nothing of it. What pays on a CPU only falls back to the stock way elsewhere, and under gradients.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from diffusers.models.activations import GEGLU
from diffusers.models.attention import FeedForward
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.models.resnet import AlphaBlender
from torch import Tensor, nn
from torch.nn import functional

ROWS_AT_ONCE = 1024  # of a feed-forward: what they widen to stays in a core's own cache


class ShortProcessor(ABC):
    """Attention processor of diffusers: a short way where it is exact, the stock processor everywhere else."""

    def __init__(self, stock: Any) -> None:
        self.stock = stock

    @abstractmethod
    def short(self, attn: Any, states: Tensor, context: Tensor | None) -> Tensor | None:
        """(B, N, C) from states (B, N, C) and context (B, T, D); None where it would not be exact."""

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """What diffusers calls, by diffusers' names."""
        out = self.short(attn, hidden_states, encoder_hidden_states) if attention_mask is None else None
        if out is None:
            out = self.stock(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
        return out


class OneTokenAttention(ShortProcessor):
    """Cross-attention. With one token of context the softmax is 1: no queries, no keys are computed."""

    def short(self, attn: Any, states: Tensor, context: Tensor | None) -> Tensor | None:
        """The token's value at every place; None for other numbers of tokens."""
        if context is None or context.shape[1] != 1:
            return None
        value: Tensor = attn.to_out[1](attn.to_out[0](attn.to_v(context[:, 0])))
        return value[:, None].expand(-1, states.shape[1], -1)


class FlatSelfAttention(ShortProcessor):
    """Plain self-attention: projections on (B * N, C), where torch never turns to batches of products."""

    def short(self, attn: Any, states: Tensor, context: Tensor | None) -> Tensor | None:
        """None for cross-attention and for pictures."""
        if context is not None or states.ndim != 3:
            return None
        batch, count, _ = states.shape
        flat = states.reshape(batch * count, -1)
        query, key, value = (
            project(flat).view(batch, count, attn.heads, -1).transpose(1, 2)
            for project in (attn.to_q, attn.to_k, attn.to_v)
        )
        mixed = functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(batch * count, -1)
        result: Tensor = attn.to_out[1](attn.to_out[0](mixed)).view(batch, count, -1)
        return result


def has_fused_products(states: Tensor) -> bool:
    """Whether oneDNN's products with what follows them in one pass (torch's own, for compiled code) serve `states`."""
    plain = states.device.type == "cpu" and states.dtype == torch.float32 and not torch.is_grad_enabled()
    return plain and not torch.is_autocast_enabled("cpu") and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class FusedLinear(nn.Linear):
    """A product that adds its bias as it goes, where torch would fill its result with the bias first."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., C') from (..., C)."""
        if not has_fused_products(input):
            return super().forward(input)
        out: Tensor = torch.ops.mkldnn._linear_pointwise(input, self.weight, self.bias, "none", [], "")
        return out


class FeedForwardByRows(FeedForward):
    """A GEGLU feed-forward, some rows at a time: the widened rows never leave the cache, gated as they are made."""

    def forward(self, hidden_states: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """(..., C) from (..., C)."""
        if not has_fused_products(hidden_states):
            out: Tensor = super().forward(hidden_states, *args, **kwargs)
            return out
        product = torch.ops.mkldnn._linear_pointwise
        widen, narrow = self.net[0].proj, self.net[2]
        (to_value, to_gate), (value_bias, gate_bias) = widen.weight.chunk(2), widen.bias.chunk(2)
        rows = hidden_states.reshape(-1, hidden_states.shape[-1])
        result = rows.new_empty(len(rows), narrow.out_features)
        for start in range(0, len(rows), ROWS_AT_ONCE):
            part = rows[start : start + ROWS_AT_ONCE]
            gate = product(part, to_gate, gate_bias, "gelu", [], "none")
            gated = product.binary(part, gate, to_value, value_bias, "mul")
            result[start : start + ROWS_AT_ONCE] = product(gated, narrow.weight, narrow.bias, "none", [], "")
        return result.view(*hidden_states.shape[:-1], -1)


class ConvolutionOverTime(nn.Conv3d):
    """A convolution over frames alone, (3, 1, 1) or (1, 1, 1), as one in two dimensions: frames by pixels."""

    def forward(self, input: Tensor) -> Tensor:
        """(B, C', F, h, w) from (B, C, F, h, w)."""
        if input.device.type != "cpu":
            return super().forward(input)
        batch, channels, frames, height, width = input.shape
        flat = input.reshape(batch, channels, frames, height * width)
        out = functional.conv2d(flat, self.weight[..., 0], self.bias, padding=(self.kernel_size[0] // 2, 0))
        return out.view(batch, -1, frames, height, width)


class LerpBlender(AlphaBlender):
    """The learned mix of a picture's and a clip's features where no frame is a still: one operation for four."""

    def forward(self, x_spatial: Tensor, x_temporal: Tensor, image_only_indicator: Tensor | None = None) -> Tensor:
        """alpha x_spatial + (1 - alpha) x_temporal, all of one shape."""
        alpha = torch.sigmoid(self.mix_factor).to(x_spatial.dtype)
        if self.switch_spatial_to_temporal_mix:
            alpha = 1.0 - alpha
        return torch.lerp(x_temporal, x_spatial, alpha)


def use_one_token_attention(unet: Any) -> None:
    """Give every cross-attention of a UNetSpatioTemporalConditionModel the short way; its output stays the same."""
    for name, module in unet.named_modules():
        if name.endswith(".attn2"):
            module.set_processor(OneTokenAttention(module.processor))


def use_shortcuts(network: Any) -> None:
    """Every shortcut for sampling, in a UNet or a temporal VAE of diffusers whose clips hold no stills."""
    use_one_token_attention(network)
    for name, module in network.named_modules():
        if name.endswith(".attn1") and is_plain(module):
            module.set_processor(FlatSelfAttention(module.processor))
        if type(module) is FeedForward and is_gated(module):
            module.__class__ = FeedForwardByRows
        if type(module) is nn.Linear and module.bias is not None:
            module.__class__ = FusedLinear
        if type(module) is nn.Conv3d and is_over_time(module):
            module.__class__ = ConvolutionOverTime
        if type(module) is AlphaBlender and module.merge_strategy != "fixed":
            module.__class__ = LerpBlender


def is_gated(block: FeedForward) -> bool:
    """Whether a feed-forward of diffusers is a GEGLU, no dropout that matters when sampling, and a product."""
    return len(block.net) == 3 and type(block.net[0]) is GEGLU and block.net[0].proj.bias is not None


def is_plain(attention: Any) -> bool:
    """Whether a self-attention of diffusers is projections and attention, with nothing around them."""
    around = (attention.group_norm, attention.spatial_norm, attention.norm_q, attention.norm_k)
    changed = attention.residual_connection or attention.rescale_output_factor != 1 or attention.scale_qk is not True
    return isinstance(attention.processor, AttnProcessor2_0) and not changed and all(norm is None for norm in around)


def is_over_time(convolution: nn.Conv3d) -> bool:
    """Whether it is (K, 1, 1) with K odd, one step at a time, and keeps the number of frames."""
    size = convolution.kernel_size[0]
    return (
        convolution.kernel_size[1:] == (1, 1)
        and size % 2 == 1
        and tuple(convolution.padding) == (size // 2, 0, 0)
        and convolution.stride == convolution.dilation == (1, 1, 1)
        and convolution.groups == 1
        and convolution.padding_mode == "zeros"
    )
