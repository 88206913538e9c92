//! Milliseconds of the operations a caption is made of, then the products of a token by
//! themselves, held against the memory that they read:
//! `cargo run --release -p flamingo-kernels --example bench -- [cpu|gpu]`.

use std::time::Instant;

use burn::tensor::{Tensor, TensorData};
use flamingo_kernels::{
    AttentionShape, ComputeDevice, DeviceError, Finish, Fusion, Norm, PackedMatrix, Spans,
    TensorType, add_scaled, attention, fused_linear, linear, read,
};
use futures_lite::future::block_on;

/// Runs of which the fastest counts.
const RUNS: usize = 7;

/// Bytes of weights that a series of products reads: more than a GPU's cache holds.
const SERIES_BYTES: usize = 128 << 20;
/// Most products of a series.
const SERIES: usize = 64;

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
    token(&device)
}

/// The matrices that a token is multiplied with: numbers of columns and rows, type,
/// whether a norm stands before it.
const TOKEN: [(usize, usize, TensorType, bool); 15] = [
    // The default model's: queries, keys and values; output; feed-forward; head.
    (576, 960, TensorType::Q4_1, false),
    (576, 576, TensorType::Q4_1, false),
    (576, 3072, TensorType::Q4_1, false),
    (576, 3072, TensorType::Q4_1, true),
    (1536, 576, TensorType::Q4_1, false),
    (576, 49_152, TensorType::Q8_0, false),
    // OpenFlamingo-3B's, those of cross-attention included.
    (2048, 6144, TensorType::Q4_0, false),
    (2048, 6144, TensorType::Q4_0, true),
    (2048, 2048, TensorType::Q4_0, false),
    (2048, 8192, TensorType::Q4_0, false),
    (2048, 8192, TensorType::Q4_0, true),
    (8192, 2048, TensorType::Q4_0, false),
    (2048, 512, TensorType::Q4_0, false),
    (512, 2048, TensorType::Q4_0, false),
    (2048, 50_280, TensorType::Q4_0, false),
];

/// What a product of one token takes in a series of them, each with weights of its own:
/// until all are enqueued, and until all are done.
fn token(device: &ComputeDevice) -> Result<(), Box<dyn std::error::Error>> {
    let copied = block_on(device.copy_bandwidth())?;
    println!("copy bandwidth: {:.1} GB/s", copied / 1e9);
    for (k, n, tensor_type, normed) in TOKEN {
        let bytes = n * tensor_type.row_bytes(k).unwrap_or_default();
        let count = (SERIES_BYTES / bytes).clamp(1, SERIES);
        let weights = (0..count)
            .map(|_| PackedMatrix::new(tensor_type, n, k, vec![17; bytes], device))
            .collect::<Result<Vec<_>, _>>()?;
        let x = zeros(1, k, device);
        let norm_weight: Tensor<1> = zeros(1, k, device).squeeze();
        let norm = normed.then_some(Norm::Layer {
            weight: &norm_weight,
            bias: None,
            eps: 1e-5,
        });
        let fusion = Fusion {
            norm,
            bias: None,
            finish: Finish::Sum,
        };
        let (enqueued, done) = series(count, |index| {
            fused_linear(x.clone(), &weights[index], &fusion)
        })?;
        let speed = bytes as f64 / done * 1e3;
        println!(
            "1 × {k:>4} × {n:>5} {tensor_type:>4}{}: {:8.1} µs, enqueued {:6.1} µs, {:7.1} GB/s, {:3.0}% of the copy bandwidth",
            if normed { " normed" } else { "       " },
            done * 1e3,
            enqueued * 1e3,
            speed / 1e9,
            100.0 * speed / copied,
        );
    }
    let x = zeros(1, 64, device);
    let (enqueued, done) = series(SERIES, |_| add_scaled(x.clone(), x.clone(), 0.5))?;
    println!(
        "next to nothing: {:.1} µs, enqueued {:.1} µs",
        done * 1e3,
        enqueued * 1e3
    );
    Ok(())
}

/// Milliseconds of one of `count` runs that are enqueued one after the other, until all are
/// enqueued and until the last is read; of the fastest series.
fn series(count: usize, run: impl Fn(usize) -> Tensor<2>) -> Result<(f64, f64), DeviceError> {
    let mut fastest = (f64::INFINITY, f64::INFINITY);
    for _ in 0..RUNS {
        let start = Instant::now();
        let mut last = None;
        for index in 0..count {
            last = Some(run(index));
        }
        let enqueued = start.elapsed().as_secs_f64();
        if let Some(last) = last {
            block_on(read(last.narrow(1, 0, 1)))?;
        }
        let done = start.elapsed().as_secs_f64();
        if done < fastest.1 {
            fastest = (enqueued, done);
        }
    }
    let (enqueued, done) = fastest;
    Ok((enqueued * 1e3 / count as f64, done * 1e3 / count as f64))
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
