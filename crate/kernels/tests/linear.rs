//! Matrix products and embeddings against the reference.
#![allow(clippy::unwrap_used, clippy::panic)]

mod harness;

use flamingo_kernels::reference::Reference;
use flamingo_kernels::{
    Activation, ComputeDevice, Finish, Fusion, KernelError, Kernels, LinearShape, Norm,
    PackedMatrix, PackedRows, Scale, TensorType, add_embedding, embed, fused_linear, linear,
};
use harness::{Numbers, assert_close, devices, matrix, tensor, values};

/// A sum of `k` products of numbers of variance 1 is of the order of `sqrt(k)`,
/// and so is its rounding.
fn tolerance(k: usize) -> f32 {
    1e-5 * (k as f32).sqrt()
}

fn check(tensor_type: TensorType, m: usize, n: usize, k: usize, with_bias: bool) {
    let mut numbers = Numbers::new((m * 31 + n * 7 + k) as u64);
    let packed = numbers.packed(tensor_type, n, k);
    let x = numbers.vec(m * k);
    let bias = with_bias.then(|| numbers.vec(n));
    let expected = Reference.linear(&x, &packed, bias.as_deref(), LinearShape { m, n, k });
    for device in devices() {
        let bias = bias.as_ref().map(|bias| tensor(bias, [n], &device));
        let weights = matrix(&packed, &device);
        let result = linear(tensor(&x, [m, k], &device), &weights, bias.as_ref());
        assert_eq!(result.dims(), [m, n]);
        assert_close(
            &format!(
                "{tensor_type} [{m}, {k}] x [{n}, {k}] on {:?}",
                device.kernels()
            ),
            &values(result),
            &expected,
            tolerance(k),
        );
    }
}

#[test]
fn every_type_and_number_of_rows() {
    for tensor_type in TensorType::ALL {
        for m in [1, 2, 3, 4, 5, 7, 8, 9, 16, 17, 64, 81, 300] {
            check(tensor_type, m, 72, 96, m % 2 == 0);
        }
    }
}

#[test]
fn the_shapes_of_the_language_model() {
    for (n, k) in [(576, 576), (192, 576), (1536, 576), (576, 1536)] {
        for m in [1, 5] {
            check(TensorType::Q4_1, m, n, k, false);
        }
    }
    check(TensorType::Q8_0, 1, 49_152, 576, false);
}

#[test]
fn the_shapes_of_the_bridges() {
    for (n, k) in [(384, 1280), (768, 384)] {
        for m in [1, 32] {
            check(TensorType::Q8_0, m, n, k, false);
        }
    }
    check(TensorType::Q8_0, 81, 384, 1280, true);
}

#[test]
fn the_pointwise_convolutions_of_the_vision_encoder() {
    for (k, n) in [
        (16, 96),
        (24, 144),
        (48, 288),
        (88, 528),
        (120, 720),
        (208, 1248),
        (352, 1280),
    ] {
        let tensor_type = match k % 32 {
            0 => TensorType::Q8_0,
            _ => TensorType::F16,
        };
        check(tensor_type, 17, n, k, true);
    }
}

/// A thousand rows, as the first grids of an image have, in more weights than are unpacked
/// at once.
#[test]
fn a_grid_of_many_pixels() {
    for tensor_type in TensorType::ALL {
        check(tensor_type, 1030, 20, 96, true);
    }
    check(TensorType::F16, 1030, 13, 27, true);
    check(TensorType::Q4_1, 1024, 300, 1024, false);
}

/// Things that may be done with a product.
const STEPS: usize = 4 + Activation::ALL.len();

/// Each of them; `x` is what some add it to, and `scales` how much its columns count.
fn finish<'a, V: ?Sized, M: ?Sized>(step: usize, x: &'a M, scales: &'a V) -> Finish<'a, V, M> {
    let scale = match step {
        0 => return Finish::Sum,
        1 => return Finish::Activation(Activation::GeluErf),
        2 => Scale::Number(0.3),
        3 => Scale::Columns(scales),
        _ => return Finish::Gated(Activation::ALL[step - 4]),
    };
    Finish::AddTo { x, scale }
}

