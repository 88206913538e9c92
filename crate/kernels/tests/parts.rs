//! Matrices larger than a device binds at once lie in several buffers: the same numbers, in
//! every operation that takes one.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use flamingo_kernels::reference::Reference;
use flamingo_kernels::{
    Activation, ComputeDevice, Finish, Fusion, GpuOptions, KernelError, KernelFamily, Kernels,
    LinearShape, Norm, PackedRows, Scale, TensorType, add_embedding, embed, fused_linear, linear,
};
use futures_lite::future::block_on;
use harness::{Numbers, assert_close, matrix, tensor, values};

/// Bytes of a buffer, as if the device allowed no more.
const LARGEST: usize = 8192;
/// Rows of the matrices: the last part of each has fewer than the others.
const ROWS: usize = 150;

/// The GPU with each family of kernels. Each test has devices of its own: it counts what is
/// launched there.
fn devices() -> [ComputeDevice; 2] {
    devices_with(LARGEST)
}

fn devices_with(largest_binding: usize) -> [ComputeDevice; 2] {
    [KernelFamily::Invocations, KernelFamily::Workgroups].map(|kernels| {
        let options = GpuOptions {
            kernels: Some(kernels),
            largest_binding: Some(largest_binding),
        };
        block_on(ComputeDevice::gpu_with(options)).unwrap()
    })
}

/// Types and widths of matrices, and how many parts they come in.
const MATRICES: [(TensorType, usize, u64); 7] = [
    (TensorType::F32, 96, 10),
    (TensorType::F16, 96, 5),
    (TensorType::Q8_0, 96, 2),
    (TensorType::Q4_0, 160, 2),
    (TensorType::Q4_1, 160, 2),
    (TensorType::F32, 27, 3),
    (TensorType::F16, 75, 4),
];

fn dispatches<T>(device: &ComputeDevice, operation: impl FnOnce() -> T) -> (T, u64) {
    let before = device.dispatches();
    let result = operation();
    (result, device.dispatches() - before)
}

#[test]
fn products_of_parts() {
    for device in devices() {
        for (tensor_type, k, parts) in MATRICES {
            let mut numbers = Numbers::new(k as u64);
            let packed = numbers.packed(tensor_type, ROWS, k);
            let weights = matrix(&packed, &device);
            let bias = numbers.vec(ROWS);
            let bias_there = tensor(&bias, [ROWS], &device);
            for m in [1, 3, 40] {
                let x = numbers.vec(m * k);
                let shape = LinearShape { m, n: ROWS, k };
                let expected = Reference.linear(&x, &packed, Some(&bias), shape);
                let x = tensor(&x, [m, k], &device);
                let (result, launched) =
                    dispatches(&device, || linear(x, &weights, Some(&bias_there)));
                let what = format!("{tensor_type} [{m}, {k}] on {:?}", device.kernels());
                assert_eq!(launched, parts, "{what}");
                let tolerance = 1e-5 * (k as f32).sqrt();
                assert_close(&what, &values(result), &expected, tolerance);
            }
        }
    }
}

/// The steps before and behind them: a gate and its value lie in two parts.
#[test]
fn fused_products_of_parts() {
    for device in devices() {
        for (tensor_type, k, _) in MATRICES {
            let mut numbers = Numbers::new(k as u64);
            let packed = numbers.packed(tensor_type, ROWS, k);
            let w = matrix(&packed, &device);
            for m in [1, 9] {
                let [x, mut weight, bias, scales, residual] =
                    [m * k, k, ROWS, ROWS, m * ROWS].map(|count| numbers.vec(count));
                for number in &mut weight {
                    *number /= (k as f32).sqrt();
                }
                let on = |values: &[f32]| tensor(values, [values.len()], &device);
                let [weight_there, bias_there, scales_there] =
                    [&weight, &bias, &scales].map(|v| on(v));
                let residual_there = tensor(&residual, [m, ROWS], &device);
                for step in 0..4 {
                    let expected = Reference.fused_linear(
                        &x,
                        &packed,
                        &Fusion {
                            norm: Some(Norm::Layer {
                                weight: &weight[..],
                                bias: None,
                                eps: 1e-5,
                            }),
                            bias: Some(&bias[..]),
                            finish: finish(step, &residual[..], &scales[..]),
                        },
                        LinearShape { m, n: ROWS, k },
                    );
                    let fusion = Fusion {
                        norm: Some(Norm::Layer {
                            weight: &weight_there,
                            bias: None,
                            eps: 1e-5,
                        }),
                        bias: Some(&bias_there),
                        finish: finish(step, &residual_there, &scales_there),
                    };
                    let result = fused_linear(tensor(&x, [m, k], &device), &w, &fusion);
                    let what = format!("step {step}, {tensor_type} on {:?}", device.kernels());
                    let tolerance = 3e-5 * (k as f32).sqrt();
                    assert_close(&what, &values(result), &expected, tolerance);
                }
            }
        }
    }
}

