//! The one interface of the three implementations.

use std::borrow::Borrow;

use crate::activation::{Activation, Scale};
use crate::attention::{Alibi, AttentionShape, Spans};
use crate::conv::Conv2dShape;
use crate::fused::{Finish, Fusion};
use crate::norm::Norm;
use crate::rope::RopeTask;

/// Sizes of a matrix product `x [m, k] · w [n, k]ᵀ`. The weights' own `n` and
/// `k` are the matrix's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinearShape {
    /// Rows of the activations: tokens.
    pub m: usize,
    /// Rows of the weights: width of the output.
    pub n: usize,
    /// Columns of both: width of the input.
    pub k: usize,
}

/// A normalisation of `rows` rows of `width` numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NormTask {
    /// Rows, each normalised on its own.
    pub rows: usize,
    /// Numbers of a row.
    pub width: usize,
    /// Added to the variance or mean square.
    pub eps: f32,
}

/// An attention: sizes, which keys each query sees, position bias.
#[derive(Clone, Copy, Debug)]
pub struct AttentionTask<'a> {
    /// Heads and their width.
    pub shape: &'a AttentionShape,
    /// Rows of the keys and values.
    pub keys: usize,
    /// One span for each query row.
    pub spans: &'a Spans,
    /// Linear position bias, where the model has one.
    pub alibi: Option<Alibi>,
}

/// One implementation of every operation.
///
/// The shapes are checked before an implementation is called; see the functions
/// of the same names at the root of this crate for what each computes.
pub trait Kernels {
    /// Contiguous `f32` numbers, row-major.
    type Dense: ToOwned + ?Sized;
    /// A matrix of packed weights.
    type Packed;

    /// `x · wᵀ + bias`.
    fn linear(
        &self,
        x: &Self::Dense,
        w: &Self::Packed,
        bias: Option<&Self::Dense>,
        shape: LinearShape,
    ) -> <Self::Dense as ToOwned>::Owned;

    /// Rows `ids` of `w`, unpacked, and added to as many others.
    fn embed(
        &self,
        w: &Self::Packed,
        ids: &[u32],
        added_to: Option<&Self::Dense>,
    ) -> <Self::Dense as ToOwned>::Owned;

    /// Rows brought to mean 0 and variance 1, then scaled and shifted.
    fn layer_norm(
        &self,
        x: &Self::Dense,
        weight: &Self::Dense,
        bias: Option<&Self::Dense>,
        task: NormTask,
    ) -> <Self::Dense as ToOwned>::Owned;

    /// Rows brought to mean square 1, then scaled.
    fn rms_norm(
        &self,
        x: &Self::Dense,
        weight: &Self::Dense,
        task: NormTask,
    ) -> <Self::Dense as ToOwned>::Owned;

    /// Rotary position embedding.
    fn rope(&self, x: &Self::Dense, task: &RopeTask) -> <Self::Dense as ToOwned>::Owned;

    /// Softmax attention over spans of keys.
    fn attention(
        &self,
        q: &Self::Dense,
        k: &Self::Dense,
        v: &Self::Dense,
        task: &AttentionTask<'_>,
    ) -> <Self::Dense as ToOwned>::Owned;

    /// Convolution of a channels-last grid.
    fn conv2d(
        &self,
        x: &Self::Dense,
        weight: &Self::Dense,
        bias: Option<&Self::Dense>,
        shape: &Conv2dShape,
    ) -> <Self::Dense as ToOwned>::Owned;

    /// A function of each number.
    fn activation(&self, x: &Self::Dense, function: Activation) -> <Self::Dense as ToOwned>::Owned;

    /// `function` of the first half of each row of `2 * width` numbers times its second
    /// half.
    fn gated(
        &self,
        x: &Self::Dense,
        function: Activation,
        width: usize,
    ) -> <Self::Dense as ToOwned>::Owned;

    /// `x + scale * y`.
    fn add_scaled(
        &self,
        x: &Self::Dense,
        y: &Self::Dense,
        scale: Scale<'_, Self::Dense>,
    ) -> <Self::Dense as ToOwned>::Owned;

    /// `rows` rows of `width` numbers, normalised.
    fn normalise(
        &self,
        x: &Self::Dense,
        norm: Norm<'_, Self::Dense>,
        rows: usize,
        width: usize,
    ) -> <Self::Dense as ToOwned>::Owned {
        let task = |eps| NormTask { rows, width, eps };
        match norm {
            Norm::Rms { weight, eps } => self.rms_norm(x, weight, task(eps)),
            Norm::Layer { weight, bias, eps } => self.layer_norm(x, weight, bias, task(eps)),
        }
    }

    /// A convolution, and a function of each number of it: one step after the other, where
    /// an implementation has nothing better.
    fn activated_conv2d(
        &self,
        x: &Self::Dense,
        weight: &Self::Dense,
        bias: Option<&Self::Dense>,
        activation: Option<Activation>,
        shape: &Conv2dShape,
    ) -> <Self::Dense as ToOwned>::Owned {
        let sum = self.conv2d(x, weight, bias, shape);
        match activation {
            Some(function) => self.activation(sum.borrow(), function),
            None => sum,
        }
    }

    /// `finish(norm(x) · wᵀ + bias)`: one step after the other, where an
    /// implementation has nothing better.
    fn fused_linear(
        &self,
        x: &Self::Dense,
        w: &Self::Packed,
        fusion: &Fusion<'_, Self::Dense, Self::Dense>,
        shape: LinearShape,
    ) -> <Self::Dense as ToOwned>::Owned {
        let normed = fusion
            .norm
            .map(|norm| self.normalise(x, norm, shape.m, shape.k));
        let x = normed.as_ref().map_or(x, Borrow::borrow);
        let product = self.linear(x, w, fusion.bias, shape);
        match fusion.finish {
            Finish::Sum => product,
            Finish::Activation(function) => self.activation(product.borrow(), function),
            Finish::Gated(function) => self.gated(product.borrow(), function, shape.n / 2),
            Finish::AddTo { x, scale } => self.add_scaled(x, product.borrow(), scale),
        }
    }
}
