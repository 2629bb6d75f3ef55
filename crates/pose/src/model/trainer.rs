//! Training: several views of a frame for each pass of the network.

use std::sync::Arc;

use candle_core::{Device, Tensor};
use serde::{Deserialize, Serialize};
use volkit_core::Progress;
use volkit_splat::TensorRasterizer;
use volkit_train::{
    Adam, AdamOptions, Checkpoint, CheckpointArray, Cosine, Ema, Optimizer as _, Parameter, Schedule as _, TrainError,
};

use super::evaluate::{evaluate_frame, over_white};
use super::loss::{LossParts, LossWeights, Target, view_loss};
use super::{ModelConfig, PoseModel, Recording, Split, ViewMetrics};
use crate::PoseError;
use crate::random::sequence;

/// Kind of the checkpoints.
const KIND: &str = "volkit-pose";
/// Seeds of different purposes.
const ORDER: u64 = 1;
const DROPOUT: u64 = 2;

/// How a model is trained.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TrainConfig {
    /// Passes over the training frames.
    pub epochs: u64,
    /// Learning rate of Adam at the start (default 1e-3).
    pub learning_rate: f64,
    /// What the rate has sunk to at the end, along a cosine, as a part of the start (default 0.02).
    pub last_rate: f64,
    /// Decay of the average of the parameters, which is what is kept (default 0.98).
    pub ema_decay: f64,
    /// Share of the steps in which one view is a target only, so that the network learns what views do not show (default
    /// 0.25).
    pub view_dropout: f64,
    /// Weights of the loss.
    pub loss: LossWeights,
    /// Epochs between validations (default 1).
    pub valid_every: u64,
    /// Most frames of a validation, evenly spread (default 8).
    pub valid_frames: usize,
    /// Seed of the order of frames (default 0).
    pub seed: u64,
}

impl TrainConfig {
    /// Defaults for that many epochs.
    #[must_use]
    pub fn new(epochs: u64) -> Self {
        Self {
            epochs,
            learning_rate: 1e-3,
            last_rate: 0.02,
            ema_decay: 0.98,
            view_dropout: 0.25,
            loss: LossWeights::default(),
            valid_every: 1,
            valid_frames: 8,
            seed: 0,
        }
    }

    /// The same with another learning rate.
    #[must_use]
    pub fn with_learning_rate(self, learning_rate: f64) -> Self {
        Self { learning_rate, ..self }
    }

    /// The same with other weights of the loss.
    #[must_use]
    pub fn with_loss(self, loss: LossWeights) -> Self {
        Self { loss, ..self }
    }

    /// The same with another share of steps that hide a view from the network.
    #[must_use]
    pub fn with_view_dropout(self, view_dropout: f64) -> Self {
        Self { view_dropout, ..self }
    }

    /// The same with another seed.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with validations every `valid_every` epochs.
    #[must_use]
    pub fn with_valid_every(self, valid_every: u64) -> Self {
        Self { valid_every, ..self }
    }
}

/// What an epoch came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochReport {
    /// Number of the epoch, from 1.
    pub epoch: u64,
    /// Mean loss of its steps.
    pub train: LossParts,
    /// Measures of the averaged model on observed views of the middle third, where the epoch ended with a validation.
    pub valid: Option<ViewMetrics>,
}

/// Trains a model, and can be stopped and gone on with after any step.
pub struct Trainer {
    model: PoseModel,
    config: TrainConfig,
    adam: Adam<f32>,
    ema: Ema<f32>,
    values: Vec<Vec<f32>>,
    step: u64,
    history: Vec<EpochReport>,
    /// What the epoch that is under way has come to, and how many of its steps are done.
    open: (LossParts, usize),
    rasterizers: Vec<TensorRasterizer>,
}

