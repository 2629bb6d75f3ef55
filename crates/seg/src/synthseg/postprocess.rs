//! From posteriors to labels, volumes and posteriors on the grid of the output.

use rayon::prelude::*;
use volkit_core::Volume;
use volkit_kernels::Threads;

use super::cleanup::{class_bits, keep_largest_parts};
use super::parcels::{ParcelPainter, feed};
use super::placement::Placement;
use super::posterior_sink::PosteriorSink;
use super::posterior_volume::{CleanPosteriors, kept_frame};
use super::posteriors::Posteriors;
use super::soft_volumes::{SoftVolumes, Sums, flipped_axes, sequential_sum};
use super::sparse::{KeepRule, SparsePosteriors};
use super::sums::pairwise;
use super::tables::{Structures, parcels};
use crate::SegError;

/// How posteriors become labels.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PostprocessOptions {
    /// One threshold instead of the largest part of each topological class, as the fast and robust modes do.
    pub fast: bool,
    /// Keep the posteriors on the grid of the output.
    pub keep_posteriors: bool,
    /// Volumes and voxels without any posterior as the reference program has them: sums in f32, NaN, parcels scaled to
    /// the white matter (version 2).
    pub compat: bool,
}

impl PostprocessOptions {
    /// The defaults of the published program.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with or without clean-up of classes.
    #[must_use]
    pub fn with_fast(self, fast: bool) -> Self {
        Self { fast, ..self }
    }

    /// The same, keeping posteriors or not.
    #[must_use]
    pub fn with_keep_posteriors(self, keep_posteriors: bool) -> Self {
        Self { keep_posteriors, ..self }
    }

    /// The same with the reference program's figures or right ones.
    #[must_use]
    pub fn with_compat(self, compat: bool) -> Self {
        Self { compat, ..self }
    }
}

/// A segmentation on the grid of the output: the scan's axes, 1 mm where it was resampled.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Postprocessed {
    /// Label of each voxel, i32.
    pub labels: Volume,
    /// Posteriors after clean-up, where they were asked for.
    pub posteriors: Option<CleanPosteriors>,
    /// Volumes of the structures, by posteriors.
    pub volumes: SoftVolumes,
}

/// Turns the posteriors of a segmentation network, and of the parcellation network where there is one, into labels.
///
/// What is not background is reduced to its largest connected part; then each topological class is (or, in fast mode,
/// posteriors up to 0.2 are dropped); what is left is normalised. The label is the channel with the largest posterior,
/// the first of equal ones; voxels of the cortex get the parcel with the largest posterior.
///
/// [`SynthSeg`](super::SynthSeg) does the same while posteriors come out of its networks, without ever having them whole.
///
/// # Errors
/// [`SegError::Option`] when posteriors do not have the size of the network's volume or not the channels of
/// `structures` and of the parcels.
pub fn postprocess(
    posteriors: &Posteriors,
    parcellation: Option<&Posteriors>,
    structures: &Structures,
    placement: &Placement,
    options: &PostprocessOptions,
) -> Result<Postprocessed, SegError> {
    check("posteriors", posteriors, structures.count(), placement)?;
    let threads = Threads::single();
    let mut stored = options.gather(structures, placement);
    feed(posteriors, &mut stored, &threads)?;
    let mut cleaned = Cleaned::new(stored, structures, placement, *options)?;
    if let Some(parcellation) = parcellation {
        check("parcellation", parcellation, parcels().len(), placement)?;
        cleaned.paint_parcels(|painter| feed(parcellation, painter, &threads))?;
    }
    cleaned.finish()
}

fn check(name: &'static str, posteriors: &Posteriors, channels: usize, placement: &Placement) -> Result<(), SegError> {
    let len = posteriors.size.iter().product::<usize>() * channels;
    let fits = posteriors.size == placement.padded_size && posteriors.channels == channels;
    if fits && posteriors.values.len() == len && placement.kept.is_inside(placement.padded_size) {
        return Ok(());
    }
    let value = format!("{:?} voxels, {} channels", posteriors.size, posteriors.channels);
    Err(SegError::Option { name, value, why: "does not fit the placement and the channels of the network" })
}

impl PostprocessOptions {
    /// Where the posteriors of a segmentation network go before they are cleaned up.
    pub(super) fn gather(&self, structures: &Structures, placement: &Placement) -> SparsePosteriors {
        let classes: Vec<u8> = structures.channels().iter().map(|structure| structure.topological_class).collect();
        let class_bits = class_bits((!self.fast).then_some(classes.as_slice()), structures.count());
        let rule = KeepRule { class_bits, fast: self.fast, nan: self.compat };
        SparsePosteriors::new(placement.padded_size, placement.kept, rule, !self.fast)
    }
}

/// A segmentation between clean-up and parcels.
pub(super) struct Cleaned<'a> {
    structures: &'a Structures,
    placement: &'a Placement,
    options: PostprocessOptions,
    /// Of the kept part, x fastest.
    labels: Vec<i32>,
    sums: Sums,
    parcel_sums: Option<Sums>,
    posteriors: Option<CleanPosteriors>,
}

