//! Options of a trainer.

use std::path::PathBuf;
use std::sync::Arc;

use crate::optimizer::in_range;
use crate::{
    Adam, AdamOptions, Constant, EarlyStopping, GradScaler, GradScalerOptions, Optimizer, Schedule, Sgd, SgdOptions,
    TrainError,
};

/// Which optimiser takes the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptimizerOptions {
    /// [`Adam`] and its variants.
    Adam(AdamOptions),
    /// [`Sgd`].
    Sgd(SgdOptions),
}

impl OptimizerOptions {
    pub(super) fn build(self) -> Result<Box<dyn Optimizer<f32>>, TrainError> {
        Ok(match self {
            Self::Adam(options) => Box::new(Adam::new(options)?),
            Self::Sgd(options) => Box::new(Sgd::new(options)?),
        })
    }

    pub(super) fn learning_rate(self) -> f64 {
        match self {
            Self::Adam(options) => options.learning_rate,
            Self::Sgd(options) => options.learning_rate,
        }
    }
}

/// What the time of a schedule counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScheduleUnit {
    /// Epochs.
    #[default]
    Epoch,
    /// Steps that were taken; those that were skipped do not count.
    Step,
}

/// What is done about a loss or a gradient that is NaN or infinite.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NonFinite {
    /// Training ends with an error.
    #[default]
    Stop,
    /// The step is skipped: parameters, moments and schedule stay. Observers hear of it once. An epoch of nothing else is
    /// an error.
    Skip,
}

/// Where and when checkpoints are written: `last.safetensors`, and `best.safetensors` for the epoch with the lowest loss.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CheckpointOptions {
    /// The folder, which is made if it is not there.
    pub folder: PathBuf,
    /// Epochs from one `last` to the next; 1 by default.
    pub every_epochs: u64,
    /// Steps from one `last` to the next within an epoch; none by default.
    pub every_steps: Option<u64>,
}

impl CheckpointOptions {
    /// After each epoch.
    #[must_use]
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), every_epochs: 1, every_steps: None }
    }

    /// The same with another number of epochs in between.
    #[must_use]
    pub fn with_every_epochs(self, every_epochs: u64) -> Self {
        Self { every_epochs, ..self }
    }

    /// The same, and every so many steps.
    #[must_use]
    pub fn with_every_steps(self, every_steps: u64) -> Self {
        Self { every_steps: Some(every_steps), ..self }
    }
}

/// Options of a [`crate::Trainer`].
#[derive(Clone)]
#[non_exhaustive]
pub struct TrainerOptions {
    /// Name of model and task: checkpoints of another are refused.
    pub kind: String,
    /// The optimiser; Adam with its defaults.
    pub optimizer: OptimizerOptions,
    /// Factor of the learning rate over time; constant.
    pub schedule: Arc<dyn Schedule>,
    /// What its time counts; epochs.
    pub schedule_unit: ScheduleUnit,
    /// Epochs, 50.
    pub epochs: u64,
    /// Steps after which training ends even within an epoch; none.
    pub max_steps: Option<u64>,
    /// Samples of a batch, 4.
    pub batch_size: usize,
    /// Batches whose gradients make a step, 1. The step is that of one batch of all their samples, up to rounding and to the
    /// statistics of batch norms.
    pub accumulation: usize,
    /// Whether the order of samples changes from epoch to epoch; yes.
    pub shuffle: bool,
    /// Whether samples that are left over at the end of an epoch are left out; no.
    pub drop_last: bool,
    /// Batches made ahead of time, 2.
    pub prefetch: usize,
    /// Most length of the gradient; none.
    pub clip_grad_norm: Option<f64>,
    /// Loss scaling, which f16 needs; none.
    pub scaler: Option<GradScalerOptions>,
    /// Decay of the averages of parameters ([`crate::Ema`]); none are kept.
    pub ema_decay: Option<f64>,
    /// What is done about numbers that are not finite; training ends.
    pub non_finite: NonFinite,
    /// Epochs without improvement after which training ends, and the least improvement; none.
    pub early_stopping: Option<(u64, f64)>,
    /// Checkpoints; none are written.
    pub checkpoints: Option<CheckpointOptions>,
    /// Seed of the order of samples and of what data sets draw, 0.
    pub seed: u64,
}

