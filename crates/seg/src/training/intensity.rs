//! From labels to grey levels.

use rayon::prelude::*;

use super::config::{BiasConfig, GammaConfig, IntensityConfig};
use super::field::{Field, Zoom};
use super::generation_labels::GenerationLabels;
use super::random::{Purpose, Random};

/// Mean and deviation of the grey level of each position of the table of labels.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Contrast {
    pub(super) levels: Vec<[f32; 2]>,
}

impl Contrast {
    /// Draws a normal distribution for each class, and the background by its own rule.
    pub(super) fn draw(config: &IntensityConfig, seed: u64, index: u64) -> Self {
        let labels = GenerationLabels::get();
        let mut random = Random::of(seed, index, Purpose::Intensities);
        let means: Vec<f64> = (0..labels.n_classes).map(|_| random.uniform(config.mean)).collect();
        let mut classes: Vec<[f64; 2]> =
            means.into_iter().map(|mean| [mean, random.uniform(config.deviation)]).collect();
        let background = random.unit();
        if background >= 1.0 - config.empty_background_probability {
            classes[0] = [0.0; 2];
        } else if background >= 1.0 - config.empty_background_probability - config.dark_background_probability {
            classes[0] = [random.uniform(config.dark_mean), random.uniform(config.dark_deviation)];
        }
        Self { levels: labels.rows.iter().map(|row| classes[row.class].map(|value| value as f32)).collect() }
    }
}

/// Grey levels of labels: `mean + deviation * noise`.
pub(super) fn painted(positions: &[u8], plane: usize, contrast: &Contrast, seed: u64, index: u64) -> Vec<f32> {
    let mut image = vec![0.0f32; positions.len()];
    let planes = image.par_chunks_mut(plane).zip(positions.par_chunks(plane));
    planes.enumerate().for_each(|(z, (image, positions))| {
        let mut random = Random::new(seed, &[index, Purpose::Noise as u64, z as u64]);
        for (image, positions) in image.chunks_mut(2).zip(positions.chunks(2)) {
            for ((value, position), noise) in image.iter_mut().zip(positions).zip(random.normal_pair()) {
                let [mean, deviation] = contrast.levels[usize::from(*position)];
                *value = mean + deviation * noise;
            }
        }
    });
    image
}

/// Multiplies a cube of `n` voxels by the exponential of a smooth random field.
pub(super) fn biased(image: &mut [f32], n: usize, spacing_mm: f64, config: &BiasConfig, seed: u64, index: u64) {
    let mut random = Random::of(seed, index, Purpose::Bias);
    if !random.happens(config.probability) {
        return;
    }
    let deviation = random.uniform(config.deviation);
    let points = ((n as f64 * spacing_mm * config.scale).ceil() as usize).max(1);
    let field = Field::<1>::random([points; 3], deviation, 1, &mut random);
    let zoom = Zoom::new(points, n as f64);
    let at: Vec<(usize, usize, f32)> = (0..n).map(|i| zoom.locate(i as f32)).collect();
    image.par_chunks_exact_mut(n * n).enumerate().for_each(|(z, plane)| {
        let mut row_points = vec![[0.0f32]; points];
        for (y, row) in plane.chunks_exact_mut(n).enumerate() {
            field.row(at[y], at[z], &mut row_points);
            for (value, &(low, high, share)) in row.iter_mut().zip(&at) {
                let field = row_points[low][0] + (row_points[high][0] - row_points[low][0]) * share;
                *value *= field.exp();
            }
        }
    });
}

/// Added to the range of values, so that a constant image becomes 0.
const RANGE_EPS: f32 = 1e-7;

/// Clips, brings the values to `[0, 1]` by smallest and largest, and raises them to a random power.
pub(super) fn rescaled(image: &mut [f32], config: &GammaConfig, seed: u64, index: u64) {
    let gamma = (config.deviation * Random::of(seed, index, Purpose::Gamma).normal()).exp() as f32;
    let clip = config.clip as f32;
    image.par_iter_mut().for_each(|value| *value = value.clamp(0.0, clip));
    let (low, high) = image
        .par_iter()
        .fold(|| (f32::MAX, f32::MIN), |(low, high), value| (low.min(*value), high.max(*value)))
        .reduce(|| (f32::MAX, f32::MIN), |a, b| (a.0.min(b.0), a.1.max(b.1)));
    let factor = 1.0 / (high - low + RANGE_EPS);
    image.par_iter_mut().for_each(|value| {
        let unit = (*value - low) * factor;
        *value = if gamma == 1.0 { unit } else { unit.powf(gamma) };
    });
}

