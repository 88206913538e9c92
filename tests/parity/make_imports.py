"""Writes tests/fixtures/imports: tiny models with random weights as `transformers` saves them,
and what `transformers` computes.

    python3.11 -m venv venv && venv/bin/pip install -r tests/parity/imports.requirements.txt
    venv/bin/python tests/parity/make_imports.py

| folder | model | `expected.safetensors` |
| --- | --- | --- |
| `idefics_text` | IDEFICS, gates as vectors, no norms of queries and keys, no resampler | a prompt without images: activations, logits, greedy ids |
| `qwen2` | a decoder as Qwen2: biases of queries, keys and values, two heads of keys, a tied head | activations, logits, greedy ids |
| `siglip` | an encoder as SigLIP: no class token, tanh-GELU, a bias of the patches, a norm behind | `pixel_values`, `tokens` |
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import nn
from transformers import (
    IdeficsConfig,
    IdeficsForVisionText2Text,
    Qwen2Config,
    Qwen2ForCausalLM,
    SiglipVisionConfig,
    SiglipVisionModel,
)

OUT = Path(__file__).resolve().parents[1] / "fixtures" / "imports"

NEW_TOKENS = 8


def widen(model: nn.Module) -> None:
    """Weights so wide that no branch vanishes and no two logits are near ties."""
    for name, parameter in model.named_parameters():
        if "alpha" in name:
            nn.init.normal_(parameter, mean=0.6, std=0.4)
        elif parameter.dim() >= 2:
            nn.init.normal_(parameter, std=0.12)
        elif "norm" in name:
            mean = 1.0 if name.endswith("weight") else 0.0
            nn.init.normal_(parameter, mean=mean, std=0.1)
        else:
            nn.init.normal_(parameter, std=0.1)


def keep(values: dict[str, torch.Tensor], name: str):
    def hook(_module, _inputs, output):
        output = output[0] if isinstance(output, tuple) else output
        values[name] = output.detach().clone()

    return hook


def record(model, blocks, layers, inputs, more, banned) -> dict[str, torch.Tensor]:
    """Activations and logits of `inputs`, and greedy ids without the `banned` ones; `more` gives
    the other arguments."""
    values: dict[str, torch.Tensor] = {"input_ids": inputs}
    hooks = [
        module.register_forward_hook(keep(values, f"{name}{index}.out"))
        for name, modules in (("xattn", blocks), ("layer", layers))
        for index, module in enumerate(modules)
    ]
    with torch.no_grad():
        logits = model(input_ids=inputs, use_cache=False, **more(inputs)).logits
    values["logits"] = logits
    for hook in hooks:
        hook.remove()
    ids = inputs
    for _ in range(NEW_TOKENS):
        with torch.no_grad():
            logits = model(input_ids=ids, use_cache=False, **more(ids)).logits[:, -1]
        logits[:, banned] = -torch.inf
        ids = torch.cat([ids, logits.argmax(-1, keepdim=True)], 1)
    values["greedy"] = ids
    return values


def save(name: str, model, values: dict[str, torch.Tensor]) -> None:
    folder = OUT / name
    folder.mkdir(parents=True, exist_ok=True)
    model.config.save_pretrained(folder)
    # As `save_pretrained` does it: a tied head is not written.
    state = {key: value.contiguous() for key, value in model.state_dict().items()}
    if model.config.tie_word_embeddings:
        state.pop("lm_head.weight", None)
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    values = {key: value.contiguous() for key, value in values.items()}
    save_file(values, folder / "expected.safetensors")


def idefics_text() -> None:
    vision = dict(
        embed_dim=32,
        image_size=14,
        patch_size=7,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
    )
    config = IdeficsConfig(
        vocab_size=96,
        additional_vocab_size=3,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=64,
        alpha_type="vector",
        cross_layer_interval=1,
        qk_layer_norms=False,
        use_resampler=False,
        tie_word_embeddings=False,
        vision_config=vision,
        perceiver_config=dict(use_resampler=False),
        pad_token_id=0,
    )
    model = IdeficsForVisionText2Text(config).eval()
    widen(model)
    inputs = torch.tensor([[1, 9, 17, 33, 41, 52, 12], [1, 25, 64, 88, 3, 71, 19]])

    def more(ids: torch.Tensor) -> dict[str, torch.Tensor]:
        # What `IdeficsProcessor` makes of a prompt without images.
        return dict(
            pixel_values=torch.zeros(len(ids), 1, 3, 14, 14),
            image_attention_mask=torch.zeros(len(ids), ids.shape[1], 1, dtype=torch.long),
        )

    blocks, layers = model.model.gated_cross_attn_layers, model.model.layers
    both_of_an_image = [96, 97]
    values = record(model, blocks, layers, inputs, more, both_of_an_image)
    save("idefics_text", model, values)


def qwen2() -> None:
    config = Qwen2Config(
        vocab_size=97,
        hidden_size=64,
        intermediate_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=64,
        rope_theta=1_000_000.0,
        tie_word_embeddings=True,
    )
    model = Qwen2ForCausalLM(config).eval()
    widen(model)
    inputs = torch.tensor([[9, 17, 33, 41, 52, 12, 90], [25, 64, 88, 3, 71, 19, 0]])
    values = record(model, [], model.model.layers, inputs, lambda _ids: {}, [])
    save("qwen2", model, values)


def siglip() -> None:
    config = SiglipVisionConfig(
        hidden_size=32,
        intermediate_size=72,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=21,
        patch_size=7,
    )
    model = SiglipVisionModel(config).eval()
    widen(model)
    pixels = torch.randn(2, 3, 21, 21)
    with torch.no_grad():
        tokens = model(pixel_values=pixels).last_hidden_state
    save("siglip", model, {"pixel_values": pixels, "tokens": tokens})


def main() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    for make in (idefics_text, qwen2, siglip):
        make()


if __name__ == "__main__":
    main()
