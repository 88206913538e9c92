//! Convolution: depthwise directly, every other as a matrix product over
//! windows.

use flamingo_weights::TensorType;
use multiversion::multiversion;

use super::linear::{self, Rows};
use super::threads::for_each_chunk;
use crate::conv::Conv2dShape;
use crate::kernels::LinearShape;

pub(super) fn conv2d(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &Conv2dShape,
) -> Vec<f32> {
    if shape.is_depthwise() {
        return depthwise(x, weight, bias, shape);
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
        let bias = bias.map(|bias| &bias[first..first + group_out]);
        let results = linear::linear(&windows, rows, bias, product);
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
    for (pixel, window) in windows.chunks_exact_mut(s.window()).enumerate() {
        let (out_y, out_x) = (pixel / s.out_w, pixel % s.out_w);
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
    windows
}

fn depthwise(x: &[f32], weight: &[f32], bias: Option<&[f32]>, shape: &Conv2dShape) -> Vec<f32> {
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
        depthwise_row(x, &by_tap, bias, shape, out_y, out);
    });
    out
}

/// Row `out_y` of the output: `out` is `[out_w, channels]`, zeros before.
#[multiversion(targets("x86_64+avx2"))]
fn depthwise_row(
    x: &[f32],
    by_tap: &[f32],
    bias: Option<&[f32]>,
    shape: &Conv2dShape,
    out_y: usize,
    out: &mut [f32],
) {
    let s = shape;
    for (out_x, out) in out.chunks_exact_mut(s.c_out).enumerate() {
        if let Some(bias) = bias {
            out.copy_from_slice(bias);
        }
        for ky in 0..s.kernel {
            let Some(y) = input_position(out_y, ky, s.stride, s.pad_top, s.in_h) else {
                continue;
            };
            for kx in 0..s.kernel {
                let Some(x_at) = input_position(out_x, kx, s.stride, s.pad_left, s.in_w) else {
                    continue;
                };
                let pixel = &x[(y * s.in_w + x_at) * s.c_in..][..s.c_in];
                let weights = &by_tap[(ky * s.kernel + kx) * s.c_in..][..s.c_in];
                for ((out, x), weight) in out.iter_mut().zip(pixel).zip(weights) {
                    *out += x * weight;
                }
            }
        }
    }
}
