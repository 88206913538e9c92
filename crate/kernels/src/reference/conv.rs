//! Convolution, one output number after the other.

use crate::conv::Conv2dShape;

pub(super) fn conv2d(
    x: &[f32],
    weight: &[f32],
    bias: Option<&[f32]>,
    shape: &Conv2dShape,
) -> Vec<f32> {
    let s = shape;
    let group_in = s.c_in / s.groups;
    let group_out = s.c_out / s.groups;
    let mut out = Vec::with_capacity(s.out_h * s.out_w * s.c_out);
    for out_y in 0..s.out_h {
        for out_x in 0..s.out_w {
            for channel in 0..s.c_out {
                let mut sum = bias.map_or(0.0, |bias| f64::from(bias[channel]));
                for c in 0..group_in {
                    for ky in 0..s.kernel {
                        for kx in 0..s.kernel {
                            // Wraps past zero where the window hangs over the
                            // top or left edge, which is outside as well.
                            let y = (out_y * s.stride + ky).wrapping_sub(s.pad_top);
                            let column = (out_x * s.stride + kx).wrapping_sub(s.pad_left);
                            if y >= s.in_h || column >= s.in_w {
                                continue;
                            }
                            let c_in = channel / group_out * group_in + c;
                            let pixel = x[(y * s.in_w + column) * s.c_in + c_in];
                            let tap = (c * s.kernel + ky) * s.kernel + kx;
                            let weight = weight[channel * s.window() + tap];
                            sum += f64::from(pixel) * f64::from(weight);
                        }
                    }
                }
                out.push(sum as f32);
            }
        }
    }
    out
}
