//! Milliseconds of the operations a caption is made of:
//! `cargo run --release -p flamingo-kernels --example bench -- [cpu|gpu]`.

use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use flamingo_kernels::{
    AttentionShape, ComputeDevice, DeviceError, PackedMatrix, Spans, TensorType, attention, linear,
    read,
};
use futures_lite::future::block_on;

/// Runs of which the fastest counts.
const RUNS: usize = 7;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let device = match std::env::args().nth(1).as_deref() {
        None | Some("cpu") => ComputeDevice::cpu(),
        Some("gpu") => block_on(ComputeDevice::gpu())?,
        Some(other) => return Err(format!("{other} is neither cpu nor gpu").into()),
    };
    for (m, k, n) in [
        (1, 576, 49_152),
        (1, 576, 1536),
        (81, 1280, 384),
        (300, 576, 1536),
        (300, 1536, 576),
    ] {
        for tensor_type in [TensorType::Q8_0, TensorType::Q4_1, TensorType::F32] {
            // What the numbers are does not matter, as long as they are numbers.
            let bytes = vec![17; n * tensor_type.row_bytes(k).unwrap_or_default()];
            let weights = PackedMatrix::new(tensor_type, n, k, bytes, &device)?;
            let x = zeros(m, k, &device);
            let time = fastest(|| linear(x.clone(), &weights, None))?;
            let speed = 2.0 * (m * k * n) as f64 / time / 1e6;
            println!(
                "{m:>4} × {k:>4} × {n:>5} {tensor_type:>4}: {time:8.2} ms {speed:7.1} GFLOP/s"
            );
        }
    }
    let shape = AttentionShape {
        heads: 9,
        kv_heads: 3,
        head_dim: 64,
    };
    for (queries, keys) in [(1, 300), (300, 300)] {
        let spans = Spans::causal(queries, (keys - queries) as u32, 0);
        let (q, kv) = (zeros(queries, 576, &device), zeros(keys, 192, &device));
        let time = fastest(|| attention(q.clone(), kv.clone(), kv.clone(), &shape, &spans, None))?;
        println!("attention of {queries} over {keys}: {time:.2} ms");
    }
    Ok(())
}

fn zeros(rows: usize, cols: usize, device: &ComputeDevice) -> Tensor<2> {
    Tensor::from_data(
        TensorData::new(vec![0.0_f32; rows * cols], [rows, cols]),
        &device.burn(),
    )
}

/// Milliseconds of the fastest run, reading the result included.
fn fastest(run: impl Fn() -> Tensor<2>) -> Result<f64, DeviceError> {
    let mut fastest = f64::INFINITY;
    for _ in 0..RUNS {
        let start = Instant::now();
        block_on(read(run()))?;
        fastest = fastest.min(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok(fastest)
}
