//! One step of the optimiser.

use candle_core::{Tensor, Var};

use super::{NonFinite, ScheduleUnit, Trainer, scalar};
use crate::loader::Batches;
use crate::parameters::wide_values;
use crate::{Moment, Norm, Parameter, StepRecord, Task, TrainError, clip_grad_norm};

/// What came of the batches of a step.
#[derive(Default)]
struct Window {
    samples: usize,
    loss_sum: f64,
    parts: Vec<(String, f64)>,
    /// Why the step can not be taken.
    refused: Option<TrainError>,
}

impl Trainer {
    /// Takes the next `count` batches, and a step.
    pub(super) fn step(
        &mut self,
        batches: &mut Batches,
        count: u64,
        task: &mut dyn Task,
    ) -> Result<StepRecord, TrainError> {
        let trained = self.parameters.trained();
        let loss_scale = self.scaler.as_ref().map(crate::GradScaler::scale);
        let learning_rate = self.learning_rate();
        let mut window = Window::default();
        for _ in 0..count {
            self.batch(batches, task, &trained, loss_scale, &mut window)?;
        }
        let mut record = StepRecord {
            epoch: self.position.epoch,
            step: self.position.steps,
            loss: window.loss_sum / window.samples.max(1) as f64,
            parts: std::mem::take(&mut window.parts),
            samples: window.samples,
            learning_rate,
            gradient_norm: None,
            loss_scale,
            taken: false,
        };
        if window.refused.is_some() {
            // What was summed before the bad batch is dropped with it.
            self.accumulator.take(|_, _| ());
        } else {
            self.optimizer.set_learning_rate(learning_rate);
            window.refused = self.take_step(&trained, &mut record)?;
        }
        match window.refused {
            Some(error) if self.options.non_finite == NonFinite::Stop => Err(error),
            _ => Ok(record),
        }
    }

    fn learning_rate(&self) -> f64 {
        let time = match self.options.schedule_unit {
            ScheduleUnit::Epoch => self.position.epoch,
            ScheduleUnit::Step => self.position.taken(),
        };
        self.options.optimizer.learning_rate() * self.options.schedule.factor(time)
    }

    /// Adds the gradients of the next batch.
    fn batch(
        &mut self,
        batches: &mut Batches,
        task: &mut dyn Task,
        trained: &[(String, Var)],
        loss_scale: Option<f64>,
        window: &mut Window,
    ) -> Result<(), TrainError> {
        let Some(batch) = batches.next() else {
            return Err(TrainError::State { name: "data".into(), why: "ended before its epoch".into() });
        };
        let batch = batch?;
        let samples = batch.request.samples.len();
        window.samples += samples;
        if window.refused.is_some() {
            return Ok(());
        }
        let step = self.position.steps;
        let moment = Moment { epoch: self.position.epoch, step, samples };
        let loss = task.loss(&batch.tensors, &moment).map_err(|error| TrainError::inner("the loss", error))?;
        drop(batch);
        let value = scalar("the loss", &loss.total)?;
        window.loss_sum += value * samples as f64;
        window.parts = loss.parts;
        if !value.is_finite() {
            window.refused = Some(TrainError::Loss { value, step });
            return Ok(());
        }
        let gradients = gradients(loss.total, trained, loss_scale)?;
        let slices: Vec<&[f32]> = gradients.iter().map(Vec::as_slice).collect();
        self.accumulator.add(value, &slices, samples)
    }

    /// Unscales, clips, steps; the reason why the step was not taken, where it was not for the loss scale.
    fn take_step(
        &mut self,
        trained: &[(String, Var)],
        record: &mut StepRecord,
    ) -> Result<Option<TrainError>, TrainError> {
        let mut values = self.trained_values()?;
        let (scaler, optimizer) = (self.scaler.as_mut(), &mut self.optimizer);
        let clip = self.options.clip_grad_norm;
        let taken = self.accumulator.take(|_, gradients| -> Result<Option<usize>, TrainError> {
            let bad = match &scaler {
                Some(scaler) => scaler.unscale(gradients).then_some(0),
                None => gradients.iter().position(|array| !array.iter().all(|g| g.is_finite())),
            };
            if bad.is_none() {
                if let Some(most) = clip {
                    record.gradient_norm = Some(clip_grad_norm(gradients, most, Norm::Two)?);
                }
                let both = values.iter_mut().zip(gradients.iter());
                let mut parameters: Vec<_> = both.map(|(values, gradient)| Parameter { values, gradient }).collect();
                optimizer.step(&mut parameters)?;
            }
            if let Some(scaler) = scaler {
                scaler.update(bad.is_some())?;
            }
            Ok(bad)
        });
        if let Some(bad) = taken.transpose()?.flatten() {
            // A scaler expects such gradients now and then: it has backed off.
            let is_expected = self.scaler.is_some();
            return Ok((!is_expected).then(|| TrainError::Gradient { name: trained[bad].0.clone(), step: record.step }));
        }
        record.taken = true;
        self.set_trained(&values)?;
        if let Some(ema) = &mut self.ema {
            let slices: Vec<&[f32]> = values.iter().map(Vec::as_slice).collect();
            ema.update(&slices)?;
        }
        Ok(None)
    }
}

/// The gradients of a loss with respect to variables, in f32; zeros for those that the loss does not depend on. The graph
/// is gone afterwards.
fn gradients(loss: Tensor, trained: &[(String, Var)], scale: Option<f64>) -> Result<Vec<Vec<f32>>, TrainError> {
    let wrong = |error| TrainError::inner("the backward pass", error);
    let scaled = match scale {
        Some(scale) => loss.affine(scale, 0.0).map_err(wrong)?,
        None => loss,
    };
    let mut store = scaled.backward().map_err(wrong)?;
    drop(scaled);
    let one = |(_, var): &(String, Var)| match store.remove(var) {
        Some(gradient) => wide_values(&gradient).map_err(wrong),
        None => Ok(vec![0.0; var.elem_count()]),
    };
    trained.iter().map(one).collect()
}
