//! The frozen language model and its KV cache.

mod branches;
mod cache;
mod decoder;

use burn::tensor::Tensor;
use flamingo_architecture::config::{LanguageConfig, PositionConfig};
use flamingo_architecture::spec::LanguageSpec;
use flamingo_kernels::{
    KeyValueBuffer, PackedMatrix, RowPositions, Spans, add_embedding, embed, linear,
};

use crate::builder::Weights;
use crate::error::ModelError;
use crate::layers::{Linear, NormLayer};

pub use branches::{BranchToken, Branches};
pub use cache::KvCache;
pub(crate) use decoder::DecoderLayer;

/// Keys and values of one layer, `[positions, kv_heads * head_dim]` each.
pub(crate) struct LayerCache {
    pub(crate) key: KeyValueBuffer,
    pub(crate) value: KeyValueBuffer,
}

/// Where new tokens stand in the sequence and what they may attend.
pub(crate) struct Placement {
    /// Their positions, padding included.
    pub(crate) positions: RowPositions,
    /// Keys each new token may attend.
    pub(crate) spans: Spans,
    /// Leading positions of the sequence that no token attends.
    pub(crate) padding: usize,
}

/// A language model without the blocks between its layers.
pub(crate) struct LanguageModel {
    embedding: PackedMatrix,
    /// Rows of the tokens that were added to the vocabulary.
    extra_embedding: Option<PackedMatrix>,
    positions: Option<LearnedPositions>,
    /// Embedding width → width.
    project_in: Option<Linear>,
    pub(crate) layers: Vec<DecoderLayer>,
    norm: Option<NormLayer>,
    /// Width → embedding width.
    project_out: Option<Linear>,
    /// Output head if it is not the embedding.
    head: Option<PackedMatrix>,
    /// Rows of the head for the tokens that were added.
    extra_head: Option<PackedMatrix>,
}

/// One learned embedding a position.
struct LearnedPositions {
    table: PackedMatrix,
    /// Row of the first position.
    offset: usize,
}

impl LanguageModel {
    pub(crate) fn load(weights: &mut Weights, config: &LanguageConfig) -> Result<Self, ModelError> {
        let spec = LanguageSpec::of(config);
        let embedding = weights.matrix(&spec.embedding)?;
        let extra_embedding = weights.optional_matrix(spec.extra_embedding.as_ref())?;
        let positions = match (config.positions, &spec.positions) {
            (PositionConfig::Learned { offset }, Some(table)) => Some(LearnedPositions {
                table: weights.matrix(table)?,
                offset,
            }),
            _ => None,
        };
        let project_in = spec.project_in.as_ref();
        let project_out = spec.project_out.as_ref();
        Ok(Self {
            embedding,
            extra_embedding,
            positions,
            project_in: project_in
                .map(|spec| Linear::load(weights, spec))
                .transpose()?,
            layers: (0..config.layers)
                .map(|layer| DecoderLayer::load(weights, config, layer))
                .collect::<Result<_, _>>()?,
            norm: NormLayer::load_optional(weights, spec.norm.as_ref())?,
            project_out: project_out
                .map(|spec| Linear::load(weights, spec))
                .transpose()?,
            head: weights.optional_matrix(spec.head.as_ref())?,
            extra_head: weights.optional_matrix(spec.extra_head.as_ref())?,
        })
    }

    /// Token ids at their places to `[tokens, width]`. Ids have been checked against the
    /// vocabulary, places against the context.
    pub(crate) fn embed(&self, tokens: &[u32], placement: &Placement) -> Tensor<2> {
        let x = self.embed_tokens(tokens);
        let x = match &self.project_in {
            Some(projection) => projection.forward(x),
            None => x,
        };
        match &self.positions {
            Some(positions) => positions.add_to(x, placement),
            None => x,
        }
    }

    /// `[tokens, embedding width]`.
    fn embed_tokens(&self, tokens: &[u32]) -> Tensor<2> {
        let Some(extra) = &self.extra_embedding else {
            return embed(&self.embedding, tokens);
        };
        let first_extra = self.embedding.rows() as u32;
        // Runs of ordinary and of extra tokens come from one table each.
        let runs = tokens
            .chunk_by(|a, b| (*a < first_extra) == (*b < first_extra))
            .map(|run| match run.first() {
                Some(&id) if id >= first_extra => {
                    let rows = run.iter().map(|id| id - first_extra).collect::<Vec<_>>();
                    embed(extra, &rows)
                }
                _ => embed(&self.embedding, run),
            })
            .collect::<Vec<_>>();
        Tensor::cat(runs, 0)
    }

    /// `[tokens, width]` after the last layer to logits `[tokens, vocab]`.
    pub(crate) fn logits(&self, x: Tensor<2>) -> Tensor<2> {
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        let x = match &self.project_out {
            Some(projection) => projection.forward(x),
            None => x,
        };
        let head = self.head.as_ref().unwrap_or(&self.embedding);
        let extra = self.extra_head.as_ref().or(self.extra_embedding.as_ref());
        match extra {
            None => linear(x, head, None),
            Some(extra) => Tensor::cat(
                vec![linear(x.clone(), head, None), linear(x, extra, None)],
                1,
            ),
        }
    }
}

impl LearnedPositions {
    /// Adds to each token `[tokens, width]` the embedding of its place.
    fn add_to(&self, x: Tensor<2>, placement: &Placement) -> Tensor<2> {
        let [tokens, _] = x.dims();
        let rows: Vec<u32> = (0..tokens)
            .map(|token| {
                // Padding has no place of its own, and nothing attends it.
                let position = placement.positions.of(token) as usize;
                (position.saturating_sub(placement.padding) + self.offset) as u32
            })
            .collect();
        add_embedding(x, &self.table, &rows)
    }
}
