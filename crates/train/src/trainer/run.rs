//! Epochs, and what happens between steps.

use std::ops::ControlFlow;

use super::{NonFinite, Trainer};
use crate::data::Sampler;
use crate::loader::{Batches, prefetch};
use crate::observer::tell;
use crate::{
    DataSet, Ending, Epoch, EpochRecord, Event, Observer, RunFacts, StepRecord, Task, TrainError, TrainReport,
};

/// Said when the first step is skipped.
const SKIPPED: &str = "a loss or gradient is not finite: such steps are skipped";

impl Trainer {
    /// Trains until all epochs are done, none is better for too long, or an observer asks to end.
    ///
    /// # Errors
    /// [`TrainError::Data`] for less data than a batch; [`TrainError::Loss`], [`TrainError::Gradient`] for numbers that are
    /// not finite, by [`NonFinite`]; [`TrainError::Scale`]; [`TrainError::State`] where a run that goes on has other data;
    /// [`TrainError::Io`] when a checkpoint can not be written, the one before stays; [`TrainError::Inner`] for what data,
    /// task and observers report.
    pub fn fit(
        &mut self,
        data: &dyn DataSet,
        task: &mut dyn Task,
        observers: &mut [&mut dyn Observer],
    ) -> Result<TrainReport, TrainError> {
        let sampler = self.sampler(data.len());
        sampler.check()?;
        self.hand_over(&sampler, task)?;
        let steps_per_epoch = sampler.n_batches().div_ceil(self.options.accumulation as u64);
        let facts = RunFacts {
            kind: self.options.kind.clone(),
            trained_values: self.parameters.trained_values(),
            samples: data.len(),
            epochs: self.options.epochs,
            steps_per_epoch,
            first_epoch: self.position.epoch,
            first_step: self.position.steps,
        };
        let mut flow = tell(observers, &Event::Begin(&facts))?;
        let (first, batches) = (self.position.epoch, self.position.batches);
        let order = sampler.clone();
        let requests = (first..self.options.epochs)
            .flat_map(move |epoch| order.epoch(epoch, if epoch == first { batches } else { 0 }));
        let (ending, waited) = prefetch(data, requests, self.options.prefetch, |batches| {
            let ending = loop {
                if flow.is_break() {
                    break Ok(Ending::Stopped);
                }
                if self.is_finished() {
                    break Ok(Ending::Finished);
                }
                match self.advance(batches, &sampler, task, observers) {
                    Ok((next, None)) => flow = next,
                    Ok((_, Some(ending))) => break Ok(ending),
                    Err(error) => break Err(error),
                }
            };
            (ending, batches.waited())
        });
        let ending = ending?;
        self.write("last", &sampler, task)?;
        if ending == Ending::NoImprovement {
            self.restore_best()?;
        }
        let report = TrainReport {
            ending,
            epochs: self.position.epoch,
            steps: self.position.steps,
            skipped: self.position.skipped,
            loss: self.position.last_loss,
            best: self.position.best,
            waited_secs: waited.as_secs_f64(),
        };
        tell(observers, &Event::End(&report)).map(|_| report)
    }

    fn is_finished(&self) -> bool {
        let steps_done = self.options.max_steps.is_some_and(|most| self.position.steps >= most);
        steps_done || self.position.epoch >= self.options.epochs
    }

    /// A step, and what follows it.
    fn advance(
        &mut self,
        batches: &mut Batches,
        sampler: &Sampler,
        task: &mut dyn Task,
        observers: &mut [&mut dyn Observer],
    ) -> Result<(ControlFlow<()>, Option<Ending>), TrainError> {
        let count = (sampler.n_batches() - self.position.batches).min(self.options.accumulation as u64);
        let record = self.step(batches, count, task)?;
        self.position.batches += count;
        self.position.steps += 1;
        let mut flow = ControlFlow::Continue(());
        if record.taken {
            self.position.loss_sum += record.loss * record.samples as f64;
            self.position.samples += record.samples as u64;
        } else {
            if self.position.skipped == 0 && self.scaler.is_none() {
                flow = tell(observers, &Event::Note(SKIPPED))?;
            }
            self.position.skipped += 1;
            self.position.skipped_here += 1;
        }
        let mut either = |answer: ControlFlow<()>| {
            if answer.is_break() {
                flow = answer;
            }
        };
        either(tell(observers, &Event::Step(&record))?);
        let mut ending = None;
        if self.position.batches == sampler.n_batches() {
            let (answer, end) = self.end_epoch(&record, sampler, task, observers)?;
            ending = end;
            either(answer);
        } else if self.options.checkpoints.as_ref().is_some_and(|to| to.is_due(self.position.steps)) {
            self.write("last", sampler, task)?;
        }
        Ok((flow, ending))
    }

    fn end_epoch(
        &mut self,
        last: &StepRecord,
        sampler: &Sampler,
        task: &mut dyn Task,
        observers: &mut [&mut dyn Observer],
    ) -> Result<(ControlFlow<()>, Option<Ending>), TrainError> {
        let epoch = self.position.epoch;
        if self.position.samples == 0 && self.options.non_finite == NonFinite::Skip && self.scaler.is_none() {
            return Err(TrainError::Loss { value: last.loss, step: last.step });
        }
        // No step, no loss: NaN, which is no epoch's best.
        let loss = self.position.loss_sum / self.position.samples as f64;
        let validation = self.validate(epoch, task)?;
        let judged = validation.unwrap_or(loss);
        let is_best = judged.is_finite() && self.position.best.is_none_or(|(_, best)| judged < best);
        let record = EpochRecord {
            epoch,
            steps: self.position.steps,
            loss,
            validation,
            is_best,
            skipped: self.position.skipped_here,
            learning_rate: last.learning_rate,
        };
        let verdict = self.stopping.as_mut().map(|stopping| stopping.observe(judged));
        let position = &mut self.position;
        (position.epoch, position.batches) = (epoch + 1, 0);
        (position.loss_sum, position.samples, position.skipped_here) = (0.0, 0, 0);
        position.last_loss = Some(loss);
        if is_best {
            position.best = Some((epoch, judged));
            self.keep_best()?;
            self.write("best", sampler, task)?;
        }
        if self.options.checkpoints.as_ref().is_some_and(|to| (epoch + 1).is_multiple_of(to.every_epochs)) {
            self.write("last", sampler, task)?;
        }
        let flow = tell(observers, &Event::Epoch(&record))?;
        Ok((flow, (verdict == Some(Epoch::Last)).then_some(Ending::NoImprovement)))
    }

    /// The validation of an epoch, with the averages where such are kept.
    fn validate(&self, epoch: u64, task: &mut dyn Task) -> Result<Option<f64>, TrainError> {
        let plain = if self.ema.is_some() { Some(self.trained_values()?) } else { None };
        self.use_averages()?;
        let validation = task.validate(epoch).map_err(|error| TrainError::inner("the validation", error));
        if let Some(plain) = plain {
            self.set_trained(&plain)?;
        }
        validation
    }

    fn sampler(&self, n_samples: usize) -> Sampler {
        Sampler {
            n_samples,
            batch_size: self.options.batch_size,
            seed: self.options.seed,
            shuffle: self.options.shuffle,
            drop_last: self.options.drop_last,
        }
    }
}
