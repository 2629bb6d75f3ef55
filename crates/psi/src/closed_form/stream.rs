//! Stacks of any size, some rows at a time.

use volkit_core::{DType, Progress, RealElement, Region, VolumeSink, VolumeSource, read_vec};
use volkit_kernels::Threads;

use super::{ClosedForm, Heights};
use crate::PsiError;

/// Greys that are held at a time: enough for whole reads of a disk, little beside an image.
const BAND_GREYS: usize = 8 << 20;

/// Solves a stack `[W, H, C]` band after band of whole rows, in the memory of a band.
#[derive(Clone, Copy)]
pub struct HeightStream<'a> {
    solver: &'a ClosedForm,
    threads: &'a Threads,
    height: Option<&'a dyn VolumeSink>,
    modulation: Option<&'a dyn VolumeSink>,
}

impl<'a> HeightStream<'a> {
    /// A stream whose results go nowhere yet.
    #[must_use]
    pub fn new(solver: &'a ClosedForm, threads: &'a Threads) -> Self {
        Self { solver, threads, height: None, modulation: None }
    }

    /// Heights in um go there, a plane `[W, H]`.
    #[must_use]
    pub fn with_height(self, sink: &'a dyn VolumeSink) -> Self {
        Self { height: Some(sink), ..self }
    }

    /// Amplitudes of the fringes in greys go there, a plane `[W, H]`.
    #[must_use]
    pub fn with_modulation(self, sink: &'a dyn VolumeSink) -> Self {
        Self { modulation: Some(sink), ..self }
    }

    /// Solves a stack; `band` is told of each band in turn: its first row and its heights.
    ///
    /// # Errors
    /// [`PsiError::Stack`] for a source of another shape, [`PsiError::Transfer`] for one that can not be read or a sink that
    /// can not be written, [`PsiError::Stopped`].
    pub fn run(
        &self,
        source: &dyn VolumeSource,
        progress: &dyn Progress,
        band: &mut dyn FnMut(usize, &Heights),
    ) -> Result<(), PsiError> {
        let wanted = self.solver.channels();
        let (width, height) = match *source.meta().shape() {
            [width, height, channels] if channels == wanted => (width, height),
            ref other => return Err(PsiError::Stack { got: other.to_vec(), channels: wanted }),
        };
        let rows = (BAND_GREYS / (width * wanted).max(1)).max(1);
        progress.begin("closed form", height as u64);
        for first in (0..if width > 0 { height } else { 0 }).step_by(rows) {
            progress.check()?;
            let region = [0, first, width, rows.min(height - first)];
            let heights = match source.meta().dtype() {
                DType::U8 => self.solve::<u8>(source, region)?,
                DType::U16 => self.solve::<u16>(source, region)?,
                DType::F64 => self.solve::<f64>(source, region)?,
                _ => self.solve::<f32>(source, region)?,
            };
            let plane = Region::new([0, first], [width, region[3]])?;
            let failed = |source| PsiError::Transfer { action: "write", region, source };
            if let Some(sink) = self.height {
                sink.write_region(&plane, heights.height_um.as_slice().into()).map_err(failed)?;
            }
            if let Some(sink) = self.modulation {
                sink.write_region(&plane, heights.modulation.as_slice().into()).map_err(failed)?;
            }
            band(first, &heights);
            progress.advance(region[3] as u64);
        }
        Ok(())
    }

    fn solve<T: RealElement>(&self, source: &dyn VolumeSource, region: [usize; 4]) -> Result<Heights, PsiError> {
        let [x, y, width, rows] = region;
        let area = Region::new([x, y, 0], [width, rows, self.solver.channels()])?;
        let images: Vec<T> =
            read_vec(source, &area).map_err(|source| PsiError::Transfer { action: "read", region, source })?;
        self.solver.solve(&images, self.threads)
    }
}
