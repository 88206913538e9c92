//! EfficientNet-Lite: its sizes, and its weights with batch norm folded in.
//!
//! Source: `efficientnet_lite_pytorch` 0.1.0, `model.py` and `utils.py`; Tan and
//! Le, "EfficientNet" (ICML 2019).

use std::collections::HashMap;

use flamingo_architecture::config::{EfficientNetLiteConfig, InvertedResidualConfig};

use super::PackError;
use super::parts::Part;

/// `batch_norm_epsilon` of the package.
const BATCH_NORM_EPS: f64 = 1e-3;

/// Blocks of one width, the first of which may halve the grid.
struct Stage {
    repeats: usize,
    kernel: usize,
    stride: usize,
    expand: usize,
    output: usize,
}

const fn stage(
    repeats: usize,
    kernel: usize,
    stride: usize,
    expand: usize,
    output: usize,
) -> Stage {
    Stage {
        repeats,
        kernel,
        stride,
        expand,
        output,
    }
}

/// EfficientNet-Lite2: EfficientNet-B0's stages 1.1 times as wide (rounded to
/// multiples of 8) and 1.2 times as deep; stem, head and the repeats of the first
/// and last stage are not scaled.
pub(super) fn lite2() -> EfficientNetLiteConfig {
    from_stages(
        32,
        &[
            stage(1, 3, 1, 1, 16),
            stage(3, 3, 2, 6, 24),
            stage(3, 5, 2, 6, 48),
            stage(4, 3, 2, 6, 88),
            stage(4, 5, 1, 6, 120),
            stage(5, 5, 2, 6, 208),
            stage(1, 3, 1, 6, 352),
        ],
        1280,
    )
}

/// A network of the same kind, small: a grid of 8×8 for an image of 64×64.
pub(super) fn tiny() -> EfficientNetLiteConfig {
    from_stages(
        8,
        &[
            stage(1, 3, 1, 1, 8),
            stage(2, 3, 2, 4, 16),
            stage(1, 5, 2, 6, 32),
        ],
        64,
    )
}

fn from_stages(
    stem_channels: usize,
    stages: &[Stage],
    head_channels: usize,
) -> EfficientNetLiteConfig {
    let mut blocks = Vec::new();
    let mut input = stem_channels;
    for stage in stages {
        for repeat in 0..stage.repeats {
            blocks.push(InvertedResidualConfig {
                input,
                output: stage.output,
                kernel: stage.kernel,
                stride: if repeat == 0 { stage.stride } else { 1 },
                expand: stage.expand,
            });
            input = stage.output;
        }
    }
    EfficientNetLiteConfig {
        stem_channels,
        blocks,
        head_channels,
    }
}

/// A convolution of the network: where it lies in the state dict and what it is
/// called in a model folder.
struct Convolution {
    kernel: String,
    norm: String,
    name: String,
}

/// All convolutions of the network.
fn convolutions(config: &EfficientNetLiteConfig) -> Vec<Convolution> {
    let convolution = |kernel: String, norm: String, name: String| Convolution {
        kernel: format!("{kernel}.weight"),
        norm,
        name,
    };
    let mut list = vec![convolution(
        "_conv_stem".into(),
        "_bn0".into(),
        "v.stem".into(),
    )];
    for (index, block) in config.blocks.iter().enumerate() {
        let from = |part: &str| format!("_blocks.{index}.{part}");
        let to = |part: &str| format!("v.blk.{index}.{part}");
        if block.expand > 1 {
            list.push(convolution(
                from("_expand_conv"),
                from("_bn0"),
                to("expand"),
            ));
        }
        list.push(convolution(
            from("_depthwise_conv"),
            from("_bn1"),
            to("depthwise"),
        ));
        list.push(convolution(
            from("_project_conv"),
            from("_bn2"),
            to("project"),
        ));
    }
    list.push(convolution(
        "_conv_head".into(),
        "_bn1".into(),
        "v.head".into(),
    ));
    list
}

/// Row-major values of tensors, by their names in a model folder.
pub(super) type Values = HashMap<String, Vec<f32>>;

