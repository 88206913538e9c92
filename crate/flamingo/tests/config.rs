//! Configurations are untrusted input: the impossible ones are refused by name.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use flamingo::{ConfigError, FlamingoConfig, TensorRole};
use serde_json::{Value, json};

/// A small model of the default's kind.
fn small() -> Value {
    json!({
        "vision": {
            "image_size": 33, "resize": "squash",
            "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5],
            "encoder": {
                "kind": "efficient_net_lite", "stem_channels": 8, "head_channels": 32,
                "blocks": [
                    {"input": 8, "output": 8, "kernel": 3, "stride": 1, "expand": 1},
                    {"input": 8, "output": 16, "kernel": 5, "stride": 2, "expand": 6}
                ]
            }
        },
        "resampler": {
            "input_width": 32, "input_projection": true, "width": 16, "depth": 2, "latents": 4,
            "heads": 2, "head_dim": 8, "ffn_mult": 2, "max_frames": 3, "max_media": 0
        },
        "language": {
            "kind": {"family": "llama", "rope_theta": 10000.0}, "width": 32, "layers": 4,
            "heads": 4, "kv_heads": 2, "head_dim": 8, "ffn_width": 64, "vocab_size": 50,
            "extra_tokens": 2, "context": 128, "norm_eps": 1e-5, "tied_head": true
        },
        "cross_attention": {
            "every": 2, "offset": 1, "heads": 2, "head_dim": 8, "ffn_mult": 2,
            "only_last_media": true
        },
        "tokens": {"image": 51, "end_of_chunk": 50}
    })
}

/// The small model with the value at a JSON pointer replaced.
fn with(pointer: &str, value: Value) -> Result<FlamingoConfig, ConfigError> {
    let mut config = small();
    *config
        .pointer_mut(pointer)
        .expect("a field of the configuration") = value;
    FlamingoConfig::from_json(&config.to_string())
}

#[test]
fn reads_and_writes_itself() {
    let config = FlamingoConfig::from_json(&small().to_string()).unwrap();
    let text = serde_json::to_string(&config).unwrap();
    assert_eq!(FlamingoConfig::from_json(&text).unwrap(), config);
    assert_eq!(config.vocab(), 52);
    // 33 pixels: 17 behind the stem, 9 behind the second block.
    assert_eq!(config.vision_tokens(), 81);
}

#[test]
fn inventory_follows_the_configuration() {
    let config = FlamingoConfig::from_json(&small().to_string()).unwrap();
    let tensors = config.tensors();
    let shape = |name: &str| {
        let spec = tensors.iter().find(|spec| spec.name == name);
        spec.map(|spec| (spec.shape.clone(), spec.role))
    };
    use TensorRole::{Dense, Gate, Matrix};
    assert_eq!(
        shape("token_embd_extra.weight"),
        Some((vec![2, 32], Matrix))
    );
    assert_eq!(shape("blk.3.attn_k.weight"), Some((vec![16, 32], Matrix)));
    assert_eq!(shape("output.weight"), None, "the head is tied");
    assert_eq!(
        shape("xattn.0.attn_gate"),
        None,
        "every second layer, from the second"
    );
    assert_eq!(shape("xattn.3.attn_gate"), Some((vec![1], Gate)));
    assert_eq!(
        shape("xattn.3.attn_kv.weight"),
        Some((vec![32, 16], Matrix))
    );
    assert_eq!(shape("resampler.frame_embd"), Some((vec![3, 16], Dense)));
    assert_eq!(shape("resampler.media_embd"), None);
    assert_eq!(
        shape("v.blk.0.expand.weight"),
        None,
        "no expansion in the first block"
    );
    assert_eq!(
        shape("v.blk.1.depthwise.weight"),
        Some((vec![48, 25], Dense))
    );
    assert_eq!(shape("v.head.weight"), Some((vec![32, 16], Matrix)));
    assert!(
        tensors.iter().all(|spec| spec.name.len() <= 63),
        "GGUF's limit on names"
    );
}

#[test]
fn refuses_sizes_that_cannot_be() {
    let field = |pointer: &str, value: Value| match with(pointer, value).unwrap_err() {
        ConfigError::OutOfRange { field, .. } | ConfigError::NotPositive { field, .. } => field,
        other => panic!("{pointer}: {other}"),
    };
    assert_eq!(field("/language/width", json!(0)), "language.width");
    assert_eq!(
        field("/language/layers", json!(1_000_000)),
        "language.layers"
    );
    assert_eq!(field("/language/kv_heads", json!(8)), "language.kv_heads");
    assert_eq!(field("/language/norm_eps", json!(0.0)), "language.norm_eps");
    assert_eq!(
        field("/language/kind/rope_theta", json!(-1.0)),
        "language.kind.rope_theta"
    );
    assert_eq!(field("/resampler/latents", json!(0)), "resampler.latents");
    assert_eq!(
        field("/cross_attention/every", json!(0)),
        "cross_attention.every"
    );
    assert_eq!(
        field("/vision/image_size", json!(100_000)),
        "vision.image_size"
    );
    assert_eq!(field("/vision/std/1", json!(0.0)), "vision.std");
    assert_eq!(
        field("/vision/encoder/blocks/1/stride", json!(0)),
        "vision.encoder.blocks.stride"
    );
}

#[test]
fn refuses_contradictions() {
    for (pointer, value) in [
        ("/language/kv_heads", json!(3)),
        ("/language/head_dim", json!(7)),
        ("/resampler/input_width", json!(31)),
        ("/resampler/input_projection", json!(false)),
        ("/cross_attention/offset", json!(5)),
        ("/tokens/image", json!(52)),
        ("/tokens/image", json!(50)),
        ("/vision/encoder/blocks/1/input", json!(9)),
    ] {
        let error = with(pointer, value.clone()).unwrap_err();
        assert!(
            matches!(error, ConfigError::Contradiction(_)),
            "{pointer} = {value}: {error}"
        );
    }
}

#[test]
fn refuses_fields_it_does_not_know() {
    let mut config = small();
    config["language"]["surprise"] = json!(1);
    let error = FlamingoConfig::from_json(&config.to_string()).unwrap_err();
    assert!(
        matches!(&error, ConfigError::Json(text) if text.contains("surprise")),
        "{error}"
    );
    assert!(matches!(
        with("/language/layers", json!(-1)),
        Err(ConfigError::Json(_))
    ));
    assert!(matches!(
        FlamingoConfig::from_json("{"),
        Err(ConfigError::Json(_))
    ));
}

#[test]
fn an_abridged_model_is_possible_and_its_tensors_are_some_of_the_whole() {
    let mut bare = small();
    bare["cross_attention"]["offset"] = json!(4);
    for config in [small(), bare] {
        let whole = FlamingoConfig::from_json(&config.to_string()).unwrap();
        let abridged = whole.abridged();
        abridged.validate().unwrap();
        let names: Vec<_> = whole.tensors().into_iter().map(|spec| spec.name).collect();
        let few = abridged.tensors();
        assert!(few.len() < names.len() || abridged == whole);
        assert!(few.iter().all(|spec| names.contains(&spec.name)));
        // Both kinds of layers are there where the whole model has them.
        let blocks = |layers: usize, config: &FlamingoConfig| {
            (0..layers)
                .filter(|&layer| config.cross_attention.stands_before(layer))
                .count()
        };
        let (all, kept) = (whole.language.layers, abridged.language.layers);
        assert_eq!(blocks(kept, &abridged), blocks(all, &whole).min(1));
    }
}