#[cfg(test)]
mod tests {
    use super::{BiasConfig, Contrast, GammaConfig, IntensityConfig, biased, painted, rescaled};

    #[test]
    fn means_and_deviations_of_a_class() {
        let mut contrast = Contrast { levels: vec![[0.0, 0.0]; 54] };
        (contrast.levels[5], contrast.levels[7]) = ([100.0, 10.0], [30.0, 2.0]);
        let positions: Vec<u8> = (0..40_000).map(|at| if at % 2 == 0 { 5 } else { 7 }).collect();
        let image = painted(&positions, 1000, &contrast, 1, 2);
        for (offset, [mean, deviation]) in [(0, [100.0, 10.0]), (1, [30.0, 2.0])] {
            let values: Vec<f64> = image.iter().skip(offset).step_by(2).map(|v| f64::from(*v)).collect();
            let n = values.len() as f64;
            let found = values.iter().sum::<f64>() / n;
            let square = values.iter().map(|v| (v - found).powi(2)).sum::<f64>() / n;
            assert!((found - mean).abs() < 5.0 * deviation / n.sqrt(), "{found}");
            assert!((square.sqrt() / deviation - 1.0).abs() < 5.0 / (2.0 * n).sqrt(), "{square}");
        }
        // Planes differ.
        assert_ne!(image[..1000], image[1000..2000]);
    }

    #[test]
    fn backgrounds_follow_their_rule() {
        let config = IntensityConfig::default();
        let levels: Vec<[f32; 2]> = (0..4000).map(|index| Contrast::draw(&config, 3, index).levels[0]).collect();
        let empty = levels.iter().filter(|level| **level == [0.0; 2]).count() as f64 / 4000.0;
        // Dark ones by the rule, and those that are dark by chance: 15 / 250 in mean and 5 / 30 in deviation.
        let dark = levels.iter().filter(|[mean, deviation]| *mean < 15.0 && *deviation < 5.0).count() as f64 / 4000.0;
        assert!((empty - 0.05).abs() < 5.0 * (0.05f64 * 0.95 / 4000.0).sqrt(), "{empty}");
        let expected = 0.05 + 0.25 + 0.7 * (15.0 / 250.0) * (5.0 / 30.0);
        assert!((dark - expected).abs() < 5.0 * (expected * (1.0 - expected) / 4000.0).sqrt(), "{dark}");
        let contrast = Contrast::draw(&config, 3, 0);
        assert!(contrast.levels.iter().all(|[m, d]| (0.0..250.0).contains(m) && (0.0..30.0).contains(d)));
        // Labels 4 and 5 (positions 20, 21) share a class.
        assert_eq!(contrast.levels[20], contrast.levels[21]);
    }

    #[test]
    fn values_are_rescaled() {
        let config = GammaConfig { clip: 300.0, deviation: 0.0 };
        let mut image = vec![-5.0, 30.0, 150.0, 400.0];
        rescaled(&mut image, &config, 0, 0);
        assert!(image.iter().zip([0.0, 0.1, 0.5, 1.0]).all(|(a, b): (&f32, f32)| (a - b).abs() < 1e-6), "{image:?}");
        let mut constant = vec![7.0; 5];
        rescaled(&mut constant, &GammaConfig::default(), 0, 0);
        assert_eq!(constant, [0.0; 5]);
        // Ends stay where they are whatever gamma is.
        let mut image = vec![0.0, 1.0, 2.0];
        rescaled(&mut image, &GammaConfig::default(), 0, 4);
        assert!(image[0] == 0.0 && (image[2] - 1.0).abs() < 1e-6 && image[1] > 0.0 && image[1] < 1.0);
    }

    #[test]
    fn bias_is_smooth_and_by_chance() {
        let n = 20;
        let sure = BiasConfig { probability: 1.0, deviation: [0.5, 0.5], scale: 0.1 };
        let mut image = vec![1.0f32; n * n * n];
        biased(&mut image, n, 1.0, &sure, 5, 6);
        let step = image.windows(2).enumerate().filter(|(at, _)| at % n != n - 1);
        let steepest = step.map(|(_, w)| (w[0].ln() - w[1].ln()).abs()).fold(0.0, f32::max);
        // Control points are 10 voxels apart and differ by at most a few deviations.
        assert!(steepest > 0.0 && steepest < 0.5, "{steepest}");
        let mut same = vec![1.0f32; n * n * n];
        biased(&mut same, n, 1.0, &BiasConfig { probability: 0.0, ..sure }, 5, 6);
        assert!(same.iter().all(|value| *value == 1.0));
    }
}
