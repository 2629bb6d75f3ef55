//! Posteriors after clean-up on the grid of the output, one channel at a time.

use rayon::prelude::*;
use volkit_core::{DType, Volume, VolumeMeta};

use super::placement::Placement;
use super::sparse::SparsePosteriors;
use crate::SegError;

/// Posteriors after clean-up, on the grid of the labels: a frame for each channel, made when it is asked for.
///
/// Most posteriors are 0 after the clean-up, and only the others are stored: about a tenth of the whole for a head.
#[derive(Clone, Debug, PartialEq)]
pub struct CleanPosteriors {
    stored: SparsePosteriors,
    placement: Placement,
    meta: VolumeMeta,
}

impl CleanPosteriors {
    pub(super) fn new(stored: SparsePosteriors, placement: &Placement) -> Result<Self, SegError> {
        let [nx, ny, nz] = placement.output_size()?;
        let meta = VolumeMeta::new([nx, ny, nz, stored.channels()], DType::F32, placement.affine)?;
        Ok(Self { stored, placement: *placement, meta })
    }

    /// Shape `[x, y, z, channel]`, f32, and place of the volume of all frames.
    #[must_use]
    pub fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    /// How many frames there are: one a channel.
    #[must_use]
    pub fn n_frames(&self) -> usize {
        self.stored.channels()
    }

    /// The posteriors of a channel on the grid of the output, x fastest; outside the part that was analysed 1 for the
    /// background (channel 0) and 0 for the others.
    ///
    /// # Errors
    /// [`SegError::Option`] for a channel that there is not; a grid that memory can not hold.
    pub fn frame(&self, channel: usize) -> Result<Vec<f32>, SegError> {
        if channel >= self.n_frames() {
            let why = "there is a frame for each channel of the network";
            return Err(SegError::Option { name: "frame", value: channel.to_string(), why });
        }
        self.placement.output_of(kept_frame(&self.stored, channel), if channel == 0 { 1.0 } else { 0.0 })
    }

    /// All frames.
    ///
    /// # Errors
    /// As [`CleanPosteriors::frame`].
    pub fn to_volume(&self) -> Result<Volume, SegError> {
        let mut values = Vec::with_capacity(self.meta.shape().iter().product());
        for channel in 0..self.n_frames() {
            values.extend(self.frame(channel)?);
        }
        Ok(Volume::from_meta(self.meta.clone(), values)?)
    }
}

/// A channel of the kept part, x fastest.
pub(super) fn kept_frame(stored: &SparsePosteriors, channel: usize) -> Vec<f32> {
    let [nx, ny, _] = stored.kept().size();
    let mut frame = vec![0.0; stored.kept().len()];
    let planes = frame.par_chunks_exact_mut((nx * ny).max(1)).enumerate();
    planes.for_each(|(z, plane)| stored.frame_plane(channel, z, plane));
    frame
}
