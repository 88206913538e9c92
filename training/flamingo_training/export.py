"""The bridges as files: f32 safetensors under OpenFlamingo's names, and the released GGUF of Q8_0 blocks.

Both directions are here, so that training can start from the released file.
"""

from __future__ import annotations

import argparse
import hashlib
import re
from pathlib import Path

import gguf
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from .recipe import DEFAULT, Recipe

BLOCK = 32
UNQUANTIZED = {"resampler.latents", "resampler.frame_embd", "resampler.media_embd", "token_embd_extra.weight"}

CROSS = r"lang_encoder\.model\.layers\.(\d+)\.gated_cross_attn_layer\."
# OpenFlamingo's name as a pattern, and the GGUF name that it becomes; {} takes the layer's number.
NAMES = (
    (r"perceiver\.latents", "resampler.latents"),
    (r"perceiver\.frame_embs", "resampler.frame_embd"),
    (r"perceiver\.media_time_embs", "resampler.media_embd"),
    (r"perceiver\.input_norm\.(weight|bias)", "resampler.input_norm.{}"),
    (r"perceiver\.input_proj\.weight", "resampler.input_proj.weight"),
    (r"perceiver\.norm\.(weight|bias)", "resampler.norm.{}"),
    (r"perceiver\.layers\.(\d+)\.0\.norm_media\.(weight|bias)", "resampler.blk.{}.norm_media.{}"),
    (r"perceiver\.layers\.(\d+)\.0\.norm_latents\.(weight|bias)", "resampler.blk.{}.norm_latents.{}"),
    (r"perceiver\.layers\.(\d+)\.0\.to_(q|kv|out)\.weight", "resampler.blk.{}.attn_{}.weight"),
    (r"perceiver\.layers\.(\d+)\.1\.0\.(weight|bias)", "resampler.blk.{}.ffn_norm.{}"),
    (r"perceiver\.layers\.(\d+)\.1\.1\.weight", "resampler.blk.{}.ffn_up.weight"),
    (r"perceiver\.layers\.(\d+)\.1\.3\.weight", "resampler.blk.{}.ffn_down.weight"),
    (CROSS + r"attn\.norm\.(weight|bias)", "xattn.{}.attn_norm.{}"),
    (CROSS + r"attn\.to_(q|kv|out)\.weight", "xattn.{}.attn_{}.weight"),
    (CROSS + r"attn_gate", "xattn.{}.attn_gate"),
    (CROSS + r"ff_gate", "xattn.{}.ffn_gate_scale"),
    (CROSS + r"ff\.0\.(weight|bias)", "xattn.{}.ffn_norm.{}"),
    (CROSS + r"ff\.1\.weight", "xattn.{}.ffn_up.weight"),
    (CROSS + r"ff\.3\.weight", "xattn.{}.ffn_down.weight"),
    (r"vision_encoder\.blocks\.(\d+)\.(expand|depthwise|project)\.(weight|bias)", "v.blk.{}.{}.{}"),
    (r"vision_encoder\.head\.(weight|bias)", "v.head.{}"),
    (r"lang_encoder\.model\.embed_tokens\.additional_embedding\.weight", "token_embd_extra.weight"),
)


def gguf_name(name: str) -> str:
    """OpenFlamingo's tensor name -> the GGUF name."""
    for pattern, target in NAMES:
        match = re.fullmatch(pattern, name)
        if match:
            return target.format(*match.groups())
    raise ValueError(f"no GGUF name for the tensor {name}")


def openflamingo_name(name: str) -> str:
    """The GGUF name -> OpenFlamingo's tensor name."""
    for pattern, target in NAMES:
        slots = [slot.strip("()") for slot in re.findall(r"\([^)]*\)", pattern)]
        match = re.fullmatch(re.escape(target).replace(r"\{\}", "{}").format(*(f"({slot})" for slot in slots)), name)
        if match:
            for group in match.groups():
                pattern = re.sub(r"\([^)]*\)", group, pattern, count=1)
            return pattern.replace("\\.", ".")
    raise ValueError(f"no bridge tensor is called {name} in GGUF")


def as_matrix(tensor: Tensor) -> Tensor:
    """The kernels of a convolution, (out, in, size, size), as files hold them: (out, in * size * size)."""
    return tensor.flatten(1) if tensor.dim() == 4 else tensor


def storage_type(name: str, tensor: Tensor) -> gguf.GGMLQuantizationType:
    """How the released file holds a tensor.

    Matrices become Q8_0 where their rows are whole blocks; embeddings, norms and gates stay f32. Of the vision encoder
    those with other rows become f16, and the projections that write its narrow residual stream, as in the converter.
    """
    matrix = tensor.dim() == 2 and name not in UNQUANTIZED
    if matrix and tensor.shape[1] % BLOCK == 0 and ".project." not in name:
        return gguf.GGMLQuantizationType.Q8_0
    return gguf.GGMLQuantizationType.F16 if matrix and name.startswith("v.") else gguf.GGMLQuantizationType.F32


