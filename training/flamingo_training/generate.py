"""Captions from the model: greedy decoding and sampling, with all caches."""

from __future__ import annotations

import torch
from torch import Tensor

from .model import Cache, Flamingo
from .sequences import PromptFormat


def decode(
    model: Flamingo,
    format_: PromptFormat,
    prompt: Tensor,
    media: Tensor,
    new_tokens: int,
    attention_mask: Tensor | None = None,
    temperature: float = 0.0,
) -> Tensor:
    """Continues prompts (batch, length) over latents (batch, images, latents, width).

    Temperature 0 is greedy. `<image>` is never generated. -> (batch, at most new_tokens); after its
    `<|endofchunk|>` a row holds nothing but that token.
    """
    cache = Cache(model.language.layers)
    finished = torch.zeros(len(prompt), dtype=torch.bool, device=prompt.device)
    tokens = prompt
    pieces: list[Tensor] = []
    for _ in range(new_tokens):
        scores = model.logits(model.hidden(tokens, media, attention_mask, cache)[:, -1]).float()
        scores[:, format_.image] = -torch.inf
        if temperature:
            chosen = sample((scores / temperature).softmax(-1))
        else:
            chosen = scores.argmax(-1)
        chosen = chosen.masked_fill(finished, format_.end)
        finished |= chosen == format_.end
        pieces.append(chosen)
        if finished.all():
            break
        tokens = chosen[:, None]
        if attention_mask is not None:
            attention_mask = torch.cat([attention_mask, attention_mask.new_ones(len(prompt), 1)], dim=1)
    return torch.stack(pieces, dim=1)


def sample(probabilities: Tensor) -> Tensor:
    """One index for each row of (batch, tokens), by inverting the distribution: much faster than multinomial."""
    cumulative = probabilities.cumsum(dim=-1)
    # Below the row's own total, so that rounding can never run past the last token.
    drawn = torch.rand(len(cumulative), 1, device=cumulative.device) * cumulative[:, -1:]
    return torch.searchsorted(cumulative, drawn, right=True)[:, 0].clamp(max=probabilities.shape[-1] - 1)


def pad_left(prompts: list[list[int]], padding: int) -> tuple[Tensor, Tensor | None]:
    """Prompts of any lengths -> ids and mask (batch, longest); the mask is None where nothing is padded."""
    longest = max(map(len, prompts))
    ids = torch.tensor([[padding] * (longest - len(prompt)) + prompt for prompt in prompts])
    if all(len(prompt) == longest for prompt in prompts):
        return ids, None
    mask = torch.tensor([[0] * (longest - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    return ids, mask.bool()


def until_end(tokens: list[int], end: int) -> list[int]:
    """The tokens before the first end token."""
    return tokens[: tokens.index(end)] if end in tokens else tokens
