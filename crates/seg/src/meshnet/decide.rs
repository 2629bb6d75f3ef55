//! Labels out of logits, plane by plane.

use std::ops::Range;

use volkit_core::Progress;
use volkit_kernels::{BoxError, Isa, Label, PlaneSink, Planes, Threads, argmax};

use super::network::MeshNet;
use super::source::{NORMALISATION, NormalisedPlanes};
use crate::SegError;
use crate::conform::Conformed;

/// Labels of a conformed image with how clear each one is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Decisions {
    /// Label of each voxel: the class with the largest logit, the lowest class on ties.
    pub labels: Vec<u16>,
    /// Largest logit minus the second largest.
    pub margins: Vec<f32>,
}

impl Decisions {
    /// Voxels whose two best logits are closer than `margin`.
    #[must_use]
    pub fn near_ties(&self, margin: f32) -> usize {
        self.margins.iter().filter(|&&m| m < margin).count()
    }
}

impl MeshNet {
    /// Labels an image on the network's own grid and keeps the margins: what a comparison with another program needs
    /// to tell a mistake from a near tie.
    ///
    /// # Errors
    /// [`SegError::Stopped`], [`SegError::Kernel`].
    pub fn decide(&self, image: &Conformed, threads: &Threads, progress: &dyn Progress) -> Result<Decisions, SegError> {
        let n_voxels = image.size().iter().product();
        let mut decisions = Decisions { labels: vec![0; n_voxels], margins: vec![0.0; n_voxels] };
        let mut sink = MarginSink { decisions: &mut decisions, isa: self.isa };
        let mut source = NormalisedPlanes::new(image, image.percentiles(NORMALISATION)?);
        self.run(image.size(), &mut source, &mut sink, threads, progress)?;
        Ok(decisions)
    }

    /// Labels an image on the network's own grid.
    pub(super) fn label<T: Label>(
        &self,
        image: &Conformed,
        percentiles: [f64; 2],
        threads: &Threads,
        progress: &dyn Progress,
    ) -> Result<Vec<T>, SegError> {
        let mut labels = vec![T::default(); image.size().iter().product()];
        let mut sink = volkit_kernels::LabelSink::new(&mut labels, self.isa);
        let mut source = NormalisedPlanes::new(image, percentiles);
        self.run(image.size(), &mut source, &mut sink, threads, progress)?;
        Ok(labels)
    }
}

struct MarginSink<'a> {
    decisions: &'a mut Decisions,
    isa: Isa,
}

impl PlaneSink for MarginSink<'_> {
    fn write_planes(
        &mut self,
        _output: usize,
        planes: Range<usize>,
        tensor: &Planes<'_>,
        threads: &Threads,
    ) -> Result<(), BoxError> {
        let (layout, data) = (tensor.layout(), tensor.data());
        let plane_len = layout.height * layout.width;
        let voxels = planes.start * plane_len..planes.end * plane_len;
        argmax(tensor, planes.clone(), &mut self.decisions.labels[voxels.clone()], self.isa, threads)?;
        let rows = planes.flat_map(|z| (0..layout.height).map(move |y| (z, y)));
        for ((z, y), margins) in rows.zip(self.decisions.margins[voxels].chunks_mut(layout.width)) {
            let logits = data[layout.row(z, y)].chunks_exact(layout.channels);
            margins.iter_mut().zip(logits).for_each(|(margin, logits)| *margin = best_two_apart(logits));
        }
        Ok(())
    }
}

fn best_two_apart(logits: &[f32]) -> f32 {
    let (mut best, mut second) = (f32::NEG_INFINITY, f32::NEG_INFINITY);
    for &logit in logits {
        if logit > best {
            (best, second) = (logit, best);
        } else if logit > second {
            second = logit;
        }
    }
    best - second
}

#[cfg(test)]
mod tests {
    use super::best_two_apart;

    #[test]
    fn margins_of_ties_and_of_order() {
        assert_eq!(best_two_apart(&[1.0, 4.0, 2.5]), 1.5);
        assert_eq!(best_two_apart(&[4.0, 1.0, 4.0]), 0.0);
        assert_eq!(best_two_apart(&[-3.0, -1.0]), 2.0);
    }
}
