//! How fast the products of decoding are, against what the device can do at best and
//! against Burn's own.

use burn::tensor::quantization::{QuantScheme, QuantStore, QuantValue, ScaleDtype};
use burn::tensor::{Device, Tensor};
use flamingo_kernels::{ComputeDevice, PackedMatrix, TensorType, linear, read};
use web_time::Instant;

use crate::ParityError;
use crate::cube::CubeProduct;

/// Products of the shorter of two batches, and the most by which the longer one is longer.
pub(crate) const FEW: usize = 8;
const MOST: usize = 128;
/// Milliseconds that a batch takes about, where `MOST` are enough for that.
const LONG_ENOUGH: f64 = 300.0;

/// Every byte of the weights.
const BYTE: u8 = 17;

/// The products of one row in the default model: what it is of, how it is packed, rows,
/// columns.
const PRODUCTS: [(&str, TensorType, usize, usize); 9] = [
    ("query, key, value", TensorType::Q4_1, 960, 576),
    ("attention output", TensorType::Q4_1, 576, 576),
    ("gate, up", TensorType::Q4_1, 3072, 576),
    ("down", TensorType::Q4_1, 576, 1536),
    ("cross-attention query", TensorType::Q8_0, 512, 576),
    ("cross-attention output", TensorType::Q8_0, 576, 512),
    ("cross-attention up", TensorType::Q8_0, 2304, 576),
    ("cross-attention down", TensorType::Q8_0, 576, 2304),
    ("head", TensorType::Q8_0, 49_152, 576),
];

/// What was measured.
#[derive(Clone, Debug)]
pub struct MatvecReport {
    /// Bytes read and written a second where memory is copied.
    pub copy_bandwidth: f64,
    /// Multiply-adds a second in registers.
    pub multiply_add_peak: f64,
    /// Each product.
    pub products: Vec<MatvecSpeed>,
}

/// How fast one product is.
#[derive(Clone, Debug)]
pub struct MatvecSpeed {
    /// What it is of.
    pub name: &'static str,
    /// How its weights are packed.
    pub tensor_type: TensorType,
    /// Rows of the weights.
    pub rows: usize,
    /// Columns of the weights.
    pub cols: usize,
    /// Milliseconds of this project's, the median of the rounds.
    pub ms: f64,
    /// Milliseconds that copying its weights takes, or its multiply-adds, whichever are
    /// more.
    pub bound_ms: f64,
    /// Milliseconds of Burn's own product with `Q4S` weights in blocks of 32.
    pub burn_ms: f64,
    /// Milliseconds of this project's written in `#[cube]`, for `Q4_1`.
    pub cube_ms: Option<f64>,
}

/// What takes the time of products that were enqueued together.
pub trait Clock {
    /// Milliseconds of one product.
    fn time(
        &self,
        product: &impl Fn() -> Tensor<2>,
    ) -> impl Future<Output = Result<f64, ParityError>>;
}

/// The clock on the wall: what a product costs where many follow one another, with its launch.
#[derive(Clone, Copy, Debug)]
pub struct WallClock;

impl Clock for WallClock {
    /// What more products take longer, so that reading the result back, which takes longer than
    /// most, does not count.
    async fn time(&self, product: &impl Fn() -> Tensor<2>) -> Result<f64, ParityError> {
        let timed = async |count| {
            let started = Instant::now();
            enqueue(product, count).await?;
            Ok::<_, ParityError>(started.elapsed().as_secs_f64() * 1e3)
        };
        let few = timed(FEW).await?;
        let more = (LONG_ENOUGH / few * FEW as f64) as usize;
        let more = more.clamp(FEW, MOST);
        Ok((timed(FEW + more).await? - few).max(0.0) / more as f64)
    }
}

/// Enqueues so many products and waits for the last.
pub(crate) async fn enqueue(
    product: &impl Fn() -> Tensor<2>,
    count: usize,
) -> Result<(), ParityError> {
    for _ in 1..count {
        drop(product());
    }
    read(product()).await?;
    Ok(())
}

