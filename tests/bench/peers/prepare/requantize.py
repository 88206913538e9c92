"""The language model in other block types."""

from __future__ import annotations

from pathlib import Path

import gguf

FILE_TYPES = {"q4_0": gguf.LlamaFileType.MOSTLY_Q4_0, "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0}


def requantize(source: Path, kind: str, target: Path) -> None:
    """Writes `source` with the matrices of its layers in blocks of `kind`.

    The embedding keeps its own blocks, which are Q8_0: it is the head too, and llama.cpp's own
    quantizations of this model keep it so. Norms stay f32.
    """
    reader = gguf.GGUFReader(source)
    block_type = gguf.GGMLQuantizationType[kind.upper()]
    writer = gguf.GGUFWriter(target, reader.fields["general.architecture"].contents())
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        if field.name == "general.file_type":
            writer.add_file_type(FILE_TYPES[kind])
            continue
        kinds = field.types
        element = kinds[-1] if kinds[0] == gguf.GGUFValueType.ARRAY else None
        writer.add_key_value(field.name, field.contents(), kinds[0], sub_type=element)
    for tensor in reader.tensors:
        if tensor.tensor_type == gguf.GGMLQuantizationType.Q4_1:
            values = gguf.dequantize(tensor.data, tensor.tensor_type)
            writer.add_tensor(tensor.name, gguf.quantize(values, block_type), raw_dtype=block_type)
        else:
            writer.add_tensor(tensor.name, tensor.data, raw_dtype=tensor.tensor_type)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
