//! Softmax attention, one query and head after the other.

use crate::attention::AttentionShape;
use crate::kernels::AttentionTask;

pub(super) fn attention(q: &[f32], k: &[f32], v: &[f32], task: &AttentionTask<'_>) -> Vec<f32> {
    let &AttentionShape {
        heads,
        kv_heads,
        head_dim,
    } = task.shape;
    let slopes = task.alibi.map(|alibi| alibi.slopes(heads));
    let mut out = vec![0.0; q.len()];
    for query in 0..task.spans.queries() {
        let keys = task.spans.keys(query);
        if keys.len() == 0 {
            continue;
        }
        for head in 0..heads {
            let kv_head = head * kv_heads / heads;
            let at = |row: usize| row * kv_heads * head_dim + kv_head * head_dim;
            let head_start = query * heads * head_dim + head * head_dim;
            let q = &q[head_start..][..head_dim];
            let slope = slopes
                .as_ref()
                .map_or(0.0, |slopes| f64::from(slopes[head]));
            let scores: Vec<f64> = (0..keys.len())
                .map(|place| {
                    let distance = place as f64 - (keys.len() - 1) as f64;
                    super::dot(q, &k[at(keys.row(place))..][..head_dim])
                        / libm::sqrt(head_dim as f64)
                        + slope * distance
                })
                .collect();
            let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let weights: Vec<f64> = scores.iter().map(|s| libm::exp(s - largest)).collect();
            let total: f64 = weights.iter().sum();
            for dim in 0..head_dim {
                let sum: f64 = weights
                    .iter()
                    .enumerate()
                    .map(|(place, weight)| weight * f64::from(v[at(keys.row(place)) + dim]))
                    .sum();
                out[head_start + dim] = (sum / total) as f32;
            }
        }
    }
    out
}
