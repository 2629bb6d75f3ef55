//! Phase and amplitude of fringes from the greys of the phase steps.

use crate::PsiError;

/// Weights of the greys of a laser: `sum of cosine[b] I[b] = M cos phi`, `sum of sine[b] I[b] = M sin phi`.
///
/// They are the least squares solution of `I[b] = A + M cos(phi + delta_b)` for any steps; for `B` equal steps over a
/// period that is `2/B sum I cos delta` and `-2/B sum I sin delta`. The background drops out.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Demodulation {
    pub(super) cosine: Vec<f64>,
    pub(super) sine: Vec<f64>,
}

impl Demodulation {
    pub(super) fn new(phase_steps: &[f64]) -> Result<Self, PsiError> {
        // I = A + u cos(delta) - v sin(delta) with u = M cos(phi), v = M sin(phi); centred, A is gone.
        let n = phase_steps.len() as f64;
        let centred = |f: fn(f64) -> f64, sign: f64| -> Vec<f64> {
            let mean = phase_steps.iter().map(|&delta| f(delta)).sum::<f64>() / n;
            phase_steps.iter().map(|&delta| sign * (f(delta) - mean)).collect()
        };
        let (c, s) = (centred(f64::cos, 1.0), centred(f64::sin, -1.0));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        let (cc, cs, ss) = (dot(&c, &c), dot(&c, &s), dot(&s, &s));
        let determinant = cc * ss - cs * cs;
        // Steps that differ by rounding alone leave 1e-30.
        if phase_steps.len() < 3 || determinant.is_nan() || determinant < 1e-9 {
            return Err(PsiError::Option {
                name: "phase_steps",
                value: format!("{phase_steps:?}"),
                why: "expected at least three different angles".to_owned(),
            });
        }
        let solve = |a: f64, b: f64| c.iter().zip(&s).map(|(c, s)| (a * c + b * s) / determinant).collect();
        Ok(Self { cosine: solve(ss, -cs), sine: solve(-cs, cc) })
    }
}

#[cfg(test)]
mod tests {
    use super::Demodulation;
    use std::f64::consts::{FRAC_PI_2, TAU};

    #[test]
    fn quarter_steps_by_hand() {
        let weights = Demodulation::new(&[0.0, FRAC_PI_2, 2.0 * FRAC_PI_2, 3.0 * FRAC_PI_2]).unwrap();
        let near = |got: &[f64], wanted: [f64; 4]| got.iter().zip(wanted).all(|(a, b)| (a - b).abs() < 1e-15);
        assert!(near(&weights.cosine, [0.5, 0.0, -0.5, 0.0]), "{weights:?}");
        assert!(near(&weights.sine, [0.0, -0.5, 0.0, 0.5]), "{weights:?}");
    }

    #[test]
    fn uneven_steps_give_phase_and_amplitude() {
        for steps in [vec![0.0, 1.9, 4.3], vec![0.1, 0.9, 2.0, 3.7, 5.0], vec![0.0, TAU / 3.0, 2.0 * TAU / 3.0]] {
            let weights = Demodulation::new(&steps).unwrap();
            for phi in [-3.0, -0.4, 0.0, 1.2, 3.1] {
                let sum = |w: &[f64]| -> f64 {
                    w.iter().zip(&steps).map(|(w, delta): (&f64, &f64)| w * (37.0 + 20.0 * (phi + delta).cos())).sum()
                };
                let (u, v) = (sum(&weights.cosine), sum(&weights.sine));
                assert!((v.atan2(u) - phi).abs() < 1e-13 && (u.hypot(v) - 20.0).abs() < 1e-12, "{steps:?} {phi}");
            }
        }
    }

    #[test]
    fn two_angles_are_too_few() {
        for steps in [vec![], vec![0.0, 1.0], vec![0.0, 1.0, 1.0 + TAU], vec![2.0; 5], vec![f64::NAN, 0.0, 1.0]] {
            assert!(Demodulation::new(&steps).unwrap_err().to_string().contains("three different"), "{steps:?}");
        }
    }
}
