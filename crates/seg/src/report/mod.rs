//! Reports: one self-contained HTML page a scan, and an index page of a folder.
//!
//! A page asks nothing of the network and runs no script: pictures are PNG data inside it, the style sheet is a few
//! lines, light or dark as the reader's system is, and prints on A4. What one page tells is a [`ReportPage`]: plain data
//! that the caller fills, beside the scan and its labels, of which the pictures are made here.

mod facts;
mod figures;
mod html;
mod index;
mod page;
mod pairs;
mod sections;
mod summary;

use volkit_core::Volume;

pub use facts::{ReportModel, ReportStage, RunFacts};
pub use index::ReportIndex;
pub use summary::{ReportStatus, ReportSummary};

use crate::{LabelTable, LabelVolume, MontageOptions, SegError, SoftVolumes, Structures, Tissues, parcels, qc_groups};

/// Predicted Dice below which a structure's segmentation is flagged, as the published program advises.
pub const QC_THRESHOLD: f64 = 0.65;
/// Slices of each plane, and the size of their pixels.
const SLICES: usize = 5;
const PIXEL_MM: f64 = 0.6;

/// What the page of one scan tells.
///
/// ```
/// use volkit_core::{Affine, Volume};
/// use volkit_seg::{LabelTable, LabelVolume, ReportPage, ReportStatus, RunFacts};
/// let scan = Volume::new([8, 8, 8], vec![7u8; 512], Affine::IDENTITY)?;
/// let labels = Volume::new([8, 8, 8], vec![1u8; 512], Affine::IDENTITY)?;
/// let table = LabelTable::neutral(2);
/// let page = ReportPage::new("sub-01 <T1w>", &scan, &labels, &table)
///     .with_label_volumes(&[LabelVolume { id: 1, voxels: 512, mm3: 512.0 }])
///     .with_facts(RunFacts::new("synthseg 0.1.0").with_threads(2).with_stage("network", 12.5));
/// let html = page.render()?;
/// assert!(html.starts_with("<!DOCTYPE html>") && html.contains("sub-01 &lt;T1w&gt;"));
/// assert_eq!(page.summary()?.status, ReportStatus::Ok);
/// # Ok::<(), volkit_core::BoxError>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ReportPage<'a> {
    /// Name of the scan.
    pub name: String,
    /// The scan, of real numbers.
    pub scan: &'a Volume,
    /// Its labels, on the grid of its first three axes.
    pub labels: &'a Volume,
    /// Names and colours of the labels.
    pub table: &'a LabelTable,
    /// Volume of each structure, in mm3, in the order of the page. The background (0) is left out.
    pub volumes: Vec<ReportVolume>,
    /// All structures together, in mm3, where the network gives such a total.
    pub total_mm3: Option<f64>,
    /// Tissues, where the network's structures make them.
    pub tissues: Option<Tissues>,
    /// Predicted quality of groups of structures.
    pub quality: Vec<QualityScore>,
    /// Score below which a group is flagged. Default: [`QC_THRESHOLD`].
    pub quality_threshold: f64,
    /// What was run, and how.
    pub facts: RunFacts,
    /// What was unusual about the scan, one sentence each.
    pub warnings: Vec<String>,
    /// Slices in each plane (default 5), size of their pixels (default 0.6 mm) and the view (default neurological);
    /// the rest is not used.
    pub slices: MontageOptions,
}

/// Volume of one structure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ReportVolume {
    /// Its value in the label map.
    pub label: u32,
    /// Its volume, in mm3.
    pub mm3: f64,
}

/// Predicted quality of a group of structures.
#[derive(Clone, Debug, PartialEq)]
pub struct QualityScore {
    /// Name of the group.
    pub group: String,
    /// Predicted Dice, from 0 to 1.
    pub score: f64,
}

impl<'a> ReportPage<'a> {
    /// A page with pictures alone.
    #[must_use]
    pub fn new(name: impl Into<String>, scan: &'a Volume, labels: &'a Volume, table: &'a LabelTable) -> Self {
        Self {
            name: name.into(),
            scan,
            labels,
            table,
            volumes: Vec::new(),
            total_mm3: None,
            tissues: None,
            quality: Vec::new(),
            quality_threshold: QC_THRESHOLD,
            facts: RunFacts::default(),
            warnings: Vec::new(),
            slices: MontageOptions::new().with_slices(SLICES).with_pixel_mm(PIXEL_MM),
        }
    }

    /// With the volumes of labels, the background left out.
    #[must_use]
    pub fn with_label_volumes(mut self, volumes: &[LabelVolume]) -> Self {
        let volumes = volumes.iter().filter(|volume| volume.id != 0);
        self.volumes = volumes.map(|volume| ReportVolume { label: volume.id, mm3: volume.mm3 }).collect();
        self
    }

