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
        // The largest component first: squares of the smallest floats would vanish.
        let largest = quat.iter().fold(0.0, |most: f64, x| most.max(x.abs()));
        if !(largest > 0.0 && quat.iter().all(|x| x.is_finite())) {
            return None;
        }
        let scaled = quat.map(|x| x / largest);
        let root = scaled.iter().map(|x| x * x).sum::<f64>().sqrt();
        Some(Self { q: scaled.map(|x| x / root), length: root * largest })
    }

    /// The matrix.
    pub(crate) fn matrix(&self) -> M3 {
        let [w, x, y, z] = self.q;
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - w * z), 2.0 * (x * z + w * y)],
            [2.0 * (x * y + w * z), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - w * x)],
            [2.0 * (x * z - w * y), 2.0 * (y * z + w * x), 1.0 - 2.0 * (x * x + y * y)],
        ]
    }

    /// The derivative by the quaternion as it was given, from the derivative `g` by the matrix.
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
        let along: f64 = n.iter().zip(self.q).map(|(n, q)| n * q).sum();
        std::array::from_fn(|i| (n[i] - along * self.q[i]) / self.length)
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
