//! The U-Net of `SynthSeg`, to be trained.

use candle_core::{DType, Device, Result as CandleResult, Tensor, Var};
use serde::{Deserialize, Serialize};
use volkit_core::{Array, MemoryStore};
use volkit_nn3d::{
    BatchNormConfig, Conv3dConfig, Pool3dConfig, batch_norm_training, cat, conv3d, elu, max_pool3d, recorded,
    upsample_nearest3d,
};

use super::random::Random;
use crate::SegError;

/// Added to the variance, as the published networks have it.
const NORM_EPS: f64 = 1e-3;
/// Share of a new batch in the running statistics.
const NORM_MOMENTUM: f64 = 0.01;

/// Which U-Net is trained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct UNetConfig {
    /// Channels of the first level; each level has twice as many as the one before. 24 in the published networks.
    pub features: usize,
    /// Levels, 5 in the published networks. Sizes must be multiples of `2^(levels - 1)`.
    pub levels: usize,
    /// Seed of the first weights.
    pub seed: u64,
}

impl Default for UNetConfig {
    fn default() -> Self {
        Self { features: 24, levels: 5, seed: 0 }
    }
}

/// Channels of the result: the structures of version 2.
const LABELS: usize = 33;

/// How far the batch norm of training may differ from that of inference.
///
/// Batch renormalisation (Ioffe, "Batch Renormalization", 2017): what a batch's own statistics give is multiplied by
/// `r` and shifted by `d`, so that it is what the running statistics would give, with `r` kept within
/// `[1 / largest_ratio, largest_ratio]` and `d` within `[-largest_shift, largest_shift]`. With 1 and 0 that is batch norm.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Renorm {
    /// Bound of `r`.
    pub largest_ratio: f64,
    /// Bound of `d`.
    pub largest_shift: f64,
}

impl Renorm {
    /// Plain batch norm until step `start`, then bounds that grow to 3 and 5 over as many steps as `over`.
    #[must_use]
    pub fn at(step: u64, start: u64, over: u64) -> Self {
        let share = (step.saturating_sub(start) as f64 / over.max(1) as f64).min(1.0);
        Self { largest_ratio: 1.0 + 2.0 * share, largest_shift: 5.0 * share }
    }

    fn is_plain(self) -> bool {
        self.largest_ratio <= 1.0 && self.largest_shift <= 0.0
    }
}

/// A convolution: positions of its weight `[c_out, c_in, k, k, k]` and bias in the list of parameters.
#[derive(Clone, Debug)]
struct Conv {
    name: String,
    weight: usize,
    shape: [usize; 5],
}

/// A norm: positions of its weight and bias in the list of parameters, and its own position among the norms.
#[derive(Clone, Debug)]
struct Norm {
    name: String,
    weight: usize,
    channels: usize,
    at: usize,
}

/// Two convolutions with ELU and the norm behind.
#[derive(Clone, Debug)]
struct Block {
    convs: [Conv; 2],
    norm: Norm,
}

/// The U-Net with its parameters as arrays, which optimisers work on.
///
/// The same network as in the published weights, of any number of features and levels: [`TrainableUNet::to_store`] gives
/// arrays that [`crate::SegmentationNet`] reads.
#[derive(Clone, Debug)]
pub struct TrainableUNet {
    config: UNetConfig,
    down: Vec<Block>,
    up: Vec<Block>,
    head: Conv,
    parameters: Vec<Parameter>,
    /// Running mean and variance of each norm.
    statistics: Vec<[Vec<f32>; 2]>,
}

/// An array of parameters.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Parameter {
    /// Name, that of the array in a file of weights.
    pub name: String,
    /// Lengths of its axes; weights of convolutions are `[c_out, c_in, kz, ky, kx]` here.
    pub shape: Vec<usize>,
    /// Values.
    pub values: Vec<f32>,
}

/// A forward pass on its way back.
pub struct Pass {
    /// Logits `[1, labels, z, y, x]`.
    logits: Tensor,
    variables: Vec<Var>,
    /// Mean and variance of each norm's batch.
    batch: Vec<[Vec<f32>; 2]>,
}

