//! What every test of this folder needs: both devices, numbers, comparison.
#![allow(
    dead_code,
    reason = "each test file is a crate of its own and uses a part"
)]
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::OnceLock;

use burn::tensor::{Tensor, TensorData};
use flamingo_kernels::{
    ComputeDevice, GpuOptions, KernelFamily, PackedMatrix, PackedRows, TensorType, read,
};
use flamingo_weights::blocks;
use futures_lite::future::block_on;

/// The GPU, opened once a process for each family of kernels. A machine without one must
/// not pass.
fn opened(kernels: KernelFamily, device: &OnceLock<ComputeDevice>) -> &ComputeDevice {
    let options = GpuOptions {
        kernels: Some(kernels),
        ..GpuOptions::default()
    };
    device.get_or_init(|| match block_on(ComputeDevice::gpu_with(options)) {
        Ok(device) => device,
        Err(error) => panic!(
            "these tests need a GPU, software will do (Debian: apt-get install \
             mesa-vulkan-drivers libvulkan1): {error}"
        ),
    })
}

/// The GPU with the kernels for software adapters.
pub(crate) fn gpu() -> &'static ComputeDevice {
    static GPU: OnceLock<ComputeDevice> = OnceLock::new();
    opened(KernelFamily::Invocations, &GPU)
}

/// The GPU with the kernels for hardware.
pub(crate) fn gpu_workgroups() -> &'static ComputeDevice {
    static GPU: OnceLock<ComputeDevice> = OnceLock::new();
    opened(KernelFamily::Workgroups, &GPU)
}

/// The CPU, and the GPU with each family of kernels.
pub(crate) fn devices() -> [ComputeDevice; 3] {
    [
        ComputeDevice::cpu(),
        gpu().clone(),
        gpu_workgroups().clone(),
    ]
}

/// Numbers of a seed, about normally distributed with variance 1.
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// SplitMix64.
    pub(crate) fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `bound`.
    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.word() % bound as u64) as usize
    }

    pub(crate) fn vec(&mut self, count: usize) -> Vec<f32> {
        // Four uniform numbers of variance 1/12 each, scaled to variance 1.
        let uniform = |word: u64| word as f32 / 65_536.0 - 0.5;
        (0..count)
            .map(|_| {
                let word = self.word();
                let sum: f32 = (0..4).map(|i| uniform((word >> (16 * i)) & 0xffff)).sum();
                sum * 3.0_f32.sqrt()
            })
            .collect()
    }

    /// Random rows, packed.
    pub(crate) fn packed(
        &mut self,
        tensor_type: TensorType,
        rows: usize,
        cols: usize,
    ) -> PackedRows {
        let mut bytes = Vec::new();
        for row in self.vec(rows * cols).chunks_exact(cols) {
            blocks::quantize_row(tensor_type, row, &mut bytes).unwrap();
        }
        PackedRows::new(tensor_type, rows, cols, bytes).unwrap()
    }
}

pub(crate) fn tensor<const D: usize>(
    values: &[f32],
    shape: [usize; D],
    device: &ComputeDevice,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), &device.burn())
}

pub(crate) fn matrix(packed: &PackedRows, device: &ComputeDevice) -> PackedMatrix {
    PackedMatrix::new(
        packed.tensor_type,
        packed.rows,
        packed.cols,
        packed.bytes.clone(),
        device,
    )
    .unwrap()
}

/// The numbers of a tensor.
pub(crate) fn values(tensor: Tensor<2>) -> Vec<f32> {
    block_on(read(tensor)).unwrap()
}

/// Fails where any number differs by more than `tolerance`.
pub(crate) fn assert_close(what: &str, result: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(result.len(), expected.len(), "{what}: length");
    for (i, (result, expected)) in result.iter().zip(expected).enumerate() {
        let difference = (result - expected).abs();
        assert!(
            difference <= tolerance,
            "{what}: number {i} is {result}, expected {expected}, {tolerance:e} allowed"
        );
    }
}
