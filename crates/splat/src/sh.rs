//! Real spherical harmonics up to band 3, in the order and with the signs of 3D Gaussian splatting.

use crate::matrix::V3;

/// Highest band.
pub const MAX_SH_DEGREE: usize = 3;
/// The constant of band 0: `colour = 0.5 + SH_C0 * coefficient`.
pub const SH_C0: f32 = 0.282_094_8;
/// Coefficients of all bands.
pub(crate) const MOST_COEFFICIENTS: usize = 16;
const MOST: usize = MOST_COEFFICIENTS;

const C1: f64 = 0.488_602_511_902_92;
const C2: [f64; 4] = [1.092_548_430_592_079, 0.946_174_695_757_560_1, 0.315_391_565_252_52, 0.546_274_215_296_039_5];
const C3: [f64; 7] = [
    0.590_043_589_926_643_5,
    2.890_611_442_640_554,
    2.285_228_997_322_329,
    0.457_045_799_464_465_8,
    1.865_881_662_950_577,
    1.119_528_997_770_346,
    1.445_305_721_320_277,
];

/// Coefficients of all bands up to `degree`: `(degree + 1)^2`.
#[must_use]
pub fn sh_coefficients(degree: usize) -> usize {
    (degree + 1) * (degree + 1)
}

/// Values of the first `sh_coefficients(degree)` functions in direction `d` (unit length); zeros behind.
pub(crate) fn basis(degree: usize, [x, y, z]: V3) -> [f32; MOST] {
    let mut b = [0.0; MOST];
    b[0] = 0.282_094_791_773_878_1;
    if degree >= 1 {
        (b[1], b[2], b[3]) = (-C1 * y, C1 * z, -C1 * x);
    }
    if degree >= 2 {
        (b[4], b[5]) = (C2[0] * x * y, -C2[0] * y * z);
        b[6] = C2[1] * z * z - C2[2];
        (b[7], b[8]) = (-C2[0] * x * z, C2[3] * (x * x - y * y));
    }
    if degree >= 3 {
        b[9] = -C3[0] * y * (3.0 * x * x - y * y);
        b[10] = C3[1] * x * y * z;
        b[11] = y * (-C3[2] * z * z + C3[3]);
        b[12] = z * (C3[4] * z * z - C3[5]);
        b[13] = x * (-C3[2] * z * z + C3[3]);
        b[14] = C3[6] * z * (x * x - y * y);
        b[15] = -C3[0] * x * (x * x - 3.0 * y * y);
    }
    b.map(|v| v as f32)
}

/// `sum_k weights[k] * gradient of function k` in direction `d`.
pub(crate) fn basis_gradient(degree: usize, [x, y, z]: V3, weights: &[f64; MOST]) -> V3 {
    let w = weights;
    let mut g = [0.0; 3];
    if degree >= 1 {
        g = [-C1 * w[3], -C1 * w[1], C1 * w[2]];
    }
    if degree >= 2 {
        g[0] += C2[0] * (y * w[4] - z * w[7]) + 2.0 * C2[3] * x * w[8];
        g[1] += C2[0] * (x * w[4] - z * w[5]) - 2.0 * C2[3] * y * w[8];
        g[2] += -C2[0] * (y * w[5] + x * w[7]) + 2.0 * C2[1] * z * w[6];
    }
    if degree >= 3 {
        let (xx, yy, zz) = (x * x, y * y, z * z);
        let ring = -C3[2] * zz + C3[3];
        g[0] += -6.0 * C3[0] * x * y * w[9] + C3[1] * y * z * w[10] + ring * w[13] + 2.0 * C3[6] * x * z * w[14]
            - 3.0 * C3[0] * (xx - yy) * w[15];
        g[1] += -3.0 * C3[0] * (xx - yy) * w[9] + C3[1] * x * z * w[10] + ring * w[11] - 2.0 * C3[6] * y * z * w[14]
            + 6.0 * C3[0] * x * y * w[15];
        g[2] += C3[1] * x * y * w[10] - 2.0 * C3[2] * z * (y * w[11] + x * w[13])
            + (3.0 * C3[4] * zz - C3[5]) * w[12]
            + C3[6] * (xx - yy) * w[14];
    }
    g
}

/// The colour before the lower bound: `0.5 + sum_k B_k sh_k`.
pub(crate) fn colour(basis: &[f32; MOST], coefficients: &[[f32; 3]]) -> [f32; 3] {
    let mut sum = [0.5; 3];
    for (b, sh) in basis.iter().zip(coefficients) {
        for (sum, sh) in sum.iter_mut().zip(sh) {
            *sum += b * sh;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::unit;

    #[test]
    fn gradient_is_the_central_difference() {
        let d = unit([0.3, -0.7, 0.5]);
        let weights: [f64; MOST] = std::array::from_fn(|k| (k as f64 * 1.7).sin());
        for degree in 0..=MAX_SH_DEGREE {
            // Values are f32 and the polynomials cubic, hence the wide step and the tolerance.
            let value = |d: V3| {
                let b = basis(degree, d);
                (0..MOST).map(|k| weights[k] * f64::from(b[k])).sum::<f64>()
            };
            let got = basis_gradient(degree, d, &weights);
            for (axis, got) in got.into_iter().enumerate() {
                let at = |h: f64| value(std::array::from_fn(|k| d[k] + if k == axis { h } else { 0.0 }));
                let wanted = (at(1e-2) - at(-1e-2)) / 2e-2;
                assert!((wanted - got).abs() < 2e-3, "degree {degree}, axis {axis}: {wanted} {got}");
            }
        }
    }

    #[test]
    fn functions_are_orthonormal() {
        // Mean of products over a fine grid of the sphere, times 4 pi.
        let (n, mut gram) = (400, [[0.0f64; MOST]; MOST]);
        for i in 0..n {
            let z = (2.0 * f64::from(i) + 1.0) / f64::from(n) - 1.0;
            let r = (1.0 - z * z).sqrt();
            for j in 0..2 * n {
                let (sin, cos) = (std::f64::consts::PI * f64::from(j) / f64::from(n)).sin_cos();
                let b = basis(3, [r * cos, r * sin, z]).map(f64::from);
                let weight = 4.0 * std::f64::consts::PI / f64::from(2 * n * n);
                (0..MOST).for_each(|k| (0..MOST).for_each(|l| gram[k][l] += weight * b[k] * b[l]));
            }
        }
        for (k, row) in gram.iter().enumerate() {
            for (l, x) in row.iter().enumerate() {
                assert!((x - f64::from(u8::from(k == l))).abs() < 2e-4, "{k} {l} {x}");
            }
        }
    }

    #[test]
    fn lower_degrees_are_the_first_functions() {
        let d = unit([-0.2, 0.9, 0.4]);
        let all = basis(3, d);
        for degree in 0..3 {
            let n = sh_coefficients(degree);
            let b = basis(degree, d);
            assert_eq!(b[..n], all[..n]);
            assert!(b[n..].iter().all(|x| *x == 0.0));
        }
        assert_eq!(colour(&all, &[[1.0, 0.0, -1.0]]), [0.5 + SH_C0, 0.5, 0.5 - SH_C0]);
    }
}
