//! Which matrix product program runs.

use std::sync::Arc;

use burn_wgpu::CubeTensor;

use super::context::GpuContext;
use super::launch::{Info, groups_for};
use super::matrix::GpuMatrix;
use super::program::{Format, Program};
use crate::kernels::LinearShape;

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// One invocation for `columns` weight rows and `tile` activation rows.
    /// Invocations of a software device are iterations of a loop: no reason to
    /// split a row among them, and what they load once they had better use
    /// often.
    Rows { tile: u32, columns: u32 },
    /// Sixteen invocations a weight row: neighbours read neighbouring words, and
    /// a small matrix still fills the device. For few activation rows, where
    /// the time goes into reading the weights.
    Split { tile: u32 },
    /// Tiles in workgroup memory, each weight unpacked once for 32 activation
    /// rows. For many of them, where the time goes into products.
    Tiled,
}

impl Plan {
    /// The plan for `m` activation rows.
    pub(super) fn choose(software: bool, m: usize) -> Self {
        match (software, m) {
            (true, 1) => Self::Rows {
                tile: 1,
                columns: 1,
            },
            // As fast as 8 × 4, and half as long to compile (on SwiftShader a
            // second or two).
            (true, _) => Self::Rows {
                tile: 4,
                columns: 4,
            },
            (false, 1..=4) => Self::Split { tile: m as u32 },
            (false, _) => Self::Tiled,
        }
    }
}

/// `x · wᵀ + bias` by `plan`.
pub(super) fn linear(
    context: &Arc<GpuContext>,
    x: &CubeTensor,
    w: &GpuMatrix,
    bias: Option<&CubeTensor>,
    shape: LinearShape,
    plan: Plan,
) -> CubeTensor {
    let LinearShape { m, n, k } = shape;
    let out = context.empty(m, n);
    let format = Format::of(w.tensor_type, k);
    let with_bias = bias.is_some();
    let (program, groups) = match plan {
        Plan::Rows { tile, columns } => (
            Program::LinearRows {
                format,
                tile,
                columns,
                bias: with_bias,
            },
            groups_for(n.div_ceil(columns as usize)) * m.div_ceil(tile as usize),
        ),
        Plan::Split { tile } => (
            Program::LinearSplit {
                format,
                tile,
                bias: with_bias,
            },
            n.div_ceil(4) * m.div_ceil(tile as usize),
        ),
        Plan::Tiled => (
            Program::LinearTiled {
                format,
                bias: with_bias,
            },
            n.div_ceil(64) * m.div_ceil(32),
        ),
    };
    let mut inputs = vec![&x.handle, &w.handle];
    inputs.extend(bias.map(|bias| &bias.handle));
    let info = Info::new([m, n, k, w.scales as usize]);
    context.launch(program, &inputs, &out.handle, info, groups);
    out
}
