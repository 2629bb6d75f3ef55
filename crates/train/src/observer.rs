//! Who is told how training goes.

use std::ops::ControlFlow;

use serde::Serialize;
use volkit_core::BoxError;

/// What is known before training begins.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct RunFacts {
    /// Name of model and task.
    pub kind: String,
    /// Numbers that are trained.
    pub trained_values: usize,
    /// Samples of an epoch.
    pub samples: usize,
    /// Epochs in all.
    pub epochs: u64,
    /// Steps of the optimiser in an epoch.
    pub steps_per_epoch: u64,
    /// Epoch in which this run begins: above 0 where one goes on.
    pub first_epoch: u64,
    /// Steps that were taken before.
    pub first_step: u64,
}

/// A step of the optimiser.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct StepRecord {
    /// Epoch, from 0.
    pub epoch: u64,
    /// Number of the step, from 0 since training began.
    pub step: u64,
    /// Mean loss of its samples.
    pub loss: f64,
    /// Parts of the loss of its last batch.
    pub parts: Vec<(String, f64)>,
    /// Samples.
    pub samples: usize,
    /// Learning rate.
    pub learning_rate: f64,
    /// Norm of the gradient before it was clipped, if it is clipped.
    pub gradient_norm: Option<f64>,
    /// What the loss was scaled by, if it is scaled.
    pub loss_scale: Option<f64>,
    /// False where numbers were not finite and the parameters were left alone.
    pub taken: bool,
}

/// An epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct EpochRecord {
    /// Its number, from 0.
    pub epoch: u64,
    /// Steps since training began.
    pub steps: u64,
    /// Mean loss over its samples, without those of steps that were skipped.
    pub loss: f64,
    /// What [`crate::Task::validate`] gave.
    pub validation: Option<f64>,
    /// Whether it is the best so far.
    pub is_best: bool,
    /// Steps that were skipped.
    pub skipped: u64,
    /// Learning rate of its last step.
    pub learning_rate: f64,
}

/// Why training ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub enum Ending {
    /// All epochs or steps are done.
    Finished,
    /// No epoch was better for too long; the parameters are those of the best.
    NoImprovement,
    /// An observer asked for it. The checkpoint `last`, if any are kept, is of this moment.
    Stopped,
}

/// What a run of a trainer came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct TrainReport {
    /// Why it ended.
    pub ending: Ending,
    /// Epochs that are complete, since training began.
    pub epochs: u64,
    /// Steps since training began.
    pub steps: u64,
    /// Those of them that were skipped.
    pub skipped: u64,
    /// Mean loss of the last complete epoch.
    pub loss: Option<f64>,
    /// The best epoch and its loss or validation.
    pub best: Option<(u64, f64)>,
    /// Seconds that this run waited for data.
    pub waited_secs: f64,
}

/// What observers are told.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Training begins or goes on.
    Begin(&'a RunFacts),
    /// A step of the optimiser was taken or skipped.
    Step(&'a StepRecord),
    /// An epoch is complete.
    Epoch(&'a EpochRecord),
    /// Something worth saying once.
    Note(&'a str),
    /// Training is over, though not by an error.
    End(&'a TrainReport),
}

/// Is told how training goes, and may end it.
///
/// Events come in order, from the thread that trains, between steps; `Break` after a step or an epoch ends the run with
/// [`Ending::Stopped`].
pub trait Observer {
    /// Takes an event.
    ///
    /// # Errors
    /// What writing meets; it ends the training.
    fn observe(&mut self, event: &Event<'_>) -> Result<ControlFlow<()>, BoxError>;
}

/// Every observer takes the event, also when one of them asks to end.
pub(crate) fn tell(
    observers: &mut [&mut dyn Observer],
    event: &Event<'_>,
) -> Result<ControlFlow<()>, crate::TrainError> {
    let mut flow = ControlFlow::Continue(());
    for observer in observers {
        let answer = observer.observe(event).map_err(|error| crate::TrainError::inner("an observer", error))?;
        if answer.is_break() {
            flow = answer;
        }
    }
    Ok(flow)
}
