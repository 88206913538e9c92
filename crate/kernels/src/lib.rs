//! The operations a Flamingo model is made of, on packed weights.
//!
//! Every operation has three implementations behind one trait ([`Kernels`]):
//!
//! * [`Gpu`](gpu::Gpu): hand-written WGSL, launched through Burn's template
//!   kernels, so that it shares buffers and queue with Burn's own operations.
//!   Only what every WebGPU device offers: no f16 arithmetic, no subgroups, at
//!   most 256 invocations and 16 KiB of workgroup memory.
//! * [`Cpu`](cpu::Cpu): loops of fixed lane width that the compiler vectorises
//!   (AVX2 and AVX-512 natively, chosen at run time; simd128 in wasm), threads
//!   natively. No fused multiply-add and no system `libm`, so that one input
//!   gives the same bits natively and in a browser.
//! * [`Reference`](reference::Reference): plain scalar loops in `f64`, slow and
//!   easy to read, which the tests hold the other two against.
//!
//! The functions of this crate ([`linear`], [`attention`], …) take Burn tensors
//! of `f32` activations `[tokens, width]` and run where their first operand
//! lives. Shapes are the caller's contract: a function panics where they do not
//! fit, as Burn's own operations do. What comes from outside (weights, devices)
//! gives typed errors instead.
//!
//! | operation | here | why |
//! |---|---|---|
//! | matrix product with packed weights, embedding | [`linear`], [`embed`], [`add_embedding`] | Burn knows no GGML blocks |
//! | a product with the norm before it and what follows | [`fused_linear`] | one dispatch for two to four |
//! | norms of queries and keys, rotary embedding, append to the KV buffer | [`rope_append`] | one dispatch for six |
//! | norms, attention, convolution, KV buffer | yes | one dispatch each instead of five to fifteen |
//! | [`activation`], [`gated`], [`add_scaled`] | yes | one dispatch each, the same numbers on every device |
//! | sum, product, concatenation, slices, arg max | Burn | as fast as it can be |
//!
//! A device is chosen by [`select_device`], which runs a numeric self-test
//! first: browsers drop a whole submission without an error where one shader in
//! it is invalid. What WebGPU reports later (validation, memory, a lost device)
//! surfaces through [`ComputeDevice::check`] and [`read`].

mod activation;
mod attention;
mod conv;
pub mod cpu;
mod dense;
mod device;
mod embed;
mod error;
mod fused;
#[cfg_attr(not(feature = "webgpu"), path = "no_gpu.rs")]
pub mod gpu;
mod kernels;
mod key_value_buffer;
mod limits;
mod linear;
mod norm;
mod packed_matrix;
mod query_key_norm;
pub mod reference;
mod rope;

pub use activation::{Activation, Scale, activation, add_scaled, gated};
pub use attention::{Alibi, AttentionShape, Spans, attention, attention_weights};
pub use conv::{Conv2dShape, conv2d};
pub use dense::{contiguous, lasting, read};
pub use device::{
    ComputeDevice, DeviceKind, DeviceMemory, DevicePreference, DeviceReport, GpuOptions,
    KernelFamily, SelfTestOutcome, select_device,
};
pub use embed::{add_embedding, embed};
pub use error::{DeviceError, KernelError};
pub use flamingo_weights::TensorType;
pub use fused::{Finish, Fusion, fused_linear};
pub use kernels::{AttentionTask, Kernels, LinearShape, NormTask};
pub use key_value_buffer::KeyValueBuffer;
pub use linear::linear;
pub use norm::{Norm, head_norm, layer_norm, norm, rms_norm};
pub use packed_matrix::{PackedMatrix, PackedRows};
pub use query_key_norm::{NormExtent, QueryKeyNorm};
pub use rope::{Rope, RopeScaling, RopeStyle, RopeTask, RowPositions, rope, rope_append};
