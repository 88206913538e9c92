//! The tables of names against the reference dumps.
#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::HashSet;

use flamingo_weights::gguf::MAX_NAME_BYTES;
use flamingo_weights::names::{
    self, Blocks, Found, NameError, Order, Part, Piece, Place, bridges, language, vision,
};
use flamingo_weights::{LoadedTensor, TensorInfo, TensorType};
use support::{read_fixture, read_safetensors};

const BRIDGES: Place = Place::bare(&bridges::OPEN_FLAMINGO);
const CLIP: Place = Place::behind("vision_encoder.", &vision::OPEN_CLIP);

const fn wrapped(part: &'static Part) -> Place {
    Place::wrapped("lang_encoder.", "decoder_layer.", part)
}

const LLAMA: Place = wrapped(&language::LLAMA);
const GPT_NEOX: Place = wrapped(&language::GPT_NEOX);
const MPT: Place = wrapped(&language::MPT);
const MOSAIC_GPT: Place = wrapped(&language::MOSAIC_GPT);

/// The names that `open_flamingo` writes.
const OPEN_FLAMINGO: [Place; 6] = [BRIDGES, LLAMA, GPT_NEOX, MPT, MOSAIC_GPT, CLIP];

fn golden(file: &str) -> Vec<LoadedTensor> {
    let tensors = read_safetensors(&read_fixture(&format!("golden/{file}")), usize::MAX);
    tensors
        .into_iter()
        .map(|tensor| tensor.into_loaded().unwrap())
        .collect()
}

fn find(places: &[Place], name: &str) -> Option<Found> {
    places
        .iter()
        .find_map(|place| place.ours(name, Blocks::NONE))
}

/// Our name of a tensor that is one of ours by itself.
fn ours(places: &[Place], name: &str) -> Option<String> {
    match find(places, name)? {
        Found::Piece(Piece {
            ours, pieces: 1, ..
        }) => Some(ours),
        found => panic!("{name}: {found:?}"),
    }
}

#[test]
fn every_tensor_of_every_reference_dump_maps_there_and_back() {
    for (name, language, unused) in [
        ("neox", GPT_NEOX, 1),
        ("mpt", MPT, 2),
        ("llama", LLAMA, 1),
        ("llama_gqa", LLAMA, 1),
    ] {
        let places = [BRIDGES, language, CLIP];
        let (mut seen, mut not_used) = (HashSet::new(), 0);
        for tensor in golden(&format!("{name}/model_full.safetensors")) {
            let theirs = tensor.info.name;
            if theirs.ends_with(".rotary_emb.inv_freq") {
                continue;
            }
            match find(&places, &theirs) {
                Some(Found::Unused) => not_used += 1,
                Some(Found::Piece(Piece { ours, .. })) => {
                    assert!(ours.len() as u64 <= MAX_NAME_BYTES, "{ours}");
                    assert!(seen.insert(ours.clone()), "{ours} twice");
                    // Every layer's block is in the group of another language model too.
                    let mut back = places
                        .iter()
                        .filter_map(|place| place.theirs(&ours, Blocks::NONE));
                    let (names, _) = back.next().unwrap();
                    if !ours.starts_with("xattn.") {
                        assert_eq!(names, [theirs.as_str()]);
                    }
                }
                None => panic!("{name}: {theirs} is unknown"),
            }
        }
        assert_eq!(not_used, unused, "{name}");
        assert!(seen.len() > 90, "{name}: {}", seen.len());
    }
}

/// All names of a part, with 0 and 11 for numbers.
fn all_names(part: &'static Part) -> Vec<String> {
    let groups = part.groups.iter();
    let names = groups.flat_map(|group| {
        group.rows.iter().flat_map(|row| {
            let numbers = ["0", "11"];
            numbers.map(|number| format!("{}{}", group.ours.replace("{}", number), row.ours))
        })
    });
    names.collect()
}

#[test]
fn every_row_of_every_table_is_read_as_it_is_written() {
    let blocks = Blocks {
        every: 4,
        offset: 3,
    };
    let parts = [
        &language::LLAMA,
        &language::GPT_NEOX,
        &language::MPT,
        &language::MOSAIC_GPT,
        &language::OPT,
        &bridges::OPEN_FLAMINGO,
        &bridges::IDEFICS,
        &bridges::FLAMINGO_MINI,
        &vision::OPEN_CLIP,
        &vision::TRANSFORMERS_VIT,
        &vision::EFFICIENTNET_LITE,
    ];
    for part in parts {
        let place = Place::wrapped("some.prefix.", "wrapper.", part);
        for ours in all_names(part) {
            // No block stands before layer 0 here.
            if ours.starts_with("xattn.0.") && place.theirs(&ours, blocks).is_none() {
                continue;
            }
            let (theirs, order) = place.theirs(&ours, blocks).unwrap();
            for (number, name) in theirs.iter().enumerate() {
                assert!(name.starts_with("some.prefix."), "{name}");
                let Some(Found::Piece(found)) = place.ours(name, blocks) else {
                    panic!("{name} is not read");
                };
                assert_eq!(found.ours, ours);
                assert_eq!(
                    (found.piece, found.pieces),
                    (number, theirs.len()),
                    "{name}"
                );
                assert_eq!(found.order, order, "{name}");
            }
        }
    }
}

