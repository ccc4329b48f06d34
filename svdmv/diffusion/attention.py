"""Cross-attention to a single token: its softmax is 1, so queries and keys need not be computed."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class OneTokenAttention:
    """Attention processor of diffusers: exact for one token of context, the stock processor for more."""

    def __init__(self, stock: Any) -> None:
        self.stock = stock

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """(B, N, C) from queries (B, N, C) and context (B, T, D)."""
        if encoder_hidden_states is None or encoder_hidden_states.shape[1] != 1 or attention_mask is not None:
            out: Tensor = self.stock(attn, hidden_states, encoder_hidden_states, attention_mask, temb)
            return out
        value: Tensor = attn.to_out[1](attn.to_out[0](attn.to_v(encoder_hidden_states)))
        return value.expand(-1, hidden_states.shape[1], -1)


def use_one_token_attention(unet: Any) -> None:
    """Give every cross-attention of a UNetSpatioTemporalConditionModel the short way; its output stays the same."""
    for name, module in unet.named_modules():
        if name.endswith(".attn2"):
            module.set_processor(OneTokenAttention(module.processor))
