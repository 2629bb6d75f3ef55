//! The networks of one run, together.

use volkit_core::Progress;
use volkit_kernels::Threads;

use super::parcellation::ParcellationNet;
use super::posterior_sink::{Both, ChannelSink, PosteriorSink};
use super::posteriors::Posteriors;
use super::quality::QualityNet;
use super::runner::{Work, check_input};
use super::segmentation::{Averaging, SegmentationNet, SegmentationRun};
use super::smoothing::SmoothingSink;
use super::unet::UNetRun;
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
    /// Compute the first level of each U-Net twice instead of keeping it, also where keeping it takes little memory: about
    /// a third of the activations' memory, a tenth more time, the same bits.
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

    /// Bytes that a run over `size` voxels `[x, y, z]` takes at most beside the image, where posteriors are not kept:
    /// activations and the maps that the following networks need.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that a network can not have.
    pub fn run_bytes(&self, size: [usize; 3], options: &NetworkOptions) -> Result<usize, SegError> {
        let n_voxels = size.iter().product::<usize>();
        let mut most = self.segmentation.run_bytes(size, !options.fast, options.low_memory)?;
        if let Some(net) = &self.parcellation {
            most = most.max(net.run_bytes(size, options.low_memory)?);
        }
        let maps = if self.is_followed() { 3 } else { 0 };
        Ok(most.saturating_add(n_voxels.saturating_mul(maps)))
    }

    /// Runs segmentation and parcellation over an image `[z][y][x]` of `size` `[x, y, z]`: padded, and between 0 and 1.
    /// All posteriors are returned whole, which [`SynthSeg`](super::SynthSeg) does without.
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
        check_input(size, image.len(), 1)?;
        let mut segmentation = Posteriors::zeros(size, self.segmentation.structures().count())?;
        let maps = self.segment(image, size, options, &mut segmentation, work)?;
        let mut parcellation = None;
        if let Some(maps) = maps.as_ref().filter(|_| self.parcellation.is_some()) {
            let whole = parcellation.insert(Posteriors::zeros(size, super::parcels().len())?);
            self.parcellate((image, &maps.cortex), size, options, whole, work)?;
        }
        let quality_channels = maps.filter(|_| self.quality.is_some()).map(|maps| maps.quality);
        Ok(NetworkOutput { segmentation, parcellation, quality_channels })
    }

    /// Runs the segmentation: planes of posteriors go to `sink`; gives what the networks that follow need, if any do.
    pub(super) fn segment(
        &self,
        image: &[f32],
        size: [usize; 3],
        options: &NetworkOptions,
        sink: &mut dyn PosteriorSink,
        work: Work<'_>,
    ) -> Result<Option<FollowerMaps>, SegError> {
        let is_raw = self.is_raw(options);
        let averaging = match (is_raw, options.fast) {
            (true, _) => Averaging::Raw,
            (false, true) => Averaging::Single,
            (false, false) => Averaging::Flipped,
        };
        let how = SegmentationRun { size, averaging, low_memory: options.low_memory };
        if !self.is_followed() {
            self.segmentation.run(image, &how, sink, work)?;
            return Ok(None);
        }
        let n = self.segmentation.structures().count();
        let mut strongest = ChannelSink::new(size, n);
        let mut both = Both(sink, &mut strongest);
        let quality = if is_raw {
            let mut of_smoothed = ChannelSink::new(size, n);
            let mut smoothing = SmoothingSink::new(size, n, &mut of_smoothed);
            self.segmentation.run(image, &how, &mut Both(&mut both, &mut smoothing), work)?;
            let of_raw = std::mem::replace(&mut strongest, of_smoothed);
            // Without a parcellation between them the reference gives the quality network what it smoothed.
            self.parcellation.is_some().then_some(of_raw.channels)
        } else {
            self.segmentation.run(image, &how, &mut both, work)?;
            None
        };
        let cortex = self.segmentation.structures().cortex_channels();
        let is_cortex = |channel: &u8| u8::from(cortex.contains(&usize::from(*channel)));
        let cortex =
            if self.parcellation.is_some() { strongest.channels.iter().map(is_cortex).collect() } else { Vec::new() };
        Ok(Some(FollowerMaps { cortex, quality: quality.unwrap_or(strongest.channels) }))
    }

    /// Runs the parcellation over an image and the mask of the cortex; planes of posteriors go to `sink`.
    pub(super) fn parcellate(
        &self,
        input: (&[f32], &[u8]),
        size: [usize; 3],
        options: &NetworkOptions,
        sink: &mut dyn PosteriorSink,
        work: Work<'_>,
    ) -> Result<(), SegError> {
        let Some(net) = &self.parcellation else { return Ok(()) };
        let is_smoothed = !(options.compat && self.quality.is_some());
        let run = UNetRun { size, with_mirrored: false, low_memory: options.low_memory };
        net.run(input, &run, is_smoothed, sink, work)
    }

    fn is_followed(&self) -> bool {
        self.parcellation.is_some() || self.quality.is_some()
    }

    /// Whether the segmentation is returned unsmoothed: the reference then smooths only what it feeds to the next network.
    fn is_raw(&self, options: &NetworkOptions) -> bool {
        options.compat && options.fast && self.is_followed() && !self.segmentation.is_robust()
    }
}

/// What the segmentation hands to the networks that follow it, for each voxel `[z][y][x]`.
#[derive(Debug)]
pub(super) struct FollowerMaps {
    /// 1 in the cortex; empty without a parcellation network.
    pub(super) cortex: Vec<u8>,
    /// The channel from which the quality network's input is made.
    pub(super) quality: Vec<u8>,
}
