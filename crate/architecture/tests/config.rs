//! Configurations are untrusted input: the impossible ones are refused by name.

#![allow(clippy::unwrap_used, clippy::panic)]

use flamingo_architecture::config::{Activation, NormKind, PositionConfig, QkNormExtent};
use flamingo_architecture::{ConfigError, FlamingoConfig, TensorRole};
use serde_json::{Value, json};

/// A small model of the default's kind, in the format before this one.
fn format_1() -> Value {
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

/// The same in the newest format.
fn small() -> Value {
    let config = FlamingoConfig::from_json(&format_1().to_string()).unwrap();
    serde_json::from_str(&config.to_json()).unwrap()
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
    assert_eq!(
        FlamingoConfig::from_json(&config.to_json()).unwrap(),
        config
    );
    assert_eq!(config.vocab(), 52);
    // 33 pixels: 17 behind the stem, 9 behind the second block.
    assert_eq!(config.vision_tokens(), 81);
}

#[test]
fn the_format_before_says_the_same_in_fewer_words() {
    let config = FlamingoConfig::from_json(&format_1().to_string()).unwrap();
    assert_eq!(small()["format"], json!(2));
    assert_eq!(config.language.norm.kind, NormKind::Rms);
    assert_eq!(config.language.attention.kv_heads, 2);
    assert!(config.language.feed_forward.gated);
    assert_eq!(config.language.feed_forward.activation, Activation::Silu);
    assert_eq!(config.cross_attention.feed_forward.width, 2 * 32);
    assert_eq!(config.prompt.end_of_answer, [50]);
    assert!(!config.language.embedding.own_extra_head);

    let family = |kind: Value, kv_heads: usize| {
        let mut config = format_1();
        config["language"]["kind"] = kind;
        config["language"]["kv_heads"] = json!(kv_heads);
        FlamingoConfig::from_json(&config.to_string())
            .unwrap()
            .language
    };
    let mpt = family(
        json!({"family": "mpt", "alibi_bias_max": 8.0, "qk_norm": true}),
        4,
    );
    assert_eq!(mpt.positions, PositionConfig::Alibi { max_bias: 8.0 });
    assert_eq!(
        mpt.attention.qk_norm.unwrap().extent,
        QkNormExtent::FullWidth
    );
    assert!(mpt.attention.fused_qkv && !mpt.norm.bias);
    let neox = family(
        json!({"family": "gpt_neox", "rope_theta": 10000.0, "rotary_dims": 4}),
        4,
    );
    assert!(neox.attention.qkv_bias && neox.feed_forward.bias && neox.norm.bias);
    assert!(matches!(
        neox.positions,
        PositionConfig::Rope { dims: 4, .. }
    ));
}

#[test]
fn a_newer_format_is_told_as_such() {
    assert_eq!(
        with("/format", json!(3)),
        Err(ConfigError::NewerFormat {
            found: 3,
            newest: 2
        })
    );
    assert!(matches!(
        with("/format", json!("2")),
        Err(ConfigError::Json(_))
    ));
    assert!(matches!(
        with("/format", json!(1)),
        Err(ConfigError::Json(_))
    ));
}

#[test]
fn every_fact_of_a_decoder_has_its_tensors() {
    let mut config = small();
    let language = &mut config["language"];
    language["embedding"] = json!({"width": 16, "tied_head": false, "own_extra_head": true});
    language["positions"] = json!({"kind": "learned", "offset": 2});
    language["norm"] = json!({"kind": "layer", "bias": true, "eps": 1e-5});
    language["norm_placement"] = json!("after");
    language["final_norm"] = json!(false);
    language["attention"]["qkv_bias"] = json!(true);
    language["attention"]["qk_norm"] =
        json!({"extent": "per_head", "norm": {"kind": "rms", "bias": false, "eps": 1e-6}});
    config["cross_attention"]["gate"] = json!("vector");
    config["cross_attention"]["fused_key_value"] = json!(false);
    config["resampler"] = json!(null);
    let config = FlamingoConfig::from_json(&config.to_string()).unwrap();
    let tensors = config.tensors();
    let find = |name: &str| tensors.iter().find(|spec| spec.name == name);
    let shape = |name: &str| find(name).map(|spec| spec.shape.clone());
    assert_eq!(shape("token_embd.weight"), Some(vec![50, 16]));
    assert_eq!(shape("token_embd_proj.weight"), Some(vec![32, 16]));
    assert_eq!(shape("output_proj.weight"), Some(vec![16, 32]));
    assert_eq!(shape("output_extra.weight"), Some(vec![2, 16]));
    assert_eq!(shape("position_embd.weight"), Some(vec![130, 32]));
    assert_eq!(shape("output_norm.weight"), None);
    assert_eq!(shape("blk.0.attn_norm.bias"), Some(vec![32]));
    assert_eq!(shape("blk.0.attn_q_norm.weight"), Some(vec![8]));
    let bias = find("blk.0.attn_k.bias").unwrap();
    assert_eq!(
        (bias.shape.clone(), bias.role),
        (vec![16], TensorRole::Dense)
    );
    assert_eq!(bias.stack.as_deref(), Some("blk.0.attn_qkv.bias"));
    let gate = find("xattn.1.attn_gate").unwrap();
    assert_eq!(
        (gate.shape.clone(), gate.role),
        (vec![32], TensorRole::Dense)
    );
    // Without a resampler the blocks read vision tokens.
    assert_eq!(shape("xattn.1.attn_k.weight"), Some(vec![16, 32]));
    assert!(
        !tensors
            .iter()
            .any(|spec| spec.name.starts_with("resampler."))
    );
    assert_eq!((config.media_rows(), config.media_width()), (81, 32));
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
    assert_eq!(
        field("/language/attention/kv_heads", json!(8)),
        "language.attention.kv_heads"
    );
    assert_eq!(field("/language/norm/eps", json!(0.0)), "language.norm.eps");
    assert_eq!(
        field("/language/positions/theta", json!(-1.0)),
        "language.positions.theta"
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

/// Sizes that a small file can name, and that no memory holds.
#[test]
fn refuses_layers_that_no_memory_holds() {
    let field = |changes: &[(&str, Value)]| {
        let mut config = small();
        for (pointer, value) in changes {
            *config.pointer_mut(pointer).unwrap() = value.clone();
        }
        match FlamingoConfig::from_json(&config.to_string()).unwrap_err() {
            ConfigError::OutOfRange { field, .. } => field,
            other => panic!("{changes:?}: {other}"),
        }
    };
    let blocks = "/vision/encoder/blocks";
    // Nothing scales the picture down.
    assert_eq!(
        field(&[
            ("/vision/image_size", json!(4096)),
            (
                blocks,
                json!([{"input": 8, "output": 8, "kernel": 3, "stride": 1, "expand": 1}])
            )
        ]),
        "the number of vision tokens"
    );
    assert_eq!(
        field(&[
            ("/vision/image_size", json!(4096)),
            ("/vision/encoder/stem_channels", json!(64)),
            (
                blocks,
                json!([{"input": 64, "output": 8, "kernel": 3, "stride": 4, "expand": 64}, {"input": 8, "output": 8, "kernel": 3, "stride": 4, "expand": 1}])
            )
        ]),
        "the number of values in a layer of vision.encoder"
    );
    assert_eq!(
        field(&[
            ("/resampler/latents", json!(1 << 20)),
            ("/resampler/heads", json!(1024))
        ]),
        "the number of values in a layer of resampler"
    );
    assert_eq!(
        field(&[
            ("/resampler/latents", json!(1 << 18)),
            ("/cross_attention/heads", json!(1024)),
            ("/cross_attention/head_dim", json!(1024))
        ]),
        "the number of keys and values that cross_attention makes of a picture"
    );
}

/// The strides of a picture's encoder, multiplied, are no number of 64 bits.
#[test]
fn an_abridged_model_is_possible_if_strides_overflow() {
    let mut config = small();
    let block = json!({"input": 8, "output": 8, "kernel": 3, "stride": 4, "expand": 1});
    config["vision"]["encoder"]["blocks"] = json!(vec![block; 40]);
    let whole = FlamingoConfig::from_json(&config.to_string()).unwrap();
    let few = whole.abridged();
    few.validate().unwrap();
    assert_eq!(few.vision.image_size, whole.vision.image_size);
}

#[test]
fn refuses_contradictions() {
    for (pointer, value) in [
        ("/language/attention/kv_heads", json!(3)),
        ("/language/positions/dims", json!(7)),
        ("/language/norm/bias", json!(true)),
        ("/prompt/begin", json!([52])),
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
