//! What is minimised.

use candle_core::Tensor;
use volkit_core::BoxError;

use crate::Checkpoint;

/// Where training stands when a loss is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moment {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Step of the optimiser, from 0 since training began.
    pub step: u64,
    /// Samples of the batch.
    pub samples: usize,
}

/// A loss, and what it is made of.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Loss {
    /// The mean over the samples of the batch: one number, f32, in the graph.
    pub total: Tensor,
    /// Parts by name, for the record.
    pub parts: Vec<(String, f64)>,
}

impl Loss {
    /// A loss that is told as a whole.
    #[must_use]
    pub fn new(total: Tensor) -> Self {
        Self { total, parts: Vec::new() }
    }

    /// With a part for the record.
    #[must_use]
    pub fn with_part(mut self, name: impl Into<String>, value: f64) -> Self {
        self.parts.push((name.into(), value));
        self
    }
}

impl From<Tensor> for Loss {
    fn from(total: Tensor) -> Self {
        Self::new(total)
    }
}

/// What a [`crate::Trainer`] minimises: the loss of the samples of a batch.
///
/// # Protocol
/// `loss` runs the network in training and may be called several times for one step of the optimiser, on parts of its
/// batch. `validate` comes at the end of each epoch. A task that changes while it is trained (weights of a loss,
/// multipliers) keeps that in checkpoints by `save` and `restore`, so that a run that is resumed takes the same steps.
pub trait Task {
    /// The mean loss over the samples of `batch`, the tensors of a [`crate::DataSet`], as a scalar in the graph.
    ///
    /// # Errors
    /// What the network refuses; it ends the training.
    fn loss(&mut self, batch: &[Tensor], moment: &Moment) -> Result<Loss, BoxError>;

    /// A number by which epochs are compared, lower being better; the mean loss of the epoch where there is none. The
    /// parameters are the averages, if the trainer keeps such.
    ///
    /// # Errors
    /// What the network refuses; it ends the training.
    fn validate(&mut self, _epoch: u64) -> Result<Option<f64>, BoxError> {
        Ok(None)
    }

    /// Puts what has changed into a checkpoint, under names that begin with `task.`.
    fn save(&self, _checkpoint: &mut Checkpoint) {}

    /// Takes it out again.
    ///
    /// # Errors
    /// When something is missing.
    fn restore(&mut self, _checkpoint: &Checkpoint) -> Result<(), BoxError> {
        Ok(())
    }
}
