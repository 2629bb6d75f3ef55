//! When training is over.

use serde::{Deserialize, Serialize};

use crate::TrainError;
use crate::optimizer::in_range;

/// What an epoch was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Epoch {
    /// The best so far.
    Best,
    /// No better than one before.
    Worse,
    /// The last: none was better for too long.
    Last,
}

/// Ends training after `patience` epochs whose loss was not below the best one less `min_delta`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EarlyStopping {
    patience: u64,
    min_delta: f64,
    best: Option<f64>,
    /// Epochs since the best.
    waited: u64,
}

impl EarlyStopping {
    /// Patience and improvement that are customary: 50 epochs, 1e-6.
    pub const DEFAULT: (u64, f64) = (50, 1e-6);

    /// None was seen yet.
    ///
    /// # Errors
    /// [`TrainError::Option`] for no patience at all or a negative improvement.
    pub fn new(patience: u64, min_delta: f64) -> Result<Self, TrainError> {
        in_range("EarlyStopping", ("patience", patience as f64), 1.0.., "at least 1")?;
        in_range("EarlyStopping", ("min_delta", min_delta), 0.0.., "not negative")?;
        Ok(Self { patience, min_delta, best: None, waited: 0 })
    }

    /// The same after a best loss, if there was one, and so many epochs since.
    #[must_use]
    pub fn resumed(self, best: Option<f64>, waited: u64) -> Self {
        Self { best, waited, ..self }
    }

    /// Takes the loss of an epoch. A loss that is not finite is never better.
    pub fn observe(&mut self, loss: f64) -> Epoch {
        if loss.is_finite() && self.best.is_none_or(|best| loss < best - self.min_delta) {
            (self.best, self.waited) = (Some(loss), 0);
            return Epoch::Best;
        }
        self.waited += 1;
        if self.waited >= self.patience { Epoch::Last } else { Epoch::Worse }
    }

    /// The lowest loss, if there was one.
    #[must_use]
    pub fn best(&self) -> Option<f64> {
        self.best
    }

    /// Epochs since the best.
    #[must_use]
    pub fn waited(&self) -> u64 {
        self.waited
    }
}
