//! `SynthSeg` as one of the networks that segment scans.

use volkit_core::{Progress, Volume};

use super::options::SynthSegOptions;
use super::pipeline::SynthSeg;
use crate::volumes::counted_volumes;
use crate::{ModelInfo, SegError, SegmentOptions, Segmentation, Segmenter};

impl Segmenter for SynthSeg {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// With the defaults of [`SynthSegOptions`]; labels are brought to the scan's grid, and the volumes count its voxels.
    /// [`SynthSeg::run`] gives volumes by posteriors.
    fn segment(
        &self,
        scan: &Volume,
        options: &SegmentOptions,
        progress: &dyn Progress,
    ) -> Result<Segmentation, SegError> {
        let how = SynthSegOptions::new().with_keep_geometry(true).with_keep_resampled(options.keep_conformed);
        let output = self.run(scan, &how, &options.threads, progress)?;
        let labels = output.scan_labels.unwrap_or(output.labels);
        let voxel_mm3 = scan.affine().determinant().abs();
        let volumes = counted_volumes(&labels, &self.info.table, voxel_mm3)?;
        Ok(Segmentation {
            labels: labels.cast::<i16>()?,
            volumes,
            conformed: output.resampled,
            warnings: output.warnings,
        })
    }
}
