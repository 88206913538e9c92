"""Scaled dot-product attention, written out: at a few dozen positions this is faster than a fused kernel."""

from __future__ import annotations

import torch
from torch import Tensor


def attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None = None) -> Tensor:
    """Queries (batch, heads, new, head_width) over keys and values (batch, heads, all, head_width).

    mask is true where a query may look and broadcasts to (batch, heads, new, all). The softmax runs in f32.
    """
    scores = (queries * queries.shape[-1] ** -0.5) @ keys.transpose(-1, -2)
    scores = scores.float()
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    return scores.softmax(-1).to(values.dtype) @ values


def causal_mask(new: int, past: int, device: torch.device) -> Tensor:
    """(new, past + new): each new position sees the past, those before it and itself."""
    return torch.ones(new, past + new, dtype=torch.bool, device=device).tril(past)