impl Trainer {
    /// A trainer of a new model.
    ///
    /// # Errors
    /// Those of [`PoseModel::new`]; [`PoseError::Train`] for settings out of range.
    pub fn new(model: ModelConfig, config: TrainConfig) -> Result<Self, PoseError> {
        let model = PoseModel::new(model)?;
        let values = trained_values(&model)?;
        let adam = Adam::new(AdamOptions::default().with_learning_rate(config.learning_rate))?;
        let ema = Ema::new(config.ema_decay, &slices(&values))?;
        Ok(Self {
            model,
            config,
            adam,
            ema,
            values,
            step: 0,
            history: Vec::new(),
            open: Default::default(),
            rasterizers: Vec::new(),
        })
    }

    /// The model as it is trained; see [`Trainer::with_average`] for the one to use.
    #[must_use]
    pub fn model(&self) -> &PoseModel {
        &self.model
    }

    /// Steps so far.
    #[must_use]
    pub fn step_count(&self) -> u64 {
        self.step
    }

    /// Epochs so far.
    #[must_use]
    pub fn history(&self) -> &[EpochReport] {
        &self.history
    }

    /// One step on a frame; all observed views are targets.
    ///
    /// # Errors
    /// Those of the store, the carver, the layers and the rasterizer.
    pub fn step(&mut self, recording: &Recording, frame: usize) -> Result<LossParts, PoseError> {
        let views = recording.store.read(frame)?;
        let targets = recording.observed();
        let mut random = sequence(&[self.config.seed, DROPOUT, self.step]);
        let mut inputs = targets.clone();
        if inputs.len() > 2 && random.uniform() < self.config.view_dropout {
            inputs.remove(random.below(inputs.len()));
        }
        let volume = recording.carve(frame, &views, &inputs)?;
        let scene = self.model.forward(&volume, &recording.grid, &recording.track.pose(frame), true)?;
        // One rasterizer a view: each keeps what its backward pass needs.
        while self.rasterizers.len() < targets.len() {
            self.rasterizers.push(TensorRasterizer::new(Arc::clone(&recording.threads))?);
        }
        let share = 1.0 / targets.len() as f64;
        let (mut sum, mut parts) = (Tensor::zeros((), candle_core::DType::F32, &Device::Cpu)?, LossParts::default());
        for (view, rasterizer) in targets.iter().zip(&self.rasterizers) {
            let camera = recording.rig.cameras()[*view].to_splat(views.size)?;
            let rendering = rasterizer.render(&scene, &camera, &over_white())?;
            let target = Target::new(&views, *view);
            let (loss, of_view) = view_loss(&rendering, &target, self.config.loss, &recording.threads)?;
            sum = (sum + loss.affine(share, 0.0)?)?;
            parts.add(&of_view, share);
        }
        self.update(&sum, recording)?;
        Ok(parts)
    }

    /// Moves the parameters against the gradient of a loss.
    fn update(&mut self, loss: &Tensor, recording: &Recording) -> Result<(), PoseError> {
        let gradients = loss.backward()?;
        let total = self.config.epochs * Split::of(recording.store.n_frames()).train.len().max(1) as u64;
        let factor = Cosine::new(total.max(1), self.config.last_rate)?.factor(self.step);
        self.adam.set_learning_rate(self.config.learning_rate * factor);
        let mut slopes = Vec::with_capacity(self.values.len());
        for (_, var) in self.model.trained() {
            slopes.push(match gradients.get(var) {
                Some(gradient) => gradient.flatten_all()?.to_vec1::<f32>()?,
                None => vec![0.0; var.elem_count()],
            });
        }
        let parameters = self.values.iter_mut().zip(&slopes);
        let mut parameters: Vec<_> = parameters.map(|(values, gradient)| Parameter { values, gradient }).collect();
        self.adam.step(&mut parameters)?;
        self.ema.update(&slices(&self.values))?;
        self.step += 1;
        set_values(&self.model, &self.values)
    }

