//! Models without a neighbourhood, for tests, for measuring what tiling itself costs, and as examples.

use volkit_core::{Batch, BoxError, CoreError, OutputSpec, Predictor, PredictorSpec, Scale};

/// A model whose output at a sample is a function of the channels at that sample.
#[derive(Clone, Debug)]
pub struct Pointwise {
    spec: PredictorSpec,
    kind: Kind,
}

#[derive(Clone, Copy, Debug)]
enum Kind {
    Identity,
    Mean,
}

impl Pointwise {
    /// Gives back its input.
    #[must_use]
    pub fn identity(channels: usize, n_spatial_axes: usize) -> Self {
        Self { spec: spec("identity", channels, channels, n_spatial_axes), kind: Kind::Identity }
    }

    /// The mean over the channels, summed in f32 in their order.
    #[must_use]
    pub fn mean(channels: usize, n_spatial_axes: usize) -> Self {
        Self { spec: spec("mean", channels, 1, n_spatial_axes), kind: Kind::Mean }
    }

    /// The shape of a batch that fits.
    fn checked(&self, input: &Batch) -> Result<Vec<usize>, CoreError> {
        let shape = input.shape().to_vec();
        if shape[1] != self.spec.input_channels || shape.len() != self.spec.n_spatial_axes + 2 {
            return Err(CoreError::Shape(shape));
        }
        Ok(shape)
    }
}

fn spec(name: &str, input: usize, output: usize, n_spatial_axes: usize) -> PredictorSpec {
    PredictorSpec {
        input_channels: input,
        n_spatial_axes,
        outputs: vec![OutputSpec { name: name.to_owned(), channels: output, scale: Scale::ONE }],
        multiple_of: 1,
        receptive_radius: Some(vec![0; n_spatial_axes]),
    }
}

impl Predictor for Pointwise {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let mut shape = self.checked(input)?;
        let output = match self.kind {
            Kind::Identity => input.clone(),
            Kind::Mean => {
                let (channels, len) = (shape[1], input.spatial().iter().product::<usize>());
                shape[1] = 1;
                let mut means = Vec::with_capacity(shape[0] * len);
                for sample in input.values().chunks_exact((channels * len).max(1)) {
                    push_mean(sample, channels, len, &mut means);
                }
                Batch::new(shape, means)?
            }
        };
        Ok(vec![output])
    }

    fn predict_owned(&mut self, input: Batch) -> Result<(Vec<Batch>, Vec<f32>), BoxError> {
        match self.kind {
            Kind::Identity => {
                self.checked(&input)?;
                Ok((vec![input], Vec::new()))
            }
            Kind::Mean => Ok((self.predict(&input)?, input.into_values())),
        }
    }
}

/// Samples whose sums stay in the nearest cache while the channels pass by.
const BLOCK: usize = 2048;

fn push_mean(sample: &[f32], channels: usize, len: usize, means: &mut Vec<f32>) {
    let start = means.len();
    means.extend_from_slice(&sample[..len]);
    let scale = 1.0 / channels as f32;
    for (block, sums) in means[start..].chunks_mut(BLOCK).enumerate() {
        for channel in 1..channels {
            let values = &sample[channel * len + block * BLOCK..];
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
        }
        sums.iter_mut().for_each(|sum| *sum *= scale);
    }
}

#[cfg(test)]
mod tests {
    use super::Pointwise;
    use volkit_core::{Batch, Predictor as _};

    #[test]
    fn means_by_hand() {
        let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
        let input = Batch::new([2, 3, 2], values.clone()).unwrap();
        let mean = Pointwise::mean(3, 1).predict(&input).unwrap().remove(0);
        assert_eq!((mean.shape(), mean.values()), (&[2, 1, 2][..], &[2.0, 3.0, 8.0, 9.0][..]));
        assert_eq!(Pointwise::identity(3, 1).predict(&input).unwrap()[0].values(), values);
        let (same, memory) = Pointwise::identity(3, 1).predict_owned(input.clone()).unwrap();
        assert!(same == [input.clone()] && memory.is_empty());
        let (other, memory) = Pointwise::mean(3, 1).predict_owned(input.clone()).unwrap();
        assert!(other == [mean] && memory == values);
        assert!(Pointwise::identity(4, 1).predict_owned(input.clone()).is_err());
        assert!(Pointwise::mean(4, 1).predict(&input).is_err());
    }
}
