//! Small dense linear algebra by Jacobi rotations: nearest rotation, largest eigenvector.

/// Sweeps until convergence; four to six are usual for matrices this small.
const MAX_SWEEPS: usize = 30;
/// Singular values below this share of the largest count as zero.
const RANK_TOLERANCE: f64 = 1e-12;

/// The rotation nearest to `m` (given by rows) in the Frobenius norm: `U * Vt` of its singular value decomposition,
/// for a matrix whose determinant is not negative. Directions that `m` does not have are completed to a right-handed
/// frame.
pub(crate) fn nearest_rotation(m: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
    // One-sided Jacobi: rotate pairs of columns until all are orthogonal. a = columns of M*V, v = columns of V.
    let mut a: [[f64; 3]; 3] = std::array::from_fn(|c| std::array::from_fn(|r| m[r][c]));
    let mut v = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
    for _ in 0..MAX_SWEEPS {
        let mut rotated = false;
        for (p, q) in [(0, 1), (0, 2), (1, 2)] {
            let (alpha, beta, gamma) = (dot(a[p], a[p]), dot(a[q], a[q]), dot(a[p], a[q]));
            if gamma.abs() <= f64::EPSILON * (alpha * beta).sqrt() {
                continue;
            }
            rotated = true;
            let (c, s) = rotation((beta - alpha) / (2.0 * gamma));
            rotate(&mut a, p, q, c, s);
            rotate(&mut v, p, q, c, s);
        }
        if !rotated {
            break;
        }
    }
    let sigma = a.map(|column| dot(column, column).sqrt());
    let mut order = [0, 1, 2];
    order.sort_by(|&i, &j| sigma[j].total_cmp(&sigma[i]));
    let mut u = [[0.0; 3]; 3];
    for (rank, &i) in order.iter().enumerate() {
        let is_zero = sigma[i] <= sigma[order[0]] * RANK_TOLERANCE || sigma[i] == 0.0;
        u[i] = if is_zero { [0.0; 3] } else { a[i].map(|x| x / sigma[i]) };
        if is_zero && rank == 0 {
            return [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        }
        if is_zero && rank == 1 {
            u[i] = any_perpendicular(u[order[0]]);
        } else if is_zero {
            u[i] = cross(u[order[0]], u[order[1]]);
        }
    }
    let product = |u: &[[f64; 3]; 3]| -> [[f64; 3]; 3] {
        std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| u[k][r] * v[k][c]).sum()))
    };
    let nearest = product(&u);
    if determinant(nearest) < 0.0 {
        // The weakest direction decides the handedness.
        u[order[2]] = u[order[2]].map(|x| -x);
        return product(&u);
    }
    nearest
}

