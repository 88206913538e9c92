//! The GPU implementation: WGSL programs launched through Burn.
//!
//! The text of a program depends on nothing but its `Program` value; sizes come
//! in a small uniform that Burn keeps from launch to launch. Inputs are
//! read-only bindings and the output is a buffer of its own, as the WebGPU
//! standard demands.

mod adapter;
mod attention;
#[cfg(target_family = "wasm")]
mod browser;
mod context;
mod faults;
mod launch;
mod linear;
mod matrix;
mod program;
mod self_test;
mod tensor;
#[cfg(test)]
mod tests;

use burn_wgpu::CubeTensor;
use cubecl::server::Handle;

use crate::activation::{Activation, Scale};
use crate::conv::Conv2dShape;
use crate::dense::on_gpu;
use crate::device::KernelFamily;
use crate::fused::Fusion;
use crate::kernels::{AttentionTask, Kernels, LinearShape, NormTask};
use crate::query_key_norm::QueryKeyNorm;
use crate::rope::{RopeTask, RowPositions};
pub(crate) use adapter::Adapter;
pub(crate) use context::GpuContext;
use context::context_of;
use launch::{Info, groups_for};
pub use matrix::GpuMatrix;
use program::{Format, HEAD_WORKGROUP, Program};
pub(crate) use tensor::{faults_of, from_burn, to_burn};

/// Numbers in a buffer of a GPU.
pub type GpuTensor = CubeTensor;
/// A buffer of a GPU.
pub(crate) type GpuBuffer = Handle;

/// The implementation for GPUs.
#[derive(Clone, Copy, Debug)]
pub struct Gpu;

/// Numbers of a tensor.
fn len(tensor: &CubeTensor) -> usize {
    tensor.meta.shape().num_elements()
}

/// A program that makes one number of each number of `x`: the result has the shape of
/// `x`.
fn pointwise(program: Program, x: &CubeTensor, inputs: &[&CubeTensor], info: Info) -> CubeTensor {
    let context = context_of(x);
    let out = CubeTensor::new_contiguous(
        x.client.clone(),
        x.device.clone(),
        x.meta.shape().clone(),
        context.client.empty(len(x) * size_of::<f32>()),
        x.dtype,
    );
    let inputs: Vec<_> = inputs.iter().map(|input| &input.handle).collect();
    context.launch(program, &inputs, &[&out.handle], info, groups_for(len(x)));
    out
}

impl Kernels for Gpu {
    type Dense = CubeTensor;
    type Packed = GpuMatrix;

    fn linear(
        &self,
        x: &CubeTensor,
        w: &GpuMatrix,
        bias: Option<&CubeTensor>,
        shape: LinearShape,
    ) -> CubeTensor {
        self.fused_linear(
            x,
            w,
            &Fusion {
                bias,
                ..Fusion::default()
            },
            shape,
        )
    }

    fn fused_linear(
        &self,
        x: &CubeTensor,
        w: &GpuMatrix,
        fusion: &Fusion<'_, CubeTensor, CubeTensor>,
        shape: LinearShape,
    ) -> CubeTensor {
        let format = Format::of(w.tensor_type, shape.k);
        let plan = linear::Plan::choose(w.context.kernels, format, shape.m);
        linear::fused_linear(x, w, fusion, shape, plan)
    }

    fn embed(&self, w: &GpuMatrix, ids: &[u32], added_to: Option<&CubeTensor>) -> CubeTensor {
        let context = &w.context;
        let out = context.empty(ids.len(), w.cols);
        let rows = context.client.create_from_slice(bytemuck::cast_slice(ids));
        let steps = w.cols.div_ceil(8);
        let program = Program::Embed {
            format: Format::of(w.tensor_type, w.cols),
            added: added_to.is_some(),
        };
        let groups = groups_for(ids.len() * steps);
        for part in &w.parts {
            let held = part.first..part.first + part.rows;
            if !ids.iter().any(|&id| held.contains(&(id as usize))) {
                continue;
            }
            let mut inputs = vec![&part.handle, &rows];
            inputs.extend(added_to.map(|x| &x.handle));
            let scales = part.scales as usize;
            let info = Info::new([ids.len(), steps, w.cols, scales, part.first, part.rows]);
            context.launch(program.clone(), &inputs, &[&out.handle], info, groups);
        }
        out
    }

