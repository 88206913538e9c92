//! What the public functions cannot reach: programs the device at hand would
//! not choose, and a program no device accepts.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::sync::{Arc, OnceLock};

use burn::tensor::{Tensor, TensorData};
use flamingo_weights::{TensorType, blocks};
use futures_lite::future::block_on;

use super::attention;
use super::context::GpuContext;
use super::launch::Info;
use super::linear::{Plan, fused_linear};
use super::matrix::GpuMatrix;
use super::program::{Format, FusedFinish, Program};
use crate::activation::{Activation, Scale};
use crate::attention::{Alibi, AttentionShape, Spans};
use crate::dense::{from_gpu, on_gpu, read};
use crate::device::{ComputeDevice, KernelFamily, Place};
use crate::error::DeviceError;
use crate::fused::{Finish, Fusion};
use crate::kernels::{AttentionTask, Kernels, LinearShape};
use crate::norm::{Norm, NormKind};
use crate::packed_matrix::PackedRows;
use crate::reference::Reference;

fn open() -> ComputeDevice {
    match block_on(ComputeDevice::gpu()) {
        Ok(device) => device,
        Err(error) => panic!(
            "these tests need a GPU, software will do (Debian: apt-get install \
             mesa-vulkan-drivers libvulkan1): {error}"
        ),
    }
}

fn context(device: &ComputeDevice) -> Arc<GpuContext> {
    match device.place() {
        Place::Gpu(context) => context.clone(),
        Place::Cpu { .. } => panic!("opened as a GPU"),
    }
}

fn shared() -> &'static ComputeDevice {
    static DEVICE: OnceLock<ComputeDevice> = OnceLock::new();
    DEVICE.get_or_init(open)
}

/// Numbers between -1 and 1.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// What is fused with a product, to be checked.
#[derive(Clone, Copy, Debug)]
struct Fused {
    norm: Option<NormKind>,
    bias: bool,
    finish: FusedFinish,
}

const BARE: Fused = Fused {
    norm: None,
    bias: false,
    finish: FusedFinish::Sum,
};

fn check_plan(plan: Plan, tensor_type: TensorType, shape: LinearShape, fused: Fused) {
    let LinearShape { m, n, k } = shape;
    let device = shared();
    let mut bytes = Vec::new();
    for row in numbers(n * k, 1).chunks_exact(k) {
        blocks::quantize_row(tensor_type, row, &mut bytes).unwrap();
    }
    let packed = PackedRows::new(tensor_type, n, k, bytes).unwrap();
    // Away from zero, so that a mean which is not taken away shows.
    let x: Vec<f32> = numbers(m * k, 2).iter().map(|x| x + 0.5).collect();
    let [weight, norm_bias] = [numbers(k, 4), numbers(k, 5)];
    let [bias, scales] = [numbers(n, 3), numbers(n, 7)];
    let addend = numbers(m * n, 6);
    let operands = Operands {
        weight: &weight[..],
        norm_bias: &norm_bias,
        bias: &bias,
        addend: &addend,
        scales: &scales,
    };
    let fusion = operands.fusion(fused);
    let expected = Reference.fused_linear(&x, &packed, &fusion, shape);
    let context = context(device);
    let w = GpuMatrix::upload(packed, &context).unwrap();
    let there = |values: &[f32], rows: usize, cols: usize| {
        let data = TensorData::new(values.to_vec(), [rows, cols]);
        on_gpu(Tensor::<2>::from_data(data, &device.burn()))
    };
    let x = there(&x, m, k);
    let [weight, norm_bias] = [&weight, &norm_bias].map(|values| there(values, 1, k));
    let [bias, scales] = [&bias, &scales].map(|values| there(values, 1, n));
    let addend = there(&addend, m, n);
    let operands = Operands {
        weight: &weight,
        norm_bias: &norm_bias,
        bias: &bias,
        addend: &addend,
        scales: &scales,
    };
    let fusion = operands.fusion(fused);
    let result = fused_linear(&x, &w, &fusion, shape, plan);
    let result = block_on(read(from_gpu(result))).unwrap();
    assert_eq!(result.len(), expected.len(), "{plan:?}, {fused:?}");
    // A norm makes the numbers larger; GELU's error function is off by 5e-7.
    let tolerance = 2e-5 * (k as f32).sqrt();
    for (i, (result, expected)) in result.iter().zip(&expected).enumerate() {
        assert!(
            (result - expected).abs() <= tolerance * expected.abs().max(1.0),
            "{plan:?}, {tensor_type}, {shape:?}, {fused:?}: number {i} is {result}, expected \
             {expected}"
        );
    }
}

