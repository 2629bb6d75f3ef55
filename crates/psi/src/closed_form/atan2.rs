//! The angle of a point, without branches, so that loops over it become vector instructions.

use std::f64::consts::{FRAC_PI_2, FRAC_PI_4, PI};

/// Beyond it the argument is reduced by pi/4, where the rational approximation holds.
const REDUCE_ABOVE: f64 = 0.66;

/// Numerator and denominator (monic) of `(atan(x) - x) / x^3` in `x^2` for |x| <= 0.66, error 1.8e-16: S. L. Moshier,
/// Cephes Mathematical Library, `atan.c`.
const P: [f64; 5] = [
    -8.750_608_600_031_904e-1,
    -1.615_753_718_733_365_2e1,
    -7.500_855_792_314_705e1,
    -1.228_866_684_490_136_1e2,
    -6.485_021_904_942_025e1,
];
const Q: [f64; 5] = [
    2.485_846_490_142_306_2e1,
    1.650_270_098_316_988_5e2,
    4.328_810_604_912_902_7e2,
    4.853_903_996_359_137e2,
    1.945_506_571_482_614e2,
];

/// `atan2(y, x)` in `[-pi, pi]` to 4e-16; 0 for the origin. Zeros have no sign here: `atan2(-0, -1)` is pi.
#[inline(always)]
pub(super) fn atan2(y: f64, x: f64) -> f64 {
    let (ax, ay) = (x.abs(), y.abs());
    let (low, high) = if ay > ax { (ax, ay) } else { (ay, ax) };
    let t = low / if high == 0.0 { 1.0 } else { high };
    let is_reduced = t > REDUCE_ABOVE;
    let r = if is_reduced { (t - 1.0) / (t + 1.0) } else { t };
    let z = r * r;
    let p = (((P[0] * z + P[1]) * z + P[2]) * z + P[3]) * z + P[4];
    let q = ((((z + Q[0]) * z + Q[1]) * z + Q[2]) * z + Q[3]) * z + Q[4];
    let angle = r + r * (z * (p / q)) + if is_reduced { FRAC_PI_4 } else { 0.0 };
    let angle = if ay > ax { FRAC_PI_2 - angle } else { angle };
    let angle = if x < 0.0 { PI - angle } else { angle };
    if y < 0.0 { -angle } else { angle }
}

#[cfg(test)]
mod tests {
    use super::atan2;
    use std::f64::consts::PI;

    #[test]
    fn is_the_angle() {
        assert_eq!((atan2(0.0, 0.0), atan2(0.0, 3.0), atan2(0.0, -2.0)), (0.0, 0.0, PI));
        for i in 0..20_000 {
            let angle = -PI + f64::from(i) * PI / 10_000.0;
            for radius in [1e-8, 1.0, 250.0] {
                let (y, x) = (radius * angle.sin(), radius * angle.cos());
                let error = (atan2(y, x) - y.atan2(x)).abs();
                // Two roundings at pi.
                assert!(error <= 9e-16, "{y} {x}: {error:e}");
            }
        }
    }
}
