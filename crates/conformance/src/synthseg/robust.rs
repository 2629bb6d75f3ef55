//! Near ties inside the robust chain.
//!
//! Its denoiser hands a decision for each voxel to the last network. Where it decides by less than what adding in
//! another order changes, two right programs hand over different groups, and the last network's posteriors differ by far
//! more than rounding in all that the voxel reaches. With that voxel turned they must be equal.

use volkit_core::{BoxError, Volume};
use volkit_seg::{Networks, SegmentationNet, SynthSeg, SynthSegOptions};

use super::runs::{differing, plain_labels};
use super::{Fixture, TIE};

/// A robust network that decides its near ties as the published program did.
pub(super) struct Turned {
    pub(super) net: SegmentationNet,
    /// What was turned, and what comes out otherwise; empty where nothing had to be.
    pub(super) note: String,
}

/// Looks for the near tie whose other decision gives the expected labels (the cortex as one label).
pub(super) fn turned(
    fixture: &Fixture<'_>,
    scan: &Volume,
    options: &SynthSegOptions,
    wanted: &[i32],
) -> Result<Turned, BoxError> {
    let load = || -> Result<SegmentationNet, BoxError> {
        Ok(SegmentationNet::from_store(fixture.weights("robust")?.as_ref(), &fixture.build())?)
    };
    let options = options.clone().with_keep_posteriors(true);
    let prepared = SynthSeg::prepare(scan, &options)?;
    let of = |net: SegmentationNet| -> Result<(usize, usize), BoxError> {
        let whole = SynthSeg::new(Networks::new(net));
        let output =
            whole.segment_prepared(prepared.clone(), &options, &fixture.threads, &volkit_core::SilentProgress)?;
        differing(&output, wanted, plain_labels)
    };
    let (different, beyond) = of(load()?)?;
    if beyond == 0 {
        return Ok(Turned { net: load()?, note: String::new() });
    }
    let (image, size) = (&prepared.prepared.net_input, prepared.prepared.placement.padded_size);
    let ties = load()?.denoiser_ties(image, size, TIE, &fixture.threads)?;
    for tie in &ties {
        let (with, beyond) = of(load()?.with_ties_turned(std::slice::from_ref(tie)))?;
        if beyond == 0 {
            let note = format!(
                "{with} of {} labels differ with voxel {} of the denoiser, decided by {:.1e}, turned; \
                 {different} as it is decided here",
                wanted.len(),
                tie.voxel,
                tie.margin
            );
            return Ok(Turned { net: load()?.with_ties_turned(std::slice::from_ref(tie)), note });
        }
    }
    let n = ties.len();
    Err(format!("{different} labels differ, {beyond} of them no near ties, whichever of {n} near ties is turned")
        .into())
}
