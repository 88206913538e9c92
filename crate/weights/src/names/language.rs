//! Language models, as transformers' classes, their ancestors and llama.cpp name their
//! tensors.

use super::table::{Group, Order, Part, Row, group, layers, row};

/// `LlamaForCausalLM` and its kin: Mistral, Qwen2 (biases), Qwen3 (norms of queries and
/// keys), and IDEFICS' text part with its added rows. Rows of queries and keys stay as
/// they are: rotary coordinates lie half a head apart.
pub const LLAMA: Part = Part {
    groups: &[
        group("", "", LLAMA_ENDS),
        layers("model.layers.{}.", LLAMA_LAYER),
    ],
    unused: &["model.layers.{}.self_attn.rotary_emb.*"],
};

const LLAMA_ENDS: &[Row] = &[
    row(&["model.embed_tokens.weight"], "token_embd.weight"),
    row(
        &["model.embed_tokens.additional_embedding.weight"],
        "token_embd_extra.weight",
    ),
    row(&["model.norm.weight"], "output_norm.weight"),
    row(&["lm_head.weight"], "output.weight"),
    row(&["lm_head.additional_fc.weight"], "output_extra.weight"),
];

const LLAMA_LAYER: &[Row] = &[
    row(&["input_layernorm.weight"], "attn_norm.weight"),
    row(&["self_attn.q_proj.weight"], "attn_q.weight"),
    row(&["self_attn.k_proj.weight"], "attn_k.weight"),
    row(&["self_attn.v_proj.weight"], "attn_v.weight"),
    row(&["self_attn.q_proj.bias"], "attn_q.bias"),
    row(&["self_attn.k_proj.bias"], "attn_k.bias"),
    row(&["self_attn.v_proj.bias"], "attn_v.bias"),
    row(&["self_attn.q_norm.weight"], "attn_q_norm.weight"),
    row(&["self_attn.k_norm.weight"], "attn_k_norm.weight"),
    row(&["self_attn.o_proj.weight"], "attn_output.weight"),
    row(&["self_attn.o_proj.bias"], "attn_output.bias"),
    row(&["post_attention_layernorm.weight"], "ffn_norm.weight"),
    row(&["mlp.gate_proj.weight"], "ffn_gate.weight"),
    row(&["mlp.up_proj.weight"], "ffn_up.weight"),
    row(&["mlp.down_proj.weight"], "ffn_down.weight"),
    row(&["mlp.gate_proj.bias"], "ffn_gate.bias"),
    row(&["mlp.up_proj.bias"], "ffn_up.bias"),
    row(&["mlp.down_proj.bias"], "ffn_down.bias"),
];

/// `GPTNeoXForCausalLM`.
pub const GPT_NEOX: Part = Part {
    groups: &[
        group("", "", GPT_NEOX_ENDS),
        layers("gpt_neox.layers.{}.", GPT_NEOX_LAYER),
    ],
    unused: &[],
};

const GPT_NEOX_ENDS: &[Row] = &[
    row(&["gpt_neox.embed_in.weight"], "token_embd.weight"),
    row(&["gpt_neox.final_layer_norm.weight"], "output_norm.weight"),
    row(&["gpt_neox.final_layer_norm.bias"], "output_norm.bias"),
    row(&["embed_out.weight"], "output.weight"),
];

const GPT_NEOX_LAYER: &[Row] = &[
    row(&["input_layernorm.weight"], "attn_norm.weight"),
    row(&["input_layernorm.bias"], "attn_norm.bias"),
    Row {
        theirs: &["attention.query_key_value.weight"],
        ours: "attn_qkv.weight",
        order: Order::HeadByHead,
    },
    Row {
        theirs: &["attention.query_key_value.bias"],
        ours: "attn_qkv.bias",
        order: Order::HeadByHead,
    },
    row(&["attention.dense.weight"], "attn_output.weight"),
    row(&["attention.dense.bias"], "attn_output.bias"),
    row(&["post_attention_layernorm.weight"], "ffn_norm.weight"),
    row(&["post_attention_layernorm.bias"], "ffn_norm.bias"),
    row(&["mlp.dense_h_to_4h.weight"], "ffn_up.weight"),
    row(&["mlp.dense_h_to_4h.bias"], "ffn_up.bias"),
    row(&["mlp.dense_4h_to_h.weight"], "ffn_down.weight"),
    row(&["mlp.dense_4h_to_h.bias"], "ffn_down.bias"),
];

