//! Made-up posteriors of a segmentation network.

use crate::{BenchError, Random};

/// Share of a voxel that goes to the channels by chance instead of by place.
const NOISE: f32 = 1e-3;

/// Posteriors `[z][y][x][channel]` of a head of seeded balls: channel 0 is what lies outside all, every other channel has
/// a ball of its own that fades out over some voxels, with a little noise; the channels of a voxel add up to 1.
///
/// They are for timing what lies behind a network; the shapes mean nothing.
///
/// # Errors
/// [`BenchError::Parameter`] for no channel or a size of 0.
///
/// ```
/// let values = volkit_bench::seeded_posteriors([4, 5, 6], 3, 7)?;
/// assert_eq!(values.len(), 4 * 5 * 6 * 3);
/// assert!((values[..3].iter().sum::<f32>() - 1.0).abs() < 1e-5);
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
pub fn seeded_posteriors(size: [usize; 3], channels: usize, seed: u64) -> Result<Vec<f32>, BenchError> {
    if channels == 0 || size.contains(&0) {
        let value = format!("{size:?}, {channels} channels");
        return Err(BenchError::Parameter {
            name: "size",
            value,
            why: "every axis needs 1 voxel, and there is 1 channel",
        });
    }
    let mut random = Random::new(seed);
    let extent = size.map(|n| n as f64);
    let smallest = extent.into_iter().fold(f64::INFINITY, f64::min);
    // Centres within the middle of the volume, so that the balls are one connected head.
    let mut ball = || {
        let centre = extent.map(|n| (n * random.range(0.3, 0.7)) as f32);
        (centre, (smallest * random.range(0.05, 0.2)) as f32)
    };
    let balls: Vec<([f32; 3], f32)> = (1..channels).map(|_| ball()).collect();
    let mut values = Vec::with_capacity(size.iter().product::<usize>() * channels);
    for (z, y, x) in (0..size[2]).flat_map(|z| (0..size[1]).flat_map(move |y| (0..size[0]).map(move |x| (z, y, x)))) {
        let first = values.len();
        values.push(0.2);
        for (centre, radius) in &balls {
            let distance = (x as f32 - centre[0]).hypot(y as f32 - centre[1]).hypot(z as f32 - centre[2]);
            // 1 inside, falling to 0 over a quarter of the radius.
            let inside = (4.0 * (1.0 - distance / radius) + 1.0).clamp(0.0, 1.0);
            values.push(inside + NOISE * random.uniform() as f32);
        }
        let sum: f32 = values[first..].iter().sum();
        values[first..].iter_mut().for_each(|value| *value /= sum);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::seeded_posteriors;

    #[test]
    fn every_channel_has_a_place_and_voxels_add_up() {
        let (size, channels) = ([24, 20, 16], 5);
        let values = seeded_posteriors(size, channels, 1).unwrap();
        let mut largest = vec![0.0f32; channels];
        for voxel in values.chunks_exact(channels) {
            assert!((voxel.iter().sum::<f32>() - 1.0).abs() < 1e-5);
            largest.iter_mut().zip(voxel).for_each(|(largest, value)| *largest = largest.max(*value));
        }
        assert!(largest.iter().all(|&largest| largest > 0.25), "{largest:?}");
        assert_eq!(values, seeded_posteriors(size, channels, 1).unwrap());
        assert_ne!(values, seeded_posteriors(size, channels, 2).unwrap());
        assert!(seeded_posteriors([3, 0, 3], 2, 0).is_err() && seeded_posteriors([1; 3], 0, 0).is_err());
    }
}
