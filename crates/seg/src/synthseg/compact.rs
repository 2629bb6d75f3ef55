//! Networks of this project: a `SynthSeg` U-Net that sees scans at a coarser voxel size.

use rayon::prelude::*;
use volkit_core::{Affine, ArrayStore, Progress, Volume};
use volkit_geom::Grid;

use super::options::SynthSegOptions;
use super::pipeline::{SynthSeg, SynthSegOutput};
use super::placement::Bounds;
use super::postprocess::strongest;
use crate::volumes::counted_volumes;
use crate::{ModelInfo, ModelKind, NetworkBuild, SegError, SegmentOptions, Segmentation, Segmenter};

/// Text beside the weights that tells the voxel size, in mm, which the network was trained at.
pub(crate) const SPACING_KEY: &str = "spacing_mm";
/// Least size of the network's volume.
const SMALLEST_SIZE: usize = 32;

/// A U-Net with the layers and labels of `SynthSeg` 2 that works at a coarser voxel size than 1 mm.
///
/// Scans are prepared as for `SynthSeg`, at the network's voxel size; its posteriors are cleaned up there, and brought to
/// the scan's own voxels by linear interpolation, where the largest one decides.
#[derive(Debug)]
pub struct CompactNet {
    synthseg: SynthSeg,
    spacing_mm: f64,
    info: ModelInfo,
}

impl CompactNet {
    /// Whether a store holds such a network.
    pub(crate) fn is_in(store: &dyn ArrayStore) -> bool {
        store.metadata(SPACING_KEY).is_some()
    }

    /// Reads the network: the arrays of [`crate::SegmentationNet`], and the text `spacing_mm`.
    ///
    /// # Errors
    /// As [`crate::SegmentationNet::from_store`]; [`SegError::Config`] for a voxel size that is missing or not from 0.25
    /// to 8 mm.
    pub fn from_store(store: &dyn ArrayStore, build: &NetworkBuild<'_>) -> Result<Self, SegError> {
        let text = store.metadata(SPACING_KEY).unwrap_or_default();
        let spacing_mm = text.parse().ok().filter(|mm| (0.25..=8.0).contains(mm)).ok_or_else(|| SegError::Config {
            field: SPACING_KEY.into(),
            value: text,
            why: "a voxel size from 0.25 to 8 mm".into(),
        })?;
        let synthseg = SynthSeg::from_store(store, build)?;
        let inner = synthseg.info();
        let net = synthseg.networks().segmentation.summary();
        let summary = format!("{}, {spacing_mm} mm, {net}", ModelKind::Compact.name());
        let info = ModelInfo { kind: ModelKind::Compact, summary, table: inner.table.clone() };
        Ok(Self { synthseg, spacing_mm, info })
    }

    /// The voxel size that the network sees.
    #[must_use]
    pub fn spacing_mm(&self) -> f64 {
        self.spacing_mm
    }

    /// How scans are prepared and what is kept.
    fn options(&self, keep_resampled: bool) -> SynthSegOptions {
        SynthSegOptions::new()
            .with_spacing_mm(self.spacing_mm)
            .with_smallest_size(SMALLEST_SIZE)
            .with_keep_posteriors(true)
            .with_keep_resampled(keep_resampled)
    }
}

impl Segmenter for CompactNet {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn segment(
        &self,
        scan: &Volume,
        options: &SegmentOptions,
        progress: &dyn Progress,
    ) -> Result<Segmentation, SegError> {
        let how = self.options(options.keep_conformed);
        let output = self.synthseg.run(scan, &how, &options.threads, progress)?;
        let size = scan.meta().spatial_size();
        let labels = enlarged(&output, &Grid::new(size, *scan.affine()), &self.labels())?;
        let labels = Volume::new(size, labels, *scan.affine())?;
        let volumes = counted_volumes(&labels, &self.info.table, scan.affine().determinant().abs())?;
        Ok(Segmentation { labels, volumes, conformed: output.resampled, warnings: output.warnings })
    }
}

