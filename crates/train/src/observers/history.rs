//! Losses over time, to be drawn.

use std::ops::ControlFlow;

use volkit_core::BoxError;

use crate::{Event, Observer};

/// A loss at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LossPoint {
    /// Epochs since training began, with their fractions.
    pub epoch: f64,
    /// The loss.
    pub loss: f64,
}

/// Collects the losses of steps and epochs: the points of loss curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LossHistory {
    steps: Vec<LossPoint>,
    epochs: Vec<LossPoint>,
    validations: Vec<LossPoint>,
    steps_per_epoch: u64,
}

impl LossHistory {
    /// Nothing was seen yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Losses of the steps that were taken.
    #[must_use]
    pub fn steps(&self) -> &[LossPoint] {
        &self.steps
    }

    /// Mean losses at the ends of epochs.
    #[must_use]
    pub fn epochs(&self) -> &[LossPoint] {
        &self.epochs
    }

    /// Validations at the ends of epochs.
    #[must_use]
    pub fn validations(&self) -> &[LossPoint] {
        &self.validations
    }
}

impl Observer for LossHistory {
    fn observe(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, BoxError> {
        match *event {
            Event::Begin(facts) => self.steps_per_epoch = facts.steps_per_epoch,
            Event::Step(record) if record.taken => {
                let epoch = (record.step + 1) as f64 / self.steps_per_epoch.max(1) as f64;
                self.steps.push(LossPoint { epoch, loss: record.loss });
            }
            Event::Epoch(record) => {
                let epoch = (record.epoch + 1) as f64;
                self.epochs.push(LossPoint { epoch, loss: record.loss });
                self.validations.extend(record.validation.map(|loss| LossPoint { epoch, loss }));
            }
            _ => {}
        }
        Ok(ControlFlow::Continue(()))
    }
}
