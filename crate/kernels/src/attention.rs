//! Softmax attention over spans of keys.

use std::ops::Range;
use std::sync::Arc;

use burn::tensor::{Tensor, TensorData};

use crate::activation::add_scaled;
use crate::cpu::Cpu;
use crate::dense::{Dense, from_cpu, from_gpu, on_cpu, on_gpu};
use crate::gpu::Gpu;
use crate::kernels::{AttentionTask, Kernels};

/// Heads of an attention.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttentionShape {
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; query head `h` reads head `h * kv_heads / heads`.
    pub kv_heads: usize,
    /// Numbers of a head.
    pub head_dim: usize,
}

/// Attention with linear biases (Press et al. 2022): `slope * (j - last)` is
/// added to the score of key `j`, where `last` is the last key of the span.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Alibi {
    /// Largest exponent: the slopes run from `2^(-max_bias / heads)` to
    /// `2^-max_bias`.
    pub max_bias: f32,
}

impl Alibi {
    /// The slope of each head, in MPT's order: where `heads` is no power of
    /// two, every other slope of the next power first, then the rest.
    pub(crate) fn slopes(&self, heads: usize) -> Vec<f32> {
        let power = heads.next_power_of_two();
        let slope = |i: usize| {
            let exponent = (i + 1) as f64 * f64::from(self.max_bias) / power as f64;
            libm::exp2(-exponent) as f32
        };
        if power == heads {
            (0..heads).map(slope).collect()
        } else {
            let odd = (1..power).step_by(2);
            let even = (0..power).step_by(2);
            odd.chain(even).take(heads).map(slope).collect()
        }
    }
}

/// Which keys each query sees: for query `i` the keys `start <= j < end`, and where
/// sequences branch, some more, each named.
///
/// Cloning is cheap.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spans {
    pub(crate) queries: usize,
    pub(crate) rule: SpanRule,
}

/// Spans as a rule where there is one: it travels to the GPU with the launch
/// instead of in a buffer of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SpanRule {
    /// The same start for all, and an end that may grow with the query.
    Sliding {
        /// First key of every query.
        start: u32,
        /// Past the last key of query 0.
        end: u32,
        /// What `end` grows by from one query to the next: 1 or 0.
        step: u32,
    },
    /// One pair a query.
    Pairs(Arc<[[u32; 2]]>),
    /// The same span for all, then the keys of each query's branch.
    Branches {
        /// First key of every query.
        start: u32,
        /// Past the last key that all share.
        end: u32,
        /// The branches one after the other.
        rows: Arc<[u32]>,
        /// `(first, length)` of each query's branch in `rows`.
        branches: Arc<[[u32; 2]]>,
    },
}

/// The keys that one query sees, in the order of their positions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SeenKeys<'a> {
    start: usize,
    end: usize,
    branch: &'a [u32],
}

impl SeenKeys<'_> {
    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.end.saturating_sub(self.start) + self.branch.len()
    }

    /// The row of the key at `place` among them.
    pub(crate) fn row(&self, place: usize) -> usize {
        let row = self.start + place;
        match row.checked_sub(self.end) {
            Some(place) => self.branch[place] as usize,
            None => row,
        }
    }
}

impl Spans {
    /// Query `i` sees the keys `first_valid ..= past + i`: `past` keys are there
    /// from before, and the first `first_valid` keys are padding. A query that
    /// is padding itself sees nothing.
    pub fn causal(queries: usize, past: u32, first_valid: u32) -> Self {
        Self {
            queries,
            rule: SpanRule::Sliding {
                start: first_valid,
                end: past + 1,
                step: 1,
            },
        }
    }

    /// Every query sees all `keys` keys.
    pub fn full(queries: usize, keys: u32) -> Self {
        Self {
            queries,
            rule: SpanRule::Sliding {
                start: 0,
                end: keys,
                step: 0,
            },
        }
    }

    /// One `(start, end)` for each query.
    pub fn from_pairs(pairs: &[(u32, u32)]) -> Self {
        Self {
            queries: pairs.len(),
            rule: SpanRule::Pairs(pairs.iter().map(|&pair| pair.into()).collect()),
        }
    }

