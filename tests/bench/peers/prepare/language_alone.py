"""The default model without its gated cross-attention blocks, so that it does the work of a language model alone."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import gguf

SHARD_BYTES = 16 * 1024 * 1024
CONFIG = "flamingo.config"


def write_language_alone(model: Path, target: Path) -> None:
    """Writes the packed model in `model` again, with its first cross-attention block behind the last layer: none."""
    manifest = json.loads((model / "model.json").read_text(encoding="utf-8"))
    joined = target / "model.gguf"
    joined.write_bytes(b"".join((model / shard["file"]).read_bytes() for shard in manifest["shards"]))
    reader = gguf.GGUFReader(joined)
    config = json.loads(reader.fields[CONFIG].contents())
    config["cross_attention"]["offset"] = config["language"]["layers"]
    alone = target / "alone.gguf"
    writer = gguf.GGUFWriter(alone, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        writer.add_string(field.name, json.dumps(config) if field.name == CONFIG else field.contents())
    for tensor in reader.tensors:
        if tensor.name.startswith("xattn."):
            continue
        writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    stream = alone.read_bytes()
    shards = []
    for start in range(0, len(stream), SHARD_BYTES):
        part = stream[start : start + SHARD_BYTES]
        file = f"model-{len(shards):05}.bin"
        (target / file).write_bytes(part)
        shards.append({"file": file, "bytes": len(part), "sha256": hashlib.sha256(part).hexdigest()})
    manifest |= {"config": config, "total_bytes": len(stream), "shards": shards}
    (target / "model.json").write_text(json.dumps(manifest), encoding="utf-8")
    joined.unlink()
    alone.unlink()
