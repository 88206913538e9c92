//! The table. One [`Group`] a module, one [`Row`] a tensor.
//!
//! Checkpoint names are those of OpenFlamingo (`src/{flamingo,flamingo_lm,helpers}.py`),
//! open_clip's `VisionTransformer` and transformers' causal language models;
//! GGUF names of the language model are llama.cpp's (`gguf-py/gguf/constants.py`).

use super::Spelling;

/// The tensors of one module.
pub(super) struct Group {
    /// Prefix in a checkpoint; `{}` stands for the layer's number.
    pub(super) checkpoint: &'static str,
    /// Prefix in GGUF; `{}` stands for the layer's number.
    pub(super) gguf: &'static str,
    /// Where this prefix is written.
    pub(super) spellings: Spellings,
    /// What follows the prefixes.
    pub(super) rows: &'static [Row],
    /// What follows the checkpoint's prefix in tensors that are not used.
    pub(super) unused: &'static [&'static str],
}

/// In which checkpoints a group is written as it stands.
pub(super) enum Spellings {
    /// In all.
    Every,
    /// In those of certain language models.
    Only(&'static [Spelling]),
    /// In none: the group is another way to write one that stands before it.
    ReadOnly,
}

/// One tensor.
pub(super) struct Row {
    pub(super) checkpoint: &'static str,
    pub(super) gguf: &'static str,
    pub(super) order: Order,
}

/// The rows' order, before it is known how many heads there are.
pub(super) enum Order {
    AsIs,
    RopeQueries,
    RopeKeys,
    FusedQkv,
}

const fn row(checkpoint: &'static str, gguf: &'static str) -> Row {
    ordered(checkpoint, gguf, Order::AsIs)
}

const fn ordered(checkpoint: &'static str, gguf: &'static str, order: Order) -> Row {
    Row {
        checkpoint,
        gguf,
        order,
    }
}

const fn group(
    checkpoint: &'static str,
    gguf: &'static str,
    spellings: Spellings,
    rows: &'static [Row],
) -> Group {
    Group {
        checkpoint,
        gguf,
        spellings,
        rows,
        unused: &[],
    }
}

impl Group {
    const fn with_unused(self, unused: &'static [&'static str]) -> Self {
        Self { unused, ..self }
    }
}

const LLAMA: Spellings = Spellings::Only(&[Spelling::Llama]);
const GPT_NEOX: Spellings = Spellings::Only(&[Spelling::GptNeox]);
const MPT: Spellings = Spellings::Only(&[Spelling::Mpt]);
const MOSAIC_GPT: Spellings = Spellings::Only(&[Spelling::MosaicGpt]);
const MPT_WRAPPED_NORMS: Spellings = Spellings::Only(&[Spelling::MptWrappedNorms]);
const MPT_LIKE: Spellings = Spellings::Only(&[
    Spelling::Mpt,
    Spelling::MosaicGpt,
    Spelling::MptWrappedNorms,
]);

