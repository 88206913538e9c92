//! The table of names against the reference dumps.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use std::collections::HashSet;

use flamingo_weights::gguf::MAX_NAME_BYTES;
use flamingo_weights::names::{self, HeadCounts, NameError, RowOrder, Spelling};
use flamingo_weights::{LoadedTensor, TensorInfo, TensorType};
use support::{read_fixture, read_safetensors};

const GOLDENS: [(&str, Spelling, HeadCounts); 5] = [
    ("neox", Spelling::GptNeox, heads(4, 4)),
    ("mpt", Spelling::Mpt, heads(4, 4)),
    ("mosaic", Spelling::MptWrappedNorms, heads(4, 4)),
    ("llama", Spelling::Llama, heads(4, 4)),
    ("llama_gqa", Spelling::Llama, heads(4, 2)),
];

const fn heads(heads: usize, kv_heads: usize) -> HeadCounts {
    HeadCounts { heads, kv_heads }
}

fn golden(file: &str) -> Vec<LoadedTensor> {
    let tensors = read_safetensors(&read_fixture(&format!("golden/{file}")), usize::MAX);
    tensors
        .into_iter()
        .map(|tensor| tensor.into_loaded().unwrap())
        .collect()
}

fn gguf_name(name: &str) -> Result<Option<String>, NameError> {
    Ok(names::to_gguf(name, heads(4, 2))?.map(|mapped| mapped.name))
}

#[test]
fn every_tensor_of_every_reference_dump_maps_there_and_back() {
    for (golden_name, spelling, heads) in GOLDENS {
        let mut seen = HashSet::new();
        let mut unused = Vec::new();
        for tensor in golden(&format!("{golden_name}/model_full.safetensors")) {
            let name = &tensor.info.name;
            let Some(mapped) = names::to_gguf(name, heads).unwrap() else {
                unused.push(name.clone());
                continue;
            };
            assert!(
                mapped.name.len() as u64 <= MAX_NAME_BYTES,
                "{}",
                mapped.name
            );
            assert!(seen.insert(mapped.name.clone()), "{} twice", mapped.name);
            let back = names::to_checkpoint(&mapped.name, spelling, heads).unwrap();
            assert_eq!(&back.name, name);
            assert_eq!(back.row_order, mapped.row_order);

            let reordered = LoadedTensor {
                data: mapped.row_order.to_gguf(&tensor).unwrap(),
                info: tensor.info.clone(),
            };
            // A bias may be all zeros, and then no order shows.
            if tensor.info.shape.len() == 2 {
                let as_is = mapped.row_order == RowOrder::AsIs;
                assert_eq!(reordered.data == tensor.data, as_is, "{name}");
            }
            assert!(
                mapped.row_order.to_checkpoint(&reordered).unwrap() == tensor.data,
                "{name}"
            );
        }
        let expected = |name: &String| {
            [
                "vision_encoder.ln_post.weight",
                "vision_encoder.ln_post.bias",
                "vision_encoder.proj",
            ]
            .contains(&name.as_str())
                || name.ends_with(".rotary_emb.inv_freq")
        };
        assert!(
            unused.iter().all(expected),
            "{golden_name}: {unused:?} are not used"
        );
        assert!(
            seen.len() > 100 && unused.len() >= 3,
            "{golden_name}: {}",
            seen.len()
        );
    }
}

#[test]
fn the_video_resampler_maps_there_and_back() {
    for tensor in golden("resampler_video/model.safetensors") {
        let mapped = names::to_gguf(&tensor.info.name, heads(1, 1))
            .unwrap()
            .unwrap();
        let back = names::to_checkpoint(&mapped.name, Spelling::Mpt, heads(1, 1)).unwrap();
        assert_eq!(back.name, tensor.info.name);
        let imported = names::import(tensor, heads(1, 1)).unwrap().unwrap();
        assert!(imported.info.shape.len() <= 2);
        if imported.info.name == "resampler.media_embd" {
            assert_eq!(imported.info.shape, [3, 32]);
        }
    }
}

#[test]
fn names_are_llama_cpps_and_their_kin() {
    for (checkpoint, gguf) in [
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
        ("perceiver.input_proj.weight", "resampler.input_proj.weight"),
        ("vision_encoder.class_embedding", "v.class_embd"),
        (
            "vision_encoder.transformer.resblocks.23.attn.in_proj_bias",
            "v.blk.23.attn_qkv.bias",
        ),
        (
            "vision_encoder.blocks.17.depthwise.weight",
            "v.blk.17.depthwise.weight",
        ),
        ("vision_encoder.head.bias", "v.head.bias"),
    ] {
        assert_eq!(
            gguf_name(checkpoint),
            Ok(Some(gguf.to_owned())),
            "{checkpoint}"
        );
        if checkpoint.starts_with("vision_encoder.") {
            let back = names::to_checkpoint(gguf, Spelling::Llama, heads(4, 2)).unwrap();
            assert_eq!(back.name, checkpoint);
        }
    }
}

