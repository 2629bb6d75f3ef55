//! The orthogonal matrix nearest to a 3 x 3 matrix.

type Matrix = [[f64; 3]; 3];

/// Off-diagonal part, relative to the two columns, at which they count as orthogonal.
const ORTHOGONAL: f64 = 1e-16;
/// Jacobi converges quadratically; three columns need about five sweeps.
const MAX_SWEEPS: usize = 40;

/// `U * Vt` of the singular value decomposition `U S Vt` of the matrix with these columns, as columns. Directions
/// whose singular value is at most `3 * eps` of the largest are dropped.
///
/// One-sided Jacobi: plane rotations `V` make the columns of `A V = U S` orthogonal.
pub(crate) fn nearest_orthogonal(columns: Matrix) -> Matrix {
    let mut us = columns;
    let mut v: Matrix = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..MAX_SWEEPS {
        let mut rotated = false;
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            let (alpha, beta, gamma) = (dot(us[p], us[p]), dot(us[q], us[q]), dot(us[p], us[q]));
            if gamma == 0.0 || gamma.abs() <= ORTHOGONAL * (alpha * beta).sqrt() {
                continue;
            }
            rotated = true;
            let zeta = (beta - alpha) / (2.0 * gamma);
            let t = zeta.signum() / (zeta.abs() + zeta.hypot(1.0));
            let c = 1.0 / t.hypot(1.0);
            rotate(&mut us, p, q, c, c * t);
            rotate(&mut v, p, q, c, c * t);
        }
        if !rotated {
            break;
        }
    }
    let singular = us.map(|column| dot(column, column).sqrt());
    let limit = singular.iter().fold(0.0f64, |a, &b| a.max(b)) * 3.0 * f64::EPSILON;
    let mut nearest = [[0.0; 3]; 3];
    for k in (0..3).filter(|&k| singular[k] > limit) {
        for (c, column) in nearest.iter_mut().enumerate() {
            for (r, entry) in column.iter_mut().enumerate() {
                *entry += us[k][r] / singular[k] * v[k][c];
            }
        }
    }
    nearest
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn rotate(m: &mut Matrix, p: usize, q: usize, c: f64, s: f64) {
    let (x, y) = (m[p], m[q]);
    m[p] = std::array::from_fn(|r| c * x[r] - s * y[r]);
    m[q] = std::array::from_fn(|r| s * x[r] + c * y[r]);
}

#[cfg(test)]
mod tests {
    use super::{dot, nearest_orthogonal};

    #[test]
    fn columns_become_orthonormal_and_a_rotation_stays() {
        let sheared = [[1.0, 0.3, -0.2], [0.1, 0.9, 0.4], [0.0, -0.5, 1.2]];
        let q = nearest_orthogonal(sheared);
        for a in 0..3 {
            for b in 0..3 {
                let wanted = if a == b { 1.0 } else { 0.0 };
                assert!((dot(q[a], q[b]) - wanted).abs() < 1e-14);
            }
        }
        let again = nearest_orthogonal(q);
        for (x, y) in q.iter().flatten().zip(again.iter().flatten()) {
            assert!((x - y).abs() < 1e-14);
        }
    }

    #[test]
    fn directions_that_are_not_there_are_dropped() {
        let q = nearest_orthogonal([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]);
        assert_eq!(q, [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]);
        assert_eq!(nearest_orthogonal([[0.0; 3]; 3]), [[0.0; 3]; 3]);
    }
}
