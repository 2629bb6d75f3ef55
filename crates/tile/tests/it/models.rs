//! Models for tests.

use volkit_core::{Batch, BoxError, OutputSpec, Predictor, PredictorSpec, Scale};

use crate::bench::noise;

/// A model made of a function of one sample `[C, s..]`.
pub(crate) struct Function<F> {
    pub(crate) spec: PredictorSpec,
    pub(crate) run: F,
}

impl<F: FnMut(&[usize], &[f32]) -> Vec<(Vec<usize>, Vec<f32>)> + Send> Predictor for Function<F> {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let len = input.shape()[1..].iter().product::<usize>();
        let samples: Vec<_> =
            input.values().chunks_exact(len).map(|sample| (self.run)(&input.shape()[1..], sample)).collect();
        let n_outputs = samples[0].len();
        let gather = |k: usize| {
            let shape = [&[samples.len()], samples[0][k].0.as_slice()].concat();
            let values = samples.iter().flat_map(|sample| sample[k].1.iter().copied()).collect();
            Ok(Batch::new(shape, values)?)
        };
        (0..n_outputs).map(gather).collect()
    }
}

pub(crate) fn output(name: &str, channels: usize, numerator: usize, denominator: usize) -> OutputSpec {
    OutputSpec { name: name.to_owned(), channels, scale: Scale { numerator, denominator } }
}

pub(crate) fn spec(input_channels: usize, n_spatial_axes: usize, outputs: Vec<OutputSpec>) -> PredictorSpec {
    PredictorSpec { input_channels, n_spatial_axes, outputs, multiple_of: 1, receptive_radius: None }
}

/// Convolutions of 3 x 3 with zero padding, `ReLU` between them, weights by a seed.
pub(crate) struct ConvNet {
    spec: PredictorSpec,
    /// `(C_in, C_out, weights [C_out, C_in, 3, 3], bias)`.
    layers: Vec<(usize, usize, Vec<f32>, Vec<f32>)>,
}

impl ConvNet {
    pub(crate) fn new(channels: &[usize]) -> Self {
        let layer = |(i, pair): (usize, &[usize])| {
            let (c_in, c_out) = (pair[0], pair[1]);
            let scale = (2.0 / (9.0 * c_in as f32)).sqrt();
            let weights = noise(c_out * c_in * 9, i as u64 + 1).iter().map(|w| w * scale).collect();
            (c_in, c_out, weights, noise(c_out, i as u64 + 100))
        };
        let layers: Vec<_> = channels.windows(2).enumerate().map(layer).collect();
        let mut spec = spec(channels[0], 2, vec![output("net", channels[channels.len() - 1], 1, 1)]);
        spec.receptive_radius = Some(vec![layers.len(); 2]);
        Self { spec, layers }
    }
}

impl Predictor for ConvNet {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let &[n, _, h, w] = input.shape() else { return Err("two spatial axes are needed".into()) };
        let mut all = Vec::new();
        for sample in input.values().chunks_exact(input.values().len() / n) {
            let mut image = sample.to_vec();
            for (i, (c_in, c_out, weights, bias)) in self.layers.iter().enumerate() {
                let mut out = vec![0.0f32; c_out * h * w];
                for o in 0..*c_out {
                    convolve(&image, &weights[o * c_in * 9..], *c_in, [h, w], &mut out[o * h * w..(o + 1) * h * w]);
                    let relu = i + 1 < self.layers.len();
                    for value in &mut out[o * h * w..(o + 1) * h * w] {
                        *value = if relu { (*value + bias[o]).max(0.0) } else { *value + bias[o] };
                    }
                }
                image = out;
            }
            all.extend(image);
        }
        let channels = self.spec.outputs[0].channels;
        Ok(vec![Batch::new([n, channels, h, w], all)?])
    }
}

/// One output channel: the order of additions is the same at every sample, so tiles can equal the whole to the bit.
fn convolve(image: &[f32], weights: &[f32], c_in: usize, [h, w]: [usize; 2], out: &mut [f32]) {
    for c in 0..c_in {
        for dy in 0..3 {
            for dx in 0..3 {
                let weight = weights[c * 9 + dy * 3 + dx];
                for y in 0..h {
                    let Some(sy) = (y + dy).checked_sub(1).filter(|&sy| sy < h) else { continue };
                    for x in 0..w {
                        let Some(sx) = (x + dx).checked_sub(1).filter(|&sx| sx < w) else { continue };
                        out[y * w + x] += weight * image[(c * h + sy) * w + sx];
                    }
                }
            }
        }
    }
}
