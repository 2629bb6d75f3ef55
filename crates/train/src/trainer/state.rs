//! Checkpoints of a trainer.

use std::path::PathBuf;

use super::position::{Position, count, number, set_number};
use super::{CheckpointOptions, OptimizerOptions, Trainer};
use crate::data::Sampler;
use crate::{Checkpoint, Ema, Real as _, Task, TrainError};

/// Names under which a checkpoint keeps things.
const PARAMETERS: &str = "parameters.";
const AVERAGES: &str = "averages.";
const OPTIMIZER: &str = "optimizer";

impl CheckpointOptions {
    /// Whether `last` is written after that step, within an epoch.
    pub(super) fn is_due(&self, steps: u64) -> bool {
        self.every_steps.is_some_and(|every| steps.is_multiple_of(every))
    }
}

impl OptimizerOptions {
    fn name(self) -> &'static str {
        match self {
            Self::Adam(_) => "adam",
            Self::Sgd(_) => "sgd",
        }
    }
}

impl Trainer {
    /// The file of a checkpoint, if any are written.
    pub(super) fn path(&self, name: &str) -> Option<PathBuf> {
        self.options.checkpoints.as_ref().map(|to| to.folder.join(format!("{name}.safetensors")))
    }

    /// Writes a checkpoint, if any are written.
    pub(super) fn write(&self, name: &str, sampler: &Sampler, task: &dyn Task) -> Result<(), TrainError> {
        let Some(path) = self.path(name) else { return Ok(()) };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(|source| TrainError::Io {
                path: folder.to_owned(),
                action: "make the folder",
                source,
            })?;
        }
        let mut checkpoint = self.checkpoint()?;
        for (name, value) in config(sampler, self.options.accumulation) {
            checkpoint.set_field(name, value);
        }
        task.save(&mut checkpoint);
        checkpoint.write(&path)
    }

    fn checkpoint(&self) -> Result<Checkpoint, TrainError> {
        let mut checkpoint = Checkpoint::new(&self.options.kind);
        self.parameters.save(PARAMETERS, &mut checkpoint)?;
        self.position.save(&mut checkpoint);
        checkpoint.set_field("optimizer", self.options.optimizer.name());
        checkpoint.set_optimizer(OPTIMIZER, &self.optimizer.state());
        if let Some(scaler) = &self.scaler {
            set_number(&mut checkpoint, "loss_scale", Some(scaler.scale()));
            checkpoint.set_field("growth_tracker", scaler.growth_tracker());
        }
        if let Some(stopping) = &self.stopping {
            set_number(&mut checkpoint, "least_loss", stopping.best());
            checkpoint.set_field("waited_epochs", stopping.waited());
        }
        self.save_averages(&mut checkpoint);
        Ok(checkpoint)
    }

    fn save_averages(&self, checkpoint: &mut Checkpoint) {
        let Some(ema) = &self.ema else { return };
        checkpoint.set_field("average_updates", ema.updates());
        for ((name, var), values) in self.parameters.trained().iter().zip(ema.averages()) {
            checkpoint.set_array(format!("{AVERAGES}{name}"), f32::into_array(values.clone(), var.dims().to_vec()));
        }
    }

    /// Takes everything out of a checkpoint but what belongs to task and data.
    pub(super) fn load(&mut self, checkpoint: &Checkpoint) -> Result<(), TrainError> {
        let optimizer = checkpoint.field("optimizer").and_then(serde_json::Value::as_str).unwrap_or("none");
        if optimizer != self.options.optimizer.name() {
            let why = format!("is {optimizer} in the checkpoint, {} here", self.options.optimizer.name());
            return Err(TrainError::State { name: "optimizer".into(), why });
        }
        let position = Position::load(checkpoint)?;
        self.parameters.load(PARAMETERS, checkpoint)?;
        self.optimizer.restore(checkpoint.optimizer(OPTIMIZER)?)?;
        if let Some(scaler) = self.scaler.take() {
            let scale = number(checkpoint, "loss_scale").unwrap_or_else(|| scaler.scale());
            let tracker = count(checkpoint, "growth_tracker").unwrap_or_else(|_| scaler.growth_tracker());
            self.scaler = Some(scaler.resumed(scale, tracker));
        }
        if let Some(stopping) = self.stopping.take() {
            let waited = count(checkpoint, "waited_epochs").unwrap_or_else(|_| stopping.waited());
            self.stopping = Some(stopping.resumed(number(checkpoint, "least_loss"), waited));
        }
        if let Some(decay) = self.options.ema_decay {
            self.ema = Some(self.load_averages(decay, checkpoint)?);
        }
        self.position = position;
        Ok(())
    }

    fn load_averages(&self, decay: f64, checkpoint: &Checkpoint) -> Result<Ema<f32>, TrainError> {
        let array = |(name, var): &(String, candle_core::Var)| {
            let values = checkpoint.array(&format!("{AVERAGES}{name}")).and_then(f32::from_array);
            let values = values.filter(|values| values.len() == var.elem_count());
            let why = "has no average in the checkpoint, or one of another length".to_owned();
            values.map(<[f32]>::to_vec).ok_or_else(|| TrainError::State { name: name.clone(), why })
        };
        let averages = self.parameters.trained().iter().map(array).collect::<Result<_, _>>()?;
        Ema::resume(decay, count(checkpoint, "average_updates")?, averages)
    }

    /// Gives task and sampler their part of the checkpoint that training goes on from.
    pub(super) fn hand_over(&mut self, sampler: &Sampler, task: &mut dyn Task) -> Result<(), TrainError> {
        let Some(checkpoint) = self.resumed.take() else { return Ok(()) };
        for (name, wanted) in config(sampler, self.options.accumulation) {
            let found = count(&checkpoint, name)?;
            if found != wanted {
                let why = format!("is {found} in the checkpoint, {wanted} here");
                return Err(TrainError::State { name: name.to_owned(), why });
            }
        }
        task.restore(&checkpoint).map_err(|error| TrainError::inner("restoring the task", error))
    }

    /// Remembers the parameters, where training may end with those of an earlier epoch.
    pub(super) fn keep_best(&mut self) -> Result<(), TrainError> {
        if self.stopping.is_some() {
            let mut best = Checkpoint::new(&self.options.kind);
            self.parameters.save(PARAMETERS, &mut best)?;
            self.save_averages(&mut best);
            self.best = Some(best);
        }
        Ok(())
    }

    /// Goes back to the parameters of the best epoch, and its averages.
    pub(super) fn restore_best(&mut self) -> Result<(), TrainError> {
        let best = match (self.best.take(), self.path("best").filter(|path| path.exists())) {
            (Some(best), _) => best,
            (None, Some(path)) => Checkpoint::read(&path, &self.options.kind)?,
            (None, None) => return Ok(()),
        };
        self.parameters.load(PARAMETERS, &best)?;
        if let Some(decay) = self.options.ema_decay {
            self.ema = Some(self.load_averages(decay, &best)?);
        }
        Ok(())
    }
}

/// What must be the same for the order of samples to be.
fn config(sampler: &Sampler, accumulation: usize) -> [(&'static str, u64); 6] {
    [
        ("samples", sampler.n_samples as u64),
        ("batch_size", sampler.batch_size as u64),
        ("accumulation", accumulation as u64),
        ("seed", sampler.seed),
        ("shuffle", u64::from(sampler.shuffle)),
        ("drop_last", u64::from(sampler.drop_last)),
    ]
}

impl crate::Parameters {
    /// Takes the values of a checkpoint of a [`Trainer`], to use the network or to train it further for another task.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`]; [`TrainError::State`] when a parameter is missing, not of this network, or has another
    /// shape. Nothing has changed then.
    pub fn read_checkpoint(&self, path: &std::path::Path, kind: &str) -> Result<(), TrainError> {
        self.load(PARAMETERS, &Checkpoint::read(path, kind)?)
    }
}
