//! Networks as composites: whole tensors through candle's own operations, layer by layer.
//!
//! Nothing here needs a kernel of ours. Batch norm is a multiply-add of whole 5-D tensors, as every device has it, and
//! not a fused operation that a device may refuse for more than four axes.

use candle_core::{Device, Tensor};
use volkit_kernels::{Layout, PlaneSink, PlaneSource, Planes};
use volkit_nn3d::{
    BatchNormConfig, Conv3dConfig, Nn3dError, OpPath, Pool3dConfig, batch_norm, conv3d, elu, max_pool3d, relu, softmax,
    upsample_nearest3d,
};

use super::runner::Work;
use super::weights::{Layers, NORM_EPS};
use crate::SegError;

/// One operation of a network. Tensors are `[1, C, z, y, x]`.
#[derive(Debug)]
enum Op {
    /// Weight `[C_out, C_in, k, k, k]` and bias `[C_out]`, zeros around the volume.
    Conv {
        weight: Tensor,
        bias: Tensor,
        kernel: usize,
    },
    /// Gamma, beta, mean and variance, each `[C]`.
    Norm(Box<[Tensor; 4]>),
    Elu,
    Relu,
    MaxPool,
    Upsample,
    Concat,
    Add,
    Softmax,
}

#[derive(Debug)]
struct Step {
    op: Op,
    sources: Vec<TensorIndex>,
}

/// Tensor 0 is the input; step `i` makes tensor `i + 1`.
pub(super) type TensorIndex = usize;

/// A network as a list of operations.
#[derive(Debug, Default)]
pub(super) struct CompositeNet {
    c_in: usize,
    steps: Vec<Step>,
}

impl CompositeNet {
    /// A network without operations.
    pub(super) fn new(c_in: usize) -> Self {
        Self { c_in, steps: Vec::new() }
    }

    fn push(&mut self, op: Op, sources: &[TensorIndex]) -> TensorIndex {
        self.steps.push(Step { op, sources: sources.to_vec() });
        self.steps.len()
    }

    /// The convolution `layer` with `kernel` taps along each axis.
    pub(super) fn conv(
        &mut self,
        layers: &Layers<'_>,
        layer: &str,
        (kernel, c_in, c_out): (usize, usize, usize),
        source: TensorIndex,
    ) -> Result<TensorIndex, SegError> {
        let (weight, bias) = layers.conv_weights(layer, kernel, [c_in, c_out])?;
        let weight = tensor(weight, &[c_out, c_in, kernel, kernel, kernel])?;
        Ok(self.push(Op::Conv { weight, bias: tensor(bias, &[c_out])?, kernel }, &[source]))
    }

    /// The batch norm `layer`.
    pub(super) fn norm(
        &mut self,
        layers: &Layers<'_>,
        layer: &str,
        channels: usize,
        source: TensorIndex,
    ) -> Result<TensorIndex, SegError> {
        let [gamma, beta, mean, variance] = layers.norm_weights(layer, channels)?;
        let of = |values| tensor(values, &[channels]);
        let parameters = Box::new([of(gamma)?, of(beta)?, of(mean)?, of(variance)?]);
        Ok(self.push(Op::Norm(parameters), &[source]))
    }

    pub(super) fn elu(&mut self, source: TensorIndex) -> TensorIndex {
        self.push(Op::Elu, &[source])
    }

    pub(super) fn relu(&mut self, source: TensorIndex) -> TensorIndex {
        self.push(Op::Relu, &[source])
    }

    pub(super) fn max_pool(&mut self, source: TensorIndex) -> TensorIndex {
        self.push(Op::MaxPool, &[source])
    }

    pub(super) fn upsample(&mut self, source: TensorIndex) -> TensorIndex {
        self.push(Op::Upsample, &[source])
    }

    /// The channels of both, those of `first` in front.
    pub(super) fn concat(&mut self, first: TensorIndex, second: TensorIndex) -> TensorIndex {
        self.push(Op::Concat, &[first, second])
    }

    pub(super) fn add(&mut self, first: TensorIndex, second: TensorIndex) -> TensorIndex {
        self.push(Op::Add, &[first, second])
    }

    pub(super) fn softmax(&mut self, source: TensorIndex) -> TensorIndex {
        self.push(Op::Softmax, &[source])
    }

