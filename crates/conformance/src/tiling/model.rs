//! The models that golden results were made with.

use volkit_core::{Array, ArrayStore as _, Batch, BoxError, OutputSpec, Predictor, PredictorSpec, Scale};
use volkit_io::SafetensorsStore;

/// Does what its name in the index says.
pub(super) struct Model {
    spec: PredictorSpec,
    kind: Kind,
}

enum Kind {
    Identity,
    /// Zero padding, cross-correlation; weight `[C_out, C_in, k..]`.
    Conv {
        weight: Vec<f32>,
        kernel: Vec<usize>,
        bias: Vec<f32>,
    },
    AvgPool2,
    Upsample2,
    /// Twice the input, and its means: the published numbers are those of 2 x, whatever the name says.
    DoubledAndPool,
}

impl Model {
    pub(super) fn new(name: &str, channels: usize, n_axes: usize, store: &SafetensorsStore) -> Result<Self, BoxError> {
        let output = |name: &str, channels, numerator, denominator| OutputSpec {
            name: name.to_owned(),
            channels,
            scale: Scale { numerator, denominator },
        };
        let (kind, outputs) = match name {
            "identity" => (Kind::Identity, vec![output("identity", channels, 1, 1)]),
            "avgpool2" => (Kind::AvgPool2, vec![output("half", channels, 1, 2)]),
            "upsample2_nearest" => (Kind::Upsample2, vec![output("double", channels, 2, 1)]),
            "dict_id_and_pool" => {
                (Kind::DoubledAndPool, vec![output("full", channels, 1, 1), output("half", channels, 1, 2)])
            }
            conv => {
                let [weight, bias]: [Array; 2] =
                    [store.get(&format!("{conv}.weight"))?, store.get(&format!("{conv}.bias"))?];
                let &[c_out, c_in, ref kernel @ ..] = weight.shape() else {
                    return Err(format!("{conv}.weight has the shape {:?}", weight.shape()).into());
                };
                if c_in != channels || kernel.len() != n_axes || bias.shape() != [c_out] {
                    return Err(format!("{conv} does not fit {channels} channels and {n_axes} axes").into());
                }
                let kernel = kernel.to_vec();
                let kind = Kind::Conv { kernel, weight: weight.to_real()?, bias: bias.to_real()? };
                (kind, vec![output(conv, c_out, 1, 1)])
            }
        };
        let spec = PredictorSpec {
            input_channels: channels,
            n_spatial_axes: n_axes,
            outputs,
            multiple_of: 1,
            receptive_radius: None,
        };
        Ok(Self { spec, kind })
    }
}

impl Predictor for Model {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let halves = || resampled(input, |n| n / 2, pooled);
        Ok(match &self.kind {
            Kind::Identity => vec![input.clone()],
            Kind::AvgPool2 => vec![halves()?],
            Kind::DoubledAndPool => {
                let doubled = input.values().iter().map(|value| 2.0 * value).collect();
                vec![Batch::new(input.shape(), doubled)?, halves()?]
            }
            Kind::Upsample2 => vec![resampled(input, |n| 2 * n, |image, size, at| image[flat(size, at, |i| i / 2)])?],
            Kind::Conv { weight, kernel, bias } => vec![conv(input, weight, kernel, bias)?],
        })
    }
}

/// Mean of the 2^d samples that a sample of half the size stands for.
fn pooled(image: &[f32], size: &[usize], at: &[usize]) -> f32 {
    let n = 1 << size.len();
    let corner = |k: usize| {
        let index: Vec<usize> = at.iter().enumerate().map(|(axis, i)| 2 * i + (k >> axis & 1)).collect();
        f64::from(image[flat(size, &index, |i| i)])
    };
    ((0..n).map(corner).sum::<f64>() / n as f64) as f32
}

/// A batch of another size, every sample by a function of its image.
fn resampled(
    input: &Batch,
    resize: impl Fn(usize) -> usize,
    sample: impl Fn(&[f32], &[usize], &[usize]) -> f32,
) -> Result<Batch, BoxError> {
    let size = input.spatial();
    let new_size: Vec<usize> = size.iter().map(|&n| resize(n)).collect();
    let mut out = Vec::new();
    for image in input.values().chunks_exact(size.iter().product()) {
        out.extend(indexes(&new_size).map(|at| sample(image, size, &at)));
    }
    let shape = [&input.shape()[..2], new_size.as_slice()].concat();
    Ok(Batch::new(shape, out)?)
}

fn conv(input: &Batch, weight: &[f32], kernel: &[usize], bias: &[f32]) -> Result<Batch, BoxError> {
    let (size, c_in) = (input.spatial(), input.shape()[1]);
    let (len, n_taps) = (size.iter().product::<usize>(), kernel.iter().product::<usize>());
    let mut out = Vec::new();
    for sample in input.values().chunks_exact(c_in * len) {
        for (o, bias) in bias.iter().enumerate() {
            let mut sums = vec![f64::from(*bias); len];
            for channel in 0..c_in {
                let image = &sample[channel * len..(channel + 1) * len];
                for (tap, offset) in indexes(kernel).enumerate() {
                    let w = f64::from(weight[(o * c_in + channel) * n_taps + tap]);
                    for (sum, at) in sums.iter_mut().zip(indexes(size)) {
                        let moved = |axis: usize| (at[axis] + offset[axis]).checked_sub(kernel[axis] / 2);
                        let from: Option<Vec<usize>> =
                            (0..size.len()).map(|axis| moved(axis).filter(|&i| i < size[axis])).collect();
                        if let Some(from) = from {
                            *sum += w * f64::from(image[flat(size, &from, |i| i)]);
                        }
                    }
                }
            }
            out.extend(sums.into_iter().map(|sum| sum as f32));
        }
    }
    let mut shape = input.shape().to_vec();
    shape[1] = bias.len();
    Ok(Batch::new(shape, out)?)
}

/// All indexes of an array, row-major.
fn indexes(size: &[usize]) -> impl Iterator<Item = Vec<usize>> + '_ {
    (0..size.iter().product::<usize>()).map(move |mut rest| {
        let mut index = vec![0; size.len()];
        for (i, n) in index.iter_mut().zip(size).rev() {
            (*i, rest) = (rest % n, rest / n);
        }
        index
    })
}

fn flat(size: &[usize], at: &[usize], moved: impl Fn(usize) -> usize) -> usize {
    at.iter().zip(size).fold(0, |offset, (&i, n)| offset * n + moved(i))
}
