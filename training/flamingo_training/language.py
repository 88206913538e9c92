"""The frozen language model: a llama decoder whose weights come, dequantized, from a GGUF file.

Training against the dequantized blocks means that the bridges learn to steer exactly the
weights that ship. Parameters carry Hugging Face's names. llama.cpp stores the rows of the
query and key projections interleaved for its own rotary layout; they are put back in order here.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .attention import attend

GGUF_LAYER_NAMES = {
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


@dataclass(frozen=True)
class LlamaConfig:
    """Sizes of a llama decoder."""

    width: int
    layers: int
    heads: int
    key_value_heads: int
    feed_forward: int
    vocabulary: int
    rope_base: float
    norm_epsilon: float

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads

    @classmethod
    def from_gguf(cls, reader: gguf.GGUFReader) -> LlamaConfig:
        """Reads the sizes from the file's metadata."""

        def value(key: str) -> float:
            return reader.fields[f"llama.{key}"].contents()

        return cls(
            width=value("embedding_length"),
            layers=value("block_count"),
            heads=value("attention.head_count"),
            key_value_heads=value("attention.head_count_kv"),
            feed_forward=value("feed_forward_length"),
            vocabulary=value("vocab_size"),
            rope_base=value("rope.freq_base"),
            norm_epsilon=value("attention.layer_norm_rms_epsilon"),
        )


class LayerCache:
    """Keys and values of one self-attention layer for the positions seen so far."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Adds (batch, kv_heads, new, head_width) and returns all positions."""
        if self.keys is not None:
            keys = torch.cat([self.keys, keys], dim=2)
            values = torch.cat([self.values, values], dim=2)
        self.keys, self.values = keys, values
        return keys, values

    @property
    def length(self) -> int:
        """Number of positions held."""
        return 0 if self.keys is None else self.keys.shape[2]


class RMSNorm(nn.Module):
    """Root mean square norm in f32."""

    def __init__(self, width: int, epsilon: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return F.rms_norm(x.float(), x.shape[-1:], self.weight.float(), self.epsilon)


def rotary_tables(config: LlamaConfig, first: int, length: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Cosines and sines (length, head_width) of positions first .. first + length - 1."""
    half = torch.arange(0, config.head_width, 2, device=device, dtype=torch.float32) / config.head_width
    positions = torch.arange(first, first + length, device=device, dtype=torch.float32)
    angles = torch.outer(positions, config.rope_base**-half)
    angles = torch.cat([angles, angles], dim=-1)
    return angles.cos(), angles.sin()


def rotate(x: Tensor, rotary: tuple[Tensor, Tensor]) -> Tensor:
    """Applies rotary positions to (batch, heads, length, head_width), halves rotated against each other."""
    cosines, sines = rotary
    left, right = x.chunk(2, dim=-1)
    return (x * cosines + torch.cat([-right, left], dim=-1) * sines).to(x.dtype)


class SelfAttention(nn.Module):
    """Causal self-attention with grouped key/value heads."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.config = config
        inner = config.key_value_heads * config.head_width
        self.q_proj = nn.Linear(config.width, config.width, bias=False)
        self.k_proj = nn.Linear(config.width, inner, bias=False)
        self.v_proj = nn.Linear(config.width, inner, bias=False)
        self.o_proj = nn.Linear(config.width, config.width, bias=False)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor, cache: LayerCache | None) -> Tensor:
        """(batch, new, width) -> (batch, new, width); mask broadcasts to (batch, heads, new, all)."""
        batch, length, _ = x.shape

        def heads(y: Tensor) -> Tensor:
            return y.view(batch, length, -1, self.config.head_width).transpose(1, 2)

        queries, keys = rotate(heads(self.q_proj(x)), rotary), rotate(heads(self.k_proj(x)), rotary)
        values = heads(self.v_proj(x))
        if cache is not None:
            keys, values = cache.append(keys, values)
        group = self.config.heads // self.config.key_value_heads
        keys, values = (y.repeat_interleave(group, dim=1) for y in (keys, values))
        out = attend(queries, keys, values, mask)
        return self.o_proj(out.transpose(1, 2).reshape(batch, length, -1))


class FeedForward(nn.Module):
    """SwiGLU feed-forward."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(config.width, config.feed_forward, bias=False)
        self.up_proj = nn.Linear(config.width, config.feed_forward, bias=False)
        self.down_proj = nn.Linear(config.feed_forward, config.width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class DecoderLayer(nn.Module):
    """One pre-norm llama layer."""

    def __init__(self, config: LlamaConfig) -> None:
        super().__init__()
        self.self_attn = SelfAttention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = RMSNorm(config.width, config.norm_epsilon)
        self.post_attention_layernorm = RMSNorm(config.width, config.norm_epsilon)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor], mask: Tensor, cache: LayerCache | None) -> Tensor:
        """(batch, new, width) -> (batch, new, width)."""
        x = x + self.self_attn(self.input_layernorm(x), rotary, mask, cache)
        return x + self.mlp(self.post_attention_layernorm(x))


def unpermute(weight: Tensor, heads: int) -> Tensor:
    """Rows of a query or key projection from llama.cpp's interleaved order back to halves."""
    rows, columns = weight.shape
    return weight.view(heads, rows // heads // 2, 2, columns).transpose(1, 2).reshape(rows, columns)


def load_gguf(path: Path) -> tuple[LlamaConfig, dict[str, Tensor]]:
    """Sizes and f32 weights of a llama GGUF file, under Hugging Face's names below `model.`."""
    reader = gguf.GGUFReader(path)
    config = LlamaConfig.from_gguf(reader)
    state: dict[str, Tensor] = {}
    for tensor in reader.tensors:
        weight = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy()).float()
        if tensor.name == "token_embd.weight":
            state["embed_tokens.weight"] = weight
        elif tensor.name == "output_norm.weight":
            state["norm.weight"] = weight
        else:
            _, layer, name, _ = tensor.name.split(".")
            if name in ("attn_q", "attn_k"):
                weight = unpermute(weight, config.heads if name == "attn_q" else config.key_value_heads)
            state[f"layers.{layer}.{GGUF_LAYER_NAMES[name]}.weight"] = weight
    return config, state