impl TrainableUNet {
    /// A network with random first weights (He et al., 2015) that depend on the seed alone.
    ///
    /// # Errors
    /// [`SegError::Option`] for a network without features or with fewer than 2 or more than 7 levels.
    pub fn new(config: UNetConfig) -> Result<Self, SegError> {
        let UNetConfig { features, levels, .. } = config;
        if features == 0 || features > 256 || !(2..=7).contains(&levels) {
            let why = "is from 1 to 256 features and 2 to 7 levels";
            return Err(SegError::Option { name: "network", value: format!("{features}, {levels}"), why });
        }
        let mut build = Build { seed: config.seed, parameters: Vec::new(), n_norms: 0 };
        let c = |level: usize| features << level;
        let down = (0..levels).map(|level| {
            let c_in = level.checked_sub(1).map_or(1, c);
            build.block(&format!("unet_conv_downarm_{level}"), &format!("unet_bn_down_{level}"), [c_in, c(level)])
        });
        let down = down.collect();
        let up = (0..levels - 1).map(|step| {
            let level = levels - 2 - step;
            let names = [format!("unet_conv_uparm_{}", levels + step), format!("unet_bn_up_{step}")];
            build.block(&names[0], &names[1], [c(level) + c(level + 1), c(level)])
        });
        let up = up.collect();
        let head = build.conv("unet_likelihood".into(), [features, LABELS], 1);
        let Build { parameters, .. } = build;
        let mut net = Self { config, down, up, head, parameters, statistics: Vec::new() };
        net.statistics = net.norms().map(|norm| [vec![0.0; norm.channels], vec![1.0; norm.channels]]).collect();
        Ok(net)
    }

    /// Which network it is.
    #[must_use]
    pub fn config(&self) -> &UNetConfig {
        &self.config
    }

    /// Channels of the result.
    #[must_use]
    pub fn labels(&self) -> usize {
        LABELS
    }

    /// The arrays that are trained.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The same, to be changed.
    pub fn parameters_mut(&mut self) -> &mut [Parameter] {
        &mut self.parameters
    }

    /// Running mean and variance of each norm, by name: `unet_bn_down_0`.
    pub fn statistics(&self) -> impl Iterator<Item = (&str, &[Vec<f32>; 2])> {
        self.norms().map(|norm| (norm.name.as_str(), &self.statistics[norm.at]))
    }

    /// Sets the running statistics of a norm.
    ///
    /// # Errors
    /// [`SegError::Tensor`] for a norm that is not there or has another number of channels.
    pub fn set_statistics(&mut self, name: &str, statistics: [Vec<f32>; 2]) -> Result<(), SegError> {
        let found = self.norms().find(|norm| norm.name == name).map(|norm| (norm.at, norm.channels));
        match found {
            Some((at, n)) if statistics.iter().all(|values| values.len() == n) => self.statistics[at] = statistics,
            _ => {
                let value = format!("{:?}", statistics.map(|values| values.len()));
                let wanted = format!("{:?}", found.map(|(_, n)| [n; 2]));
                return Err(SegError::Tensor { tensor: name.to_owned(), field: "channels", value, wanted });
            }
        }
        Ok(())
    }

    fn norms(&self) -> impl Iterator<Item = &Norm> {
        self.down.iter().chain(&self.up).map(|block| &block.norm)
    }

    fn convs(&self) -> impl Iterator<Item = &Conv> {
        self.down.iter().chain(&self.up).flat_map(|block| &block.convs).chain(std::iter::once(&self.head))
    }

    /// Runs over an image `[z][y][x]` of `size` `[x, y, z]`, keeping what the way back needs.
    ///
    /// # Errors
    /// [`SegError::Composite`] for a size that is no multiple of what the network halves, or another length.
    pub fn forward(&self, image: &[f32], [nx, ny, nz]: [usize; 3], renorm: Renorm) -> Result<Pass, SegError> {
        self.run(image, [1, 1, nz, ny, nx], renorm).map_err(failed)
    }

    fn run(&self, image: &[f32], shape: [usize; 5], renorm: Renorm) -> CandleResult<Pass> {
        let device = Device::Cpu;
        let variable = |parameter: &Parameter| Var::from_slice(&parameter.values, parameter.shape.as_slice(), &device);
        let variables = self.parameters.iter().map(variable).collect::<CandleResult<Vec<_>>>()?;
        let mut run = Run { net: self, variables: &variables, renorm, batch: Vec::new() };
        let x = Tensor::from_slice(image, shape.as_slice(), &device)?;
        // As one node of candle's graph: the way back drops what it has used, and adds no gradient to zeros.
        let logits = recorded(&[&x], |x| run.logits(&x[0]))?;
        let batch = run.batch;
        Ok(Pass { logits, variables, batch })
    }

