//! The way between Burn's tensors and those of a GPU.

use std::sync::Arc;

use burn::tensor::Tensor;
use burn_wgpu::{CubeTensor, Wgpu, into_contiguous};

use super::context::context;
use super::faults::Faults;

/// `tensor` where it lives on a GPU, contiguous.
pub(crate) fn from_burn<const D: usize>(tensor: Tensor<D>) -> Option<CubeTensor> {
    tensor
        .try_into_primitive::<Wgpu>()
        .ok()
        .map(into_contiguous)
}

/// A buffer computed on the GPU, as a tensor of its own shape.
pub(crate) fn to_burn<const D: usize>(tensor: CubeTensor) -> Tensor<D> {
    Tensor::from_primitive::<Wgpu>(tensor)
}

/// What the device of `tensor` reports, where that is a GPU.
pub(crate) fn faults_of<const D: usize>(tensor: &Tensor<D>) -> Option<Arc<Faults>> {
    let tensor = tensor.clone().try_into_primitive::<Wgpu>().ok()?;
    context(&tensor.device).map(|context| context.faults.clone())
}
