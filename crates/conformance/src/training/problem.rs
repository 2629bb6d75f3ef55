//! Functions that are minimised.

use volkit_core::BoxError;

use super::Tensors;

/// A function of a golden run.
pub(super) enum Problem {
    /// `sum of 100 (p[i+1] - p[i]^2)^2 + (1 - p[i])^2`.
    Rosenbrock,
    /// `p' A p / 2 - b' p`.
    Quadratic { a: Vec<f64>, b: Vec<f64> },
}

impl Problem {
    pub(super) fn named(name: &str, tensors: &Tensors) -> Result<Self, BoxError> {
        match name {
            "rosenbrock" => Ok(Self::Rosenbrock),
            "quadratic" => Ok(Self::Quadratic { a: tensors.get("quad.A")?, b: tensors.get("quad.b")? }),
            other => Err(format!("the index has 'problem' = '{other}', which is not known").into()),
        }
    }

    /// The value and the gradient.
    pub(super) fn at(&self, p: &[f64]) -> (f64, Vec<f64>) {
        match self {
            Self::Rosenbrock => {
                let (mut f, mut g) = (0.0, vec![0.0; p.len()]);
                for (i, pair) in p.windows(2).enumerate() {
                    let (a, b) = (pair[1] - pair[0] * pair[0], 1.0 - pair[0]);
                    f += 100.0 * a * a + b * b;
                    g[i] -= 400.0 * a * pair[0] + 2.0 * b;
                    g[i + 1] += 200.0 * a;
                }
                (f, g)
            }
            Self::Quadratic { a, b } => {
                let n = p.len();
                let dot = |x: &[f64]| x.iter().zip(p).map(|(x, p)| x * p).sum::<f64>();
                let ap: Vec<f64> = a.chunks(n).map(dot).collect();
                // The gradient of p' A p / 2 for any A.
                let transposed = (0..n).map(|i| (0..n).map(|j| a[j * n + i] * p[j]).sum::<f64>());
                let g = ap.iter().zip(transposed).zip(b).map(|((x, y), b)| (x + y) / 2.0 - b).collect();
                (dot(&ap) / 2.0 - dot(b), g)
            }
        }
    }
}