    /// Query `i` sees the keys `first_valid <= j < shared`, and behind them, in this
    /// order, those that `branches[i]` names: sequences that begin alike and then
    /// differ, such as the beams of a search or the choices of a question.
    ///
    /// # Panics
    /// Where `first_valid` lies past `shared`.
    pub fn branching(first_valid: u32, shared: u32, branches: &[&[u32]]) -> Self {
        assert!(
            first_valid <= shared,
            "Spans: {first_valid} keys of padding among {shared}"
        );
        let mut first = 0;
        let spans = branches
            .iter()
            .map(|branch| {
                let span = [first, branch.len() as u32];
                first += span[1];
                span
            })
            .collect();
        Self {
            queries: branches.len(),
            rule: SpanRule::Branches {
                start: first_valid,
                end: shared,
                rows: branches.concat().into(),
                branches: spans,
            },
        }
    }

    /// Number of queries.
    pub fn queries(&self) -> usize {
        self.queries
    }

    /// The keys of query `i`.
    pub(crate) fn keys(&self, i: usize) -> SeenKeys<'_> {
        let (start, end, branch): (u32, u32, &[u32]) = match &self.rule {
            SpanRule::Sliding { start, end, step } => (*start, end + step * i as u32, &[]),
            SpanRule::Pairs(pairs) => (pairs[i][0], pairs[i][1], &[]),
            SpanRule::Branches {
                start,
                end,
                rows,
                branches,
            } => {
                let [first, len] = branches[i].map(|number| number as usize);
                (*start, *end, &rows[first..first + len])
            }
        };
        SeenKeys {
            start: start as usize,
            end: end as usize,
            branch,
        }
    }

    /// Past the largest key any query sees.
    fn end(&self) -> usize {
        (0..self.queries)
            .map(|i| self.keys(i))
            .map(|keys| {
                let spanned = if keys.start < keys.end { keys.end } else { 0 };
                let branch = keys.branch.iter().max();
                spanned.max(branch.map_or(0, |&row| row as usize + 1))
            })
            .max()
            .unwrap_or(0)
    }
}

/// Attention of `q` `[queries, heads * head_dim]` over `k` and `v`
/// `[keys, kv_heads * head_dim]`: scores are scaled by `1 / sqrt(head_dim)`,
/// softmax runs over each query's span, and a query whose span is empty gives a
/// row of exact zeros. The result is `[queries, heads * head_dim]`.
///
/// # Panics
/// Where the sizes do not fit, a span reaches past the keys, a head's width is no
/// multiple of 4 or larger than 256, or the operands are on two devices.
pub fn attention(
    q: Tensor<2>,
    k: Tensor<2>,
    v: Tensor<2>,
    shape: &AttentionShape,
    spans: &Spans,
    alibi: Option<Alibi>,
) -> Tensor<2> {
    let &AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = shape;
    let [queries, width] = q.dims();
    let [keys, kv_width] = k.dims();
    assert!(
        kv_heads > 0 && heads.is_multiple_of(kv_heads),
        "attention: {heads} heads over {kv_heads}"
    );
    assert!(
        head_dim.is_multiple_of(4) && (1..=MAX_HEAD_DIM).contains(&head_dim),
        "attention: heads of {head_dim}, which is no multiple of 4 up to {MAX_HEAD_DIM}"
    );
    assert_eq!(width, heads * head_dim, "attention: width of the queries");
    assert_eq!(
        kv_width,
        kv_heads * head_dim,
        "attention: width of the keys"
    );
    assert_eq!(v.dims(), [keys, kv_width], "attention: values");
    assert_eq!(spans.queries, queries, "attention: number of spans");
    assert!(
        spans.end() <= keys,
        "attention: a span ends at {}, but there are {keys} keys",
        spans.end()
    );
    let task = AttentionTask {
        shape,
        keys,
        spans,
        alibi,
    };
    match Dense::of(q) {
        Dense::Cpu(q) => from_cpu(
            Cpu.attention(&q, &on_cpu(k), &on_cpu(v), &task),
            [queries, width],
        ),
        Dense::Gpu(q) => from_gpu(Gpu.attention(&q, &on_gpu(k), &on_gpu(v), &task)),
    }
}

