//! Which box of the grid the animal ever reaches.

use super::Hull;
use super::grid::CROP_STEP;
use crate::PoseError;

/// Counts, for each point of the whole grid, the frames in which it is part of the hull.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CropFinder {
    size: usize,
    sums: Vec<u64>,
    n_frames: usize,
}

impl CropFinder {
    /// No frames yet, for a grid of `size`^3 points.
    #[must_use]
    pub fn new(size: usize) -> Self {
        Self { size, sums: vec![0; size * size * size], n_frames: 0 }
    }

    /// Adds a frame's hull of the whole grid.
    ///
    /// # Errors
    /// [`PoseError::Parameter`] for a hull of another grid.
    pub fn add(&mut self, hull: &Hull) -> Result<(), PoseError> {
        if hull.votes.len() != self.sums.len() {
            return Err(PoseError::parameter("hull", hull.votes.len(), "as many points as the whole grid"));
        }
        for (index, _) in hull.occupied() {
            self.sums[index] += 1;
        }
        self.n_frames += 1;
        Ok(())
    }

    /// Frames that were added.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        self.n_frames
    }

    /// Points of frames, `[size, size, size]`.
    #[must_use]
    pub fn sums(&self) -> &[u64] {
        &self.sums
    }

    /// Sums over the two other axes, for each axis.
    #[must_use]
    pub fn profiles(&self) -> [Vec<u64>; 3] {
        let n = self.size;
        let mut profiles = [vec![0; n], vec![0; n], vec![0; n]];
        for (index, sum) in self.sums.iter().enumerate() {
            for (profile, at) in profiles.iter_mut().zip([index / (n * n), index / n % n, index % n]) {
                profile[at] += sum;
            }
        }
        profiles
    }

    /// Which share of all points of frames a box of the grid holds; 1 where there are none.
    #[must_use]
    pub fn share(&self, crop: [[usize; 2]; 3]) -> f64 {
        let n = self.size;
        let is_inside = |index: usize| {
            let at = [index / (n * n), index / n % n, index % n];
            at.into_iter().zip(crop).all(|(i, [first, end])| i >= first && i < end)
        };
        let inside = self.sums.iter().enumerate().filter(|(index, _)| is_inside(*index));
        let (inside, all): (u64, u64) = (inside.map(|(_, sum)| sum).sum(), self.sums.iter().sum());
        if all == 0 { 1.0 } else { inside as f64 / all as f64 }
    }

    /// What [`CropFinder::find`] should be asked for: a point in one of a hundred frames, and one of ten thousand of all
    /// points; a plane with less is noise.
    #[must_use]
    pub fn threshold(&self) -> u64 {
        let n_points: u64 = self.sums.iter().sum();
        (self.n_frames as u64).div_ceil(100).max(n_points.div_ceil(10_000))
    }

    /// The box, made of intervals of multiples of 16, beyond which no plane of the grid has `threshold` points of frames or
    /// more; see [`find_interval`]. Of runs of planes with gaps between them the heaviest counts: what lies apart is what
    /// silhouettes make by chance where few views look. Empty intervals where the animal is nowhere.
    #[must_use]
    pub fn find(&self, threshold: u64) -> [[usize; 2]; 3] {
        self.profiles().map(|profile| find_interval(&heaviest_run(&profile, threshold), threshold))
    }
}

/// The profile with nothing but its heaviest run of entries of at least `threshold`.
fn heaviest_run(profile: &[u64], threshold: u64) -> Vec<u64> {
    let mut start = 0;
    let mut best = (0, 0..0);
    for run in profile.split(|sum| *sum < threshold) {
        let weight: u64 = run.iter().sum();
        if weight > best.0 {
            best = (weight, start..start + run.len());
        }
        start += run.len() + 1;
    }
    (0..profile.len()).map(|i| if best.1.contains(&i) { profile[i] } else { 0 }).collect()
}

/// The interval from the first to the last entry of at least `threshold`, widened to a multiple of 16, the odd one of the
/// points that are added going to the low side, then moved into the profile. `[0, 0]` where there is no such entry, and the
/// whole profile, cut to a multiple of 16, where it is not longer than what is needed.
///
/// ```
/// let mut profile = vec![0; 112];
/// profile[30..=46].fill(7);
/// assert_eq!(volkit_pose::find_interval(&profile, 1), [22, 54]);
/// ```
#[must_use]
pub fn find_interval(profile: &[u64], threshold: u64) -> [usize; 2] {
    let reaches = |sum: &u64| *sum >= threshold;
    let (Some(first), Some(last)) = (profile.iter().position(reaches), profile.iter().rposition(reaches)) else {
        return [0, 0];
    };
    let n = last + 1 - first;
    let length = n.next_multiple_of(CROP_STEP).min(profile.len() / CROP_STEP * CROP_STEP);
    let low = length.saturating_sub(n).div_ceil(2);
    let start = first.saturating_sub(low).min(profile.len() - length);
    [start, start + length]
}
