"""The released checkpoints: which files each has, and what the converter is told of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import parts
import vocabulary
from noise import Noise
from pytorch import write_script, write_state_dict
from shards import write_safetensors, write_shards
from tensors import Element, Tensor


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that can be written to a folder."""

    name: str
    # Bytes of all its files, about.
    read: int
    # Bytes that are packed of it, about.
    packed: int
    # Writes it, and returns the converter's arguments.
    write: Callable[[Path, Noise], list[str]]


def folder(path: Path) -> Path:
    """A folder that is there afterwards."""
    path.mkdir(parents=True, exist_ok=True)
    return path


def write_json(path: Path, fields: dict[str, object]) -> None:
    """Writes settings."""
    path.write_text(json.dumps(fields, indent=2))


def expect(what: str, found: int, published: int) -> None:
    """Holds what was written down here against a published number."""
    if found != published:
        raise ValueError(f"{what}: {found}, and not {published} as published")


def elements(tensors: Sequence[Tensor]) -> int:
    """Number of weights; positions are none."""
    counted = (it for it in tensors if it.same_as is None and it.element != Element.I64)
    return sum(it.elements for it in counted)


def clip_as_torchscript(root: Path, noise: Noise) -> Path:
    """`ViT-L-14.pt` as OpenAI publishes it."""
    parameters, beside = parts.open_ai_clip()
    expect("bytes of ViT-L-14.pt", sum(it.bytes for it in parameters), 932_051_972)
    path = root / "ViT-L-14.pt"
    write_script(path, parameters, beside, noise)
    return path


