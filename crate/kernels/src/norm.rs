//! Layer norm and RMS norm.

use burn::tensor::Tensor;

use crate::cpu::Cpu;
use crate::dense::{CpuRows, Dense, from_cpu, from_gpu, on_cpu, on_gpu};
use crate::gpu::Gpu;
use crate::kernels::Kernels;

/// A norm of every row; `V` is a vector.
#[derive(Debug)]
pub enum Norm<'a, V: ?Sized> {
    /// As [`rms_norm`].
    Rms {
        /// `[width]`.
        weight: &'a V,
        /// Added to the mean square.
        eps: f32,
    },
    /// As [`layer_norm`].
    Layer {
        /// `[width]`.
        weight: &'a V,
        /// `[width]`.
        bias: Option<&'a V>,
        /// Added to the variance.
        eps: f32,
    },
}

// Derived, these would ask the vectors themselves to be `Copy`.
impl<V: ?Sized> Copy for Norm<'_, V> {}
impl<V: ?Sized> Clone for Norm<'_, V> {
    fn clone(&self) -> Self {
        *self
    }
}

/// A norm without its vectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum NormKind {
    Rms,
    Layer { bias: bool },
}

impl<'a, V: ?Sized> Norm<'a, V> {
    pub(crate) fn weight(&self) -> &'a V {
        match *self {
            Self::Rms { weight, .. } | Self::Layer { weight, .. } => weight,
        }
    }

    pub(crate) fn bias(&self) -> Option<&'a V> {
        match *self {
            Self::Rms { .. } => None,
            Self::Layer { bias, .. } => bias,
        }
    }

    pub(crate) fn eps(&self) -> f32 {
        match *self {
            Self::Rms { eps, .. } | Self::Layer { eps, .. } => eps,
        }
    }

    pub(crate) fn kind(&self) -> NormKind {
        match self {
            Self::Rms { .. } => NormKind::Rms,
            Self::Layer { bias, .. } => NormKind::Layer {
                bias: bias.is_some(),
            },
        }
    }
}

impl Norm<'_, Tensor<1>> {
    /// # Panics
    /// Where the vectors are not `width` long.
    pub(crate) fn check(&self, width: usize, operation: &str) {
        assert_eq!(
            self.weight().dims(),
            [width],
            "{operation}: length of the norm's weight"
        );
        if let Some(bias) = self.bias() {
            assert_eq!(
                bias.dims(),
                [width],
                "{operation}: length of the norm's bias"
            );
        }
    }
}

/// The vectors of a norm as one implementation takes them.
pub(crate) struct HeldNorm<T> {
    weight: T,
    bias: Option<T>,
}

impl<T> HeldNorm<T> {
    pub(crate) fn new(norm: &Norm<'_, Tensor<1>>, vector: impl Fn(&Tensor<1>) -> T) -> Self {
        Self {
            weight: vector(norm.weight()),
            bias: norm.bias().map(vector),
        }
    }

    /// The norm, of the same kind as `like`.
    pub(crate) fn norm<'a, D: ?Sized>(
        &'a self,
        like: &Norm<'_, Tensor<1>>,
        dense: impl Fn(&'a T) -> &'a D,
    ) -> Norm<'a, D> {
        let weight = dense(&self.weight);
        match *like {
            Norm::Rms { eps, .. } => Norm::Rms { weight, eps },
            Norm::Layer { eps, .. } => Norm::Layer {
                weight,
                bias: self.bias.as_ref().map(dense),
                eps,
            },
        }
    }
}

/// Every row of `x` `[rows, width]` normalised.
///
/// # Panics
/// Where the widths do not fit or the operands are on two devices.
pub fn norm(x: Tensor<2>, norm: &Norm<'_, Tensor<1>>) -> Tensor<2> {
    let [rows, width] = x.dims();
    norm.check(width, "norm");
    match Dense::of(x) {
        Dense::Cpu(x) => {
            let held = HeldNorm::new(norm, |vector| on_cpu(vector.clone()));
            let norm = held.norm(norm, |vector: &CpuRows| &**vector);
            from_cpu(Cpu.normalise(&x, norm, rows, width), [rows, width])
        }
        Dense::Gpu(x) => {
            let held = HeldNorm::new(norm, |vector| on_gpu(vector.clone()));
            let norm = held.norm(norm, |vector| vector);
            from_gpu(Gpu.normalise(&x, norm, rows, width))
        }
    }
}

/// Every head of each row of `x` `[rows, heads * head_dim]` normalised on its own; weight
/// and bias are `[head_dim]`.
///
/// # Panics
/// Where the width is no multiple of `heads`, and as [`norm`].
pub fn head_norm(x: Tensor<2>, heads: usize, norm: &Norm<'_, Tensor<1>>) -> Tensor<2> {
    let [rows, width] = x.dims();
    assert!(
        heads > 0 && width.is_multiple_of(heads),
        "head_norm: {heads} heads do not divide a width of {width}"
    );
    let by_head = x.reshape([rows * heads, width / heads]);
    self::norm(by_head, norm).reshape([rows, width])
}

/// `(x - mean) / sqrt(variance + eps) * weight + bias` for each row of `x`
/// `[rows, width]`; `weight` and `bias` are `[width]`. The variance is the
/// biased one, as in PyTorch.
///
/// # Panics
/// Where the widths do not fit or the operands are on two devices.
pub fn layer_norm(
    x: Tensor<2>,
    weight: &Tensor<1>,
    bias: Option<&Tensor<1>>,
    eps: f32,
) -> Tensor<2> {
    norm(x, &Norm::Layer { weight, bias, eps })
}

/// `x / sqrt(mean(x²) + eps) * weight` for each row of `x` `[rows, width]`;
/// `weight` is `[width]`.
///
/// # Panics
/// Where the widths do not fit or the operands are on two devices.
pub fn rms_norm(x: Tensor<2>, weight: &Tensor<1>, eps: f32) -> Tensor<2> {
    norm(x, &Norm::Rms { weight, eps })
}
