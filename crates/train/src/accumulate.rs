//! One step for several batches.

use crate::optimizer::{lengths, same_lengths};
use crate::{Real, TrainError};

/// Sums the gradients of parts of a batch to that of the whole, where the loss is a mean over samples: a part of `b` samples
/// counts `b / sum of all b`.
///
/// Batch norms see parts: their statistics, and so the gradient, are those of the parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Accumulator<T> {
    sums: Vec<Vec<T>>,
    loss: f64,
    samples: usize,
}

impl<T: Real> Accumulator<T> {
    /// Room for arrays of these lengths.
    #[must_use]
    pub fn new(lengths: &[usize]) -> Self {
        Self { sums: lengths.iter().map(|&n| vec![T::default(); n]).collect(), loss: 0.0, samples: 0 }
    }

    /// Adds the mean loss of `samples` samples and its gradients.
    ///
    /// # Errors
    /// [`TrainError::Arrays`], [`TrainError::Length`] when the gradients are not those that there is room for; nothing has
    /// changed then.
    pub fn add(&mut self, loss: f64, gradients: &[&[T]], samples: usize) -> Result<(), TrainError> {
        same_lengths("Accumulator", &lengths(gradients), &lengths(&self.sums))?;
        let weight = T::from_f64(samples as f64);
        for (sum, gradient) in self.sums.iter_mut().zip(gradients) {
            for (sum, g) in sum.iter_mut().zip(*gradient) {
                *sum += weight * *g;
            }
        }
        self.loss += samples as f64 * loss;
        self.samples += samples;
        Ok(())
    }

    /// Samples added since the last time that all was taken.
    #[must_use]
    pub fn samples(&self) -> usize {
        self.samples
    }

    /// The mean loss and its gradients over all samples that were added, and zeros from then on; nothing when there were
    /// none. `use_gradients` gets the gradients, which it may change.
    pub fn take<R>(&mut self, use_gradients: impl FnOnce(f64, &mut [&mut [T]]) -> R) -> Option<R> {
        if self.samples == 0 {
            return None;
        }
        let share = 1.0 / self.samples as f64;
        let factor = T::from_f64(share);
        self.sums.iter_mut().flatten().for_each(|sum| *sum *= factor);
        let mut gradients: Vec<&mut [T]> = self.sums.iter_mut().map(Vec::as_mut_slice).collect();
        let result = use_gradients(self.loss * share, &mut gradients);
        self.sums.iter_mut().flatten().for_each(|sum| *sum = T::default());
        (self.loss, self.samples) = (0.0, 0);
        Some(result)
    }
}
