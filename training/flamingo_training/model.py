"""The Flamingo model with OpenFlamingo's tensor names.

What is trained is called the bridges: `perceiver.*`, `lang_encoder.model.layers.{i}.gated_cross_attn_layer.*`, the
rows of the added tokens and, where the model has them, the last blocks of the vision encoder, `vision_encoder.*`.
Vision features come in as token grids, computed beforehand: by the whole encoder, or by the blocks before those.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend, causal_mask
from .language import DecoderLayer, LayerCache, LlamaConfig, RMSNorm, rotary_tables
from .vision import LastBlocks


@dataclass(frozen=True)
class ResamplerConfig:
    """Sizes of the Perceiver Resampler; `input_width` 0 leaves the input projection out."""

    width: int
    depth: int
    latents: int
    heads: int
    head_width: int
    feed_forward_multiple: int
    max_frames: int
    input_width: int


@dataclass(frozen=True)
class CrossAttentionConfig:
    """Sizes of the gated cross-attention blocks: one before every layer i with (i + 1) % every == 0."""

    every: int
    heads: int
    head_width: int
    feed_forward_multiple: int


def feed_forward(width: int, multiple: int) -> nn.Sequential:
    """Norm, up, GELU (erf), down: OpenFlamingo's feed-forward, indices 0, 1 and 3 carry weights."""
    return nn.Sequential(
        nn.LayerNorm(width),
        nn.Linear(width, width * multiple, bias=False),
        nn.GELU(),
        nn.Linear(width * multiple, width, bias=False),
    )


def split_heads(x: Tensor, head_width: int) -> Tensor:
    """(batch, length, heads * head_width) -> (batch, heads, length, head_width)."""
    return x.unflatten(-1, (-1, head_width)).transpose(1, 2)


class PerceiverAttention(nn.Module):
    """Latents attend to the media tokens and to themselves."""

    def __init__(self, config: ResamplerConfig) -> None:
        super().__init__()
        self.head_width = config.head_width
        inner = config.heads * config.head_width
        self.norm_media = nn.LayerNorm(config.width)
        self.norm_latents = nn.LayerNorm(config.width)
        self.to_q = nn.Linear(config.width, inner, bias=False)
        self.to_kv = nn.Linear(config.width, inner * 2, bias=False)
        self.to_out = nn.Linear(inner, config.width, bias=False)

    def forward(self, media: Tensor, latents: Tensor) -> Tensor:
        """media (batch, tokens, width), latents (batch, latents, width) -> (batch, latents, width)."""
        latents = self.norm_latents(latents)
        keys, values = self.to_kv(torch.cat([self.norm_media(media), latents], dim=1)).chunk(2, dim=-1)
        queries, keys, values = (split_heads(x, self.head_width) for x in (self.to_q(latents), keys, values))
        out = attend(queries, keys, values)
        return self.to_out(out.transpose(1, 2).flatten(2))


class PerceiverResampler(nn.Module):
    """Turns any number of vision tokens into a fixed number of latents."""

    def __init__(self, config: ResamplerConfig, max_media: int = 0) -> None:
        super().__init__()
        if config.input_width:
            self.input_norm = nn.LayerNorm(config.input_width)
            self.input_proj = nn.Linear(config.input_width, config.width, bias=False)
        else:
            self.input_norm = self.input_proj = None
        self.latents = nn.Parameter(torch.randn(config.latents, config.width))
        self.frame_embs = nn.Parameter(torch.zeros(config.max_frames, config.width)) if config.max_frames else None
        self.media_time_embs = nn.Parameter(torch.zeros(max_media, 1, config.width)) if max_media else None
        self.layers = nn.ModuleList(
            nn.ModuleList([PerceiverAttention(config), feed_forward(config.width, config.feed_forward_multiple)])
            for _ in range(config.depth)
        )
        self.norm = nn.LayerNorm(config.width)

    def time_span(self) -> float:
        """How far the last temporal embedding lies from the first."""
        return (self.frame_embs[-1] - self.frame_embs[0]).norm().item()

    def forward(self, x: Tensor) -> Tensor:
        """(batch, media, frames, tokens, input_width) -> (batch, media, latents, width)."""
        batch, media, frames = x.shape[:3]
        if self.input_proj is not None:
            x = self.input_proj(self.input_norm(x))
        if self.frame_embs is not None:
            if frames > len(self.frame_embs):
                raise ValueError(f"{frames} frames, but the resampler holds embeddings for {len(self.frame_embs)}")
            x = x + self.frame_embs[:frames, None]
        x = x.flatten(2, 3)
        if self.media_time_embs is not None:
            x = x + self.media_time_embs[:media]
        x = x.flatten(0, 1)
        latents = self.latents.expand(batch * media, -1, -1)
        for attention, dense in self.layers:
            latents = attention(x, latents) + latents
            latents = dense(latents) + latents
        return self.norm(latents).unflatten(0, (batch, media))