def write_gguf(path: Path, state: dict[str, Tensor], recipe: Recipe, end_of_chunk: int, image: int) -> None:
    """Writes the released bridges."""
    writer = gguf.GGUFWriter(path, "flamingo")
    writer.add_name("Flamingo bridges for SmolLM2-135M-Instruct and EfficientNet-Lite2")
    writer.add_license("other")
    resampler, cross = recipe.resampler, recipe.cross_attention
    numbers = {
        "resampler.width": resampler.width,
        "resampler.depth": resampler.depth,
        "resampler.latents": resampler.latents,
        "resampler.heads": resampler.heads,
        "resampler.head_dim": resampler.head_width,
        "resampler.ffn_mult": resampler.feed_forward_multiple,
        "resampler.max_frames": resampler.max_frames,
        "resampler.input_width": resampler.input_width,
        "cross_attention.every": cross.every,
        "cross_attention.offset": cross.every - 1,
        "cross_attention.heads": cross.heads,
        "cross_attention.head_dim": cross.head_width,
        "cross_attention.ffn_mult": cross.feed_forward_multiple,
        "tokens.end_of_chunk": end_of_chunk,
        "tokens.image": image,
    }
    for key, value in numbers.items():
        writer.add_uint32(f"flamingo.{key}", value)
    for name, tensor in state.items():
        target, values = gguf_name(name), as_matrix(tensor.detach().cpu().float()).contiguous()
        kind = storage_type(target, values)
        writer.add_tensor(target, gguf.quantize(values.numpy(), kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def read_bridges(path: Path) -> dict[str, Tensor]:
    """Bridge tensors in f32 under OpenFlamingo's names, from either file format."""
    if path.suffix == ".safetensors":
        return load_file(path)
    return {
        openflamingo_name(tensor.name): torch.from_numpy(
            gguf.dequantize(tensor.data, tensor.tensor_type).reshape(tensor.shape[::-1].tolist()).copy()
        )
        for tensor in gguf.GGUFReader(path).tensors
    }


def ensemble(trained: dict[str, Tensor], earlier: dict[str, Tensor], weight: float) -> dict[str, Tensor]:
    """Bridges between those that training ended with and those that it started from, `weight` of the former.

    Fine-tuning forgets; a mean of the weights keeps most of both (Wortsman et al., "Robust fine-tuning of zero-shot
    models", 2022).
    """
    return {
        # Temporal embeddings begin anew where they had not spread, and half of a new line would be a shorter one.
        name: tensor.float() if "frame_embs" in name else torch.lerp(earlier[name].float(), tensor.float(), weight)
        for name, tensor in trained.items()
    }


def write_safetensors(path: Path, state: dict[str, Tensor]) -> str:
    """Writes the f32 parent and returns its SHA-256."""
    save_file({name: as_matrix(tensor.detach().cpu().float()).contiguous() for name, tensor in state.items()}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def main() -> None:
    """Command line: a training checkpoint (or f32 bridges) in, both files out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--recipe", type=Path, default=DEFAULT)
    parser.add_argument("--checkpoint", type=Path, required=True, help="a training checkpoint or a .safetensors file")
    parser.add_argument("--earlier", type=Path, help="bridges that training started from, for the recipe's ensemble")
    parser.add_argument("--safetensors", type=Path, help="where to write the f32 parent")
    parser.add_argument("--gguf", type=Path, help="where to write the released bridges")
    parser.add_argument("--vocabulary", type=int, default=49152, help="tokens of the language model, ours excluded")
    arguments = parser.parse_args()
    recipe = Recipe.load(arguments.recipe)
    if arguments.checkpoint.suffix == ".safetensors":
        state = load_file(arguments.checkpoint)
    else:
        checkpoint = torch.load(arguments.checkpoint, map_location="cpu", weights_only=True)
        state = {name: as_matrix(tensor) for name, tensor in checkpoint.get("average", checkpoint["bridges"]).items()}
    if arguments.earlier:
        state = ensemble(state, read_bridges(arguments.earlier), recipe["ensemble"]["weight"])
    if arguments.safetensors:
        print(write_safetensors(arguments.safetensors, state), arguments.safetensors)
    if arguments.gguf:
        write_gguf(arguments.gguf, state, recipe, arguments.vocabulary, arguments.vocabulary + 1)
        print(hashlib.sha256(arguments.gguf.read_bytes()).hexdigest(), arguments.gguf)


if __name__ == "__main__":
    main()
