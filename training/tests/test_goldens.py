"""The bridges against tensors that OpenFlamingo computed."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import FIXTURES
from safetensors.torch import load_file

from flamingo_training.generate import decode
from flamingo_training.language import LlamaConfig
from flamingo_training.model import (
    CrossAttentionConfig,
    Flamingo,
    GatedCrossAttentionBlock,
    PerceiverResampler,
    ResamplerConfig,
    media_mask,
)
from flamingo_training.sequences import PromptFormat

GOLDEN = FIXTURES / "golden"
TOLERANCE = 1e-4
# Prefix of the decoder's layers in each language model's tensor names, and the name of its embedding.
LANGUAGES = {
    "neox": ("gpt_neox.layers", "gpt_neox.embed_in.weight"),
    "mpt": ("transformer.blocks", "transformer.wte.weight"),
    "mosaic": ("transformer.blocks", "transformer.wte.weight"),
    "llama": ("model.layers", "model.embed_tokens.weight"),
    "llama_gqa": ("model.layers", "model.embed_tokens.weight"),
}


def load(name: str) -> tuple[dict, dict, dict]:
    folder = GOLDEN / name
    config = json.loads((folder / "config.json").read_text())
    return config, load_file(folder / "model_full.safetensors"), load_file(folder / "expected.safetensors")


def resampler_config(sizes: dict, width: int, frames: int = 0) -> ResamplerConfig:
    return ResamplerConfig(
        width, sizes["depth"], sizes["num_latents"], sizes["heads"], sizes["dim_head"], sizes["ff_mult"], frames, 0
    )


def cross_config(config: dict) -> CrossAttentionConfig:
    sizes = config["xattn"]
    return CrossAttentionConfig(
        config["cross_attn_every_n_layers"], sizes["heads"], sizes["dim_head"], sizes["ff_mult"]
    )


def below(state: dict, prefix: str) -> dict:
    return {name.removeprefix(prefix): tensor for name, tensor in state.items() if name.startswith(prefix)}


@pytest.mark.parametrize("name", LANGUAGES)
def test_resampler(name):
    config, state, expected = load(name)
    width = state["perceiver.latents"].shape[1]
    resampler = PerceiverResampler(resampler_config(config["perceiver"], width))
    resampler.load_state_dict(below(state, "perceiver."))
    tokens = expected["vision_patch_tokens"]
    batch, media = expected["pixel_values"].shape[:2]
    out = resampler(tokens.unflatten(0, (batch, media))[:, :, None])
    torch.testing.assert_close(out, expected["perceiver_out"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("frames", [1, 3, 4])
def test_resampler_over_frames(frames):
    state = below(load_file(GOLDEN / "resampler_video" / "model.safetensors"), "perceiver.")
    expected = load_file(GOLDEN / "resampler_video" / "expected.safetensors")
    width = state["latents"].shape[1]
    config = ResamplerConfig(width, 2, 4, 2, 8, 2, len(state["frame_embs"]), 0)
    resampler = PerceiverResampler(config, max_media=len(state["media_time_embs"]))
    resampler.load_state_dict(state)
    torch.testing.assert_close(
        resampler(expected[f"x_{frames}"]), expected[f"latents_{frames}"], atol=TOLERANCE, rtol=0
    )


def test_too_many_frames():
    resampler = PerceiverResampler(ResamplerConfig(8, 1, 2, 1, 8, 1, 2, 0))
    with pytest.raises(ValueError, match="3 frames"):
        resampler(torch.zeros(1, 1, 3, 4, 8))


@pytest.mark.parametrize("name", LANGUAGES)
def test_gated_cross_attention(name):
    """Each block, fed with the layer before it, gives OpenFlamingo's output; text before an image gets nothing."""
    config, state, expected = load(name)
    layers, embedding = LANGUAGES[name]
    width, media = state[f"lang_encoder.{embedding}"].shape[1], expected["perceiver_out"]
    text_time = (expected["input_ids"] == config["ids"]["image"]).cumsum(-1)
    mask = media_mask(text_time, media.shape[1], media.shape[2])
    blocks = [int(key.split(".")[0][5:]) for key in expected if key.endswith(".xattn_out")]
    assert blocks
    for index in blocks:
        if index == 0:
            x = state[f"lang_encoder.{embedding}"][expected["input_ids"]]
        else:
            x = expected[f"layer{index - 1}.out"]
        block = GatedCrossAttentionBlock(cross_config(config), width, media.shape[-1])
        block.load_state_dict(below(state, f"lang_encoder.{layers}.{index}.gated_cross_attn_layer."))
        pairs = block.attn.keys_and_values(media)
        attention = block.attn(x, pairs, text_time, mask)
        torch.testing.assert_close(attention, expected[f"layer{index}.xattn_attn_pregate"], atol=TOLERANCE, rtol=0)
        assert attention[text_time == 0].abs().max() == 0
        out = block(x, pairs, text_time, mask)
        torch.testing.assert_close(out, expected[f"layer{index}.xattn_out"], atol=TOLERANCE, rtol=0)


@pytest.mark.parametrize("name", ["llama", "llama_gqa"])
def test_whole_model(name, format_: PromptFormat):
    """Every layer, the logits and the greedy continuation, with left padding and with the cache."""
    config, state, expected = load(name)
    sizes = config["lm"]
    language = LlamaConfig(
        width=sizes["hidden_size"],
        layers=sizes["num_hidden_layers"],
        heads=sizes["num_attention_heads"],
        key_value_heads=sizes["num_key_value_heads"],
        feed_forward=sizes["intermediate_size"],
        vocabulary=len(state["lang_encoder.lm_head.weight"]),
        rope_base=10000.0,
        norm_epsilon=sizes["rms_norm_eps"],
    )
    resampler = resampler_config(config["perceiver"], state["perceiver.latents"].shape[1])
    model = Flamingo(
        language, resampler, cross_config(config), config["ids"]["image"], added_tokens=0, tied=False
    ).eval()
    model.load_state_dict({key: tensor for key, tensor in state.items() if not key.startswith("vision_encoder.")})
    outputs = {}
    for index, layer in enumerate(model.lang_encoder.model.layers):
        layer.decoder_layer.register_forward_hook(lambda _, __, out, index=index: outputs.__setitem__(index, out))
    ids, mask = expected["input_ids"], expected["attention_mask"].bool()
    features = expected["vision_patch_tokens"].unflatten(0, expected["pixel_values"].shape[:2])
    with torch.inference_mode():
        logits = model(ids, features, mask)
        for index, out in outputs.items():
            torch.testing.assert_close(out[mask], expected[f"layer{index}.out"][mask], atol=TOLERANCE, rtol=0)
        torch.testing.assert_close(logits[mask], expected["logits"][mask], atol=TOLERANCE, rtol=0)
        format_.image, format_.end = config["ids"]["image"], -1
        greedy = expected["greedy"][:, ids.shape[1] :]
        found = decode(model, format_, ids, model.see(features), greedy.shape[1], mask)
    assert found.tolist() == greedy.tolist()
