"""Writes what the reading of GGML's types is held against.

    python -m venv venv && venv/bin/pip install -r tests/parity/gguf.requirements.txt
    venv/bin/python tests/parity/make_ggml.py

`tests/fixtures/convert/ggml.gguf` has, for each type that the Python package `gguf` unpacks, a
tensor `TYPE` of random blocks and `TYPE.values` (F32) with what the package unpacks from them.
`crate/convert/src/ggml/grids.bin` has the grids of the IQ types: a row of 8 elements of 2 bits, or
of 4 elements of 3 bits, in a little-endian u16, first element lowest; the elements are numbers of
the values that `crate/convert/src/ggml/grid.rs` names.
"""

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, quants
from gguf.constants import GGML_QUANT_SIZES

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "convert" / "ggml.gguf"
GRIDS = ROOT / "crate" / "convert" / "src" / "ggml" / "grids.bin"

# Where the blocks of a type have f16 numbers, in bytes; random bits there could be infinite.
HALVES = {
    "Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0],
    "Q2_K": [80, 82], "Q3_K": [108], "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208],
    "TQ1_0": [52], "TQ2_0": [64], "NVFP4": [],
    "IQ2_XXS": [0], "IQ2_XS": [0], "IQ2_S": [0], "IQ3_XXS": [0], "IQ3_S": [0], "IQ1_S": [0],
    "IQ4_NL": [0], "IQ4_XS": [0],
}  # fmt: skip
COLUMNS = 512


def random_blocks(rng: np.random.Generator, name: str) -> np.ndarray:
    """Two rows of random bytes whose scales are finite."""
    elements, size = GGML_QUANT_SIZES[GGMLQuantizationType[name]]
    blocks = rng.integers(0, 256, (2, COLUMNS // elements, size), dtype=np.uint8)
    scales = rng.normal(size=(*blocks.shape[:2], 2)).astype(np.float16)
    if name == "BF16":
        return (rng.normal(size=(2, COLUMNS)).astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).view(np.uint8)
    if name == "IQ1_M":
        # Four bits of the scale in the top of each of the last four u16.
        bits = scales[..., 0].view(np.uint16)
        for part in range(4):
            nibble = ((bits >> np.uint16(4 * part)) & np.uint16(15)).astype(np.uint8)
            at = 49 + 2 * part
            blocks[..., at] = (blocks[..., at] & 15) | (nibble << 4)
    elif name == "MXFP4":
        # The exponent: larger ones overflow f32.
        blocks[..., 0] %= 240
    else:
        for number, at in enumerate(HALVES[name]):
            blocks[..., at : at + 2] = scales[..., number : number + 1].view(np.uint8)
    return blocks.reshape(2, -1)


def grid(kind: type, bits: int) -> bytes:
    """The rows of a grid, each as one number."""
    kind.init_grid()
    values = list(kind.grid_map)
    rows = kind.grid.reshape(kind.grid_shape)
    return b"".join(
        sum(values.index(value) << (bits * place) for place, value in enumerate(row)).to_bytes(2, "little")
        for row in rows
    )


def main() -> None:
    """Writes both files."""
    rng = np.random.default_rng(1)
    FIXTURE.parent.mkdir(parents=True, exist_ok=True)
    writer = GGUFWriter(FIXTURE, "ggml")
    for kind in quants._type_traits:
        packed = random_blocks(rng, kind.name)
        writer.add_tensor(kind.name, packed, raw_dtype=kind)
        values = quants.dequantize(packed, kind).astype(np.float32)
        assert np.isfinite(values).all(), kind
        writer.add_tensor(f"{kind.name}.values", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    GRIDS.write_bytes(
        grid(quants.IQ2_XXS, 2)
        + grid(quants.IQ2_XS, 2)
        + grid(quants.IQ2_S, 2)
        + grid(quants.IQ3_XXS, 3)
        + grid(quants.IQ3_S, 3)
        + grid(quants.IQ1_S, 2)
    )


if __name__ == "__main__":
    main()
