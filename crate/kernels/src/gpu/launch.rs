//! One launch: buffers, sizes, workgroups.

use burn::tensor::DType;
use burn_wgpu::{CubeTensor, SourceKernel};
use cubecl::CubeCount;
use cubecl::ir::attributes::BufferIOAttr;
use cubecl::server::{Handle, KernelArguments, MetadataBindingInfo};

use super::context::GpuContext;
use super::program::{Program, WORKGROUP};
use crate::error::DeviceError;

/// Workgroups along one axis, by the WebGPU standard.
const MAX_GROUPS: u32 = 65_535;

/// Sizes a program reads: the fields of its `Info`, in order.
pub(super) struct Info(Vec<u32>);

impl Info {
    pub(super) fn new<const N: usize>(sizes: [usize; N]) -> Self {
        // A size past `u32` would belong to a buffer no WebGPU device has.
        Self(sizes.iter().map(|&size| size as u32).collect())
    }

    /// More sizes.
    pub(super) fn with<const N: usize>(mut self, sizes: [usize; N]) -> Self {
        self.0.extend(Self::new(sizes).0);
        self
    }

    pub(super) fn and(mut self, number: f32) -> Self {
        self.0.push(number.to_bits());
        self
    }

    /// The words in pairs, as Burn passes them; a uniform is at least 16 bytes.
    fn packed(mut self) -> MetadataBindingInfo {
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        let (pairs, _) = self.0.as_chunks::<2>();
        let words = pairs
            .iter()
            .map(|&[low, high]| u64::from(low) | u64::from(high) << 32);
        MetadataBindingInfo::custom(words.collect())
    }
}

/// Workgroups of [`WORKGROUP`] invocations for `invocations`.
pub(super) fn groups_for(invocations: usize) -> usize {
    invocations.div_ceil(WORKGROUP as usize)
}

impl GpuContext {
    /// A buffer of so many numbers with nothing in it yet.
    pub(crate) fn buffer(&self, numbers: usize) -> Handle {
        self.client.empty(numbers * size_of::<f32>())
    }

    /// The first `rows` rows of a buffer, which holds `unused` more.
    pub(crate) fn first_rows(
        &self,
        buffer: &Handle,
        rows: usize,
        unused: usize,
        width: usize,
    ) -> CubeTensor {
        let unused = unused * width * size_of::<f32>();
        self.tensor(buffer.clone().offset_end(unused as u64), rows, width)
    }

    /// A buffer of `rows * cols` numbers with nothing in it yet, as a tensor.
    pub(crate) fn empty(&self, rows: usize, cols: usize) -> CubeTensor {
        let handle = self.buffer(rows * cols);
        self.tensor(handle, rows, cols)
    }

    /// `handle` as a tensor of `rows * cols` numbers.
    fn tensor(&self, handle: Handle, rows: usize, cols: usize) -> CubeTensor {
        CubeTensor::new_contiguous(
            self.client.clone(),
            self.device.clone(),
            [rows, cols].into(),
            handle,
            DType::F32,
        )
    }

    /// Enqueues `program`: its bindings are `inputs`, `outputs` and `info`, in
    /// this order. `groups` is spread over two axes; nothing is launched where
    /// it is 0.
    pub(super) fn launch(
        &self,
        program: Program,
        inputs: &[&Handle],
        outputs: &[&Handle],
        info: Info,
        groups: usize,
    ) {
        let groups = groups as u32;
        if groups == 0 {
            return;
        }
        let rows = groups.div_ceil(MAX_GROUPS);
        let count = CubeCount::Static(groups.div_ceil(rows), rows, 1);
        let mut arguments = KernelArguments::new();
        for &input in inputs {
            arguments = arguments.with_buffer_io(input.clone().binding(), BufferIOAttr::ReadOnly);
        }
        for &output in outputs {
            arguments = arguments.with_buffer_io(output.clone().binding(), BufferIOAttr::ReadWrite);
        }
        let arguments = arguments.with_info(info.packed());
        let first = self.first_launch(&program);
        let cube_dim = program.cube_dim();
        let name = first.then(|| format!("{program:?}"));
        let kernel = SourceKernel::new(program, cube_dim);
        self.client.launch(Box::new(kernel), count, arguments);
        // Natively a program that does not compile taints its output and says
        // nothing. In a browser this asks nothing the callbacks do not tell.
        if let Some(name) = name
            && let Err(error) = self.client.check(outputs.iter().copied())
        {
            self.faults.push(DeviceError::Validation {
                message: format!("{name}: {error}"),
            });
        }
    }
}
