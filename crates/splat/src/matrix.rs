//! Small matrices and vectors.

/// Three numbers.
pub(crate) type V3 = [f64; 3];
/// Rows of a 3 x 3 matrix.
pub(crate) type M3 = [[f64; 3]; 3];

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

/// `a / |a|`; NaN for zero.
pub(crate) fn unit(a: V3) -> V3 {
    scaled(a, 1.0 / dot(a, a).sqrt())
}

/// `m v`.
pub(crate) fn apply(m: &M3, v: V3) -> V3 {
    m.map(|row| dot(row, v))
}

pub(crate) fn transposed(m: &M3) -> M3 {
    std::array::from_fn(|r| std::array::from_fn(|c| m[c][r]))
}

/// `a b`, of any number of rows.
pub(crate) fn product<const R: usize>(a: &[[f64; 3]; R], b: &M3) -> [[f64; 3]; R] {
    a.map(|row| std::array::from_fn(|c| row[0] * b[0][c] + row[1] * b[1][c] + row[2] * b[2][c]))
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
