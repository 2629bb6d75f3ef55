//! Running a model over an image, tile by tile.

use std::fmt;
use std::ops::Range;

use volkit_core::{BoxError, Predictor, PredictorSpec, Progress, VolumeSink, VolumeSource};

use crate::memory::{Setup, queue_depth};
use crate::{Blend, MemoryEstimate, ModelMemory, Reduce, Skip, TileError, TilePlan, pipeline};

/// How many tiles go to the model at once. Results do not depend on it, unless the model's own rounding does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BatchSize {
    /// So many; the last batch may be smaller.
    Fixed(usize),
    /// As many as fit so many bytes by [`TiledInference::estimate`]; half as many from there on, until one is left, when
    /// a model says [`volkit_core::OutOfMemory`].
    Budget {
        /// Bytes of the whole run.
        bytes: u64,
    },
}

/// The numbers in which overlapping tiles are summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// f32: an identity comes back within 1e-6 of itself for overlaps up to 3/4 of the tile, within 4e-6 beyond.
    #[default]
    F32,
    /// f64, rounded once at the end, with twice the memory for unfinished planes.
    F64,
}

/// What to do when a model gives NaN or infinity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NotFinite {
    /// [`TileError::NotFinite`] names the first such tile.
    #[default]
    Refuse,
    /// The values stay, and [`InferReport`] counts them.
    Keep,
}

/// Where one output of a model goes.
pub struct Target<'a> {
    pub(crate) sink: &'a dyn VolumeSink,
    pub(crate) reduce: Option<Box<dyn Reduce + 'a>>,
}

impl<'a> Target<'a> {
    /// Writes the output as it is. The sink has the shape `[.., s1, s0, K, N]`, first axis fastest; channels and
    /// images may be missing where there is one. The caller finishes it.
    #[must_use]
    pub fn new(sink: &'a dyn VolumeSink) -> Self {
        Self { sink, reduce: None }
    }

    /// The same with something done to finished planes, such as [`crate::Argmax`]; the sink has the channels of its
    /// result.
    #[must_use]
    pub fn with_reduce(self, reduce: impl Reduce + 'a) -> Self {
        Self { reduce: Some(Box::new(reduce)), ..self }
    }
}

/// What a run did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct InferReport {
    /// Tiles of the run, all images.
    pub n_tiles: usize,
    /// Tiles that the model ran; a resumed run repeats some.
    pub n_run: usize,
    /// Tiles that were skipped.
    pub n_skipped: usize,
    /// Tiles of a batch; less than was begun with where a model had no memory for so many.
    pub batch: usize,
    /// Tiles with values that are not finite, by number in plan order (image times tiles of the plan plus tile).
    pub not_finite_tiles: Vec<usize>,
    /// Number of these values.
    pub n_not_finite: usize,
    /// Bytes of the samples read, as f32.
    pub bytes_read: u64,
    /// Bytes of the samples written, as f32.
    pub bytes_written: u64,
}

pub(crate) type Commit<'a> = Box<dyn FnMut(usize) -> Result<(), BoxError> + Send + 'a>;

