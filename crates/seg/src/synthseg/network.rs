//! The networks of one run, together.

use volkit_core::Progress;
use volkit_kernels::Threads;

use super::parcellation::ParcellationNet;
use super::posteriors::Posteriors;
use super::quality::QualityNet;
use super::runner::Work;
use super::segmentation::{Averaging, SegmentationNet};
use super::smoothing::smoothed;
use crate::SegError;

/// How the networks run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// Leave out the average with the mirror image. The robust chain never makes it.
    pub fast: bool,
    /// Smooth where the reference smooths: with `fast` and a parcellation or quality network it returns the
    /// segmentation unsmoothed, and with a quality network the parcellation. Without this, both are always smoothed.
    pub compat: bool,
    /// Compute the first level of each U-Net twice instead of keeping it: about a third of the activations' memory, a
    /// tenth more time, the same bits.
    pub low_memory: bool,
}

impl NetworkOptions {
    /// The same with or without the average with the mirror image.
    #[must_use]
    pub fn with_fast(self, fast: bool) -> Self {
        Self { fast, ..self }
    }

    /// The same with or without the reference's own smoothing.
    #[must_use]
    pub fn with_compat(self, compat: bool) -> Self {
        Self { compat, ..self }
    }

    /// The same with or without computing the first level twice.
    #[must_use]
    pub fn with_low_memory(self, low_memory: bool) -> Self {
        Self { low_memory, ..self }
    }
}

/// What the networks say of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkOutput {
    /// Of the structures, over the whole (padded) image.
    pub segmentation: Posteriors,
    /// Of the parcels, where there is a parcellation network.
    pub parcellation: Option<Posteriors>,
    /// The channel of each voxel `[z][y][x]` from which the quality network's input is made, where there is one.
    pub quality_channels: Option<Vec<u8>>,
}

/// A segmentation network, and those that follow it where they are wanted.
#[derive(Debug)]
pub struct Networks {
    /// Finds structures.
    pub segmentation: SegmentationNet,
    /// Divides the cortex.
    pub parcellation: Option<ParcellationNet>,
    /// Scores the result; [`Networks::run`] makes what it needs, [`QualityNet::scores`] runs it.
    pub quality: Option<QualityNet>,
}

impl Networks {
    /// A segmentation network alone.
    #[must_use]
    pub fn new(segmentation: SegmentationNet) -> Self {
        Self { segmentation, parcellation: None, quality: None }
    }

    /// The same followed by a parcellation network.
    #[must_use]
    pub fn with_parcellation(self, net: ParcellationNet) -> Self {
        Self { parcellation: Some(net), ..self }
    }

    /// The same followed by a quality network.
    #[must_use]
    pub fn with_quality(self, net: QualityNet) -> Self {
        Self { quality: Some(net), ..self }
    }

    /// Bytes that a run over `size` voxels `[x, y, z]` takes at most beside the image: activations and posteriors.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that a network can not have.
    pub fn run_bytes(&self, size: [usize; 3], options: &NetworkOptions) -> Result<usize, SegError> {
        let n_voxels = size.iter().product::<usize>();
        let posteriors = n_voxels.saturating_mul(self.segmentation.structures().count() * size_of::<f32>());
        let mut segmentation = self.segmentation.run_bytes(size, options.low_memory)?;
        if self.is_raw(options) {
            // A smoothed copy.
            segmentation = segmentation.max(posteriors.saturating_mul(2));
        }
        let Some(net) = &self.parcellation else { return Ok(segmentation) };
        // Posteriors of the structures, their channels and the mask are kept meanwhile.
        let kept = posteriors.saturating_add(n_voxels.saturating_mul(2));
        Ok(segmentation.max(net.run_bytes(size, options.low_memory)?.saturating_add(kept)))
    }

    /// Runs segmentation and parcellation over an image `[z][y][x]` of `size` `[x, y, z]`: padded, and between 0 and 1.
    ///
    /// The same bits come out of any number of threads. Each network is a stage of `progress`.
    ///
    /// # Errors
    /// [`SegError::Option`] when `size` is not that of `image` or is not a multiple of what the networks halve;
    /// [`SegError::Kernel`] when the memory can not be had; [`SegError::Stopped`].
    pub fn run(
        &self,
        image: &[f32],
        size: [usize; 3],
        options: &NetworkOptions,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<NetworkOutput, SegError> {
        let work = Work { threads, progress };
        let is_followed = self.is_followed();
        let is_raw = self.is_raw(options);
        let averaging = match (is_raw, options.fast) {
            (true, _) => Averaging::Raw,
            (false, true) => Averaging::Single,
            (false, false) => Averaging::Flipped,
        };
        let segmentation = self.segmentation.run(image, size, averaging, options.low_memory, work)?;
        if !is_followed {
            return Ok(NetworkOutput { segmentation, parcellation: None, quality_channels: None });
        }
        let channels =
            if is_raw { smoothed(&segmentation, threads)?.argmax(threads)? } else { segmentation.argmax(threads)? };
        let Some(net) = &self.parcellation else {
            return Ok(NetworkOutput { segmentation, parcellation: None, quality_channels: Some(channels) });
        };
        let cortex = self.segmentation.structures().cortex_channels();
        let mask: Vec<u8> = channels.iter().map(|&channel| u8::from(cortex.contains(&usize::from(channel)))).collect();
        let is_smoothed = !(options.compat && self.quality.is_some());
        let parcellation = net.run(image, &mask, size, is_smoothed, options.low_memory, work)?;
        let quality_channels = match (&self.quality, is_raw) {
            (None, _) => None,
            (Some(_), false) => Some(channels),
            (Some(_), true) => Some(segmentation.argmax(threads)?),
        };
        Ok(NetworkOutput { segmentation, parcellation: Some(parcellation), quality_channels })
    }

    fn is_followed(&self) -> bool {
        self.parcellation.is_some() || self.quality.is_some()
    }

    /// Whether the segmentation is returned unsmoothed: the reference then smooths only what it feeds to the next network.
    fn is_raw(&self, options: &NetworkOptions) -> bool {
        options.compat && options.fast && self.is_followed() && !self.segmentation.is_robust()
    }
}
