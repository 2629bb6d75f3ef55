//! `SynthSeg` whole: a scan in, everything that can be said of it out.

use volkit_core::{ArrayStore, Progress, Volume, VolumeMeta};
use volkit_geom::Grid;
use volkit_kernels::{ConvOptions, Isa, Threads};

use super::keep_geometry::labels_on_grid;
use super::network::{NetworkOutput, Networks};
use super::options::SynthSegOptions;
use super::placement::Placement;
use super::postprocess::postprocess;
use super::preprocess::{Prepared, network_size, preprocess};
use super::qc_input::{QC_SIZE, qc_input};
use super::quality::QualityNet;
use super::segmentation::SegmentationNet;
use super::soft_volumes::SoftVolumes;
use super::tables_csv::qc_scores;
use super::tissues::brain_mask;
use crate::{ModelInfo, ModelKind, SegError};

/// A segmentation network with those that follow it, and all that lies around them: see [`SynthSeg::run`].
#[derive(Debug)]
pub struct SynthSeg {
    networks: Networks,
    pub(super) info: ModelInfo,
}

/// A scan that is ready for the networks, and the grid that it had.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PreparedScan {
    /// What the networks see.
    pub prepared: Prepared,
    /// Grid of the scan's first three axes.
    pub scan_grid: Grid,
}

/// Everything that `SynthSeg` says of a scan.
///
/// The grid of the labels is that of the scan, or of the scan resampled to voxels of 1 mm along its own axes where a
/// voxel size differed by more than 0.05 mm from that.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct SynthSegOutput {
    /// Label of each voxel, i32.
    pub labels: Volume,
    /// The same on the grid of the scan (nearest voxel), where `keep_geometry` asks for it.
    pub scan_labels: Option<Volume>,
    /// Posteriors `[x, y, z, channel]`, f32, where `keep_posteriors` asks for them.
    pub posteriors: Option<Volume>,
    /// The scan at 1 mm, f64, where it was resampled and `keep_resampled` asks for it.
    pub resampled: Option<Volume>,
    /// Volumes of structures, parcels and tissues, in mm3, by posteriors.
    pub volumes: SoftVolumes,
    /// Scores of the groups 1 to 8 in `[0, 1]`, to four decimals, where there is a quality network.
    pub qc_scores: Option<Vec<f32>>,
    /// Where the volume that the networks saw lies in the scan.
    pub placement: Placement,
    /// What was unusual about the scan and how it was dealt with, one sentence each.
    pub warnings: Vec<String>,
}

impl SynthSegOutput {
    /// The labels as they are to be written: on the scan's grid where that was asked for.
    #[must_use]
    pub fn final_labels(&self) -> &Volume {
        self.scan_labels.as_ref().unwrap_or(&self.labels)
    }

    /// The mask of the brain on the grid of [`SynthSegOutput::final_labels`], see [`brain_mask`].
    ///
    /// # Errors
    /// As [`brain_mask`].
    pub fn brain_mask(&self) -> Result<Volume, SegError> {
        brain_mask(self.final_labels())
    }
}

impl SynthSeg {
    /// The whole around these networks.
    #[must_use]
    pub fn new(networks: Networks) -> Self {
        let net = &networks.segmentation;
        let kind = match (net.is_robust(), net.structures().has_total()) {
            (true, _) => ModelKind::SynthSegRobust,
            (false, true) => ModelKind::SynthSeg2,
            (false, false) => ModelKind::SynthSeg1,
        };
        let followers = [
            networks.parcellation.as_ref().map(super::ParcellationNet::summary),
            networks.quality.as_ref().map(QualityNet::summary),
        ];
        let parts: Vec<String> = std::iter::once(net.summary()).chain(followers.into_iter().flatten()).collect();
        let summary = format!("{}, {}", kind.name(), parts.join("; "));
        let table = net.structures().label_table(networks.parcellation.is_some());
        Self { networks, info: ModelInfo { kind, summary, table } }
    }

    /// A segmentation network alone, see [`SegmentationNet::from_store`].
    ///
    /// # Errors
    /// As there.
    pub fn from_store(store: &dyn ArrayStore) -> Result<Self, SegError> {
        Self::from_store_for(store, Isa::detect())
    }