/// A run of a model over an image of any size, in the memory of one row of tiles.
///
/// A reader, the workers, the merger and a writer run at the same time (small images: one after the other, see
/// [`TiledInference::queue_depth`]). The sums are done in plan order by one thread, so the result is the same to the bit for
/// any batch size and any number of workers.
///
/// ```
/// use volkit_core::{Affine, DType, MemorySink, SilentProgress, Volume, VolumeMeta, VolumeSink as _};
/// use volkit_tile::{AxisSpec, Pointwise, Target, TilePlan, TiledInference};
///
/// // An array [1, 5, 7], as a volume: the last axis first.
/// let image = Volume::new([7, 5, 1], (0..35).map(|v| v as f32).collect::<Vec<_>>(), Affine::IDENTITY)?;
/// let plan = TilePlan::new(&[5, 7], &[AxisSpec::new(4, 2), AxisSpec::new(3, 1)])?;
/// let (sink, slot) = MemorySink::new(VolumeMeta::new([7, 5], DType::F32, Affine::IDENTITY)?)?;
/// let mut model = Pointwise::identity(1, 2);
/// let report = TiledInference::new(&plan).run(&image, &mut [&mut model], vec![Target::new(&sink)], &SilentProgress)?;
/// Box::new(sink).finish()?;
/// let result = slot.lock().unwrap().take().unwrap();
/// assert_eq!(report.n_tiles, 6);
/// assert!(result.as_slice::<f32>().unwrap().iter().enumerate().all(|(i, v)| (v - i as f32).abs() < 1e-5));
/// # Ok::<(), volkit_core::BoxError>(())
/// ```
#[non_exhaustive]
pub struct TiledInference<'a> {
    /// The tiles.
    pub plan: &'a TilePlan,
    /// How tiles become one image. Default: the Hann ramp.
    pub blend: Blend,
    /// Tiles of a batch. Default: 1.
    pub batch: BatchSize,
    /// Batches that are read ahead of the workers. With 0 and one worker nothing runs beside the model: reading, merging and
    /// writing follow each other on the caller's thread, in the least memory and with the least CPU time. Default: none, which
    /// is 0 where an image and its outputs have at most 128 MiB as f32, else 1.
    pub queue_depth: Option<usize>,
    /// Numbers of the sums. Default: f32.
    pub precision: Precision,
    /// What to do with NaN and infinity in outputs. Default: refuse.
    pub not_finite: NotFinite,
    /// Which tiles are not run. Default: all are.
    pub skip: Option<Skip<'a>>,
    /// `(scale, offset)`: the model sees `value * scale + offset`. Default: `(1, 0)`. Constant padding is scaled too.
    pub intensity: (f32, f32),
    /// Rows of tiles that are finished already, over all images. Default: 0.
    pub rows_done: usize,
    /// Planes along axis 0, in samples of the image, that are computed and written; none for all. Default: none.
    pub planes: Option<Range<usize>>,
    /// Planes of the outputs along axis 0 leave in multiples of so many, counted from 0, but for the last: the height of a
    /// sink's chunks, so that each is written once. Default: 1.
    pub plane_step: usize,
    /// Memory that the model needs, for estimates and [`BatchSize::Budget`]. Default: none.
    pub model_memory: ModelMemory,
    pub(crate) commit: Option<Commit<'a>>,
}

impl<'a> TiledInference<'a> {
    /// The defaults.
    #[must_use]
    pub fn new(plan: &'a TilePlan) -> Self {
        Self {
            plan,
            blend: Blend::default(),
            batch: BatchSize::Fixed(1),
            queue_depth: None,
            precision: Precision::F32,
            not_finite: NotFinite::Refuse,
            skip: None,
            intensity: (1.0, 0.0),
            rows_done: 0,
            planes: None,
            plane_step: 1,
            model_memory: ModelMemory::default(),
            commit: None,
        }
    }

    /// The same with another blend.
    #[must_use]
    pub fn with_blend(self, blend: impl Into<Blend>) -> Self {
        Self { blend: blend.into(), ..self }
    }

    /// The same with another batch size.
    #[must_use]
    pub fn with_batch(self, batch: BatchSize) -> Self {
        Self { batch, ..self }
    }

    /// The same with another number of batches read ahead.
    #[must_use]
    pub fn with_queue_depth(self, queue_depth: usize) -> Self {
        Self { queue_depth: Some(queue_depth), ..self }
    }

    /// The same with other numbers of the sums.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same with another rule for NaN and infinity.
    #[must_use]
    pub fn with_not_finite(self, not_finite: NotFinite) -> Self {
        Self { not_finite, ..self }
    }

    /// The same with tiles that are not run.
    #[must_use]
    pub fn with_skip(self, skip: Skip<'a>) -> Self {
        Self { skip: Some(skip), ..self }
    }

    /// The same where the model sees `value * scale + offset`.
    #[must_use]
    pub fn with_intensity(self, scale: f32, offset: f32) -> Self {
        Self { intensity: (scale, offset), ..self }
    }

    /// The same where so many rows of tiles, over all images, are finished already: what [`Self::on_commit`] was last
    /// told. The sinks must hold what was written then. The result is the same to the bit as that of one run.
    #[must_use]
    pub fn with_rows_done(self, rows_done: usize) -> Self {
        Self { rows_done, ..self }
    }

    /// The same for a part of the image: only the rows of tiles that add to these planes are run, and only these planes are
    /// written. They have the bits of a run over the whole image, so that disjoint parts of one sink can be written by
    /// processes that know nothing of each other. Rows of tiles are counted from the first that is run.
    #[must_use]
    pub fn with_planes(self, planes: Range<usize>) -> Self {
        Self { planes: Some(planes), ..self }
    }

