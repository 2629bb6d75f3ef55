//! `SynthSeg` whole: a scan in, everything that can be said of it out.

use volkit_core::{ArrayStore, Progress, Volume, VolumeMeta};
use volkit_geom::Grid;
use volkit_kernels::Threads;

use super::keep_geometry::labels_on_grid;
use super::network::Networks;
use super::options::SynthSegOptions;
use super::placement::Placement;
use super::posterior_volume::CleanPosteriors;
use super::postprocess::Cleaned;
use super::preprocess::{Prepared, network_size, preprocess};
use super::qc_input::{QC_SIZE, qc_input};
use super::quality::QualityNet;
use super::runner::Work;
use super::segmentation::SegmentationNet;
use super::soft_volumes::SoftVolumes;
use super::tables_csv::qc_scores;
use super::tissues::brain_mask;
use crate::{ModelInfo, ModelKind, NetworkBuild, SegError};

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
    /// Posteriors after clean-up, where `keep_posteriors` asks for them.
    pub posteriors: Option<CleanPosteriors>,
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
    pub fn from_store(store: &dyn ArrayStore, build: &NetworkBuild<'_>) -> Result<Self, SegError> {
        Ok(Self::new(Networks::new(SegmentationNet::from_store(store, build)?)))
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
    /// As [`Networks::run`] and [`crate::postprocess`].
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
        let (size, network) = (placement.padded_size, options.network(fast));
        let work = Work { threads, progress };
        let how = options.postprocess(fast);
        let mut stored = how.gather(structures, &placement);
        let maps = self.networks.segment(&net_input, size, &network, &mut stored, work)?;
        let begin = || {
            progress.begin("post-processing", 1);
            progress.check()
        };
        begin()?;
        let mut cleaned = Cleaned::new(stored, structures, &placement, how)?;
        if let Some(maps) = maps.as_ref().filter(|_| self.networks.parcellation.is_some()) {
            let input = (net_input.as_slice(), maps.cortex.as_slice());
            cleaned.paint_parcels(|painter| self.networks.parcellate(input, size, &network, painter, work))?;
            begin()?;
        }
        drop(net_input);
        let done = cleaned.finish()?;
        let scan_labels = if options.keep_geometry { Some(labels_on_grid(&done.labels, &scan_grid)?) } else { None };
        progress.advance(1);
        let qc_scores = match (&self.networks.quality, maps) {
            (Some(net), Some(maps)) => Some(self.scores(net, maps.quality, size, options, work)?),
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
        work: Work<'_>,
    ) -> Result<Vec<f32>, SegError> {
        let input = qc_input(&channels, size, self.networks.segmentation.structures(), options.compat)?;
        drop(channels);
        let outputs = net.scores(&input.groups, [QC_SIZE; 3], work.threads, work.progress)?;
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
        let compat_parcels = if self.networks.parcellation.is_some() && options.compat {
            n_voxels.saturating_mul(super::parcels().len() * size_of::<f32>())
        } else {
            0
        };
        let networks = self.networks.run_bytes(size, &options.network(fast))?;
        let networks = networks.saturating_add(image).saturating_add(n_voxels.saturating_mul(GATHER_BYTES));
        let after = n_voxels.saturating_mul(GATHER_BYTES + CLEANUP_BYTES);
        let quality = match &self.networks.quality {
            Some(net) => net.run_bytes([QC_SIZE; 3])?.saturating_add(n_voxels * size_of::<u8>()),
            None => 0,
        };
        Ok(networks.max(after).saturating_add(compat_parcels).max(quality))
    }

    fn is_fast(&self, options: &SynthSegOptions) -> bool {
        options.fast || self.networks.segmentation.is_robust()
    }
}

/// Bytes a voxel of the network's volume that marks and stored posteriors take: of a head up to about 16, for most voxels
/// store nothing.
const GATHER_BYTES: usize = 16;
/// Bytes a voxel that clean-up and labels take beside that: the head's mask, labels and their turned copy.
const CLEANUP_BYTES: usize = 12;