impl std::fmt::Debug for TrainerOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TrainerOptions")
            .field("kind", &self.kind)
            .field("optimizer", &self.optimizer)
            .finish_non_exhaustive()
    }
}

macro_rules! setters {
    ($($(#[$doc:meta])* $method:ident $field:ident: $type:ty;)*) => {
        $(
            $(#[$doc])*
            #[must_use]
            pub fn $method(self, $field: $type) -> Self {
                Self { $field, ..self }
            }
        )*
    };
}

impl TrainerOptions {
    /// The defaults for a model and task of that name.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self {
            kind: kind.into(),
            optimizer: OptimizerOptions::Adam(AdamOptions::default()),
            schedule: Arc::new(Constant),
            schedule_unit: ScheduleUnit::default(),
            epochs: 50,
            max_steps: None,
            batch_size: 4,
            accumulation: 1,
            shuffle: true,
            drop_last: false,
            prefetch: 2,
            clip_grad_norm: None,
            scaler: None,
            ema_decay: None,
            non_finite: NonFinite::default(),
            early_stopping: None,
            checkpoints: None,
            seed: 0,
        }
    }

    setters! {
        /// The same with another optimiser.
        with_optimizer optimizer: OptimizerOptions;
        /// The same with other epochs.
        with_epochs epochs: u64;
        /// The same with batches of another size.
        with_batch_size batch_size: usize;
        /// The same with a step for so many batches.
        with_accumulation accumulation: usize;
        /// The same with or without another order in each epoch.
        with_shuffle shuffle: bool;
        /// The same with or without the samples that are left over.
        with_drop_last drop_last: bool;
        /// The same with so many batches made ahead of time.
        with_prefetch prefetch: usize;
        /// The same with another answer to numbers that are not finite.
        with_non_finite non_finite: NonFinite;
        /// The same with another seed.
        with_seed seed: u64;
        /// The same with at most so many steps, if there is a number.
        with_max_steps max_steps: Option<u64>;
        /// The same with gradients of at most that length, if there is one.
        with_clip_grad_norm clip_grad_norm: Option<f64>;
        /// The same with loss scaling, if there are options of it.
        with_scaler scaler: Option<GradScalerOptions>;
        /// The same with averages of the parameters, if there is a decay.
        with_ema_decay ema_decay: Option<f64>;
        /// The same with an end after epochs without improvement, `(patience, least improvement)`.
        with_early_stopping early_stopping: Option<(u64, f64)>;
        /// The same with checkpoints, if there are options of them.
        with_checkpoints checkpoints: Option<CheckpointOptions>;
    }

    /// The same with a learning rate that changes over epochs or steps.
    #[must_use]
    pub fn with_schedule(self, schedule: impl Schedule + 'static, schedule_unit: ScheduleUnit) -> Self {
        Self { schedule: Arc::new(schedule), schedule_unit, ..self }
    }

    /// Checks all fields.
    ///
    /// # Errors
    /// [`TrainError::Option`] for one that is out of its range.
    pub fn validate(&self) -> Result<(), TrainError> {
        const NAME: &str = "Trainer";
        let at_least_one = |name, value: u64| in_range(NAME, (name, value as f64), 1.0.., "at least 1");
        self.optimizer.build()?;
        at_least_one("epochs", self.epochs)?;
        at_least_one("batch_size", self.batch_size as u64)?;
        at_least_one("accumulation", self.accumulation as u64)?;
        at_least_one("max_steps", self.max_steps.unwrap_or(1))?;
        if let Some(most) = self.clip_grad_norm {
            in_range(NAME, ("clip_grad_norm", most), f64::MIN_POSITIVE.., "positive")?;
        }
        if let Some(decay) = self.ema_decay {
            in_range(NAME, ("ema_decay", decay), 0.0..1.0, "at least 0 and below 1")?;
        }
        if let Some(options) = self.scaler {
            GradScaler::new(options)?;
        }
        if let Some((patience, least)) = self.early_stopping {
            EarlyStopping::new(patience, least)?;
        }
        if let Some(checkpoints) = &self.checkpoints {
            at_least_one("every_epochs", checkpoints.every_epochs)?;
            at_least_one("every_steps", checkpoints.every_steps.unwrap_or(1))?;
        }
        Ok(())
    }
}
