//! Planes of a conformed image, normalised as they are read.

use volkit_kernels::{BoxError, PlaneSource};

use crate::conform::{Conformed, ConformedVoxels};

/// Percentiles of the image that become 0 and 1 of the network's input (as in training).
pub(super) const NORMALISATION: [f64; 2] = [2.0, 98.0];

/// Added to the range of the normalisation, so that a constant image does not divide by zero (as in training).
const RANGE_EPS: f64 = 1e-3;

/// Maps the 2nd percentile to 0 and the 98th to 1: `clip((v - q2) / (q98 - q2 + 1e-3), 0, 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Normalisation {
    low: f64,
    range: f64,
}

impl Normalisation {
    pub(super) fn new([q2, q98]: [f64; 2]) -> Self {
        Self { low: q2, range: q98 - q2 + RANGE_EPS }
    }

    pub(super) fn apply(self, value: f64) -> f32 {
        ((value - self.low) / self.range).clamp(0.0, 1.0) as f32
    }
}

/// Hands planes of a conformed image to the network; no normalised copy of the image is made.
pub(super) struct NormalisedPlanes<'a> {
    image: &'a Conformed,
    normalisation: Normalisation,
    /// Normalised values of all bytes, for images of bytes.
    table: [f32; 256],
}

impl<'a> NormalisedPlanes<'a> {
    pub(super) fn new(image: &'a Conformed, percentiles: [f64; 2]) -> Self {
        let normalisation = Normalisation::new(percentiles);
        let table = std::array::from_fn(|byte| normalisation.apply(byte as f64));
        Self { image, normalisation, table }
    }
}

impl PlaneSource for NormalisedPlanes<'_> {
    fn read_plane(&mut self, _input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError> {
        let range = z * plane.len()..(z + 1) * plane.len();
        match self.image.voxels() {
            ConformedVoxels::U8(values) => {
                for (out, value) in plane.iter_mut().zip(&values[range]) {
                    *out = self.table[usize::from(*value)];
                }
            }
            ConformedVoxels::F32(values) => {
                for (out, value) in plane.iter_mut().zip(&values[range]) {
                    *out = self.normalisation.apply(f64::from(*value));
                }
            }
        }
        Ok(())
    }

    /// All that lies below the lower percentile, and around the scan.
    fn background(&self, _input: usize) -> Option<Vec<f32>> {
        Some(vec![0.0])
    }
}

#[cfg(test)]
mod tests {
    use super::Normalisation;

    #[test]
    fn percentiles_become_zero_and_one() {
        let normalisation = Normalisation::new([10.0, 110.0]);
        assert_eq!(normalisation.apply(10.0), 0.0);
        assert!((normalisation.apply(60.0) - 0.5).abs() < 1e-5);
        assert!((normalisation.apply(110.0) - 1.0).abs() < 2e-5);
        assert_eq!((normalisation.apply(-5.0), normalisation.apply(500.0)), (0.0, 1.0));
        assert_eq!(Normalisation::new([7.0, 7.0]).apply(7.0), 0.0);
    }
}
