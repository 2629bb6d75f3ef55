//! Gradient descent with momentum.

use crate::optimizer::{check, in_range};
use crate::{Optimizer, OptimizerState, Parameter, Real, TrainError};

/// Options of [`Sgd`].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct SgdOptions {
    /// Learning rate, 0 until it is set.
    pub learning_rate: f64,
    /// Share of the last step that is kept, 0.
    pub momentum: f64,
    /// Times the parameter, added to the gradient, 0.
    pub weight_decay: f64,
}

impl SgdOptions {
    /// A learning rate, and nothing else.
    #[must_use]
    pub fn new(learning_rate: f64) -> Self {
        Self { learning_rate, ..Self::default() }
    }

    /// The same with momentum.
    #[must_use]
    pub fn with_momentum(self, momentum: f64) -> Self {
        Self { momentum, ..self }
    }

    /// The same with weights drawn to zero.
    #[must_use]
    pub fn with_weight_decay(self, weight_decay: f64) -> Self {
        Self { weight_decay, ..self }
    }
}

/// `u = momentum u + g` (in the first step `u = g`), `p -= rate u`.
#[derive(Clone, Debug)]
pub struct Sgd<T> {
    options: SgdOptions,
    steps: u64,
    velocities: Vec<Vec<T>>,
}

const VELOCITY: &str = "velocity";

impl<T: Real> Sgd<T> {
    /// An optimiser that has taken no step.
    ///
    /// # Errors
    /// [`TrainError::Option`] for an option out of its range.
    pub fn new(options: SgdOptions) -> Result<Self, TrainError> {
        in_range("SGD", ("learning_rate", options.learning_rate), 0.0.., "not negative")?;
        in_range("SGD", ("momentum", options.momentum), 0.0..1.0, "at least 0 and below 1")?;
        in_range("SGD", ("weight_decay", options.weight_decay), 0.0.., "not negative")?;
        Ok(Self { options, steps: 0, velocities: Vec::new() })
    }
}

impl<T: Real> Optimizer<T> for Sgd<T> {
    fn step(&mut self, parameters: &mut [Parameter<'_, T>]) -> Result<(), TrainError> {
        let known: Vec<usize> = self.velocities.iter().map(Vec::len).collect();
        check("SGD", parameters, (self.steps > 0).then_some(known.as_slice()))?;
        if self.steps == 0 {
            self.velocities = parameters.iter().map(|p| vec![T::default(); p.values.len()]).collect();
        }
        self.steps += 1;
        let SgdOptions { learning_rate, momentum, weight_decay } = self.options;
        let [rate, momentum, decay] = [learning_rate, momentum, weight_decay].map(T::from_f64);
        for (velocity, parameter) in self.velocities.iter_mut().zip(parameters) {
            for ((u, p), g) in velocity.iter_mut().zip(parameter.values.iter_mut()).zip(parameter.gradient) {
                *u = momentum * *u + (*g + decay * *p);
                *p -= rate * *u;
            }
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.options.learning_rate
    }

    fn set_learning_rate(&mut self, rate: f64) {
        self.options.learning_rate = rate;
    }

    fn state(&self) -> OptimizerState<T> {
        let arrays = self.velocities.iter().enumerate().map(|(i, u)| (VELOCITY.to_owned(), i, u.clone())).collect();
        OptimizerState { steps: self.steps, arrays, numbers: Vec::new() }
    }

    fn restore(&mut self, mut state: OptimizerState<T>) -> Result<(), TrainError> {
        self.velocities =
            (0..state.count(VELOCITY)).map(|index| state.take(VELOCITY, index)).collect::<Result<_, _>>()?;
        self.steps = state.steps;
        Ok(())
    }
}
