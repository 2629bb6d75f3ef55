//! Where training stands.

use crate::{Checkpoint, CheckpointArray, TrainError};

/// Everything that moves on beside parameters and the optimiser. Positions are those of whole steps.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Position {
    /// Epoch, from 0.
    pub(super) epoch: u64,
    /// Batches of this epoch that are part of a step.
    pub(super) batches: u64,
    /// Steps, taken or skipped.
    pub(super) steps: u64,
    /// Those that were skipped.
    pub(super) skipped: u64,
    /// Of them in this epoch.
    pub(super) skipped_here: u64,
    /// Sum of the losses of the samples of this epoch.
    pub(super) loss_sum: f64,
    /// Samples in it.
    pub(super) samples: u64,
    /// Mean loss of the last complete epoch.
    pub(super) last_loss: Option<f64>,
    /// The best epoch and its loss.
    pub(super) best: Option<(u64, f64)>,
}

impl Position {
    /// Steps that changed the parameters.
    pub(super) fn taken(&self) -> u64 {
        self.steps - self.skipped
    }

    /// Puts it into a checkpoint. Numbers that must come back to the bit are arrays.
    pub(super) fn save(&self, checkpoint: &mut Checkpoint) {
        for (name, count) in self.counts() {
            checkpoint.set_field(name, count);
        }
        let (best_epoch, best_loss) = self.best.map_or((None, None), |(epoch, loss)| (Some(epoch), Some(loss)));
        checkpoint.set_field("best_epoch", best_epoch);
        for (name, number) in
            [("loss_sum", Some(self.loss_sum)), ("last_loss", self.last_loss), ("best_loss", best_loss)]
        {
            set_number(checkpoint, name, number);
        }
    }

    fn counts(&self) -> [(&'static str, u64); 6] {
        [
            ("epoch", self.epoch),
            ("batches", self.batches),
            ("steps", self.steps),
            ("skipped", self.skipped),
            ("skipped_here", self.skipped_here),
            ("epoch_samples", self.samples),
        ]
    }

    pub(super) fn load(checkpoint: &Checkpoint) -> Result<Self, TrainError> {
        let loss_sum = number(checkpoint, "loss_sum").ok_or_else(|| missing("loss_sum"))?;
        let best_epoch = checkpoint.field("best_epoch").and_then(serde_json::Value::as_u64);
        let loaded = Self {
            epoch: count(checkpoint, "epoch")?,
            batches: count(checkpoint, "batches")?,
            steps: count(checkpoint, "steps")?,
            skipped: count(checkpoint, "skipped")?,
            skipped_here: count(checkpoint, "skipped_here")?,
            loss_sum,
            samples: count(checkpoint, "epoch_samples")?,
            last_loss: number(checkpoint, "last_loss"),
            best: best_epoch.zip(number(checkpoint, "best_loss")),
        };
        if loaded.skipped > loaded.steps {
            let why = format!("{}, more than {} steps", loaded.skipped, loaded.steps);
            return Err(TrainError::State { name: "skipped".into(), why });
        }
        Ok(loaded)
    }
}

fn missing(name: &str) -> TrainError {
    TrainError::State { name: name.to_owned(), why: "is missing".into() }
}

/// A count of a checkpoint.
pub(super) fn count(checkpoint: &Checkpoint, name: &str) -> Result<u64, TrainError> {
    checkpoint.field(name).and_then(serde_json::Value::as_u64).ok_or_else(|| missing(name))
}

/// Sets a number, if there is one.
pub(super) fn set_number(checkpoint: &mut Checkpoint, name: &str, number: Option<f64>) {
    let values: Vec<f64> = number.into_iter().collect();
    checkpoint.set_array(format!("trainer.{name}"), CheckpointArray::F64 { shape: vec![values.len()], values });
}

/// A number that was set.
pub(super) fn number(checkpoint: &Checkpoint, name: &str) -> Option<f64> {
    match checkpoint.array(&format!("trainer.{name}")) {
        Some(CheckpointArray::F64 { values, .. }) => values.first().copied(),
        _ => None,
    }
}
