//! The bridges between encoder and language model: resamplers and cross-attention blocks.

use super::table::{Group, Numbering, Part, Row, group, row};

/// OpenFlamingo's resampler and blocks (`src/{helpers,flamingo_lm}.py`), and Otter's, which
/// differ in names only. Blocks stand beside the decoder layer that they precede; version
/// 1 lists them under `gated_cross_attn_layers` too.
pub const OPEN_FLAMINGO: Part = Part {
    groups: &[
        group("perceiver.layers.{}.", "resampler.blk.{}.", RESAMPLER_LAYER),
        group("perceiver.", "resampler.", RESAMPLER_ENDS),
        group(
            "lang_encoder.transformer.blocks.{}.gated_cross_attn_layer.",
            "xattn.{}.",
            BLOCK,
        ),
        group(
            "lang_encoder.gpt_neox.layers.{}.gated_cross_attn_layer.",
            "xattn.{}.",
            BLOCK,
        ),
        group(
            "lang_encoder.model.layers.{}.gated_cross_attn_layer.",
            "xattn.{}.",
            BLOCK,
        ),
        group(
            "lang_encoder.gated_cross_attn_layers.{}.",
            "xattn.{}.",
            BLOCK,
        ),
        group("perceiver.layers.{}.", "resampler.blk.{}.", OTTER_LAYER),
        group(
            "lang_encoder.transformer.blocks.{}.gated_cross_attn_layer.",
            "xattn.{}.",
            OTTER_BLOCK,
        ),
        group(
            "lang_encoder.model.layers.{}.gated_cross_attn_layer.",
            "xattn.{}.",
            OTTER_BLOCK,
        ),
    ],
    unused: &[],
};

/// `PerceiverResampler`; the input norm and projection are this project's.
const RESAMPLER_ENDS: &[Row] = &[
    row(&["latents"], "latents"),
    row(&["frame_embs"], "frame_embd"),
    row(&["media_time_embs"], "media_embd"),
    row(&["input_norm.weight"], "input_norm.weight"),
    row(&["input_norm.bias"], "input_norm.bias"),
    row(&["input_proj.weight"], "input_proj.weight"),
    row(&["norm.weight"], "norm.weight"),
    row(&["norm.bias"], "norm.bias"),
];

const RESAMPLER_LAYER: &[Row] = &[
    row(&["0.norm_media.weight"], "norm_media.weight"),
    row(&["0.norm_media.bias"], "norm_media.bias"),
    row(&["0.norm_latents.weight"], "norm_latents.weight"),
    row(&["0.norm_latents.bias"], "norm_latents.bias"),
    row(&["0.to_q.weight"], "attn_q.weight"),
    row(&["0.to_kv.weight"], "attn_kv.weight"),
    row(&["0.to_out.weight"], "attn_out.weight"),
    row(&["1.0.weight"], "ffn_norm.weight"),
    row(&["1.0.bias"], "ffn_norm.bias"),
    row(&["1.1.weight"], "ffn_up.weight"),
    row(&["1.3.weight"], "ffn_down.weight"),
];

const OTTER_LAYER: &[Row] = &[
    row(&["norm_media.weight"], "norm_media.weight"),
    row(&["norm_media.bias"], "norm_media.bias"),
    row(&["norm_latents.weight"], "norm_latents.weight"),
    row(&["norm_latents.bias"], "norm_latents.bias"),
    row(&["to_q.weight"], "attn_q.weight"),
    row(&["to_kv.weight"], "attn_kv.weight"),
    row(&["to_out.weight"], "attn_out.weight"),
    row(&["feed_forward.0.weight"], "ffn_norm.weight"),
    row(&["feed_forward.0.bias"], "ffn_norm.bias"),
    row(&["feed_forward.1.weight"], "ffn_up.weight"),
    row(&["feed_forward.3.weight"], "ffn_down.weight"),
];

/// `GatedCrossAttentionBlock`.
const BLOCK: &[Row] = &[
    row(&["attn_gate"], "attn_gate"),
    row(&["ff_gate"], "ffn_gate_scale"),
    row(&["attn.norm.weight"], "attn_norm.weight"),
    row(&["attn.norm.bias"], "attn_norm.bias"),
    row(&["attn.to_q.weight"], "attn_q.weight"),
    row(&["attn.to_kv.weight"], "attn_kv.weight"),
    row(&["attn.to_out.weight"], "attn_out.weight"),
    row(&["ff.0.weight"], "ffn_norm.weight"),
    row(&["ff.0.bias"], "ffn_norm.bias"),
    row(&["ff.1.weight"], "ffn_up.weight"),
    row(&["ff.3.weight"], "ffn_down.weight"),
];

/// Otter's other names.
const OTTER_BLOCK: &[Row] = &[
    row(&["feed_forward.0.weight"], "ffn_norm.weight"),
    row(&["feed_forward.0.bias"], "ffn_norm.bias"),
    row(&["feed_forward.1.weight"], "ffn_up.weight"),
    row(&["feed_forward.3.weight"], "ffn_down.weight"),
];

