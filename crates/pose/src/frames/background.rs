//! Masks where a recording has none: what differs from the background.

use volkit_geom::keep_largest;

use super::Frame;
use crate::PoseError;

/// Least difference of a channel that is not noise.
const LEAST_THRESHOLD: usize = 20;
/// How many times the median difference from the background is noise. Otsu's threshold would cut dark parts off a bright
/// animal: it parts what is bright from what is not.
const NOISE_FACTOR: usize = 8;

/// The picture of a camera that stands still without the animal in it, and how much the animal differs from it.
///
/// A pixel belongs to the animal where a channel differs from the background by the threshold or more. Of these pixels the
/// largest part that hangs together counts (neighbours share an edge), with its holes filled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Background {
    picture: Frame,
    threshold: u8,
}

impl Background {
    /// The median of pictures at different times: right where the animal is somewhere else in most of them. The threshold,
    /// unless one is given, is eight times the median of all differences, at least 20.
    ///
    /// # Errors
    /// [`PoseError::Input`] for fewer than three pictures or pictures of several sizes; `what` names them.
    pub fn new(samples: &[Frame], threshold: Option<u8>, what: &str) -> Result<Self, PoseError> {
        let [first, _, _, ..] = samples else {
            return Err(PoseError::input(what, "pictures", samples.len(), "at least 3 to take a background from"));
        };
        if let Some(other) = samples.iter().find(|other| !has_size(other, first)) {
            let value = format!("{} x {}", other.width, other.height);
            return Err(PoseError::input(what, "size", value, "the size of the first picture"));
        }
        let mut picture = first.clone();
        let mut values = vec![0; samples.len()];
        for (i, pixel) in picture.pixels.iter_mut().enumerate() {
            for (value, sample) in values.iter_mut().zip(samples) {
                *value = sample.pixels[i];
            }
            *pixel = *values.select_nth_unstable(samples.len() / 2).1;
        }
        let mut background = Self { picture, threshold: threshold.unwrap_or(0) };
        if threshold.is_none() {
            let mut histogram = [0; 256];
            for difference in samples.iter().flat_map(|sample| background.differences(sample)) {
                histogram[usize::from(difference)] += 1;
            }
            background.threshold = above_noise(&histogram);
        }
        Ok(background)
    }

    /// The picture without the animal.
    #[must_use]
    pub fn picture(&self) -> &Frame {
        &self.picture
    }

    /// Least difference of a pixel of the animal.
    #[must_use]
    pub fn threshold(&self) -> u8 {
        self.threshold
    }

    /// The mask of a picture, 255 or 0, one channel.
    ///
    /// # Errors
    /// [`PoseError::Parameter`] for a picture of another size.
    pub fn mask(&self, frame: &Frame, mask: &mut Frame) -> Result<(), PoseError> {
        if !has_size(frame, &self.picture) {
            let value = format!("{} x {}", frame.width, frame.height);
            return Err(PoseError::parameter("picture", value, "the size of the background"));
        }
        (mask.width, mask.height, mask.channels) = (frame.width, frame.height, 1);
        mask.pixels.clear();
        mask.pixels.extend(self.differences(frame).map(|d| u8::from(d >= self.threshold)));
        keep_largest(&mut mask.pixels, [frame.width, frame.height, 1])
            .map_err(|error| PoseError::Geom(Box::new(error)))?;
        fill_holes(&mut mask.pixels, frame.width);
        mask.pixels.iter_mut().for_each(|inside| *inside *= 255);
        Ok(())
    }

    /// The largest difference of the channels of each pixel.
    fn differences<'a>(&'a self, frame: &'a Frame) -> impl Iterator<Item = u8> + 'a {
        let pairs = frame.pixels.chunks_exact(frame.channels).zip(self.picture.pixels.chunks_exact(frame.channels));
        pairs.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0))
    }
}

fn has_size(a: &Frame, b: &Frame) -> bool {
    (a.width, a.height, a.channels) == (b.width, b.height, b.channels)
}

/// What noise does not reach: a multiple of the median difference, which is that of the background.
fn above_noise(histogram: &[u64; 256]) -> u8 {
    let total: u64 = histogram.iter().sum();
    let mut below = 0;
    let median = histogram.iter().position(|n| {
        below += n;
        2 * below >= total
    });
    (NOISE_FACTOR * median.unwrap_or(0)).clamp(LEAST_THRESHOLD, 255) as u8
}

/// Sets what can not be reached from the border over pixels of zero.
fn fill_holes(mask: &mut [u8], width: usize) {
    /// Outside, and reached from the border.
    const REACHED: u8 = 2;
    let height = mask.len() / width.max(1);
    let is_border =
        |i: usize| i.is_multiple_of(width) || i % width == width - 1 || i / width == 0 || i / width == height - 1;
    let mut open: Vec<usize> = (0..mask.len()).filter(|i| is_border(*i) && mask[*i] == 0).collect();
    open.iter().for_each(|i| mask[*i] = REACHED);
    while let Some(i) = open.pop() {
        let (x, y) = (i % width, i / width);
        let neighbours = [(x > 0, i.wrapping_sub(1)), (x + 1 < width, i + 1)].into_iter();
        let neighbours = neighbours.chain([(y > 0, i.wrapping_sub(width)), (y + 1 < height, i + width)]);
        for (_, at) in neighbours.filter(|(is_there, at)| *is_there && mask[*at] == 0).collect::<Vec<_>>() {
            mask[at] = REACHED;
            open.push(at);
        }
    }
    mask.iter_mut().for_each(|value| *value = u8::from(*value != REACHED));
}

#[cfg(test)]
mod tests {
    use super::{above_noise, fill_holes};

    #[test]
    fn thresholds_by_hand() {
        let mut histogram = [0; 256];
        (histogram[3], histogram[5], histogram[200]) = (40, 20, 30);
        assert_eq!(above_noise(&histogram), 40, "half of ninety is reached at 5");
        histogram[200] = 0;
        assert_eq!(above_noise(&histogram), 24);
        assert_eq!(above_noise(&[0; 256]), 20);
        histogram[90] = 1000;
        assert_eq!(above_noise(&histogram), 255);
    }

    #[test]
    fn holes_by_hand() {
        // A ring with a hole, and a notch that is open to the border.
        let mut mask = [
            1, 1, 1, 0, 0, //
            1, 0, 1, 0, 1, //
            1, 1, 1, 0, 0,
        ];
        fill_holes(&mut mask, 5);
        assert_eq!(mask, [1, 1, 1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 1, 0, 0]);
        fill_holes(&mut [], 0);
    }
}
