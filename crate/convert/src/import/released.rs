//! The parts that released checkpoints need, so that a missing one can be named.

use flamingo_architecture::config::LanguageConfig;

use flamingo_weights::names::Place;

use crate::recognise::language::LanguageKind;

/// A language model that bridges were trained in.
struct Released {
    /// Where its blocks lie in the checkpoint.
    path: &'static str,
    width: usize,
    every: usize,
    layers: usize,
    name: &'static str,
}

/// Sources: OpenFlamingo's README and `src/factory.py`; issue 204 for LLaMA's.
const LANGUAGE_MODELS: [Released; 4] = [
    Released {
        path: "lang_encoder.transformer.",
        width: 2048,
        every: 1,
        layers: 24,
        name: "anas-awadalla/mpt-1b-redpajama-200b (its -dolly for the instruct checkpoint)",
    },
    Released {
        path: "lang_encoder.gpt_neox.",
        width: 2560,
        every: 2,
        layers: 32,
        name: "togethercomputer/RedPajama-INCITE-Base-3B-v1 (-Instruct- for the instruct checkpoint)",
    },
    Released {
        path: "lang_encoder.transformer.",
        width: 4096,
        every: 4,
        layers: 32,
        name: "anas-awadalla/mpt-7b",
    },
    Released {
        path: "lang_encoder.",
        width: 4096,
        every: 4,
        layers: 32,
        name: "LLaMA-7B of the first version (such as yahma/llama-7b-hf)",
    },
];

/// The language model that a checkpoint needs, in words: with its name if it is a released
/// one, with what the blocks tell of it otherwise.
pub(super) fn language<'a>(
    mut names: impl Iterator<Item = &'a str>,
    width: usize,
    every: usize,
    last_block: usize,
) -> String {
    let path = names.find_map(|name| {
        let paths = LANGUAGE_MODELS.iter().map(|model| model.path);
        let is_block = name.contains("gated_cross_attn_layer");
        paths
            .filter(|_| is_block)
            .find(|path| name.starts_with(path))
    });
    let released = LANGUAGE_MODELS
        .iter()
        .find(|model| Some(model.path) == path && model.width == width && model.every == every);
    match released {
        Some(model) => format!(
            "the language model {}: {} layers of width {}",
            model.name, model.layers, model.width
        ),
        None => format!(
            "the language model that it was trained in: at least {} layers of width {width}",
            last_block + 1
        ),
    }
}

/// The vision encoder that a checkpoint needs, in words.
pub(super) fn vision(width: usize) -> String {
    match width {
        1024 => "OpenAI's CLIP ViT-L/14: width 1024 (ViT-L-14.pt, \
                 timm/vit_large_patch14_clip_224.openai or openai/clip-vit-large-patch14)"
            .to_owned(),
        _ => format!("the vision encoder that it was trained with: width {width}"),
    }
}

/// A language model's kind and sizes in words.
pub(super) fn describe(kind: &LanguageKind, found: &LanguageConfig) -> String {
    let LanguageConfig { layers, width, .. } = found;
    format!("{}, {layers} layers of width {width}", kind.name)
}

/// Settings of language models that flamingo-mini names and has in its own file.
pub(super) fn opt_settings(name: &str) -> Option<&'static str> {
    match name {
        "facebook/opt-125m" => {
            Some(r#"{"model_type": "opt", "num_attention_heads": 12, "hidden_size": 768}"#)
        }
        "facebook/opt-350m" => Some(
            r#"{"model_type": "opt", "num_attention_heads": 16, "hidden_size": 1024,
                "do_layer_norm_before": false}"#,
        ),
        _ => None,
    }
}

/// The name of a tensor of ours in files of this kind.
pub(super) fn theirs(
    places: &[Place],
    blocks: flamingo_weights::names::Blocks,
    ours: &str,
) -> String {
    let names = places.iter().find_map(|place| place.theirs(ours, blocks));
    match names {
        Some((names, _)) => names.join(", "),
        None => "which has no name there".to_owned(),
    }
}