    /// Steps of the epoch that is under way.
    #[must_use]
    pub fn open_steps(&self) -> usize {
        self.open.1
    }

    /// One pass over the training frames in random order, and a validation where it is time for one.
    ///
    /// # Errors
    /// Those of [`Trainer::step`]; [`PoseError::Parameter`] where there are no training frames; [`PoseError::Stopped`].
    pub fn epoch(&mut self, recording: &Recording, progress: &dyn Progress) -> Result<EpochReport, PoseError> {
        self.epoch_with(recording, progress, &mut |_| Ok(()))
    }

    /// [`Trainer::epoch`], or what is left of one that was stopped; `after_step` is called after each step, and may keep a
    /// checkpoint. Going on from it gives the same bits.
    ///
    /// # Errors
    /// Those of [`Trainer::epoch`] and of `after_step`. Steps that were made before stay.
    pub fn epoch_with(
        &mut self,
        recording: &Recording,
        progress: &dyn Progress,
        after_step: &mut dyn FnMut(&Self) -> Result<(), PoseError>,
    ) -> Result<EpochReport, PoseError> {
        let split = Split::of(recording.store.n_frames());
        let mut frames: Vec<usize> = split.train.collect();
        if frames.is_empty() {
            return Err(PoseError::parameter(
                "frames",
                recording.store.n_frames(),
                "at least 3: thirds are training, validation, test",
            ));
        }
        let epoch = self.history.len() as u64 + 1;
        sequence(&[self.config.seed, ORDER, epoch]).shuffle(&mut frames);
        let share = 1.0 / frames.len() as f64;
        for frame in frames.into_iter().skip(self.open.1) {
            progress.check()?;
            let parts = self.step(recording, frame)?;
            self.open.0.add(&parts, share);
            self.open.1 += 1;
            after_step(self)?;
            progress.advance(1);
        }
        let mut report = EpochReport { epoch, train: self.open.0, valid: None };
        if epoch.is_multiple_of(self.config.valid_every.max(1)) || epoch == self.config.epochs {
            report.valid = self.validate(recording, split.valid)?;
        }
        self.history.push(report);
        self.open = Default::default();
        Ok(report)
    }

    /// Means over observed views of some of the frames, with the averaged parameters.
    fn validate(
        &self,
        recording: &Recording,
        frames: std::ops::Range<usize>,
    ) -> Result<Option<ViewMetrics>, PoseError> {
        let step = frames.len().div_ceil(self.config.valid_frames.max(1)).max(1);
        self.with_average(|model| {
            let mut all = Vec::new();
            for frame in frames.step_by(step) {
                let (metrics, _) = evaluate_frame(model, recording, frame)?;
                all.extend(recording.observed().iter().map(|view| metrics[*view]));
            }
            Ok(ViewMetrics::mean(&all))
        })
    }

    /// Calls `work` with the model in its averaged parameters, which is what should be kept.
    ///
    /// # Errors
    /// Those of `work`.
    pub fn with_average<T>(&self, work: impl FnOnce(&PoseModel) -> Result<T, PoseError>) -> Result<T, PoseError> {
        set_values(&self.model, self.ema.averages())?;
        let outcome = work(&self.model);
        set_values(&self.model, &self.values)?;
        outcome
    }

    /// All that training needs to go on.
    ///
    /// # Errors
    /// [`PoseError::Candle`] for variables that can not be read.
    pub fn checkpoint(&self) -> Result<Checkpoint, PoseError> {
        let mut checkpoint = Checkpoint::new(KIND);
        checkpoint.set_field("step", self.step);
        checkpoint.set_field("ema_updates", self.ema.updates());
        checkpoint.set_field("history", to_json(&self.history)?);
        checkpoint.set_field("model", to_json(self.model.config())?);
        checkpoint.set_field("open_steps", self.open.1);
        let LossParts { iou, l1, ssim, total } = self.open.0;
        checkpoint.set_array("open", CheckpointArray::F64 { shape: vec![4], values: vec![iou, l1, ssim, total] });
        checkpoint.set_optimizer("adam", &self.adam.state());
        for (name, var) in self.model.variables() {
            let values = var.flatten_all()?.to_vec1::<f32>()?;
            checkpoint.set_array(name, CheckpointArray::F32 { shape: var.dims().to_vec(), values });
        }
        for ((name, var), values) in self.model.trained().zip(self.ema.averages()) {
            let array = CheckpointArray::F32 { shape: var.dims().to_vec(), values: values.clone() };
            checkpoint.set_array(format!("ema.{name}"), array);
        }
        Ok(checkpoint)
    }

