//! Which voxels of a row have a part in the value at a position, and how much.

use crate::sample::Accumulator;
use crate::{Order, Outside};

/// Positions closer to a whole number than this are that number: affines that are inverses of each other on paper
/// must not lose the last voxel of a row to rounding.
pub(crate) const SNAP: f64 = 1e-9;

/// Positions beyond this are as far outside as any.
const FAR: f64 = 1e15;

/// The position, or the whole number that it misses by rounding only.
pub(crate) fn snapped(p: f64) -> f64 {
    let p = p.clamp(-FAR, FAR);
    let whole = p.round();
    if (p - whole).abs() < SNAP { whole } else { p }
}

/// What to do past the ends of a row, once constants and edge values stand in the padded copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edge {
    /// Positions outside have no taps.
    Void,
    /// Positions whose nearest voxel is outside have no taps.
    RoundedVoid,
    Clamp,
    Mirror,
    Reflect,
    GridWrap,
    Wrap,
}

/// One axis as the interpolation sees it: `n` samples of which the first is index `-pad`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AxisRule {
    pub(crate) n: usize,
    pub(crate) pad: usize,
    pub(crate) edge: Edge,
}

impl AxisRule {
    /// The rule of an axis of `n` voxels with `pad` more on each side.
    pub(crate) fn new(n: usize, pad: usize, outside: Outside) -> Self {
        let edge = match outside {
            Outside::Constant(_) => Edge::Void,
            // Without padding the nearest voxel is taken: there is nothing to blend.
            Outside::GridConstant(_) if pad == 0 => Edge::RoundedVoid,
            Outside::Nearest | Outside::GridConstant(_) => Edge::Clamp,
            Outside::Mirror => Edge::Mirror,
            Outside::Reflect => Edge::Reflect,
            Outside::GridWrap => Edge::GridWrap,
            Outside::Wrap => Edge::Wrap,
        };
        Self { n: n + 2 * pad, pad, edge }
    }

    /// Where in the samples the position lies that is `p` in voxels; `None` where it has no value.
    pub(crate) fn locate(&self, p: f64) -> Option<f64> {
        let last = self.n as f64 - 1.0;
        let p = snapped(p) + self.pad as f64;
        match self.edge {
            Edge::Void => (p >= 0.0 && p <= last).then_some(p),
            Edge::RoundedVoid => (p >= -0.5 && p < last + 0.5).then_some(p),
            Edge::Clamp => Some(p.clamp(0.0, last)),
            Edge::Wrap if self.n > 1 && (p < 0.0 || p > last) => Some(p.rem_euclid(last)),
            Edge::Wrap if self.n == 1 => Some(0.0),
            _ => Some(p),
        }
    }

    /// The sample that stands for index `i`.
    pub(crate) fn fold(&self, i: i64) -> usize {
        let n = self.n as i64;
        if (0..n).contains(&i) {
            return i as usize;
        }
        let folded = match self.edge {
            Edge::GridWrap => i.rem_euclid(n),
            Edge::Reflect => {
                let i = i.rem_euclid(2 * n);
                if i < n { i } else { 2 * n - 1 - i }
            }
            _ if n == 1 => 0,
            Edge::Void | Edge::RoundedVoid | Edge::Clamp | Edge::Mirror | Edge::Wrap => {
                let i = i.rem_euclid(2 * n - 2);
                if i < n { i } else { 2 * n - 2 - i }
            }
        };
        folded as usize
    }

    /// The nearest sample; `None` where the position has no value.
    pub(crate) fn nearest(&self, p: f64) -> Option<usize> {
        self.locate(p).map(|p| self.fold((p + 0.5).floor() as i64))
    }

    /// The `N = degree + 1` samples around `p`; `None` where the position has no value.
    pub(crate) fn taps<A: Accumulator, const N: usize>(&self, p: f64) -> Option<Taps<A, N>> {
        let p = self.locate(p)?;
        let (first, t) = spline_start::<N>(p);
        let weight = spline_weights::<f64, N>(t).map(A::narrow);
        Some(Taps { index: std::array::from_fn(|k| self.fold(first + k as i64)), weight })
    }
}

/// Samples that are weighed together.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Taps<A, const N: usize> {
    pub(crate) index: [usize; N],
    pub(crate) weight: [A; N],
}

/// First sample of the spline of degree `N - 1` at `p`, and the `t` of [`spline_weights`].
fn spline_start<const N: usize>(p: f64) -> (i64, f64) {
    // Even degrees have their knots half-way between the voxels.
    let base = if N.is_multiple_of(2) { p.floor() } else { (p + 0.5).floor() };
    (base as i64 - spline_reach::<N>() as i64, p - base)
}

/// Samples before the base voxel.
pub(crate) const fn spline_reach<const N: usize>() -> usize {
    (N - 1) / 2
}

