//! How a scan is segmented, from reading to labels.

use super::network::NetworkOptions;
use super::postprocess::PostprocessOptions;
use super::preprocess::{PreprocessOptions, SMALLEST_SIZE};
use crate::SegError;

/// How [`SynthSeg`](super::SynthSeg) works on a scan and what it keeps.
///
/// Whether the chain is robust, and which structures there are, follows from the networks.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SynthSegOptions {
    /// Leave out the average with the mirror image and the clean-up of topological classes; robust networks always do.
    pub fast: bool,
    /// The scan is a CT: clip to 0 to 80 Hounsfield units first.
    pub ct: bool,
    /// Analyse the middle of the scan only: voxels of 1 mm along x, y and z in RAS, each rounded up to a multiple of 32.
    pub crop: Option<[usize; 3]>,
    /// Analyse the box of what is not background; not together with `crop`.
    pub autocrop: bool,
    /// Everything as the reference program has it, its errors too: see the page on `SynthSeg` for the differences.
    pub compat: bool,
    /// The scan's header stores three voxel sizes whatever the number of axes is, as MGH does. Matters with `compat`.
    pub three_spacings: bool,
    /// Least size of the network's volume along each axis, rounded up to a multiple of 32; default 128.
    pub smallest_size: usize,
    /// Voxel size of the network's volume in mm; default 1, that of the published networks.
    pub spacing_mm: f64,
    /// Compute the first level of each network twice instead of keeping it: less memory, more time, the same bits.
    pub low_memory: bool,
    /// Keep the posteriors on the grid of the labels.
    pub keep_posteriors: bool,
    /// Keep the scan as it was resampled to 1 mm.
    pub keep_resampled: bool,
    /// Also bring the labels to the grid of the scan.
    pub keep_geometry: bool,
}

impl Default for SynthSegOptions {
    fn default() -> Self {
        Self {
            fast: false,
            ct: false,
            crop: None,
            autocrop: false,
            compat: false,
            three_spacings: false,
            smallest_size: SMALLEST_SIZE,
            spacing_mm: 1.0,
            low_memory: false,
            keep_posteriors: false,
            keep_resampled: false,
            keep_geometry: false,
        }
    }
}

impl SynthSegOptions {
    /// The defaults of the published program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with or without mirror image and clean-up of classes.
    #[must_use]
    pub fn with_fast(self, fast: bool) -> Self {
        Self { fast, ..self }
    }

    /// The same for a CT or not.
    #[must_use]
    pub fn with_ct(self, ct: bool) -> Self {
        Self { ct, ..self }
    }

    /// The same with another part to analyse.
    #[must_use]
    pub fn with_crop(self, crop: Option<[usize; 3]>) -> Self {
        Self { crop, ..self }
    }

    /// The same with or without looking for the part to analyse.
    #[must_use]
    pub fn with_autocrop(self, autocrop: bool) -> Self {
        Self { autocrop, ..self }
    }

    /// The same with the reference program's behaviour or the right one.
    #[must_use]
    pub fn with_compat(self, compat: bool) -> Self {
        Self { compat, ..self }
    }

    /// The same for a format that always stores three voxel sizes.
    #[must_use]
    pub fn with_three_spacings(self, three_spacings: bool) -> Self {
        Self { three_spacings, ..self }
    }

    /// The same with another least size.
    #[must_use]
    pub fn with_smallest_size(self, smallest_size: usize) -> Self {
        Self { smallest_size, ..self }
    }

    /// The same with another voxel size of the network's volume.
    #[must_use]
    pub fn with_spacing_mm(self, spacing_mm: f64) -> Self {
        Self { spacing_mm, ..self }
    }

    /// The same with or without computing the first level twice.
    #[must_use]
    pub fn with_low_memory(self, low_memory: bool) -> Self {
        Self { low_memory, ..self }
    }

    /// The same, keeping the posteriors or not.
    #[must_use]
    pub fn with_keep_posteriors(self, keep_posteriors: bool) -> Self {
        Self { keep_posteriors, ..self }
    }

    /// The same, keeping the resampled scan or not.
    #[must_use]
    pub fn with_keep_resampled(self, keep_resampled: bool) -> Self {
        Self { keep_resampled, ..self }
    }

    /// The same with or without labels on the scan's grid.
    #[must_use]
    pub fn with_keep_geometry(self, keep_geometry: bool) -> Self {
        Self { keep_geometry, ..self }
    }

    /// Checks what can be checked without a scan.
    ///
    /// # Errors
    /// As [`PreprocessOptions::validate`].
    pub fn validate(&self) -> Result<(), SegError> {
        self.preprocess().validate()
    }

    /// The part before the networks.
    #[must_use]
    pub fn preprocess(&self) -> PreprocessOptions {
        PreprocessOptions::new()
            .with_crop(self.crop)
            .with_autocrop(self.autocrop)
            .with_ct(self.ct)
            .with_smallest_size(self.smallest_size)
            .with_spacing_mm(self.spacing_mm)
            .with_keep_resampled(self.keep_resampled)
            .with_compat(self.compat)
            .with_three_spacings(self.three_spacings)
    }

    /// The part of the networks; `fast` as it is for them.
    pub(super) fn network(&self, fast: bool) -> NetworkOptions {
        NetworkOptions::default().with_fast(fast).with_compat(self.compat).with_low_memory(self.low_memory)
    }

    /// The part behind the networks; `fast` as it is for them.
    pub(super) fn postprocess(&self, fast: bool) -> PostprocessOptions {
        PostprocessOptions::new().with_fast(fast).with_keep_posteriors(self.keep_posteriors).with_compat(self.compat)
    }
}
