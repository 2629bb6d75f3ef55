//! The resolution of scans: slices that are thick and far apart.

use rayon::prelude::*;

use super::config::ResolutionConfig;
use super::field::lerp;
use super::random::{Purpose, Random};

/// Spacing and thickness of slices along each axis, in mm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Slices {
    pub(super) spacing_mm: [f64; 3],
    pub(super) thickness_mm: [f64; 3],
    /// Factors of the deviations of the blur.
    pub(super) blur: [f64; 3],
}

impl Slices {
    /// Draws them, for samples of voxels of `base` mm.
    pub(super) fn draw(config: &ResolutionConfig, base: f64, seed: u64, index: u64) -> Self {
        let mut random = Random::of(seed, index, Purpose::Resolution);
        let mut spacing_mm = [base; 3];
        if config.randomised && !random.happens(config.full_probability) {
            let coarser = |random: &mut Random, most: f64| random.uniform([base, most.max(base)]);
            if random.happens(config.all_axes_probability) {
                spacing_mm = std::array::from_fn(|_| coarser(&mut random, config.all_axes_mm));
            } else {
                spacing_mm[random.below(3)] = coarser(&mut random, config.one_axis_mm);
            }
        }
        let thickness_mm = spacing_mm.map(|mm| random.uniform([base, mm]));
        let range = [1.0 / config.blur_range, config.blur_range];
        Self { spacing_mm, thickness_mm, blur: std::array::from_fn(|_| random.uniform(range)) }
    }

    /// Slices of one spacing along one axis, as thick as they are far apart.
    pub(super) fn along(axis: usize, mm: f64, base: f64) -> Self {
        let mut spacing_mm = [base; 3];
        spacing_mm[axis] = mm.max(base);
        Self { spacing_mm, thickness_mm: spacing_mm, blur: [1.0; 3] }
    }
}

/// Deviation of the blur in voxels for slices as far apart as the voxels themselves.
const BASE_SIGMA: f64 = 0.5;
/// Deviation for each mm of slice thickness.
const SIGMA_PER_MM: f64 = 0.75;

/// What a scanner with such slices would see of a cube of `n` voxels of `base` mm, brought back to these voxels.
///
/// Blur; every voxel nearest to `i / zoom` of the coarse grid; linear between these.
pub(super) fn sliced(image: Vec<f32>, n: usize, base: f64, config: &ResolutionConfig, slices: &Slices) -> Vec<f32> {
    let coarsest = if config.randomised { config.all_axes_mm.max(config.one_axis_mm).max(base) } else { base };
    let widest = if coarsest > base { SIGMA_PER_MM * coarsest / base } else { BASE_SIGMA };
    let mut image = image;
    for axis in 0..3 {
        let (mm, thick) = (slices.spacing_mm[axis], slices.thickness_mm[axis]);
        let sigma = if mm == base { BASE_SIGMA } else { SIGMA_PER_MM * mm.min(thick) / base };
        let taps = gaussian_taps(sigma * slices.blur[axis], kernel_size(widest));
        image = along_axis(&image, n, axis, &Blur { taps });
    }
    for axis in 0..3 {
        let down = ((n as f64 * base / slices.spacing_mm[axis]) as usize).max(1);
        if down < n {
            image = along_axis(&image, n, axis, &Resample::new(n, down));
        }
    }
    image
}

/// Odd number of taps that holds 1.25 deviations on either side.
fn kernel_size(sigma: f64) -> usize {
    ((2.5 * sigma).ceil() as usize) / 2 * 2 + 1
}

fn gaussian_taps(sigma: f64, size: usize) -> Vec<f32> {
    let middle = (size / 2) as f64;
    let weights: Vec<f64> = (0..size).map(|i| (-0.5 * ((i as f64 - middle) / sigma).powi(2)).exp()).collect();
    let sum: f64 = weights.iter().sum();
    weights.into_iter().map(|weight| (weight / sum) as f32).collect()
}

/// What is done along an axis: out of rows of the input, a row of the output.
trait Along: Sync {
    /// Output element `at` as a weighted sum: calls `add(index, weight)`.
    fn terms(&self, at: usize, n: usize, add: impl FnMut(usize, f32));
}

/// A filter with zeros outside.
struct Blur {
    taps: Vec<f32>,
}

impl Along for Blur {
    fn terms(&self, at: usize, n: usize, mut add: impl FnMut(usize, f32)) {
        let half = self.taps.len() / 2;
        for (k, weight) in self.taps.iter().enumerate() {
            let index = (at + k).wrapping_sub(half);
            if index < n {
                add(index, *weight);
            }
        }
    }
}

/// Fewer samples, and linear between them.
struct Resample {
    /// For each output the two inputs and the share of the second.
    sources: Vec<(usize, usize, f32)>,
}

impl Resample {
    fn new(n: usize, down: usize) -> Self {
        let ratio = n as f64 / down as f64;
        let sample = |i: usize| ((i as f64 * ratio).round_ties_even() as usize).min(n - 1);
        let source = |at: usize| {
            let at = (at as f64 / ratio).min((down - 1) as f64);
            let low = at.floor() as usize;
            (sample(low), sample((low + 1).min(down - 1)), (at - low as f64) as f32)
        };
        Self { sources: (0..n).map(source).collect() }
    }
}

