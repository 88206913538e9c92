//! Names of tensors without what training wrapped around them.

/// Prefixes that programs put before every name of a state dict.
const PREFIXES: [&str; 3] = ["model_state_dict.", "state_dict.", "module."];

/// Parts that FSDP, activation checkpointing and `torch.compile` put into names.
const WRAPPERS: [&str; 3] = [
    "_fsdp_wrapped_module.",
    "_checkpoint_wrapped_module.",
    "_orig_mod.",
];

/// Ends of names of buffers that follow from the model's sizes.
const BUFFERS: [&str; 4] = [
    ".inv_freq",
    ".attention.bias",
    ".attention.masked_bias",
    ".position_ids",
];

/// Tensors beside the weights, or there a second time: the blocks of
/// OpenFlamingo's first version from before the cross-attention was put between them.
const NO_WEIGHTS: [&str; 2] = ["optimizer_state_dict.", "lang_encoder.old_decoder_blocks."];

/// The name without wrappers; `None` where the tensor is no weight of a model: a buffer,
/// or the optimizer's.
///
/// ```
/// # use flamingo_convert::names::plain;
/// assert_eq!(
///     plain("model_state_dict.module.perceiver.latents").as_deref(),
///     Some("perceiver.latents")
/// );
/// assert_eq!(plain("lang_encoder.gpt_neox.layers.0.attention.rotary_emb.inv_freq"), None);
/// ```
pub fn plain(name: &str) -> Option<String> {
    // At the start of a name or of a part of one, not within a word.
    let parts = name.split_inclusive('.');
    let parts = parts.skip_while(|part| PREFIXES.contains(part) || WRAPPERS.contains(part));
    let name: String = parts.filter(|part| !WRAPPERS.contains(part)).collect();
    let is_weight = !BUFFERS.iter().any(|end| name.ends_with(end))
        && !NO_WEIGHTS.iter().any(|start| name.starts_with(start));
    is_weight.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrappers_are_taken_off_wherever_they_stand() {
        let name = "lang_encoder.transformer.blocks.3.attn.out_proj.weight";
        for wrapped in [
            "lang_encoder.transformer.blocks.3.attn.out_proj.weight",
            "module.lang_encoder.transformer.blocks.3.attn.out_proj.weight",
            "model_state_dict.module.module.lang_encoder.transformer.blocks.3.attn.out_proj.weight",
            "state_dict.lang_encoder._fsdp_wrapped_module.transformer.blocks.3.\
             _fsdp_wrapped_module._checkpoint_wrapped_module.attn.out_proj.weight",
            "_fsdp_wrapped_module.lang_encoder.transformer.blocks.3.\
             _fsdp_wrapped_module._fsdp_wrapped_module.attn.out_proj.weight",
            "_orig_mod.lang_encoder.transformer.blocks.3.attn.out_proj.weight",
        ] {
            assert_eq!(plain(wrapped).as_deref(), Some(name), "{wrapped}");
        }
    }

    #[test]
    fn wrappers_in_any_order_at_the_start_are_taken_off() {
        for wrapped in [
            "_fsdp_wrapped_module.module.a",
            "_orig_mod._fsdp_wrapped_module.a",
            "module._orig_mod.module.a",
        ] {
            assert_eq!(plain(wrapped).as_deref(), Some("a"), "{wrapped}");
        }
    }

    #[test]
    fn buffers_and_the_optimizer_are_no_weights() {
        for name in [
            "lang_encoder.gpt_neox.layers.0.attention.bias",
            "lang_encoder.gpt_neox.layers.0.attention.masked_bias",
            "module.lang_encoder.gpt_neox.layers.0.attention.rotary_emb.inv_freq",
            "vision_model.embeddings.position_ids",
            "optimizer_state_dict.state.0.exp_avg",
            "module.lang_encoder.old_decoder_blocks.0.norm_1.weight",
        ] {
            assert_eq!(plain(name), None, "{name}");
        }
        let kept = "lang_encoder.gpt_neox.layers.0.attention.dense.bias";
        assert_eq!(plain(kept).as_deref(), Some(kept));
    }

    #[test]
    fn a_name_that_is_only_like_a_wrapper_stays() {
        for name in ["submodule.weight", "a.module.weight", "my_orig_mod.weight"] {
            assert_eq!(plain(name).as_deref(), Some(name));
        }
    }
}
