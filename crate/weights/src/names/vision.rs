//! Vision encoders.

use super::table::{Part, Row, group, row};

/// open_clip's `VisionTransformer`, and OpenAI's before it.
pub const OPEN_CLIP: Part = Part {
    groups: &[
        group("transformer.resblocks.{}.", "v.blk.{}.", OPEN_CLIP_BLOCK),
        group("", "v.", OPEN_CLIP_ENDS),
    ],
    unused: &["proj"],
};

const OPEN_CLIP_ENDS: &[Row] = &[
    row(&["class_embedding"], "class_embd"),
    row(&["positional_embedding"], "position_embd.weight"),
    row(&["conv1.weight"], "patch_embd.weight"),
    row(&["ln_pre.weight"], "pre_ln.weight"),
    row(&["ln_pre.bias"], "pre_ln.bias"),
    row(&["ln_post.weight"], "post_ln.weight"),
    row(&["ln_post.bias"], "post_ln.bias"),
];

const OPEN_CLIP_BLOCK: &[Row] = &[
    row(&["ln_1.weight"], "ln1.weight"),
    row(&["ln_1.bias"], "ln1.bias"),
    row(&["attn.in_proj_weight"], "attn_qkv.weight"),
    row(&["attn.in_proj_bias"], "attn_qkv.bias"),
    row(&["attn.out_proj.weight"], "attn_out.weight"),
    row(&["attn.out_proj.bias"], "attn_out.bias"),
    row(&["ln_2.weight"], "ln2.weight"),
    row(&["ln_2.bias"], "ln2.bias"),
    row(&["mlp.c_fc.weight"], "ffn_up.weight"),
    row(&["mlp.c_fc.bias"], "ffn_up.bias"),
    row(&["mlp.c_proj.weight"], "ffn_down.weight"),
    row(&["mlp.c_proj.bias"], "ffn_down.bias"),
];

/// transformers' `CLIPVisionTransformer`, IDEFICS' copy of it and `SiglipVisionTransformer`,
/// without the pooling head of the last.
pub const TRANSFORMERS_VIT: Part = Part {
    groups: &[
        group("encoder.layers.{}.", "v.blk.{}.", TRANSFORMERS_BLOCK),
        group("", "v.", TRANSFORMERS_ENDS),
    ],
    unused: &["head.*"],
};

const TRANSFORMERS_ENDS: &[Row] = &[
    row(&["embeddings.class_embedding"], "class_embd"),
    row(
        &["embeddings.position_embedding.weight"],
        "position_embd.weight",
    ),
    row(&["embeddings.patch_embedding.weight"], "patch_embd.weight"),
    row(&["embeddings.patch_embedding.bias"], "patch_embd.bias"),
    // Spelled so upstream.
    row(&["pre_layrnorm.weight"], "pre_ln.weight"),
    row(&["pre_layrnorm.bias"], "pre_ln.bias"),
    row(&["post_layernorm.weight"], "post_ln.weight"),
    row(&["post_layernorm.bias"], "post_ln.bias"),
];

const TRANSFORMERS_BLOCK: &[Row] = &[
    row(&["layer_norm1.weight"], "ln1.weight"),
    row(&["layer_norm1.bias"], "ln1.bias"),
    row(
        &[
            "self_attn.q_proj.weight",
            "self_attn.k_proj.weight",
            "self_attn.v_proj.weight",
        ],
        "attn_qkv.weight",
    ),
    row(
        &[
            "self_attn.q_proj.bias",
            "self_attn.k_proj.bias",
            "self_attn.v_proj.bias",
        ],
        "attn_qkv.bias",
    ),
    row(&["self_attn.out_proj.weight"], "attn_out.weight"),
    row(&["self_attn.out_proj.bias"], "attn_out.bias"),
    row(&["layer_norm2.weight"], "ln2.weight"),
    row(&["layer_norm2.bias"], "ln2.bias"),
    row(&["mlp.fc1.weight"], "ffn_up.weight"),
    row(&["mlp.fc1.bias"], "ffn_up.bias"),
    row(&["mlp.fc2.weight"], "ffn_down.weight"),
    row(&["mlp.fc2.bias"], "ffn_down.bias"),
];

/// EfficientNet-Lite of this project's `training/`, batch norm folded in.
pub const EFFICIENTNET_LITE: Part = Part {
    groups: &[
        group(
            "blocks.{}.",
            "v.blk.{}.",
            &[
                row(&["expand.weight"], "expand.weight"),
                row(&["expand.bias"], "expand.bias"),
                row(&["depthwise.weight"], "depthwise.weight"),
                row(&["depthwise.bias"], "depthwise.bias"),
                row(&["project.weight"], "project.weight"),
                row(&["project.bias"], "project.bias"),
            ],
        ),
        group(
            "head.",
            "v.head.",
            &[row(&["weight"], "weight"), row(&["bias"], "bias")],
        ),
    ],
    unused: &[],
};
