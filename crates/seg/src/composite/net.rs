//! A network as a list of operations.

use candle_core::{Device, DeviceLocation, Tensor};
use volkit_kernels::Activation;
use volkit_nn3d::{
    Activation as Pointwise, BatchNormConfig, Conv3dConfig, GeluForm, Nn3dError, NormConfig, OpPath, Pool3dConfig,
    Upsample3d, UpsampleMode, batch_norm, conv3d, default_slab_bytes, instance_norm, max_pool3d, softmax,
};

use crate::SegError;

const PATH: OpPath = OpPath::Composite;

/// One operation of a network. Tensors are `[1, C, z, y, x]`.
#[derive(Debug)]
pub(super) enum Op {
    /// Weight `[C_out, C_in, k, k, k]` and bias `[C_out]`, zeros around the volume.
    Conv {
        weight: Tensor,
        bias: Tensor,
        config: Conv3dConfig,
    },
    /// Gamma, beta, mean and variance, each `[C]`, and what is added to the variance.
    Norm(Box<[Tensor; 4]>, f64),
    /// What is added to the variance.
    InstanceNorm(f64),
    Activation(Pointwise),
    MaxPool,
    Upsample,
    Add,
    Softmax,
}

#[derive(Debug)]
pub(super) struct Step {
    pub(super) op: Op,
    pub(super) sources: Vec<TensorIndex>,
}

/// Tensor 0 is the input; step `i` makes tensor `i + 1`.
pub(crate) type TensorIndex = usize;

/// A convolution with as many voxels out as in.
pub(crate) struct ConvWeights {
    /// `[C_out][C_in][z][y][x]`.
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    /// `C_in` and `C_out`.
    pub(crate) channels: [usize; 2],
    /// Taps along each axis, and the distance between them.
    pub(crate) kernel: usize,
    pub(crate) dilation: usize,
}

/// A network as a list of operations, its weights on a device.
#[derive(Debug)]
pub(crate) struct CompositeNet {
    pub(super) c_in: usize,
    pub(super) steps: Vec<Step>,
    pub(super) device: Device,
}

impl CompositeNet {
    /// A network without operations.
    pub(crate) fn new(c_in: usize, device: &Device) -> Self {
        Self { c_in, steps: Vec::new(), device: device.clone() }
    }

    fn push(&mut self, op: Op, sources: &[TensorIndex]) -> TensorIndex {
        self.steps.push(Step { op, sources: sources.to_vec() });
        self.steps.len()
    }

    pub(crate) fn conv(&mut self, conv: ConvWeights, source: TensorIndex) -> Result<TensorIndex, SegError> {
        let ConvWeights { weight, bias, channels: [c_in, c_out], kernel, dilation } = conv;
        let weight = self.tensor(weight, &[c_out, c_in, kernel, kernel, kernel])?;
        let bias = self.tensor(bias, &[c_out])?;
        let padding = [dilation * (kernel / 2); 3];
        let config = Conv3dConfig::new().with_padding(padding).with_dilation([dilation; 3]).with_path(PATH);
        Ok(self.push(Op::Conv { weight, bias, config }, &[source]))
    }

    /// The convolution of the channels of `first` followed by those of `second` at twice their size. It is the sum of a
    /// convolution of each, so that the channels need not be joined in memory, nor be there together.
    pub(crate) fn conv_of_skip(
        &mut self,
        conv: ConvWeights,
        first: (TensorIndex, usize),
        second: TensorIndex,
    ) -> Result<TensorIndex, SegError> {
        let ConvWeights { weight, bias, channels: [c_in, c_out], kernel, dilation } = conv;
        let (first, c_first) = first;
        let (taps, mut parts) = (kernel * kernel * kernel, [Vec::new(), Vec::new()]);
        for row in weight.chunks_exact(c_in * taps) {
            let (front, back) = row.split_at(c_first * taps);
            parts[0].extend_from_slice(front);
            parts[1].extend_from_slice(back);
        }
        let [front, back] = parts;
        let part = |weight, bias, c_in| ConvWeights { weight, bias, channels: [c_in, c_out], kernel, dilation };
        let of_first = self.conv(part(front, bias, c_first), first)?;
        let second = self.upsample(second);
        let of_second = self.conv(part(back, vec![0.0; c_out], c_in - c_first), second)?;
        Ok(self.add(of_first, of_second))
    }

    /// A batch norm with gamma, beta, mean and variance.
    pub(crate) fn norm(
        &mut self,
        parameters: [Vec<f32>; 4],
        eps: f64,
        source: TensorIndex,
    ) -> Result<TensorIndex, SegError> {
        let [gamma, beta, mean, variance] = parameters;
        let of = |values: Vec<f32>| {
            let channels = values.len();
            self.tensor(values, &[channels])
        };
        let parameters = Box::new([of(gamma)?, of(beta)?, of(mean)?, of(variance)?]);
        Ok(self.push(Op::Norm(parameters, eps), &[source]))
    }

    pub(crate) fn instance_norm(&mut self, eps: f64, source: TensorIndex) -> TensorIndex {
        self.push(Op::InstanceNorm(eps), &[source])
    }

