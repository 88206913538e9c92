//! The product of one row with `Q4_1` weights a second time, in Burn's `#[cube]`: what the
//! WGSL of `flamingo-kernels` is held against. The same blocks, the same four weight rows
//! an invocation; what it lacks is WGSL's `unpack4x8unorm`.

use burn::tensor::{DType, Tensor};
use burn_wgpu::{CubeTensor, Wgpu};
use cubecl::prelude::*;
use cubecl::server::Handle;

use crate::ParityError;

const INVOCATIONS: u32 = 16;
/// Results of a workgroup: four an invocation.
const RESULTS: usize = 64;
/// Numbers of a block, the words it is packed in, and the numbers of a vector.
const BLOCK: usize = 32;
const WORDS: usize = 5;
const VECTOR: usize = 4;

/// Bytes of a word's low halves, as numbers.
#[cube]
fn low_halves<N: Size>(word: u32, shifts: Vector<u32, N>) -> Vector<f32, N> {
    Vector::cast_from((Vector::new(word) >> shifts) & Vector::new(15u32))
}

/// binary16 to binary32.
#[cube]
fn half(bits: u32) -> f32 {
    let sign = (bits & 0x8000u32) << 16u32;
    let subnormal = f32::cast_from(bits & 0x3ffu32) * 5.960_464_5e-8f32;
    let normal = f32::reinterpret(((bits & 0x7fffu32) << 13u32) + 0x3800_0000u32);
    let magnitude = select((bits & 0x7c00u32) == 0u32, subnormal, normal);
    f32::reinterpret(u32::reinterpret(magnitude) | sign)
}

/// The sum of a vector's four numbers.
#[cube]
fn sum<N: Size>(vector: Vector<f32, N>) -> f32 {
    vector.extract(0usize)
        + vector.extract(1usize)
        + vector.extract(2usize)
        + vector.extract(3usize)
}

#[cube(launch_unchecked)]
fn row_q4_1<N: Size>(
    x: &[Vector<f32, N>],
    w: &[u32],
    result: &mut [f32],
    rows: usize,
    blocks: usize,
    scales: usize,
) {
    let first = CUBE_POS * RESULTS + UNIT_POS as usize;
    if first >= rows {
        terminate!();
    }
    let mut shifts = Vector::<u32, N>::zeroed();
    #[unroll]
    for i in 0..4usize {
        shifts.insert(i, i as u32 * 8u32);
    }
    let mut sums = Vector::<f32, N>::zeroed();
    for block in 0..blocks {
        let mut total = Vector::<f32, N>::zeroed();
        let mut part0 = Vector::<f32, N>::zeroed();
        let mut part1 = Vector::<f32, N>::zeroed();
        let mut part2 = Vector::<f32, N>::zeroed();
        let mut part3 = Vector::<f32, N>::zeroed();
        let stride = INVOCATIONS as usize;
        let last = rows - 1;
        let block0 = first.min(last) * blocks + block;
        let block1 = (first + stride).min(last) * blocks + block;
        let block2 = (first + 2 * stride).min(last) * blocks + block;
        let block3 = (first + 3 * stride).min(last) * blocks + block;
        #[unroll]
        for step in 0..4usize {
            let a = x[block * 8 + step];
            let b = x[block * 8 + step + 4];
            total += a + b;
            let word0 = w[block0 * 4 + step];
            part0 += low_halves(word0, shifts) * a + low_halves(word0 >> 4u32, shifts) * b;
            let word1 = w[block1 * 4 + step];
            part1 += low_halves(word1, shifts) * a + low_halves(word1 >> 4u32, shifts) * b;
            let word2 = w[block2 * 4 + step];
            part2 += low_halves(word2, shifts) * a + low_halves(word2 >> 4u32, shifts) * b;
            let word3 = w[block3 * 4 + step];
            part3 += low_halves(word3, shifts) * a + low_halves(word3 >> 4u32, shifts) * b;
        }
        let all = sum(total);
        let pair0 = w[scales + block0];
        let pair1 = w[scales + block1];
        let pair2 = w[scales + block2];
        let pair3 = w[scales + block3];
        let mut block_sums = Vector::<f32, N>::zeroed();
        block_sums.insert(
            0usize,
            half(pair0 & 0xffffu32) * sum(part0) + half(pair0 >> 16u32) * all,
        );
        block_sums.insert(
            1usize,
            half(pair1 & 0xffffu32) * sum(part1) + half(pair1 >> 16u32) * all,
        );
        block_sums.insert(
            2usize,
            half(pair2 & 0xffffu32) * sum(part2) + half(pair2 >> 16u32) * all,
        );
        block_sums.insert(
            3usize,
            half(pair3 & 0xffffu32) * sum(part3) + half(pair3 >> 16u32) * all,
        );
        sums += block_sums;
    }
    #[unroll]
    for i in 0..4usize {
        let row = first + i * INVOCATIONS as usize;
        if row < rows {
            result[row] = sums.extract(i);
        }
    }
}

/// A row and `Q4_1` weights on a GPU, all quants first and then all scales, as the kernels
/// of this project have them too.
pub(crate) struct CubeProduct {
    x: CubeTensor,
    words: Handle,
    rows: usize,
    blocks: usize,
}

impl CubeProduct {
    /// Weights `[rows, cols]`, every word of them the same, for a row `[1, cols]` on WebGPU.
    ///
    /// # Errors
    /// Where `x` is on another device.
    pub(crate) fn new(x: Tensor<2>, rows: usize, word: u32) -> Result<Self, ParityError> {
        let x = x
            .try_into_primitive::<Wgpu>()
            .map_err(|_| ParityError::NoGpu)?;
        let blocks = x.meta.shape().num_elements() / BLOCK;
        let words = vec![word; rows * blocks * WORDS];
        Ok(Self {
            words: x.client.create_from_slice(bytemuck::cast_slice(&words)),
            x,
            rows,
            blocks,
        })
    }

    /// The product, `[1, rows]`.
    pub(crate) fn run(&self) -> Tensor<2> {
        let Self { x, words, rows, .. } = self;
        let vectors = self.blocks * BLOCK / VECTOR;
        let quants = rows * self.blocks * (WORDS - 1);
        let result = x.client.empty(rows * size_of::<f32>());
        // SAFETY: the lengths are those of the buffers, and the kernel stays within them:
        // it clamps its rows.
        unsafe {
            row_q4_1::launch_unchecked(
                &x.client,
                CubeCount::Static(rows.div_ceil(RESULTS) as u32, 1, 1),
                CubeDim::new_1d(INVOCATIONS),
                VECTOR,
                BufferArg::from_raw_parts(x.handle.clone(), vectors),
                BufferArg::from_raw_parts(words.clone(), quants + rows * self.blocks),
                BufferArg::from_raw_parts(result.clone(), *rows),
                *rows,
                self.blocks,
                quants,
            );
        }
        Tensor::from_primitive::<Wgpu>(CubeTensor::new_contiguous(
            x.client.clone(),
            x.device.clone(),
            [1, *rows].into(),
            result,
            DType::F32,
        ))
    }
}