#[test]
fn the_four_spellings_of_released_checkpoints_are_one() {
    let bare = "lang_encoder.model.layers.3.gated_cross_attn_layer.attn.to_q.weight";
    for spelled in [
        bare.to_owned(),
        format!("model_state_dict.{bare}"),
        format!("module.{bare}"),
        format!("model_state_dict.module.{bare}"),
        "lang_encoder.gated_cross_attn_layers.3.attn.to_q.weight".to_owned(),
    ] {
        assert_eq!(
            gguf_name(&spelled),
            Ok(Some("xattn.3.attn_q.weight".to_owned())),
            "{spelled}"
        );
    }
}

#[test]
fn every_tensor_of_a_released_checkpoint_is_known() {
    let tensors = golden("llama_gqa/checkpoint_trainable.safetensors");
    assert_eq!(tensors.len(), 37);
    for tensor in tensors {
        assert!(
            gguf_name(&tensor.info.name).unwrap().is_some(),
            "{}",
            tensor.info.name
        );
    }
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
        assert_eq!(gguf_name(without), gguf_name(with));
        assert!(gguf_name(with).unwrap().is_some());
    }
}

#[test]
fn unknown_names_are_an_error_that_names_them() {
    for name in [
        "",
        "module.",
        "perceiver",
        "perceiver.layers.0.0.to_q.bias",
        "perceiver.layers..0.to_q.weight",
        "perceiver.layers.00.0.to_q.weight",
        "perceiver.layers.99999999999999999999.0.to_q.weight",
        "lang_encoder.model.layers.1.self_attn.q_proj.weights",
        "lang_encoder.old_decoder_blocks.0.input_layernorm.weight",
    ] {
        let error = gguf_name(name).unwrap_err();
        assert_eq!(
            error,
            NameError::Unknown {
                name: name.to_owned()
            }
        );
        assert!(error.to_string().contains(name));
    }
    let error = names::to_checkpoint("blk.0.attn_gate.weight", Spelling::Llama, heads(1, 1));
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("blk.0.attn_gate.weight")
    );
    // A GPT-NeoX name in a llama model.
    assert!(names::to_checkpoint("blk.0.attn_qkv.weight", Spelling::Llama, heads(1, 1)).is_err());
}

/// Rows numbered 0, 1, ….
fn numbered(name: &str, rows: usize) -> LoadedTensor {
    let values: Vec<f32> = (0..rows).map(|row| row as f32).collect();
    LoadedTensor::from_f32(name, TensorType::F32, &[rows, 1], &values).unwrap()
}

#[test]
fn rows_are_ordered_as_llama_cpp_orders_them() {
    // Two heads of four: halves (0 1)(2 3) become pairs 0 2, 1 3.
    let queries = numbered("lang_encoder.model.layers.0.self_attn.q_proj.weight", 8);
    let imported = names::import(queries, heads(2, 1)).unwrap().unwrap();
    assert_eq!(
        imported.to_f32().unwrap(),
        [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]
    );
    // Keys have their own number of heads.
    let keys = numbered("lang_encoder.model.layers.0.self_attn.k_proj.weight", 4);
    let imported = names::import(keys, heads(2, 1)).unwrap().unwrap();
    assert_eq!(imported.to_f32().unwrap(), [0.0, 2.0, 1.0, 3.0]);
    // Two heads of two, each with queries, keys and values.
    let name = "lang_encoder.gpt_neox.layers.0.attention.query_key_value.weight";
    let imported = names::import(numbered(name, 12), heads(2, 2))
        .unwrap()
        .unwrap();
    assert_eq!(
        imported.to_f32().unwrap(),
        [0.0, 1.0, 6.0, 7.0, 2.0, 3.0, 8.0, 9.0, 4.0, 5.0, 10.0, 11.0]
    );
}

#[test]
fn rows_that_cannot_be_split_into_heads_are_an_error() {
    for (rows, head_count) in [(9, 2), (8, 0), (8, usize::MAX)] {
        let queries = numbered("lang_encoder.model.layers.0.self_attn.q_proj.weight", rows);
        let error = names::import(queries, heads(head_count, 1)).unwrap_err();
        assert!(error.to_string().contains("q_proj"), "{error}");
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
    let imported = names::import(tensor.clone(), heads(1, 1)).unwrap().unwrap();
    assert_eq!(imported.info.name, "v.patch_embd.weight");
    assert_eq!(imported.info.shape, [2, 12]);
    assert_eq!(imported.data, tensor.data);
}