    /// Takes a batch's statistics into the running ones.
    pub fn update_statistics(&mut self, pass: &Pass) {
        for (running, batch) in self.statistics.iter_mut().zip(&pass.batch) {
            for (running, batch) in running.iter_mut().flatten().zip(batch.iter().flatten()) {
                *running += NORM_MOMENTUM as f32 * (batch - *running);
            }
        }
    }

    /// The network as the arrays of a file of weights.
    ///
    /// # Errors
    /// [`SegError::Core`] never for a network that was made here.
    pub fn to_store(&self) -> Result<MemoryStore, SegError> {
        let mut store = MemoryStore::new();
        for conv in self.convs() {
            let [o, i, k, _, _] = conv.shape;
            let kernel = channels_last(&self.parameters[conv.weight].values, k, i, o);
            store.insert(format!("{}/kernel:0", conv.name), Array::new([k, k, k, i, o], kernel)?);
            let bias = self.parameters[conv.weight + 1].values.clone();
            store.insert(format!("{}/bias:0", conv.name), Array::new([o], bias)?);
        }
        for norm in self.norms() {
            let [mean, variance] = self.statistics[norm.at].clone();
            let of = |offset: usize| self.parameters[norm.weight + offset].values.clone();
            let arrays = [("gamma", of(0)), ("beta", of(1)), ("moving_mean", mean), ("moving_variance", variance)];
            for (weight, values) in arrays {
                store.insert(format!("{}/{weight}:0", norm.name), Array::new([norm.channels], values)?);
            }
        }
        Ok(store)
    }
}

impl Pass {
    /// Logits `[labels][z][y][x]`.
    ///
    /// # Errors
    /// [`SegError::Composite`] never for a pass that was made here.
    pub fn logits(&self) -> Result<Vec<f32>, SegError> {
        self.logits.flatten_all().and_then(|logits| logits.to_vec1()).map_err(failed)
    }

    /// Gradients of all parameters, in their order, for the gradient of the logits.
    ///
    /// # Errors
    /// [`SegError::Composite`] for another number of values than there are logits.
    pub fn backward(&self, gradient: Vec<f32>) -> Result<Vec<Vec<f32>>, SegError> {
        let run = || {
            // The derivative of sum(logits * g) with respect to the logits is g.
            let given = Tensor::from_vec(gradient, self.logits.shape(), &Device::Cpu)?;
            let gradients = (&self.logits * &given)?.sum_all()?.backward()?;
            let of = |variable: &Var| match gradients.get(variable) {
                Some(gradient) => gradient.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>(),
                None => Ok(vec![0.0; variable.elem_count()]),
            };
            self.variables.iter().map(of).collect::<CandleResult<Vec<_>>>()
        };
        run().map_err(failed)
    }
}

/// Errors of candle reach callers as those of the layers.
fn failed(error: candle_core::Error) -> SegError {
    SegError::from(volkit_nn3d::Nn3dError::from(error))
}

/// Turns a kernel `[c_out][c_in][kz][ky][kx]` into `[kx][ky][kz][c_in][c_out]`.
fn channels_last(weight: &[f32], k: usize, c_in: usize, c_out: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(weight.len());
    for tap in 0..k * k * k {
        let (x, y, z) = (tap / (k * k), tap / k % k, tap % k);
        for i in 0..c_in {
            turned.extend((0..c_out).map(|o| weight[(((o * c_in + i) * k + z) * k + y) * k + x]));
        }
    }
    turned
}

/// Collects the parameters of a new network.
struct Build {
    seed: u64,
    parameters: Vec<Parameter>,
    n_norms: usize,
}

impl Build {
    fn push(&mut self, name: String, shape: Vec<usize>, values: Vec<f32>) -> usize {
        self.parameters.push(Parameter { name, shape, values });
        self.parameters.len() - 1
    }

    fn conv(&mut self, name: String, [c_in, c_out]: [usize; 2], k: usize) -> Conv {
        let shape = [c_out, c_in, k, k, k];
        let fan_in = (c_in * k * k * k) as f64;
        let deviation = (if k > 1 { 2.0 } else { 1.0 } / fan_in).sqrt();
        let mut random = Random::new(self.seed, &[self.parameters.len() as u64]);
        let values = (0..shape.iter().product()).map(|_| (deviation * random.normal()) as f32).collect();
        let weight = self.push(format!("{name}/kernel:0"), shape.to_vec(), values);
        self.push(format!("{name}/bias:0"), vec![c_out], vec![0.0; c_out]);
        Conv { name, weight, shape }
    }

