//! A small network with made-up weights, for demonstrations and tests of everything around it.

use serde_json::json;
use volkit_core::{Array, MemoryStore};

use crate::{BenchError, Random};

/// Dilations of the 3 x 3 x 3 layers, as the published networks have them.
const DILATIONS: [usize; 9] = [1, 2, 4, 8, 16, 8, 4, 2, 1];
/// More are refused: the arrays would grow for nothing.
const MAX_CHANNELS: usize = 256;

/// A `MeshNet` with seeded weights: its labels mean nothing, but they form regions and not noise.
///
/// Every layer smooths: a channel `c` is handed from layer to layer, through a positive kernel that spreads only where
/// the dilation is at most `2^(c - 1)`; channel 0 stays sharp. The last layer assigns the voxel to the nearest of
/// `classes` random templates in the space of these features (`2 t . f - |t|^2` is largest for the nearest template
/// `t`). Class 0 is the template 0: air. Names and shapes are those of the published files: `layers.N.weight`
/// `[C_out, C_in, k, k, k]`, `layers.N.bias` `[C_out]`, and the metadata `config`.
///
/// ```
/// use volkit_bench::SeededMeshNet;
/// use volkit_core::ArrayStore;
/// let net = SeededMeshNet::new().with_seed(7).generate()?;
/// assert_eq!(net.get("layers.9.weight").unwrap().shape(), [6, 5, 1, 1, 1]);
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeededMeshNet {
    /// Channels of the hidden layers, 1 to 256 (default 5).
    pub channels: usize,
    /// Classes, 2 to 256 (default 6).
    pub classes: usize,
    /// Which weights (default 0).
    pub seed: u64,
}

impl SeededMeshNet {
    /// Five channels, six classes.
    #[must_use]
    pub fn new() -> Self {
        Self { channels: 5, classes: 6, seed: 0 }
    }

    /// The same with another number of channels.
    #[must_use]
    pub fn with_channels(self, channels: usize) -> Self {
        Self { channels, ..self }
    }

    /// The same with another number of classes.
    #[must_use]
    pub fn with_classes(self, classes: usize) -> Self {
        Self { classes, ..self }
    }

    /// The same with other weights.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Makes the weights.
    ///
    /// # Errors
    /// [`BenchError::Parameter`] for a number of channels or classes out of range.
    pub fn generate(&self) -> Result<MemoryStore, BenchError> {
        for (name, value, low) in [("channels", self.channels, 1), ("classes", self.classes, 2)] {
            if !(low..=MAX_CHANNELS).contains(&value) {
                return Err(BenchError::Parameter {
                    name,
                    value: value.to_string(),
                    why: "at least 1 channel, 2 classes; at most 256",
                });
            }
        }
        let mut random = Random::new(self.seed);
        let mut store = MemoryStore::new();
        let mut layers = Vec::new();
        for (layer, &dilation) in DILATIONS.iter().enumerate() {
            let inputs = if layer == 0 { 1 } else { self.channels };
            let weight = self.smoothing_weight(inputs, dilation, &mut random);
            insert(&mut store, layer, [self.channels, inputs, 3, 3, 3], weight, vec![0.0; self.channels])?;
            layers.push(
                json!({"kernel": 3, "dilation": dilation, "padding": dilation, "in": inputs, "out": self.channels}),
            );
        }
        let (weight, bias) = self.templates(&mut random);
        insert(&mut store, DILATIONS.len(), [self.classes, self.channels, 1, 1, 1], weight, bias)?;
        layers.push(json!({"kernel": 1, "dilation": 1, "padding": 0, "in": self.channels, "out": self.classes}));
        let config = json!({
            "architecture": "meshnet", "activation": "relu", "norm": "none", "layers": layers,
            "note": "seeded weights: the labels mean nothing",
        });
        store.set_metadata("config", config.to_string());
        Ok(store)
    }

    /// `[channels, inputs, 27]`: each channel takes itself (or the image), through a kernel whose weights sum to 1.
    fn smoothing_weight(&self, inputs: usize, dilation: usize, random: &mut Random) -> Vec<f32> {
        let mut weight = vec![0.0f32; self.channels * inputs * 27];
        for channel in 0..self.channels {
            let input = channel.min(inputs - 1);
            let kernel = &mut weight[(channel * inputs + input) * 27..][..27];
            let spreads = channel > 0 && dilation <= 1 << (channel - 1).min(5);
            if spreads {
                let raw: [f64; 27] = std::array::from_fn(|tap| {
                    // Taps nearer to the centre weigh more: 8, 4, 2, 1 for centre, face, edge, corner.
                    let steps = [tap % 3, tap / 3 % 3, tap / 9].iter().filter(|&&i| i != 1).count();
                    f64::from(8u32 >> steps) * random.range(0.8, 1.2)
                });
                let sum: f64 = raw.iter().sum();
                for (tap, value) in kernel.iter_mut().zip(raw) {
                    *tap = (value / sum) as f32;
                }
            } else {
                kernel[13] = 1.0;
            }
        }
        weight
    }

    /// Weight `[classes, channels]` and bias of the nearest-template rule.
    fn templates(&self, random: &mut Random) -> (Vec<f32>, Vec<f32>) {
        let (mut weight, mut bias) = (Vec::new(), Vec::new());
        for class in 0..self.classes {
            let sharp = class as f64 / (self.classes - 1) as f64;
            // Context is flatter than the image: far channels differ less from class to class.
            let template: Vec<f64> = (0..self.channels)
                .map(|channel| {
                    let context = channel as f64 / self.channels as f64;
                    let value = sharp * (1.0 - context) + 0.5 * context + random.range(-0.06, 0.06);
                    if class == 0 { 0.0 } else { value }
                })
                .collect();
            weight.extend(template.iter().map(|t| (2.0 * t) as f32));
            bias.push(-template.iter().map(|t| t * t).sum::<f64>() as f32);
        }
        (weight, bias)
    }
}

impl Default for SeededMeshNet {
    fn default() -> Self {
        Self::new()
    }
}

fn insert(
    store: &mut MemoryStore,
    layer: usize,
    shape: [usize; 5],
    weight: Vec<f32>,
    bias: Vec<f32>,
) -> Result<(), BenchError> {
    store.insert(format!("layers.{layer}.bias"), Array::new([shape[0]], bias)?);
    store.insert(format!("layers.{layer}.weight"), Array::new(shape, weight)?);
    Ok(())
}