/// What stands before and behind a product, for as many rows as take each way through it.
#[test]
fn fused_steps() {
    let (n, k) = (26, 64);
    for m in [1, 7, 9, 130, 1027] {
        let mut numbers = Numbers::new(m as u64);
        let packed = numbers.packed(TensorType::Q4_1, n, k);
        let [x, mut weight, mut shift, bias, residual, scales] =
            [m * k, k, k, n, m * n, n].map(|count| numbers.vec(count));
        // So that sums, and products of two of them, are about 1.
        for number in weight.iter_mut().chain(&mut shift) {
            *number /= (k as f32).sqrt();
        }
        for device in devices() {
            let on = |values: &[f32]| tensor(values, [values.len()], &device);
            let w = matrix(&packed, &device);
            let (weight_there, shift_there) = (on(&weight), on(&shift));
            let (bias_there, residual_there) = (on(&bias), tensor(&residual, [m, n], &device));
            let scales_there = on(&scales);
            for step in 0..STEPS {
                let expected = Reference.fused_linear(
                    &x,
                    &packed,
                    &Fusion {
                        norm: Some(Norm::Layer {
                            weight: &weight[..],
                            bias: Some(&shift[..]),
                            eps: 1e-5,
                        }),
                        bias: Some(&bias[..]),
                        finish: finish(step, &residual[..], &scales[..]),
                    },
                    LinearShape { m, n, k },
                );
                let fusion = Fusion {
                    norm: Some(Norm::Layer {
                        weight: &weight_there,
                        bias: Some(&shift_there),
                        eps: 1e-5,
                    }),
                    bias: Some(&bias_there),
                    finish: finish(step, &residual_there, &scales_there),
                };
                let result = fused_linear(tensor(&x, [m, k], &device), &w, &fusion);
                assert_close(
                    &format!("step {step} behind {m} rows on {:?}", device.kernels()),
                    &values(result),
                    &expected,
                    3.0 * tolerance(k),
                );
            }
        }
    }
}

#[test]
fn rows_of_any_length() {
    for tensor_type in [TensorType::F32, TensorType::F16] {
        for k in [1, 3, 9, 25, 27, 31, 33, 36, 100] {
            for m in [1, 4, 9] {
                check(tensor_type, m, 13, k, k % 2 == 1);
            }
        }
    }
}

#[test]
fn a_single_output() {
    for tensor_type in TensorType::ALL {
        check(tensor_type, 1, 1, 32, true);
        check(tensor_type, 11, 1, 32, false);
    }
}

/// Scales below 6.1e-5 are subnormal halves.
#[test]
fn small_scales_are_not_lost() {
    let x = vec![1.0; 32];
    for tensor_type in [
        TensorType::Q8_0,
        TensorType::Q4_0,
        TensorType::Q4_1,
        TensorType::F16,
    ] {
        let mut bytes = Vec::new();
        let row: Vec<f32> = (0..32).map(|i| 1e-5 * (i as f32 - 10.0)).collect();
        flamingo_weights::blocks::quantize_row(tensor_type, &row, &mut bytes).unwrap();
        let packed = PackedRows::new(tensor_type, 1, 32, bytes).unwrap();
        let shape = LinearShape { m: 1, n: 1, k: 32 };
        let expected = Reference.linear(&x, &packed, None, shape);
        assert!(expected[0].abs() > 1e-4, "{expected:?}");
        for device in devices() {
            let result = linear(
                tensor(&x, [1, 32], &device),
                &matrix(&packed, &device),
                None,
            );
            assert_close(
                &format!("{tensor_type} on {:?}", device.kernels()),
                &values(result),
                &expected,
                1e-9,
            );
        }
    }
}

#[test]
fn activations_may_be_a_view() {
    let mut numbers = Numbers::new(5);
    let packed = numbers.packed(TensorType::Q8_0, 40, 64);
    let x = numbers.vec(6 * 128);
    // Columns 64 … 127 of rows 2 … 4: neither contiguous nor at the start.
    let part: Vec<f32> = (2..5)
        .flat_map(|row| x[row * 128 + 64..][..64].to_vec())
        .collect();
    let shape = LinearShape { m: 3, n: 40, k: 64 };
    let expected = Reference.linear(&part, &packed, None, shape);
    for device in devices() {
        let view = tensor(&x, [6, 128], &device).slice([2..5, 64..128]);
        let result = linear(view, &matrix(&packed, &device), None);
        assert_close("view", &values(result), &expected, tolerance(64));
    }
}

#[test]
fn embedding_is_the_row_unpacked() {
    let mut numbers = Numbers::new(9);
    for tensor_type in TensorType::ALL {
        let cols = if tensor_type.block_len() == 1 { 37 } else { 96 };
        let packed = numbers.packed(tensor_type, 50, cols);
        let ids = [49, 0, 7, 7, 31];
        let expected = Reference.embed(&packed, &ids, None);
        for device in devices() {
            let weights = matrix(&packed, &device);
            let result = embed(&weights, &ids);
            assert_eq!(result.dims(), [5, cols]);
            assert_close(
                &format!("{tensor_type} on {:?}", device.kernels()),
                &values(result),
                &expected,
                1e-6,
            );
            let x = numbers.vec(5 * cols);
            let expected = Reference.embed(&packed, &ids, Some(&x));
            let result = add_embedding(tensor(&x, [5, cols], &device), &weights, &ids);
            let what = format!("{tensor_type} added on {:?}", device.kernels());
            assert_close(&what, &values(result), &expected, 1e-6);
        }
    }
}