    /// The same where planes leave in multiples of so many: the height of a sink's chunks.
    #[must_use]
    pub fn with_plane_step(self, plane_step: usize) -> Self {
        Self { plane_step, ..self }
    }

    /// The same with the memory that the model needs.
    #[must_use]
    pub fn with_model_memory(self, model_memory: ModelMemory) -> Self {
        Self { model_memory, ..self }
    }

    /// The same with a recorder, which is told, from the thread that writes, how many rows of tiles are finished: every
    /// plane that is final after these rows has been taken by the sinks.
    #[must_use]
    pub fn on_commit(self, commit: impl FnMut(usize) -> Result<(), BoxError> + Send + 'a) -> Self {
        Self { commit: Some(Box::new(commit)), ..self }
    }

    /// The memory of a run with so many workers, in bytes, by part.
    ///
    /// # Errors
    /// Where plan and model do not fit, and [`TileError::Budget`] where the budget does not hold one tile.
    pub fn estimate(&self, model: &PredictorSpec, workers: usize) -> Result<MemoryEstimate, TileError> {
        let setup = self.setup(model, workers);
        setup.estimate(self.batch_size(&setup)?)
    }

    /// Runs the model. Every worker is a model of its own, and all of them the same; outputs go to the targets in the
    /// order of the model's specification. Progress counts tiles.
    ///
    /// # Errors
    /// See [`TileError`]. An error concerns the first tile in plan order that it can; rows before it are written and
    /// committed, so that the run can be resumed.
    pub fn run(
        self,
        source: &dyn VolumeSource,
        models: &mut [&mut dyn Predictor],
        targets: Vec<Target<'_>>,
        progress: &dyn Progress,
    ) -> Result<InferReport, TileError> {
        let Some(model) = models.first().map(|model| model.spec().clone()) else {
            let why = "at least one worker is needed".to_owned();
            return Err(TileError::Config { field: "models", value: "[]".to_owned(), why });
        };
        if let Some(other) = models.iter().find(|other| *other.spec() != model) {
            let (wanted, got) = (format!("{model:?}"), format!("{:?}", other.spec()));
            return Err(TileError::Shape { what: "specification of a worker's model".to_owned(), wanted, got });
        }
        self.plan.check_model(&model)?;
        if let Some(mask) = self.skip.and_then(|skip| skip.mask)
            && mask.meta().shape().len() != self.plan.axes().len()
        {
            let (got, wanted) = (mask.meta().shape().len(), self.plan.axes().len().to_string());
            return Err(TileError::Rank { what: "the mask", got, wanted });
        }
        let batch = self.batch_size(&self.setup(&model, models.len()))?;
        let job = pipeline::Job { source, models, targets, spec: &model, batch, progress };
        match self.precision {
            Precision::F32 => pipeline::run::<f32>(self, job),
            Precision::F64 => pipeline::run::<f64>(self, job),
        }
    }

    fn batch_size(&self, setup: &Setup<'_>) -> Result<usize, TileError> {
        match self.batch {
            BatchSize::Fixed(0) => {
                let why = "must be at least 1".to_owned();
                Err(TileError::Config { field: "batch", value: "0".to_owned(), why })
            }
            BatchSize::Fixed(n) => Ok(n),
            BatchSize::Budget { bytes } => setup.batch_for(bytes),
        }
    }

    fn setup<'b>(&'b self, model: &'b PredictorSpec, workers: usize) -> Setup<'b> {
        Setup {
            plan: self.plan,
            blend: &self.blend,
            model,
            memory: ModelMemory {
                // A batch that may have to be halved is kept until it is done.
                is_in_place: self.model_memory.is_in_place && matches!(self.batch, BatchSize::Fixed(_)),
                ..self.model_memory
            },
            precision: self.precision,
            policy: self.skip.map(|skip| skip.policy),
            workers,
            queue_depth: queue_depth(self.queue_depth, self.plan, model),
            plane_step: self.plane_step.max(1),
        }
    }
}

impl fmt::Debug for TiledInference<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TiledInference")
            .field("blend", &self.blend)
            .field("batch", &self.batch)
            .field("queue_depth", &self.queue_depth)
            .field("precision", &self.precision)
            .field("not_finite", &self.not_finite)
            .field("skip", &self.skip)
            .field("intensity", &self.intensity)
            .field("rows_done", &self.rows_done)
            .field("planes", &self.planes)
            .field("plane_step", &self.plane_step)
            .finish_non_exhaustive()
    }
}