def clip_as_open_clip(root: Path, noise: Noise) -> Path:
    """`timm/vit_large_patch14_clip_224.openai`."""
    path = folder(root / "vit_large_patch14_clip_224.openai")
    text = {"context_length": 77, "vocab_size": 49408, "width": 768, "heads": 12, "layers": 12}
    vision = {"image_size": 224, "layers": 24, "width": 1024, "patch_size": 14}
    model = {"embed_dim": 768, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
    preprocess = {
        "mean": [0.48145466, 0.4578275, 0.40821073],
        "std": [0.26862954, 0.26130258, 0.27577711],
    }
    write_json(path / "open_clip_config.json", {"model_cfg": model, "preprocess_cfg": preprocess})
    write_safetensors(path / "open_clip_model.safetensors", parts.open_clip(), noise)
    return path


def clip_as_transformers(root: Path, noise: Noise) -> Path:
    """`openai/clip-vit-large-patch14`."""
    path = folder(root / "clip-vit-large-patch14")
    vision = {
        "model_type": "clip_vision_model",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "image_size": 224,
        "patch_size": 14,
        "hidden_act": "quick_gelu",
        "layer_norm_eps": 1e-5,
    }
    write_json(
        path / "config.json",
        {"model_type": "clip", "projection_dim": 768, "vision_config": vision},
    )
    write_safetensors(path / "model.safetensors", parts.transformers_clip(), noise)
    return path


def open_flamingo_3b(root: Path, noise: Noise) -> list[str]:
    """OpenFlamingo-3B-vitl-mpt1b: MPT-1B in one file of F32, CLIP as TorchScript."""
    language = folder(root / "mpt-1b-redpajama-200b")
    settings = {
        "model_type": "mosaic_gpt",
        "architectures": ["MosaicGPT"],
        "d_model": 2048,
        "n_heads": 16,
        "n_layers": 24,
        "mlp_ratio": 4,
        "max_seq_len": 2048,
        "vocab_size": 50432,
        "alibi": True,
        "alibi_bias_max": 8,
        "attn_qk_ln": True,
        "no_bias": True,
        "attn_clip_qkv": None,
        "logit_scale": None,
        "softmax_scale": None,
    }
    write_json(language / "config.json", settings)
    vocabulary.write_neox(language / "tokenizer.json")
    weights = parts.mpt_1b()
    expect("bytes of MPT-1B", sum(it.bytes for it in weights), 5_245_771_776)
    write_state_dict(language / "pytorch_model.bin", weights, noise)
    vision = clip_as_torchscript(root, noise)
    trained = parts.open_flamingo_mpt(width=2048, layers=24, every=1)
    expect("tensors of checkpoint.pt", len(trained), 334)
    write_state_dict(root / "checkpoint.pt", trained, noise)
    return open_flamingo(root, language, vision)


def open_flamingo_4b(root: Path, noise: Noise) -> list[str]:
    """OpenFlamingo-4B-vitl-rpj3b: RedPajama in one file of F16 with masks, open_clip's CLIP."""
    language = folder(root / "RedPajama-INCITE-Base-3B-v1")
    settings = {
        "model_type": "gpt_neox",
        "architectures": ["GPTNeoXForCausalLM"],
        "hidden_size": 2560,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "intermediate_size": 10240,
        "hidden_act": "gelu",
        "rotary_pct": 1.0,
        "rotary_emb_base": 10000,
        "use_parallel_residual": False,
        "layer_norm_eps": 1e-5,
        "max_position_embeddings": 2048,
        "vocab_size": 50432,
        "tie_word_embeddings": False,
    }
    write_json(language / "config.json", settings)
    vocabulary.write_neox(language / "tokenizer.json")
    halves = [
        it.of(Element.F16) if it.element == Element.F32 else it for it in parts.redpajama_3b()
    ]
    write_state_dict(language / "pytorch_model.bin", halves, noise)
    vision = clip_as_open_clip(root, noise)
    trained = parts.open_flamingo_redpajama()
    expect("tensors of checkpoint.pt with its buffers", len(trained), 247 + 96)
    write_state_dict(root / "checkpoint.pt", trained, noise)
    return open_flamingo(root, language, vision)


def open_flamingo_9b(root: Path, noise: Noise) -> list[str]:
    """OpenFlamingo-9B-vitl-mpt7b: MPT-7B in two files of BF16, transformers' CLIP."""
    language = folder(root / "mpt-7b")
    settings = {
        "model_type": "mpt",
        "architectures": ["MPTForCausalLM"],
        "d_model": 4096,
        "n_heads": 32,
        "n_layers": 32,
        "expansion_ratio": 4,
        "max_seq_len": 2048,
        "vocab_size": 50432,
        "learned_pos_emb": True,
        "no_bias": True,
        "logit_scale": None,
        "attn_config": {
            "alibi": True,
            "alibi_bias_max": 8,
            "attn_type": "multihead_attention",
            "clip_qkv": None,
            "qk_ln": False,
            "softmax_scale": None,
        },
    }
    write_json(language / "config.json", settings)
    vocabulary.write_neox(language / "tokenizer.json")
    weights = [it.of(Element.BF16) for it in parts.mpt_7b()]
    expect("bytes of MPT-7B", sum(it.bytes for it in weights), 13_298_573_312)
    write_shards(language, "pytorch_model", "bin", weights, noise, write_state_dict)
    vision = clip_as_transformers(root, noise)
    trained = parts.open_flamingo_mpt(width=4096, layers=32, every=4)
    expect("tensors of checkpoint.pt", len(trained), 158)
    write_state_dict(root / "checkpoint.pt", trained, noise)
    return open_flamingo(root, language, vision)


def open_flamingo(root: Path, language: Path, vision: Path) -> list[str]:
    """The arguments for an OpenFlamingo."""
    checkpoint = root / "checkpoint.pt"
    return ["--language", str(language), "--vision", str(vision), str(checkpoint)]


def idefics_9b(root: Path, noise: Noise) -> list[str]:
    """HuggingFaceM4/idefics-9b: everything in files of BF16."""
    path = folder(root / "idefics-9b")
    settings = {
        "model_type": "idefics",
        "architectures": ["IdeficsForVisionText2Text"],
        "additional_vocab_size": 2,
        "alpha_initializer": "zeros",
        "alpha_type": "float",
        "cross_layer_interval": 4,
        "hidden_act": "silu",
        "hidden_size": 4096,
        "intermediate_size": 11008,
        "num_hidden_layers": 32,
        "num_attention_heads": 32,
        "max_position_embeddings": 2048,
        "rms_norm_eps": 1e-6,
        "qk_layer_norms": True,
        "tie_word_embeddings": False,
        "use_resampler": True,
        "vocab_size": 32000,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 0,
        "perceiver_config": {
            "resampler_n_latents": 64,
            "resampler_depth": 6,
            "resampler_n_heads": 16,
            "resampler_head_dim": 96,
            "qk_layer_norms_perceiver": True,
        },
        "vision_config": {
            "embed_dim": 1280,
            "image_size": 224,
            "patch_size": 14,
            "intermediate_size": 5120,
            "num_hidden_layers": 32,
            "num_attention_heads": 16,
            "hidden_act": "gelu",
            "layer_norm_eps": 1e-5,
        },
    }
    write_json(path / "config.json", settings)
    vocabulary.write_llama(path / "tokenizer.json")
    weights = parts.idefics_9b()
    expect("parameters of IDEFICS-9B", elements(weights), 8_929_679_632)
    halves = [it.of(Element.BF16) if it.element == Element.F32 else it for it in weights]
    write_shards(path, "model", "safetensors", halves, noise, write_safetensors)
    return [str(path)]


def flamingo_mini(
    name: str, opt: parts.Opt, heads: int, head_width: int, parameters: int
) -> Callable[[Path, Noise], list[str]]:
    """flamingo-tiny or -mini: everything in one file of F32, OPT's vocabulary beside it."""

    def write(root: Path, noise: Noise) -> list[str]:
        path = folder(root / name)
        sizes = {350: "facebook/opt-350m", 125: "facebook/opt-125m"}
        shared = {"dim_head": head_width, "heads": heads, "ff_mult": 4, "act": "sqrelu"}
        settings: dict[str, object] = {
            "lm": sizes[350 if opt is parts.OPT_350M else 125],
            "clip_model_type": "openai/clip-vit-large-patch14",
            "dim": opt.width,
            "dim_visual": 1024,
            "xattn_every": 1,
            "resampler_depth": 6,
            "resampler_num_latents": 64,
            "resampler_num_time_embeds": 4,
        }
        for part in ("xattn", "resampler"):
            settings |= {f"{part}_{key}": value for key, value in shared.items()}
        write_json(path / "config.json", settings)
        vocabulary.write_opt(path)
        weights = parts.flamingo_mini(opt, heads * head_width)
        expect(f"parameters of {name}", elements(weights), parameters + 303_179_776)
        write_state_dict(path / "pytorch_model.bin", weights, noise)
        return [str(path)]

    return write


TINY = flamingo_mini("flamingo-tiny", parts.OPT_125M, 8, 64, 266_943_256)
MINI = flamingo_mini("flamingo-mini", parts.OPT_350M, 16, 128, 834_720_304)

GB = 10**9

CHECKPOINTS = [
    Checkpoint("flamingo-tiny", int(2.3 * GB), int(0.4 * GB), TINY),
    Checkpoint("flamingo-mini", int(4.6 * GB), int(0.7 * GB), MINI),
    Checkpoint("openflamingo-3b", int(10.4 * GB), int(1.5 * GB), open_flamingo_3b),
    Checkpoint("openflamingo-4b", int(12.5 * GB), int(2.4 * GB), open_flamingo_4b),
    Checkpoint("openflamingo-9b", int(20.6 * GB), int(4.7 * GB), open_flamingo_9b),
    Checkpoint("idefics-9b", int(17.9 * GB), int(5.2 * GB), idefics_9b),
]
