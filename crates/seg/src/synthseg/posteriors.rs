//! What a network says of each voxel: a probability for each channel.

use volkit_kernels::{Isa, Layout, Planes, Threads, argmax};

use crate::SegError;

/// Most channels whose numbers fit in a `u8`.
const MAX_CHANNELS: usize = 256;

/// A value for each channel of each voxel.
#[derive(Clone, Debug, PartialEq)]
pub struct Posteriors {
    /// Voxels along x, y and z.
    pub size: [usize; 3],
    /// Channels of a voxel.
    pub channels: usize,
    /// Values `[z][y][x][c]`, channels fastest.
    pub values: Vec<f32>,
}

impl Posteriors {
    /// Posteriors from values in the order `[z][y][x][c]`.
    ///
    /// # Errors
    /// [`SegError::Option`] when there are no channels or `values` has another length.
    pub fn new(size: [usize; 3], channels: usize, values: Vec<f32>) -> Result<Self, SegError> {
        let len = size.iter().try_fold(channels, |product, &n| product.checked_mul(n));
        if channels == 0 || len != Some(values.len()) {
            return Err(SegError::Option {
                name: "posteriors",
                value: format!("{} values for size {size:?} with {channels} channels", values.len()),
                why: "one value for each channel of each voxel",
            });
        }
        Ok(Self { size, channels, values })
    }

    /// Posteriors that are 0 everywhere.
    ///
    /// # Errors
    /// [`SegError::Option`] when there are no channels or memory can not count the values.
    pub fn zeros(size: [usize; 3], channels: usize) -> Result<Self, SegError> {
        let len = size.iter().try_fold(channels, |product, &n| product.checked_mul(n)).unwrap_or(0);
        Self::new(size, channels, vec![0.0; len])
    }

    /// Values of voxel `(x, y, z)`, one a channel; nothing outside the volume.
    #[must_use]
    pub fn voxel(&self, [x, y, z]: [usize; 3]) -> Option<&[f32]> {
        let [nx, ny, nz] = self.size;
        if x >= nx || y >= ny || z >= nz {
            return None;
        }
        let start = ((z * ny + y) * nx + x) * self.channels;
        self.values.get(start..start + self.channels)
    }

    /// Smoothed as the published networks' results are: a Gaussian of sigma 0.5 over 3^3 voxels, zeros beyond the border.
    ///
    /// # Errors
    /// [`SegError::Kernel`] when `values` has another length.
    pub fn smoothed(&self, threads: &Threads) -> Result<Self, SegError> {
        super::smoothing::smoothed(self, threads)
    }

    /// The channel with the largest value of each voxel, `[z][y][x]`; the first of equal ones.
    ///
    /// # Errors
    /// [`SegError::Option`] for more than 256 channels; [`SegError::Kernel`] when `values` has another length.
    pub fn argmax(&self, threads: &Threads) -> Result<Vec<u8>, SegError> {
        if self.channels > MAX_CHANNELS {
            let (value, why) = (self.channels.to_string(), "channels are numbered in 8 bits");
            return Err(SegError::Option { name: "channels", value, why });
        }
        let [nx, ny, nz] = self.size;
        let tensor = Planes::new(&self.values, Layout::dense([nz, ny, nx], self.channels))?;
        let mut channels = vec![0; nx * ny * nz];
        argmax(&tensor, 0..nz, &mut channels, Isa::detect(), threads)?;
        Ok(channels)
    }
}
