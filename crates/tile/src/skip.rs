//! Tiles that need not be run.

use std::fmt;

use volkit_core::{BoxError, Region, VolumeSource, read_vec};

use crate::{Tile, TilePlan};

/// When a tile counts as empty by its own samples.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EmptyTest {
    /// `max - min <= eps` over all channels.
    Flat {
        /// Largest spread.
        eps: f32,
    },
    /// Every sample has this value.
    Background(f32),
}

impl EmptyTest {
    /// Whether a tile is empty. NaN never is.
    pub(crate) fn is_empty(self, values: &[f32]) -> bool {
        match self {
            Self::Background(background) => values.iter().all(|&value| value == background),
            Self::Flat { eps } => {
                let Some(&first) = values.first() else { return true };
                let mut spread = (first, first);
                for &value in values {
                    if value.is_nan() {
                        return false;
                    }
                    spread = (spread.0.min(value), spread.1.max(value));
                }
                spread.1 - spread.0 <= eps
            }
        }
    }
}

/// What a skipped tile leaves behind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SkipPolicy {
    /// It counts as a tile whose output is the fill value, at its usual weights: windows stay a partition of unity.
    #[default]
    Blend,
    /// It does not count: neighbours are divided by the weights that were there, and the fill value stands where
    /// nothing was run. Needs a second accumulator of one channel.
    Renormalize,
}

/// Which tiles are not run. A tile is skipped where the mask is 0 all over it, or where it is empty by its own samples.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct Skip<'a> {
    /// A mask of the whole image at any resolution: same axes, any lengths; it is asked by the box that holds the tile.
    pub mask: Option<&'a dyn VolumeSource>,
    /// A test on the tile's samples.
    pub empty: Option<EmptyTest>,
    /// Output of a tile that is skipped.
    pub fill: f32,
    /// What a skipped tile leaves behind.
    pub policy: SkipPolicy,
}

impl<'a> Skip<'a> {
    /// Skips nothing yet; the fill is 0.
    #[must_use]
    pub fn new() -> Self {
        Self { mask: None, empty: None, fill: 0.0, policy: SkipPolicy::Blend }
    }

    /// The same with a mask.
    #[must_use]
    pub fn with_mask(self, mask: &'a dyn VolumeSource) -> Self {
        Self { mask: Some(mask), ..self }
    }

    /// The same with a test on the tile's samples.
    #[must_use]
    pub fn with_empty(self, empty: EmptyTest) -> Self {
        Self { empty: Some(empty), ..self }
    }

    /// The same with another output of skipped tiles.
    #[must_use]
    pub fn with_fill(self, fill: f32) -> Self {
        Self { fill, ..self }
    }

    /// The same with another policy.
    #[must_use]
    pub fn with_policy(self, policy: SkipPolicy) -> Self {
        Self { policy, ..self }
    }

    /// Whether the mask excludes a tile.
    pub(crate) fn is_masked_out(&self, plan: &TilePlan, tile: &Tile) -> Result<bool, BoxError> {
        let Some(mask) = self.mask else { return Ok(false) };
        let lengths: Vec<usize> = mask.meta().shape().iter().rev().copied().collect();
        let (mut start, mut size) = (Vec::new(), Vec::new());
        for ((axis, &i), &n) in plan.axes().iter().zip(&tile.grid).zip(&lengths) {
            let covered = axis.covered(i);
            let first = (covered.start as u128 * n as u128 / axis.length() as u128) as usize;
            let last = (covered.end as u128 * n as u128).div_ceil(axis.length() as u128) as usize;
            start.insert(0, first);
            size.insert(0, last - first);
        }
        let values = read_vec::<f32>(mask, &Region::new(start, size)?)?;
        Ok(values.iter().all(|&value| value == 0.0))
    }
}

impl Default for Skip<'_> {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Skip<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = self.mask.map(|mask| mask.meta().shape());
        f.debug_struct("Skip")
            .field("mask", &mask)
            .field("empty", &self.empty)
            .field("fill", &self.fill)
            .field("policy", &self.policy)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::EmptyTest;

    #[test]
    fn emptiness() {
        assert!(EmptyTest::Flat { eps: 0.5 }.is_empty(&[1.0, 1.5]));
        assert!(!EmptyTest::Flat { eps: 0.4 }.is_empty(&[1.0, 1.5]));
        assert!(!EmptyTest::Flat { eps: 9.0 }.is_empty(&[1.0, f32::NAN]));
        assert!(EmptyTest::Background(0.0).is_empty(&[0.0, -0.0]));
        assert!(!EmptyTest::Background(0.0).is_empty(&[0.0, f32::NAN]));
    }
}