/// `MptForCausalLM`. The head is the embedding, which a state dict may repeat.
pub const MPT: Part = Part {
    groups: &[
        group("", "", MPT_ENDS),
        layers("transformer.blocks.{}.", MPT_LAYER),
    ],
    unused: &["lm_head.weight", "transformer.wpe.weight"],
};

const MPT_ENDS: &[Row] = &[
    row(&["transformer.wte.weight"], "token_embd.weight"),
    row(&["transformer.norm_f.weight"], "output_norm.weight"),
];

const MPT_LAYER: &[Row] = &[
    row(&["norm_1.weight"], "attn_norm.weight"),
    row(&["attn.Wqkv.weight"], "attn_qkv.weight"),
    row(&["attn.q_ln.weight"], "attn_q_norm.weight"),
    row(&["attn.k_ln.weight"], "attn_k_norm.weight"),
    row(&["attn.out_proj.weight"], "attn_output.weight"),
    row(&["norm_2.weight"], "ffn_norm.weight"),
    row(&["ffn.up_proj.weight"], "ffn_up.weight"),
    row(&["ffn.down_proj.weight"], "ffn_down.weight"),
];

/// `MosaicGPT`, the program of MPT-1B: norms of queries and keys over the full width.
pub const MOSAIC_GPT: Part = Part {
    groups: &[
        group("", "", MOSAIC_GPT_ENDS),
        layers("transformer.blocks.{}.", MOSAIC_GPT_LAYER),
    ],
    unused: &["transformer.wpe.weight"],
};

const MOSAIC_GPT_ENDS: &[Row] = &[
    row(&["transformer.wte.weight"], "token_embd.weight"),
    row(&["transformer.ln_f.weight"], "output_norm.weight"),
];

const MOSAIC_GPT_LAYER: &[Row] = &[
    row(&["ln_1.weight"], "attn_norm.weight"),
    row(&["attn.Wqkv.weight"], "attn_qkv.weight"),
    row(&["attn.q_ln.weight"], "attn_q_norm.weight"),
    row(&["attn.k_ln.weight"], "attn_k_norm.weight"),
    row(&["attn.out_proj.weight"], "attn_output.weight"),
    row(&["ln_2.weight"], "ffn_norm.weight"),
    row(&["mlp.mlp_up.weight"], "ffn_up.weight"),
    row(&["mlp.mlp_down.weight"], "ffn_down.weight"),
];

/// `OPTForCausalLM`: behind `model.` in its own files, behind `lm.` in flamingo-mini's,
/// bare in the oldest.
pub const OPT: Part = Part {
    groups: &[
        group("model.decoder.", "", OPT_ENDS),
        layers("model.decoder.layers.{}.", OPT_LAYER),
        group("lm.decoder.", "", OPT_ENDS),
        layers("lm.decoder.layers.{}.", OPT_LAYER),
        group("decoder.", "", OPT_ENDS),
        layers("decoder.layers.{}.", OPT_LAYER),
        OPT_HEAD,
    ],
    unused: &[],
};

const OPT_HEAD: Group = group("", "", &[row(&["lm_head.weight"], "output.weight")]);

const OPT_ENDS: &[Row] = &[
    row(&["embed_tokens.weight"], "token_embd.weight"),
    row(&["embed_positions.weight"], "position_embd.weight"),
    row(&["project_in.weight"], "token_embd_proj.weight"),
    row(&["project_out.weight"], "output_proj.weight"),
    row(&["final_layer_norm.weight"], "output_norm.weight"),
    row(&["final_layer_norm.bias"], "output_norm.bias"),
];

