"""The language model as ONNX, as the Hub's models for transformers.js are built.

Grouped-query attention over keys and values that the caller keeps, skip norms, and matrices either
in 4-bit blocks (`MatMulNBits`) or in bytes.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

from .llama import Llama

BLOCK = 32
CONTEXT = 2048
MICROSOFT = "com.microsoft"


class Graph:
    """An ONNX graph as it grows."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, op: str, inputs: list[str], output: str, domain: str = "", **attributes: object) -> str:
        """Adds an operation of one output and returns that."""
        self.nodes.append(helper.make_node(op, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def constant(self, name: str, values: np.ndarray) -> str:
        """Adds a constant."""
        self.constants.append(numpy_helper.from_array(values, name))
        return name


Product = Callable[[Graph, str, np.ndarray, str], str]


def product_of_4_bits(graph: Graph, x: str, weight: np.ndarray, output: str) -> str:
    """`[.., in]` times a matrix `[out, in]` in blocks of 32 symmetric 4-bit numbers with an f32 scale each."""
    rows, columns = weight.shape
    blocks = weight.reshape(rows, columns // BLOCK, BLOCK)
    extreme = np.take_along_axis(blocks, np.abs(blocks).argmax(-1, keepdims=True), axis=-1)
    # The value that lies farthest from 0 becomes -8, the longer end of the range.
    scales = extreme / -8.0
    inverse = np.divide(1.0, scales, out=np.zeros_like(scales), where=scales != 0)
    quantized = np.clip(np.round(blocks * inverse) + 8, 0, 15).astype(np.uint8)
    packed = quantized[..., 0::2] | (quantized[..., 1::2] << 4)
    return graph.add(
        "MatMulNBits",
        [
            x,
            graph.constant(f"{output}.blocks", packed),
            graph.constant(f"{output}.scales", scales[..., 0].astype(np.float32).reshape(-1)),
        ],
        output,
        MICROSOFT,
        K=columns,
        N=rows,
        bits=4,
        block_size=BLOCK,
        # Activations may be rounded to bytes where there are instructions for that.
        accuracy_level=4,
    )


def product_of_f32(graph: Graph, x: str, weight: np.ndarray, output: str) -> str:
    """`[.., in]` times a matrix `[out, in]`."""
    return graph.add("MatMul", [x, graph.constant(f"{output}.weight", np.ascontiguousarray(weight.T))], output)


def build(llama: Llama, product: Product) -> onnx.ModelProto:
    """The whole decoder: ids, mask and cached keys and values in, logits and keys and values out."""
    graph = Graph()
    weights = llama.weights

    def gamma(name: str) -> str:
        return graph.constant(name, weights[name])

    # What grouped-query attention is told of the sequence.
    one = graph.constant("one", np.array([1], np.int64))
    counted = graph.add("ReduceSum", ["attention_mask", one], "mask.sum", keepdims=0)
    last = graph.add("Sub", [counted, one], "mask.last")
    last = graph.add("Cast", [last], "sequence.last", to=TensorProto.INT32)
    shape = graph.add("Shape", ["attention_mask"], "mask.shape")
    total = graph.add("Gather", [shape, graph.constant("axis", np.array(1, np.int64))], "mask.length", axis=0)
    total = graph.add("Cast", [total], "sequence.total", to=TensorProto.INT32)
    frequencies = llama.rope_base ** -(np.arange(0, llama.head_width, 2) / llama.head_width)
    angles = np.outer(np.arange(CONTEXT), frequencies)
    cosines = graph.constant("rope.cosines", np.cos(angles).astype(np.float32))
    sines = graph.constant("rope.sines", np.sin(angles).astype(np.float32))

    embedding = weights["token_embd.weight"]
    x = graph.add("Gather", [graph.constant("token_embd.weight", embedding), "input_ids"], "embedded", axis=0)
    normed = graph.add(
        "SimplifiedLayerNormalization",
        [x, gamma("blk.0.attn_norm.weight")],
        "blk.0.attn_normed",
        axis=-1,
        epsilon=llama.norm_epsilon,
        stash_type=1,
    )

    def add_and_norm(x: str, update: str, name: str, output: str) -> tuple[str, str]:
        """The sum of both and its norm."""
        summed, normed = f"{output}.sum", f"{output}.normed"
        graph.nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization",
                [x, update, gamma(name)],
                [normed, "", "", summed],
                name=output,
                domain=MICROSOFT,
                epsilon=llama.norm_epsilon,
            )
        )
        return summed, normed

    for layer in range(llama.layers):
        block = f"blk.{layer}"
        heads = np.concatenate([weights[f"{block}.attn_{name}.weight"] for name in "qkv"])
        heads = product(graph, normed, heads, f"{block}.attn_qkv")
        attended = f"{block}.attended"
        graph.nodes.append(
            helper.make_node(
                "GroupQueryAttention",
                [
                    heads,
                    "",
                    "",
                    f"past_key_values.{layer}.key",
                    f"past_key_values.{layer}.value",
                    last,
                    total,
                    cosines,
                    sines,
                ],
                [attended, f"present.{layer}.key", f"present.{layer}.value"],
                name=attended,
                domain=MICROSOFT,
                num_heads=llama.heads,
                kv_num_heads=llama.key_value_heads,
                do_rotary=1,
                scale=llama.head_width**-0.5,
            )
        )
        update = product(graph, attended, weights[f"{block}.attn_output.weight"], f"{block}.attn_output")
        x, normed = add_and_norm(x, update, f"{block}.ffn_norm.weight", f"{block}.ffn")
        gate = product(graph, normed, weights[f"{block}.ffn_gate.weight"], f"{block}.ffn_gate")
        up = product(graph, normed, weights[f"{block}.ffn_up.weight"], f"{block}.ffn_up")
        sigmoid = graph.add("Sigmoid", [gate], f"{block}.sigmoid")
        activated = graph.add("Mul", [gate, sigmoid], f"{block}.silu")
        gated = graph.add("Mul", [activated, up], f"{block}.gated")
        update = product(graph, gated, weights[f"{block}.ffn_down.weight"], f"{block}.ffn_down")
        following = f"blk.{layer + 1}.attn_norm.weight" if layer + 1 < llama.layers else "output_norm.weight"
        x, normed = add_and_norm(x, update, following, f"{block}.out")
    product(graph, normed, embedding, "logits")

    def cache(kind: str, length: str) -> list[onnx.ValueInfoProto]:
        return [
            helper.make_tensor_value_info(
                f"{kind}.{layer}.{part}",
                TensorProto.FLOAT,
                ["batch_size", llama.key_value_heads, length, llama.head_width],
            )
            for layer in range(llama.layers)
            for part in ("key", "value")
        ]

    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "llama",
            [
                helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch_size", "sequence_length"]),
                helper.make_tensor_value_info(
                    "attention_mask", TensorProto.INT64, ["batch_size", "total_sequence_length"]
                ),
                *cache("past_key_values", "past_sequence_length"),
            ],
            [
                helper.make_tensor_value_info(
                    "logits", TensorProto.FLOAT, ["batch_size", "sequence_length", llama.vocabulary]
                ),
                *cache("present", "total_sequence_length"),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid(MICROSOFT, 1)],
        ir_version=9,
    )


