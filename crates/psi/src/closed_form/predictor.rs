//! The solver as a model of tiles.

use std::sync::Arc;

use volkit_core::{Batch, BoxError, OutputSpec, Predictor, PredictorSpec, Scale};
use volkit_kernels::Threads;

use super::ClosedForm;
use crate::PsiError;

/// [`ClosedForm`] as a [`Predictor`]: stacks `[B, C, H, W]` of greys to heights `[B, 1, H, W]` in um.
///
/// Its receptive radius is 0, so tiles need no overlap and give the bits of the whole image.
#[derive(Clone, Debug)]
pub struct ClosedFormPredictor {
    solver: ClosedForm,
    spec: PredictorSpec,
    threads: Arc<Threads>,
}

impl ClosedFormPredictor {
    /// A model that solves on the calling thread.
    #[must_use]
    pub fn new(solver: ClosedForm) -> Self {
        let spec = PredictorSpec {
            input_channels: solver.channels(),
            n_spatial_axes: 2,
            outputs: vec![OutputSpec { name: "height_um".to_owned(), channels: 1, scale: Scale::ONE }],
            multiple_of: 1,
            receptive_radius: Some(vec![0; 2]),
        };
        Self { solver, spec, threads: Arc::new(Threads::single()) }
    }

    /// The same on these threads; the result does not depend on them.
    #[must_use]
    pub fn with_threads(self, threads: Arc<Threads>) -> Self {
        Self { threads, ..self }
    }
}

impl Predictor for ClosedFormPredictor {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let channels = self.solver.channels();
        let &[n, c, height, width] = input.shape() else {
            return Err(PsiError::Image { got: input.shape().to_vec(), channels }.into());
        };
        if c != channels {
            return Err(PsiError::Image { got: input.shape().to_vec(), channels }.into());
        }
        let mut heights = Vec::with_capacity(n * height * width);
        for images in input.values().chunks_exact((channels * height * width).max(1)) {
            let solved = self.solver.solve(images, &self.threads)?;
            heights.extend(solved.height_um.iter().map(|&h| h as f32));
        }
        Ok(vec![Batch::new([n, 1, height, width], heights)?])
    }
}
