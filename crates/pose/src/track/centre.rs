//! A first guess of the centre, from the middles of the masks.

use crate::matrix::{M3, V3, dot, scaled, solve};
use crate::rig::RigCamera;

/// Column and row of the weighted median of a mask `[rows, columns]` of ones and zeros; none for an empty one.
fn median(mask: &[u8], columns: usize) -> Option<[f64; 2]> {
    let (mut by_column, mut by_row) = (vec![0u64; columns], vec![0u64; mask.len() / columns]);
    for (row, sum) in mask.chunks_exact(columns).zip(&mut by_row) {
        for (inside, column) in row.iter().zip(&mut by_column) {
            *column += u64::from(*inside);
            *sum += u64::from(*inside);
        }
    }
    let total: u64 = by_row.iter().sum();
    // The first index at which the running sum reaches half the total.
    let half = |sums: &[u64]| {
        let mut running = 0;
        sums.iter().position(|sum| {
            running += sum;
            2 * running >= total
        })
    };
    (total > 0).then_some([half(&by_column)? as f64, half(&by_row)? as f64])
}

/// The point nearest to the rays through pixels of cameras, by least squares over the rows `u P3 - P1`, `v P3 - P2`, each
/// divided by its length; none where the rays are parallel.
#[must_use]
pub fn triangulate(seen: &[(&RigCamera, [f64; 2])]) -> Option<[f64; 3]> {
    let (mut square, mut right): (M3, V3) = ([[0.0; 3]; 3], [0.0; 3]);
    for (camera, pixel) in seen {
        let p = camera.projection();
        for (axis, at) in pixel.iter().enumerate() {
            let row: [f64; 4] = std::array::from_fn(|k| at * p[2][k] - p[axis][k]);
            let normal = [row[0], row[1], row[2]];
            let weight = 1.0 / dot(normal, normal);
            for (r, n) in normal.into_iter().enumerate() {
                for (sum, m) in square[r].iter_mut().zip(normal) {
                    *sum += weight * n * m;
                }
                right[r] -= weight * n * row[3];
            }
        }
    }
    // Parallel rays leave the determinant at rounding noise of the trace's cube.
    let trace = square[0][0] + square[1][1] + square[2][2];
    let is_determined = crate::matrix::determinant(&scaled_matrix(&square, 1.0 / trace)) > 1e-9;
    is_determined.then(|| solve(&square, right)).flatten()
}

fn scaled_matrix(m: &M3, s: f64) -> M3 {
    m.map(|row| scaled(row, s))
}

/// The component-wise median, over all pairs of cameras, of the points that the middles of their masks give. Cameras with
/// an empty mask are left out; none where fewer than two are left. Masks are `[rows, columns]` of ones and zeros.
#[must_use]
pub fn rough_centre(cameras: &[RigCamera], masks: &[Vec<u8>], columns: usize) -> Option<[f64; 3]> {
    let seen: Vec<_> =
        cameras.iter().zip(masks).filter_map(|(camera, mask)| Some((camera, median(mask, columns)?))).collect();
    let mut points = Vec::new();
    for (i, a) in seen.iter().enumerate() {
        points.extend(seen[i + 1..].iter().filter_map(|b| triangulate(&[*a, *b])));
    }
    let middle = |axis: usize| {
        let mut values: Vec<f64> = points.iter().map(|p| p[axis]).collect();
        values.sort_by(f64::total_cmp);
        let (low, high) = (values.get((values.len().max(1) - 1) / 2)?, values.get(values.len() / 2)?);
        Some(0.5 * (low + high))
    };
    Some([middle(0)?, middle(1)?, middle(2)?])
}

#[cfg(test)]
mod tests {
    use super::median;

    #[test]
    fn medians_by_hand() {
        // Sums of columns 0 1 2 1, of rows 3 1: half of four is reached at column 2 and row 0.
        assert_eq!(median(&[0, 1, 1, 1, 0, 0, 1, 0], 4), Some([2.0, 0.0]));
        assert_eq!(median(&[0; 6], 3), None);
        assert_eq!(median(&[1], 1), Some([0.0, 0.0]));
    }
}
