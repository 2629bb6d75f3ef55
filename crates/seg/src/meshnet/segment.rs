//! From a scan to labels on its grid.

use volkit_core::{Element, Progress, Volume};
use volkit_geom::Sample;
use volkit_kernels::Label;

use super::network::MeshNet;
use super::source::NORMALISATION;
use crate::conform::Conformed;
use crate::volumes::label_volumes;
use crate::{ModelInfo, SegError, SegmentOptions, Segmentation, Segmenter};

impl Segmenter for MeshNet {
    fn info(&self) -> &ModelInfo {
        &self.info
    }

    fn segment(
        &self,
        scan: &Volume,
        options: &SegmentOptions,
        progress: &dyn Progress,
    ) -> Result<Segmentation, SegError> {
        progress.begin("conform", 1);
        progress.check()?;
        let image = Conformed::new(scan)?;
        let mut warnings = image.warnings().to_vec();
        let percentiles = image.percentiles(NORMALISATION)?;
        if percentiles[0] >= percentiles[1] {
            warnings.push("nearly all voxels have one value; the labels mean little".into());
        }
        progress.advance(1);
        let run = Run { net: self, image: &image, percentiles, options, progress };
        let (labels, counts) =
            if self.n_classes() <= u8::MAX_CHANNELS { run.labels::<u8>()? } else { run.labels::<u16>()? };
        let voxel_mm3 = scan.affine().determinant().abs();
        let conformed = if options.keep_conformed && image.is_resampled() { Some(image.into_volume()?) } else { None };
        Ok(Segmentation { labels, volumes: label_volumes(&counts, voxel_mm3), conformed, warnings })
    }
}

/// One scan on its way through the network.
struct Run<'a> {
    net: &'a MeshNet,
    image: &'a Conformed,
    percentiles: [f64; 2],
    options: &'a SegmentOptions,
    progress: &'a dyn Progress,
}

impl Run<'_> {
    /// Labels on the scan's grid and how many voxels each has.
    fn labels<T: Label + Sample + Into<u16>>(&self) -> Result<(Volume, Vec<u64>), SegError> {
        let labels: Vec<T> = self.net.label(self.image, self.percentiles, &self.options.threads, self.progress)?;
        self.progress.begin("labels to the scan", 1);
        self.progress.check()?;
        let labels = self.image.labels_on_scan(&labels)?;
        let mut counts = vec![0u64; self.net.n_classes()];
        for &label in &labels {
            let label: u16 = label.into();
            counts[usize::from(label)] += 1;
        }
        let grid = self.image.scan_grid();
        let volume = Volume::new(grid.size, T::into_voxels(labels), grid.affine)?;
        // Readers of label maps know u8 and signed integers, not u16.
        let volume = if T::DTYPE == <u8 as Element>::DTYPE { volume } else { volume.cast::<i16>()? };
        self.progress.advance(1);
        Ok((volume, counts))
    }
}