/// Every group. Where two read the same name, the first one counts.
pub(super) const GROUPS: &[Group] = &[
    group("lang_encoder.", "", LLAMA, LLAMA_ENDS),
    group(
        "lang_encoder.model.layers.{}.decoder_layer.",
        "blk.{}.",
        LLAMA,
        LLAMA_LAYER,
    )
    .with_unused(LLAMA_BUFFERS),
    group(
        "lang_encoder.model.layers.{}.gated_cross_attn_layer.",
        "xattn.{}.",
        LLAMA,
        CROSS_ATTENTION,
    ),
    group("lang_encoder.", "", GPT_NEOX, GPT_NEOX_ENDS),
    group(
        "lang_encoder.gpt_neox.layers.{}.decoder_layer.",
        "blk.{}.",
        GPT_NEOX,
        GPT_NEOX_LAYER,
    )
    .with_unused(GPT_NEOX_BUFFERS),
    group(
        "lang_encoder.gpt_neox.layers.{}.gated_cross_attn_layer.",
        "xattn.{}.",
        GPT_NEOX,
        CROSS_ATTENTION,
    ),
    group(
        "lang_encoder.",
        "",
        Spellings::Only(&[Spelling::Mpt, Spelling::MptWrappedNorms]),
        MPT_ENDS,
    ),
    group("lang_encoder.", "", MOSAIC_GPT, MOSAIC_GPT_ENDS),
    group(
        "lang_encoder.transformer.blocks.{}.decoder_layer.",
        "blk.{}.",
        MPT,
        MPT_LAYER,
    ),
    group(
        "lang_encoder.transformer.blocks.{}.decoder_layer.",
        "blk.{}.",
        MOSAIC_GPT,
        MOSAIC_GPT_LAYER,
    ),
    group(
        "lang_encoder.transformer.blocks.{}.decoder_layer.",
        "blk.{}.",
        MPT_WRAPPED_NORMS,
        MPT_WRAPPED_NORMS_LAYER,
    ),
    group(
        "lang_encoder.transformer.blocks.{}.gated_cross_attn_layer.",
        "xattn.{}.",
        MPT_LIKE,
        CROSS_ATTENTION,
    ),
    group(
        "perceiver.layers.{}.",
        "resampler.blk.{}.",
        Spellings::Every,
        RESAMPLER_LAYER,
    ),
    group("perceiver.", "resampler.", Spellings::Every, RESAMPLER_ENDS),
    group(
        "vision_encoder.transformer.resblocks.{}.",
        "v.blk.{}.",
        Spellings::Every,
        CLIP_LAYER,
    ),
    group(
        "vision_encoder.blocks.{}.",
        "v.blk.{}.",
        Spellings::Every,
        EFFICIENTNET_BLOCK,
    ),
    group(
        "vision_encoder.head.",
        "v.head.",
        Spellings::Every,
        EFFICIENTNET_HEAD,
    ),
    group("vision_encoder.", "v.", Spellings::Every, CLIP_ENDS).with_unused(&[
        "ln_post.weight",
        "ln_post.bias",
        "proj",
    ]),
    // Without the wrapper that OpenFlamingo puts around a decoder layer.
    group(
        "lang_encoder.model.layers.{}.",
        "blk.{}.",
        Spellings::ReadOnly,
        LLAMA_LAYER,
    )
    .with_unused(LLAMA_BUFFERS),
    group(
        "lang_encoder.gpt_neox.layers.{}.",
        "blk.{}.",
        Spellings::ReadOnly,
        GPT_NEOX_LAYER,
    )
    .with_unused(GPT_NEOX_BUFFERS),
    group(
        "lang_encoder.transformer.blocks.{}.",
        "blk.{}.",
        Spellings::ReadOnly,
        MPT_LAYER,
    ),
    group(
        "lang_encoder.transformer.blocks.{}.",
        "blk.{}.",
        Spellings::ReadOnly,
        MOSAIC_GPT_LAYER,
    ),
    group(
        "lang_encoder.transformer.blocks.{}.",
        "blk.{}.",
        Spellings::ReadOnly,
        MPT_WRAPPED_NORMS_LAYER,
    ),
    // Version 1 of the released LLaMA-7B bridges.
    group(
        "lang_encoder.gated_cross_attn_layers.{}.",
        "xattn.{}.",
        Spellings::ReadOnly,
        CROSS_ATTENTION,
    ),
];

/// Embedding, the rows of added tokens, final norm, and the head where it is not tied.
const LLAMA_ENDS: &[Row] = &[
    row("model.embed_tokens.weight", "token_embd.weight"),
    row(
        "model.embed_tokens.additional_embedding.weight",
        "token_embd_extra.weight",
    ),
    row("model.norm.weight", "output_norm.weight"),
    row("lm_head.weight", "output.weight"),
];

/// `LlamaDecoderLayer`.
const LLAMA_LAYER: &[Row] = &[
    row("input_layernorm.weight", "attn_norm.weight"),
    ordered(
        "self_attn.q_proj.weight",
        "attn_q.weight",
        Order::RopeQueries,
    ),
    ordered("self_attn.k_proj.weight", "attn_k.weight", Order::RopeKeys),
    row("self_attn.v_proj.weight", "attn_v.weight"),
    row("self_attn.o_proj.weight", "attn_output.weight"),
    row("post_attention_layernorm.weight", "ffn_norm.weight"),
    row("mlp.gate_proj.weight", "ffn_gate.weight"),
    row("mlp.up_proj.weight", "ffn_up.weight"),
    row("mlp.down_proj.weight", "ffn_down.weight"),
];

