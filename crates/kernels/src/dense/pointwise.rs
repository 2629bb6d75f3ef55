//! Activations of single values, and their gradients.

use std::ops::Range;

use super::Cores;
use super::elements::{ElementsMut, Operand, PIECE, SharedElements};
use super::shared::check_len;
use crate::KernelError;
use crate::simd::{Body, Lane, Math, dispatch};

/// Values of a task: 256 kB.
const TASK: usize = 64 * 1024;

/// `sqrt(2 / pi)`, of the tanh form of GELU.
const SQRT_2_OVER_PI: f32 = 0.797_884_6;
/// Coefficient of the cube in the tanh form of GELU (Hendrycks and Gimpel, 2016).
const GELU_CUBE: f32 = 0.044_715;

/// A function of single values with a gradient. NaN stays NaN.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Pointwise {
    /// `max(x, 0)`; the gradient at 0 is 0.
    Relu,
    /// `x` where it is positive, slope times `x` elsewhere.
    LeakyRelu(f32),
    /// `x` where it is positive, `alpha (exp(x) - 1)` elsewhere.
    Elu(f32),
    /// `x (1 + erf(x / sqrt 2)) / 2`.
    Gelu,
    /// `x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2`.
    GeluTanh,
}

impl Pointwise {
    /// `y = f(x)`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where the lengths differ.
    pub fn apply<'a>(
        self,
        x: impl Into<Operand<'a>>,
        y: impl Into<ElementsMut<'a>>,
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        let (x, mut y) = (x.into(), y.into());
        check_len("activation", "y", y.len(), &[x.len()])?;
        self.map(x, None, y.share(), cores);
        Ok(())
    }

    /// `gradient = f'(x) grad`.
    ///
    /// # Errors
    /// [`KernelError::Shape`] where the lengths differ.
    pub fn gradient<'a>(
        self,
        x: impl Into<Operand<'a>>,
        grad: impl Into<Operand<'a>>,
        gradient: impl Into<ElementsMut<'a>>,
        cores: &Cores<'_>,
    ) -> Result<(), KernelError> {
        let (x, grad, mut gradient) = (x.into(), grad.into(), gradient.into());
        check_len("activation", "the gradient of y", grad.len(), &[x.len()])?;
        check_len("activation", "the gradient of x", gradient.len(), &[x.len()])?;
        self.map(x, Some(grad), gradient.share(), cores);
        Ok(())
    }

    /// All elements of operands and result, which have the same length.
    fn map(self, x: Operand<'_>, grad: Option<Operand<'_>>, out: SharedElements, cores: &Cores<'_>) {
        cores.threads.for_each(x.len().div_ceil(TASK), |task| {
            let part = task * TASK..x.len().min((task + 1) * TASK);
            // SAFETY: this task alone writes the values of its part.
            unsafe { dispatch(cores.isa, Map { x, grad, out, function: self, part }) }
        });
    }

    #[inline(always)]
    fn value<L: Lane>(self, x: L) -> L {
        let zero = x.all(0.0);
        match self {
            Self::Relu => x.relu(),
            Self::LeakyRelu(slope) => x.leaky_relu(slope),
            Self::Elu(alpha) => {
                let below = zero.min(x).exp_m1_of_negative().mul(x.all(alpha));
                x.select_gt(zero, x, below)
            }
            Self::Gelu => x.gelu(),
            Self::GeluTanh => {
                let half = x.mul(x.all(0.5));
                half.mul_add(gelu_argument(x).tanh(), half)
            }
        }
    }

    #[inline(always)]
    fn slope<L: Lane>(self, x: L) -> L {
        let (zero, one, half) = (x.all(0.0), x.all(1.0), x.all(0.5));
        match self {
            // Through the value, so that a NaN stays one.
            Self::Relu => x.select_gt(zero, one, x.relu()),
            Self::LeakyRelu(slope) => x.select_gt(zero, one, x.mul(zero).add(x.all(slope))),
            Self::Elu(alpha) => {
                let below = zero.min(x).exp_m1_of_negative();
                x.select_gt(zero, one, below.mul_add(x.all(alpha), x.all(alpha)))
            }
            Self::Gelu => {
                let cumulative = half.mul_add(x.mul(x.all(std::f32::consts::FRAC_1_SQRT_2)).erf(), half);
                let density = zero.sub(x.mul(x).mul(half)).exp_of_negative().mul(x.all(INVERSE_SQRT_TAU));
                x.mul_add(density, cumulative)
            }
            Self::GeluTanh => {
                // With e = exp(-2 |u|): (1 + tanh u) / 2 is 1 / (1 + e) or e / (1 + e), 1 - tanh^2 u is 4 e / (1 + e)^2.
                let u = gelu_argument(x);
                let e = u.abs().mul(x.all(-2.0)).exp_of_negative();
                let upper = one.div(one.add(e));
                let lower = e.mul(upper);
                let inner = x.mul(x).mul_add(x.all(3.0 * GELU_CUBE * SQRT_2_OVER_PI), x.all(SQRT_2_OVER_PI));
                let second = x.add(x).mul(lower).mul(upper).mul(inner);
                // Far out the polynomial exceeds the range where e is 0 already.
                let second = x.abs().select_gt(x.all(GELU_TANH_FAR), zero, second);
                u.select_gt(zero, upper, lower).add(second)
            }
        }
    }
}

/// `1 / sqrt(2 pi)`.
const INVERSE_SQRT_TAU: f32 = 0.398_942_3;

/// Where the slope of the tanh form of GELU is 0 or 1 in f32.
const GELU_TANH_FAR: f32 = 16.0;

/// `sqrt(2 / pi) (x + 0.044715 x^3)`.
#[inline(always)]
fn gelu_argument<L: Lane>(x: L) -> L {
    x.mul(x).mul_add(x.all(GELU_CUBE * SQRT_2_OVER_PI), x.all(SQRT_2_OVER_PI)).mul(x)
}

struct Map<'a> {
    x: Operand<'a>,
    /// With it, the gradient; the value otherwise.
    grad: Option<Operand<'a>>,
    out: SharedElements,
    function: Pointwise,
    part: Range<usize>,
}

impl Body for Map<'_> {
    type Output = ();

    /// # Safety
    /// The part of `out` is this body's alone.
    #[inline(always)]
    unsafe fn run<L: Lane>(self) {
        let (mut room, mut to) = ([[0.0; PIECE]; 2], [0.0; PIECE]);
        let [x_room, grad_room] = &mut room;
        for first in self.part.clone().step_by(PIECE) {
            let n = PIECE.min(self.part.end - first);
            let x = self.x.piece(first, n, x_room);
            let grad = self.grad.as_ref().map(|grad| grad.piece(first, n, grad_room));
            // SAFETY: the part is this body's alone.
            let out = unsafe { self.out.room(first, n, &mut to) };
            for at in (0..n).step_by(L::N) {
                let m = L::N.min(n - at);
                // SAFETY: `m` floats from `at` on lie in all three slices, and `m < N` only at the end.
                unsafe {
                    let load = |values: &[f32]| {
                        let from = values.as_ptr().add(at);
                        if m == L::N { L::load(from) } else { L::load_first(from, m) }
                    };
                    let x = load(x);
                    let result = match grad {
                        Some(grad) => self.function.slope(x).mul(load(grad)),
                        None => self.function.value(x),
                    };
                    let out = out.as_mut_ptr().add(at);
                    if m == L::N { result.store(out) } else { result.store_first(out, m) }
                }
            }
            // SAFETY: as above.
            unsafe { self.out.finish(first, &to[..n]) };
        }
    }
}