#[test]
fn names_are_llama_cpps_and_their_kin() {
    for (theirs, found) in [
        (
            "lang_encoder.model.embed_tokens.weight",
            "token_embd.weight",
        ),
        (
            "lang_encoder.model.embed_tokens.additional_embedding.weight",
            "token_embd_extra.weight",
        ),
        (
            "lang_encoder.model.layers.11.decoder_layer.self_attn.o_proj.weight",
            "blk.11.attn_output.weight",
        ),
        (
            "lang_encoder.gpt_neox.layers.0.decoder_layer.attention.query_key_value.bias",
            "blk.0.attn_qkv.bias",
        ),
        (
            "lang_encoder.transformer.blocks.3.gated_cross_attn_layer.ff_gate",
            "xattn.3.ffn_gate_scale",
        ),
        (
            "lang_encoder.transformer.blocks.2.attn.q_ln.weight",
            "blk.2.attn_q_norm.weight",
        ),
        ("lang_encoder.transformer.ln_f.weight", "output_norm.weight"),
        (
            "perceiver.layers.5.1.3.weight",
            "resampler.blk.5.ffn_down.weight",
        ),
        (
            "perceiver.layers.5.feed_forward.3.weight",
            "resampler.blk.5.ffn_down.weight",
        ),
        ("perceiver.input_proj.weight", "resampler.input_proj.weight"),
        ("vision_encoder.class_embedding", "v.class_embd"),
        (
            "vision_encoder.transformer.resblocks.23.attn.in_proj_bias",
            "v.blk.23.attn_qkv.bias",
        ),
    ] {
        assert_eq!(
            ours(&OPEN_FLAMINGO, theirs).as_deref(),
            Some(found),
            "{theirs}"
        );
    }
    let training = [Place::behind("vision_encoder.", &vision::EFFICIENTNET_LITE)];
    for (theirs, found) in [
        (
            "vision_encoder.blocks.17.depthwise.weight",
            "v.blk.17.depthwise.weight",
        ),
        ("vision_encoder.head.bias", "v.head.bias"),
    ] {
        assert_eq!(ours(&training, theirs).as_deref(), Some(found), "{theirs}");
    }
}

#[test]
fn blocks_that_are_counted_stand_before_the_layers_that_the_config_says() {
    let place = Place::bare(&bridges::IDEFICS);
    let blocks = Blocks {
        every: 4,
        offset: 0,
    };
    let theirs = "model.gated_cross_attn_layers.2.alpha_dense";
    let found = place.ours(theirs, blocks);
    let Some(Found::Piece(found)) = found else {
        panic!("{found:?}");
    };
    assert_eq!(found.ours, "xattn.8.ffn_gate_scale");
    let back = place.theirs("xattn.8.ffn_gate_scale", blocks).unwrap();
    assert_eq!(back.0, [theirs]);
    assert_eq!(place.theirs("xattn.7.ffn_gate_scale", blocks), None);
}

#[test]
fn queries_keys_and_values_of_transformers_lie_one_below_the_other() {
    let place = Place::behind("vision_model.", &vision::TRANSFORMERS_VIT);
    let name = |part: &str| format!("vision_model.encoder.layers.3.self_attn.{part}_proj.weight");
    let (theirs, order) = place
        .theirs("v.blk.3.attn_qkv.weight", Blocks::NONE)
        .unwrap();
    assert_eq!(theirs, ["q", "k", "v"].map(name));
    assert_eq!(order, Order::AsIs);
    // Alone, none of them is a tensor of ours.
    let keys = LoadedTensor::from_f32(name("k"), TensorType::F32, &[1, 1], &[0.0]).unwrap();
    let error = names::import(keys, &[place], 1).unwrap_err();
    assert!(matches!(&error, NameError::Piece { ours, .. } if ours == "v.blk.3.attn_qkv.weight"));
}

#[test]
fn both_spellings_of_a_block_are_one_tensor() {
    let bare = "lang_encoder.model.layers.3.gated_cross_attn_layer.attn.to_q.weight";
    let version_1 = "lang_encoder.gated_cross_attn_layers.3.attn.to_q.weight";
    for name in [bare, version_1] {
        assert_eq!(
            ours(&OPEN_FLAMINGO, name).as_deref(),
            Some("xattn.3.attn_q.weight")
        );
    }
    // And told apart, so that they can be compared.
    assert_ne!(find(&OPEN_FLAMINGO, bare), find(&OPEN_FLAMINGO, version_1));
}

