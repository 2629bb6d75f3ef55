//! Winograd's algorithms in one dimension: `m` outputs of a kernel of 3 taps from `m + 2` products.
//!
//! A product of polynomials is found from its values at some points: evaluate both factors there, multiply, interpolate.
//! Transposed, this is a correlation: `y = inverse(forward(d) * g)` with `d` the `m + 2` inputs, `g` the weights at the
//! points and `y` the `m` outputs (Winograd 1980; Lavin and Gray 2016, section 4.1). F(4) takes the points
//! `0, +-a, +-b, infinity` with `a = 11/16, b = 3/2`: all coefficients are exact in f32, and errors are 3 to 8 times smaller
//! than with the usual 1 and 2.

use crate::simd::{Lane, Math as _};

/// Most points of an axis.
pub(super) const MOST: usize = 6;

/// One axis of a tile. Arrays have [`MOST`] places; only the first [`Points::A`] (or [`Points::M`]) count.
pub(super) trait Points {
    /// Outputs.
    const M: usize;
    /// Products.
    const A: usize;
    /// Taps.
    const TAPS: usize = 3;
    /// The point at which two equal inputs in the middle of a tile, as up-sampling makes them, give 0.
    const VANISHING: Option<usize> = None;

    /// The weights at the points: row `p` times the taps.
    fn weights() -> [[f64; 3]; MOST];

    /// The inputs at the points.
    fn forward<L: Lane>(d: [L; MOST]) -> [L; MOST];

    /// The outputs from the products.
    fn inverse<L: Lane>(p: [L; MOST]) -> [L; 4];
}

/// One output of one tap: for the depth of kernels that are one plane deep.
#[derive(Clone, Copy, Debug)]
pub(super) struct OneTap;

impl Points for OneTap {
    const M: usize = 1;
    const A: usize = 1;
    const TAPS: usize = 1;

    fn weights() -> [[f64; 3]; MOST] {
        let mut weights = [[0.0; 3]; MOST];
        weights[0][0] = 1.0;
        weights
    }

    #[inline(always)]
    fn forward<L: Lane>(d: [L; MOST]) -> [L; MOST] {
        d
    }

    #[inline(always)]
    fn inverse<L: Lane>([p0, ..]: [L; MOST]) -> [L; 4] {
        [p0; 4]
    }
}

/// One output, three products: the sum itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct F1;

impl Points for F1 {
    const M: usize = 1;
    const A: usize = 3;

    fn weights() -> [[f64; 3]; MOST] {
        let [zero, one] = [0.0, 1.0];
        let rest = [zero; 3];
        [[one, zero, zero], [zero, one, zero], [zero, zero, one], rest, rest, rest]
    }

    #[inline(always)]
    fn forward<L: Lane>(d: [L; MOST]) -> [L; MOST] {
        d
    }

    #[inline(always)]
    fn inverse<L: Lane>([p0, p1, p2, ..]: [L; MOST]) -> [L; 4] {
        [p0.add(p1).add(p2), p0, p0, p0]
    }
}

/// Two outputs, four products: points 0, 1, -1, infinity.
#[derive(Clone, Copy, Debug)]
pub(super) struct F2;

impl Points for F2 {
    const M: usize = 2;
    const A: usize = 4;
    const VANISHING: Option<usize> = Some(2);

    fn weights() -> [[f64; 3]; MOST] {
        [[1.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0.0, 0.0, 1.0], [0.0; 3], [0.0; 3]]
    }

    #[inline(always)]
    fn forward<L: Lane>([d0, d1, d2, d3, ..]: [L; MOST]) -> [L; MOST] {
        [d0.sub(d2), d1.add(d2), d2.sub(d1), d1.sub(d3), d0, d0]
    }

    #[inline(always)]
    fn inverse<L: Lane>([p0, p1, p2, p3, ..]: [L; MOST]) -> [L; 4] {
        [p0.add(p1).add(p2), p1.sub(p2).sub(p3), p0, p0]
    }
}

/// Four outputs, six products: points 0, +-a, +-b, infinity.
#[derive(Clone, Copy, Debug)]
pub(super) struct F4;

const A: f32 = 0.6875;
const B: f32 = 1.5;
const A2: f32 = A * A;
const B2: f32 = B * B;

