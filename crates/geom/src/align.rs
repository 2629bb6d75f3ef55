//! Orientation by the inverse affine: the rule that a widely used segmentation tool follows.

use volkit_core::{Affine, AxisMap};

use crate::GeomError;

/// The flips and swaps that bring a volume with affine `from` to the axes of `to`, by the second rule in use.
///
/// For each world axis `c` the voxel axis is the row of the largest `|entry|` in column `c` of the inverse affine (first
/// on ties). Where one voxel axis was chosen twice, each missing axis in turn replaces the last occurrence of the most
/// frequent one. An axis is flipped where the permuted column of `from` and the column of `to` point apart (their dot
/// product is negative).
///
/// Differs from [`crate::Orientation::of`] for strongly oblique or sheared grids only. The map back is
/// `axis_map_by_inverse(to, from)`.
///
/// # Errors
/// An affine that has no inverse.
pub fn axis_map_by_inverse(from: &Affine, to: &Affine) -> Result<AxisMap, GeomError> {
    let (from_axes, to_axes) = (axes_by_inverse(from)?, axes_by_inverse(to)?);
    let mut map = AxisMap::IDENTITY;
    for c in 0..3 {
        map.source_axis[to_axes[c]] = from_axes[c];
    }
    for axis in 0..3 {
        let (a, b) = (from.column(map.source_axis[axis]), to.column(axis));
        map.flipped[axis] = a[0] * b[0] + a[1] * b[1] + a[2] * b[2] < 0.0;
    }
    Ok(map)
}

/// Voxel axis of each world axis.
fn axes_by_inverse(affine: &Affine) -> Result<[usize; 3], GeomError> {
    let inverse = affine.inverse()?;
    let mut axes: [usize; 3] = std::array::from_fn(|c| {
        let column = inverse.column(c);
        (1..3).fold(0, |best, r| if column[r].abs() > column[best].abs() { r } else { best })
    });
    for missing in 0..3 {
        if axes.contains(&missing) {
            continue;
        }
        let count = |axis: usize| axes.iter().filter(|&&a| a == axis).count();
        let most = (1..3).fold(0, |best, axis| if count(axis) > count(best) { axis } else { best });
        if let Some(last) = axes.iter().rposition(|&a| a == most) {
            axes[last] = missing;
        }
    }
    Ok(axes)
}

#[cfg(test)]
mod tests {
    use super::{axes_by_inverse, axis_map_by_inverse};
    use volkit_core::{Affine, AxisMap};

    #[test]
    fn a_clash_is_repaired_at_the_last_occurrence() {
        // Inverse columns: all three point mostly along voxel axis 0.
        let inverse = Affine::from_rows([[3.0, 2.0, 2.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]]);
        assert_eq!(axes_by_inverse(&inverse.inverse().unwrap()).unwrap(), [0, 2, 1]);
    }

    #[test]
    fn there_and_back_cancel() {
        let affine = Affine::from_rows([[0.0, 0.0, -1.5, 9.0], [2.0, 0.1, 0.0, 1.0], [0.0, -1.0, 0.2, 4.0]]);
        let there = axis_map_by_inverse(&affine, &Affine::IDENTITY).unwrap();
        assert_eq!(there, AxisMap { source_axis: [2, 0, 1], flipped: [true, false, true] });
        assert_eq!(axis_map_by_inverse(&Affine::IDENTITY, &affine).unwrap(), there.inverse());
        assert!(axis_map_by_inverse(&Affine::from_scale([0.0, 1.0, 1.0]), &affine).is_err());
    }
}
