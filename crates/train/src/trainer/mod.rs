//! Training from the first step to the last.

mod options;
mod position;
mod run;
mod state;
mod window;

use std::path::Path;

pub use options::{CheckpointOptions, NonFinite, OptimizerOptions, ScheduleUnit, TrainerOptions};

use self::position::Position;
use crate::parameters::wide_values;
use crate::{Accumulator, Checkpoint, EarlyStopping, Ema, GradScaler, Optimizer, Parameters, TrainError};

/// Trains the parameters of a candle network: batches, gradients, steps, schedules, averages, checkpoints.
///
/// For each step of the optimiser, in this order: `accumulation` batches forward and backward, their gradients summed in
/// f32 by the number of their samples; unscaling; clipping; the step; the update of the loss scale; the schedule. The same
/// data, task, options and seeds give the same bits, also when a run is interrupted, at any point, and resumed from its
/// last checkpoint: an interrupted step begins anew.
///
/// ```
/// use candle_core::{Device, Tensor};
/// use candle_nn::{Linear, Module as _};
/// use volkit_core::BoxError;
/// use volkit_train::{
///     AdamOptions, BatchRequest, DataSet, Loss, Moment, OptimizerOptions, Parameters, Precision, Task, Trainer, TrainerOptions,
/// };
///
/// /// Points of the line `y = 2 x + 1`.
/// struct Line;
///
/// impl DataSet for Line {
///     fn len(&self) -> usize {
///         32
///     }
///
///     fn batch(&self, request: &BatchRequest) -> Result<Vec<Tensor>, BoxError> {
///         let x: Vec<f32> = request.samples.iter().map(|&i| request.random(i).range(-1.0, 1.0) as f32).collect();
///         let x = Tensor::from_vec(x, (request.samples.len(), 1), &Device::Cpu)?;
///         Ok(vec![x.clone(), x.affine(2.0, 1.0)?])
///     }
/// }
///
/// struct Squares(Linear);
///
/// impl Task for Squares {
///     fn loss(&mut self, batch: &[Tensor], _: &Moment) -> Result<Loss, BoxError> {
///         Ok((self.0.forward(&batch[0])? - &batch[1])?.sqr()?.mean_all()?.into())
///     }
/// }
///
/// let parameters = Parameters::new(1, &Device::Cpu);
/// let mut task = Squares(candle_nn::linear(1, 1, parameters.builder(Precision::F32))?);
/// let adam = OptimizerOptions::Adam(AdamOptions::default().with_learning_rate(0.1));
/// let options = TrainerOptions::new("line").with_optimizer(adam).with_batch_size(8).with_epochs(40);
/// let mut trainer = Trainer::new(&parameters, options)?;
/// let report = trainer.fit(&Line, &mut task, &mut [])?;
/// assert!(report.loss.is_some_and(|loss| loss < 1e-3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Trainer {
    parameters: Parameters,
    options: TrainerOptions,
    optimizer: Box<dyn Optimizer<f32>>,
    scaler: Option<GradScaler>,
    ema: Option<Ema<f32>>,
    stopping: Option<EarlyStopping>,
    position: Position,
    accumulator: Accumulator<f32>,
    /// Parameters of the best epoch, where they may be wanted back.
    best: Option<Checkpoint>,
    /// What the task and the data have not seen yet of a run that goes on.
    resumed: Option<Checkpoint>,
}

impl std::fmt::Debug for Trainer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trainer")
            .field("options", &self.options)
            .field("position", &self.position)
            .finish_non_exhaustive()
    }
}

impl Trainer {
    /// A trainer that has taken no step. The network must have taken all its parameters from `parameters` before.
    ///
    /// # Errors
    /// [`TrainError::Option`] for an option out of its range; [`TrainError::State`] where there is nothing to train.
    pub fn new(parameters: &Parameters, options: TrainerOptions) -> Result<Self, TrainError> {
        options.validate()?;
        let trained = parameters.trained();
        if trained.is_empty() {
            let why = "the network has none that is trained".to_owned();
            return Err(TrainError::State { name: "parameters".into(), why });
        }
        let lengths: Vec<usize> = trained.iter().map(|(_, var)| var.elem_count()).collect();
        let mut trainer = Self {
            parameters: parameters.clone(),
            optimizer: options.optimizer.build()?,
            scaler: options.scaler.map(GradScaler::new).transpose()?,
            ema: None,
            stopping: options
                .early_stopping
                .map(|(patience, least)| EarlyStopping::new(patience, least))
                .transpose()?,
            position: Position::default(),
            accumulator: Accumulator::new(&lengths),
            best: None,
            resumed: None,
            options,
        };
        if let Some(decay) = trainer.options.ema_decay {
            trainer.ema = Some(Ema::resume(decay, 0, trainer.trained_values()?)?);
        }
        Ok(trainer)
    }

    /// The options.
    #[must_use]
    pub fn options(&self) -> &TrainerOptions {
        &self.options
    }

    /// The parameters.
    #[must_use]
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Puts the averages in the place of the parameters, for use after training; false where none are kept.
    ///
    /// # Errors
    /// [`TrainError::Inner`] when the device refuses.
    pub fn use_averages(&self) -> Result<bool, TrainError> {
        let Some(ema) = &self.ema else { return Ok(false) };
        self.set_trained(ema.averages())?;
        Ok(true)
    }

    /// Goes on from a checkpoint of a run with the same options, at the step where it was written.
    ///
    /// # Errors
    /// Those of [`Checkpoint::read`]; [`TrainError::State`] for one of another network, optimiser, batch size or seed.
    /// The trainer must not be used then.
    pub fn resume(&mut self, path: &Path) -> Result<(), TrainError> {
        let checkpoint = Checkpoint::read(path, &self.options.kind)?;
        self.load(&checkpoint)?;
        self.resumed = Some(checkpoint);
        Ok(())
    }

    /// [`Trainer::resume`] from `last.safetensors` of the folder of checkpoints, if it is there; whether it was.
    ///
    /// # Errors
    /// Those of [`Trainer::resume`].
    pub fn resume_last(&mut self) -> Result<bool, TrainError> {
        let Some(path) = self.path("last").filter(|path| path.exists()) else { return Ok(false) };
        self.resume(&path)?;
        Ok(true)
    }

    /// Values of all trained parameters.
    fn trained_values(&self) -> Result<Vec<Vec<f32>>, TrainError> {
        self.parameters.trained().iter().map(|(name, _)| self.parameters.values(name)).collect()
    }

    fn set_trained(&self, values: &[Vec<f32>]) -> Result<(), TrainError> {
        let names = self.parameters.trained();
        names.iter().zip(values).try_for_each(|((name, _), values)| self.parameters.set_values(name, values))
    }
}

/// The number that a scalar is.
fn scalar(what: &str, tensor: &candle_core::Tensor) -> Result<f64, TrainError> {
    let values = wide_values(tensor).map_err(|error| TrainError::inner(what, error))?;
    match values[..] {
        [value] => Ok(f64::from(value)),
        _ => {
            let why = format!("has shape {:?}, expected one number", tensor.dims());
            Err(TrainError::State { name: what.to_owned(), why })
        }
    }
}