const OPT_LAYER: &[Row] = &[
    row(&["self_attn_layer_norm.weight"], "attn_norm.weight"),
    row(&["self_attn_layer_norm.bias"], "attn_norm.bias"),
    row(&["self_attn.q_proj.weight"], "attn_q.weight"),
    row(&["self_attn.k_proj.weight"], "attn_k.weight"),
    row(&["self_attn.v_proj.weight"], "attn_v.weight"),
    row(&["self_attn.q_proj.bias"], "attn_q.bias"),
    row(&["self_attn.k_proj.bias"], "attn_k.bias"),
    row(&["self_attn.v_proj.bias"], "attn_v.bias"),
    row(&["self_attn.out_proj.weight"], "attn_output.weight"),
    row(&["self_attn.out_proj.bias"], "attn_output.bias"),
    row(&["final_layer_norm.weight"], "ffn_norm.weight"),
    row(&["final_layer_norm.bias"], "ffn_norm.bias"),
    row(&["fc1.weight"], "ffn_up.weight"),
    row(&["fc1.bias"], "ffn_up.bias"),
    row(&["fc2.weight"], "ffn_down.weight"),
    row(&["fc2.bias"], "ffn_down.bias"),
];

/// A GGUF file as llama.cpp writes it, of any architecture but LLaMA's: the names are ours.
/// The factors of the rotary frequencies belong to the facts of a model.
pub const GGUF: Part = Part {
    groups: &[
        group("", "", GGUF_ENDS),
        layers("blk.{}.", GGUF_QUERIES_AND_KEYS),
        layers("blk.{}.", GGUF_LAYER),
    ],
    unused: GGUF_UNUSED,
};

/// The same of the architecture `llama`, in which the coordinates of queries and keys that
/// turn together lie side by side.
pub const GGUF_LLAMA: Part = Part {
    groups: &[
        group("", "", GGUF_ENDS),
        layers("blk.{}.", GGUF_LLAMA_QUERIES_AND_KEYS),
        layers("blk.{}.", GGUF_LAYER),
    ],
    unused: GGUF_UNUSED,
};

const GGUF_UNUSED: &[&str] = &["rope_freqs.weight"];

const GGUF_ENDS: &[Row] = &[
    row(&["token_embd.weight"], "token_embd.weight"),
    row(&["output_norm.weight"], "output_norm.weight"),
    row(&["output_norm.bias"], "output_norm.bias"),
    row(&["output.weight"], "output.weight"),
];

const GGUF_QUERIES_AND_KEYS: &[Row] = &[
    row(&["attn_q.weight"], "attn_q.weight"),
    row(&["attn_q.bias"], "attn_q.bias"),
    row(&["attn_k.weight"], "attn_k.weight"),
    row(&["attn_k.bias"], "attn_k.bias"),
];

const GGUF_LLAMA_QUERIES_AND_KEYS: &[Row] = &[
    side_by_side(&["attn_q.weight"], "attn_q.weight"),
    side_by_side(&["attn_q.bias"], "attn_q.bias"),
    side_by_side(&["attn_k.weight"], "attn_k.weight"),
    side_by_side(&["attn_k.bias"], "attn_k.bias"),
];

const fn side_by_side(theirs: &'static [&'static str], ours: &'static str) -> Row {
    Row {
        theirs,
        ours,
        order: Order::SideBySide,
    }
}

const GGUF_LAYER: &[Row] = &[
    row(&["attn_norm.weight"], "attn_norm.weight"),
    row(&["attn_norm.bias"], "attn_norm.bias"),
    row(&["attn_v.weight"], "attn_v.weight"),
    row(&["attn_v.bias"], "attn_v.bias"),
    row(&["attn_qkv.weight"], "attn_qkv.weight"),
    row(&["attn_qkv.bias"], "attn_qkv.bias"),
    row(&["attn_q_norm.weight"], "attn_q_norm.weight"),
    row(&["attn_q_norm.bias"], "attn_q_norm.bias"),
    row(&["attn_k_norm.weight"], "attn_k_norm.weight"),
    row(&["attn_k_norm.bias"], "attn_k_norm.bias"),
    row(&["attn_output.weight"], "attn_output.weight"),
    row(&["attn_output.bias"], "attn_output.bias"),
    row(&["ffn_norm.weight"], "ffn_norm.weight"),
    row(&["ffn_norm.bias"], "ffn_norm.bias"),
    row(&["ffn_gate.weight"], "ffn_gate.weight"),
    row(&["ffn_gate.bias"], "ffn_gate.bias"),
    row(&["ffn_up.weight"], "ffn_up.weight"),
    row(&["ffn_up.bias"], "ffn_up.bias"),
    row(&["ffn_down.weight"], "ffn_down.weight"),
    row(&["ffn_down.bias"], "ffn_down.bias"),
];
