//! What can go wrong with weights and with devices.

use flamingo_weights::TensorType;
use thiserror::Error;

/// A matrix that cannot be used as weights.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum KernelError {
    /// A matrix without rows or columns.
    #[error("a matrix of {rows} rows and {cols} columns has no elements")]
    Empty {
        /// Rows given.
        rows: usize,
        /// Columns given.
        cols: usize,
    },
    /// A row that is no whole number of blocks.
    #[error(
        "a row of {cols} columns is no whole number of {tensor_type} blocks of {} elements; store this matrix as F16 or F32",
        tensor_type.block_len()
    )]
    Columns {
        /// Block type given.
        tensor_type: TensorType,
        /// Columns given.
        cols: usize,
    },
    /// More or fewer bytes than type and shape ask for.
    #[error(
        "{found} bytes for a {tensor_type} matrix of {rows} rows and {cols} columns, which takes {expected}"
    )]
    ByteLength {
        /// Block type given.
        tensor_type: TensorType,
        /// Rows given.
        rows: usize,
        /// Columns given.
        cols: usize,
        /// Bytes by type and shape.
        expected: usize,
        /// Bytes given.
        found: usize,
    },
    /// Rows so long that a GPU buffer cannot hold the few that must lie together.
    #[error(
        "16 rows of a matrix take {bytes} bytes, more than the largest storage binding of this device ({limit} bytes); use the CPU, or a model with shorter rows"
    )]
    TooLarge {
        /// Bytes of the rows.
        bytes: usize,
        /// `max_storage_buffer_binding_size` of the device.
        limit: usize,
    },
}

/// A device that cannot be used, or that failed while in use.
#[derive(Clone, Debug, PartialEq, Error)]
pub enum DeviceError {
    /// There is no WebGPU here, or it offers no adapter.
    #[error(
        "no WebGPU adapter: {reason}. Use the CPU, a browser with WebGPU enabled, or natively a Vulkan, Metal or DirectX 12 driver (Debian: mesa-vulkan-drivers)"
    )]
    NoAdapter {
        /// What the graphics interface said.
        reason: String,
    },
    /// The adapter refused to open a device, or Burn refused the device.
    #[error(
        "the WebGPU adapter {adapter} could not be opened: {reason}. Close other programs that use the GPU, update its driver, or use the CPU"
    )]
    NotOpened {
        /// Name of the adapter.
        adapter: String,
        /// What the graphics interface said.
        reason: String,
    },
    /// The adapter is too small for the kernels of this crate.
    #[error(
        "the WebGPU limit {which} is {available}, {needed} is needed. Use the CPU or another GPU"
    )]
    LimitTooSmall {
        /// Name of the limit, as in WebGPU.
        which: &'static str,
        /// What the kernels need.
        needed: u64,
        /// What the adapter offers.
        available: u64,
    },
    /// A shader or a command was refused, so results since then are not to be trusted.
    #[error(
        "the GPU refused a command: {message}. This is a fault in this program or in the browser's WebGPU; use the CPU, and please report it with the name of the GPU"
    )]
    Validation {
        /// What WebGPU reported.
        message: String,
    },
    /// The GPU has no memory left.
    #[error(
        "the GPU is out of memory: {message}. Close other tabs or programs that use the GPU, choose a smaller model, or use the CPU"
    )]
    OutOfMemory {
        /// What WebGPU reported.
        message: String,
    },
    /// The device is gone: driver reset, GPU removed, or the browser took it away.
    #[error(
        "the GPU device was lost: {message}. Load the model again; if it happens again, use the CPU"
    )]
    Lost {
        /// What WebGPU reported.
        message: String,
    },
    /// The numbers of the GPU differ from those of the CPU.
    #[error(
        "the GPU computes wrong numbers: {operation} differs from the CPU by {error:.3e} where {tolerance:.3e} is allowed. Use the CPU, or update the GPU's driver"
    )]
    SelfTestFailed {
        /// The operation that differs.
        operation: String,
        /// Largest absolute difference; infinite where a value is no number.
        error: f32,
        /// Difference allowed.
        tolerance: f32,
    },
    /// Results could not be brought back from the device.
    #[error(
        "the results could not be read back: {message}. Load the model again; if it happens again, use the CPU"
    )]
    Read {
        /// What the device reported.
        message: String,
    },
}
