"""What text sees of images, and what the bridges leave alone."""

from __future__ import annotations

import gguf
import pytest
import torch

from flamingo_training.generate import decode, pad_left, sample, until_end
from flamingo_training.language import load_gguf
from flamingo_training.model import Flamingo
from flamingo_training.sequences import Chunk, PromptFormat


def random_bridges(model: Flamingo) -> None:
    torch.manual_seed(5)
    for parameter in model.bridges().values():
        torch.nn.init.normal_(parameter, std=0.3)


def test_text_sees_its_last_image_only(model: Flamingo, format_: PromptFormat):
    """With self-attention cut off, only the text after an image changes with it."""
    random_bridges(model)
    for layer in model.lang_encoder.model.layers:
        torch.nn.init.zeros_(layer.decoder_layer.self_attn.o_proj.weight)
    ids = torch.tensor([[1, format_.image, 2, 3, format_.image, 4]])
    features = torch.randn(1, 2, 9, 16)
    with torch.inference_mode():
        plain = model(ids, features)
        for image, seen in ((0, [1, 2, 3]), (1, [4, 5])):
            changed = features.clone()
            changed[:, image] = torch.randn(9, 16)
            difference = (model(ids, changed) - plain).abs().amax(dim=(0, 2))
            assert (difference > 1e-4).nonzero().flatten().tolist() == seen


def test_more_image_tokens_than_images(model: Flamingo, format_: PromptFormat):
    ids = torch.tensor([[format_.image, 2, format_.image, 4]])
    with pytest.raises(ValueError, match="2 <image> tokens, but 1 images"):
        model(ids, torch.randn(1, 1, 9, 16))


def test_gates_at_zero_leave_the_decoder_alone(model: Flamingo, format_: PromptFormat):
    ids = torch.tensor([[format_.image, 2, 3, 4]])
    with torch.inference_mode():
        fresh = model(ids, torch.randn(1, 1, 9, 16))
        random_bridges(model)
        embedding = model.lang_encoder.model.embed_tokens.additional_embedding.weight
        for layer in model.lang_encoder.model.layers:
            if layer.gated_cross_attn_layer is not None:
                layer.gated_cross_attn_layer.attn_gate.zero_()
                layer.gated_cross_attn_layer.ff_gate.zero_()
        closed = model(ids, torch.randn(1, 1, 9, 16))
        for layer in model.lang_encoder.model.layers:
            layer.gated_cross_attn_layer = None
        bare = model(ids, torch.randn(1, 1, 9, 16))
    assert torch.equal(closed, bare)
    assert fresh.shape == closed.shape
    assert embedding.requires_grad


def test_fresh_bridges_are_the_bare_decoder(model: Flamingo):
    ids = torch.tensor([[1, 2, 3, 4]])
    with torch.inference_mode():
        fresh = model(ids, None)
        for layer in model.lang_encoder.model.layers:
            layer.gated_cross_attn_layer = None
        assert torch.equal(fresh, model(ids, None))


def test_only_bridges_are_trained(model: Flamingo):
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert trained == set(model.bridges())
    assert "lang_encoder.model.layers.1.gated_cross_attn_layer.attn_gate" in trained
    assert "lang_encoder.model.embed_tokens.additional_embedding.weight" in trained
    assert "lang_encoder.model.embed_tokens.weight" not in trained


def test_decoding_with_cache_and_padding(model: Flamingo, format_: PromptFormat):
    """Rows of different lengths, decoded together with the cache, equal each row decoded alone without one."""
    random_bridges(model)
    model.eval()
    prompts = [format_.prompt([Chunk(0, format_.caption("a dog"))]), format_.prompt()]
    features = [torch.randn(1, 2, 9, 16), torch.randn(1, 1, 9, 16)]
    with torch.inference_mode():
        alone = []
        for prompt, seen in zip(prompts, features, strict=True):
            row = list(prompt)
            for _ in range(6):
                scores = model(torch.tensor([row]), seen)[0, -1]
                scores[format_.image] = -torch.inf
                row.append(int(scores.argmax()))
            alone.append(until_end(row[len(prompt) :], format_.end))
        ids, mask = pad_left(prompts, format_.end)
        padded = torch.zeros(2, 2, 9, 16)
        padded[0], padded[1, :1] = features[0][0], features[1][0]
        together = decode(model, format_, ids, model.see(padded), 6, mask)
    assert [until_end(row, format_.end) for row in together.tolist()] == alone


def test_sampling_follows_the_distribution():
    torch.manual_seed(1)
    drawn = sample(torch.tensor([[0.1, 0.2, 0.0, 0.7]]).expand(20000, -1))
    shares = torch.bincount(drawn, minlength=4) / len(drawn)
    torch.testing.assert_close(shares, torch.tensor([0.1, 0.2, 0.0, 0.7]), atol=0.02, rtol=0)


def test_language_model_from_gguf(model: Flamingo, tmp_path):
    """A file with llama.cpp's row order loads back to the weights that it was written from."""
    config = model.language
    torch.manual_seed(7)
    heads = {"attn_q": config.heads, "attn_k": config.key_value_heads}
    names = {
        "attn_norm": ("input_layernorm", (config.width,)),
        "attn_q": ("self_attn.q_proj", (config.width, config.width)),
        "attn_k": ("self_attn.k_proj", (config.key_value_heads * config.head_width, config.width)),
        "ffn_down": ("mlp.down_proj", (config.width, config.feed_forward)),
    }
    path = tmp_path / "language.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(config.layers)
    writer.add_embedding_length(config.width)
    writer.add_head_count(config.heads)
    writer.add_head_count_kv(config.key_value_heads)
    writer.add_feed_forward_length(config.feed_forward)
    writer.add_vocab_size(config.vocabulary)
    writer.add_rope_freq_base(config.rope_base)
    writer.add_layer_norm_rms_eps(config.norm_epsilon)
    expected = {}
    for short, (name, shape) in names.items():
        weight = torch.randn(shape)
        expected[f"layers.0.{name}.weight"] = weight
        if short in heads:
            rows, columns = shape
            weight = weight.view(heads[short], 2, rows // heads[short] // 2, columns).transpose(1, 2).reshape(shape)
        writer.add_tensor(f"blk.0.{short}.weight", weight.contiguous().numpy())
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    loaded, state = load_gguf(path)
    assert loaded.__dict__ == pytest.approx(config.__dict__)
    assert state.keys() == expected.keys()
    for name, weight in expected.items():
        assert torch.equal(state[name], weight), name