def export_decoders(llama: Llama, tokenizer: Path, folder: Path) -> None:
    """Writes a folder that transformers.js loads, with the weights as `q4` and as `q8`."""
    models = folder / "onnx"
    models.mkdir(exist_ok=True)
    onnx.save(build(llama, product_of_4_bits), models / "model_q4.onnx")
    exact = folder / "model.onnx"
    onnx.save(build(llama, product_of_f32), exact)
    quantize_dynamic(
        exact,
        models / "model_quantized.onnx",
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=["MatMul"],
        # It cannot infer through attention that all is f32.
        extra_options={"DefaultTensorType": TensorProto.FLOAT},
    )
    exact.unlink()
    shutil.copy(tokenizer, folder / "tokenizer.json")
    configs = {
        "config.json": {
            "model_type": "llama",
            "architectures": ["LlamaForCausalLM"],
            "hidden_size": llama.width,
            "intermediate_size": llama.feed_forward,
            "num_hidden_layers": llama.layers,
            "num_attention_heads": llama.heads,
            "num_key_value_heads": llama.key_value_heads,
            "head_dim": llama.head_width,
            "rms_norm_eps": llama.norm_epsilon,
            "rope_theta": llama.rope_base,
            "max_position_embeddings": CONTEXT,
            "vocab_size": llama.vocabulary,
            "tie_word_embeddings": True,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        "generation_config.json": {"bos_token_id": 1, "eos_token_id": 2},
        "tokenizer_config.json": {"tokenizer_class": "GPT2Tokenizer"},
    }
    for name, config in configs.items():
        (folder / name).write_text(json.dumps(config, indent=2), encoding="utf-8")
