//! The trained bridges: a GGUF file that `training/` exports, with the tensors
//! of the resampler, of the gated cross-attention and of the added tokens, and
//! their sizes as metadata.

use std::path::{Path, PathBuf};

use flamingo_architecture::config::{
    Activation, CrossAttentionConfig, FeedForwardConfig, GateExtent, LanguageConfig, NormConfig,
    ResamplerConfig,
};
use flamingo_weights::gguf::Metadata;
use flamingo_weights::manifest::{ModelPart, PartKind};
use flamingo_weights::names::{self, Place};

use super::PackError;
use super::parts::{Part, Tensors};
use super::tokenizer::Tokens;
use crate::source::Format;

/// Where the bridges are published, and how they were trained.
const SOURCE: &str = "training/MODEL_CARD.md of the repository of this program";

/// The bridges' sizes and tensors.
pub(super) struct Bridges {
    /// The file they come from.
    pub(super) path: PathBuf,
    /// Name and licence by the file.
    name: String,
    licence: String,
    /// Sizes of the resampler.
    pub(super) resampler: ResamplerConfig,
    /// Sizes and places of the cross-attention.
    pub(super) cross_attention: CrossAttentionConfig,
    /// Ids of the added tokens that they were trained with.
    pub(super) tokens: Tokens,
    /// Tensors by name.
    pub(super) tensors: Tensors,
}

/// Opens the file of the bridges.
pub(super) fn open(path: &Path) -> Result<Part, PackError> {
    Part::open(path, Format::Gguf)
}

/// Reads the bridges in `part`, which stand in a language model of this width; their
/// tensors from the safetensors file `f32_weights` where there is one.
pub(super) fn read(
    part: Part,
    f32_weights: Option<&Path>,
    language_width: usize,
) -> Result<Bridges, PackError> {
    let metadata = part.metadata();
    let path = &part.path;
    let tensors = match f32_weights {
        Some(f32_weights) => read_f32(f32_weights)?,
        None => part.tensors()?,
    };
    let field = |key: &str| metadata.u32(key).map_err(PackError::metadata(path));
    let size = |key: &str| Ok::<_, PackError>(field(key)? as usize);
    let input_width = size("flamingo.resampler.input_width")?;
    let width = size("flamingo.resampler.width")?;
    Ok(Bridges {
        name: metadata
            .string("general.name")
            .map_err(PackError::metadata(path))?
            .to_owned(),
        licence: licence(&metadata, path)?,
        resampler: ResamplerConfig {
            input_width,
            input_projection: true,
            width,
            depth: size("flamingo.resampler.depth")?,
            latents: size("flamingo.resampler.latents")?,
            heads: size("flamingo.resampler.heads")?,
            head_dim: size("flamingo.resampler.head_dim")?,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: feed_forward(size("flamingo.resampler.ffn_mult")?, width),
            max_frames: size("flamingo.resampler.max_frames")?,
            max_media: 0,
        },
        cross_attention: CrossAttentionConfig {
            every: size("flamingo.cross_attention.every")?,
            offset: size("flamingo.cross_attention.offset")?,
            heads: size("flamingo.cross_attention.heads")?,
            head_dim: size("flamingo.cross_attention.head_dim")?,
            norm: NormConfig::BRIDGE,
            fused_key_value: true,
            qk_norm: None,
            feed_forward: feed_forward(size("flamingo.cross_attention.ffn_mult")?, language_width),
            gate: GateExtent::Scalar,
            only_last_media: true,
        },
        tokens: Tokens {
            end_of_chunk: field("flamingo.tokens.end_of_chunk")?,
            image: field("flamingo.tokens.image")?,
        },
        tensors,
        path: part.path,
    })
}

/// The feed-forward layer of a bridge, so many times as wide inside as outside.
fn feed_forward(multiple: usize, width: usize) -> FeedForwardConfig {
    // A width that overflows is out of range, which validation says of the sum.
    FeedForwardConfig::plain(multiple.saturating_mul(width), Activation::Gelu)
}

impl Bridges {
    /// The bridges as `model.json` lists them.
    pub(super) fn model_part(&self) -> ModelPart {
        ModelPart {
            kind: PartKind::Bridges,
            name: self.name.clone(),
            source: SOURCE.to_owned(),
            licence: self.licence.clone(),
        }
    }

    /// Checks that the bridges were trained with this language model.
    pub(super) fn check_language(
        &self,
        language: &LanguageConfig,
        tokens: Tokens,
    ) -> Result<(), PackError> {
        if self.tokens != tokens {
            return Err(PackError::MetadataValue {
                path: self.path.clone(),
                key: "flamingo.tokens.*",
                found: format!("{:?}", self.tokens),
                expected: format!(
                    "{tokens:?}, which follow the {} tokens of the language model",
                    language.vocab_size
                ),
            });
        }
        Ok(())
    }
}

/// The bridges' licence as SPDX writes it.
fn licence(metadata: &Metadata, path: &Path) -> Result<String, PackError> {
    let licence = metadata
        .string("general.license")
        .map_err(PackError::metadata(path))?;
    Ok(match licence {
        "other" => "LicenseRef-flamingo-bridges".to_owned(),
        spdx => spdx.to_owned(),
    })
}

/// Where names lie in a training checkpoint: beside the bridges, the rows of the added tokens
/// and the last blocks of the vision encoder are trained.
const TRAINING: [Place; 3] = [
    Place::bare(&names::bridges::OPEN_FLAMINGO),
    Place::behind("lang_encoder.", &names::language::LLAMA),
    Place::behind("vision_encoder.", &names::vision::EFFICIENTNET_LITE),
];

/// No rows of these are in another order by heads.
const HEAD_WIDTH: usize = 1;

/// The tensors of a training checkpoint, under the names of a model folder.
fn read_f32(path: &Path) -> Result<Tensors, PackError> {
    let mut tensors = Tensors::new();
    for tensor in Part::open(path, Format::Safetensors)?
        .tensors()?
        .into_values()
    {
        let tensor =
            names::import(tensor, &TRAINING, HEAD_WIDTH).map_err(|source| PackError::Name {
                path: path.to_owned(),
                source,
            })?;
        if let Some(tensor) = tensor {
            tensors.insert(tensor.info.name.clone(), tensor);
        }
    }
    Ok(tensors)
}
