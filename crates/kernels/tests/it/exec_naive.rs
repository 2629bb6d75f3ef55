//! A network in plain loops and f64 sums, layer by layer.

use volkit_kernels::{Activation, ConvShape, Source, TensorId};

/// A small deterministic generator.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() >> 33) as usize % n
    }

    /// `n` floats, uniform in `-range..range`.
    pub(crate) fn floats(&mut self, n: usize, range: f32) -> Vec<f32> {
        (0..n).map(|_| ((self.next() >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * range).collect()
    }
}

enum Layer {
    Input(usize),
    Conv(ConvShape, Vec<f32>, Vec<f32>, Activation, Vec<(usize, bool)>),
    MaxPool(usize, Vec<f32>, Vec<f32>),
    Upsample(usize),
    Activation(usize, Activation),
    Add(usize, usize, Activation),
    ScaleShift(usize, Vec<f32>, Vec<f32>),
    InstanceNorm(usize, f64, Activation),
    Softmax(usize),
    Transposed(usize, Vec<f32>, Vec<f32>),
}

/// The same network as a graph, node by node.
#[derive(Default)]
pub(crate) struct Naive {
    layers: Vec<Layer>,
}

struct Tensor {
    size: [usize; 3],
    channels: usize,
    data: Vec<f64>,
}

impl Tensor {
    fn at(&self, z: usize, y: usize, x: usize) -> &[f64] {
        let voxel = (z * self.size[1] + y) * self.size[2] + x;
        &self.data[voxel * self.channels..(voxel + 1) * self.channels]
    }

    fn map(&self, f: impl Fn(&[f64]) -> Vec<f64>) -> Self {
        let data: Vec<f64> = self.data.chunks(self.channels).flat_map(f).collect();
        Self { size: self.size, channels: self.channels, data }
    }

    fn build(size: [usize; 3], channels: usize, voxel: impl Fn(usize, usize, usize) -> Vec<f64>) -> Self {
        let mut data = Vec::with_capacity(size.iter().product::<usize>() * channels);
        for z in 0..size[0] {
            for y in 0..size[1] {
                for x in 0..size[2] {
                    data.extend(voxel(z, y, x));
                }
            }
        }
        Self { size, channels, data }
    }
}

fn act(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu(slope) if x <= 0.0 => x * f64::from(slope),
        Activation::Elu if x <= 0.0 => x.exp_m1(),
        Activation::Gelu => panic!("not used in these tests"),
        _ => x,
    }
}

impl Naive {
    pub(crate) fn input(&mut self, channels: usize) {
        self.layers.push(Layer::Input(channels));
    }

    pub(crate) fn conv(
        &mut self,
        shape: ConvShape,
        weight: Vec<f32>,
        bias: Vec<f32>,
        activation: Activation,
        sources: &[Source],
    ) {
        let sources = sources.iter().map(|source| (source.tensor.index(), source.upsampled)).collect();
        self.layers.push(Layer::Conv(shape, weight, bias, activation, sources));
    }

    pub(crate) fn max_pool(&mut self, source: TensorId, scale: Vec<f32>, shift: Vec<f32>) {
        self.layers.push(Layer::MaxPool(source.index(), scale, shift));
    }

    pub(crate) fn upsample(&mut self, source: TensorId) {
        self.layers.push(Layer::Upsample(source.index()));
    }

    pub(crate) fn activation(&mut self, source: TensorId, activation: Activation) {
        self.layers.push(Layer::Activation(source.index(), activation));
    }

    pub(crate) fn add(&mut self, a: TensorId, b: TensorId, activation: Activation) {
        self.layers.push(Layer::Add(a.index(), b.index(), activation));
    }

    pub(crate) fn scale_shift(&mut self, source: TensorId, scale: Vec<f32>, shift: Vec<f32>) {
        self.layers.push(Layer::ScaleShift(source.index(), scale, shift));
    }

    pub(crate) fn instance_norm(&mut self, source: TensorId, eps: f64, activation: Activation) {
        self.layers.push(Layer::InstanceNorm(source.index(), eps, activation));
    }

    pub(crate) fn softmax(&mut self, source: TensorId) {
        self.layers.push(Layer::Softmax(source.index()));
    }

    pub(crate) fn transposed(&mut self, source: TensorId, weight: Vec<f32>, bias: Vec<f32>) {
        // The graph has two nodes for it; nobody reads the first.
        self.layers.push(Layer::Activation(source.index(), Activation::Identity));
        self.layers.push(Layer::Transposed(source.index(), weight, bias));
    }

