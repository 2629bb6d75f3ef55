//! Maps from voxel indices to world space.

use crate::CoreError;

/// An affine map of three-dimensional space, `world_from_voxel` where nothing else is said: it takes the index
/// `(i, j, k)` of a voxel's centre to millimetres in RAS+ (x to the right, y to the front, z up).
///
/// Kept as the three upper rows of a 4 x 4 matrix; the last row is `0 0 0 1`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine {
    rows: [[f64; 4]; 3],
}

impl Affine {
    /// Voxel indices are millimetres.
    pub const IDENTITY: Self = Self { rows: [[1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]] };

    /// The map with these upper rows `[linear part | translation]`.
    #[must_use]
    pub const fn from_rows(rows: [[f64; 4]; 3]) -> Self {
        Self { rows }
    }

    /// The map `p -> linear * p + translation`; `linear[r]` is a row.
    #[must_use]
    pub fn from_parts(linear: [[f64; 3]; 3], translation: [f64; 3]) -> Self {
        Self { rows: std::array::from_fn(|r| [linear[r][0], linear[r][1], linear[r][2], translation[r]]) }
    }

    /// A scaling along the axes, without translation.
    #[must_use]
    pub fn from_scale(scale: [f64; 3]) -> Self {
        Self { rows: std::array::from_fn(|r| std::array::from_fn(|c| if r == c { scale[r] } else { 0.0 })) }
    }

    /// The upper three rows.
    #[must_use]
    pub fn rows(&self) -> &[[f64; 4]; 3] {
        &self.rows
    }

    /// The whole 4 x 4 matrix, row by row.
    #[must_use]
    pub fn to_matrix(&self) -> [[f64; 4]; 4] {
        [self.rows[0], self.rows[1], self.rows[2], [0.0, 0.0, 0.0, 1.0]]
    }

    /// The linear part, row by row.
    #[must_use]
    pub fn linear(&self) -> [[f64; 3]; 3] {
        self.rows.map(|row| [row[0], row[1], row[2]])
    }

    /// Column `axis` of the linear part: the world step of one voxel along that axis.
    #[must_use]
    pub fn column(&self, axis: usize) -> [f64; 3] {
        self.rows.map(|row| row[axis])
    }

    /// The translation: world position of voxel `(0, 0, 0)`.
    #[must_use]
    pub fn translation(&self) -> [f64; 3] {
        self.rows.map(|row| row[3])
    }

    /// The same linear part with another translation.
    #[must_use]
    pub fn with_translation(&self, translation: [f64; 3]) -> Self {
        Self::from_parts(self.linear(), translation)
    }

    /// Image of a point.
    #[must_use]
    pub fn apply(&self, p: [f64; 3]) -> [f64; 3] {
        self.rows.map(|row| row[0] * p[0] + row[1] * p[1] + row[2] * p[2] + row[3])
    }

    /// Image of a direction (no translation).
    #[must_use]
    pub fn apply_linear(&self, v: [f64; 3]) -> [f64; 3] {
        self.rows.map(|row| row[0] * v[0] + row[1] * v[1] + row[2] * v[2])
    }

    /// `self` after `inner`: `p -> self(inner(p))`.
    #[must_use]
    pub fn compose(&self, inner: &Self) -> Self {
        let columns: [[f64; 3]; 3] = std::array::from_fn(|c| self.apply_linear(inner.column(c)));
        let linear = std::array::from_fn(|r| std::array::from_fn(|c| columns[c][r]));
        Self::from_parts(linear, self.apply(inner.translation()))
    }

    /// Determinant of the linear part; negative where the voxel axes are left-handed in world space.
    #[must_use]
    pub fn determinant(&self) -> f64 {
        let m = self.linear();
        m[0][0] * (m[1][1] * m[2][2] - m[1][2] * m[2][1]) - m[0][1] * (m[1][0] * m[2][2] - m[1][2] * m[2][0])
            + m[0][2] * (m[1][0] * m[2][1] - m[1][1] * m[2][0])
    }