impl<'a> Cleaned<'a> {
    /// Cleans up and decides.
    pub(super) fn new(
        mut stored: SparsePosteriors,
        structures: &'a Structures,
        placement: &'a Placement,
        options: PostprocessOptions,
    ) -> Result<Self, SegError> {
        let region_size = stored.region_size();
        keep_largest_parts(&mut stored.marks, region_size, !options.fast)?;
        let sums_in_f32 = options.compat && placement.crop.is_none();
        let label_of: Vec<i32> = structures.channels().iter().map(|structure| structure.label as i32).collect();
        let (labels, sums) = decide(&mut stored, &label_of, options.keep_posteriors || sums_in_f32);
        let sums = if sums_in_f32 {
            let flipped = flipped_axes(placement)?;
            let size = placement.kept.size();
            let sum = |channel| sequential_sum(&kept_frame(&stored, channel), size, flipped);
            Sums::Single((0..structures.count()).into_par_iter().map(sum).collect())
        } else {
            Sums::Double(sums)
        };
        let posteriors = if options.keep_posteriors { Some(CleanPosteriors::new(stored, placement)?) } else { None };
        Ok(Self { structures, placement, options, labels, sums, parcel_sums: None, posteriors })
    }

    /// Paints parcels into the cortex: `run` gives the parcellation's planes to the painter.
    pub(super) fn paint_parcels(
        &mut self,
        run: impl FnOnce(&mut dyn PosteriorSink) -> Result<(), SegError>,
    ) -> Result<(), SegError> {
        let Placement { kept, padded_size, .. } = *self.placement;
        let mut painter = ParcelPainter::new(&mut self.labels, kept, padded_size, self.options.compat);
        run(&mut painter)?;
        self.parcel_sums = Some(painter.sums());
        Ok(())
    }

    /// Volumes, and the labels on the grid of the output.
    pub(super) fn finish(self) -> Result<Postprocessed, SegError> {
        let Self { structures, placement, options, labels, sums, parcel_sums, posteriors } = self;
        let volumes = SoftVolumes::new(structures, &sums, parcel_sums.as_ref(), placement.voxel_mm3(), options.compat);
        let labels = Volume::new(placement.output_size()?, placement.output_of(labels, 0)?, placement.affine)?;
        Ok(Postprocessed { labels, posteriors, volumes })
    }
}

impl KeepRule {
    /// Cleans and normalises the posteriors of a voxel; gives its channel.
    fn apply(&self, voxel: &mut [f32], mark: u32) -> usize {
        for (value, bit) in voxel.iter_mut().zip(&self.class_bits).skip(1) {
            if mark & bit == 0 {
                *value = 0.0;
            }
        }
        let sum = pairwise(voxel);
        if sum == 0.0 && !self.nan {
            voxel.fill(0.0);
            voxel[0] = 1.0;
            return 0;
        }
        voxel.iter_mut().for_each(|value| *value /= sum);
        strongest(voxel)
    }
}

/// The first of the largest values; 0 where none can be compared.
pub(crate) fn strongest(voxel: &[f32]) -> usize {
    let best = |(at, largest): (usize, f32), (i, &value): (usize, &f32)| {
        if value > largest { (i, value) } else { (at, largest) }
    };
    voxel.iter().enumerate().skip(1).fold((0, voxel[0]), best).0
}

/// Label of each kept voxel (x fastest) and the sum of each channel; normalised posteriors take the place of the stored ones
/// where they are wanted.
fn decide(stored: &mut SparsePosteriors, label_of: &[i32], write_back: bool) -> (Vec<i32>, Vec<f64>) {
    let n = stored.channels();
    let [nx, ny, _] = stored.kept().size();
    let mut labels = vec![label_of[0]; stored.kept().len()];
    if labels.is_empty() {
        return (labels, vec![0.0; n]);
    }
    let decide_plane = |(z, labels): (usize, &mut [i32])| {
        let (mut sums, mut normal) = (vec![0.0f64; n], vec![0.0f32; n]);
        stored.for_each_stored(z, |at, mark, voxel| {
            normal.copy_from_slice(voxel);
            labels[at] = label_of[stored.rule.apply(&mut normal, mark)];
            sums.iter_mut().zip(&normal).for_each(|(sum, value)| *sum += f64::from(*value));
        });
        let values = write_back.then(|| {
            stored.rewritten(z, |mark, voxel| {
                stored.rule.apply(voxel, mark);
            })
        });
        (sums, values)
    };
    let planes: Vec<(Vec<f64>, Option<Vec<f32>>)> =
        labels.par_chunks_exact_mut(nx * ny).enumerate().map(decide_plane).collect();
    let mut sums = vec![0.0; n];
    for (z, (plane, values)) in planes.into_iter().enumerate() {
        sums.iter_mut().zip(plane).for_each(|(sum, value)| *sum += value);
        if let Some(values) = values {
            stored.set_values(z, &values);
        }
    }
    (labels, sums)
}
