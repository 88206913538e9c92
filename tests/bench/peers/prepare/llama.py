"""The weights of the language model, dequantized."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np


@dataclass(frozen=True)
class Llama:
    """Sizes and f32 weights of a llama decoder, matrices `[out, in]`, the head tied to the embedding."""

    width: int
    layers: int
    heads: int
    key_value_heads: int
    feed_forward: int
    vocabulary: int
    rope_base: float
    norm_epsilon: float
    weights: dict[str, np.ndarray]

    @property
    def head_width(self) -> int:
        """Width of one attention head."""
        return self.width // self.heads


def in_halves(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows of a query or key projection from llama.cpp's interleaved order to halves, as ONNX Runtime rotates them."""
    return rows.reshape(heads, -1, 2, rows.shape[1]).swapaxes(1, 2).reshape(rows.shape)


def read_llama(path: Path) -> Llama:
    """Reads a GGUF file. Tensors keep its names."""
    reader = gguf.GGUFReader(path)

    def value(key: str) -> float:
        return reader.fields[f"llama.{key}"].contents()

    heads, key_value_heads = value("attention.head_count"), value("attention.head_count_kv")
    weights = {}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if tensor.name.endswith("attn_q.weight"):
            values = in_halves(values, heads)
        elif tensor.name.endswith("attn_k.weight"):
            values = in_halves(values, key_value_heads)
        weights[tensor.name] = values
    return Llama(
        width=value("embedding_length"),
        layers=value("block_count"),
        heads=heads,
        key_value_heads=key_value_heads,
        feed_forward=value("feed_forward_length"),
        vocabulary=value("vocab_size"),
        rope_base=value("rope.freq_base"),
        norm_epsilon=value("attention.layer_norm_rms_epsilon"),
        weights=weights,
    )