/// IDEFICS (`transformers.models.idefics`): blocks are counted by themselves.
pub const IDEFICS: Part = Part {
    groups: &[
        Group {
            theirs: "model.gated_cross_attn_layers.{}.",
            ours: "xattn.{}.",
            numbering: Numbering::Blocks,
            rows: IDEFICS_BLOCK,
        },
        group(
            "model.perceiver_resampler.blocks.{}.",
            "resampler.blk.{}.",
            IDEFICS_RESAMPLER_LAYER,
        ),
        group(
            "model.perceiver_resampler.",
            "resampler.",
            &[
                row(&["latents"], "latents"),
                row(&["layer_norm.weight"], "norm.weight"),
                row(&["layer_norm.bias"], "norm.bias"),
            ],
        ),
    ],
    unused: &[],
};

const IDEFICS_BLOCK: &[Row] = &[
    row(&["alpha_cross_attn"], "attn_gate"),
    row(&["alpha_dense"], "ffn_gate_scale"),
    row(&["input_layernorm.weight"], "attn_norm.weight"),
    row(&["cross_attn.q_proj.weight"], "attn_q.weight"),
    row(&["cross_attn.k_proj.weight"], "attn_k.weight"),
    row(&["cross_attn.v_proj.weight"], "attn_v.weight"),
    row(&["cross_attn.q_layer_norm.weight"], "attn_q_norm.weight"),
    row(&["cross_attn.k_layer_norm.weight"], "attn_k_norm.weight"),
    row(&["cross_attn.o_proj.weight"], "attn_out.weight"),
    row(&["post_attention_layernorm.weight"], "ffn_norm.weight"),
    row(&["mlp.gate_proj.weight"], "ffn_gate.weight"),
    row(&["mlp.up_proj.weight"], "ffn_up.weight"),
    row(&["mlp.down_proj.weight"], "ffn_down.weight"),
];

const IDEFICS_RESAMPLER_LAYER: &[Row] = &[
    row(&["0.context_layer_norm.weight"], "norm_media.weight"),
    row(&["0.context_layer_norm.bias"], "norm_media.bias"),
    row(&["0.latents_layer_norm.weight"], "norm_latents.weight"),
    row(&["0.latents_layer_norm.bias"], "norm_latents.bias"),
    row(&["0.q_proj.weight"], "attn_q.weight"),
    row(&["0.k_proj.weight"], "attn_k.weight"),
    row(&["0.v_proj.weight"], "attn_v.weight"),
    row(&["0.q_layer_norm.weight"], "attn_q_norm.weight"),
    row(&["0.q_layer_norm.bias"], "attn_q_norm.bias"),
    row(&["0.k_layer_norm.weight"], "attn_k_norm.weight"),
    row(&["0.k_layer_norm.bias"], "attn_k_norm.bias"),
    row(&["0.output_proj.weight"], "attn_out.weight"),
    row(&["1.ln.weight"], "ffn_norm.weight"),
    row(&["1.ln.bias"], "ffn_norm.bias"),
    row(&["1.fc.weight"], "ffn_up.weight"),
    row(&["1.c_proj.weight"], "ffn_down.weight"),
];

/// flamingo-mini (`flamingo_mini/{perceiver_resampler,gated_cross_attention}.py`).
pub const FLAMINGO_MINI: Part = Part {
    groups: &[
        group(
            "flamingo.resampler.layers.{}.",
            "resampler.blk.{}.",
            MINI_RESAMPLER_LAYER,
        ),
        group(
            "flamingo.resampler.",
            "resampler.",
            &[
                row(&["latents"], "latents"),
                row(&["time_pos_emb"], "frame_embd"),
                row(&["norm.weight"], "norm.weight"),
                row(&["norm.bias"], "norm.bias"),
            ],
        ),
        group(
            "flamingo.lm.decoder.layers.{}.xattn_block.",
            "xattn.{}.",
            MINI_BLOCK,
        ),
    ],
    unused: &[],
};

const MINI_RESAMPLER_LAYER: &[Row] = &[
    row(&["0.norm_media.weight"], "norm_media.weight"),
    row(&["0.norm_media.bias"], "norm_media.bias"),
    row(&["0.norm_latents.weight"], "norm_latents.weight"),
    row(&["0.norm_latents.bias"], "norm_latents.bias"),
    row(&["0.to_q.weight"], "attn_q.weight"),
    row(&["0.to_k.weight"], "attn_k.weight"),
    row(&["0.to_v.weight"], "attn_v.weight"),
    row(&["0.to_out.weight"], "attn_out.weight"),
    row(&["1.0.weight"], "ffn_norm.weight"),
    row(&["1.0.bias"], "ffn_norm.bias"),
    row(&["1.1.weight"], "ffn_up.weight"),
    row(&["1.3.weight"], "ffn_down.weight"),
];

const MINI_BLOCK: &[Row] = &[
    row(&["alpha_attn"], "attn_gate"),
    row(&["alpha_ffw"], "ffn_gate_scale"),
    row(&["attn.norm.weight"], "attn_norm.weight"),
    row(&["attn.norm.bias"], "attn_norm.bias"),
    row(&["attn.to_q.weight"], "attn_q.weight"),
    row(&["attn.to_kv.weight"], "attn_kv.weight"),
    row(&["attn.to_out.weight"], "attn_out.weight"),
    row(&["ffw.0.weight"], "ffn_norm.weight"),
    row(&["ffw.0.bias"], "ffn_norm.bias"),
    row(&["ffw.1.weight"], "ffn_up.weight"),
    row(&["ffw.3.weight"], "ffn_down.weight"),
];
