"""Writes tests/fixtures/gguf: files of the Python package `gguf`, which the Rust reader,
writer and quantizers are held against.

    python -m venv venv && venv/bin/pip install -r tests/parity/gguf.requirements.txt
    venv/bin/python tests/parity/gguf_blocks.py

`blocks.gguf` has every metadata type, and a matrix `source` (F32) with, for each block type,
`packed.TYPE` as the package quantizes it and `unpacked.TYPE` as the package dequantizes that.
`shapes.gguf` has tensors of one to four dimensions at an alignment of 64 bytes.
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFValueType, GGUFWriter
from gguf.quants import dequantize, quantize

OUT = Path(__file__).resolve().parents[1] / "fixtures" / "gguf"
TYPES = ["F32", "F16", "Q8_0", "Q4_0", "Q4_1"]
COLUMNS = 96


def source() -> np.ndarray:
    """Rows of 3 blocks: noise at many scales, and the places where rounding goes wrong."""
    rng = np.random.default_rng(0)
    noise = rng.normal(size=(24, COLUMNS)) * np.logspace(-6, 3, 24)[:, None]
    ramp = np.arange(COLUMNS) - COLUMNS / 2
    halves = np.tile([0.5, -0.5, 1.5, -2.5, 63.5, -64.5, 127.0, 3.0], COLUMNS // 8)
    rows = [
        np.zeros(COLUMNS),
        np.full(COLUMNS, -3.25),
        np.full(COLUMNS, 1e-36),
        ramp,
        -ramp,
        np.abs(ramp) + 1000,
        halves,
        np.where(np.arange(COLUMNS) % 2, 8.0, -8.0),
    ]
    return np.concatenate([noise, np.stack(rows)]).astype(np.float32)


def add_metadata(writer: GGUFWriter) -> None:
    """One value, and one array, of every type."""
    scalars = {
        GGUFValueType.UINT8: [0, 255],
        GGUFValueType.INT8: [-128, 127],
        GGUFValueType.UINT16: [0, 65535],
        GGUFValueType.INT16: [-32768, 32767],
        GGUFValueType.UINT32: [0, 2**32 - 1],
        GGUFValueType.INT32: [-(2**31), 2**31 - 1],
        GGUFValueType.FLOAT32: [-0.5, 1.0e20],
        GGUFValueType.BOOL: [True, False],
        GGUFValueType.STRING: ["", "Größe 🦩"],
        GGUFValueType.UINT64: [0, 2**64 - 1],
        GGUFValueType.INT64: [-(2**63), 2**63 - 1],
        GGUFValueType.FLOAT64: [-0.1, 1.0e300],
    }
    for kind, values in scalars.items():
        name = kind.name.lower()
        writer.add_key_value(f"test.{name}", values[1], kind)
        writer.add_key_value(f"test.{name}.array", values, GGUFValueType.ARRAY, sub_type=kind)
    # More than the reader parses at a time.
    many = list(range(2000))
    writer.add_key_value("test.many", many, GGUFValueType.ARRAY, sub_type=GGUFValueType.UINT16)


def finish(writer: GGUFWriter) -> None:
    """Writes the collected file."""
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def main() -> None:
    """Writes both files."""
    OUT.mkdir(parents=True, exist_ok=True)

    writer = GGUFWriter(OUT / "blocks.gguf", "flamingo")
    add_metadata(writer)
    matrix = source()
    writer.add_tensor("source", matrix)
    for name in TYPES:
        kind = GGMLQuantizationType[name]
        packed = quantize(matrix, kind)
        if name not in ("F32", "F16"):
            writer.add_tensor(f"packed.{name}", packed, raw_dtype=kind)
        else:
            writer.add_tensor(f"packed.{name}", packed)
        writer.add_tensor(f"unpacked.{name}", dequantize(packed, kind).astype(np.float32))
    finish(writer)

    writer = GGUFWriter(OUT / "shapes.gguf", "flamingo")
    writer.add_custom_alignment(64)
    for shape in [(1,), (5,), (3, 7), (2, 3, 5), (2, 1, 3, 4)]:
        values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        writer.add_tensor("x".join(map(str, shape)), values)
    finish(writer)


if __name__ == "__main__":
    main()
