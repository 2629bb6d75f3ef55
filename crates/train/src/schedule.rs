//! Learning rates over time.

use std::f64::consts::PI;

use crate::TrainError;
use crate::optimizer::in_range;

/// A factor of the learning rate at each time `t`, an epoch or a step as the trainer counts: 0, 1, 2, ..
pub trait Schedule: Send + Sync {
    /// The factor at time `t`, not negative.
    fn factor(&self, t: u64) -> f64;
}

/// Always 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Constant;

impl Schedule for Constant {
    fn factor(&self, _t: u64) -> f64 {
        1.0
    }
}

/// `gamma^t`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Exponential {
    gamma: f64,
}

impl Exponential {
    /// A decay of `gamma` each time.
    ///
    /// # Errors
    /// [`TrainError::Option`] for a `gamma` that is not positive.
    pub fn new(gamma: f64) -> Result<Self, TrainError> {
        in_range("Exponential", ("gamma", gamma), f64::MIN_POSITIVE.., "positive")?;
        Ok(Self { gamma })
    }
}

impl Schedule for Exponential {
    fn factor(&self, t: u64) -> f64 {
        self.gamma.powf(t as f64)
    }
}

/// `gamma^floor(t / every)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Step {
    every: u64,
    gamma: f64,
}

impl Step {
    /// A decay of `gamma` every so many times.
    ///
    /// # Errors
    /// [`TrainError::Option`] for `every` = 0 or a `gamma` that is not positive.
    pub fn new(every: u64, gamma: f64) -> Result<Self, TrainError> {
        in_range("Step", ("every", every as f64), 1.0.., "at least 1")?;
        in_range("Step", ("gamma", gamma), f64::MIN_POSITIVE.., "positive")?;
        Ok(Self { every, gamma })
    }
}

impl Schedule for Step {
    fn factor(&self, t: u64) -> f64 {
        self.gamma.powf((t / self.every) as f64)
    }
}

/// Half a cosine from 1 down to `last` at time `total`, and `last` from then on (Loshchilov and Hutter, 2017, equation 5,
/// without restarts).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cosine {
    total: u64,
    last: f64,
}

impl Cosine {
    /// A descent over `total` times.
    ///
    /// # Errors
    /// [`TrainError::Option`] for `total` = 0 or a `last` outside of 0 to 1.
    pub fn new(total: u64, last: f64) -> Result<Self, TrainError> {
        in_range("Cosine", ("total", total as f64), 1.0.., "at least 1")?;
        in_range("Cosine", ("last", last), 0.0..=1.0, "between 0 and 1")?;
        Ok(Self { total, last })
    }
}

impl Schedule for Cosine {
    fn factor(&self, t: u64) -> f64 {
        let share = (t as f64 / self.total as f64).min(1.0);
        self.last + (1.0 - self.last) * 0.5 * (1.0 + (PI * share).cos())
    }
}

/// Rises from `1 / over` by as much each time until time `over - 1`; then another schedule begins at its time 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Warmup<S> {
    over: u64,
    then: S,
}

impl<S: Schedule> Warmup<S> {
    /// A rise over `over` times, which may be 0, before `then`.
    #[must_use]
    pub fn new(over: u64, then: S) -> Self {
        Self { over, then }
    }
}

impl<S: Schedule> Schedule for Warmup<S> {
    fn factor(&self, t: u64) -> f64 {
        match t.checked_sub(self.over) {
            None => (t + 1) as f64 / self.over as f64 * self.then.factor(0),
            Some(t) => self.then.factor(t),
        }
    }
}