fn finish<'a, V: ?Sized, M: ?Sized>(step: usize, x: &'a M, scales: &'a V) -> Finish<'a, V, M> {
    let scale = match step {
        0 => return Finish::Activation(Activation::GeluTanh),
        1 => return Finish::Gated(Activation::Silu),
        2 => Scale::Number(0.3),
        _ => Scale::Columns(scales),
    };
    Finish::AddTo { x, scale }
}

#[test]
fn rows_of_parts() {
    for device in devices() {
        for (tensor_type, cols, parts) in MATRICES {
            let mut numbers = Numbers::new(cols as u64);
            let packed = numbers.packed(tensor_type, ROWS, cols);
            let w = matrix(&packed, &device);
            // The first and last rows, and those on both sides of every edge of 16.
            let edges = (16..ROWS as u32)
                .step_by(16)
                .flat_map(|edge| [edge, edge - 1]);
            let all: Vec<u32> = [0, ROWS as u32 - 1, 0].into_iter().chain(edges).collect();
            for (ids, launches) in [(&all[..], parts), (&all[1..2], 1)] {
                let what = format!("{tensor_type} of {cols} on {:?}", device.kernels());
                let (result, launched) = dispatches(&device, || embed(&w, ids));
                assert_eq!(launched, launches, "{what}");
                let expected = Reference.embed(&packed, ids, None);
                assert_close(&what, &values(result), &expected, 1e-6);
                let x = numbers.vec(ids.len() * cols);
                let expected = Reference.embed(&packed, ids, Some(&x));
                let x = tensor(&x, [ids.len(), cols], &device);
                let result = add_embedding(x, &w, ids);
                assert_close(&what, &values(result), &expected, 1e-6);
            }
        }
    }
}

/// Embeddings as large as those of models of four billion weights, where a device binds no
/// more than WebGPU promises.
#[test]
fn embeddings_larger_than_webgpu_promises_to_bind() {
    const COLS: usize = 2048;
    /// Rows that repeat, as often as make a matrix past the limit; no part begins with the
    /// first of them but the first part.
    const REPEATED: usize = 61;
    let rows = 1050 * REPEATED;
    let mut numbers = Numbers::new(8);
    let few = numbers.packed(TensorType::Q8_0, REPEATED, COLS);
    let packed = PackedRows::new(
        TensorType::Q8_0,
        rows,
        COLS,
        few.bytes.repeat(rows / REPEATED),
    )
    .unwrap();
    assert!(packed.bytes.len() > 128 << 20);
    let x = numbers.vec(COLS);
    let shape = LinearShape {
        m: 1,
        n: REPEATED,
        k: COLS,
    };
    let products = Reference.linear(&x, &few, None, shape);
    let expected = products.repeat(rows / REPEATED);
    let ids = [0, rows as u32 / 2 + 8, rows as u32 / 2 - 8, rows as u32 - 1];
    let repeated = ids.map(|id| id % REPEATED as u32);
    let embedded = Reference.embed(&few, &repeated, None);
    for device in devices_with(128 << 20) {
        let w = matrix(&packed, &device);
        let x = tensor(&x, [1, COLS], &device);
        let (result, launched) = dispatches(&device, || linear(x, &w, None));
        assert_eq!(launched, 2);
        let what = format!("on {:?}", device.kernels());
        let tolerance = 1e-5 * (COLS as f32).sqrt();
        assert_close(&what, &values(result), &expected, tolerance);
        assert_close(&what, &values(embed(&w, &ids)), &embedded, 1e-6);
    }
}

/// A matrix that stands for another does so in as many parts.
#[test]
fn parts_are_lent() {
    for device in devices() {
        let mut numbers = Numbers::new(3);
        let lender = matrix(&numbers.packed(TensorType::F32, ROWS, 96), &device);
        let larger =
            |rows| PackedRows::new(TensorType::F16, rows, 96, vec![0; rows * 192]).unwrap();
        // Parts of 6144 and 3072 bytes, which the lender's of 6144 hold; then one of 8064.
        let lent = lender.lend(&larger(48)).unwrap();
        assert_eq!([lent.rows(), lent.cols()], [48, 96]);
        let x = tensor(&numbers.vec(96), [1, 96], &device);
        assert_eq!(values(linear(x, &lent, None)).len(), 48);
        assert!(lender.lend(&larger(42)).is_none());
    }
}

#[test]
fn rows_longer_than_a_buffer_are_refused() {
    for device in devices() {
        let packed = PackedRows::new(TensorType::F32, 17, 129, vec![0; 17 * 129 * 4]).unwrap();
        assert_eq!(
            flamingo_kernels::PackedMatrix::upload(packed, &device).map(|_| ()),
            Err(KernelError::TooLarge {
                bytes: 16 * 129 * 4,
                limit: LARGEST,
            })
        );
    }
}