#[test]
fn the_layer_wrapper_may_be_missing() {
    for (with, without) in [
        (
            "lang_encoder.model.layers.7.decoder_layer.mlp.up_proj.weight",
            "lang_encoder.model.layers.7.mlp.up_proj.weight",
        ),
        (
            "lang_encoder.gpt_neox.layers.7.decoder_layer.mlp.dense_h_to_4h.bias",
            "lang_encoder.gpt_neox.layers.7.mlp.dense_h_to_4h.bias",
        ),
        (
            "lang_encoder.transformer.blocks.7.decoder_layer.norm_1.weight",
            "lang_encoder.transformer.blocks.7.norm_1.weight",
        ),
        (
            "lang_encoder.transformer.blocks.7.decoder_layer.mlp.mlp_up.weight",
            "lang_encoder.transformer.blocks.7.mlp.mlp_up.weight",
        ),
    ] {
        assert_eq!(ours(&OPEN_FLAMINGO, without), ours(&OPEN_FLAMINGO, with));
        assert!(ours(&OPEN_FLAMINGO, with).is_some());
    }
}

#[test]
fn what_no_model_needs_is_told_from_what_is_unknown() {
    for name in ["vision_encoder.proj", "lang_encoder.lm_head.weight"] {
        assert_eq!(
            find(&[BRIDGES, MPT, CLIP], name),
            Some(Found::Unused),
            "{name}"
        );
    }
    let siglip = Place::behind("vision_model.", &vision::TRANSFORMERS_VIT);
    let head = "vision_model.head.attention.in_proj_weight";
    assert_eq!(siglip.ours(head, Blocks::NONE), Some(Found::Unused));
    for name in [
        "",
        "perceiver",
        "perceiver.layers.0.0.to_q.bias",
        "perceiver.layers..0.to_q.weight",
        "perceiver.layers.00.0.to_q.weight",
        "perceiver.layers.99999999999999999999.0.to_q.weight",
        "lang_encoder.model.layers.1.self_attn.q_proj.weights",
        "lang_encoder.old_decoder_blocks.0.input_layernorm.weight",
        "vision_encoder.projection",
    ] {
        assert_eq!(find(&OPEN_FLAMINGO, name), None, "{name}");
        let tensor = LoadedTensor::from_f32(name, TensorType::F32, &[1], &[0.0]).unwrap();
        let error = names::import(tensor, &OPEN_FLAMINGO, 1).unwrap_err();
        assert!(error.to_string().contains(name), "{error}");
    }
    // A GPT-NeoX name in a llama model.
    assert_eq!(LLAMA.theirs("blk.0.attn_qkv.weight", Blocks::NONE), None);
}

/// Rows numbered 0, 1, ….
fn numbered(name: &str, rows: usize) -> LoadedTensor {
    let values: Vec<f32> = (0..rows).map(|row| row as f32).collect();
    LoadedTensor::from_f32(name, TensorType::F32, &[rows, 1], &values).unwrap()
}

const FUSED: &str = "lang_encoder.gpt_neox.layers.0.attention.query_key_value.weight";

#[test]
fn queries_come_before_keys_and_values() {
    // Two heads of two, each with queries, keys and values.
    let imported = names::import(numbered(FUSED, 12), &[GPT_NEOX], 2)
        .unwrap()
        .unwrap();
    assert_eq!(
        imported.to_f32().unwrap(),
        [0.0, 1.0, 6.0, 7.0, 2.0, 3.0, 8.0, 9.0, 4.0, 5.0, 10.0, 11.0]
    );
    // transformers' llama stays as it is.
    let queries = numbered("lang_encoder.model.layers.0.self_attn.q_proj.weight", 4);
    let imported = names::import(queries, &[LLAMA], 2).unwrap().unwrap();
    assert_eq!(imported.to_f32().unwrap(), [0.0, 1.0, 2.0, 3.0]);
}

#[test]
fn rows_that_cannot_be_split_into_heads_are_an_error() {
    for (rows, width) in [(9, 2), (12, 0), (12, usize::MAX), (12, 5)] {
        let error = names::import(numbered(FUSED, rows), &[GPT_NEOX], width).unwrap_err();
        assert!(error.to_string().contains("query_key_value"), "{error}");
    }
}

#[test]
fn patches_of_the_vision_encoder_become_rows() {
    let tensor = LoadedTensor {
        info: TensorInfo {
            name: "vision_encoder.conv1.weight".to_owned(),
            tensor_type: TensorType::F32,
            shape: vec![2, 3, 2, 2],
        },
        data: (0..96).collect(),
    };
    let imported = names::import(tensor.clone(), &[CLIP], 1).unwrap().unwrap();
    assert_eq!(imported.info.name, "v.patch_embd.weight");
    assert_eq!(imported.info.shape, [2, 12]);
    assert_eq!(imported.data, tensor.data);
}

#[test]
fn embeddings_of_media_lose_the_size_of_one() {
    for tensor in golden("resampler_video/model.safetensors") {
        let imported = names::import(tensor, &[BRIDGES], 1).unwrap().unwrap();
        assert!(imported.info.shape.len() <= 2);
        if imported.info.name == "resampler.media_embd" {
            assert_eq!(imported.info.shape, [3, 32]);
        }
    }
}