    pub(crate) fn activation(&mut self, activation: Activation, source: TensorIndex) -> TensorIndex {
        let pointwise = match activation {
            Activation::Identity => return source,
            Activation::Relu => Pointwise::Relu,
            Activation::LeakyRelu(slope) => Pointwise::LeakyRelu(f64::from(slope)),
            Activation::Elu => Pointwise::Elu(1.0),
            Activation::Gelu => Pointwise::Gelu(GeluForm::Erf),
        };
        self.push(Op::Activation(pointwise), &[source])
    }

    pub(crate) fn max_pool(&mut self, source: TensorIndex) -> TensorIndex {
        self.push(Op::MaxPool, &[source])
    }

    pub(crate) fn upsample(&mut self, source: TensorIndex) -> TensorIndex {
        self.push(Op::Upsample, &[source])
    }

    pub(crate) fn add(&mut self, first: TensorIndex, second: TensorIndex) -> TensorIndex {
        self.push(Op::Add, &[first, second])
    }

    pub(crate) fn softmax(&mut self, source: TensorIndex) -> TensorIndex {
        self.push(Op::Softmax, &[source])
    }

    fn tensor(&self, values: Vec<f32>, shape: &[usize]) -> Result<Tensor, SegError> {
        Ok(Tensor::from_vec(values, shape, &self.device).map_err(Nn3dError::from)?)
    }

    /// The last step that reads a tensor.
    pub(super) fn last_use(&self, tensor: TensorIndex) -> usize {
        self.steps.iter().rposition(|step| step.sources.contains(&tensor)).unwrap_or(usize::MAX)
    }

    /// Bytes on the device, at most, in a run over that size: the tensors that are alive at once, and the columns of a
    /// convolution.
    pub(crate) fn peak_bytes(&self, size: [usize; 3]) -> usize {
        let n_voxels: usize = size.iter().product();
        // Channels of each tensor, and how often it was halved.
        let mut shapes = vec![(self.c_in, 0u32)];
        let bytes = |(channels, level): (usize, u32)| (n_voxels >> (3 * level)) * channels * size_of::<f32>();
        let (mut alive, mut most) = (bytes(shapes[0]), 0);
        for (at, step) in self.steps.iter().enumerate() {
            let (channels, level) = shapes[step.sources[0]];
            let shape = match &step.op {
                Op::Conv { weight, .. } => (weight.dims()[0], level),
                Op::MaxPool => (channels, level + 1),
                Op::Upsample => (channels, level.saturating_sub(1)),
                Op::Norm(..) | Op::InstanceNorm(_) | Op::Activation(_) | Op::Add | Op::Softmax => (channels, level),
            };
            shapes.push(shape);
            alive += bytes(shape);
            // What an operation holds while it works, beside its result.
            let beside = match &step.op {
                // Columns and products.
                Op::Conv { .. } => 2 * default_slab_bytes(&self.device),
                Op::Upsample | Op::Add => 0,
                Op::Norm(..) | Op::InstanceNorm(_) | Op::Activation(_) | Op::MaxPool => bytes(shape),
                Op::Softmax => 2 * bytes(shape),
            };
            most = most.max(alive + beside);
            let mut done: Vec<TensorIndex> = step.sources.clone();
            done.dedup();
            alive -= done.iter().filter(|&&s| self.last_use(s) == at).map(|&s| bytes(shapes[s])).sum::<usize>();
        }
        most
    }

    /// Bytes of the host's memory, at most, in a run over that size: a GPU of its own leaves it the input and a slab.
    pub(crate) fn host_bytes(&self, size: [usize; 3]) -> usize {
        match self.device.location() {
            DeviceLocation::Cuda { .. } => {
                size.iter().product::<usize>() * self.c_in * size_of::<f32>() + super::run::SLAB_BYTES
            }
            _ => self.peak_bytes(size),
        }
    }
}

impl Op {
    pub(super) fn run(&self, sources: &[Tensor]) -> Result<Tensor, SegError> {
        let wrong = |why| SegError::Option { name: "composite", value: format!("{} tensors", sources.len()), why };
        let x = sources.first().ok_or_else(|| wrong("an operation has a source"))?;
        Ok(match self {
            Self::Conv { weight, bias, config } => conv3d(x, weight, Some(bias), config)?,
            Self::Norm(parameters, eps) => {
                let [gamma, beta, mean, variance] = &**parameters;
                let config = BatchNormConfig::new().with_eps(*eps).with_path(PATH);
                batch_norm(x, mean, variance, Some(gamma), Some(beta), &config)?
            }
            Self::InstanceNorm(eps) => instance_norm(x, None, None, &NormConfig::new().with_eps(*eps).with_path(PATH))?,
            Self::Activation(activation) => activation.apply(x, PATH)?,
            Self::MaxPool => max_pool3d(x, &Pool3dConfig::new([2; 3]).with_path(PATH))?,
            Self::Upsample => {
                let twice = Upsample3d::new([2; 3], UpsampleMode::Nearest)?.with_path(PATH);
                candle_core::Module::forward(&twice, x).map_err(Nn3dError::from)?
            }
            Self::Add => {
                let other = sources.get(1).ok_or_else(|| wrong("a sum has two sources"))?;
                (x + other).map_err(Nn3dError::from)?
            }
            Self::Softmax => softmax(x, 1)?,
        })
    }
}