/// The steps that products are fused with.
struct Operands<'a, D: ?Sized> {
    weight: &'a D,
    norm_bias: &'a D,
    bias: &'a D,
    addend: &'a D,
    scales: &'a D,
}

impl<'a, D: ?Sized> Operands<'a, D> {
    fn fusion(&self, fused: Fused) -> Fusion<'a, D, D> {
        let (weight, eps) = (self.weight, 1e-5);
        Fusion {
            norm: fused.norm.map(|norm| match norm {
                NormKind::Rms => Norm::Rms { weight, eps },
                NormKind::Layer { bias } => Norm::Layer {
                    weight,
                    bias: bias.then_some(self.norm_bias),
                    eps,
                },
            }),
            bias: fused.bias.then_some(self.bias),
            finish: match fused.finish {
                FusedFinish::Sum => Finish::Sum,
                FusedFinish::Activation(function) => Finish::Activation(function),
                FusedFinish::Gated(function) => Finish::Gated(function),
                FusedFinish::AddTo { columns } => Finish::AddTo {
                    x: self.addend,
                    scale: match columns {
                        true => Scale::Columns(self.scales),
                        false => Scale::Number(-0.7),
                    },
                },
            },
        }
    }
}

#[test]
fn every_plan_computes_every_shape() {
    let plans = [
        Plan::Rows {
            tile: 1,
            columns: 1,
        },
        Plan::Rows {
            tile: 3,
            columns: 2,
        },
        Plan::Rows {
            tile: 4,
            columns: 4,
        },
        Plan::Blocks { tile: 1 },
        Plan::Blocks { tile: 4 },
        Plan::Split { tile: 1 },
        Plan::Split { tile: 3 },
        Plan::Split { tile: 4 },
        Plan::Tiled,
    ];
    for plan in plans {
        let needs_blocks = matches!(plan, Plan::Blocks { .. });
        for tensor_type in TensorType::ALL {
            if needs_blocks && !Format::of(tensor_type, 32).has_blocks() {
                continue;
            }
            for (m, n, k) in [(1, 70, 96), (5, 64, 32), (33, 130, 320), (81, 3, 64)] {
                let fused = Fused {
                    bias: m % 2 == 1,
                    ..BARE
                };
                check_plan(plan, tensor_type, LinearShape { m, n, k }, fused);
            }
        }
        for tensor_type in [TensorType::F32, TensorType::F16] {
            if needs_blocks {
                break;
            }
            for (m, n, k) in [(1, 9, 27), (6, 65, 88), (40, 66, 9), (3, 5, 588)] {
                let fused = Fused {
                    bias: m % 2 == 1,
                    ..BARE
                };
                check_plan(plan, tensor_type, LinearShape { m, n, k }, fused);
            }
        }
    }
}