    /// The last tensor, `[d][h][w][c]`, for an input of this `size`.
    pub(crate) fn run(&self, size: [usize; 3], input: &[f32]) -> Vec<f64> {
        let mut tensors: Vec<Tensor> = Vec::new();
        for layer in &self.layers {
            let tensor = match layer {
                Layer::Input(channels) => {
                    Tensor { size, channels: *channels, data: input.iter().map(|v| f64::from(*v)).collect() }
                }
                Layer::Conv(shape, weight, bias, activation, sources) => {
                    convolved(&tensors, shape, weight, bias, *activation, sources)
                }
                Layer::MaxPool(source, scale, shift) => pooled(&tensors[*source], scale, shift),
                Layer::Upsample(source) => {
                    let source = &tensors[*source];
                    let twice = source.size.map(|n| 2 * n);
                    Tensor::build(twice, source.channels, |z, y, x| source.at(z / 2, y / 2, x / 2).to_vec())
                }
                Layer::Activation(source, activation) => {
                    tensors[*source].map(|voxel| voxel.iter().map(|x| act(*activation, *x)).collect())
                }
                Layer::Add(a, b, activation) => {
                    let (a, b) = (&tensors[*a], &tensors[*b]);
                    let sums = a.data.iter().zip(&b.data).map(|(a, b)| act(*activation, a + b));
                    Tensor { size: a.size, channels: a.channels, data: sums.collect() }
                }
                Layer::ScaleShift(source, scale, shift) => tensors[*source].map(|voxel| affine(voxel, scale, shift)),
                Layer::Transposed(source, weight, bias) => transposed(&tensors[*source], weight, bias),
                Layer::InstanceNorm(source, eps, activation) => normed(&tensors[*source], *eps, *activation),
                Layer::Softmax(source) => tensors[*source].map(|voxel| {
                    let most = voxel.iter().copied().fold(f64::NEG_INFINITY, f64::max);
                    let sum: f64 = voxel.iter().map(|x| (x - most).exp()).sum();
                    voxel.iter().map(|x| (x - most).exp() / sum).collect()
                }),
            };
            tensors.push(tensor);
        }
        tensors.pop().map(|tensor| tensor.data).expect("a layer")
    }
}

fn affine(voxel: &[f64], scale: &[f32], shift: &[f32]) -> Vec<f64> {
    voxel.iter().zip(scale.iter().zip(shift)).map(|(x, (a, b))| x * f64::from(*a) + f64::from(*b)).collect()
}

/// `weight` is `[C_in][C_out][2][2][2]`.
fn transposed(source: &Tensor, weight: &[f32], bias: &[f32]) -> Tensor {
    Tensor::build(source.size.map(|n| 2 * n), bias.len(), |z, y, x| {
        let (voxel, corner) = (source.at(z / 2, y / 2, x / 2), (z % 2 * 2 + y % 2) * 2 + x % 2);
        let sum = |o: usize| -> f64 {
            let products = voxel.iter().enumerate();
            products.map(|(c, value)| value * f64::from(weight[(c * bias.len() + o) * 8 + corner])).sum()
        };
        bias.iter().enumerate().map(|(o, bias)| f64::from(*bias) + sum(o)).collect()
    })
}

fn pooled(source: &Tensor, scale: &[f32], shift: &[f32]) -> Tensor {
    Tensor::build(source.size.map(|n| n / 2), source.channels, |z, y, x| {
        let mut most = vec![f64::NEG_INFINITY; source.channels];
        for corner in 0..8 {
            let voxel = source.at(2 * z + corner / 4, 2 * y + corner / 2 % 2, 2 * x + corner % 2);
            for (most, value) in most.iter_mut().zip(affine(voxel, scale, shift)) {
                *most = most.max(value);
            }
        }
        most
    })
}

fn normed(source: &Tensor, eps: f64, activation: Activation) -> Tensor {
    let n = (source.data.len() / source.channels) as f64;
    let of = |c: usize| source.data.iter().skip(c).step_by(source.channels);
    let mean: Vec<f64> = (0..source.channels).map(|c| of(c).sum::<f64>() / n).collect();
    let var: Vec<f64> = (0..source.channels).map(|c| of(c).map(|x| (x - mean[c]).powi(2)).sum::<f64>() / n).collect();
    source.map(|voxel| {
        voxel.iter().enumerate().map(|(c, x)| act(activation, (x - mean[c]) / (var[c] + eps).sqrt())).collect()
    })
}

fn convolved(
    tensors: &[Tensor],
    shape: &ConvShape,
    weight: &[f32],
    bias: &[f32],
    activation: Activation,
    sources: &[(usize, bool)],
) -> Tensor {
    let factor = |upsampled: bool| if upsampled { 2 } else { 1 };
    let size = tensors[sources[0].0].size.map(|n| n * factor(sources[0].1));
    let [kd, kh, kw] = shape.kernel;
    let place = |at: usize, tap: usize, axis: usize| {
        let reach = shape.dilation[axis] * (shape.kernel[axis] / 2);
        (at + tap * shape.dilation[axis]).checked_sub(reach).filter(|at| *at < size[axis])
    };
    Tensor::build(size, shape.c_out, |z, y, x| {
        let mut sums: Vec<f64> = bias.iter().map(|b| f64::from(*b)).collect();
        for tap in 0..kd * kh * kw {
            let (i, j, k) = (tap / (kh * kw), tap / kw % kh, tap % kw);
            let (Some(z), Some(y), Some(x)) = (place(z, i, 0), place(y, j, 1), place(x, k, 2)) else { continue };
            let mut c = 0;
            for (source, upsampled) in sources {
                let f = factor(*upsampled);
                for value in tensors[*source].at(z / f, y / f, x / f) {
                    for (o, sum) in sums.iter_mut().enumerate() {
                        *sum += value * f64::from(weight[(o * shape.c_in + c) * kd * kh * kw + tap]);
                    }
                    c += 1;
                }
            }
        }
        sums.into_iter().map(|sum| act(activation, sum)).collect()
    })
}
