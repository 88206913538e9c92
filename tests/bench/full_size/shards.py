"""Files as `safetensors` writes them, and checkpoints in several files with an index."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Sequence
from pathlib import Path

from noise import Noise
from tensors import Tensor

Writer = Callable[[Path, Sequence[Tensor], Noise], None]


def write_safetensors(path: Path, tensors: Sequence[Tensor], noise: Noise) -> None:
    """Writes one file; the header is padded to a multiple of 8 bytes."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for tensor in tensors:
        start, end = end, end + tensor.bytes
        header[tensor.name] = {
            "dtype": tensor.element.value[0],
            "shape": list(tensor.shape),
            "data_offsets": [start, end],
        }
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(encoded)) + encoded)
        for tensor in tensors:
            for block in noise.bytes_of(tensor):
                file.write(block)


def write_shards(
    folder: Path, stem: str, suffix: str, tensors: Sequence[Tensor], noise: Noise, write: Writer
) -> None:
    """Writes files of at most 10 GB and their index, as `save_pretrained` does."""
    limit = 10_000_000_000
    shards: list[list[Tensor]] = [[]]
    size = 0
    for tensor in tensors:
        if size + tensor.bytes > limit:
            shards.append([])
            size = 0
        shards[-1].append(tensor)
        size += tensor.bytes
    places: dict[str, str] = {}
    for number, shard in enumerate(shards, start=1):
        name = f"{stem}-{number:05}-of-{len(shards):05}.{suffix}"
        write(folder / name, shard, noise)
        places |= {tensor.name: name for tensor in shard}
    total = sum(tensor.bytes for tensor in tensors)
    index = {"metadata": {"total_size": total}, "weight_map": places}
    (folder / f"{stem}.{suffix}.index.json").write_text(json.dumps(index, indent=2))
