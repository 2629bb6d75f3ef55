//! Elementary functions on lanes, the same bits in every implementation.

use super::{EXP2_BIAS, Lane};

/// ln 2 in two parts: the first has trailing zeros, so that a small integer times it is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// `exp(r) = 1 + r (1 + r / 2 + ..)`: Taylor coefficients behind the first `r`, highest power first.
const EXP_TAYLOR: [f32; 7] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];

/// `2^-m` on `[-1/2, 1/2]`, highest power first: relative error 1.6e-8 before rounding (our fit, iteratively reweighted
/// least squares in Chebyshev nodes).
const EXP2_MINUS: [f32; 7] =
    [1.534_581_1e-4, -1.339_993_1e-3, 9.618_489e-3, -5.550_328_6e-2, 2.402_264_6e-1, -std::f32::consts::LN_2, 1.0];

/// `ln(erfc(z)) / z` on `[0, 4]`, highest power first: least absolute error of `erf`, 2.3e-9 before rounding (our fit,
/// iteratively reweighted least squares in the Chebyshev basis).
const LOG_ERFC: [f32; 9] = [
    8.043_326_5e-6,
    -1.060_221_6e-4,
    5.879_342e-4,
    -1.576_728_9e-3,
    5.874_798_4e-5,
    1.921_716_3e-2,
    -1.027_992_2e-1,
    -6.366_161e-1,
    -1.128_379_3,
];

/// Functions that every [`Lane`] has.
pub(crate) trait Math: Lane {
    /// All lanes `x`, from a value that shows that the instruction set is there.
    #[inline(always)]
    fn all(self, x: f32) -> Self {
        // SAFETY: `self` was made by an unsafe constructor, so the machine has the instruction set.
        unsafe { Self::splat(x) }
    }

    /// The polynomial with these coefficients, highest power first, by Horner's rule.
    #[inline(always)]
    fn polynomial<const K: usize>(self, coefficients: [f32; K]) -> Self {
        let mut sum = self.all(coefficients[0]);
        for c in &coefficients[1..] {
            sum = sum.mul_add(self, self.all(*c));
        }
        sum
    }

    /// `n` and `exp(r) - 1` of `x = n ln 2 + r`, `|r| <= ln 2 / 2`.
    #[inline(always)]
    fn split_exp(self) -> (Self, Self) {
        let n = self.mul(self.all(std::f32::consts::LOG2_E)).round();
        let r = n.neg_mul_add(self.all(LN2_HIGH), self);
        let r = n.neg_mul_add(self.all(LN2_LOW), r);
        (n, r.polynomial(EXP_TAYLOR).mul(r))
    }

    /// `exp(x)` within 2 ulp; 0 below -104, infinite above 89, NaN of NaN.
    #[inline(always)]
    fn exp(self) -> Self {
        let x = self.all(-104.0).max(self.all(89.0).min(self));
        let (n, em1) = x.split_exp();
        // Two factors: 2^n itself may be out of range where the result is denormal or just below infinity.
        let half = n.mul(self.all(0.5)).round();
        em1.add(self.all(1.0)).mul(half.exp2_integer()).mul(n.sub(half).exp2_integer())
    }

    /// `2^-x` within 2 ulp for `0 <= x <= 126`; any value elsewhere.
    #[inline(always)]
    fn exp2_of_minus(self) -> Self {
        let bias = self.all(EXP2_BIAS);
        let biased = bias.sub(self);
        let m = self.add(biased.sub(bias));
        m.polynomial(EXP2_MINUS).times_exp2(biased)
    }

    /// `exp(x)` within 2 ulp for `-87 <= x <= 0`, the value at -87 below; any value above 0 and for NaN.
    #[inline(always)]
    fn exp_of_negative(self) -> Self {
        let (n, em1) = self.all(-87.0).max(self).split_exp();
        let scale = n.exp2_integer();
        scale.mul_add(em1, scale)
    }

    /// `exp(x) - 1` for `x <= 0`, without cancellation near 0.
    #[inline(always)]
    fn exp_m1_of_negative(self) -> Self {
        let (n, em1) = self.all(-80.0).max(self).split_exp();
        let scale = n.exp2_integer();
        scale.mul_add(em1, scale.sub(self.all(1.0)))
    }

    /// `x` where it is positive, 0 elsewhere; NaN stays NaN.
    #[inline(always)]
    fn relu(self) -> Self {
        self.all(0.0).max(self)
    }

    /// `x` where it is positive, `slope * x` elsewhere; NaN stays NaN.
    #[inline(always)]
    fn leaky_relu(self, slope: f32) -> Self {
        self.select_gt(self.all(0.0), self, self.mul(self.all(slope)))
    }

    /// `x` where it is positive, `exp(x) - 1` elsewhere; NaN stays NaN.
    #[inline(always)]
    fn elu(self) -> Self {
        let zero = self.all(0.0);
        self.select_gt(zero, self, zero.min(self).exp_m1_of_negative())
    }

    /// The error function, within 1.2e-7 of the exact value; NaN stays NaN.
    #[inline(always)]
    fn erf(self) -> Self {
        let z = self.all(4.0).min(self.abs());
        let log_erfc = z.polynomial(LOG_ERFC).mul(z);
        self.all(0.0).sub(log_erfc.exp_m1_of_negative()).copysign(self)
    }

    /// The hyperbolic tangent, within 3e-7 of the exact value; NaN stays NaN.
    #[inline(always)]
    fn tanh(self) -> Self {
        let em1 = self.abs().mul(self.all(-2.0)).exp_m1_of_negative();
        self.all(0.0).sub(em1).div(em1.add(self.all(2.0))).copysign(self)
    }

    /// `x (1 + erf(x / sqrt 2)) / 2`, the exact form of GELU, within 2e-7 max(1, |x|); NaN stays NaN.
    #[inline(always)]
    fn gelu(self) -> Self {
        let half = self.mul(self.all(0.5));
        let erf = self.mul(self.all(std::f32::consts::FRAC_1_SQRT_2)).erf();
        half.mul_add(erf, half)
    }
}

impl<L: Lane> Math for L {}
