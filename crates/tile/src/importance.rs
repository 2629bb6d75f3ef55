//! Importance maps of other programs, for results that agree with theirs.

use crate::window::per_axis;
use crate::{NamedWindow, TileError, Window as _, WindowAxis};

/// A map over the whole tile that is no product of its axes, merged as those programs do: outputs are weighted sums,
/// divided at the end by the sum of the maps. It costs a second accumulator; for results of one's own take a
/// [`crate::Window`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ImportanceMap {
    /// MONAI's `constant`: 1.
    MonaiConstant,
    /// MONAI's `gaussian`: a Gaussian clamped from below to the larger of its minimum and 1e-3. For outputs of another
    /// scale the map of the input tile is resampled, nearest sample.
    MonaiGaussian {
        /// Standard deviation as a share of the tile: one number, or one per axis. MONAI's default is 0.125.
        sigma: Vec<f64>,
    },
    /// nnU-Net's: a filtered impulse of `sigma = T / 8` at `T div 2`, times 10, zeros replaced by the smallest value.
    NnUnetGaussian,
}

/// Where MONAI clamps its map.
const MONAI_FLOOR: f32 = 1e-3;
/// Standard deviations after which nnU-Net's filter ends.
const NN_UNET_TRUNCATE: f64 = 4.0;
/// Largest value of nnU-Net's map.
const NN_UNET_PEAK: f64 = 10.0;

impl ImportanceMap {
    /// The map of a tile `[T0, T1, ..]`, row-major.
    ///
    /// # Errors
    /// [`TileError::Window`] for a standard deviation that is missing or not above 0.
    pub fn values(&self, tile: &[usize]) -> Result<Vec<f32>, TileError> {
        match self {
            Self::MonaiConstant => Ok(vec![1.0; tile.iter().product()]),
            Self::MonaiGaussian { sigma } => monai_gaussian(tile, sigma),
            Self::NnUnetGaussian => Ok(nn_unet_gaussian(tile)),
        }
    }

    /// The map at an output tile of another size.
    pub(crate) fn resized(&self, tile: &[usize], output: &[usize]) -> Result<Vec<f32>, TileError> {
        if tile == output || *self == Self::NnUnetGaussian {
            return self.values(output);
        }
        let map = self.values(tile)?;
        // Nearest sample by centres: floor((i + 1/2) T_in / T_out).
        let nearest = |i: usize, axis: usize| ((i as f64 + 0.5) * tile[axis] as f64 / output[axis] as f64) as usize;
        Ok(indexes(output).map(|index| map[flat(tile, &index, nearest)]).collect())
    }
}

fn monai_gaussian(tile: &[usize], sigma: &[f64]) -> Result<Vec<f32>, TileError> {
    let mut axes = Vec::new();
    for (axis, &len) in tile.iter().enumerate() {
        let sigma = per_axis(sigma, axis).map_err(|error| TileError::Window { axis, why: error.to_string() })?;
        let window = NamedWindow::Gaussian { sigma: vec![sigma] };
        let weights = window.weights(WindowAxis { axis, tile: len, overlap: 0 });
        let weights = weights.map_err(|error| TileError::Window { axis, why: error.to_string() })?;
        axes.push(weights.into_iter().map(|g| g as f32).collect::<Vec<_>>());
    }
    let mut map: Vec<f32> =
        indexes(tile).map(|index| index.iter().zip(&axes).map(|(&k, axis)| axis[k]).product()).collect();
    let floor = map.iter().copied().fold(f32::INFINITY, f32::min).max(MONAI_FLOOR);
    map.iter_mut().for_each(|w| *w = w.max(floor));
    Ok(map)
}

fn nn_unet_gaussian(tile: &[usize]) -> Vec<f32> {
    let axes: Vec<Vec<f64>> = tile.iter().map(|&len| filtered_impulse(len)).collect();
    let product = |index: Vec<usize>| index.iter().zip(&axes).map(|(&k, axis)| axis[k]).product::<f64>();
    let map: Vec<f64> = indexes(tile).map(product).collect();
    let peak = map.iter().copied().fold(0.0, f64::max) / NN_UNET_PEAK;
    let mut map: Vec<f32> = map.into_iter().map(|w| (w / peak) as f32).collect();
    let least = map.iter().copied().filter(|&w| w != 0.0).fold(f32::INFINITY, f32::min);
    map.iter_mut().filter(|w| **w == 0.0).for_each(|w| *w = least);
    map
}

/// A unit impulse at `T div 2` after a truncated Gaussian filter of `sigma = T / 8`, zero outside.
fn filtered_impulse(len: usize) -> Vec<f64> {
    let sigma = len as f64 / 8.0;
    let radius = (NN_UNET_TRUNCATE * sigma + 0.5) as usize;
    let tap = |x: usize| (-0.5 * (x as f64 / sigma).powi(2)).exp();
    let sum = tap(0) + (1..=radius).map(|x| 2.0 * tap(x)).sum::<f64>();
    let at = |k: usize| k.abs_diff(len / 2);
    (0..len).map(|k| if at(k) <= radius { tap(at(k)) / sum } else { 0.0 }).collect()
}

/// All indexes of an array, row-major.
fn indexes(shape: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    let count = shape.iter().product::<usize>();
    (0..count).map(move |mut rest| {
        let mut index = vec![0; shape.len()];
        for (place, n) in index.iter_mut().zip(shape).rev() {
            (*place, rest) = (rest % n, rest / n);
        }
        index
    })
}

fn flat(shape: &[usize], index: &[usize], moved: impl Fn(usize, usize) -> usize) -> usize {
    index.iter().enumerate().fold(0, |offset, (axis, &i)| offset * shape[axis] + moved(i, axis))
}

#[cfg(test)]
mod tests {
    use super::ImportanceMap;

    #[test]
    fn maps_by_hand() {
        assert_eq!(ImportanceMap::MonaiConstant.values(&[2, 3]).unwrap(), [1.0; 6]);
        let gaussian = ImportanceMap::MonaiGaussian { sigma: vec![0.125] };
        let map = gaussian.values(&[16]).unwrap();
        // Sigma is 2 samples and the first lies 7.5 away: exp(-7.5^2 / 8) = 8.8e-4, below the floor.
        assert_eq!(map[0], 1e-3);
        assert!((map[4] - (-3.5f32 * 3.5 / 8.0).exp()).abs() < 1e-7);
        let half = gaussian.resized(&[16], &[8]).unwrap();
        assert_eq!(half, (0..8).map(|i| map[2 * i + 1]).collect::<Vec<_>>());
        assert!(ImportanceMap::MonaiGaussian { sigma: vec![0.0] }.values(&[4]).is_err());
        assert!(ImportanceMap::MonaiGaussian { sigma: vec![0.1, 0.1] }.values(&[4, 4, 4]).is_err());
    }

    #[test]
    fn an_impulse_peaks_right_of_the_middle_of_an_even_tile() {
        let map = ImportanceMap::NnUnetGaussian.values(&[16]).unwrap();
        assert_eq!(map[8], 10.0);
        assert_eq!(map[7], map[9]);
        assert!(map.iter().all(|&w| w > 0.0));
    }
}
