//! A SynthSeg network with made-up weights, of any size.

use volkit_core::{Array, MemoryStore};

use crate::{BenchError, Random};

/// Levels of the published networks; more than a few more would be larger than memory.
const MOST_LEVELS: usize = 8;
/// Most features of the first level.
const MOST_FEATURES: usize = 128;

/// The segmentation network of SynthSeg with seeded weights: as large and as fast as the published one, and its labels
/// mean nothing.
///
/// Level `l` has `features * 2^l` channels, two convolutions and a batch norm on the way down and on the way up; a last
/// convolution gives 33 labels. Names and shapes are those of the published files: `unet_conv_downarm_0_0/kernel:0`
/// `[k, k, k, C_in, C_out]` and so on. Weights are uniform with a variance of 1 / inputs, so that activations stay of
/// order one.
///
/// ```
/// use volkit_bench::SeededUNet;
/// use volkit_core::ArrayStore;
/// let net = SeededUNet::new().with_features(4).with_levels(2).generate()?;
/// assert_eq!(net.get("unet_likelihood/kernel:0").unwrap().shape(), [1, 1, 1, 4, 33]);
/// # Ok::<(), volkit_bench::BenchError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SeededUNet {
    /// Channels of the first level, 1 to 128 (default 24, as published).
    pub features: usize,
    /// Levels, 1 to 8 (default 5, as published).
    pub levels: usize,
    /// Labels, at least 1 (default 33, as version 2).
    pub labels: usize,
    /// Which weights (default 7).
    pub seed: u64,
}

impl SeededUNet {
    /// The sizes of version 2.
    #[must_use]
    pub fn new() -> Self {
        Self { features: 24, levels: 5, labels: 33, seed: 7 }
    }

    /// The same with other channels at the first level.
    #[must_use]
    pub fn with_features(self, features: usize) -> Self {
        Self { features, ..self }
    }

    /// The same with another number of levels.
    #[must_use]
    pub fn with_levels(self, levels: usize) -> Self {
        Self { levels, ..self }
    }

    /// The same with another number of labels.
    #[must_use]
    pub fn with_labels(self, labels: usize) -> Self {
        Self { labels, ..self }
    }

    /// The same with other weights.
    #[must_use]
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// Makes the weights.
    ///
    /// # Errors
    /// [`BenchError::Parameter`] for a size out of range.
    pub fn generate(&self) -> Result<MemoryStore, BenchError> {
        let Self { features, levels, labels, seed } = *self;
        let ranges = [("features", features, MOST_FEATURES), ("levels", levels, MOST_LEVELS), ("labels", labels, 256)];
        if let Some((name, value, _)) = ranges.into_iter().find(|(_, value, most)| !(1..=*most).contains(value)) {
            let why = "1 to 128 features, 1 to 8 levels, 1 to 256 labels";
            return Err(BenchError::Parameter { name, value: value.to_string(), why });
        }
        let mut net = Weights { store: MemoryStore::new(), random: Random::new(seed) };
        let channels = |level: usize| features << level;
        for level in 0..levels {
            let c_in = if level == 0 { 1 } else { channels(level - 1) };
            net.conv(&format!("unet_conv_downarm_{level}_0"), 3, [c_in, channels(level)])?;
            net.conv(&format!("unet_conv_downarm_{level}_1"), 3, [channels(level); 2])?;
            net.norm(&format!("unet_bn_down_{level}"), channels(level))?;
        }
        for step in 0..levels - 1 {
            let (c, number) = (channels(levels - 2 - step), levels + step);
            net.conv(&format!("unet_conv_uparm_{number}_0"), 3, [3 * c, c])?;
            net.conv(&format!("unet_conv_uparm_{number}_1"), 3, [c; 2])?;
            net.norm(&format!("unet_bn_up_{step}"), c)?;
        }
        net.conv("unet_likelihood", 1, [features, labels])?;
        Ok(net.store)
    }
}

impl Default for SeededUNet {
    fn default() -> Self {
        Self::new()
    }
}

struct Weights {
    store: MemoryStore,
    random: Random,
}

impl Weights {
    fn conv(&mut self, layer: &str, kernel: usize, [c_in, c_out]: [usize; 2]) -> Result<(), BenchError> {
        let shape = [kernel, kernel, kernel, c_in, c_out];
        let width = (3.0 / (kernel.pow(3) * c_in) as f64).sqrt();
        let weight = self.uniform(shape.iter().product(), -width, width);
        self.store.insert(format!("{layer}/kernel:0"), Array::new(shape, weight)?);
        let bias = self.uniform(c_out, -0.1, 0.1);
        self.store.insert(format!("{layer}/bias:0"), Array::new([c_out], bias)?);
        Ok(())
    }

    fn norm(&mut self, layer: &str, channels: usize) -> Result<(), BenchError> {
        for (weight, low, high) in
            [("gamma", 0.6, 1.4), ("beta", -0.3, 0.3), ("moving_mean", -0.2, 0.4), ("moving_variance", 0.3, 1.2)]
        {
            let values = self.uniform(channels, low, high);
            self.store.insert(format!("{layer}/{weight}:0"), Array::new([channels], values)?);
        }
        Ok(())
    }

    fn uniform(&mut self, n: usize, low: f64, high: f64) -> Vec<f32> {
        (0..n).map(|_| self.random.range(low, high) as f32).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::SeededUNet;

    #[test]
    fn the_same_seed_gives_the_same_weights_and_odd_sizes_are_refused() {
        let net = SeededUNet::new().with_features(2).with_levels(3);
        let values = |net: SeededUNet| {
            let store = net.generate().unwrap();
            volkit_core::ArrayStore::get(&store, "unet_conv_uparm_4_0/kernel:0").unwrap().to_real::<f32>().unwrap()
        };
        assert_eq!(values(net).len(), 27 * 6 * 2);
        assert_eq!(values(net), values(net));
        assert_ne!(values(net), values(net.with_seed(8)));
        for bad in [net.with_features(0), net.with_levels(9), net.with_labels(257)] {
            assert!(bad.generate().is_err(), "{bad:?}");
        }
    }
}