    /// The inverse map.
    ///
    /// # Errors
    /// [`CoreError::SingularAffine`] when the linear part has no inverse or holds a value that is not finite.
    pub fn inverse(&self) -> Result<Self, CoreError> {
        let m = self.linear();
        let det = self.determinant();
        if !self.is_finite() || det == 0.0 || !(1.0 / det).is_finite() {
            return Err(CoreError::SingularAffine(self.rows));
        }
        // Entry (r, c) of the inverse is the cofactor of (c, r); the cyclic indices carry its sign.
        let cofactor = |r: usize, c: usize| {
            let (r1, r2, c1, c2) = ((r + 1) % 3, (r + 2) % 3, (c + 1) % 3, (c + 2) % 3);
            m[r1][c1] * m[r2][c2] - m[r1][c2] * m[r2][c1]
        };
        let linear: [[f64; 3]; 3] = std::array::from_fn(|r| std::array::from_fn(|c| cofactor(c, r) / det));
        let inverse = Self::from_parts(linear, [0.0; 3]);
        let translation = inverse.apply_linear(self.translation()).map(|x| -x);
        Ok(inverse.with_translation(translation))
    }

    /// Lengths of the columns: millimetres from one voxel centre to the next, per axis.
    #[must_use]
    pub fn spacing(&self) -> [f64; 3] {
        std::array::from_fn(|axis| self.column(axis).iter().map(|x| x * x).sum::<f64>().sqrt())
    }

    /// Whether no entry is NaN or infinite.
    #[must_use]
    pub fn is_finite(&self) -> bool {
        self.rows.iter().flatten().all(|x| x.is_finite())
    }

    /// Whether every entry differs by at most `atol + rtol * |other|`.
    #[must_use]
    pub fn is_close(&self, other: &Self, rtol: f64, atol: f64) -> bool {
        let pairs = self.rows.iter().flatten().zip(other.rows.iter().flatten());
        pairs.into_iter().all(|(a, b)| (a - b).abs() <= atol + rtol * b.abs())
    }

    /// The affine of the part of the grid that begins at voxel `start` (which may lie outside: padding).
    #[must_use]
    pub fn window(&self, start: [i64; 3]) -> Self {
        self.with_translation(self.apply(start.map(|x| x as f64)))
    }
}

impl Default for Affine {
    fn default() -> Self {
        Self::IDENTITY
    }
}

#[cfg(test)]
mod tests {
    use super::Affine;
    use proptest::prelude::*;

    const OBLIQUE: Affine =
        Affine::from_rows([[-1.5, 0.25, 0.0, 30.5], [0.2, 1.75, -0.1, -22.25], [0.05, 0.15, 2.5, 11.0]]);

    #[test]
    fn applies_and_windows() {
        assert_eq!(OBLIQUE.apply([2.0, 0.0, 0.0]), [27.5, -21.85, 11.1]);
        assert_eq!(OBLIQUE.window([2, 0, 0]).translation(), [27.5, -21.85, 11.1]);
        assert_eq!(OBLIQUE.column(2), [0.0, -0.1, 2.5]);
        assert_eq!(Affine::from_scale([1.0, 2.0, 3.0]).spacing(), [1.0, 2.0, 3.0]);
        assert_eq!(Affine::from_scale([1.0, -2.0, 3.0]).determinant(), -6.0);
    }

    #[test]
    fn singular_and_not_finite_have_no_inverse() {
        assert!(Affine::from_scale([1.0, 0.0, 1.0]).inverse().is_err());
        assert!(Affine::from_scale([1.0, f64::NAN, 1.0]).inverse().is_err());
        assert!(Affine::from_scale([1e-200, 1e-200, 1.0]).inverse().is_err());
    }

    proptest! {
        #[test]
        fn inverse_undoes(entries in prop::array::uniform12(-4.0f64..4.0)) {
            let rows = std::array::from_fn(|r| std::array::from_fn(|c| entries[4 * r + c]));
            let affine = Affine::from_rows(rows);
            prop_assume!(affine.determinant().abs() > 0.1);
            let product = affine.inverse().unwrap().compose(&affine);
            prop_assert!(product.is_close(&Affine::IDENTITY, 0.0, 1e-10));
        }
    }
}
