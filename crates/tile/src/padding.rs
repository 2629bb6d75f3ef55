//! What lies beyond the border of an image.

use std::ops::Range;

use crate::TileError;

/// How samples beyond the border of the image are made up, tile by tile: no padded copy of the image ever exists.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Padding {
    /// This value. The default is 0.
    Constant(f32),
    /// Mirrored about the first and the last sample, which are not repeated; needs a padding below the image length.
    Reflect,
    /// Mirrored about the border, so that the first and the last sample are repeated; needs a padding of at most the
    /// image length.
    Symmetric,
    /// The first and the last sample.
    Replicate,
    /// The image again; needs a padding of at most the image length.
    Circular,
}

impl Default for Padding {
    fn default() -> Self {
        Self::Constant(0.0)
    }
}

impl Padding {
    fn name(self) -> &'static str {
        match self {
            Self::Constant(_) => "constant",
            Self::Reflect => "reflect",
            Self::Symmetric => "symmetric",
            Self::Replicate => "replicate",
            Self::Circular => "circular",
        }
    }

    /// Checks that `pad` samples beyond either border can be made up.
    pub(crate) fn check(self, axis: usize, length: usize, pad: usize) -> Result<(), TileError> {
        let needed = match self {
            Self::Constant(_) | Self::Replicate => 0,
            Self::Reflect => pad + usize::from(pad > 0),
            Self::Symmetric | Self::Circular => pad,
        };
        if length >= needed {
            return Ok(());
        }
        Err(TileError::Padding { axis, mode: self.name(), pad, needed, length })
    }

    /// The sample of an image of `length` that stands at `position`; none for the constant.
    ///
    /// The position must lie within what [`Padding::check`] allows.
    fn source(self, position: isize, length: usize) -> Option<usize> {
        let n = length as isize;
        if (0..n).contains(&position) {
            return Some(position as usize);
        }
        let before = position < 0;
        let index = match self {
            Self::Constant(_) => return None,
            Self::Replicate => position.clamp(0, n - 1),
            Self::Circular => position.rem_euclid(n),
            Self::Reflect if before => -position,
            Self::Reflect => 2 * (n - 1) - position,
            Self::Symmetric if before => -1 - position,
            Self::Symmetric => 2 * n - 1 - position,
        };
        Some(index as usize)
    }
}

/// Which samples of an image fill a stretch of one axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AxisReads {
    /// Stretches of the image to read, increasing.
    pub(crate) ranges: Vec<Range<usize>>,
    /// For every sample of the stretch its place among the samples read; none for the constant.
    pub(crate) map: Vec<Option<usize>>,
}

impl AxisReads {
    /// The stretch `[start, start + len)` of an image of `length` samples.
    pub(crate) fn new(start: isize, len: usize, length: usize, padding: Padding) -> Self {
        let sources: Vec<_> = (0..len as isize).map(|k| padding.source(start + k, length)).collect();
        let mut needed: Vec<usize> = sources.iter().flatten().copied().collect();
        needed.sort_unstable();
        needed.dedup();
        let mut ranges: Vec<Range<usize>> = Vec::new();
        for &sample in &needed {
            match ranges.last_mut() {
                Some(range) if range.end == sample => range.end += 1,
                _ => ranges.push(sample..sample + 1),
            }
        }
        let place = |sample: usize| needed.binary_search(&sample).ok();
        let map = sources.into_iter().map(|source| source.and_then(place)).collect();
        Self { ranges, map }
    }

    /// Samples read.
    pub(crate) fn n_read(&self) -> usize {
        self.ranges.iter().map(ExactSizeIterator::len).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::{AxisReads, Padding};

    /// What an image 0, 1, 2, .. looks like from `start` on.
    fn seen(padding: Padding, start: isize, len: usize, length: usize) -> Vec<Option<usize>> {
        let reads = AxisReads::new(start, len, length, padding);
        let samples: Vec<usize> = reads.ranges.into_iter().flatten().collect();
        reads.map.into_iter().map(|place| place.map(|place| samples[place])).collect()
    }

    #[test]
    fn modes_by_hand() {
        let some = |values: &[usize]| values.iter().copied().map(Some).collect::<Vec<_>>();
        assert_eq!(seen(Padding::Reflect, -3, 10, 4), some(&[3, 2, 1, 0, 1, 2, 3, 2, 1, 0]));
        assert_eq!(seen(Padding::Symmetric, -3, 10, 4), some(&[2, 1, 0, 0, 1, 2, 3, 3, 2, 1]));
        assert_eq!(seen(Padding::Replicate, -2, 7, 3), some(&[0, 0, 0, 1, 2, 2, 2]));
        assert_eq!(seen(Padding::Circular, -2, 7, 3), some(&[1, 2, 0, 1, 2, 0, 1]));
        assert_eq!(seen(Padding::Constant(0.0), -1, 3, 1), [None, Some(0), None]);
    }

    #[test]
    fn only_what_is_needed_is_read() {
        let far = AxisReads::new(-2, 5, 1000, Padding::Circular);
        assert_eq!((far.ranges.clone(), far.n_read()), (vec![0..3, 998..1000], 5));
        let inside = AxisReads::new(10, 5, 1000, Padding::Circular);
        assert!(inside.ranges.iter().eq([&(10..15)]) && inside.map.into_iter().eq((0..5).map(Some)));
        assert!(AxisReads::new(5, 3, 5, Padding::Constant(1.0)).ranges.is_empty());
    }

    #[test]
    fn limits_of_the_modes() {
        assert!(Padding::Reflect.check(0, 4, 3).is_ok() && Padding::Reflect.check(0, 4, 4).is_err());
        assert!(Padding::Symmetric.check(0, 4, 4).is_ok() && Padding::Symmetric.check(0, 4, 5).is_err());
        assert!(Padding::Circular.check(0, 4, 4).is_ok() && Padding::Circular.check(0, 4, 5).is_err());
        let error = Padding::Reflect.check(1, 4, 6).unwrap_err().to_string();
        assert_eq!(error, "axis 1: reflect padding of 6 samples needs an image of at least 7 samples, it has 4");
    }
}
