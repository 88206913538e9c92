//! Norms of queries and keys before they are rotated.

use burn::tensor::Tensor;

use crate::attention::AttentionShape;
use crate::dense::{CpuRows, on_cpu};
use crate::norm::{Norm, NormKind};

/// Which elements of a row of queries or keys are normalised together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NormExtent {
    /// Those of a head: weights and biases are `[head_dim]`, the same for every head.
    Head,
    /// All: weights and biases are as wide as the queries or the keys.
    Row,
}

/// Norms of queries and keys, of one kind for both. Cloning shares the vectors.
///
/// All vectors lie in one tensor: with buffers of their own, a program that rotates and
/// appends besides would have more buffers than WebGPU promises.
#[derive(Clone, Debug)]
pub struct QueryKeyNorm {
    pub(crate) extent: NormExtent,
    pub(crate) kind: NormKind,
    pub(crate) eps: f32,
    /// Elements of the query's weight, and of the key's.
    pub(crate) lengths: [usize; 2],
    /// `[query weight | key weight | query bias | key bias]`.
    pub(crate) vectors: Tensor<1>,
}

/// Of queries, or of keys.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Side {
    Query,
    Key,
}

impl QueryKeyNorm {
    /// Norms over heads or whole rows.
    ///
    /// # Panics
    /// Where the two are of different kinds, with and without bias or with epsilons of their
    /// own, or a bias is not as long as its weight.
    pub fn new(extent: NormExtent, query: Norm<'_, Tensor<1>>, key: Norm<'_, Tensor<1>>) -> Self {
        assert_eq!(
            (query.kind(), query.eps()),
            (key.kind(), key.eps()),
            "query_key_norm: the norms of queries and of keys are of two kinds"
        );
        let lengths = [query, key].map(|norm| {
            let [length] = norm.weight().dims();
            norm.check(length, "query_key_norm");
            length
        });
        let weights = [query, key].map(|norm| Some(norm.weight()));
        let biases = [query, key].map(|norm| norm.bias());
        let vectors = weights.into_iter().chain(biases).flatten().cloned();
        Self {
            extent,
            kind: query.kind(),
            eps: query.eps(),
            lengths,
            vectors: Tensor::cat(vectors.collect(), 0),
        }
    }

    pub(crate) fn check(&self, shape: &AttentionShape) {
        let groups = [Side::Query, Side::Key].map(|side| self.group(side, shape));
        assert_eq!(
            self.lengths, groups,
            "query_key_norm: lengths of the weights of queries and keys"
        );
    }

    /// Elements that are normalised together.
    pub(crate) fn group(&self, side: Side, shape: &AttentionShape) -> usize {
        match (self.extent, side) {
            (NormExtent::Head, _) => shape.head_dim,
            (NormExtent::Row, Side::Query) => shape.heads * shape.head_dim,
            (NormExtent::Row, Side::Key) => shape.kv_heads * shape.head_dim,
        }
    }

    pub(crate) fn vectors_on_cpu(&self) -> CpuRows {
        on_cpu(self.vectors.clone())
    }

    /// The norm of a side, whose vectors are among `vectors`.
    pub(crate) fn of<'a>(&self, side: Side, vectors: &'a [f32]) -> Norm<'a, [f32]> {
        let [query, key] = self.lengths;
        let (start, length) = match side {
            Side::Query => (0, query),
            Side::Key => (query, key),
        };
        let weight = &vectors[start..start + length];
        let eps = self.eps;
        match self.kind {
            NormKind::Rms => Norm::Rms { weight, eps },
            NormKind::Layer { bias } => Norm::Layer {
                weight,
                bias: bias.then(|| &vectors[query + key + start..][..length]),
                eps,
            },
        }
    }
}