/// The eigenvector of the largest eigenvalue of a symmetric 4 x 4 matrix.
pub(crate) fn largest_eigenvector(mut m: [[f64; 4]; 4]) -> [f64; 4] {
    let mut v: [[f64; 4]; 4] = std::array::from_fn(|r| std::array::from_fn(|c| if r == c { 1.0 } else { 0.0 }));
    for _ in 0..MAX_SWEEPS {
        let mut rotated = false;
        for p in 0..3 {
            for q in p + 1..4 {
                let scale = (m[p][p] * m[q][q]).abs().sqrt();
                if m[p][q] == 0.0 || m[p][q].abs() <= f64::EPSILON * f64::EPSILON * scale {
                    continue;
                }
                rotated = true;
                let (c, s) = rotation((m[q][q] - m[p][p]) / (2.0 * m[p][q]));
                for row in &mut m {
                    (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
                }
                rotate(&mut m, p, q, c, s);
                (m[p][q], m[q][p]) = (0.0, 0.0);
                rotate(&mut v, p, q, c, s);
            }
        }
        if !rotated {
            break;
        }
    }
    // `v` holds eigenvectors as rows; the first of equal eigenvalues is taken.
    let mut largest = 0;
    for i in 1..4 {
        if m[i][i] > m[largest][largest] {
            largest = i;
        }
    }
    v[largest]
}

/// Cosine and sine of the angle whose cotangent of the double is `zeta`: the smaller of the two that diagonalise.
fn rotation(zeta: f64) -> (f64, f64) {
    let t = 1f64.copysign(zeta) / (zeta.abs() + (1.0 + zeta * zeta).sqrt());
    let c = 1.0 / (1.0 + t * t).sqrt();
    (c, c * t)
}

/// Replaces vectors `p < q` by their rotation in the plane that they span.
fn rotate<const N: usize>(vectors: &mut [[f64; N]], p: usize, q: usize, c: f64, s: f64) {
    let (head, tail) = vectors.split_at_mut(q);
    for (x, y) in head[p].iter_mut().zip(&mut tail[0]) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

fn any_perpendicular(a: [f64; 3]) -> [f64; 3] {
    let smallest = (0..3).fold(0, |best, i| if a[i].abs() < a[best].abs() { i } else { best });
    let mut axis = [0.0; 3];
    axis[smallest] = 1.0;
    let perpendicular = cross(a, axis);
    let length = dot(perpendicular, perpendicular).sqrt();
    perpendicular.map(|x| x / length)
}

fn determinant(m: [[f64; 3]; 3]) -> f64 {
    dot(m[0], cross(m[1], m[2]))
}

#[cfg(test)]
mod tests {
    use super::{determinant, largest_eigenvector, nearest_rotation};
    use proptest::prelude::*;

    fn product(a: [[f64; 3]; 3], b: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
        std::array::from_fn(|r| std::array::from_fn(|c| (0..3).map(|k| a[r][k] * b[k][c]).sum()))
    }

    fn transposed(a: [[f64; 3]; 3]) -> [[f64; 3]; 3] {
        std::array::from_fn(|r| std::array::from_fn(|c| a[c][r]))
    }

    fn far_from_identity(a: [[f64; 3]; 3]) -> f64 {
        let difference = |r: usize, c: usize| (a[r][c] - if r == c { 1.0 } else { 0.0 }).abs();
        (0..9).map(|i| difference(i / 3, i % 3)).fold(0.0, f64::max)
    }

    #[test]
    fn degenerate_matrices_give_rotations() {
        for m in [[[0.0; 3]; 3], [[1.0, 1.0, 1.0]; 3], [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]] {
            let rotation = nearest_rotation(m);
            assert!(far_from_identity(product(rotation, transposed(rotation))) < 1e-12, "{rotation:?}");
            assert!(determinant(rotation) > 0.0);
        }
    }

    #[test]
    fn eigenvector_of_a_known_matrix() {
        // 2 on the diagonal, 1 beside it: the largest eigenvalue is 2 + golden ratio, its vector symmetric.
        let m: [[f64; 4]; 4] = std::array::from_fn(|r| {
            std::array::from_fn(|c| match r.abs_diff(c) {
                0 => 2.0,
                1 => 1.0,
                _ => 0.0,
            })
        });
        let v = largest_eigenvector(m);
        let golden = f64::midpoint(1.0, 5f64.sqrt());
        assert!((v[1] / v[0] - golden).abs() < 1e-12 && (v[0] - v[3]).abs() < 1e-12, "{v:?}");
    }

    proptest! {
        #[test]
        fn polar_factor_is_a_rotation_and_leaves_a_symmetric_rest(entries in prop::array::uniform9(-1.0f64..1.0)) {
            let m: [[f64; 3]; 3] = std::array::from_fn(|r| std::array::from_fn(|c| entries[3 * r + c]));
            prop_assume!(determinant(m) > 1e-3);
            let rotation = nearest_rotation(m);
            prop_assert!(far_from_identity(product(rotation, transposed(rotation))) < 1e-12);
            // M = R * S with S symmetric is what makes R the nearest rotation.
            let rest = product(transposed(rotation), m);
            for (r, c) in [(0, 1), (0, 2), (1, 2)] {
                prop_assert!((rest[r][c] - rest[c][r]).abs() < 1e-10);
            }
        }
    }
}