/// Measures every product, this project's and Burn's in turns, so many rounds.
///
/// # Errors
/// Where the device is none of WebGPU, or fails.
pub async fn measure_matvecs(
    device: &ComputeDevice,
    rounds: usize,
    clock: &impl Clock,
) -> Result<MatvecReport, ParityError> {
    let copy_bandwidth = device.copy_bandwidth().await?;
    let multiply_add_peak = device
        .multiply_add_peak()
        .await?
        .ok_or(ParityError::NoGpu)?;
    let mut products = Vec::with_capacity(PRODUCTS.len());
    for (name, tensor_type, rows, cols) in PRODUCTS {
        // What the numbers are does not matter, as long as they are numbers.
        let bytes = vec![BYTE; rows * tensor_type.row_bytes(cols).unwrap_or_default()];
        let read_bytes = bytes.len() as f64;
        let ours = PackedMatrix::new(tensor_type, rows, cols, bytes, device)?;
        let burns = quantized(rows, cols, &device.burn());
        let x = Tensor::<2>::ones([1, cols], &device.burn());
        let cubes = match tensor_type {
            TensorType::Q4_1 => {
                let word = u32::from_ne_bytes([BYTE; 4]);
                Some(CubeProduct::new(x.clone(), rows, word)?)
            }
            _ => None,
        };
        if let Some(cubes) = &cubes {
            let ours = read(linear(x.clone(), &ours, None)).await?;
            let theirs = read(cubes.run()).await?;
            let equal = |(a, b): (&f32, &f32)| (a - b).abs() <= 1e-4 * a.abs().max(1.0);
            if !ours.iter().zip(&theirs).all(equal) {
                return Err(ParityError::Differ { name });
            }
        }
        let (mut ms, mut burn_ms, mut cube_ms) = (Vec::new(), Vec::new(), Vec::new());
        // The first round compiles and does not count.
        for round in 0..=rounds {
            let our_time = clock.time(&|| linear(x.clone(), &ours, None)).await?;
            let burn_time = clock.time(&|| x.clone().matmul(burns.clone())).await?;
            let cube_time = match &cubes {
                Some(cubes) => Some(clock.time(&|| cubes.run()).await?),
                None => None,
            };
            if round > 0 {
                ms.push(our_time);
                burn_ms.push(burn_time);
                cube_ms.extend(cube_time);
            }
        }
        let copying = read_bytes / copy_bandwidth;
        let multiplying = (rows * cols) as f64 / multiply_add_peak;
        products.push(MatvecSpeed {
            name,
            tensor_type,
            rows,
            cols,
            ms: median(ms),
            bound_ms: 1e3 * copying.max(multiplying),
            burn_ms: median(burn_ms),
            cube_ms: cubes.is_some().then(|| median(cube_ms)),
        });
    }
    Ok(MatvecReport {
        copy_bandwidth,
        multiply_add_peak,
        products,
    })
}

/// Weights `[cols, rows]` as Burn packs them, nearest to GGML's `Q4_0`.
fn quantized(rows: usize, cols: usize, device: &Device) -> Tensor<2> {
    let scheme = QuantScheme::default()
        .with_value(QuantValue::Q4S)
        .with_store(QuantStore::PackedU32(0))
        .per_block([32], ScaleDtype::F32);
    Tensor::<2>::ones([cols, rows], device).quantize_dynamic(&scheme)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times
        .get(times.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or_default()
}

impl MatvecReport {
    /// The table.
    pub fn table(&self) -> String {
        let mut lines = vec![
            format!(
                "Copy bandwidth, read and written: {:.2} GB/s; multiply-adds in registers: \
                 {:.2} G/s\n",
                self.copy_bandwidth / 1e9,
                self.multiply_add_peak / 1e9
            ),
            "| product | weights | rows × columns | ms | bound | of the bound | Burn Q4S | \
             times Burn | in `#[cube]` |"
                .to_owned(),
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |".to_owned(),
        ];
        lines.extend(self.products.iter().map(|it| {
            format!(
                "| {} | {} | {} × {} | {:.3} | {:.3} | {:.0}% | {:.2} | {:.1}× | {} |",
                it.name,
                it.tensor_type,
                it.rows,
                it.cols,
                it.ms,
                it.bound_ms,
                100.0 * it.bound_ms / it.ms,
                it.burn_ms,
                it.burn_ms / it.ms,
                it.cube_ms
                    .map_or_else(|| "–".to_owned(), |ms| format!("{ms:.3}"))
            )
        }));
        lines.join("\n")
    }
}
