//! A graph of kernels as a model of 2-D images.

use std::ops::Range;
use std::sync::Arc;

use volkit_core::{Batch, BoxError, OutOfMemory, OutputSpec, Predictor, PredictorSpec, Scale};
use volkit_kernels::{
    Executor, Graph, KernelError, Plan, PlanOptions, PlaneSink, PlaneSource, Planes, Threads, no_progress,
};

use crate::PsiError;

/// Which axis of the kernels' volumes the rows of an image are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowAxis {
    /// `[H, 1, W]`: rows stream through the executor's rings, so memory does not grow with the height.
    Depth,
    /// `[1, H, W]`: an image is one plane.
    Height,
}

impl RowAxis {
    /// A square kernel.
    pub(crate) fn kernel(self, taps: usize) -> [usize; 3] {
        match self {
            Self::Depth => [taps, 1, taps],
            Self::Height => [1, taps, taps],
        }
    }

    fn size(self, [height, width]: [usize; 2]) -> [usize; 3] {
        match self {
            Self::Depth => [height, 1, width],
            Self::Height => [1, height, width],
        }
    }
}

/// A network of kernels that runs images `[B, C, H, W]` one after the other, all threads on one image.
///
/// Memory for activations is allocated when an image of a new size comes, and kept: images of one size, as the tiles of a
/// plan are, allocate once.
#[derive(Debug)]
pub struct GraphPredictor {
    graph: Graph,
    row_axis: RowAxis,
    spec: PredictorSpec,
    threads: Arc<Threads>,
    /// Of the last image's size.
    executor: Option<([usize; 2], Executor)>,
}

impl GraphPredictor {
    pub(crate) fn new(graph: Graph, row_axis: RowAxis, input_channels: usize, radius: Option<Vec<usize>>) -> Self {
        let channels = graph.output_channels(0).unwrap_or(0);
        let spec = PredictorSpec {
            input_channels,
            n_spatial_axes: 2,
            outputs: vec![OutputSpec { name: "output".to_owned(), channels, scale: Scale::ONE }],
            multiple_of: 1,
            receptive_radius: radius,
        };
        Self { graph, row_axis, spec, threads: Arc::new(Threads::single()), executor: None }
    }

    /// The same on these threads; the result does not depend on them.
    #[must_use]
    pub fn with_threads(self, threads: Arc<Threads>) -> Self {
        Self { threads, ..self }
    }

    /// Bytes of packed weights, which all models of one network share.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.graph.packed_bytes() as u64
    }

    /// Bytes of activations for images of `[H, W]`, whatever the batch.
    ///
    /// # Errors
    /// [`PsiError::Kernel`] for a size that the network does not take.
    pub fn activation_bytes(&self, size: [usize; 2]) -> Result<u64, PsiError> {
        Ok(self.plan(size)?.peak_bytes() as u64)
    }

    /// Bytes that the threads keep beside that, all together: models on the same threads share them.
    ///
    /// # Errors
    /// As [`GraphPredictor::activation_bytes`].
    pub fn scratch_bytes(&self, size: [usize; 2]) -> Result<u64, PsiError> {
        let n_threads = self.threads.count();
        Ok((n_threads * self.plan(size)?.scratch_bytes(n_threads)) as u64)
    }

    fn plan(&self, size: [usize; 2]) -> Result<Plan, PsiError> {
        Ok(Plan::new(&self.graph, self.row_axis.size(size), &PlanOptions::default())?)
    }
}

impl Predictor for GraphPredictor {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let channels = self.spec.input_channels;
        let &[n, c, height, width] = input.shape() else {
            return Err(PsiError::Image { got: input.shape().to_vec(), channels }.into());
        };
        if c != channels || height == 0 || width == 0 {
            return Err(PsiError::Image { got: input.shape().to_vec(), channels }.into());
        }
        let size = [height, width];
        if self.executor.as_ref().is_none_or(|(known, _)| *known != size) {
            // The old memory goes before the new comes.
            self.executor = None;
            let executor = Executor::new(self.plan(size)?).map_err(|error| refused(error, input))?;
            self.executor = Some((size, executor));
        }
        let Some((_, executor)) = &mut self.executor else { return Ok(Vec::new()) };
        let (len, out_channels) = (height * width, self.spec.outputs[0].channels);
        let mut outputs = Vec::new();
        let needed_bytes = n * out_channels * len * size_of::<f32>();
        if outputs.try_reserve_exact(n * out_channels * len).is_err() {
            let (got, source) = (input.shape().to_vec(), OutOfMemory { needed_bytes });
            return Err(PsiError::Memory { got, source }.into());
        }
        outputs.resize(n * out_channels * len, 0.0);
        let images = input.values().chunks_exact(channels * len).zip(outputs.chunks_exact_mut(out_channels * len));
        for (image, output) in images {
            let mut rows = ImageRows { values: image, channels, size };
            let mut sink = ImageSink { values: output, size, row_axis: self.row_axis };
            executor.run(&mut rows, &mut sink, &self.threads, &mut no_progress)?;
        }
        Ok(vec![Batch::new([n, out_channels, height, width], outputs)?])
    }
}

/// The kernels' error, with too little memory as its own kind.
fn refused(error: KernelError, input: &Batch) -> PsiError {
    match error {
        KernelError::Memory { needed, .. } => {
            PsiError::Memory { got: input.shape().to_vec(), source: OutOfMemory { needed_bytes: needed } }
        }
        error => error.into(),
    }
}

/// An image `[C, H, W]`, read as planes of `[h][w][c]`.
struct ImageRows<'a> {
    values: &'a [f32],
    channels: usize,
    size: [usize; 2],
}

impl PlaneSource for ImageRows<'_> {
    fn read_plane(&mut self, _input: usize, z: usize, plane: &mut [f32]) -> Result<(), BoxError> {
        let [height, width] = self.size;
        // A plane is one row, or all of them.
        for (y, row) in plane.chunks_exact_mut(width * self.channels).enumerate() {
            for channel in 0..self.channels {
                let values = &self.values[(channel * height + z + y) * width..][..width];
                for (voxel, value) in row[channel..].iter_mut().step_by(self.channels).zip(values) {
                    *voxel = *value;
                }
            }
        }
        Ok(())
    }
}

/// An image `[K, H, W]`, written from planes of `[h][w][k]`.
struct ImageSink<'a> {
    values: &'a mut [f32],
    size: [usize; 2],
    row_axis: RowAxis,
}

impl PlaneSink for ImageSink<'_> {
    fn write_planes(
        &mut self,
        _output: usize,
        planes: Range<usize>,
        tensor: &Planes<'_>,
        _threads: &Threads,
    ) -> Result<(), BoxError> {
        let [height, width] = self.size;
        let (layout, data) = (tensor.layout(), tensor.data());
        let rows = match self.row_axis {
            RowAxis::Depth => planes,
            RowAxis::Height => 0..height,
        };
        for y in rows {
            let row = &data[match self.row_axis {
                RowAxis::Depth => layout.row(y, 0),
                RowAxis::Height => layout.row(0, y),
            }];
            for channel in 0..layout.channels {
                let out = &mut self.values[(channel * height + y) * width..][..width];
                for (value, voxel) in out.iter_mut().zip(row[channel..].iter().step_by(layout.channels)) {
                    *value = *voxel;
                }
            }
        }
        Ok(())
    }
}