    /// With the volumes of a SynthSeg network's structures, those of parcels where there are any, the total and the
    /// tissues.
    #[must_use]
    pub fn with_soft_volumes(mut self, structures: &Structures, volumes: &SoftVolumes) -> Self {
        let labels = structures.channels().iter().skip(1).map(|structure| structure.label);
        let parcels = parcels().iter().skip(1).map(|parcel| parcel.label);
        let of_structures = labels.zip(&volumes.structures);
        let all = of_structures.chain(parcels.zip(&volumes.parcels));
        self.volumes = all.map(|(label, &mm3)| ReportVolume { label, mm3 }).collect();
        self.total_mm3 = volumes.total;
        self.tissues = Some(volumes.tissues);
        self
    }

    /// With the scores of SynthSeg's quality network, in the order of [`crate::qc_scores`].
    #[must_use]
    pub fn with_quality(mut self, scores: &[f32]) -> Self {
        let groups = qc_groups().iter().skip(1).cloned();
        // Through the decimal form: scores have four decimals, and 0.65 must not become 0.649999976.
        let exact = |score: f32| format!("{score}").parse().unwrap_or(f64::from(score));
        self.quality = groups.zip(scores).map(|(group, &score)| QualityScore { group, score: exact(score) }).collect();
        self
    }

    /// With another score below which a group is flagged.
    #[must_use]
    pub fn with_quality_threshold(self, quality_threshold: f64) -> Self {
        Self { quality_threshold, ..self }
    }

    /// With what was run.
    #[must_use]
    pub fn with_facts(self, facts: RunFacts) -> Self {
        Self { facts, ..self }
    }

    /// With what was unusual about the scan.
    #[must_use]
    pub fn with_warnings<T: Into<String>>(mut self, warnings: impl IntoIterator<Item = T>) -> Self {
        self.warnings = warnings.into_iter().map(Into::into).collect();
        self
    }

    /// With other slices in each plane, pixels or view.
    #[must_use]
    pub fn with_slices(self, slices: MontageOptions) -> Self {
        Self { slices, ..self }
    }

    /// The group of lowest score; a score that is not a number is lower than any.
    #[must_use]
    pub fn lowest_quality(&self) -> Option<&QualityScore> {
        let key = |score: f64| if score.is_nan() { f64::NEG_INFINITY } else { score };
        self.quality.iter().min_by(|a, b| key(a.score).total_cmp(&key(b.score)))
    }

    /// Whether a score is below the threshold, or no number.
    fn is_flagged(&self, score: f64) -> bool {
        score.is_nan() || score < self.quality_threshold
    }

    /// The page: HTML that needs no other file.
    ///
    /// # Errors
    /// [`SegError::Option`] for labels on another grid or slices out of range, [`SegError::Core`] for a scan of
    /// complex numbers or colours, [`SegError::Png`].
    pub fn render(&self) -> Result<String, SegError> {
        page::render(self)
    }

    /// The row of this scan on an index page. [`ReportSummary::of_page`] reads it from a page that was rendered.
    ///
    /// # Errors
    /// As [`ReportPage::render`].
    pub fn summary(&self) -> Result<ReportSummary, SegError> {
        summary::of_page(self, &figures::slices(self)?)
    }
}

#[cfg(test)]
mod tests {
    use volkit_core::{Affine, Volume};

    use super::ReportPage;
    use crate::{LabelTable, SoftVolumes, Structures, Tissues};

    #[test]
    fn soft_volumes_go_to_the_labels_of_their_channels() {
        let structures = Structures::v2();
        let volumes = SoftVolumes {
            total: Some(528.0),
            structures: (1..33).map(f64::from).collect(),
            parcels: vec![0.5; 68],
            tissues: Tissues { grey: 1.0, white: 2.0, csf: 3.0, brain: 4.0 },
            single: false,
        };
        let scan = Volume::new([1, 1, 1], vec![0u8], Affine::IDENTITY).unwrap();
        let table = LabelTable::default();
        let page = ReportPage::new("s", &scan, &scan, &table).with_soft_volumes(structures, &volumes);
        let found: Vec<_> = page.volumes.iter().map(|volume| (volume.label, volume.mm3)).collect();
        // Channel 1 is the left white matter (2), channel 32 the right ventral DC (60), then the parcels.
        assert_eq!((found.len(), found[0], found[31], found[32]), (100, (2, 1.0), (60, 32.0), (1001, 0.5)));
        assert_eq!((page.total_mm3, page.tissues.map(|tissues| tissues.brain)), (Some(528.0), Some(4.0)));
        // Version 1 and without parcels: nothing is made up.
        let volumes = SoftVolumes { total: None, structures: vec![7.0; 31], parcels: Vec::new(), ..volumes };
        let page = ReportPage::new("s", &scan, &scan, &table).with_soft_volumes(Structures::v1(), &volumes);
        assert_eq!((page.volumes.len(), page.total_mm3), (31, None));
    }
}