/// Fused or one after the other, as the plan and the sizes allow, a product with a norm
/// before it and something behind it is the same.
#[test]
fn every_plan_fuses() {
    let norms = [
        None,
        Some(NormKind::Rms),
        Some(NormKind::Layer { bias: false }),
        Some(NormKind::Layer { bias: true }),
    ];
    let finishes = [
        FusedFinish::Sum,
        FusedFinish::Activation(Activation::GeluErf),
        FusedFinish::Gated(Activation::Silu),
        FusedFinish::AddTo { columns: false },
        FusedFinish::AddTo { columns: true },
    ];
    let plans = [
        (Plan::Blocks { tile: 1 }, 1),
        // Rows that are no multiple of the tile.
        (Plan::Blocks { tile: 1 }, 2),
        (Plan::Blocks { tile: 4 }, 7),
        (
            Plan::Rows {
                tile: 1,
                columns: 1,
            },
            1,
        ),
        (
            Plan::Rows {
                tile: 4,
                columns: 4,
            },
            3,
        ),
        (Plan::Split { tile: 1 }, 1),
        (Plan::Split { tile: 3 }, 3),
        // More rows than one workgroup has.
        (Plan::Split { tile: 2 }, 5),
        (Plan::Tiled, 33),
    ];
    let mut number = 0;
    for (plan, m) in plans {
        for norm in norms {
            for finish in finishes {
                number += 1;
                let fused = Fused {
                    norm,
                    bias: number % 2 == 0,
                    finish,
                };
                let tensor_type = TensorType::ALL[number % TensorType::ALL.len()];
                let shape = LinearShape { m, n: 134, k: 96 };
                if matches!(plan, Plan::Blocks { .. }) {
                    for tensor_type in TensorType::ALL {
                        if Format::of(tensor_type, shape.k).has_blocks() {
                            check_plan(plan, tensor_type, shape, fused);
                            // A norm in a dispatch of its own.
                            let tall = LinearShape { n: 1030, ..shape };
                            check_plan(plan, tensor_type, tall, fused);
                        }
                    }
                } else {
                    check_plan(plan, tensor_type, shape, fused);
                    // Rows that are no multiple of eight.
                    let ragged = LinearShape { m, n: 6, k: 27 };
                    check_plan(plan, TensorType::F32, ragged, fused);
                }
                // Rows past what fits.
                let long = LinearShape { m, n: 4, k: 3104 };
                check_plan(plan, TensorType::Q8_0, long, fused);
            }
        }
    }
}

/// Every function, behind a product and as its gate, of one row and of several.
#[test]
fn every_plan_applies_every_function() {
    let plans = [
        (Plan::Blocks { tile: 1 }, 1),
        (
            Plan::Rows {
                tile: 4,
                columns: 4,
            },
            3,
        ),
        (Plan::Split { tile: 2 }, 2),
        (Plan::Tiled, 33),
    ];
    let shape = |m| LinearShape { m, n: 66, k: 64 };
    for (plan, m) in plans {
        for function in Activation::ALL {
            for finish in [
                FusedFinish::Activation(function),
                FusedFinish::Gated(function),
            ] {
                let fused = Fused {
                    norm: None,
                    bias: true,
                    finish,
                };
                check_plan(plan, TensorType::Q8_0, shape(m), fused);
            }
        }
    }
}

/// Both attentions, whichever the device takes: heads that share keys, heads that cannot
/// be halved, keys that a query does not see, branches, and more keys than a chunk.
#[test]
fn every_plan_attends() {
    let device = shared();
    let there = |values: &[f32], cols: usize| {
        let data = TensorData::new(values.to_vec(), [values.len() / cols, cols]);
        on_gpu(Tensor::<2>::from_data(data, &device.burn()))
    };
    let spans = [
        Spans::causal(5, 20, 3),
        Spans::full(3, 1500),
        Spans::from_pairs(&[(0, 0), (4, 9), (0, 32)]),
        Spans::branching(1, 6, &[&[8, 7], &[], &[9]]),
    ];
    for (heads, kv_heads, head_dim) in [(9, 3, 64), (2, 2, 12), (3, 1, 8)] {
        let shape = AttentionShape {
            heads,
            kv_heads,
            head_dim,
        };
        for spans in &spans {
            let keys = numbers(1500 * kv_heads * head_dim, 1);
            let values = numbers(1500 * kv_heads * head_dim, 2);
            let q = numbers(spans.queries() * heads * head_dim, 3);
            for alibi in [None, Some(Alibi { max_bias: 8.0 })] {
                let task = AttentionTask {
                    shape: &shape,
                    keys: 1500,
                    spans,
                    alibi,
                };
                let expected = Reference.attention(&q, &keys, &values, &task);
                let [q, keys, values] = [
                    there(&q, heads * head_dim),
                    there(&keys, kv_heads * head_dim),
                    there(&values, kv_heads * head_dim),
                ];
                for plan in [attention::Plan::Rows, attention::Plan::Split] {
                    let result = attention::attention(&q, &keys, &values, &task, plan);
                    let result = block_on(read(from_gpu(result))).unwrap();
                    assert_eq!(result.len(), expected.len());
                    for (result, expected) in result.iter().zip(&expected) {
                        assert!(
                            (result - expected).abs() < 1e-5,
                            "{plan:?}, {shape:?}, {spans:?}, {alibi:?}: {result}, expected \
                             {expected}"
                        );
                    }
                }
            }
        }
    }
}