    fn layer_norm(
        &self,
        x: &CubeTensor,
        weight: &CubeTensor,
        bias: Option<&CubeTensor>,
        task: NormTask,
    ) -> CubeTensor {
        let context = context_of(x);
        let out = context.empty(task.rows, task.width);
        let program = Program::LayerNorm {
            bias: bias.is_some(),
        };
        let mut inputs = vec![&x.handle, &weight.handle];
        inputs.extend(bias.map(|bias| &bias.handle));
        let info = Info::new([task.rows, task.width]).and(task.eps);
        context.launch(program, &inputs, &[&out.handle], info, task.rows);
        out
    }

    fn rms_norm(&self, x: &CubeTensor, weight: &CubeTensor, task: NormTask) -> CubeTensor {
        let context = context_of(x);
        let out = context.empty(task.rows, task.width);
        let inputs = [&x.handle, &weight.handle];
        let info = Info::new([task.rows, task.width]).and(task.eps);
        context.launch(Program::RmsNorm, &inputs, &[&out.handle], info, task.rows);
        out
    }

    fn rope(&self, x: &CubeTensor, task: &RopeTask) -> CubeTensor {
        self.rotate(x, task, task.heads * task.head_dim, None)
    }

    fn attention(
        &self,
        q: &CubeTensor,
        k: &CubeTensor,
        v: &CubeTensor,
        task: &AttentionTask<'_>,
    ) -> CubeTensor {
        let plan = attention::Plan::choose(context_of(q).kernels);
        attention::attention(q, k, v, task, plan)
    }

    fn conv2d(
        &self,
        x: &CubeTensor,
        weight: &CubeTensor,
        bias: Option<&CubeTensor>,
        shape: &Conv2dShape,
    ) -> CubeTensor {
        self.activated_conv2d(x, weight, bias, None, shape)
    }

    fn activated_conv2d(
        &self,
        x: &CubeTensor,
        weight: &CubeTensor,
        bias: Option<&CubeTensor>,
        activation: Option<Activation>,
        shape: &Conv2dShape,
    ) -> CubeTensor {
        let context = context_of(x);
        let s = shape;
        let pixels = s.out_h * s.out_w;
        let out = context.empty(pixels, s.c_out);
        let mut inputs = vec![&x.handle, &weight.handle];
        inputs.extend(bias.map(|bias| &bias.handle));
        let info = Info::new([
            pixels * s.c_out,
            s.in_h,
            s.in_w,
            s.c_in,
            s.c_out,
            s.out_w,
            s.kernel,
            s.stride,
            s.pad_top,
            s.pad_left,
            s.c_in / s.groups,
            s.c_out / s.groups,
        ]);
        let program = Program::Conv2d {
            bias: bias.is_some(),
            activation,
        };
        let groups = groups_for(pixels * s.c_out);
        context.launch(program, &inputs, &[&out.handle], info, groups);
        out
    }

    fn activation(&self, x: &CubeTensor, function: Activation) -> CubeTensor {
        pointwise(Program::Activation(function), x, &[x], Info::new([len(x)]))
    }

    fn gated(&self, x: &CubeTensor, function: Activation, width: usize) -> CubeTensor {
        let context = context_of(x);
        let count = len(x) / 2;
        let out = context.empty(count / width, width);
        let info = Info::new([count, width]);
        let groups = groups_for(count);
        let program = Program::Gated(function);
        context.launch(program, &[&x.handle], &[&out.handle], info, groups);
        out
    }

    fn add_scaled(
        &self,
        x: &CubeTensor,
        y: &CubeTensor,
        scale: Scale<'_, CubeTensor>,
    ) -> CubeTensor {
        let (number, columns) = match scale {
            Scale::Number(number) => (number, None),
            Scale::Columns(columns) => (1.0, Some(columns)),
        };
        let mut inputs = vec![x, y];
        inputs.extend(columns);
        let info = Info::new([len(x), columns.map_or(1, len)]).and(number);
        let program = Program::AddScaled {
            columns: columns.is_some(),
        };
        pointwise(program, x, &inputs, info)
    }
}

