//! Does this GPU compute what the CPU computes?
//!
//! Natively a shader that does not compile is an error. In a browser it takes
//! the whole submission with it and later reads return what was in the buffer
//! before, so the only way to know is to compute something and look.

use burn::tensor::{Tensor, TensorData};
use flamingo_weights::{TensorType, blocks};

use crate::attention::{AttentionShape, Spans, attention};
use crate::dense::read;
use crate::device::{ComputeDevice, SelfTestOutcome};
use crate::error::DeviceError;
use crate::kernels::{AttentionTask, Kernels, LinearShape, NormTask};
use crate::linear::linear;
use crate::norm::layer_norm;
use crate::packed_matrix::{PackedMatrix, PackedRows};
use crate::reference::Reference;

/// Largest difference allowed, as a share of what the operands' size makes of a
/// result. Rounding stays a hundred times below; a wrong index does not.
const TOLERANCE: f32 = 1e-3;
/// Columns of the products: two blocks.
const COLS: usize = 64;
/// Rows of the products: not a whole number of workgroups of any program.
const ROWS: usize = 67;

/// Numbers between -1 and 1, the same on every device.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        })
        .collect()
}

/// Every seventh row of the products is so small that its blocks' scales are
/// subnormal halves, which some GPUs take for zero.
fn row_scale(row: usize) -> f32 {
    if row.is_multiple_of(7) { 1e-4 } else { 1.0 }
}

/// Compares one operation after the other.
struct Test<'a> {
    device: &'a ComputeDevice,
    operations: usize,
    worst: f32,
}

/// Runs the comparison.
///
/// # Errors
/// Where an operation differs, or the device reported anything meanwhile, which
/// is the better explanation.
pub(crate) async fn run(device: &ComputeDevice) -> Result<SelfTestOutcome, DeviceError> {
    let mut test = Test {
        device,
        operations: 0,
        worst: 0.0,
    };
    // Each way of unpacking once, in the program for one row (decoding), and the
    // program for many rows (prompts) once: every pair of the two would take a
    // software device seconds to compile.
    for tensor_type in TensorType::ALL {
        test.linear(tensor_type, 1).await?;
    }
    test.linear(TensorType::Q8_0, 5).await?;
    test.layer_norm().await?;
    test.attention().await?;
    device.check().await?;
    Ok(SelfTestOutcome::Passed {
        operations: test.operations,
        worst: test.worst,
    })
}

impl Test<'_> {
    fn tensor<const D: usize>(&self, values: &[f32], shape: [usize; D]) -> Tensor<D> {
        Tensor::from_data(TensorData::new(values.to_vec(), shape), &self.device.burn())
    }

    /// Reads `result` and compares it with `expected`, number `i` being of the
    /// order of `scale(i)`.
    async fn compare(
        &mut self,
        operation: &str,
        result: Tensor<2>,
        expected: &[f32],
        scale: impl Fn(usize) -> f32,
    ) -> Result<(), DeviceError> {
        let result = read(result).await?;
        let mut error = 0.0_f32;
        for (i, (result, expected)) in result.iter().zip(expected).enumerate() {
            let difference = (result - expected).abs() / scale(i);
            // `max` would pass over a difference that is no number.
            error = if difference <= error {
                error
            } else {
                difference
            };
        }
        if error.is_nan() || result.len() != expected.len() {
            error = f32::INFINITY;
        }
        if error > TOLERANCE {
            // A refused shader explains more than the numbers it left behind.
            self.device.check().await?;
            return Err(DeviceError::SelfTestFailed {
                operation: operation.to_string(),
                error,
                tolerance: TOLERANCE,
            });
        }
        self.operations += 1;
        self.worst = self.worst.max(error / TOLERANCE);
        Ok(())
    }

    async fn linear(&mut self, tensor_type: TensorType, m: usize) -> Result<(), DeviceError> {
        let operation = format!("the product of {m} rows with {tensor_type} weights");
        let mut bytes = Vec::new();
        for (row, weights) in numbers(ROWS * COLS, 1).chunks_exact(COLS).enumerate() {
            let weights: Vec<f32> = weights.iter().map(|w| w * row_scale(row)).collect();
            blocks::quantize_row(tensor_type, &weights, &mut bytes).map_err(|error| {
                DeviceError::NotOpened {
                    adapter: operation.clone(),
                    reason: error.to_string(),
                }
            })?;
        }
        let shape = LinearShape {
            m,
            n: ROWS,
            k: COLS,
        };
        let x = numbers(m * COLS, 2);
        let packed = PackedRows {
            tensor_type,
            rows: ROWS,
            cols: COLS,
            bytes,
            in_fours: false,
        };
        let expected = Reference.linear(&x, &packed, None, shape);
        let matrix = PackedMatrix::new(tensor_type, ROWS, COLS, packed.bytes, self.device)
            .map_err(|error| DeviceError::Validation {
                message: format!("{operation}: {error}"),
            })?;
        let result = linear(self.tensor(&x, [m, COLS]), &matrix, None);
        self.compare(&operation, result, &expected, |i| row_scale(i % ROWS))
            .await
    }

    async fn layer_norm(&mut self) -> Result<(), DeviceError> {
        let task = NormTask {
            rows: 3,
            width: 100,
            eps: 1e-5,
        };
        let x = numbers(task.rows * task.width, 3);
        let weight = numbers(task.width, 4);
        let bias = numbers(task.width, 5);
        let expected = Reference.layer_norm(&x, &weight, Some(&bias), task);
        let result = layer_norm(
            self.tensor(&x, [task.rows, task.width]),
            &self.tensor(&weight, [task.width]),
            Some(&self.tensor(&bias, [task.width])),
            task.eps,
        );
        self.compare("layer norm", result, &expected, |_| 1.0).await
    }

    async fn attention(&mut self) -> Result<(), DeviceError> {
        let shape = AttentionShape {
            heads: 4,
            kv_heads: 2,
            head_dim: 64,
        };
        let (queries, keys) = (3, 70);
        let (width, kv_width) = (4 * 64, 2 * 64);
        let q = numbers(queries * width, 6);
        let k = numbers(keys * kv_width, 7);
        let v = numbers(keys * kv_width, 8);
        let spans = Spans::causal(queries, (keys - queries) as u32, 2);
        let task = AttentionTask {
            shape: &shape,
            keys,
            spans: &spans,
            alibi: None,
        };
        let expected = Reference.attention(&q, &k, &v, &task);
        let result = attention(
            self.tensor(&q, [queries, width]),
            self.tensor(&k, [keys, kv_width]),
            self.tensor(&v, [keys, kv_width]),
            &shape,
            &spans,
            None,
        );
        self.compare("attention", result, &expected, |_| 1.0).await
    }
}