#[test]
fn the_plan_follows_the_device_and_the_rows() {
    let rows = |tile, columns| Plan::Rows { tile, columns };
    for format in [Format::Q4_1, Format::F16] {
        assert_eq!(
            Plan::choose(KernelFamily::Workgroups, format, 1),
            Plan::Split { tile: 1 }
        );
        assert_eq!(
            Plan::choose(KernelFamily::Workgroups, format, 4),
            Plan::Split { tile: 4 }
        );
        assert_eq!(
            Plan::choose(KernelFamily::Workgroups, format, 5),
            Plan::Tiled
        );
    }
    for (m, tile) in [(1, 1), (2, 4), (300, 4)] {
        assert_eq!(
            Plan::choose(KernelFamily::Invocations, Format::Q4_1, m),
            Plan::Blocks { tile }
        );
        assert_eq!(
            Plan::choose(KernelFamily::Invocations, Format::F16, m),
            rows(tile, tile)
        );
    }
}

/// On a device of its own: other tests must not meet the error.
#[test]
fn a_refused_program_surfaces() {
    let device = open();
    let context = context(&device);
    assert_eq!(block_on(device.check()), Ok(()));
    let out = context.empty(1, 64);
    context.launch(Program::Broken, &[], &[&out.handle], Info::new([1]), 1);
    match block_on(device.check()) {
        Err(DeviceError::Validation { message }) => {
            assert!(message.contains("nonsense"), "{message}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(block_on(device.check()), Ok(()), "reported once");
    // What it should have written is an error too, not what was there before.
    assert!(block_on(read(from_gpu(out))).is_err());
    // And the device still computes.
    let x = Tensor::<2>::from_data(TensorData::new(vec![7.0_f32; 4], [1, 4]), &device.burn());
    let result = crate::activation(x, crate::Activation::Relu6);
    assert_eq!(block_on(read(result)), Ok(vec![6.0; 4]));
}

#[test]
fn a_buffer_larger_than_the_device_allows_surfaces() {
    let device = open();
    let context = context(&device);
    let limit = context.webgpu.limits().max_buffer_size;
    let _ = context.webgpu.create_buffer(&wgpu::BufferDescriptor {
        label: Some("too large"),
        size: limit + 4,
        usage: wgpu::BufferUsages::STORAGE,
        mapped_at_creation: false,
    });
    assert!(matches!(
        block_on(device.check()),
        Err(DeviceError::Validation { .. } | DeviceError::OutOfMemory { .. })
    ));
}

#[test]
fn a_lost_device_surfaces_for_ever() {
    let device = open();
    let context = context(&device);
    context.webgpu.destroy();
    // The loss is reported by the next poll.
    let _ = context.webgpu.poll(wgpu::PollType::Poll);
    for _ in 0..2 {
        assert!(matches!(
            block_on(device.check()),
            Err(DeviceError::Lost { .. })
        ));
    }
}
