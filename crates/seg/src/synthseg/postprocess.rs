//! From posteriors to labels, volumes and posteriors on the grid of the output.

use rayon::prelude::*;
use volkit_core::Volume;

use super::cleanup::{class_bits, marks};
use super::parcels::paint_parcels;
use super::placement::Placement;
use super::posterior_volume::posterior_volume;
use super::posteriors::Posteriors;
use super::soft_volumes::{SoftVolumes, Sums, flipped_axes, sequential_sums};
use super::sums::pairwise;
use super::tables::{Structures, parcels};
use crate::SegError;

/// Least posterior of a structure that counts where classes are not cleaned up.
const FAST_THRESHOLD: f32 = 0.2;

/// How posteriors become labels.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    /// Posteriors `[x, y, z, channel]`, f32, where they were asked for.
    pub posteriors: Option<Volume>,
    /// Volumes of the structures, by posteriors.
    pub volumes: SoftVolumes,
}

/// Turns the posteriors of a segmentation network, and of the parcellation network where there is one, into labels.
///
/// What is not background is reduced to its largest connected part; then each topological class is (or, in fast mode,
/// posteriors up to 0.2 are dropped); what is left is normalised. The label is the channel with the largest posterior,
/// the first of equal ones; voxels of the cortex get the parcel with the largest posterior. The posteriors are worked on
/// in place.
///
/// # Errors
/// [`SegError::Option`] when posteriors do not have the size of the network's volume or not the channels of
/// `structures` and of the parcels.
pub fn postprocess(
    mut posteriors: Posteriors,
    parcellation: Option<&Posteriors>,
    structures: &Structures,
    placement: &Placement,
    options: &PostprocessOptions,
) -> Result<Postprocessed, SegError> {
    check("posteriors", &posteriors, structures.count(), placement)?;
    if let Some(parcellation) = parcellation {
        check("parcellation", parcellation, parcels().len(), placement)?;
    }
    let kept = placement.kept;
    let classes: Vec<u8> = structures.channels().iter().map(|structure| structure.topological_class).collect();
    let classes = (!options.fast).then_some(classes.as_slice());
    // Classes are cleaned up in the padded volume, the fast mode works on what is kept.
    let marks = match classes {
        Some(_) => kept.cut(&marks(&posteriors, &super::Bounds::whole(posteriors.size), classes)?, posteriors.size),
        None => marks(&posteriors, &kept, None)?,
    };
    let sums_in_f32 = options.compat && placement.crop.is_none();
    let rule = VoxelRule {
        class_bits: class_bits(classes, structures.count()),
        fast: options.fast,
        nan: options.compat,
        write_back: options.keep_posteriors || sums_in_f32,
    };
    let (channels, sums) = decide(&mut posteriors, placement, &marks, &rule);
    drop(marks);
    let sums = if sums_in_f32 {
        let flipped = flipped_axes(placement)?;
        Sums::Single(sequential_sums(&posteriors, &kept, flipped, |_, _| ()))
    } else {
        Sums::Double(sums)
    };
    let label_of: Vec<i32> = structures.channels().iter().map(|structure| structure.label as i32).collect();
    let mut labels: Vec<i32> = channels.par_iter().map(|&channel| label_of[usize::from(channel)]).collect();
    let parcel_sums: Option<Sums> =
        parcellation.map(|parcellation| paint_parcels(&mut labels, parcellation, &kept, options.compat));
    let volumes = SoftVolumes::new(structures, &sums, parcel_sums.as_ref(), placement.voxel_mm3(), options.compat);
    let labels = Volume::new(placement.output_size()?, placement.output_of(labels, 0)?, placement.affine)?;
    let posteriors = if options.keep_posteriors { Some(posterior_volume(&posteriors, placement)?) } else { None };
    Ok(Postprocessed { labels, posteriors, volumes })
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

/// What happens to the posteriors of a voxel.
struct VoxelRule {
    class_bits: Vec<u32>,
    fast: bool,
    /// Voxels without any posterior become NaN instead of background.
    nan: bool,
    write_back: bool,
}

impl VoxelRule {
    /// Cleans and normalises the posteriors of a voxel; gives its channel.
    fn apply(&self, voxel: &mut [f32], mark: u32) -> usize {
        for (value, bit) in voxel.iter_mut().zip(&self.class_bits).skip(1) {
            if mark & bit == 0 || self.fast && *value <= FAST_THRESHOLD {
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

/// Channel of each kept voxel (x fastest) and the sum of each channel.
fn decide(posteriors: &mut Posteriors, placement: &Placement, marks: &[u32], rule: &VoxelRule) -> (Vec<u8>, Vec<f64>) {
    let ([px, py, _], kept, n) = (posteriors.size, placement.kept, posteriors.channels);
    let [nx, ny, nz] = kept.size();
    let mut channels = vec![0u8; kept.len()];
    if channels.is_empty() {
        return (channels, vec![0.0; n]);
    }
    let planes = posteriors.values.par_chunks_exact_mut(px * py * n).skip(kept.start[2]).take(nz);
    let of_plane = |((plane, marks), channels): ((&mut [f32], &[u32]), &mut [u8])| {
        let (mut sums, mut scratch) = (vec![0.0f64; n], vec![0.0f32; n]);
        for y in 0..ny {
            let row = &mut plane[((y + kept.start[1]) * px + kept.start[0]) * n..][..nx * n];
            let row = row.chunks_exact_mut(n).zip(&marks[y * nx..]).zip(&mut channels[y * nx..]);
            for ((voxel, &mark), channel) in row {
                if mark == 0 && !rule.write_back && (voxel[0] > 0.0 || !rule.nan) {
                    continue;
                }
                scratch.copy_from_slice(voxel);
                *channel = rule.apply(&mut scratch, mark) as u8;
                sums.iter_mut().zip(&scratch).for_each(|(sum, value)| *sum += f64::from(*value));
                if rule.write_back {
                    voxel.copy_from_slice(&scratch);
                }
            }
        }
        sums
    };
    let zipped = planes.zip(marks.par_chunks_exact(nx * ny)).zip(channels.par_chunks_exact_mut(nx * ny));
    let of_planes: Vec<Vec<f64>> = zipped.map(of_plane).collect();
    let mut sums = vec![0.0; n];
    for plane in of_planes {
        sums.iter_mut().zip(plane).for_each(|(sum, value)| *sum += value);
    }
    (channels, sums)
}