impl CompactNet {
    /// Label of each channel.
    fn labels(&self) -> Vec<i16> {
        let structures = self.synthseg.networks().segmentation.structures();
        structures.channels().iter().map(|structure| structure.label as i16).collect()
    }
}

/// Posteriors of the part of a volume where there are structures, and the label that is largest in each voxel.
struct Part {
    bounds: Bounds,
    n_channels: usize,
    /// `[z][y][x][channel]`.
    values: Vec<f32>,
    channels: Vec<u8>,
}

impl Part {
    fn of(output: &SynthSegOutput) -> Result<Option<Self>, SegError> {
        let Some(posteriors) = &output.posteriors else { return Ok(None) };
        let size = output.labels.meta().spatial_size();
        let Some(found) = volkit_geom::bounding_box(&output.labels.to_real::<f32>()?, size)? else { return Ok(None) };
        let start: [usize; 3] = std::array::from_fn(|axis| found.start()[axis].saturating_sub(1));
        let end = std::array::from_fn(|axis| (found.start()[axis] + found.size()[axis] + 1).min(size[axis]));
        let (bounds, n) = (Bounds { start, end }, posteriors.n_frames());
        let mut values = vec![0.0; bounds.len() * n];
        for channel in 0..n {
            let frame = bounds.cut(&posteriors.frame(channel)?, size);
            values.par_chunks_exact_mut(n).zip(frame).for_each(|(voxel, value)| voxel[channel] = value);
        }
        let channels = values.par_chunks_exact(n).map(|voxel| strongest(voxel) as u8).collect();
        Ok(Some(Self { bounds, n_channels: n, values, channels }))
    }

    /// The channel with the largest posterior at a position of the whole volume, linear between voxels.
    fn channel_at(&self, p: [f64; 3], sums: &mut [f32]) -> u8 {
        let size = self.bounds.size();
        let (mut low, mut high, mut share) = ([0; 3], [0; 3], [0.0f32; 3]);
        for axis in 0..3 {
            let at = p[axis] - self.bounds.start[axis] as f64;
            let last = (size[axis] - 1) as f64;
            if !(at > -0.5 && at < last + 0.5) {
                return 0;
            }
            let at = at.clamp(0.0, last);
            low[axis] = at.floor() as usize;
            high[axis] = (low[axis] + 1).min(size[axis] - 1);
            share[axis] = (at - at.floor()) as f32;
        }
        let corner = |c: usize| {
            let pick = |axis: usize| if c >> axis & 1 == 1 { high[axis] } else { low[axis] };
            pick(0) + size[0] * (pick(1) + size[1] * pick(2))
        };
        let first = self.channels[corner(0)];
        if (1..8).all(|c| self.channels[corner(c)] == first) {
            return first;
        }
        sums.fill(0.0);
        for c in 0..8 {
            let weight: f32 =
                (0..3).map(|axis| if c >> axis & 1 == 1 { share[axis] } else { 1.0 - share[axis] }).product();
            let voxel = &self.values[corner(c) * self.n_channels..][..self.n_channels];
            sums.iter_mut().zip(voxel).for_each(|(sum, value)| *sum += weight * value);
        }
        strongest(sums) as u8
    }
}

/// Labels on a finer grid, out of posteriors.
fn enlarged(output: &SynthSegOutput, grid: &Grid, label_of: &[i16]) -> Result<Vec<i16>, SegError> {
    let [nx, ny, nz] = grid.size;
    let mut labels = vec![label_of[0]; nx * ny * nz];
    let Some(part) = Part::of(output)? else { return Ok(labels) };
    let coarse_from_scan: Affine = output.labels.affine().inverse()?.compose(&grid.affine);
    labels.par_chunks_exact_mut((nx * ny).max(1)).enumerate().for_each(|(z, plane)| {
        let mut sums = vec![0.0f32; part.n_channels];
        for (at, label) in plane.iter_mut().enumerate() {
            let p = coarse_from_scan.apply([(at % nx) as f64, (at / nx) as f64, z as f64]);
            *label = label_of[usize::from(part.channel_at(p, &mut sums))];
        }
    });
    Ok(labels)
}