    fn block(&mut self, conv: &str, norm: &str, [c_in, c_out]: [usize; 2]) -> Block {
        let convs = [self.conv(format!("{conv}_0"), [c_in, c_out], 3), self.conv(format!("{conv}_1"), [c_out; 2], 3)];
        let weight = self.push(format!("{norm}/gamma:0"), vec![c_out], vec![1.0; c_out]);
        self.push(format!("{norm}/beta:0"), vec![c_out], vec![0.0; c_out]);
        let at = self.n_norms;
        self.n_norms += 1;
        Block { convs, norm: Norm { name: norm.to_owned(), weight, channels: c_out, at } }
    }
}

/// A forward pass.
struct Run<'a> {
    net: &'a TrainableUNet,
    variables: &'a [Var],
    renorm: Renorm,
    batch: Vec<[Vec<f32>; 2]>,
}

impl Run<'_> {
    fn logits(&mut self, image: &Tensor) -> CandleResult<Tensor> {
        let (mut x, mut skips, net) = (image.clone(), Vec::new(), self.net);
        let last = net.down.len() - 1;
        for (level, block) in net.down.iter().enumerate() {
            let (skip, normed) = self.block(block, &x)?;
            x = normed;
            if level < last {
                x = max_pool3d(&x, &Pool3dConfig::new([2; 3]))?;
                skips.push(skip);
            }
        }
        for (block, skip) in net.up.iter().zip(skips.iter().rev()) {
            x = self.block(block, &cat(&[skip, &upsample_nearest3d(&x, [2; 3])?], 1)?)?.1;
        }
        self.conv(&net.head, &x)
    }

    fn conv(&self, conv: &Conv, x: &Tensor) -> CandleResult<Tensor> {
        let [_, _, kernel @ ..] = conv.shape;
        let bias = self.variables[conv.weight + 1].as_tensor();
        Ok(conv3d(x, &self.variables[conv.weight], Some(bias), &Conv3dConfig::same(kernel))?)
    }

    /// The result of the convolutions, and the same behind the norm.
    fn block(&mut self, block: &Block, x: &Tensor) -> CandleResult<(Tensor, Tensor)> {
        let mut x = x.clone();
        for conv in &block.convs {
            x = elu(&self.conv(conv, &x)?, 1.0)?;
        }
        let normed = self.norm(&block.norm, &x)?;
        Ok((x, normed))
    }

    fn norm(&mut self, norm: &Norm, x: &Tensor) -> CandleResult<Tensor> {
        let config = BatchNormConfig::new().with_eps(NORM_EPS);
        let [weight, bias] = [0, 1].map(|offset| self.variables[norm.weight + offset].as_tensor());
        if self.renorm.is_plain() {
            let (y, batch) = batch_norm_training(x, Some(weight), Some(bias), &config)?;
            self.batch.push([batch.mean.to_vec1()?, batch.variance.to_vec1()?]);
            return Ok(y);
        }
        let (_, batch) = batch_norm_training(&x.detach(), None, None, &config)?;
        let (mean, variance): (Vec<f32>, Vec<f32>) = (batch.mean.to_vec1()?, batch.variance.to_vec1()?);
        let [running_mean, running_variance] = &self.net.statistics[norm.at];
        let deviation = |variance: f32| (f64::from(variance) + NORM_EPS).sqrt();
        let (most, furthest) = (self.renorm.largest_ratio, self.renorm.largest_shift);
        let (mut r, mut d) = (Vec::with_capacity(mean.len()), Vec::with_capacity(mean.len()));
        for c in 0..mean.len() {
            let running = deviation(running_variance[c]);
            r.push((deviation(variance[c]) / running).clamp(1.0 / most, most) as f32);
            d.push((f64::from(mean[c] - running_mean[c]) / running).clamp(-furthest, furthest) as f32);
        }
        self.batch.push([mean, variance]);
        let n = r.len();
        let (r, d) = (Tensor::from_vec(r, n, x.device())?, Tensor::from_vec(d, n, x.device())?);
        let (scale, shift) = ((weight * r)?, ((weight * d)? + bias)?);
        Ok(batch_norm_training(x, Some(&scale), Some(&shift), &config)?.0)
    }
}
