//! Flips and swaps of the three spatial axes.

use crate::Affine;

/// A flip and permutation of the spatial axes: an exact, invertible change of the order in which voxels are stored.
///
/// Axis `a` of the new array is axis `source_axis[a]` of the old one, run backwards where `flipped[a]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AxisMap {
    /// Old axis that each new axis comes from; a permutation of 0, 1, 2.
    pub source_axis: [usize; 3],
    /// Whether each new axis runs against its old axis.
    pub flipped: [bool; 3],
}

impl AxisMap {
    /// Nothing moves.
    pub const IDENTITY: Self = Self { source_axis: [0, 1, 2], flipped: [false; 3] };

    /// Whether nothing moves.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        *self == Self::IDENTITY
    }

    /// The map that undoes this one.
    #[must_use]
    pub fn inverse(&self) -> Self {
        let mut inverse = Self::IDENTITY;
        for (new, (&old, &flip)) in self.source_axis.iter().zip(&self.flipped).enumerate() {
            inverse.source_axis[old] = new;
            inverse.flipped[old] = flip;
        }
        inverse
    }

    /// Size of the new array.
    #[must_use]
    pub fn new_size(&self, old_size: [usize; 3]) -> [usize; 3] {
        self.source_axis.map(|axis| old_size[axis])
    }

    /// Old index of the voxel at `new_index`.
    #[must_use]
    pub fn old_index(&self, new_index: [usize; 3], old_size: [usize; 3]) -> [usize; 3] {
        let mut old_index = [0; 3];
        for (new, &old) in self.source_axis.iter().enumerate() {
            old_index[old] = if self.flipped[new] { old_size[old] - 1 - new_index[new] } else { new_index[new] };
        }
        old_index
    }

    /// The map from new to old indices, for an old array of `old_size`.
    #[must_use]
    pub fn old_from_new(&self, old_size: [usize; 3]) -> Affine {
        let mut rows = [[0.0; 4]; 3];
        for (new, &old) in self.source_axis.iter().enumerate() {
            rows[old][new] = if self.flipped[new] { -1.0 } else { 1.0 };
            rows[old][3] = if self.flipped[new] { old_size[old] as f64 - 1.0 } else { 0.0 };
        }
        Affine::from_rows(rows)
    }

    /// The affine of the new array, where `affine` is that of the old one: every voxel stays where it was.
    #[must_use]
    pub fn new_affine(&self, affine: &Affine, old_size: [usize; 3]) -> Affine {
        affine.compose(&self.old_from_new(old_size))
    }
}

#[cfg(test)]
mod tests {
    use super::AxisMap;
    use crate::Affine;

    const MAP: AxisMap = AxisMap { source_axis: [2, 0, 1], flipped: [true, false, true] };

    #[test]
    fn indices_follow_axes_and_flips() {
        assert_eq!(MAP.new_size([4, 5, 6]), [6, 4, 5]);
        assert_eq!(MAP.old_index([0, 1, 2], [4, 5, 6]), [1, 2, 5]);
        let mapped = MAP.old_from_new([4, 5, 6]).apply([0.0, 1.0, 2.0]);
        assert_eq!(mapped, [1.0, 2.0, 5.0]);
    }

    #[test]
    fn the_inverse_undoes_indices_and_affines() {
        let size = [4, 5, 6];
        let inverse = MAP.inverse();
        let new = [3, 2, 1];
        assert_eq!(inverse.old_index(MAP.old_index(new, size), MAP.new_size(size)), new);
        let affine = Affine::from_rows([[0.0, 2.0, 0.0, 5.0], [1.0, 0.0, 0.0, -7.0], [0.0, 0.0, -3.0, 1.0]]);
        let there = MAP.new_affine(&affine, size);
        assert_eq!(inverse.new_affine(&there, MAP.new_size(size)), affine);
        assert!(AxisMap::IDENTITY.inverse().is_identity());
    }
}
