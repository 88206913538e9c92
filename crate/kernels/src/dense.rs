//! Dense `f32` tensors: where they live, and the way between Burn and the
//! implementations of this crate.

use std::ops::Deref;

use burn::tensor::{Device, Tensor, TensorData};
use burn_flex::{Flex, FlexTensor};

use crate::error::DeviceError;
use crate::gpu::{self, GpuTensor};

/// A tensor as an implementation takes it, contiguous.
pub(crate) enum Dense {
    /// In memory.
    Cpu(CpuRows),
    /// In a GPU buffer.
    Gpu(Box<GpuTensor>),
}

/// Contiguous `f32` numbers of a CPU tensor, shared with it.
pub(crate) struct CpuRows(FlexTensor);

impl Deref for CpuRows {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.0
            .as_slice()
            .expect("invariant: `Dense::of` made these rows contiguous, of f32")
    }
}

impl Dense {
    /// Where `tensor` lives, copied only where its rows are not contiguous.
    ///
    /// # Panics
    /// Where `tensor` is on neither of this crate's devices.
    pub(crate) fn of<const D: usize>(tensor: Tensor<D>) -> Self {
        if let Some(tensor) = gpu::from_burn(tensor.clone()) {
            return Self::Gpu(Box::new(tensor));
        }
        let tensor = tensor
            .try_into_primitive::<Flex>()
            .expect("invariant: a tensor lives on a device that `ComputeDevice` opened");
        Self::Cpu(CpuRows(match tensor.is_contiguous() {
            true => tensor,
            false => tensor.to_contiguous(),
        }))
    }
}

/// `tensor`, an operand beside one that lives on the CPU.
///
/// # Panics
/// Where it lives on another device.
pub(crate) fn on_cpu<const D: usize>(tensor: Tensor<D>) -> CpuRows {
    let rows = match Dense::of(tensor) {
        Dense::Cpu(rows) => Some(rows),
        Dense::Gpu(_) => None,
    };
    rows.expect("invariant: the operands lie on one device, the CPU")
}

/// `tensor`, an operand beside one that lives on the GPU.
///
/// # Panics
/// Where it lives on another device.
pub(crate) fn on_gpu<const D: usize>(tensor: Tensor<D>) -> GpuTensor {
    let tensor = match Dense::of(tensor) {
        Dense::Gpu(tensor) => Some(*tensor),
        Dense::Cpu(_) => None,
    };
    tensor.expect("invariant: the operands lie on one device, the GPU")
}

/// Numbers computed on the CPU, as a tensor of `shape`.
pub(crate) fn from_cpu<const D: usize>(values: Vec<f32>, shape: [usize; D]) -> Tensor<D> {
    Tensor::from_primitive::<Flex>(FlexTensor::from_data(TensorData::new(values, shape)))
}

/// A buffer computed on the GPU, as a tensor of its own shape.
pub(crate) fn from_gpu<const D: usize>(tensor: GpuTensor) -> Tensor<D> {
    gpu::to_burn(tensor)
}

/// `tensor` with its numbers one after the other, copied where they are not. For what is
/// read again and again: an operation that needs them so would copy them each time.
pub fn contiguous<const D: usize>(tensor: Tensor<D>) -> Tensor<D> {
    match Dense::of(tensor) {
        Dense::Cpu(CpuRows(tensor)) => Tensor::from_primitive::<Flex>(tensor),
        Dense::Gpu(tensor) => gpu::to_burn(*tensor),
    }
}

/// A tensor that is kept for long, in a buffer of its own size. The buffers that a device
/// lends to one tensor after another are larger than most of what they hold, and one that
/// is held for long is missing where a large one is needed.
///
/// Such a buffer is lent again to tensors of exactly its size, and given back with
/// [`ComputeDevice::release_unused`](crate::ComputeDevice::release_unused) only: this is
/// for sizes that recur.
pub fn lasting<const D: usize>(data: TensorData, device: &Device) -> Tensor<D> {
    device.memory_persistent_allocations(data, |data| Tensor::from_data(data, device))
}

/// The numbers of `tensor`, row-major. Waits without blocking the thread, as a
/// browser demands.
///
/// # Errors
/// Where the device failed at anything `tensor` depends on: what the device
/// reported itself where it reported anything, else what reading reported.
pub async fn read(tensor: Tensor<2>) -> Result<Vec<f32>, DeviceError> {
    let faults = gpu::faults_of(&tensor);
    let data = tensor.into_data_async().await;
    if let Some(faults) = faults {
        let fault = match &data {
            Ok(_) => faults.take(),
            Err(_) => faults.take_cause().await,
        };
        if let Some(fault) = fault {
            return Err(fault);
        }
    }
    data.map_err(|error| error.to_string())
        .and_then(|data| {
            data.try_into_vec::<f32>()
                .map_err(|error| format!("{error:?}"))
        })
        .map_err(|message| DeviceError::Read { message })
}
