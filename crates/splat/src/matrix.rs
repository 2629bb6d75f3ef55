//! Small matrices and vectors.

/// Three numbers.
pub(crate) type V3 = [f64; 3];
/// Rows of a 3 x 3 matrix.
pub(crate) type M3 = [[f64; 3]; 3];

#[inline(always)]
pub(crate) fn dot(a: V3, b: V3) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

#[inline(always)]
pub(crate) fn cross(a: V3, b: V3) -> V3 {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[inline(always)]
pub(crate) fn add(a: V3, b: V3) -> V3 {
    [a[0] + b[0], a[1] + b[1], a[2] + b[2]]
}

#[inline(always)]
pub(crate) fn sub(a: V3, b: V3) -> V3 {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

#[inline(always)]
pub(crate) fn scaled(a: V3, s: f64) -> V3 {
    [a[0] * s, a[1] * s, a[2] * s]
}

/// `a / |a|`; NaN for zero.
pub(crate) fn unit(a: V3) -> V3 {
    scaled(a, 1.0 / dot(a, a).sqrt())
}

/// `m v`.
#[inline(always)]
pub(crate) fn apply(m: &M3, v: V3) -> V3 {
    [dot(m[0], v), dot(m[1], v), dot(m[2], v)]
}

/// `u v^T`.
#[inline(always)]
pub(crate) fn outer(u: V3, v: V3) -> M3 {
    [scaled(v, u[0]), scaled(v, u[1]), scaled(v, u[2])]
}

#[inline(always)]
pub(crate) fn sum(a: &M3, b: &M3) -> M3 {
    [add(a[0], b[0]), add(a[1], b[1]), add(a[2], b[2])]
}

#[inline(always)]
pub(crate) fn transposed(m: &M3) -> M3 {
    [[m[0][0], m[1][0], m[2][0]], [m[0][1], m[1][1], m[2][1]], [m[0][2], m[1][2], m[2][2]]]
}

/// `m diag(s)`.
#[inline(always)]
pub(crate) fn columns_scaled(m: &M3, s: V3) -> M3 {
    let row = |row: V3| [row[0] * s[0], row[1] * s[1], row[2] * s[2]];
    [row(m[0]), row(m[1]), row(m[2])]
}

/// `v^T m`.
#[inline(always)]
pub(crate) fn row_times(v: V3, m: &M3) -> V3 {
    add(add(scaled(m[0], v[0]), scaled(m[1], v[1])), scaled(m[2], v[2]))
}

/// `a b`, of any number of rows.
#[inline(always)]
pub(crate) fn product<const R: usize>(a: &[[f64; 3]; R], b: &M3) -> [[f64; 3]; R] {
    let mut out = [[0.0; 3]; R];
    for (out, row) in out.iter_mut().zip(a) {
        *out = row_times(*row, b);
    }
    out
}

/// The inverse, unless the matrix is singular or not finite.
pub(crate) fn inverse(m: &M3) -> Option<M3> {
    let columns = [cross(m[1], m[2]), cross(m[2], m[0]), cross(m[0], m[1])];
    let determinant = dot(m[0], columns[0]);
    let scale = 1.0 / determinant;
    (scale.is_finite() && determinant != 0.0).then(|| transposed(&columns.map(|column| scaled(column, scale))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inverse_by_hand() {
        let m = [[2.0, 0.0, 1.0], [0.0, 4.0, 0.0], [0.0, 0.0, 1.0]];
        assert_eq!(inverse(&m), Some([[0.5, 0.0, -0.5], [0.0, 0.25, 0.0], [0.0, 0.0, 1.0]]));
        assert_eq!(product(&m, &inverse(&m).unwrap()), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        assert_eq!(inverse(&[[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 1.0]]), None);
        assert_eq!(inverse(&[[f64::NAN; 3]; 3]), None);
    }

    #[test]
    fn products_by_hand() {
        assert_eq!(cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]), [0.0, 0.0, 1.0]);
        assert_eq!(apply(&[[1.0, 2.0, 3.0], [0.0, 1.0, 0.0], [0.0, 0.0, 2.0]], [1.0, 1.0, 1.0]), [6.0, 1.0, 2.0]);
        for (got, wanted) in unit([0.0, 3.0, 4.0]).into_iter().zip([0.0, 0.6, 0.8]) {
            assert!((got - wanted).abs() < 1e-15, "{got} {wanted}");
        }
        assert_eq!(
            product(&[[1.0, 1.0, 1.0]], &[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]),
            [[12.0, 15.0, 18.0]]
        );
    }
}