impl Along for Resample {
    fn terms(&self, at: usize, _: usize, mut add: impl FnMut(usize, f32)) {
        let (low, high, share) = self.sources[at];
        add(low, lerp(1.0, 0.0, share));
        if share > 0.0 {
            add(high, share);
        }
    }
}

/// Applies `what` along an axis of a cube of `n` voxels, x fastest.
fn along_axis(image: &[f32], n: usize, axis: usize, what: &impl Along) -> Vec<f32> {
    let mut out = vec![0.0f32; image.len()];
    out.par_chunks_exact_mut(n * n).enumerate().for_each(|(z, plane)| match axis {
        0 => {
            let mut weights = vec![Vec::new(); n];
            for (x, terms) in weights.iter_mut().enumerate() {
                what.terms(x, n, |index, weight| terms.push((index, weight)));
            }
            for (row, from) in plane.chunks_exact_mut(n).zip(image[z * n * n..][..n * n].chunks_exact(n)) {
                for (out, terms) in row.iter_mut().zip(&weights) {
                    *out = terms.iter().map(|(index, weight)| weight * from[*index]).sum();
                }
            }
        }
        1 => {
            let from = &image[z * n * n..][..n * n];
            for (y, row) in plane.chunks_exact_mut(n).enumerate() {
                what.terms(y, n, |index, weight| add_row(row, &from[index * n..][..n], weight));
            }
        }
        _ => what.terms(z, n, |index, weight| add_row(plane, &image[index * n * n..][..n * n], weight)),
    });
    out
}

fn add_row(row: &mut [f32], from: &[f32], weight: f32) {
    for (out, value) in row.iter_mut().zip(from) {
        *out += weight * value;
    }
}

#[cfg(test)]
mod tests {
    use super::{Resample, ResolutionConfig, Slices, gaussian_taps, kernel_size, sliced};

    #[test]
    fn kernels_by_hand() {
        // sigma 6 of the reference: 15 taps; sigma 0.5: 3 taps e^-2, 1, e^-2.
        assert_eq!((kernel_size(6.0), kernel_size(0.5), kernel_size(3.0)), (15, 3, 9));
        let taps = gaussian_taps(0.5, 3);
        assert!((taps[1] - 0.786_986).abs() < 1e-5 && (taps[0] - 0.106_507).abs() < 1e-5, "{taps:?}");
    }

    #[test]
    fn slices_by_hand() {
        // 6 voxels, 2 slices: samples 0 and 3; between them linear; behind the last clamped.
        let resample = Resample::new(6, 2);
        let values = [10.0, 0.0, 0.0, 40.0, 0.0, 0.0];
        let found: Vec<f32> =
            resample.sources.iter().map(|(a, b, share)| values[*a] * (1.0 - share) + values[*b] * share).collect();
        let expected = [10.0, 20.0, 30.0, 40.0, 40.0, 40.0];
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-4), "{found:?}");
    }

    #[test]
    fn axes_are_alike() {
        let n = 12;
        let config = ResolutionConfig::default();
        let value = |p: [usize; 3]| ((p[0] * 7 + p[1] * 3 + p[2] * 5) % 11) as f32;
        let cube = |order: [usize; 3]| -> Vec<f32> {
            (0..n * n * n)
                .map(|at| {
                    let p = [at % n, at / n % n, at / (n * n)];
                    value(order.map(|k| p[k]))
                })
                .collect()
        };
        let along_x = sliced(cube([0, 1, 2]), n, 1.0, &config, &Slices::along(0, 3.0, 1.0));
        // The same image with x and z swapped, sliced along z.
        let along_z = sliced(cube([2, 1, 0]), n, 1.0, &config, &Slices::along(2, 3.0, 1.0));
        for (at, value) in along_x.iter().enumerate() {
            let swapped = at / (n * n) + n * (at / n % n) + n * n * (at % n);
            assert!((value - along_z[swapped]).abs() < 1e-4);
        }
    }

    #[test]
    fn draws_stay_in_their_ranges() {
        let config = ResolutionConfig::default();
        let (mut full, mut all) = (0, 0);
        for index in 0..2000 {
            let slices = Slices::draw(&config, 1.0, 1, index);
            let coarse = slices.spacing_mm.iter().filter(|mm| **mm > 1.0).count();
            full += usize::from(coarse == 0);
            all += usize::from(coarse == 3);
            let most = if coarse == 3 { 4.0 } else { 8.0 };
            assert!(coarse != 2);
            for axis in 0..3 {
                let (mm, thick) = (slices.spacing_mm[axis], slices.thickness_mm[axis]);
                assert!((1.0..=most).contains(&mm) && (1.0..=mm).contains(&thick));
                assert!((1.0 / 1.03..1.03).contains(&slices.blur[axis]));
            }
        }
        assert!((60..145).contains(&full) && (140..245).contains(&all), "{full} {all}");
        let fixed = ResolutionConfig { randomised: false, ..config };
        assert_eq!(Slices::draw(&fixed, 2.0, 1, 0).spacing_mm, [2.0; 3]);
    }
}
