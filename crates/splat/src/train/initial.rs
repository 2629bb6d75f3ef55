//! Where training begins.

use volkit_core::Random;

use crate::matrix::{add, dot, scaled, sub};
use crate::{Camera, Colours, Gaussians, SH_C0, SplatError, sh_coefficients};

/// Opacity at the start.
const OPACITY: f64 = 0.1;
/// Neighbours whose distance makes the first scale.
const NEIGHBOURS: usize = 3;
/// Least scale, for points that coincide, in units of the coordinates.
const LEAST_SCALE: f64 = 1e-7;

/// 1.1 times the largest distance of a camera from the middle of all cameras: the unit of rates and thresholds.
#[must_use]
pub fn scene_scale(cameras: &[Camera]) -> f64 {
    let centres: Vec<_> = cameras.iter().map(Camera::centre).collect();
    let sum = centres.iter().fold([0.0; 3], |sum, c| add(sum, *c));
    let middle = scaled(sum, 1.0 / centres.len().max(1) as f64);
    let distances = centres.iter().map(|c| sub(*c, middle)).map(|d| dot(d, d).sqrt());
    1.1 * distances.fold(0.0, f64::max)
}

/// A scene of one Gaussian a point: round, as large as its distance to the three nearest others, of opacity 0.1, its band
/// 0 from `colours` (0 to 1), further bands up to `sh_degree` zero, rotations random by `seed`.
///
/// # Errors
/// [`SplatError::Length`] for another number of colours than of points; [`SplatError::Parameter`] for a degree above 3.
pub fn scene_from_points(
    points: &[[f32; 3]],
    colours: &[[f32; 3]],
    sh_degree: usize,
    seed: u64,
) -> Result<Gaussians, SplatError> {
    SplatError::check_len("colours", colours.len(), points.len())?;
    let mut random = Random::new(seed);
    let k = sh_coefficients(sh_degree);
    let mut coefficients = vec![[0.0; 3]; k * points.len()];
    for (sh, colour) in coefficients.iter_mut().step_by(k).zip(colours) {
        *sh = colour.map(|c| (c - 0.5) / SH_C0);
    }
    let scene = Gaussians {
        means: points.to_vec(),
        quats: points.iter().map(|_| [0; 4].map(|_| random.uniform() as f32)).collect(),
        log_scales: neighbour_distances(points).iter().map(|d| [d.max(LEAST_SCALE).ln() as f32; 3]).collect(),
        logit_opacities: vec![(OPACITY / (1.0 - OPACITY)).ln() as f32; points.len()],
        colours: Colours::Sh { degree: sh_degree, coefficients },
    };
    scene.as_slices().validate()?;
    Ok(scene)
}

/// Root of the mean squared distance to the nearest other points; 1 where there are none.
fn neighbour_distances(points: &[[f32; 3]]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..points.len()).collect();
    order.sort_by(|&i, &j| points[i][0].total_cmp(&points[j][0]));
    let mut out = vec![1.0; points.len()];
    for (at, &i) in order.iter().enumerate() {
        let p = points[i].map(f64::from);
        let mut best = [f64::INFINITY; NEIGHBOURS];
        let mut see = |j: usize| {
            let d = sub(points[j].map(f64::from), p);
            if d[0] * d[0] >= best[NEIGHBOURS - 1] {
                return false;
            }
            let mut distance = dot(d, d);
            for b in &mut best {
                if distance < *b {
                    std::mem::swap(&mut distance, b);
                }
            }
            true
        };
        // Outward along x, until x alone is further than the third.
        let _ = order[at + 1..].iter().all(|&j| see(j));
        let _ = order[..at].iter().rev().all(|&j| see(j));
        let found: Vec<f64> = best.into_iter().filter(|d| d.is_finite()).collect();
        if !found.is_empty() {
            out[i] = (found.iter().sum::<f64>() / found.len() as f64).sqrt();
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{Random, neighbour_distances};

    #[test]
    fn nearest_neighbours_by_the_plain_loop() {
        let mut r = Random::new(3);
        let points: Vec<[f32; 3]> = (0..200).map(|_| [0; 3].map(|_| r.uniform() as f32)).collect();
        for (i, got) in neighbour_distances(&points).into_iter().enumerate() {
            let mut all: Vec<f64> = (0..points.len())
                .filter(|j| *j != i)
                .map(|j| (0..3).map(|k| (f64::from(points[i][k]) - f64::from(points[j][k])).powi(2)).sum())
                .collect();
            all.sort_by(f64::total_cmp);
            assert!((got - (all[..3].iter().sum::<f64>() / 3.0).sqrt()).abs() < 1e-12);
        }
        assert_eq!(neighbour_distances(&[[0.0; 3]]), [1.0]);
        assert_eq!(neighbour_distances(&[[0.0; 3], [0.0, 2.0, 0.0]]), [2.0, 2.0]);
    }
}