/// Embedding, final norm and head.
const GPT_NEOX_ENDS: &[Row] = &[
    row("gpt_neox.embed_in.weight", "token_embd.weight"),
    row("gpt_neox.final_layer_norm.weight", "output_norm.weight"),
    row("gpt_neox.final_layer_norm.bias", "output_norm.bias"),
    row("embed_out.weight", "output.weight"),
];

/// `GPTNeoXLayer`.
const GPT_NEOX_LAYER: &[Row] = &[
    row("input_layernorm.weight", "attn_norm.weight"),
    row("input_layernorm.bias", "attn_norm.bias"),
    ordered(
        "attention.query_key_value.weight",
        "attn_qkv.weight",
        Order::FusedQkv,
    ),
    ordered(
        "attention.query_key_value.bias",
        "attn_qkv.bias",
        Order::FusedQkv,
    ),
    row("attention.dense.weight", "attn_output.weight"),
    row("attention.dense.bias", "attn_output.bias"),
    row("post_attention_layernorm.weight", "ffn_norm.weight"),
    row("post_attention_layernorm.bias", "ffn_norm.bias"),
    row("mlp.dense_h_to_4h.weight", "ffn_up.weight"),
    row("mlp.dense_h_to_4h.bias", "ffn_up.bias"),
    row("mlp.dense_4h_to_h.weight", "ffn_down.weight"),
    row("mlp.dense_4h_to_h.bias", "ffn_down.bias"),
];

/// Embedding and final norm; the tied head, which a state dict repeats.
const MPT_ENDS: &[Row] = &[
    row("transformer.wte.weight", "token_embd.weight"),
    row("transformer.norm_f.weight", "output_norm.weight"),
    row("lm_head.weight", "output.weight"),
];

/// Embedding, which is the head too, and final norm.
const MOSAIC_GPT_ENDS: &[Row] = &[
    row("transformer.wte.weight", "token_embd.weight"),
    row("transformer.ln_f.weight", "output_norm.weight"),
];

/// `MptBlock`.
const MPT_LAYER: &[Row] = &[
    row("norm_1.weight", "attn_norm.weight"),
    row("attn.Wqkv.weight", "attn_qkv.weight"),
    row("attn.out_proj.weight", "attn_output.weight"),
    row("norm_2.weight", "ffn_norm.weight"),
    row("ffn.up_proj.weight", "ffn_up.weight"),
    row("ffn.down_proj.weight", "ffn_down.weight"),
];

/// MosaicGPT's `GPTBlock`: norms of queries and keys over the full width.
const MOSAIC_GPT_LAYER: &[Row] = &[
    row("ln_1.weight", "attn_norm.weight"),
    row("attn.Wqkv.weight", "attn_qkv.weight"),
    row("attn.q_ln.weight", "attn_q_norm.weight"),
    row("attn.k_ln.weight", "attn_k_norm.weight"),
    row("attn.out_proj.weight", "attn_output.weight"),
    row("ln_2.weight", "ffn_norm.weight"),
    row("mlp.mlp_up.weight", "ffn_up.weight"),
    row("mlp.mlp_down.weight", "ffn_down.weight"),
];

/// `MptBlock` with the norms of queries and keys inside `Wqkv`.
const MPT_WRAPPED_NORMS_LAYER: &[Row] = &[
    row("norm_1.weight", "attn_norm.weight"),
    row("attn.Wqkv.lin.weight", "attn_qkv.weight"),
    row("attn.Wqkv.q_ln.weight", "attn_q_norm.weight"),
    row("attn.Wqkv.k_ln.weight", "attn_k_norm.weight"),
    row("attn.out_proj.weight", "attn_output.weight"),
    row("norm_2.weight", "ffn_norm.weight"),
    row("ffn.up_proj.weight", "ffn_up.weight"),
    row("ffn.down_proj.weight", "ffn_down.weight"),
];

