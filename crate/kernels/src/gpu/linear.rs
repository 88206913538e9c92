//! Which matrix product program runs.

use burn_wgpu::CubeTensor;

use super::Gpu;
use super::launch::{Info, groups_for};
use super::matrix::GpuMatrix;
use super::program::{Format, Fused, FusedFinish, Program};
use crate::activation::Scale;
use crate::device::KernelFamily;
use crate::fused::{Finish, Fusion};
use crate::kernels::{Kernels, LinearShape};

/// How a product is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// One invocation for a few weight rows in blocks and `tile` activation rows.
    /// Invocations of a software device are iterations of a loop: no reason to
    /// split a row among them, and what they load once they had better use
    /// often.
    Blocks { tile: u32 },
    /// The same for weights that are in no blocks.
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
    pub(super) fn choose(kernels: KernelFamily, format: Format, m: usize) -> Self {
        match (kernels, m) {
            (KernelFamily::Invocations, 1) if format.has_blocks() => Self::Blocks { tile: 1 },
            (KernelFamily::Invocations, _) if format.has_blocks() => Self::Blocks { tile: 4 },
            (KernelFamily::Invocations, 1) => Self::Rows {
                tile: 1,
                columns: 1,
            },
            // As fast as 8 × 4, and half as long to compile (on SwiftShader a
            // second or two).
            (KernelFamily::Invocations, _) => Self::Rows {
                tile: 4,
                columns: 4,
            },
            (_, 1..=4) => Self::Split { tile: m as u32 },
            _ => Self::Tiled,
        }
    }
}

impl Plan {
    /// Whether the program can normalise the activation rows itself, and that is faster
    /// than a dispatch of its own.
    fn normalises(self, format: Format, shape: LinearShape) -> bool {
        /// What `normed` in the program of `Split` holds.
        const NUMBERS: usize = 3072;
        /// Past so many weight rows, workgroups that each repeat it take longer.
        const SPLIT_ROWS: usize = 8192;
        /// Past so many, invocations that each repeat it take longer.
        const ROWS: usize = 1024;
        match self {
            Self::Blocks { tile } => tile == 1 && shape.m == 1 && shape.n <= ROWS,
            Self::Split { tile } => {
                shape.m <= tile as usize
                    && shape.m * shape.k <= NUMBERS
                    && shape.n <= SPLIT_ROWS
                    && !format.is_ragged()
            }
            Self::Rows { .. } | Self::Tiled => false,
        }
    }

    /// The program that makes `n` results of each of `m` rows, and its workgroups.
    fn program(self, format: Format, fused: Fused, m: usize, n: usize) -> (Program, usize) {
        match self {
            Self::Blocks { tile } => (
                Program::LinearBlocks {
                    format,
                    tile,
                    fused,
                },
                groups_for(n) * m.div_ceil(tile as usize),
            ),
            Self::Rows { tile, columns } => (
                Program::LinearRows {
                    format,
                    tile,
                    columns,
                    fused,
                },
                groups_for(n.div_ceil(columns as usize)) * m.div_ceil(tile as usize),
            ),
            Self::Split { tile } => (
                Program::LinearSplit {
                    format,
                    tile,
                    fused,
                },
                n.div_ceil(4) * m.div_ceil(tile as usize),
            ),
            Self::Tiled => (
                Program::LinearTiled { format, fused },
                n.div_ceil(64) * m.div_ceil(32),
            ),
        }
    }

    /// Whether one invocation has a number and its gate.
    fn pairs_gates(self) -> bool {
        matches!(self, Self::Blocks { tile: 1 } | Self::Split { .. })
    }
}

/// `finish(norm(x) · wᵀ + bias)` by `plan`; what its program does not do itself is done
/// by programs of its own.
pub(super) fn fused_linear(
    x: &CubeTensor,
    w: &GpuMatrix,
    fusion: &Fusion<'_, CubeTensor, CubeTensor>,
    shape: LinearShape,
    plan: Plan,
) -> CubeTensor {
    let format = Format::of(w.tensor_type, shape.k);
    if let Some(norm) = fusion.norm
        && !plan.normalises(format, shape)
    {
        let x = Gpu.normalise(x, norm, shape.m, shape.k);
        let rest = Fusion {
            norm: None,
            ..*fusion
        };
        return fused_linear(&x, w, &rest, shape, plan);
    }
    // Where a matrix is in parts, a value and its gate are in two of them.
    let paired = plan.pairs_gates() && w.parts.len() == 1;
    if let Finish::Gated(function) = fusion.finish
        && !paired
    {
        let bare = Fusion {
            finish: Finish::Sum,
            ..*fusion
        };
        let product = launch(x, w, &bare, shape, plan);
        return Gpu.gated(&product, function, shape.n / 2);
    }
    launch(x, w, fusion, shape, plan)
}

/// One dispatch for each part of the matrix.
fn launch(
    x: &CubeTensor,
    w: &GpuMatrix,
    fusion: &Fusion<'_, CubeTensor, CubeTensor>,
    shape: LinearShape,
    plan: Plan,
) -> CubeTensor {
    let LinearShape { m, k, .. } = shape;
    let mut fused = Fused {
        bias: fusion.bias.is_some(),
        ..Fused::default()
    };
    let mut before = vec![&x.handle];
    if let Some(norm) = &fusion.norm {
        fused.norm = Some(norm.kind());
        before.push(&norm.weight().handle);
        before.extend(norm.bias().map(|bias| &bias.handle));
    }
    let eps = fusion.norm.map_or(0.0, |norm| norm.eps());
    let mut behind = Vec::from_iter(fusion.bias.map(|bias| &bias.handle));
    // Weight rows a result, and what the product counts.
    let (mut rows_each, mut scale) = (1, 1.0);
    match fusion.finish {
        Finish::Sum => {}
        Finish::Activation(function) => fused.finish = FusedFinish::Activation(function),
        Finish::Gated(function) => {
            fused.finish = FusedFinish::Gated(function);
            rows_each = 2;
        }
        Finish::AddTo { x, scale: counted } => {
            behind.push(&x.handle);
            let columns = match counted {
                Scale::Number(number) => {
                    scale = number;
                    false
                }
                Scale::Columns(columns) => {
                    behind.push(&columns.handle);
                    true
                }
            };
            fused.finish = FusedFinish::AddTo { columns };
        }
    }
    let format = Format::of(w.tensor_type, k);
    let context = &w.context;
    let width = shape.n / rows_each;
    let out = context.empty(m, width);
    for part in &w.parts {
        let n = part.rows / rows_each;
        let (program, groups) = plan.program(format, fused, m, n);
        let inputs = [&before[..], &[&part.handle], &behind].concat();
        let info = Info::new([m, n, k, part.scales as usize, width, part.first])
            .and(eps)
            .and(scale);
        context.launch(program, &inputs, &[&out.handle], info, groups);
    }
    out
}
