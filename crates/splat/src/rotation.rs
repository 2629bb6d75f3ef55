//! Rotations from quaternions, and their derivatives.

use crate::matrix::M3;

/// A quaternion `w, x, y, z` and its length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rotation {
    /// The unit quaternion.
    q: [f64; 4],
    length: f64,
}

impl Rotation {
    /// The rotation of a quaternion of any length; none for zero and for what is not finite.
    pub(crate) fn new(quat: [f64; 4]) -> Option<Self> {
        let rotation = Self::of(quat);
        rotation.is_valid().then_some(rotation)
    }

    /// The same without branches; [`Rotation::is_valid`] tells whether it is one.
    #[inline(always)]
    pub(crate) fn of([w, x, y, z]: [f64; 4]) -> Self {
        // The largest component first: squares of the smallest floats would vanish.
        let larger = |a: f64, b: f64| if a > b { a } else { b };
        let largest = larger(larger(w.abs(), x.abs()), larger(y.abs(), z.abs()));
        let inverse = 1.0 / largest;
        let [w, x, y, z] = [w * inverse, x * inverse, y * inverse, z * inverse];
        let root = (w * w + x * x + y * y + z * z).sqrt();
        let inverse = 1.0 / root;
        Self { q: [w * inverse, x * inverse, y * inverse, z * inverse], length: root * largest }
    }

    /// Whether the quaternion was a rotation.
    #[inline(always)]
    pub(crate) fn is_valid(&self) -> bool {
        let [w, x, y, z] = self.q;
        // Zero over zero and infinity over infinity are NaN.
        (self.length > 0.0) & (self.length < f64::INFINITY) & (w + x + y + z).is_finite()
    }

    /// The matrix.
    #[inline(always)]
    pub(crate) fn matrix(&self) -> M3 {
        let [w, x, y, z] = self.q;
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    }

    /// The derivative by the quaternion as it was given, from the derivative `g` by the matrix.
    #[inline(always)]
    pub(crate) fn gradient(&self, g: &M3) -> [f64; 4] {
        let [w, x, y, z] = self.q;
        let n = [
            2.0 * (x * (g[2][1] - g[1][2]) + y * (g[0][2] - g[2][0]) + z * (g[1][0] - g[0][1])),
            2.0 * (-2.0 * x * (g[1][1] + g[2][2])
                + y * (g[1][0] + g[0][1])
                + z * (g[2][0] + g[0][2])
                + w * (g[2][1] - g[1][2])),
            2.0 * (x * (g[1][0] + g[0][1]) - 2.0 * y * (g[0][0] + g[2][2])
                + z * (g[2][1] + g[1][2])
                + w * (g[0][2] - g[2][0])),
            2.0 * (x * (g[2][0] + g[0][2]) + y * (g[2][1] + g[1][2]) - 2.0 * z * (g[0][0] + g[1][1])
                + w * (g[1][0] - g[0][1])),
        ];
        let along = n[0] * w + n[1] * x + n[2] * y + n[3] * z;
        let inverse = 1.0 / self.length;
        let across = |n: f64, q: f64| (n - along * q) * inverse;
        [across(n[0], w), across(n[1], x), across(n[2], y), across(n[3], z)]
    }
}

#[cfg(test)]
mod tests {
    use super::Rotation;
    use crate::matrix::{product, transposed};

    #[test]
    fn matrices_by_hand() {
        let matrix = |q| Rotation::new(q).unwrap().matrix();
        assert_eq!(matrix([3.0, 0.0, 0.0, 0.0]), [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);
        // A quarter turn about z takes x to y.
        let quarter = matrix([1.0, 0.0, 0.0, 1.0]);
        let wanted = [[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]];
        assert!(quarter.iter().flatten().zip(wanted.iter().flatten()).all(|(a, b)| (a - b).abs() < 1e-15));
        // Tiny and huge lengths lose nothing.
        for scale in [1e-40, 1e37] {
            let m = matrix([0.1, -0.7, 0.4, 0.2].map(|x| x * scale));
            let identity = product(&m, &transposed(&m));
            assert!((0..3).all(|i| (identity[i][i] - 1.0).abs() < 1e-14 && identity[i][(i + 1) % 3].abs() < 1e-14));
        }
        for bad in [[0.0; 4], [f64::NAN, 0.0, 0.0, 1.0], [f64::INFINITY, 0.0, 0.0, 0.0]] {
            assert!(Rotation::new(bad).is_none());
        }
    }

    #[test]
    fn gradient_is_the_central_difference() {
        let q = [0.6, -0.9, 0.3, 1.1];
        let g = [[0.3, -1.2, 0.5], [0.7, 0.1, -0.4], [-0.8, 0.9, 0.2]];
        let loss = |q| {
            let m = Rotation::new(q).unwrap().matrix();
            (0..9).map(|i| m[i / 3][i % 3] * g[i / 3][i % 3]).sum::<f64>()
        };
        let got = Rotation::new(q).unwrap().gradient(&g);
        for (i, got) in got.into_iter().enumerate() {
            let at = |h: f64| loss(std::array::from_fn(|k| q[k] + if k == i { h } else { 0.0 }));
            assert!(((at(1e-5) - at(-1e-5)) / 2e-5 - got).abs() < 1e-9);
        }
    }
}