#[test]
fn a_matrix_that_does_not_fit_its_bytes_is_refused() {
    for device in devices() {
        let new = |tensor_type, rows, cols, bytes| {
            PackedMatrix::new(tensor_type, rows, cols, vec![0; bytes], &device).map(|_| ())
        };
        assert_eq!(new(TensorType::Q8_0, 2, 32, 68), Ok(()));
        assert_eq!(
            new(TensorType::Q8_0, 2, 32, 67),
            Err(KernelError::ByteLength {
                tensor_type: TensorType::Q8_0,
                rows: 2,
                cols: 32,
                expected: 68,
                found: 67,
            })
        );
        assert_eq!(
            new(TensorType::Q4_0, 2, 40, 36),
            Err(KernelError::Columns {
                tensor_type: TensorType::Q4_0,
                cols: 40,
            })
        );
        assert_eq!(
            new(TensorType::F32, 0, 40, 0),
            Err(KernelError::Empty { rows: 0, cols: 40 })
        );
        assert!(matches!(
            new(TensorType::F32, usize::MAX, 40, 0),
            Err(KernelError::ByteLength { .. })
        ));
    }
}

/// Activations as bytes with a scale for every 32: the same product of those numbers, and
/// not far from that of the numbers they stand for.
#[test]
fn activations_may_be_rounded_to_bytes() {
    let int8 = ComputeDevice::cpu_int8();
    for tensor_type in [TensorType::Q8_0, TensorType::Q4_0, TensorType::Q4_1] {
        for (m, n, k) in [
            (1, 576, 576),
            (1, 7, 1536),
            (3, 70, 96),
            (8, 130, 320),
            (1, 3, 32),
        ] {
            let mut numbers = Numbers::new((m + n + k) as u64);
            let packed = numbers.packed(tensor_type, n, k);
            let mut x = numbers.vec(m * k);
            // A block of nothing has no largest number to scale by.
            x[..32].fill(0.0);
            let rounded: Vec<f32> = x
                .chunks_exact(32)
                .flat_map(|block| {
                    let largest = block.iter().fold(0.0f32, |largest, x| largest.max(x.abs()));
                    let inverse = if largest > 0.0 { 127.0 / largest } else { 0.0 };
                    let quant = move |&x: &f32| (x * inverse).round_ties_even();
                    block.iter().map(move |x| quant(x) * (largest / 127.0))
                })
                .collect();
            let shape = LinearShape { m, n, k };
            let expected = Reference.linear(&rounded, &packed, None, shape);
            let unrounded = Reference.linear(&x, &packed, None, shape);
            let weights = matrix(&packed, &int8);
            let result = values(linear(tensor(&x, [m, k], &int8), &weights, None));
            let what = format!("{tensor_type} [{m}, {k}] x [{n}, {k}]");
            assert_close(&what, &result, &expected, 3.0 * tolerance(k));
            let squares = |numbers: &[f32]| numbers.iter().map(|x| x * x).sum::<f32>();
            let difference: Vec<f32> = result.iter().zip(&unrounded).map(|(a, b)| a - b).collect();
            let loss = (squares(&difference) / squares(&unrounded).max(1e-6)).sqrt();
            assert!(loss < 0.02, "{what}: {loss}");
        }
    }
    // Many activations are not rounded, nor is an embedding.
    for (tensor_type, n) in [
        (TensorType::Q8_0, 7),
        (TensorType::Q4_0, 33),
        (TensorType::Q4_1, 16),
    ] {
        let mut numbers = Numbers::new(5);
        let packed = numbers.packed(tensor_type, n, 96);
        let x = numbers.vec(9 * 96);
        let result = |device: &ComputeDevice| {
            let weights = matrix(&packed, device);
            let product = values(linear(tensor(&x, [9, 96], device), &weights, None));
            let ids = [0, n as u32 - 1, 2];
            (product, values(embed(&weights, &ids)))
        };
        assert_eq!(result(&int8), result(&ComputeDevice::cpu()));
    }
    // Rows that lose nothing by being packed lose nothing here either.
    let mut numbers = Numbers::new(4);
    let packed = numbers.packed(TensorType::F16, 9, 27);
    let x = numbers.vec(27);
    let result = |device: &ComputeDevice| {
        let x = tensor(&x, [1, 27], device);
        values(linear(x, &matrix(&packed, device), None))
    };
    assert_eq!(result(&int8), result(&ComputeDevice::cpu()));
}

/// A number that is none shows in every product of its row, however activations are read.
#[test]
fn what_is_not_finite_is_not_lost() {
    let (n, k) = (9, 64);
    let int8 = ComputeDevice::cpu_int8();
    for tensor_type in TensorType::ALL {
        for m in [1, 3, 20] {
            let mut numbers = Numbers::new(m as u64);
            let packed = numbers.packed(tensor_type, n, k);
            let mut x = numbers.vec(m * k);
            x[k - 1] = f32::NAN;
            for device in devices().iter().chain([&int8]) {
                let weights = matrix(&packed, device);
                let result = values(linear(tensor(&x, [m, k], device), &weights, None));
                let (first, others) = result.split_at(n);
                let what = format!("{tensor_type}, {m} rows on {:?}", device.kernels());
                assert!(first.iter().all(|x| x.is_nan()), "{what}");
                assert!(others.iter().all(|x| x.is_finite()), "{what}");
            }
        }
    }
}