/// Reads the state dict `state` and folds every batch norm into the
/// convolution before it. Kernels `[out, in, k, k]` are row-major, so they are
/// the matrices `[out, in * k * k]` already.
pub(super) fn read(state: &Part, config: &EfficientNetLiteConfig) -> Result<Values, PackError> {
    let mut values = Values::new();
    for Convolution { kernel, norm, name } in convolutions(config) {
        let (shape, kernel) = state.f32s(&kernel)?;
        let channels = shape.first().copied().unwrap_or(0);
        let vector = |part: &str| vector(state, &format!("{norm}.{part}"), channels);
        let norm = BatchNorm {
            scale: vector("weight")?,
            shift: vector("bias")?,
            mean: vector("running_mean")?,
            variance: vector("running_var")?,
        };
        let (weight, bias) = norm.fold_into(&kernel);
        values.insert(format!("{name}.weight"), weight);
        values.insert(format!("{name}.bias"), bias);
    }
    Ok(values)
}

/// The numbers of a tensor of the shape `[length]`.
fn vector(state: &Part, name: &str, length: usize) -> Result<Vec<f32>, PackError> {
    let (shape, values) = state.f32s(name)?;
    if shape != [length] {
        return Err(PackError::Shape {
            name: name.to_owned(),
            found: shape,
            expected: vec![length],
        });
    }
    Ok(values)
}

/// Batch norm of trained statistics, one value a channel:
/// `y = (x - mean) / sqrt(variance + eps) * scale + shift`.
struct BatchNorm {
    scale: Vec<f32>,
    shift: Vec<f32>,
    mean: Vec<f32>,
    variance: Vec<f32>,
}

impl BatchNorm {
    /// Weight and bias of the convolution that does what `kernel` `[channels, …]`
    /// and this batch norm do one after the other.
    fn fold_into(&self, kernel: &[f32]) -> (Vec<f32>, Vec<f32>) {
        let channels = self.scale.len();
        let row = kernel.len() / channels.max(1);
        let mut weight = Vec::with_capacity(kernel.len());
        let mut bias = Vec::with_capacity(channels);
        for (channel, kernel) in kernel.chunks(row.max(1)).enumerate() {
            let at = |values: &[f32]| f64::from(values[channel]);
            let gain = at(&self.scale) / (at(&self.variance) + BATCH_NORM_EPS).sqrt();
            weight.extend(kernel.iter().map(|&x| (f64::from(x) * gain) as f32));
            bias.push((at(&self.shift) - at(&self.mean) * gain) as f32);
        }
        (weight, bias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folded_convolution_is_convolution_then_batch_norm() {
        // Chosen so that every step is exact: sqrt(variance + eps) is 2 and 0.5.
        let variance = [4.0 - 1e-3, 0.25 - 1e-3].map(|x: f64| x as f32);
        let norm = BatchNorm {
            scale: vec![6.0, -1.0],
            shift: vec![10.0, 0.5],
            mean: vec![2.0, -3.0],
            variance: variance.to_vec(),
        };
        let kernel = [1.0, 2.0, -4.0, 0.0, 5.0, 7.0];
        let (weight, bias) = norm.fold_into(&kernel);
        let close = |found: &[f32], expected: &[f32]| {
            assert_eq!(found.len(), expected.len());
            for (x, y) in found.iter().zip(expected) {
                assert!((x - y).abs() < 1e-5, "{found:?} for {expected:?}");
            }
        };
        close(&weight, &[3.0, 6.0, -12.0, 0.0, -10.0, -14.0]);
        close(&bias, &[4.0, -5.5]);

        // For one pixel: kernel, then batch norm, as the definition has it.
        let pixel = [0.5, -1.0, 2.0];
        for (channel, bias) in bias.iter().enumerate() {
            let dot = |row: &[f32]| row.iter().zip(pixel).map(|(w, x)| w * x).sum::<f32>();
            let row = channel * 3..channel * 3 + 3;
            let x = dot(&kernel[row.clone()]);
            let deviation = (norm.variance[channel] + BATCH_NORM_EPS as f32).sqrt();
            let expected =
                (x - norm.mean[channel]) / deviation * norm.scale[channel] + norm.shift[channel];
            close(&[dot(&weight[row]) + bias], &[expected]);
        }
    }

    #[test]
    fn lite2_has_the_published_sizes() {
        let config = lite2();
        assert_eq!(config.blocks.len(), 21);
        let kernels: usize = convolutions(&config).len();
        // Stem, head, and three a block but for the one that does not expand.
        assert_eq!(kernels, 2 + 3 * 21 - 1);
        // Each stage takes what the one before gives; halved five times with the stem.
        assert!(
            config
                .blocks
                .windows(2)
                .all(|pair| pair[0].output == pair[1].input)
        );
        assert_eq!(
            config
                .blocks
                .iter()
                .filter(|block| block.stride == 2)
                .count(),
            4
        );
    }
}
