//! Vectors and 3 x 3 matrices in `f64`, and the eigenvectors of symmetric ones.

/// Three numbers.
pub(crate) type V3 = [f64; 3];
/// Rows of a 3 x 3 matrix.
pub(crate) type M3 = [[f64; 3]; 3];

pub(crate) const IDENTITY: M3 = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
/// Sweeps of Jacobi's method; four to six are usual.
const MOST_SWEEPS: usize = 30;

pub(crate) fn dot(a: V3, b: V3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

pub(crate) fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

pub(crate) fn add(a: V3, b: V3) -> V3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

pub(crate) fn sub(a: V3, b: V3) -> V3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

pub(crate) fn scaled(a: V3, s: f64) -> V3 {
    a.map(|x| x * s)
}

pub(crate) fn norm(a: V3) -> f64 {
    dot(a, a).sqrt()
}

/// `a / |a|`; none for zero and what is not finite.
pub(crate) fn unit(a: V3) -> Option<V3> {
    let length = norm(a);
    (length > 0.0 && length.is_finite()).then(|| scaled(a, 1.0 / length))
}

/// `m v`.
pub(crate) fn apply(m: &M3, v: V3) -> V3 {
    [dot(m[0], v), dot(m[1], v), dot(m[2], v)]
}

/// `m^T v`.
pub(crate) fn apply_transposed(m: &M3, v: V3) -> V3 {
    std::array::from_fn(|c| m[0][c] * v[0] + m[1][c] * v[1] + m[2][c] * v[2])
}

/// `a b`.
pub(crate) fn product(a: &M3, b: &M3) -> M3 {
    a.map(|row| apply_transposed(b, row))
}

pub(crate) fn transposed(m: &M3) -> M3 {
    std::array::from_fn(|r| std::array::from_fn(|c| m[c][r]))
}

/// Adds `weight v v^T`.
pub(crate) fn add_outer(m: &mut M3, v: V3, weight: f64) {
    for (row, a) in m.iter_mut().zip(v) {
        for (x, b) in row.iter_mut().zip(v) {
            *x += weight * a * b;
        }
    }
}

pub(crate) fn determinant(m: &M3) -> f64 {
    dot(m[0], cross(m[1], m[2]))
}

/// The `x` of `m x = b`, unless the matrix is singular.
pub(crate) fn solve(m: &M3, b: V3) -> Option<V3> {
    let columns = transposed(m);
    let d = determinant(&columns);
    let x: V3 = std::array::from_fn(|k| {
        let mut replaced = columns;
        replaced[k] = b;
        determinant(&replaced) / d
    });
    x.iter().all(|x| x.is_finite()).then_some(x)
}

/// Eigenvalues in ascending order, and the unit eigenvectors beside them, of a symmetric matrix (Jacobi's method).
pub(crate) fn eigen<const N: usize>(m: &[[f64; N]; N]) -> ([f64; N], [[f64; N]; N]) {
    let mut a = *m;
    let mut vectors: [[f64; N]; N] = std::array::from_fn(|r| std::array::from_fn(|c| f64::from(u8::from(r == c))));
    let pairs = || (0..N).flat_map(|p| (p + 1..N).map(move |q| (p, q)));
    for _ in 0..MOST_SWEEPS {
        let off: f64 = pairs().map(|(p, q)| a[p][q].abs()).sum();
        let trace: f64 = (0..N).map(|p| a[p][p].abs()).sum();
        if off <= f64::EPSILON * 1e-2 * trace {
            break;
        }
        for (p, q) in pairs() {
            if a[p][q] == 0.0 {
                continue;
            }
            let theta = (a[q][q] - a[p][p]) / (2.0 * a[p][q]);
            let t = theta.signum() / (theta.abs() + (theta * theta + 1.0).sqrt());
            let c = 1.0 / (t * t + 1.0).sqrt();
            let s = t * c;
            for row in a.iter_mut().chain(&mut vectors) {
                (row[p], row[q]) = (c * row[p] - s * row[q], s * row[p] + c * row[q]);
            }
            let (rp, rq) = (a[p], a[q]);
            a[p] = std::array::from_fn(|k| c * rp[k] - s * rq[k]);
            a[q] = std::array::from_fn(|k| s * rp[k] + c * rq[k]);
        }
    }
    let mut order: [usize; N] = std::array::from_fn(|i| i);
    order.sort_by(|i, j| a[*i][*i].total_cmp(&a[*j][*j]));
    (order.map(|i| a[i][i]), order.map(|i| std::array::from_fn(|r| vectors[r][i])))
}

/// `f` of a symmetric matrix: the same eigenvectors, `f` of the eigenvalues.
pub(crate) fn of_symmetric(m: &M3, f: impl Fn(f64) -> f64) -> M3 {
    let (values, vectors) = eigen(m);
    let mut out = [[0.0; 3]; 3];
    for (value, vector) in values.into_iter().zip(vectors) {
        add_outer(&mut out, vector, f(value));
    }
    out
}

/// The shortest rotation that takes the unit vector `a` onto `b`; half a turn about any axis across them where they
/// are opposite.
pub(crate) fn rotation_between(a: V3, b: V3) -> M3 {
    let axis = cross(a, b);
    let (sine, cosine) = (norm(axis), dot(a, b));
    let across = || {
        let least = (0..3).min_by(|i, j| a[*i].abs().total_cmp(&a[*j].abs())).unwrap_or(0);
        unit(cross(a, IDENTITY[least])).unwrap_or(IDENTITY[2])
    };
    // Below this the direction of the axis is noise.
    let axis = if sine < 1e-9 { across() } else { scaled(axis, 1.0 / sine) };
    let skew = [[0.0, -axis[2], axis[1]], [axis[2], 0.0, -axis[0]], [-axis[1], axis[0], 0.0]];
    let square = product(&skew, &skew);
    std::array::from_fn(|r| std::array::from_fn(|c| IDENTITY[r][c] + sine * skew[r][c] + (1.0 - cosine) * square[r][c]))
}

/// The rotation by `angle` about z.
pub(crate) fn about_z(angle: f64) -> M3 {
    let (s, c) = angle.sin_cos();
    [[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: &M3, b: &M3) -> bool {
        a.as_flattened().iter().zip(b.as_flattened()).all(|(x, y)| (x - y).abs() < 1e-12)
    }

    #[test]
    fn eigenvectors_by_hand() {
        let (values, vectors) = eigen(&[[2.0, 1.0, 0.0], [1.0, 2.0, 0.0], [0.0, 0.0, 5.0]]);
        assert!(values.iter().zip([1.0, 3.0, 5.0]).all(|(a, b)| (a - b).abs() < 1e-12));
        assert!((dot(vectors[1], [1.0, 1.0, 0.0]).abs() - 2f64.sqrt()).abs() < 1e-12);
        assert_eq!(eigen(&[[0.0; 3]; 3]).0, [0.0; 3]);
        // Two pairs that do not know each other.
        let four = [[0.0, 2.0, 0.0, 0.0], [2.0, 3.0, 0.0, 0.0], [0.0, 0.0, 1.0, 1.0], [0.0, 0.0, 1.0, 1.0]];
        let (values, vectors) = eigen(&four);
        assert!(values.iter().zip([-1.0, 0.0, 2.0, 4.0]).all(|(a, b)| (a - b).abs() < 1e-12), "{values:?}");
        assert!((vectors[3][0] / vectors[3][1] - 0.5).abs() < 1e-12 && vectors[3][2].abs() < 1e-12);
        let m = [[4.0, -1.0, 0.3], [-1.0, 3.0, 0.8], [0.3, 0.8, 2.0]];
        let root = of_symmetric(&m, f64::sqrt);
        assert!(close(&product(&root, &root), &m));
    }

    #[test]
    fn rotations_by_hand() {
        let up = [0.0, 0.0, 1.0];
        assert!(close(&rotation_between(up, up), &IDENTITY));
        let tilted = unit([0.3, -0.5, 0.7]).unwrap();
        let turn = rotation_between(tilted, up);
        assert!(norm(sub(apply(&turn, tilted), up)) < 1e-12);
        assert!(close(&product(&turn, &transposed(&turn)), &IDENTITY));
        let half = rotation_between(up, [0.0, 0.0, -1.0]);
        assert!(norm(add(apply(&half, up), up)) < 1e-12 && (determinant(&half) - 1.0).abs() < 1e-12);
        assert!(norm(sub(apply(&about_z(0.5 * std::f64::consts::PI), [1.0, 0.0, 2.0]), [0.0, 1.0, 2.0])) < 1e-12);
    }

    #[test]
    fn equations_by_hand() {
        let m = [[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 3.0, 4.0]];
        assert_eq!(solve(&m, [2.0, 3.0, 10.0]), Some([1.0, 2.0, 1.0]));
        assert_eq!(solve(&[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 1.0]], [1.0, 0.0, 0.0]), None);
        assert_eq!(unit([0.0; 3]), None);
    }
}
