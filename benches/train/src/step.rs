//! A step of the trainer on a fixed batch.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::Module as _;
use volkit_bench::Random;
use volkit_core::BoxError;
use volkit_nn3d::SimpleUNet2d;
use volkit_train::{
    BatchRequest, DataSet, Loss, Moment, OptimizerOptions, Parameters, Precision, SgdOptions, Task, Trainer,
    TrainerOptions,
};

/// How a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StepKind {
    /// The whole batch in f32.
    Plain,
    /// The whole batch in bf16, with weights of f32 behind it.
    Bf16,
    /// Sample by sample in f32, gradients summed.
    Accumulated,
    /// The whole batch in f32; the results of pairs of convolutions are kept, what lies in them is computed again.
    Checkpointed,
    /// The whole batch in f32 through a chain of 24 convolutions of 16 channels.
    Deep,
    /// The same; the results of each fifth convolution are kept, what lies between is computed again.
    DeepCheckpointed,
}

impl StepKind {
    /// All of them, with their names.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Plain, "plain"),
        (Self::Bf16, "bf16"),
        (Self::Accumulated, "accumulated"),
        (Self::Checkpointed, "checkpointed"),
        (Self::Deep, "deep"),
        (Self::DeepCheckpointed, "deep_checkpointed"),
    ];

    /// Channels of the network, input first.
    fn channels(self) -> Vec<usize> {
        match self {
            Self::Deep | Self::DeepCheckpointed => [vec![16; 24], vec![1]].concat(),
            _ => SimpleUNet2d::CHANNELS.to_vec(),
        }
    }

    /// Convolutions that are computed again together.
    fn segment(self) -> Option<usize> {
        match self {
            Self::Checkpointed => Some(2),
            Self::DeepCheckpointed => Some(5),
            _ => None,
        }
    }
}

/// The batch, all of it or sample by sample.
struct Samples {
    x: Tensor,
    y: Tensor,
}

impl DataSet for Samples {
    fn len(&self) -> usize {
        self.x.dims()[0]
    }

    fn batch(&self, request: &BatchRequest) -> Result<Vec<Tensor>, BoxError> {
        if request.samples.len() == self.len() {
            return Ok(vec![self.x.clone(), self.y.clone()]);
        }
        let first = request.samples[0];
        Ok(vec![self.x.narrow(0, first, 1)?, self.y.narrow(0, first, 1)?])
    }
}

/// The mean square of the difference.
struct Fit(SimpleUNet2d);

impl Task for Fit {
    fn loss(&mut self, batch: &[Tensor], _: &Moment) -> Result<Loss, BoxError> {
        Ok((self.0.forward(&batch[0])? - &batch[1])?.sqr()?.mean_all()?.into())
    }
}

/// One step of gradient descent of the network 16-32-64-32-1 or of a deeper one, always from the same weights.
pub struct SimpleStep {
    kind: StepKind,
    parameters: Parameters,
    start: Vec<(String, Vec<f32>)>,
    samples: Samples,
    task: Fit,
}

impl std::fmt::Debug for SimpleStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SimpleStep").field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl SimpleStep {
    /// With `batch` images of `size` by `size` pixels, of noise.
    ///
    /// # Errors
    /// When the arguments find no memory.
    pub fn new(kind: StepKind, batch: usize, size: usize) -> Result<Self, BoxError> {
        let parameters = Parameters::new(9, &Device::Cpu);
        let precision = if kind == StepKind::Bf16 { Precision::BF16 } else { Precision::F32 };
        let net = SimpleUNet2d::new(&kind.channels(), &parameters.builder(precision))?;
        let net = net.with_segment(kind.segment());
        let start = parameters.names().into_iter().map(|name| {
            let values = parameters.values(&name)?;
            Ok((name, values))
        });
        let start = start.collect::<Result<_, BoxError>>()?;
        let mut random = Random::new(10);
        let mut noise = |channels: usize| -> Result<Tensor, BoxError> {
            let values: Vec<f32> = (0..batch * channels * size * size).map(|_| random.uniform() as f32).collect();
            Ok(Tensor::from_vec(values, (batch, channels, size, size), &Device::Cpu)?)
        };
        let samples = Samples { x: noise(16)?, y: noise(1)? };
        Ok(Self { kind, parameters, start, samples, task: Fit(net) })
    }

    /// Takes the step: the loss, and all parameters after it in the order of their names.
    ///
    /// # Errors
    /// None on arguments that were checked when the step was made.
    pub fn run(&mut self) -> Result<Vec<f32>, BoxError> {
        let mut result = vec![self.train(1)? as f32];
        for (name, _) in &self.start {
            result.extend(self.parameters.values(name)?);
        }
        Ok(result)
    }

    /// Takes so many steps from the first weights on: the loss of the last one.
    ///
    /// # Errors
    /// [`volkit_train::TrainError`] for no step, or a loss that is not finite.
    pub fn train(&mut self, steps: u64) -> Result<f64, BoxError> {
        for (name, values) in &self.start {
            self.parameters.set_values(name, values)?;
        }
        let parts = if self.kind == StepKind::Accumulated { self.samples.len() } else { 1 };
        let options = TrainerOptions::new("benchmark")
            .with_optimizer(OptimizerOptions::Sgd(SgdOptions::new(RATE)))
            .with_epochs(steps)
            .with_batch_size(self.samples.len() / parts)
            .with_accumulation(parts)
            .with_shuffle(false);
        let report = Trainer::new(&self.parameters, options)?.fit(&self.samples, &mut self.task, &mut [])?;
        Ok(report.loss.unwrap_or(f64::NAN))
    }

    /// Writes images, targets and weights to a safetensors file.
    ///
    /// # Errors
    /// When the file can not be written.
    pub fn save_arguments(&self, file: &Path) -> Result<(), BoxError> {
        let mut tensors =
            HashMap::from([("x".to_owned(), self.samples.x.clone()), ("y".into(), self.samples.y.clone())]);
        for (name, values) in &self.start {
            let var = self.parameters.var(name).ok_or("invariant: names are those of parameters")?;
            tensors.insert(name.clone(), Tensor::from_slice(values, var.shape(), &Device::Cpu)?.to_dtype(DType::F32)?);
        }
        Ok(candle_core::safetensors::save(&tensors, file)?)
    }
}

/// Learning rate of the step; the script of the comparison has the same.
const RATE: f64 = 0.1;
