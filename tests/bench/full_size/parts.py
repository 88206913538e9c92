"""The tensors of each part of the released Flamingos.

They are written down from published names and shapes: this project's own tables of names play no
part here.
"""

from __future__ import annotations

from dataclasses import dataclass

from tensors import (
    Element,
    Fill,
    Kind,
    Tensor,
    constant,
    gate,
    layer_norm,
    linear,
    matrix,
    norm,
    normal,
)

CONTEXT = 2048


@dataclass(frozen=True)
class Tower:
    """Sizes of a vision transformer over images of 224 pixels a side."""

    width: int
    layers: int
    feed_forward: int
    patch: int = 14

    @property
    def positions(self) -> int:
        """Patches and the class token."""
        return (224 // self.patch) ** 2 + 1


CLIP_L = Tower(width=1024, layers=24, feed_forward=4096)
CLIP_H = Tower(width=1280, layers=32, feed_forward=5120)

# Width and layers of CLIP L's other tower, rows of its vocabulary and positions.
TEXT_WIDTH, TEXT_LAYERS, TEXT_VOCABULARY, TEXT_POSITIONS = 768, 12, 49408, 77


def open_clip_blocks(prefix: str, width: int, layers: int) -> list[Tensor]:
    """Layers of a tower as OpenAI and open_clip name them."""
    tensors = []
    for layer in range(layers):
        block = f"{prefix}transformer.resblocks.{layer}."
        tensors += [
            *layer_norm(f"{block}ln_1", width),
            matrix(f"{block}attn.in_proj_weight", 3 * width, width),
            normal(f"{block}attn.in_proj_bias", 3 * width),
            *linear(f"{block}attn.out_proj", width, width),
            *layer_norm(f"{block}ln_2", width),
            *linear(f"{block}mlp.c_fc", 4 * width, width),
            *linear(f"{block}mlp.c_proj", width, 4 * width),
        ]
    return tensors


def open_clip() -> list[Tensor]:
    """CLIP ViT-L/14 as open_clip's files have it: both towers."""
    width = CLIP_L.width
    return [
        normal("positional_embedding", TEXT_POSITIONS, TEXT_WIDTH),
        matrix("text_projection", TEXT_WIDTH, TEXT_WIDTH),
        constant("logit_scale", value=4.6),
        normal("visual.class_embedding", width),
        normal("visual.positional_embedding", CLIP_L.positions, width),
        normal("visual.proj", width, TEXT_WIDTH, std=width**-0.5),
        normal("visual.conv1.weight", width, 3, CLIP_L.patch, CLIP_L.patch, std=0.04),
        *layer_norm("visual.ln_pre", width),
        *open_clip_blocks("visual.", width, CLIP_L.layers),
        *layer_norm("visual.ln_post", width),
        *open_clip_blocks("", TEXT_WIDTH, TEXT_LAYERS),
        normal("token_embedding.weight", TEXT_VOCABULARY, TEXT_WIDTH),
        *layer_norm("ln_final", TEXT_WIDTH),
    ]


def open_ai_clip() -> tuple[list[Tensor], list[Tensor]]:
    """CLIP ViT-L/14 as OpenAI's TorchScript archive has it: parameters, and numbers beside them.

    Layers, convolution and projections are F16; norms and embeddings are F32.
    """
    wide = ("ln_", "embedding", "logit_scale")
    parameters = [
        tensor if any(part in tensor.name for part in wide) else tensor.of(Element.F16)
        for tensor in open_clip()
    ]
    beside = [
        constant(name, value=value).of(Element.I64)
        for name, value in [
            ("input_resolution", 224),
            ("context_length", TEXT_POSITIONS),
            ("vocab_size", TEXT_VOCABULARY),
        ]
    ]
    return parameters, beside


def transformers_layers(prefix: str, width: int, layers: int, inner: int) -> list[Tensor]:
    """Layers of a tower as `transformers` names them."""
    tensors = []
    for number in range(layers):
        layer = f"{prefix}encoder.layers.{number}."
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            tensors += linear(f"{layer}self_attn.{name}", width, width)
        tensors += [
            *layer_norm(f"{layer}layer_norm1", width),
            *linear(f"{layer}mlp.fc1", inner, width),
            *linear(f"{layer}mlp.fc2", width, inner),
            *layer_norm(f"{layer}layer_norm2", width),
        ]
    return tensors


def position_ids(name: str, count: int) -> Tensor:
    """The numbers of positions, a buffer that older files have."""
    return Tensor(name, (1, count), Fill(Kind.POSITIONS), Element.I64)


def transformers_tower(prefix: str, tower: Tower) -> list[Tensor]:
    """A vision tower as `transformers` names it."""
    patch = f"{prefix}embeddings.patch_embedding.weight"
    return [
        normal(f"{prefix}embeddings.class_embedding", tower.width),
        position_ids(f"{prefix}embeddings.position_ids", tower.positions),
        normal(patch, tower.width, 3, tower.patch, tower.patch, std=0.04),
        normal(f"{prefix}embeddings.position_embedding.weight", tower.positions, tower.width),
        *layer_norm(f"{prefix}pre_layrnorm", tower.width),
        *transformers_layers(prefix, tower.width, tower.layers, tower.feed_forward),
        *layer_norm(f"{prefix}post_layernorm", tower.width),
    ]


def transformers_clip() -> list[Tensor]:
    """CLIP ViT-L/14 as `openai/clip-vit-large-patch14` has it: both towers."""
    text = "text_model."
    positions = normal(f"{text}embeddings.position_embedding.weight", TEXT_POSITIONS, TEXT_WIDTH)
    return [
        constant("logit_scale", value=4.6),
        position_ids(f"{text}embeddings.position_ids", TEXT_POSITIONS),
        normal(f"{text}embeddings.token_embedding.weight", TEXT_VOCABULARY, TEXT_WIDTH),
        positions,
        *transformers_layers(text, TEXT_WIDTH, TEXT_LAYERS, 4 * TEXT_WIDTH),
        *layer_norm(f"{text}final_layer_norm", TEXT_WIDTH),
        matrix("text_projection.weight", TEXT_WIDTH, TEXT_WIDTH),
        *transformers_tower("vision_model.", CLIP_L),
        matrix("visual_projection.weight", TEXT_WIDTH, CLIP_L.width),
    ]


def mpt_1b() -> list[Tensor]:
    """MosaicGPT of 1.3 billion parameters: norms of queries and keys over the full width."""
    width = 2048
    tensors = [normal("transformer.wte.weight", 50432, width)]
    for number in range(24):
        block = f"transformer.blocks.{number}."
        tensors += [
            norm(f"{block}ln_1", width),
            matrix(f"{block}attn.Wqkv.weight", 3 * width, width),
            matrix(f"{block}attn.out_proj.weight", width, width),
            norm(f"{block}attn.q_ln", width),
            norm(f"{block}attn.k_ln", width),
            norm(f"{block}ln_2", width),
            matrix(f"{block}mlp.mlp_up.weight", 4 * width, width),
            matrix(f"{block}mlp.mlp_down.weight", width, 4 * width),
        ]
    return [*tensors, norm("transformer.ln_f", width)]


def mpt_7b() -> list[Tensor]:
    """MPT of 6.6 billion parameters."""
    width = 4096
    tensors = [normal("transformer.wte.weight", 50432, width)]
    for number in range(32):
        block = f"transformer.blocks.{number}."
        tensors += [
            norm(f"{block}norm_1", width),
            matrix(f"{block}attn.Wqkv.weight", 3 * width, width),
            matrix(f"{block}attn.out_proj.weight", width, width),
            norm(f"{block}norm_2", width),
            matrix(f"{block}ffn.up_proj.weight", 4 * width, width),
            matrix(f"{block}ffn.down_proj.weight", width, 4 * width),
        ]
    return [*tensors, norm("transformer.norm_f", width)]


def neox_buffers(attention: str) -> list[Tensor]:
    """What each attention of GPT-NeoX keeps beside its weights."""
    mask = (1, 1, CONTEXT, CONTEXT)
    return [
        Tensor(f"{attention}bias", mask, Fill(Kind.CAUSAL_MASK), Element.BOOL),
        constant(f"{attention}masked_bias", value=-1e4),
        constant(f"{attention}rotary_emb.inv_freq", 40, value=0.5),
    ]


def redpajama_3b() -> list[Tensor]:
    """RedPajama-INCITE of 2.8 billion parameters, a GPT-NeoX, with its buffers."""
    width = 2560
    tensors = [normal("gpt_neox.embed_in.weight", 50432, width)]
    for number in range(32):
        layer = f"gpt_neox.layers.{number}."
        tensors += [
            *layer_norm(f"{layer}input_layernorm", width),
            *layer_norm(f"{layer}post_attention_layernorm", width),
            *neox_buffers(f"{layer}attention."),
            *linear(f"{layer}attention.query_key_value", 3 * width, width),
            *linear(f"{layer}attention.dense", width, width),
            *linear(f"{layer}mlp.dense_h_to_4h", 4 * width, width),
            *linear(f"{layer}mlp.dense_4h_to_h", width, 4 * width),
        ]
    return [
        *tensors,
        *layer_norm("gpt_neox.final_layer_norm", width),
        matrix("embed_out.weight", 50432, width),
    ]


def perceiver() -> list[Tensor]:
    """The resampler of every OpenFlamingo."""
    width, inner = 1024, 512
    tensors = [normal("perceiver.latents", 64, width, std=1.0)]
    for number in range(6):
        layer = f"perceiver.layers.{number}."
        tensors += [
            *layer_norm(f"{layer}0.norm_media", width),
            *layer_norm(f"{layer}0.norm_latents", width),
            matrix(f"{layer}0.to_q.weight", inner, width),
            matrix(f"{layer}0.to_kv.weight", 2 * inner, width),
            matrix(f"{layer}0.to_out.weight", width, inner),
            *layer_norm(f"{layer}1.0", width),
            matrix(f"{layer}1.1.weight", 4 * width, width),
            matrix(f"{layer}1.3.weight", width, 4 * width),
        ]
    return [*tensors, *layer_norm("perceiver.norm", width)]


def open_flamingo_block(path: str, width: int) -> list[Tensor]:
    """A gated cross-attention block."""
    block = f"{path}gated_cross_attn_layer."
    return [
        gate(f"{block}attn_gate"),
        gate(f"{block}ff_gate"),
        *layer_norm(f"{block}attn.norm", width),
        matrix(f"{block}attn.to_q.weight", 512, width),
        matrix(f"{block}attn.to_kv.weight", 1024, 1024),
        matrix(f"{block}attn.to_out.weight", width, 512),
        *layer_norm(f"{block}ff.0", width),
        matrix(f"{block}ff.1.weight", 4 * width, width),
        matrix(f"{block}ff.3.weight", width, 4 * width),
    ]


def open_flamingo_mpt(width: int, layers: int, every: int) -> list[Tensor]:
    """The trained tensors around an MPT: blocks before layers i where (i + 1) % every is 0."""
    lang = "lang_encoder.transformer."
    blocks = [
        tensor
        for layer in range(every - 1, layers, every)
        for tensor in open_flamingo_block(f"{lang}blocks.{layer}.", width)
    ]
    return [*perceiver(), normal(f"{lang}wte.weight", 50280, width), *blocks]


def open_flamingo_redpajama() -> list[Tensor]:
    """The trained tensors around RedPajama, and the buffers, which nobody filtered out."""
    width, every = 2560, 2
    lang = "lang_encoder.gpt_neox."
    tensors = [*perceiver(), normal(f"{lang}embed_in.weight", 50280, width)]
    for layer in range(32):
        path = f"{lang}layers.{layer}."
        if (layer + 1) % every == 0:
            tensors += open_flamingo_block(path, width)
        tensors += neox_buffers(f"{path}decoder_layer.attention.")
    return [*tensors, matrix("lang_encoder.embed_out.weight", 50280, width)]


def gated_feed_forward(path: str, width: int, inner: int) -> list[Tensor]:
    """LLaMA's feed-forward layer."""
    return [
        matrix(f"{path}gate_proj.weight", inner, width),
        matrix(f"{path}up_proj.weight", inner, width),
        matrix(f"{path}down_proj.weight", width, inner),
    ]


def idefics_9b() -> list[Tensor]:
    """The whole model: LLaMA-7B, a block before every fourth layer, resampler, CLIP ViT-H/14."""
    width, inner, vocabulary, added = 4096, 11008, 32000, 2
    media = CLIP_H.width
    tensors = [
        normal("model.embed_tokens.weight", vocabulary, width),
        normal("model.embed_tokens.additional_embedding.weight", added, width),
        *transformers_tower("model.vision_model.", CLIP_H),
        normal("model.perceiver_resampler.latents", 64, media, std=1.0),
    ]
    for number in range(6):
        block = f"model.perceiver_resampler.blocks.{number}."
        tensors += [
            *layer_norm(f"{block}0.context_layer_norm", media),
            *layer_norm(f"{block}0.latents_layer_norm", media),
            *layer_norm(f"{block}0.q_layer_norm", 96),
            *layer_norm(f"{block}0.k_layer_norm", 96),
            *[matrix(f"{block}0.{name}_proj.weight", 16 * 96, media) for name in "qkv"],
            matrix(f"{block}0.output_proj.weight", media, 16 * 96),
            *layer_norm(f"{block}1.ln", media),
            matrix(f"{block}1.fc.weight", 4 * media, media),
            matrix(f"{block}1.c_proj.weight", media, 4 * media),
        ]
    tensors += layer_norm("model.perceiver_resampler.layer_norm", media)
    for number in range(32):
        layer = f"model.layers.{number}."
        tensors += [
            *[matrix(f"{layer}self_attn.{name}_proj.weight", width, width) for name in "qkvo"],
            *gated_feed_forward(f"{layer}mlp.", width, inner),
            norm(f"{layer}input_layernorm", width),
            norm(f"{layer}post_attention_layernorm", width),
        ]
    for number in range(8):
        block = f"model.gated_cross_attn_layers.{number}."
        tensors += [
            gate(f"{block}alpha_cross_attn"),
            gate(f"{block}alpha_dense"),
            matrix(f"{block}cross_attn.q_proj.weight", width, width),
            matrix(f"{block}cross_attn.k_proj.weight", width, media),
            matrix(f"{block}cross_attn.v_proj.weight", width, media),
            matrix(f"{block}cross_attn.o_proj.weight", width, width),
            norm(f"{block}cross_attn.q_layer_norm", 128),
            norm(f"{block}cross_attn.k_layer_norm", 128),
            *gated_feed_forward(f"{block}mlp.", width, inner),
            norm(f"{block}input_layernorm", width),
            norm(f"{block}post_attention_layernorm", width),
        ]
    return [
        *tensors,
        norm("model.norm", width),
        matrix("lm_head.weight", vocabulary, width),
        matrix("lm_head.additional_fc.weight", added, width),
    ]


@dataclass(frozen=True)
class Opt:
    """Sizes of the OPT in a flamingo-mini, and of a head of its blocks."""

    width: int
    layers: int
    feed_forward: int
    embedding: int
    norm_first: bool
    inner: int


OPT_125M = Opt(768, 12, 3072, 768, norm_first=True, inner=8 * 64)
OPT_350M = Opt(1024, 24, 4096, 512, norm_first=False, inner=16 * 128)


def flamingo_mini(opt: Opt, resampler_inner: int) -> list[Tensor]:
    """The whole model with CLIP ViT-L/14, as `FlamingoModel` saves it."""
    width, media, rows = opt.width, CLIP_L.width, 50273
    decoder = "flamingo.lm.decoder."
    tensors = [
        *transformers_tower("flamingo.vision_encoder.vision_model.", CLIP_L),
        normal("flamingo.resampler.latents", 64, media, std=1.0),
        normal("flamingo.resampler.time_pos_emb", 4, 1, media),
    ]
    for number in range(6):
        layer = f"flamingo.resampler.layers.{number}."
        tensors += [
            *layer_norm(f"{layer}0.norm_media", media),
            *layer_norm(f"{layer}0.norm_latents", media),
            *[matrix(f"{layer}0.to_{name}.weight", resampler_inner, media) for name in "qkv"],
            matrix(f"{layer}0.to_out.weight", media, resampler_inner),
            *layer_norm(f"{layer}1.0", media),
            matrix(f"{layer}1.1.weight", 4 * media, media),
            matrix(f"{layer}1.3.weight", media, 4 * media),
        ]
    tensors += [
        *layer_norm("flamingo.resampler.norm", media),
        normal(f"{decoder}embed_tokens.weight", rows, opt.embedding),
        normal(f"{decoder}embed_positions.weight", CONTEXT + 2, width),
    ]
    if opt.embedding != width:
        tensors += [
            matrix(f"{decoder}project_out.weight", opt.embedding, width),
            matrix(f"{decoder}project_in.weight", width, opt.embedding),
        ]
    if opt.norm_first:
        tensors += layer_norm(f"{decoder}final_layer_norm", width)
    for number in range(opt.layers):
        block = f"{decoder}layers.{number}.xattn_block."
        layer = f"{decoder}layers.{number}.lm_block."
        tensors += [
            gate(f"{block}alpha_attn"),
            gate(f"{block}alpha_ffw"),
            *layer_norm(f"{block}attn.norm", width),
            matrix(f"{block}attn.to_q.weight", opt.inner, width),
            matrix(f"{block}attn.to_kv.weight", 2 * opt.inner, media),
            matrix(f"{block}attn.to_out.weight", width, opt.inner),
            *layer_norm(f"{block}ffw.0", width),
            matrix(f"{block}ffw.1.weight", 4 * width, width),
            matrix(f"{block}ffw.3.weight", width, 4 * width),
        ]
        for name in ("k_proj", "v_proj", "q_proj", "out_proj"):
            tensors += linear(f"{layer}self_attn.{name}", width, width)
        tensors += [
            *layer_norm(f"{layer}self_attn_layer_norm", width),
            *linear(f"{layer}fc1", opt.feed_forward, width),
            *linear(f"{layer}fc2", width, opt.feed_forward),
            *layer_norm(f"{layer}final_layer_norm", width),
        ]
    embedding = f"{decoder}embed_tokens.weight"
    tied = Fill(Kind.NORMAL, 0.02)
    head = Tensor("flamingo.lm_head.weight", (rows, opt.embedding), tied, same_as=embedding)
    return [*tensors, head]
