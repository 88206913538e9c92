//! Which attention program runs.

use burn_wgpu::CubeTensor;

use super::context::context_of;
use super::launch::Info;
use super::program::{HEAD_WORKGROUP, Program, SpanSource, invocations_a_head};
use crate::attention::SpanRule;
use crate::device::KernelFamily;
use crate::kernels::AttentionTask;

/// How attention is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// One or two invocations a head of a query, which share nothing. On a software
    /// device, where barriers and a workgroup's memory take most of the time: on
    /// SwiftShader a tenth of the time of `Split` for a token of decoding, and less for
    /// a prompt.
    Rows,
    /// A workgroup a head of a query.
    Split,
}

impl Plan {
    /// The plan for a device.
    pub(super) fn choose(kernels: KernelFamily) -> Self {
        match kernels {
            KernelFamily::Invocations => Self::Rows,
            _ => Self::Split,
        }
    }
}

/// Attention by `plan`.
pub(super) fn attention(
    q: &CubeTensor,
    k: &CubeTensor,
    v: &CubeTensor,
    task: &AttentionTask<'_>,
    plan: Plan,
) -> CubeTensor {
    let context = context_of(q);
    let shape = task.shape;
    let queries = task.spans.queries();
    let out = context.empty(queries, shape.heads * shape.head_dim);
    let buffer = |bytes: &[u8]| context.client.create_from_slice(bytes);
    let (source, lists, [start, end, step]) = match &task.spans.rule {
        SpanRule::Sliding { start, end, step } => {
            (SpanSource::Rule, Vec::new(), [*start, *end, *step])
        }
        SpanRule::Pairs(pairs) => {
            let pairs = buffer(bytemuck::cast_slice(pairs));
            (SpanSource::Pairs, vec![pairs], [0; 3])
        }
        // A buffer cannot be empty.
        SpanRule::Branches {
            start, end, rows, ..
        } if rows.is_empty() => (SpanSource::Rule, Vec::new(), [*start, *end, 0]),
        SpanRule::Branches {
            start,
            end,
            rows,
            branches,
        } => {
            let lists = vec![
                buffer(bytemuck::cast_slice(branches)),
                buffer(bytemuck::cast_slice(rows)),
            ];
            (SpanSource::Branches, lists, [*start, *end, 0])
        }
    };
    let mut inputs = vec![&q.handle, &k.handle, &v.handle];
    inputs.extend(&lists);
    let info = Info::new([
        queries,
        shape.heads,
        shape.kv_heads,
        shape.head_dim / 4,
        start as usize,
        end as usize,
        step as usize,
        shape.heads.next_power_of_two(),
    ])
    .and(task.alibi.map_or(0.0, |alibi| alibi.max_bias))
    .and(1.0 / (shape.head_dim as f32).sqrt());
    let (spans, alibi) = (source, task.alibi.is_some());
    let all = queries * shape.heads;
    let (program, groups) = match plan {
        Plan::Rows => {
            let head_vectors = (shape.head_dim / 4) as u32;
            let program = Program::AttentionRows {
                spans,
                alibi,
                head_vectors,
            };
            let invocations = all * invocations_a_head(head_vectors) as usize;
            (program, invocations.div_ceil(HEAD_WORKGROUP as usize))
        }
        Plan::Split => (Program::AttentionSplit { spans, alibi }, all),
    };
    context.launch(program, &inputs, &[&out.handle], info, groups);
    out
}