def media_mask(text_time: Tensor, images: int, latents: int) -> Tensor:
    """Which latents each position sees: those of the last image before it, (batch, 1, length, images * latents).

    Positions before the first image see everything here; their attention output is set to zero afterwards.
    """
    media_time = torch.arange(1, images + 1, device=text_time.device).repeat_interleave(latents)
    time = text_time[:, None, :, None]
    return (time == media_time) | (time == 0)


class MaskedCrossAttention(nn.Module):
    """Text attends to the latents of the last image before it."""

    def __init__(self, config: CrossAttentionConfig, width: int, media_width: int) -> None:
        super().__init__()
        self.head_width = config.head_width
        inner = config.heads * config.head_width
        self.norm = nn.LayerNorm(width)
        self.to_q = nn.Linear(width, inner, bias=False)
        self.to_kv = nn.Linear(media_width, inner * 2, bias=False)
        self.to_out = nn.Linear(inner, width, bias=False)

    def keys_and_values(self, media: Tensor) -> tuple[Tensor, Tensor]:
        """media (batch, images, latents, media_width) -> two of (batch, heads, images * latents, head_width)."""
        keys, values = self.to_kv(media.flatten(1, 2)).chunk(2, dim=-1)
        return split_heads(keys, self.head_width), split_heads(values, self.head_width)

    def forward(self, x: Tensor, keys_and_values: tuple[Tensor, Tensor], text_time: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, width) -> (batch, length, width); exactly zero where text_time is 0."""
        queries = split_heads(self.to_q(self.norm(x)), self.head_width)
        out = attend(queries, *keys_and_values, mask)
        out = self.to_out(out.transpose(1, 2).flatten(2))
        return out * (text_time > 0)[..., None]


class GatedCrossAttentionBlock(nn.Module):
    """Cross-attention and feed-forward, each entering the residual stream through a tanh gate."""

    def __init__(self, config: CrossAttentionConfig, width: int, media_width: int) -> None:
        super().__init__()
        self.attn = MaskedCrossAttention(config, width, media_width)
        self.attn_gate = nn.Parameter(torch.zeros(1))
        self.ff = feed_forward(width, config.feed_forward_multiple)
        self.ff_gate = nn.Parameter(torch.zeros(1))
        self.dropout = nn.Dropout(0.0)

    def forward(self, x: Tensor, keys_and_values: tuple[Tensor, Tensor], text_time: Tensor, mask: Tensor) -> Tensor:
        """(batch, length, width) -> (batch, length, width)."""
        x = x + self.dropout(self.attn(x, keys_and_values, text_time, mask)) * self.attn_gate.tanh()
        return x + self.dropout(self.ff(x)) * self.ff_gate.tanh()


class FlamingoLayer(nn.Module):
    """A decoder layer with, possibly, a gated cross-attention block before it."""

    def __init__(self, decoder_layer: DecoderLayer, gated_cross_attn_layer: GatedCrossAttentionBlock | None) -> None:
        super().__init__()
        self.gated_cross_attn_layer = gated_cross_attn_layer
        self.decoder_layer = decoder_layer


class TokenEmbedding(nn.Module):
    """The frozen embedding and, below it, the trained rows of the added tokens."""

    def __init__(self, vocabulary: int, added: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(vocabulary, width))
        self.additional_embedding = nn.Embedding(added, width) if added else None

    def forward(self, ids: Tensor) -> Tensor:
        """Ids (batch, length) -> (batch, length, width) in f32."""
        vocabulary = len(self.weight)
        x = F.embedding(ids.clamp(max=vocabulary - 1), self.weight).float()
        if self.additional_embedding is None:
            return x
        added = self.additional_embedding((ids - vocabulary).clamp(min=0))
        return torch.where((ids >= vocabulary)[..., None], added, x)

    def logits(self, x: Tensor) -> Tensor:
        """Hidden states (..., width) -> scores of all tokens, the added ones last."""
        scores = F.linear(x.to(self.weight.dtype), self.weight)
        if self.additional_embedding is None:
            return scores
        return torch.cat([scores, F.linear(x, self.additional_embedding.weight).to(scores.dtype)], dim=-1)


class Decoder(nn.Module):
    """Embedding, layers and final norm."""

    def __init__(self, config: LlamaConfig, added: int, cross: CrossAttentionConfig, media_width: int) -> None:
        super().__init__()
        self.embed_tokens = TokenEmbedding(config.vocabulary, added, config.width)
        self.layers = nn.ModuleList(
            FlamingoLayer(
                DecoderLayer(config),
                GatedCrossAttentionBlock(cross, config.width, media_width) if (i + 1) % cross.every == 0 else None,
            )
            for i in range(config.layers)
        )
        self.norm = RMSNorm(config.width, config.norm_epsilon)


class LanguageEncoder(nn.Module):
    """The decoder under the name that OpenFlamingo's checkpoints give it; an untied head where there is one."""

    def __init__(
        self, config: LlamaConfig, added: int, cross: CrossAttentionConfig, media_width: int, tied: bool
    ) -> None:
        super().__init__()
        self.model = Decoder(config, added, cross, media_width)
        self.lm_head = None if tied else nn.Linear(config.width, config.vocabulary, bias=False)


