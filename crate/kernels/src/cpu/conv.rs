//! Convolution: depthwise directly, every other as a matrix product over
//! windows.

use flamingo_weights::TensorType;
use multiversion::multiversion;

use super::linear::{self, Epilogue, Rows};
use super::pointwise::activate;
use super::threads::for_each_chunk;
use crate::activation::Activation;
use crate::conv::Conv2dShape;
use crate::kernels::LinearShape;

/// Channels of a depthwise convolution that stay in registers, and of what is left over.
const WIDE: usize = 16;
const NARROW: usize = 8;

pub(super) fn conv2d(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    shape: &Conv2dShape,
) -> Vec<f32> {
    if shape.is_depthwise() {
        return depthwise(x, weight, bias, activation, shape);
    }
    let pixels = shape.out_h * shape.out_w;
    let group_out = shape.c_out / shape.groups;
    let product = LinearShape {
        m: pixels,
        n: group_out,
        k: shape.window(),
    };
    let mut out = vec![0.0; pixels * shape.c_out];
    for group in 0..shape.groups {
        let windows = windows(x, shape, group);
        let first = group * group_out;
        let rows = Rows {
            tensor_type: TensorType::F32,
            cols: product.k,
            row_bytes: 4 * product.k,
            in_fours: false,
            bytes: bytemuck::cast_slice(&weight[first * product.k..][..group_out * product.k]),
        };
        let epilogue = Epilogue {
            bias: bias.map(|bias| &bias[first..first + group_out]),
            activation,
            add_to: None,
        };
        let results = linear::linear(&windows, rows, epilogue, product);
        if shape.groups == 1 {
            return results;
        }
        for (out, results) in out
            .chunks_exact_mut(shape.c_out)
            .zip(results.chunks_exact(group_out))
        {
            out[first..first + group_out].copy_from_slice(results);
        }
    }
    out
}

/// Where tap `tap` of the window of output position `out` lies in the input;
/// `None` in the padding.
fn input_position(out: usize, tap: usize, stride: usize, pad: usize, size: usize) -> Option<usize> {
    (out * stride + tap)
        .checked_sub(pad)
        .filter(|&position| position < size)
}

/// The window of every output pixel in one group of channels:
/// `[out_h * out_w, window]`.
fn windows(x: &[f32], shape: &Conv2dShape, group: usize) -> Vec<f32> {
    let s = shape;
    let channels = s.c_in / s.groups;
    let taps = s.kernel * s.kernel;
    let mut windows = vec![0.0; s.out_h * s.out_w * s.window()];
    let (row, work) = (s.out_w * s.window(), windows.len());
    for_each_chunk(&mut windows, row, work, |out_y, windows| {
        for (out_x, window) in windows.chunks_exact_mut(s.window()).enumerate() {
            for tap in 0..taps {
                let y = input_position(out_y, tap / s.kernel, s.stride, s.pad_top, s.in_h);
                let x_at = input_position(out_x, tap % s.kernel, s.stride, s.pad_left, s.in_w);
                if let (Some(y), Some(x_at)) = (y, x_at) {
                    let first = (y * s.in_w + x_at) * s.c_in + group * channels;
                    for (c, &value) in x[first..first + channels].iter().enumerate() {
                        window[c * taps + tap] = value;
                    }
                }
            }
        }
    });
    windows
}

fn depthwise(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    activation: Option<Activation>,
    shape: &Conv2dShape,
) -> Vec<f32> {
    let taps = shape.kernel * shape.kernel;
    // One tap's weights of all channels side by side, as the pixels are.
    let mut by_tap = vec![0.0; weight.len()];
    for (channel, weights) in weight.chunks_exact(taps).enumerate() {
        for (tap, &weight) in weights.iter().enumerate() {
            by_tap[tap * shape.c_in + channel] = weight;
        }
    }
    let row = shape.out_w * shape.c_out;
    let mut out = vec![0.0; shape.out_h * row];
    let work = out.len() * taps;
    for_each_chunk(&mut out, row, work, |out_y, out| {
        if let Some(bias) = bias {
            for out in out.chunks_exact_mut(shape.c_out) {
                out.copy_from_slice(bias);
            }
        }
        depthwise_row(x, &by_tap, shape, out_y, out);
        if let Some(function) = activation {
            activate(out, function);
        }
    });
    out
}

/// Adds row `out_y` of the output to `out` `[out_w, channels]`.
#[multiversion(targets("x86_64+avx2"))]
fn depthwise_row(x: &[f32], by_tap: &[f32], shape: &Conv2dShape, out_y: usize, out: &mut [f32]) {
    let s = shape;
    // Where the taps of a window that lie within the grid begin, in the grid and in the weights.
    let mut taps = Vec::with_capacity(s.kernel * s.kernel);
    for (out_x, out) in out.chunks_exact_mut(s.c_out).enumerate() {
        taps.clear();
        for ky in 0..s.kernel {
            let y = input_position(out_y, ky, s.stride, s.pad_top, s.in_h);
            for kx in 0..s.kernel {
                let x_at = input_position(out_x, kx, s.stride, s.pad_left, s.in_w);
                if let (Some(y), Some(x_at)) = (y, x_at) {
                    let pixel = (y * s.in_w + x_at) * s.c_in;
                    taps.push((pixel, (ky * s.kernel + kx) * s.c_in));
                }
            }
        }
        let (wide, rest) = out.as_chunks_mut::<WIDE>();
        let (narrow, single) = rest.as_chunks_mut::<NARROW>();
        let mut channel = 0;
        for out in wide {
            add_taps(x, by_tap, &taps, &mut channel, out);
        }
        for out in narrow {
            add_taps(x, by_tap, &taps, &mut channel, out);
        }
        for out in single {
            add_taps(x, by_tap, &taps, &mut channel, std::array::from_mut(out));
        }
    }
}

/// Adds the taps of so many channels, which stay in registers, and counts the channels.
#[inline(always)]
fn add_taps<const CHANNELS: usize>(
    x: &[f32],
    by_tap: &[f32],
    taps: &[(usize, usize)],
    channel: &mut usize,
    out: &mut [f32; CHANNELS],
) {
    let mut sums = *out;
    for &(pixel, weights) in taps {
        let x = &x[pixel + *channel..][..CHANNELS];
        let weights = &by_tap[weights + *channel..][..CHANNELS];
        for lane in 0..CHANNELS {
            sums[lane] += x[lane] * weights[lane];
        }
    }
    *out = sums;
    *channel += CHANNELS;
}