/// Weights of the uniform B-spline of degree `N - 1`, at distance `t` past the base voxel: `floor(p)` for odd degrees,
/// the nearest voxel for even ones.
#[inline(always)]
pub(crate) fn spline_weights<A: Accumulator, const N: usize>(t: A) -> [A; N] {
    let c = A::narrow;
    let one = c(1.0);
    let u = one - t;
    let mut w = [A::default(); N];
    match N {
        1 => w[0] = one,
        2 => {
            w[0] = u;
            w[1] = t;
        }
        3 => {
            let (a, b) = (c(0.5) - t, c(0.5) + t);
            w[0] = c(0.5) * a * a;
            w[1] = c(0.75) - t * t;
            w[2] = c(0.5) * b * b;
        }
        4 => {
            let sixth = c(1.0 / 6.0);
            w[0] = sixth * u * u * u;
            w[1] = sixth * (c(4.0) - t * t * (c(6.0) - c(3.0) * t));
            w[2] = sixth * (c(4.0) - u * u * (c(6.0) - c(3.0) * u));
            w[3] = sixth * t * t * t;
        }
        _ => {
            for (k, x) in [t + c(2.0), t + one, t, u, u + one, u + c(2.0)].into_iter().enumerate().take(N) {
                w[k] = quintic(x, if k == 2 || k == 3 { 0 } else { usize::from(k == 0 || k == 5) + 1 });
            }
        }
    }
    w
}

/// The quintic B-spline at distance `x`, which lies in `[piece, piece + 1]`.
fn quintic<A: Accumulator>(x: A, piece: usize) -> A {
    let c = A::narrow;
    let sum = match piece {
        0 => c(66.0) + x * x * (c(-60.0) + x * x * (c(30.0) - c(10.0) * x)),
        1 => c(51.0) + x * (c(75.0) + x * (c(-210.0) + x * (c(150.0) + x * (c(-45.0) + c(5.0) * x)))),
        _ => {
            let y = c(3.0) - x;
            y * y * y * y * y
        }
    };
    sum * c(1.0 / 120.0)
}

/// Poles of the recursive filter that turns values into spline coefficients.
pub(crate) fn spline_poles(order: Order) -> Vec<f64> {
    match order {
        Order::Nearest | Order::Linear => Vec::new(),
        Order::Quadratic => vec![8.0f64.sqrt() - 3.0],
        Order::Cubic => vec![3.0f64.sqrt() - 2.0],
        Order::Quintic => {
            let (inner, outer) = (4436.25f64.sqrt(), 26.25f64.sqrt());
            vec![(67.5 - inner).sqrt() + outer - 6.5, (67.5 + inner).sqrt() - outer - 6.5]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{AxisRule, Edge, snapped, spline_weights};
    use crate::Outside;

    #[test]
    fn rows_fold_as_their_names_say() {
        let folded = |outside| {
            let rule = AxisRule::new(4, 0, outside);
            (-5..9).map(|i| b"abcd"[rule.fold(i)] as char).collect::<String>()
        };
        assert_eq!(folded(Outside::Mirror), "bcdcbabcdcbabc".chars().collect::<String>());
        assert_eq!(folded(Outside::Reflect), "ddcbaabcddcbaa");
        assert_eq!(folded(Outside::GridWrap), "dabcdabcdabcda");
    }

    #[test]
    fn one_voxel_stands_for_all() {
        for edge in [Edge::Void, Edge::Clamp, Edge::Mirror, Edge::Reflect, Edge::GridWrap, Edge::Wrap] {
            let rule = AxisRule { n: 1, pad: 0, edge };
            assert!((-3..4).all(|i| rule.fold(i) == 0));
        }
    }

    #[test]
    fn weights_sum_to_one_and_keep_straight_lines() {
        fn check<const N: usize>(from: f64) {
            for step in 0..=10 {
                let t = from + f64::from(step) / 10.0;
                let w = spline_weights::<f64, N>(t);
                let reach = super::spline_reach::<N>() as f64;
                assert!((w.iter().sum::<f64>() - 1.0).abs() < 1e-14);
                let line: f64 = w.iter().enumerate().map(|(k, w)| w * (k as f64 - reach)).sum();
                assert!((line - t).abs() < 1e-14, "N = {N}, t = {t}: {line}");
            }
        }
        check::<2>(0.0);
        check::<3>(-0.5);
        check::<4>(0.0);
        check::<6>(0.0);
    }

    #[test]
    fn positions_snap_to_whole_numbers_within_rounding_only() {
        assert_eq!(snapped(6.999_999_999_6), 7.0);
        assert_eq!(snapped(-4e-10), 0.0);
        assert_eq!(snapped(6.999_999_99), 6.999_999_99);
    }
}
