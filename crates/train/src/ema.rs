//! Averages of parameters over the steps of training.

use crate::optimizer::{in_range, lengths, same_lengths};
use crate::{Real, TrainError};

/// The exponential moving average of parameters, which generalises better than the last step.
///
/// `a = a + (1 - decay_t) (p - a)` with `decay_t = min(decay, (1 + t) / (10 + t))` at update `t` = 0, 1, .., so that the
/// first steps are soon forgotten.
#[derive(Clone, Debug, PartialEq)]
pub struct Ema<T> {
    decay: f64,
    updates: u64,
    averages: Vec<Vec<T>>,
}

impl<T: Real> Ema<T> {
    /// Averages that begin at these parameters.
    ///
    /// # Errors
    /// [`TrainError::Option`] for a decay outside of 0 to 1.
    pub fn new(decay: f64, parameters: &[&[T]]) -> Result<Self, TrainError> {
        Self::resume(decay, 0, parameters.iter().map(|values| values.to_vec()).collect())
    }

    /// Averages after some updates.
    ///
    /// # Errors
    /// As [`Ema::new`].
    pub fn resume(decay: f64, updates: u64, averages: Vec<Vec<T>>) -> Result<Self, TrainError> {
        in_range("Ema", ("decay", decay), 0.0..1.0, "at least 0 and below 1")?;
        Ok(Self { decay, updates, averages })
    }

    /// Takes the parameters of a step in.
    ///
    /// # Errors
    /// [`TrainError::Arrays`], [`TrainError::Length`] when they are not those of before; nothing has changed then.
    pub fn update(&mut self, parameters: &[&[T]]) -> Result<(), TrainError> {
        same_lengths("Ema", &lengths(parameters), &lengths(&self.averages))?;
        let t = self.updates as f64;
        let share = T::from_f64(1.0 - self.decay.min((1.0 + t) / (10.0 + t)));
        for (average, values) in self.averages.iter_mut().zip(parameters) {
            for (a, p) in average.iter_mut().zip(*values) {
                *a += share * (*p - *a);
            }
        }
        self.updates += 1;
        Ok(())
    }

    /// Updates so far.
    #[must_use]
    pub fn updates(&self) -> u64 {
        self.updates
    }

    /// The averages.
    #[must_use]
    pub fn averages(&self) -> &[Vec<T>] {
        &self.averages
    }
}