class Cache:
    """What generation keeps: self-attention keys and values, cross-attention keys and values, images so far."""

    def __init__(self, layers: int) -> None:
        self.layers = [LayerCache() for _ in range(layers)]
        self.media: dict[int, tuple[Tensor, Tensor]] = {}
        self.images: Tensor | None = None


class Flamingo(nn.Module):
    """Resampler and language model with gated cross-attention."""

    def __init__(
        self,
        language: LlamaConfig,
        resampler: ResamplerConfig,
        cross: CrossAttentionConfig,
        image_token: int,
        added_tokens: int = 2,
        tied: bool = True,
        vision_encoder: LastBlocks | None = None,
    ) -> None:
        super().__init__()
        self.vision_encoder = vision_encoder
        self.language, self.resampler, self.cross, self.image_token = language, resampler, cross, image_token
        self.perceiver = PerceiverResampler(resampler)
        self.latent_dropout = nn.Dropout(0.0)
        self.lang_encoder = LanguageEncoder(language, added_tokens, cross, resampler.width, tied)

    def bridges(self) -> dict[str, nn.Parameter]:
        """The trained parameters by name."""
        return {
            name: parameter
            for name, parameter in self.named_parameters()
            if name.startswith(("perceiver.", "vision_encoder."))
            or "gated_cross_attn_layer" in name
            or "additional_embedding" in name
        }

    def load_language(self, state: dict[str, Tensor]) -> None:
        """Loads the frozen weights of `language.load_gguf`."""
        renamed = {}
        for name, weight in state.items():
            head, _, rest = name.partition(".")
            if head == "layers":
                layer, _, rest = rest.partition(".")
                name = f"layers.{layer}.decoder_layer.{rest}"
            renamed[name] = weight
        missing, unexpected = self.lang_encoder.model.load_state_dict(renamed, strict=False)
        missing = [name for name in missing if "gated_cross_attn" not in name and "additional" not in name]
        if missing or unexpected:
            raise ValueError(f"language model weights: missing {missing}, unexpected {unexpected}")

    def freeze(self, dtype: torch.dtype) -> None:
        """Freezes all but the bridges and casts the frozen matrices."""
        bridges = self.bridges()
        for name, parameter in self.named_parameters():
            if name not in bridges:
                parameter.requires_grad_(False)
                if parameter.dim() > 1:
                    parameter.data = parameter.data.to(dtype)

    def initialise(self, gate: float) -> None:
        """Fresh bridges: normal 0.02, gates open, output projections zero, so that the start is the bare decoder."""
        for name, parameter in self.bridges().items():
            if "additional_embedding" in name:
                mean = self.lang_encoder.model.embed_tokens.weight.float().mean(0)
                nn.init.normal_(parameter, std=0.02)
                parameter.data.add_(mean)
            elif parameter.dim() == 2 and "frame_embs" not in name:
                nn.init.normal_(parameter, std=1.0 if name == "perceiver.latents" else 0.02)
        for layer in self.lang_encoder.model.layers:
            block = layer.gated_cross_attn_layer
            if block is not None:
                nn.init.constant_(block.attn_gate, gate)
                nn.init.constant_(block.ff_gate, gate)
                nn.init.zeros_(block.attn.to_out.weight)
                nn.init.zeros_(block.ff[3].weight)

    def set_dropout(self, latents: float, cross_attention: float) -> None:
        """Dropout on the latents and on the two branches of every cross-attention block."""
        self.latent_dropout.p = latents
        for layer in self.lang_encoder.model.layers:
            if layer.gated_cross_attn_layer is not None:
                layer.gated_cross_attn_layer.dropout.p = cross_attention

    def hidden(
        self,
        ids: Tensor,
        media: Tensor | None,
        attention_mask: Tensor | None = None,
        cache: Cache | None = None,
    ) -> Tensor:
        """Final hidden states of interleaved text.

        ids (batch, new); media latents (batch, images, latents, width), read on the first call with a cache and
        kept there; attention_mask (batch, all) false on padding, None if there is none. -> (batch, new, width) f32.
        """
        model = self.lang_encoder.model
        counts = (ids == self.image_token).cumsum(dim=-1)
        past = cache.layers[0].length if cache else 0
        if past:
            media_pairs, text_time, images = cache.media, counts + cache.images[:, None], None
        else:
            images = 0 if media is None else media.shape[1]
            if int(counts.max()) > images:
                raise ValueError(f"{int(counts.max())} <image> tokens, but {images} images")
            media_pairs, text_time = {}, counts
        length = ids.shape[1]
        rotary = rotary_tables(self.language, past, length, ids.device)
        mask = causal_mask(length, past, ids.device)
        if attention_mask is not None:
            mask = mask & attention_mask[:, None, None, :].bool()
        latents = self.resampler.latents
        x = model.embed_tokens(ids)
        cross_mask = None
        for index, layer in enumerate(model.layers):
            block = layer.gated_cross_attn_layer
            if block is not None:
                if index not in media_pairs:
                    media_pairs[index] = block.attn.keys_and_values(
                        x.new_zeros(len(ids), 1, latents, self.resampler.width) if media is None else media
                    )
                if cross_mask is None:
                    cross_mask = media_mask(text_time, media_pairs[index][0].shape[2] // latents, latents)
                x = block(x, media_pairs[index], text_time, cross_mask)
            x = layer.decoder_layer(x, rotary, mask, cache.layers[index] if cache else None)
        if cache:
            cache.media, cache.images = media_pairs, text_time[:, -1]
        return model.norm(x)

    def logits(self, hidden: Tensor) -> Tensor:
        """Hidden states (..., width) -> scores (..., vocabulary + added)."""
        if self.lang_encoder.lm_head is not None:
            return self.lang_encoder.lm_head(hidden)
        return self.lang_encoder.model.embed_tokens.logits(hidden)

    def see(self, features: Tensor) -> Tensor:
        """Vision features (batch, images, tokens, channels) -> latents (batch, images, latents, width)."""
        tokens = self.vision_tokens(features.flatten(0, 1)).unflatten(0, features.shape[:2])
        return self.latent_dropout(self.perceiver(tokens[:, :, None]))

    def vision_tokens(self, features: Tensor) -> Tensor:
        """Features (images, tokens, channels), where the last blocks begin, -> (images, tokens, input_width)."""
        return features if self.vision_encoder is None else self.vision_encoder(features)

    def see_media(self, features: Tensor, media: Sequence[Sequence[int]]) -> Tensor:
        """Latents of photos and clips together, which the resampler takes in groups of equally many frames.

        features (images, tokens, channels); each of media lists the places of its frames among the images.
        -> (media, latents, width).
        """
        pieces: list[Tensor] = []
        order: list[int] = []
        features = self.vision_tokens(features)
        for frames in sorted({len(clip) for clip in media}):
            members = [position for position, clip in enumerate(media) if len(clip) == frames]
            chosen = torch.tensor([media[position] for position in members], device=features.device)
            pieces.append(self.perceiver(features[chosen][:, None])[:, 0])
            order += members
        return self.latent_dropout(torch.cat(pieces)[torch.tensor(order, device=features.device).argsort()])

    def forward(self, ids: Tensor, features: Tensor | None, attention_mask: Tensor | None = None) -> Tensor:
        """ids (batch, length), features (batch, images, tokens, channels) -> logits (batch, length, tokens)."""
        media = None if features is None else self.see(features)
        return self.logits(self.hidden(ids, media, attention_mask))
