//! What optimisers have in common.

use crate::{Real, TrainError};

/// An array of parameters, and the derivatives of the loss with respect to it.
#[derive(Debug)]
pub struct Parameter<'a, T> {
    /// What is trained.
    pub values: &'a mut [T],
    /// As many derivatives.
    pub gradient: &'a [T],
}

/// What an optimiser remembers between steps, to be kept in a checkpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct OptimizerState<T> {
    /// Steps taken.
    pub steps: u64,
    /// Arrays by name and number of the parameter array: `("first_moment", 3, ..)`.
    pub arrays: Vec<(String, usize, Vec<T>)>,
    /// Numbers by name.
    pub numbers: Vec<(String, f64)>,
}

impl<T> OptimizerState<T> {
    /// Takes array `index` of that name out.
    ///
    /// # Errors
    /// [`TrainError::State`] when there is none.
    pub(crate) fn take(&mut self, name: &str, index: usize) -> Result<Vec<T>, TrainError> {
        let at = self.arrays.iter().position(|(n, i, _)| n == name && *i == index);
        let at = at.ok_or_else(|| missing(name, index))?;
        Ok(self.arrays.swap_remove(at).2)
    }

    /// A number.
    ///
    /// # Errors
    /// [`TrainError::State`] when there is none of that name.
    pub(crate) fn number(&self, name: &str) -> Result<f64, TrainError> {
        let found = self.numbers.iter().find(|(n, _)| n == name).map(|(_, number)| *number);
        found.ok_or_else(|| TrainError::State { name: name.to_owned(), why: "is missing".into() })
    }

    /// How many arrays of that name follow one another from number 0.
    pub(crate) fn count(&self, name: &str) -> usize {
        (0..).take_while(|index| self.arrays.iter().any(|(n, i, _)| n == name && i == index)).count()
    }
}

fn missing(name: &str, index: usize) -> TrainError {
    TrainError::State { name: format!("{name}.{index}"), why: "is missing".into() }
}

/// A method of the first order: a step for each gradient.
///
/// Arrays must be the same, in number, order and length, in every step.
pub trait Optimizer<T: Real>: Send {
    /// Changes the parameters.
    ///
    /// # Errors
    /// [`TrainError::Length`] when an array and its gradient, or the array and that of earlier steps, differ in length,
    /// [`TrainError::Arrays`] when there are more or fewer than before. Nothing has changed then.
    fn step(&mut self, parameters: &mut [Parameter<'_, T>]) -> Result<(), TrainError>;

    /// The learning rate.
    fn learning_rate(&self) -> f64;

    /// Sets the learning rate of the next steps.
    fn set_learning_rate(&mut self, rate: f64);

    /// What must be kept to go on later.
    fn state(&self) -> OptimizerState<T>;

    /// Goes on from a state.
    ///
    /// # Errors
    /// [`TrainError::State`] when something is missing or does not fit together; the optimiser is as it was then.
    fn restore(&mut self, state: OptimizerState<T>) -> Result<(), TrainError>;
}

/// Checks that parameters fit their gradients and arrays of earlier steps of these lengths (none before the first).
pub(crate) fn check<T>(
    what: &'static str,
    parameters: &[Parameter<'_, T>],
    known: Option<&[usize]>,
) -> Result<(), TrainError> {
    let lengths = |of: fn(&Parameter<'_, T>) -> usize| parameters.iter().map(of).collect::<Vec<_>>();
    let values = lengths(|parameter| parameter.values.len());
    if let Some(known) = known {
        same_lengths(what, &values, known)?;
    }
    same_lengths(what, &lengths(|parameter| parameter.gradient.len()), &values)
}

/// Checks that arrays are as many and as long as they should be.
pub(crate) fn same_lengths(what: &'static str, got: &[usize], wanted: &[usize]) -> Result<(), TrainError> {
    if got.len() != wanted.len() {
        return Err(TrainError::Arrays { what, got: got.len(), wanted: wanted.len() });
    }
    match got.iter().zip(wanted).enumerate().find(|(_, (got, wanted))| got != wanted) {
        None => Ok(()),
        Some((index, (&got, &wanted))) => Err(TrainError::Length { what, index, got, wanted }),
    }
}

/// The lengths of arrays.
pub(crate) fn lengths<T, A: AsRef<[T]>>(arrays: &[A]) -> Vec<usize> {
    arrays.iter().map(|array| array.as_ref().len()).collect()
}

/// Checks that an option lies in a range.
pub(crate) fn in_range(
    what: &'static str,
    (name, value): (&'static str, f64),
    range: impl std::ops::RangeBounds<f64>,
    why: &'static str,
) -> Result<(), TrainError> {
    if value.is_finite() && range.contains(&value) {
        return Ok(());
    }
    Err(TrainError::Option { what, name, value: value.to_string(), why })
}
