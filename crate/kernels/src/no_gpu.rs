//! What stands in for the GPU where the feature `webgpu` is off: the same names, of
//! which no value exists, so that the rest of the crate is one text for both.

use std::sync::Arc;

use burn::tensor::{Device, Tensor};

use crate::activation::{Activation, Scale};
use crate::conv::Conv2dShape;
use crate::device::{
    ComputeDevice, DeviceMemory, DeviceReport, GpuOptions, KernelFamily, SelfTestOutcome,
};
use crate::error::{DeviceError, KernelError};
use crate::kernels::{AttentionTask, Kernels, LinearShape, NormTask};
use crate::packed_matrix::PackedRows;
use crate::query_key_norm::QueryKeyNorm;
use crate::rope::RopeTask;

/// Has no value.
#[derive(Clone, Copy, Debug)]
enum Never {}

/// A tensor of a GPU: there is none.
#[derive(Clone, Debug)]
pub struct GpuTensor {
    pub(crate) handle: GpuBuffer,
}

/// A buffer of a GPU: there is none.
#[derive(Clone, Debug)]
pub(crate) struct GpuBuffer(Never);

/// Weights on a GPU: there are none.
#[derive(Clone, Debug)]
pub struct GpuMatrix(Never);

/// A device: there is none.
#[derive(Debug)]
pub(crate) struct GpuContext(Never);

/// An adapter: there is none.
pub(crate) struct Adapter(Never);

/// Reports of a device: there are none.
pub(crate) struct Faults(Never);

/// The implementation for GPUs, which nothing reaches.
#[derive(Clone, Copy, Debug)]
pub struct Gpu;

/// The place of keys and values.
#[expect(dead_code, reason = "nothing reads them")]
pub(crate) struct Appended<'a> {
    pub(crate) norm: Option<&'a QueryKeyNorm>,
    pub(crate) keys: &'a GpuBuffer,
    pub(crate) values: &'a GpuBuffer,
    pub(crate) held: usize,
    pub(crate) width: usize,
}

pub(crate) fn from_burn<const D: usize>(_: Tensor<D>) -> Option<GpuTensor> {
    None
}

pub(crate) fn to_burn<const D: usize>(tensor: GpuTensor) -> Tensor<D> {
    match tensor.handle.0 {}
}

pub(crate) fn faults_of<const D: usize>(_: &Tensor<D>) -> Option<Arc<Faults>> {
    None
}

impl Faults {
    pub(crate) fn take(&self) -> Option<DeviceError> {
        match self.0 {}
    }

    pub(crate) async fn take_cause(&self) -> Option<DeviceError> {
        self.take()
    }
}

impl Adapter {
    /// # Errors
    /// Always.
    pub(crate) async fn request() -> Result<Self, DeviceError> {
        Err(DeviceError::NoAdapter {
            reason: "this build computes on the CPU alone".to_string(),
        })
    }

    pub(crate) fn is_software(&self) -> bool {
        match self.0 {}
    }

    pub(crate) fn report(&self) -> DeviceReport {
        match self.0 {}
    }

    pub(crate) async fn open_and_test(
        self,
        _: GpuOptions,
    ) -> Result<(ComputeDevice, SelfTestOutcome), DeviceError> {
        match self.0 {}
    }
}

impl GpuContext {
    pub(crate) fn kernels(&self) -> KernelFamily {
        match self.0 {}
    }

    pub(crate) fn burn(&self) -> Device {
        match self.0 {}
    }

    pub(crate) async fn check(&self) -> Result<(), DeviceError> {
        match self.0 {}
    }

    pub(crate) fn dispatches(&self) -> u64 {
        match self.0 {}
    }

    pub(crate) fn programs(&self) -> usize {
        match self.0 {}
    }

    pub(crate) fn memory(&self) -> DeviceMemory {
        match self.0 {}
    }

    pub(crate) fn release_unused(&self) {
        match self.0 {}
    }

    pub(crate) fn buffer(&self, _: usize) -> GpuBuffer {
        match self.0 {}
    }

    pub(crate) fn empty(&self, _: usize, _: usize) -> GpuTensor {
        match self.0 {}
    }

    pub(crate) fn first_rows(&self, _: &GpuBuffer, _: usize, _: usize, _: usize) -> GpuTensor {
        match self.0 {}
    }
}

impl GpuMatrix {
    pub(crate) fn lend(&self, _: &PackedRows) -> Option<Self> {
        match self.0 {}
    }

    pub(crate) fn upload(_: PackedRows, context: &GpuContext) -> Result<Self, KernelError> {
        match context.0 {}
    }
}

impl Gpu {
    pub(crate) fn rotate(
        &self,
        x: &GpuTensor,
        _: &RopeTask,
        _: usize,
        _: Option<Appended<'_>>,
    ) -> GpuTensor {
        match x.handle.0 {}
    }

    pub(crate) fn copy(
        &self,
        context: &GpuContext,
        _: &GpuBuffer,
        _: &GpuBuffer,
        _: usize,
        _: usize,
    ) {
        match context.0 {}
    }

    pub(crate) fn multiply_add(&self, context: &GpuContext, _: &GpuBuffer, _: usize, _: usize) {
        match context.0 {}
    }
}

impl Kernels for Gpu {
    type Dense = GpuTensor;
    type Packed = GpuMatrix;

    fn linear(
        &self,
        _: &GpuTensor,
        w: &GpuMatrix,
        _: Option<&GpuTensor>,
        _: LinearShape,
    ) -> GpuTensor {
        match w.0 {}
    }

    fn embed(&self, w: &GpuMatrix, _: &[u32], _: Option<&GpuTensor>) -> GpuTensor {
        match w.0 {}
    }

    fn layer_norm(
        &self,
        x: &GpuTensor,
        _: &GpuTensor,
        _: Option<&GpuTensor>,
        _: NormTask,
    ) -> GpuTensor {
        match x.handle.0 {}
    }

    fn rms_norm(&self, x: &GpuTensor, _: &GpuTensor, _: NormTask) -> GpuTensor {
        match x.handle.0 {}
    }

    fn rope(&self, x: &GpuTensor, _: &RopeTask) -> GpuTensor {
        match x.handle.0 {}
    }

    fn attention(
        &self,
        q: &GpuTensor,
        _: &GpuTensor,
        _: &GpuTensor,
        _: &AttentionTask<'_>,
    ) -> GpuTensor {
        match q.handle.0 {}
    }

    fn conv2d(
        &self,
        x: &GpuTensor,
        _: &GpuTensor,
        _: Option<&GpuTensor>,
        _: &Conv2dShape,
    ) -> GpuTensor {
        match x.handle.0 {}
    }

    fn activation(&self, x: &GpuTensor, _: Activation) -> GpuTensor {
        match x.handle.0 {}
    }

    fn gated(&self, x: &GpuTensor, _: Activation, _: usize) -> GpuTensor {
        match x.handle.0 {}
    }

    fn add_scaled(&self, x: &GpuTensor, _: &GpuTensor, _: Scale<'_, GpuTensor>) -> GpuTensor {
        match x.handle.0 {}
    }
}
