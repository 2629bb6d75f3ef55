//! A chain of 3 x 3 convolutions, written plainly: it is there for its seams, not for its speed.

use volkit_core::{Batch, BoxError, OutputSpec, Predictor, PredictorSpec, Scale};

use crate::noise;

/// 3 x 3 convolutions with zero padding and `ReLU` between them, seeded weights.
#[derive(Clone, Debug)]
pub struct ConvNet {
    spec: PredictorSpec,
    layers: Vec<Layer>,
}

#[derive(Clone, Debug)]
struct Layer {
    c_in: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl ConvNet {
    /// A network with these channels, from input to output.
    #[must_use]
    pub fn new(channels: &[usize]) -> Self {
        let layer = |(i, pair): (usize, &[usize])| {
            // Uniform in +-1 / sqrt(9 C_in), which is how PyTorch begins.
            let bound = 1.0 / (9.0 * pair[0] as f32).sqrt();
            let uniform = |n: usize, seed: u64| noise(n, seed).iter().map(|w| (2.0 * w - 1.0) * bound).collect();
            let weight = uniform(pair[1] * pair[0] * 9, i as u64 + 1);
            let bias = uniform(pair[1], i as u64 + 100);
            Layer { c_in: pair[0], weight, bias }
        };
        let layers: Vec<Layer> = channels.windows(2).enumerate().map(layer).collect();
        let n_outputs = channels.last().copied().unwrap_or(0);
        let spec = PredictorSpec {
            input_channels: channels.first().copied().unwrap_or(0),
            n_spatial_axes: 2,
            outputs: vec![OutputSpec { name: "net".to_owned(), channels: n_outputs, scale: Scale::ONE }],
            multiple_of: 1,
            receptive_radius: Some(vec![layers.len(); 2]),
        };
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
            for (i, layer) in self.layers.iter().enumerate() {
                let mut out = Vec::with_capacity(layer.bias.len() * h * w);
                for (o, &bias) in layer.bias.iter().enumerate() {
                    let mut sums = vec![bias; h * w];
                    convolve(&image, &layer.weight[o * layer.c_in * 9..], layer.c_in, [h, w], &mut sums);
                    if i + 1 < self.layers.len() {
                        sums.iter_mut().for_each(|sum| *sum = sum.max(0.0));
                    }
                    out.extend(sums);
                }
                image = out;
            }
            all.extend(image);
        }
        Ok(vec![Batch::new([n, self.spec.outputs[0].channels, h, w], all)?])
    }
}

/// Adds one output channel, taps in the same order at every sample.
fn convolve(image: &[f32], weight: &[f32], c_in: usize, [h, w]: [usize; 2], sums: &mut [f32]) {
    for channel in 0..c_in {
        for tap in 0..9 {
            let (dy, dx, weight) = (tap / 3, tap % 3, weight[channel * 9 + tap]);
            for y in 0..h {
                let Some(from_y) = (y + dy).checked_sub(1).filter(|&from| from < h) else { continue };
                let row = &image[(channel * h + from_y) * w..][..w];
                let sums = &mut sums[y * w..(y + 1) * w];
                let (to, from) = match dx {
                    0 => (&mut sums[1..], &row[..w - 1]),
                    1 => (sums, row),
                    _ => (&mut sums[..w - 1], &row[1..]),
                };
                to.iter_mut().zip(from).for_each(|(sum, x)| *sum += weight * x);
            }
        }
    }
}