/// OpenFlamingo's `GatedCrossAttentionBlock`.
const CROSS_ATTENTION: &[Row] = &[
    row("attn.norm.weight", "attn_norm.weight"),
    row("attn.norm.bias", "attn_norm.bias"),
    row("attn.to_q.weight", "attn_q.weight"),
    row("attn.to_kv.weight", "attn_kv.weight"),
    row("attn.to_out.weight", "attn_out.weight"),
    row("attn_gate", "attn_gate"),
    row("ff_gate", "ffn_gate_scale"),
    row("ff.0.weight", "ffn_norm.weight"),
    row("ff.0.bias", "ffn_norm.bias"),
    row("ff.1.weight", "ffn_up.weight"),
    row("ff.3.weight", "ffn_down.weight"),
];

/// A layer of OpenFlamingo's `PerceiverResampler`.
const RESAMPLER_LAYER: &[Row] = &[
    row("0.norm_media.weight", "norm_media.weight"),
    row("0.norm_media.bias", "norm_media.bias"),
    row("0.norm_latents.weight", "norm_latents.weight"),
    row("0.norm_latents.bias", "norm_latents.bias"),
    row("0.to_q.weight", "attn_q.weight"),
    row("0.to_kv.weight", "attn_kv.weight"),
    row("0.to_out.weight", "attn_out.weight"),
    row("1.0.weight", "ffn_norm.weight"),
    row("1.0.bias", "ffn_norm.bias"),
    row("1.1.weight", "ffn_up.weight"),
    row("1.3.weight", "ffn_down.weight"),
];

/// What the resampler has once; the input norm and projection are this project's.
const RESAMPLER_ENDS: &[Row] = &[
    row("latents", "latents"),
    row("frame_embs", "frame_embd"),
    row("media_time_embs", "media_embd"),
    row("input_norm.weight", "input_norm.weight"),
    row("input_norm.bias", "input_norm.bias"),
    row("input_proj.weight", "input_proj.weight"),
    row("norm.weight", "norm.weight"),
    row("norm.bias", "norm.bias"),
];

/// open_clip's `ResidualAttentionBlock`.
const CLIP_LAYER: &[Row] = &[
    row("ln_1.weight", "ln1.weight"),
    row("ln_1.bias", "ln1.bias"),
    row("attn.in_proj_weight", "attn_qkv.weight"),
    row("attn.in_proj_bias", "attn_qkv.bias"),
    row("attn.out_proj.weight", "attn_out.weight"),
    row("attn.out_proj.bias", "attn_out.bias"),
    row("ln_2.weight", "ln2.weight"),
    row("ln_2.bias", "ln2.bias"),
    row("mlp.c_fc.weight", "ffn_up.weight"),
    row("mlp.c_fc.bias", "ffn_up.bias"),
    row("mlp.c_proj.weight", "ffn_down.weight"),
    row("mlp.c_proj.bias", "ffn_down.bias"),
];

/// What open_clip's `VisionTransformer` has once.
const CLIP_ENDS: &[Row] = &[
    row("class_embedding", "class_embd"),
    row("positional_embedding", "position_embd.weight"),
    row("conv1.weight", "patch_embd.weight"),
    row("ln_pre.weight", "pre_ln.weight"),
    row("ln_pre.bias", "pre_ln.bias"),
];

/// `InvertedBottleneck` of `training/`, with batch norm folded in.
const EFFICIENTNET_BLOCK: &[Row] = &[
    row("expand.weight", "expand.weight"),
    row("expand.bias", "expand.bias"),
    row("depthwise.weight", "depthwise.weight"),
    row("depthwise.bias", "depthwise.bias"),
    row("project.weight", "project.weight"),
    row("project.bias", "project.bias"),
];

/// The last convolution of `EfficientNetLite` of `training/`.
const EFFICIENTNET_HEAD: &[Row] = &[row("weight", "weight"), row("bias", "bias")];

/// Recomputed from the config.
const LLAMA_BUFFERS: &[&str] = &["self_attn.rotary_emb.inv_freq"];

/// Recomputed from the config.
const GPT_NEOX_BUFFERS: &[&str] = &[
    "attention.rotary_emb.inv_freq",
    "attention.bias",
    "attention.masked_bias",
];