/// How `q` `[queries, heads * head_dim]` shares its attention among the keys `k`
/// `[keys, kv_heads * head_dim]`: `[queries, keys]`, the mean over the heads. Each row
/// sums to 1.
///
/// This is [`attention`] over values that name their keys, so that what is told is
/// what the kernels compute. A head's values have room for `head_dim` names, so the keys
/// are taken in blocks of so many: each query looks once at all keys, to tell how it
/// shares among the blocks, and once at each block by itself, to tell how it shares within
/// it. That is about as much work as two attentions, however many keys there are, up to
/// `head_dim` blocks; more blocks go in groups of so many.
///
/// # Panics
/// As [`attention`].
pub fn attention_weights(q: Tensor<2>, k: Tensor<2>, shape: &AttentionShape) -> Tensor<2> {
    let [keys, _] = k.dims();
    let group = shape.head_dim * shape.head_dim;
    let parts: Vec<Tensor<2>> = (0..keys)
        .step_by(group)
        .map(|first| group_weights(&q, &k, shape, first..keys.min(first + group)))
        .collect();
    Tensor::cat(parts, 1)
}

/// [`attention_weights`] of the keys in `group`, of which there are at most the square of
/// a head's width.
fn group_weights(
    q: &Tensor<2>,
    k: &Tensor<2>,
    shape: &AttentionShape,
    group: Range<usize>,
) -> Tensor<2> {
    let ([queries, _], [keys, _]) = (q.dims(), k.dims());
    let width = shape.head_dim;
    let starts: Vec<usize> = group.clone().step_by(width).collect();
    let blocks = starts.len();

    // Every query once for each block, `[blocks * queries, heads * width]`.
    let spans: Vec<(u32, u32)> = starts
        .iter()
        .map(|&start| (start as u32, group.end.min(start + width) as u32))
        .flat_map(|span| vec![span; queries])
        .collect();
    let names = key_names(k, shape, |key| Some(key % width));
    let repeated = match blocks {
        1 => q.clone(),
        _ => Tensor::cat(vec![q.clone(); blocks], 0),
    };
    let within = attention(
        repeated,
        k.clone(),
        names,
        shape,
        &Spans::from_pairs(&spans),
        None,
    );
    // What each block gets of all, where there are others, `[queries, heads * width]`.
    let shares = (group.len() < keys || blocks > 1).then(|| {
        let names = key_names(k, shape, |key| {
            group.contains(&key).then(|| (key - group.start) / width)
        });
        let spans = Spans::full(queries, keys as u32);
        attention(q.clone(), k.clone(), names, shape, &spans, None)
    });
    let head = |head: usize| {
        let within = within.clone().narrow(1, head * width, width);
        match &shares {
            None => within,
            Some(shares) => {
                let shares = shares.clone().narrow(1, head * width, blocks);
                within * shares.transpose().reshape([blocks * queries, 1])
            }
        }
    };
    let share = 1.0 / shape.heads as f32;
    let mean = (1..shape.heads).fold(head(0) * share, |mean, other| {
        add_scaled(mean, head(other), share)
    });
    mean.reshape([blocks, queries, width])
        .swap_dims(0, 1)
        .reshape([queries, blocks * width])
        .narrow(1, 0, group.len())
}

/// Values as large as the keys `k` in which each key has a 1 at the place in a head that
/// `name` gives it, in every head, and is 0 elsewhere.
fn key_names(
    k: &Tensor<2>,
    shape: &AttentionShape,
    name: impl Fn(usize) -> Option<usize>,
) -> Tensor<2> {
    let [keys, kv_width] = k.dims();
    let mut names = vec![0.0f32; keys * kv_width];
    for (key, row) in names.chunks_exact_mut(kv_width).enumerate() {
        if let Some(name) = name(key) {
            let heads = row.iter_mut().skip(name).step_by(shape.head_dim);
            heads.for_each(|name| *name = 1.0);
        }
    }
    Tensor::from_data(TensorData::new(names, [keys, kv_width]), &k.device())
}

/// Widest head: a vector of four numbers for each invocation of a workgroup.
const MAX_HEAD_DIM: usize = 256;
