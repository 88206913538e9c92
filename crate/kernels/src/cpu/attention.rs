//! Softmax attention: scores of a query and head in one row, in the cache.

use multiversion::multiversion;

use super::math::{LANES, dot, exp, sum_lanes};
use super::threads::for_each_chunk;
use crate::attention::{AttentionShape, SeenKeys};
use crate::kernels::AttentionTask;

pub(super) fn attention(q: &[f32], k: &[f32], v: &[f32], task: &AttentionTask<'_>) -> Vec<f32> {
    let &AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = task.shape;
    let slopes = task.alibi.map(|alibi| alibi.slopes(heads));
    let mut out = vec![0.0; q.len()];
    let work = 2 * q.len() * task.keys;
    for_each_chunk(&mut out, head_dim, work, |index, out| {
        let (query, head) = (index / heads, index % heads);
        let keys = task.spans.keys(query);
        if keys.len() == 0 {
            return;
        }
        let kv_start = head * kv_heads / heads * head_dim;
        let view = HeadView {
            k: &k[kv_start..],
            v: &v[kv_start..],
            stride: kv_heads * head_dim,
            keys,
            slope: slopes.as_ref().map_or(0.0, |slopes| slopes[head]),
        };
        one_head(&q[index * head_dim..][..head_dim], &view, out);
    });
    out
}

/// The keys and values one query sees in one head.
struct HeadView<'a> {
    k: &'a [f32],
    v: &'a [f32],
    /// From one key's numbers to the next.
    stride: usize,
    keys: SeenKeys<'a>,
    slope: f32,
}

/// `out [head_dim]`, zeros before, of `q [head_dim]` over the keys of `view`.
#[multiversion(targets("x86_64+avx2"))]
fn one_head(q: &[f32], view: &HeadView<'_>, out: &mut [f32]) {
    let head_dim = q.len();
    let scale = 1.0 / (head_dim as f32).sqrt();
    let last = (view.keys.len() - 1) as f32;
    let mut weights: Vec<f32> = (0..view.keys.len())
        .map(|place| {
            let k = &view.k[view.keys.row(place) * view.stride..][..head_dim];
            dot(q, k) * scale + view.slope * (place as f32 - last)
        })
        .collect();
    let largest = weights.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for weight in &mut weights {
        *weight = exp(*weight - largest);
    }
    let mut lanes = [0.0; LANES];
    for (i, weight) in weights.iter().enumerate() {
        lanes[i % LANES] += weight;
    }
    let total = 1.0 / sum_lanes(lanes);
    for (place, weight) in weights.iter().enumerate() {
        let v = &view.v[view.keys.row(place) * view.stride..][..head_dim];
        for (out, v) in out.iter_mut().zip(v) {
            *out += weight * v;
        }
    }
    for out in out {
        *out *= total;
    }
}