    /// Goes on from a checkpoint of a model of the same sizes.
    ///
    /// # Errors
    /// [`PoseError::Input`] for a checkpoint of another model, [`PoseError::Train`] for one that lacks something.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<(), PoseError> {
        let field = |name: &str| checkpoint.field(name).cloned().unwrap_or_default();
        let of = |error: serde_json::Error| PoseError::read("checkpoint", error);
        let model: ModelConfig = serde_json::from_value(field("model")).map_err(of)?;
        if model != *self.model.config() {
            return Err(PoseError::input(
                "checkpoint",
                "model",
                format!("{model:?}"),
                "the model of the configuration",
            ));
        }
        let history = serde_json::from_value(field("history")).map_err(of)?;
        for (name, var) in self.model.variables() {
            let values = array(checkpoint, name, var.elem_count())?;
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu)?)?;
        }
        let mut averages = Vec::new();
        for (name, var) in self.model.trained() {
            averages.push(array(checkpoint, &format!("ema.{name}"), var.elem_count())?);
        }
        self.ema = Ema::resume(self.config.ema_decay, field("ema_updates").as_u64().unwrap_or(0), averages)?;
        self.adam.restore(checkpoint.optimizer("adam")?)?;
        self.values = trained_values(&self.model)?;
        (self.step, self.history) = (field("step").as_u64().unwrap_or(0), history);
        self.open = match checkpoint.array("open") {
            Some(CheckpointArray::F64 { values, .. }) if values.len() == 4 => {
                let [iou, l1, ssim, total] = [0, 1, 2, 3].map(|i| values[i]);
                (LossParts { iou, l1, ssim, total }, field("open_steps").as_u64().unwrap_or(0) as usize)
            }
            _ => Default::default(),
        };
        Ok(())
    }

    /// The kind of [`Trainer::checkpoint`], for [`Checkpoint::read`].
    #[must_use]
    pub fn kind() -> &'static str {
        KIND
    }
}

fn to_json<T: Serialize>(value: &T) -> Result<serde_json::Value, PoseError> {
    serde_json::to_value(value).map_err(|error| PoseError::read("checkpoint", error))
}

fn array(checkpoint: &Checkpoint, name: &str, len: usize) -> Result<Vec<f32>, PoseError> {
    match checkpoint.array(name) {
        Some(CheckpointArray::F32 { values, .. }) if values.len() == len => Ok(values.clone()),
        _ => {
            let why = format!("{len} values of f32 expected");
            Err(TrainError::State { name: name.to_owned(), why }.into())
        }
    }
}

fn trained_values(model: &PoseModel) -> Result<Vec<Vec<f32>>, PoseError> {
    model.trained().map(|(_, var)| Ok(var.flatten_all()?.to_vec1::<f32>()?)).collect()
}

fn set_values(model: &PoseModel, values: &[Vec<f32>]) -> Result<(), PoseError> {
    for ((_, var), values) in model.trained().zip(values) {
        var.set(&Tensor::from_slice(values, var.shape(), &Device::Cpu)?)?;
    }
    Ok(())
}

fn slices(values: &[Vec<f32>]) -> Vec<&[f32]> {
    values.iter().map(Vec::as_slice).collect()
}