    /// Runs the network over the planes of input `pass` of `source` and hands all planes of the last tensor to `sink` as
    /// those of output `pass`.
    pub(super) fn run(
        &self,
        [nx, ny, nz]: [usize; 3],
        stage: &str,
        (source, sink): (&mut dyn PlaneSource, &mut dyn PlaneSink),
        pass: usize,
        work: Work<'_>,
    ) -> Result<(), SegError> {
        work.progress.begin(stage, self.steps.len() as u64);
        work.progress.check()?;
        let n_voxels = nx * ny * nz;
        let mut input = vec![0.0f32; n_voxels * self.c_in];
        for (z, plane) in input.chunks_exact_mut((nx * ny * self.c_in).max(1)).enumerate() {
            source.read_plane(pass, z, plane).map_err(boxed)?;
        }
        let input = Tensor::from_vec(input, (1, nz, ny, nx, self.c_in), &Device::Cpu).map_err(Nn3dError::from)?;
        let input = input.permute((0, 4, 1, 2, 3)).and_then(|t| t.contiguous()).map_err(Nn3dError::from)?;
        let mut tensors: Vec<Option<Tensor>> = vec![Some(input)];
        for (at, step) in self.steps.iter().enumerate() {
            let sources: Option<Vec<Tensor>> = step.sources.iter().map(|&source| tensors[source].clone()).collect();
            let made = step.op.run(&sources.unwrap_or_default())?;
            tensors.push(Some(made));
            for &source in step.sources.iter().filter(|&&source| self.last_use(source) == at) {
                tensors[source] = None;
            }
            work.progress.advance(1);
            work.progress.check()?;
        }
        let Some(last) = tensors.pop().flatten() else { return Ok(()) };
        let (_, channels, depth, height, width) = last.dims5().map_err(Nn3dError::from)?;
        let last = last.permute((0, 2, 3, 4, 1)).and_then(|t| t.flatten_all()).map_err(Nn3dError::from)?;
        let values: Vec<f32> = last.to_vec1().map_err(Nn3dError::from)?;
        drop(last);
        let planes = Planes::new(&values, Layout::dense([depth, height, width], channels))?;
        sink.write_planes(pass, 0..depth, &planes, work.threads).map_err(boxed)
    }

    /// The last step that reads a tensor.
    fn last_use(&self, tensor: TensorIndex) -> usize {
        self.steps.iter().rposition(|step| step.sources.contains(&tensor)).unwrap_or(usize::MAX)
    }

    /// Bytes of the tensors that are alive at once, at most, in a run over that size.
    pub(super) fn peak_bytes(&self, size: [usize; 3]) -> usize {
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
                Op::Concat => (channels + shapes[step.sources[1]].0, level),
                Op::Norm(_) | Op::Elu | Op::Relu | Op::Add | Op::Softmax => (channels, level),
            };
            shapes.push(shape);
            alive += bytes(shape);
            // Element-wise operations hold a second tensor while they work.
            most = most.max(alive + bytes(shape));
            let mut done: Vec<TensorIndex> = step.sources.clone();
            done.dedup();
            alive -= done.iter().filter(|&&s| self.last_use(s) == at).map(|&s| bytes(shapes[s])).sum::<usize>();
        }
        most
    }
}

impl Op {
    fn run(&self, sources: &[Tensor]) -> Result<Tensor, SegError> {
        let wrong = |why| SegError::Option { name: "composite", value: format!("{} tensors", sources.len()), why };
        let x = sources.first().ok_or_else(|| wrong("an operation has a source"))?;
        Ok(match self {
            Self::Conv { weight, bias, kernel } => {
                let config = Conv3dConfig::same([*kernel; 3]).with_path(OpPath::Composite);
                conv3d(x, weight, Some(bias), &config)?
            }
            Self::Norm(parameters) => {
                let [gamma, beta, mean, variance] = &**parameters;
                let config = BatchNormConfig::new().with_eps(NORM_EPS).with_path(OpPath::Composite);
                batch_norm(x, mean, variance, Some(gamma), Some(beta), &config)?
            }
            Self::Elu => elu(x, 1.0)?,
            Self::Relu => relu(x)?,
            Self::MaxPool => max_pool3d(x, &Pool3dConfig::new([2; 3]).with_path(OpPath::Composite))?,
            Self::Upsample => upsample_nearest3d(x, [2; 3])?,
            Self::Concat => Tensor::cat(sources, 1).map_err(Nn3dError::from)?,
            Self::Add => {
                let other = sources.get(1).ok_or_else(|| wrong("a sum has two sources"))?;
                (x + other).map_err(Nn3dError::from)?
            }
            Self::Softmax => softmax(x, 1)?,
        })
    }
}

fn tensor(values: Vec<f32>, shape: &[usize]) -> Result<Tensor, SegError> {
    Ok(Tensor::from_vec(values, shape, &Device::Cpu).map_err(Nn3dError::from)?)
}

/// Errors of sources and sinks come as those of kernels do.
fn boxed(source: volkit_kernels::BoxError) -> SegError {
    match source.downcast::<volkit_kernels::KernelError>() {
        Ok(error) => (*error).into(),
        Err(source) => SegError::ReadTensor { tensor: "planes".into(), source },
    }
}
