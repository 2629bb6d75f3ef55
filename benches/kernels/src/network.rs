//! The network of `SynthSeg`, with made-up weights.

use std::sync::Arc;

use volkit_kernels::{
    Activation, Conv3d, ConvOptions, ConvShape, Epilogue, Graph, GraphBuilder, KernelError, TensorId,
};

use crate::Noise;

/// Channels of the first level; each level below has twice as many.
const FEATURES: usize = 24;
/// Levels.
const LEVELS: usize = 5;
/// Channels of the result.
pub const LABELS: usize = 33;

/// Makes convolutions whose results keep the scale of their inputs.
struct Weights<'a> {
    noise: Noise,
    options: ConvOptions<'a>,
}

impl Weights<'_> {
    fn conv(&mut self, c_in: usize, c_out: usize, kernel: usize, norm: bool) -> Result<Arc<Conv3d>, KernelError> {
        let shape = ConvShape::new(c_in, c_out, [kernel; 3]);
        let range = (3.0 / (c_in * shape.taps()) as f32).sqrt();
        let weight = self.noise.floats(c_in * c_out * shape.taps(), 1.3 * range);
        let bias = self.noise.floats(c_out, 0.1);
        let mut epilogue = Epilogue::from(if kernel == 1 { Activation::Identity } else { Activation::Elu });
        if norm {
            epilogue.scale_shift = Some(self.norm(c_out));
        }
        Ok(Arc::new(Conv3d::new(shape, &weight, Some(&bias), epilogue, self.options)?))
    }

    fn norm(&mut self, channels: usize) -> (Vec<f32>, Vec<f32>) {
        let scale = self.noise.floats(channels, 0.2).into_iter().map(|x| 1.0 + x).collect();
        (scale, self.noise.floats(channels, 0.1))
    }
}

/// The network of `SynthSeg` (5 levels, 24 features, 33 labels): one input of one channel, one output, the softmax.
///
/// With `first_level_again` the first level is computed twice, so that its result need not be kept.
///
/// # Errors
/// [`KernelError::IsaUnavailable`].
pub fn u_net(options: ConvOptions<'_>, first_level_again: bool) -> Result<Graph, KernelError> {
    let mut weights = Weights { noise: Noise::new(7), options };
    let mut builder = GraphBuilder::new(options.isa);
    let input = builder.input(1)?;
    let (mut at, mut c_in) = (input, 1);
    let mut skips: Vec<TensorId> = Vec::new();
    for level in 0..LEVELS {
        let c = FEATURES << level;
        let is_last = level + 1 == LEVELS;
        let pair = [weights.conv(c_in, c, 3, false)?, weights.conv(c, c, 3, is_last)?];
        let pass = |builder: &mut GraphBuilder, input: TensorId| -> Result<TensorId, KernelError> {
            let first = builder.conv(Arc::clone(&pair[0]), &[input.into()])?;
            builder.conv(Arc::clone(&pair[1]), &[first.into()])
        };
        let result = pass(&mut builder, at)?;
        at = result;
        if !is_last {
            let (scale, shift) = weights.norm(c);
            at = builder.max_pool(result, Some((&scale, &shift)))?;
            let again = level == 0 && first_level_again;
            skips.push(if again {
                let second = builder.input_again(input)?;
                pass(&mut builder, second)?
            } else {
                result
            });
        }
        c_in = c;
    }
    for (level, skip) in skips.into_iter().enumerate().rev() {
        let c = FEATURES << level;
        let first = weights.conv(3 * c, c, 3, false)?;
        at = builder.conv(first, &[skip.into(), at.upsampled()])?;
        at = builder.conv(weights.conv(c, c, 3, true)?, &[at.into()])?;
    }
    at = builder.conv(weights.conv(FEATURES, LABELS, 1, false)?, &[at.into()])?;
    let posteriors = builder.softmax(at)?;
    builder.output(posteriors)?;
    builder.build()
}