impl Points for F4 {
    const M: usize = 4;
    const A: usize = 6;

    fn weights() -> [[f64; 3]; MOST] {
        let (a, b) = (f64::from(A), f64::from(B));
        let (a2, b2) = (a * a, b * b);
        let (ka, kb) = (0.5 / (a2 * (a2 - b2)), 0.5 / (b2 * (b2 - a2)));
        [
            [1.0 / (a2 * b2), 0.0, 0.0],
            [ka, ka * a, ka * a2],
            [ka, -ka * a, ka * a2],
            [kb, kb * b, kb * b2],
            [kb, -kb * b, kb * b2],
            [0.0, 0.0, 1.0],
        ]
    }

    #[inline(always)]
    fn forward<L: Lane>([d0, d1, d2, d3, d4, d5]: [L; MOST]) -> [L; MOST] {
        let (a, b, a2, b2) = (d0.all(A), d0.all(B), d0.all(A2), d0.all(B2));
        let (product, sum) = (d0.all(A2 * B2), d0.all(A2 + B2));
        let (even_a, odd_a) = (b2.neg_mul_add(d2, d4), b2.neg_mul_add(d1, d3));
        let (even_b, odd_b) = (a2.neg_mul_add(d2, d4), a2.neg_mul_add(d1, d3));
        [
            product.mul_add(d0, sum.neg_mul_add(d2, d4)),
            a.mul_add(odd_a, even_a),
            a.neg_mul_add(odd_a, even_a),
            b.mul_add(odd_b, even_b),
            b.neg_mul_add(odd_b, even_b),
            product.mul_add(d1, sum.neg_mul_add(d3, d5)),
        ]
    }

    #[inline(always)]
    fn inverse<L: Lane>([p0, p1, p2, p3, p4, p5]: [L; MOST]) -> [L; 4] {
        let all = |x: f32| p0.all(x);
        let (even_a, odd_a, even_b, odd_b) = (p1.add(p2), p1.sub(p2), p3.add(p4), p3.sub(p4));
        [
            p0.add(even_a.add(even_b)),
            all(A).mul_add(odd_a, all(B).mul(odd_b)),
            all(A2).mul_add(even_a, all(B2).mul(even_b)),
            all(A2 * A).mul_add(odd_a, all(B2 * B).mul_add(odd_b, p5)),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Lanes;

    /// Correlates integers, for which all steps are exact enough to be told apart by rounding to integers.
    fn correlate<P: Points>() {
        let taps = [3.0, -5.0, 7.0];
        let inputs = [2.0, -1.0, 4.0, 8.0, -6.0, 5.0];
        // SAFETY: arrays need no instruction set.
        let d = inputs.map(|x| unsafe { Lanes::<4>::splat(x) });
        let mut products = P::forward(d);
        for (product, row) in products.iter_mut().zip(P::weights()) {
            let g: f64 = row.iter().zip(taps).map(|(w, t)| w * t).sum();
            // SAFETY: arrays need no instruction set.
            *product = product.mul(unsafe { Lanes::<4>::splat(g as f32) });
        }
        let outputs = P::inverse(products);
        for (i, output) in outputs.into_iter().enumerate().take(P::M) {
            let expected: f64 = (0..3).map(|k| taps[k] * f64::from(inputs[i + k])).sum();
            let mut lanes = [0.0; 4];
            // SAFETY: four floats.
            unsafe { output.store(lanes.as_mut_ptr()) };
            assert!(lanes.iter().all(|x| (f64::from(*x) - expected).abs() < 1e-4), "{lanes:?} is not {expected}");
        }
    }

    #[test]
    fn each_correlates() {
        correlate::<F1>();
        correlate::<F2>();
        correlate::<F4>();
    }

    #[test]
    fn coefficients_are_exact() {
        for (x, exact) in [(A2, 0.472_656_25), (B2, 2.25), (A2 * B2, 1.063_476_562_5), (A2 + B2, 2.722_656_25)] {
            assert_eq!(f64::from(x), exact);
        }
        assert_eq!((f64::from(B2 * B), f64::from(A2 * A)), (3.375, 0.324_951_171_875));
    }
}
