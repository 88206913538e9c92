//! A matrix product with what stands before and behind it.
//!
//! A decoder layer is a few products with small steps between them. On a GPU each
//! step of its own costs a dispatch, which for a single token takes longer than the
//! step; fused, a llama layer is six dispatches instead of seventeen.

use burn::tensor::Tensor;

use crate::activation::{Activation, Scale};
use crate::cpu::Cpu;
use crate::dense::{CpuRows, Dense, from_cpu, from_gpu, on_cpu, on_gpu};
use crate::gpu::Gpu;
use crate::kernels::{Kernels, LinearShape};
use crate::norm::{HeldNorm, Norm};
use crate::packed_matrix::PackedMatrix;

/// What is done with a product.
#[derive(Debug)]
pub enum Finish<'a, V: ?Sized, M: ?Sized> {
    /// Nothing.
    Sum,
    /// A function of every number.
    Activation(Activation),
    /// The inside of a gated feed-forward layer, as a SwiGLU with `silu`: the function of
    /// the first half of each row times its second half, `[rows, 2 * width]` →
    /// `[rows, width]`.
    Gated(Activation),
    /// `x + scale * product`: a residual sum, gated where `scale` is not 1. A scale of
    /// exactly 0 gives `x` bit for bit where the product is finite.
    AddTo {
        /// `[rows, width]`.
        x: &'a M,
        /// The gate.
        scale: Scale<'a, V>,
    },
}

/// `finish(norm(x) · wᵀ + bias)`: what a product is fused with. `V` is a vector and
/// `M` a matrix.
#[derive(Debug)]
pub struct Fusion<'a, V: ?Sized, M: ?Sized> {
    /// The norm before it.
    pub norm: Option<Norm<'a, V>>,
    /// `[n]`, added to every row.
    pub bias: Option<&'a V>,
    /// What follows.
    pub finish: Finish<'a, V, M>,
}

// Derived, these would ask the operands themselves to be `Copy`.
impl<V: ?Sized, M: ?Sized> Copy for Finish<'_, V, M> {}
impl<V: ?Sized, M: ?Sized> Clone for Finish<'_, V, M> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<V: ?Sized, M: ?Sized> Copy for Fusion<'_, V, M> {}
impl<V: ?Sized, M: ?Sized> Clone for Fusion<'_, V, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<V: ?Sized, M: ?Sized> Default for Fusion<'_, V, M> {
    /// The bare product.
    fn default() -> Self {
        Self {
            norm: None,
            bias: None,
            finish: Finish::Sum,
        }
    }
}

/// `finish(norm(x) · wᵀ + bias)` for `x` `[m, k]` and `w` `[n, k]`: `[m, n]`, or
/// `[m, n / 2]` with [`Finish::Gated`].
///
/// # Panics
/// Where the widths do not fit or the operands are on two devices.
pub fn fused_linear(
    x: Tensor<2>,
    w: &PackedMatrix,
    fusion: &Fusion<'_, Tensor<1>, Tensor<2>>,
) -> Tensor<2> {
    let [m, k] = x.dims();
    let shape = LinearShape { m, n: w.rows(), k };
    check(shape, w, fusion);
    let out = match fusion.finish {
        Finish::Gated(_) => [m, shape.n / 2],
        _ => [m, shape.n],
    };
    match Dense::of(x) {
        Dense::Cpu(x) => {
            let held = Held::new(fusion, |v| on_cpu(v.clone()), |m| on_cpu(m.clone()));
            let fusion = held.fusion(fusion, |rows: &CpuRows| &**rows);
            from_cpu(Cpu.fused_linear(&x, w.on_cpu(), &fusion, shape), out)
        }
        Dense::Gpu(x) => {
            let held = Held::new(fusion, |v| on_gpu(v.clone()), |m| on_gpu(m.clone()));
            let fusion = held.fusion(fusion, |tensor| tensor);
            from_gpu(Gpu.fused_linear(&x, w.on_gpu(), &fusion, shape))
        }
    }
}

fn check(shape: LinearShape, w: &PackedMatrix, fusion: &Fusion<'_, Tensor<1>, Tensor<2>>) {
    let LinearShape { m, n, k } = shape;
    assert_eq!(
        k,
        w.cols(),
        "fused_linear: x is {k} wide, the weights {}",
        w.cols()
    );
    if let Some(norm) = &fusion.norm {
        norm.check(k, "fused_linear");
    }
    if let Some(bias) = fusion.bias {
        assert_eq!(bias.dims(), [n], "fused_linear: length of the bias");
    }
    match fusion.finish {
        Finish::AddTo { x, scale } => {
            assert_eq!(x.dims(), [m, n], "fused_linear: shape of what is added to");
            if let Some(columns) = scale.columns() {
                assert_eq!(columns.dims(), [n], "fused_linear: length of the scale");
            }
        }
        Finish::Gated(_) => assert!(n.is_multiple_of(2), "fused_linear: {n} is odd"),
        Finish::Sum | Finish::Activation(_) => {}
    }
}

/// The operands of a fusion as one implementation takes them.
struct Held<T> {
    norm: Option<HeldNorm<T>>,
    bias: Option<T>,
    add_to: Option<T>,
    scale: Option<T>,
}

impl<T> Held<T> {
    fn new(
        fusion: &Fusion<'_, Tensor<1>, Tensor<2>>,
        vector: impl Fn(&Tensor<1>) -> T,
        matrix: impl Fn(&Tensor<2>) -> T,
    ) -> Self {
        Self {
            norm: fusion.norm.map(|norm| HeldNorm::new(&norm, &vector)),
            bias: fusion.bias.map(&vector),
            add_to: match fusion.finish {
                Finish::AddTo { x, .. } => Some(matrix(x)),
                _ => None,
            },
            scale: match fusion.finish {
                Finish::AddTo { scale, .. } => scale.columns().map(&vector),
                _ => None,
            },
        }
    }

    fn fusion<'a, D: ?Sized>(
        &'a self,
        like: &Fusion<'_, Tensor<1>, Tensor<2>>,
        dense: impl Fn(&'a T) -> &'a D,
    ) -> Fusion<'a, D, D> {
        const HELD: &str = "invariant: what a fusion has is held";
        Fusion {
            norm: like.norm.map(|norm| {
                let held = self.norm.as_ref().expect(HELD);
                held.norm(&norm, &dense)
            }),
            bias: self.bias.as_ref().map(&dense),
            finish: match like.finish {
                Finish::AddTo { scale, .. } => Finish::AddTo {
                    x: dense(self.add_to.as_ref().expect(HELD)),
                    scale: match scale {
                        Scale::Columns(_) => {
                            Scale::Columns(dense(self.scale.as_ref().expect(HELD)))
                        }
                        Scale::Number(number) => Scale::Number(number),
                    },
                },
                Finish::Activation(function) => Finish::Activation(function),
                Finish::Gated(function) => Finish::Gated(function),
                Finish::Sum => Finish::Sum,
            },
        }
    }
}
