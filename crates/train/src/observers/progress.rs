//! Training as long work.

use std::ops::ControlFlow;

use volkit_core::{BoxError, Progress};

use crate::{Event, Observer};

/// Tells a [`Progress`] of the steps, and ends training when it asks for that.
pub struct ProgressObserver<'a> {
    progress: &'a dyn Progress,
}

impl std::fmt::Debug for ProgressObserver<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ProgressObserver").finish_non_exhaustive()
    }
}

impl<'a> ProgressObserver<'a> {
    /// A stage `training` with a step for each step of the optimiser.
    #[must_use]
    pub fn new(progress: &'a dyn Progress) -> Self {
        Self { progress }
    }
}

impl Observer for ProgressObserver<'_> {
    fn observe(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, BoxError> {
        match *event {
            Event::Begin(facts) => {
                self.progress.begin("training", facts.epochs * facts.steps_per_epoch);
                self.progress.advance(facts.first_step);
            }
            Event::Step(_) => self.progress.advance(1),
            _ => {}
        }
        Ok(if self.progress.check().is_err() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}
