"""Latents that prefer early or late frames of a clip, made rather than learned.

Added to tokens that were learned from photos, temporal embeddings change the attention of latents little, and the order
of frames cannot be told from what all frames together become. Gradients alone did not find a way out. So a quarter of
the latents is made to prefer early frames, a quarter late ones, and the rest is left as it is: temporal embeddings lie
on a line in a direction that inputs hardly use; latents carry a tag in another such direction; and each head, in the
direction of its own that it uses least, turns tags into queries and times into keys. Photos, which are clips of one
frame, look the same as before to within the little that those directions were used.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from .model import PerceiverResampler, split_heads


@dataclass(frozen=True)
class LayerView:
    """What a layer of the resampler sees: normed latents, queries and keys of every head (heads, rows, width)."""

    latents: Tensor
    deviation: float
    queries: Tensor
    keys: Tensor


def normed(x: Tensor) -> Tensor:
    """Layer norm without its scale and shift."""
    return F.layer_norm(x, x.shape[-1:])


def least_used(rows: Tensor) -> Tensor:
    """The direction, of mean zero, in which rows (count, width) are smallest; layer norm takes no notice of a mean."""
    width = rows.shape[1]
    centred = torch.eye(width, device=rows.device) - 1 / width
    scatter = centred @ (rows.T @ rows / len(rows)) @ centred
    # The mean itself, which is projected out, must not be found.
    return torch.linalg.eigh(scatter + scatter.trace() / width).eigenvectors[:, 0]


def look(resampler: PerceiverResampler, tokens: Tensor) -> tuple[Tensor, list[LayerView], Tensor]:
    """Photos' tokens (photos, tokens, input_width) through the resampler: its inputs, layers and last latents."""
    x = tokens if resampler.input_proj is None else resampler.input_proj(resampler.input_norm(tokens))
    x = x + resampler.frame_embs[0]
    latents = resampler.latents.expand(len(x), -1, -1)
    views = []
    for attention, dense in resampler.layers:
        own = attention.norm_latents(latents)
        keys = attention.to_kv(torch.cat([attention.norm_media(x), own], dim=1)).chunk(2, dim=-1)[0]
        queries, keys = (split_heads(y, attention.head_width) for y in (attention.to_q(own), keys))
        heads = [y.transpose(0, 1).flatten(1, 2) for y in (queries, keys)]
        views.append(LayerView(normed(latents).flatten(0, 1), latents.std(-1).mean().item(), *heads))
        latents = attention(x, latents) + latents
        latents = dense(latents) + latents
    return x, views, normed(latents).flatten(0, 1)


@torch.no_grad()
def prefer_times(
    resampler: PerceiverResampler, tokens: Tensor, line: float, tag: float, slopes: Sequence[float]
) -> None:
    """Makes every fourth latent prefer early frames, and every fourth, two behind, late ones.

    tokens (photos, tokens, input_width) show what inputs look like. Temporal embeddings end `line` from the first;
    tags are `tag` long, in deviations of the latents; `slopes` has, for each layer, by how much the attention logit
    of such a latent changes from one frame to the next.
    """
    x, views, last = look(resampler, tokens)
    inputs = normed(x).flatten(0, 1)
    latents = torch.cat([*(view.latents for view in views), last])
    time = least_used(torch.cat([inputs, latents]))
    # Far along the direction of time, so that the tag's is another.
    mark = least_used(torch.cat([latents, inputs, 1e3 * time[None]]))
    steps = torch.linspace(0, 1, len(resampler.frame_embs), device=time.device)
    resampler.frame_embs.copy_(resampler.frame_embs[0] + steps[:, None] * line * time)
    preference = torch.zeros(len(resampler.latents), device=time.device)
    preference[0::4], preference[2::4] = -1.0, 1.0
    resampler.latents.add_(preference[:, None] * tag * views[0].deviation * mark)
    frame = line / (len(steps) - 1) / x.std(-1).mean().item()
    for (attention, _), view, slope in zip(resampler.layers, views, slopes, strict=True):
        width = attention.head_width
        heard = tag * views[0].deviation / view.deviation  # what is left of the tag behind the norm
        size = (slope * width**0.5 / (heard * frame)) ** 0.5
        keys = attention.to_kv.weight[: len(attention.to_q.weight)]
        used = torch.cat([view.queries, view.keys], dim=1)
        for seen, query, key in zip(used, attention.to_q.weight.split(width), keys.split(width), strict=True):
            free = torch.linalg.eigh(seen.T @ seen / len(seen)).eigenvectors[:, :1]
            query.add_(size * free * (mark / attention.norm_latents.weight))
            key.add_(size * free * (time / attention.norm_media.weight))