/// The place of keys, and of values.
pub(crate) struct Appended<'a> {
    /// Before queries and keys are rotated.
    pub(crate) norm: Option<&'a QueryKeyNorm>,
    pub(crate) keys: &'a Handle,
    pub(crate) values: &'a Handle,
    /// Rows that they hold.
    pub(crate) held: usize,
    /// Numbers of a row.
    pub(crate) width: usize,
}

impl Gpu {
    /// Rotates the first `query_width` numbers of each row of `x`, and gives them; of
    /// the others, keys are rotated and appended, and values appended.
    pub(crate) fn rotate(
        &self,
        x: &CubeTensor,
        task: &RopeTask,
        query_width: usize,
        appended: Option<Appended<'_>>,
    ) -> CubeTensor {
        let context = context_of(x);
        let out = context.empty(task.rows, query_width);
        let rotations = context.rotations(&task.rope, task.positions.end(task.rows));
        let (first, listed) = match &task.positions {
            RowPositions::From(first) => (*first, None),
            RowPositions::Each(positions) => {
                let bytes = bytemuck::cast_slice(positions);
                (0, Some(context.client.create_from_slice(bytes)))
            }
        };
        let mut inputs = vec![&x.handle, &rotations];
        inputs.extend(&listed);
        let mut outputs = vec![&out.handle];
        let (mut key_width, mut held, mut norm) = (0, 0, None);
        if let Some(appended) = &appended {
            outputs.extend([appended.keys, appended.values]);
            (key_width, held) = (appended.width, appended.held);
            norm = appended.norm;
        }
        let width = query_width + 2 * key_width;
        let rope = &task.rope;
        let (style, listed) = (rope.style, listed.is_some());
        let places = [
            width,
            query_width,
            key_width,
            task.head_dim,
            rope.rotary_dims,
            first as usize,
            held,
        ];
        let Some(norm) = norm else {
            let numbers = task.rows * width;
            let program = Program::Rope {
                style,
                listed,
                append: appended.is_some(),
            };
            let info = Info::new([numbers]).with(places);
            context.launch(program, &inputs, &outputs, info, groups_for(numbers));
            return out;
        };
        let vectors = on_gpu(norm.vectors.clone());
        inputs.push(&vectors.handle);
        let [query, key] = norm.lengths;
        let info = Info::new([task.rows])
            .with(places)
            .with([query, query + key])
            .and(norm.eps);
        let heads = task.rows * width / task.head_dim;
        // Barriers cost a software device more than the sums of a head.
        let shared = context.kernels != KernelFamily::Invocations;
        let groups = match shared {
            true => heads,
            false => heads.div_ceil(HEAD_WORKGROUP as usize),
        };
        let program = Program::RopeNormed {
            style,
            listed,
            extent: norm.extent,
            norm: norm.kind,
            shared,
        };
        context.launch(program, &inputs, &outputs, info, groups);
        out
    }

    /// Copies the first `count` numbers of `from` to `to`, behind its first
    /// `offset` numbers.
    pub(crate) fn copy(
        &self,
        context: &GpuContext,
        from: &Handle,
        to: &Handle,
        offset: usize,
        count: usize,
    ) {
        let fours = count.is_multiple_of(4) && offset.is_multiple_of(4);
        let numbers = if fours { 4 } else { 1 };
        let (count, offset) = (count / numbers, offset / numbers);
        let info = Info::new([count, offset]);
        let program = Program::Copy { fours };
        context.launch(program, &[from], &[to], info, groups_for(count));
    }

    /// Multiplies and adds in the registers of so many invocations, each of which writes
    /// one number in the end.
    pub(crate) fn multiply_add(
        &self,
        context: &GpuContext,
        to: &Handle,
        invocations: usize,
        rounds: usize,
    ) {
        // Near 1, so that the sums stay numbers.
        let info = Info::new([invocations, rounds]).and(0.999);
        context.launch(
            Program::MultiplyAdd,
            &[],
            &[to],
            info,
            groups_for(invocations),
        );
    }
}