    /// The same for a given instruction set and mode.
    ///
    /// # Errors
    /// As [`SegmentationNet::from_store_for`].
    pub fn from_store_for<'a>(
        store: &'a dyn ArrayStore,
        options: impl Into<ConvOptions<'a>>,
    ) -> Result<Self, SegError> {
        Ok(Self::new(Networks::new(SegmentationNet::from_store_for(store, options)?)))
    }

    /// The networks.
    #[must_use]
    pub fn networks(&self) -> &Networks {
        &self.networks
    }

    /// What the networks are and what their labels mean.
    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Segments a scan: [`SynthSeg::prepare`], then [`SynthSeg::segment_prepared`].
    ///
    /// # Errors
    /// As these.
    pub fn run(
        &self,
        scan: &Volume,
        options: &SynthSegOptions,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<SynthSegOutput, SegError> {
        progress.begin("prepare", 1);
        progress.check()?;
        let prepared = Self::prepare(scan, options)?;
        progress.advance(1);
        self.segment_prepared(prepared, options, threads, progress)
    }

    /// Brings a scan to the grid and range of values of the networks, see [`preprocess`].
    ///
    /// Needs no network, so that the next scan can be prepared while one is in the networks.
    ///
    /// # Errors
    /// As [`preprocess`].
    pub fn prepare(scan: &Volume, options: &SynthSegOptions) -> Result<PreparedScan, SegError> {
        let scan_grid = Grid::new(scan.meta().spatial_size(), *scan.affine());
        Ok(PreparedScan { prepared: preprocess(scan, &options.preprocess())?, scan_grid })
    }

    /// Runs the networks over a prepared scan and makes labels, volumes and scores of what they say.
    ///
    /// `options` must be those that the scan was prepared with. Stages: those of the networks, `post-processing`.
    ///
    /// # Errors
    /// As [`Networks::run`] and [`postprocess`].
    pub fn segment_prepared(
        &self,
        scan: PreparedScan,
        options: &SynthSegOptions,
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<SynthSegOutput, SegError> {
        let PreparedScan { prepared, scan_grid } = scan;
        let Prepared { net_input, placement, resampled, warnings } = prepared;
        let (fast, structures) = (self.is_fast(options), self.networks.segmentation.structures());
        let size = placement.padded_size;
        let output = self.networks.run(&net_input, size, &options.network(fast), threads, progress)?;
        drop(net_input);
        let NetworkOutput { segmentation, parcellation, quality_channels } = output;
        progress.begin("post-processing", 1);
        progress.check()?;
        let how = options.postprocess(fast);
        let done = postprocess(segmentation, parcellation.as_ref(), structures, &placement, &how)?;
        drop(parcellation);
        let scan_labels = if options.keep_geometry { Some(labels_on_grid(&done.labels, &scan_grid)?) } else { None };
        progress.advance(1);
        let qc_scores = match (&self.networks.quality, quality_channels) {
            (Some(net), Some(channels)) => Some(self.scores(net, channels, size, options, (threads, progress))?),
            _ => None,
        };
        Ok(SynthSegOutput {
            labels: done.labels,
            scan_labels,
            posteriors: done.posteriors,
            resampled,
            volumes: done.volumes,
            qc_scores,
            placement,
            warnings,
        })
    }

    fn scores(
        &self,
        net: &QualityNet,
        channels: Vec<u8>,
        size: [usize; 3],
        options: &SynthSegOptions,
        (threads, progress): (&Threads, &dyn Progress),
    ) -> Result<Vec<f32>, SegError> {
        let input = qc_input(&channels, size, self.networks.segmentation.structures(), options.compat)?;
        drop(channels);
        let outputs = net.scores(&input.groups, [QC_SIZE; 3], threads, progress)?;
        Ok(qc_scores(&outputs.into_iter().map(|score| score as f32).collect::<Vec<_>>()))
    }

    /// Voxels along x, y and z that the networks would see of a scan, as far as its header tells: with `autocrop` it may
    /// become less.
    ///
    /// # Errors
    /// [`SegError::Scan`] for a scan that can not be segmented by its shape or affine, [`SegError::Geom`].
    pub fn network_size(scan: &VolumeMeta, options: &SynthSegOptions) -> Result<[usize; 3], SegError> {
        network_size(scan, &options.preprocess())
    }

    /// Bytes that [`SynthSeg::segment_prepared`] takes at most for a network volume of `size`, beside the weights: the
    /// networks and what they return, clean-up, labels, and what is to be kept.
    ///
    /// # Errors
    /// [`SegError::Kernel`] for a size that a network can not have.
    pub fn run_bytes(&self, size: [usize; 3], options: &SynthSegOptions) -> Result<usize, SegError> {
        let fast = self.is_fast(options);
        let n_voxels = size.iter().product::<usize>();
        let image = n_voxels.saturating_mul(size_of::<f32>());
        let networks = self.networks.run_bytes(size, &options.network(fast))?.saturating_add(image);
        let posteriors = n_voxels.saturating_mul(self.networks.segmentation.structures().count() * size_of::<f32>());
        let parcels = if self.networks.parcellation.is_some() { super::parcels().len() * size_of::<f32>() } else { 0 };
        // Marks and their copy, channels, labels and their turned copy.
        let mut after = posteriors.saturating_add(n_voxels.saturating_mul(parcels + CLEANUP_BYTES));
        if options.keep_posteriors {
            after = after.saturating_add(posteriors);
        }
        let quality = match &self.networks.quality {
            Some(net) => net.run_bytes([QC_SIZE; 3])?.saturating_add(n_voxels * size_of::<u8>()),
            None => 0,
        };
        Ok(networks.max(after).max(quality))
    }

    fn is_fast(&self, options: &SynthSegOptions) -> bool {
        options.fast || self.networks.segmentation.is_robust()
    }
}

/// Bytes a voxel of the network's volume that clean-up and labels take beside the posteriors.
const CLEANUP_BYTES: usize = 16;
