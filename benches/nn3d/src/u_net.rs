//! The convolutions of a network that reconstructs animals from several cameras.

use candle_core::{Result, Tensor};
use candle_nn::{Module as _, ModuleT, VarBuilder};
use volkit_nn3d::{
    Conv3d, Conv3dConfig, ConvTranspose3d, ConvTranspose3dConfig, DoubleConv3d, DoubleConv3dConfig, MaxPool3d, OpPath,
    Pool3dConfig, cat, recorded,
};

/// Times that the size is halved.
const LEVELS: usize = 4;
/// Slope of the rectifiers for negative values.
const SLOPE: f64 = 0.1;

/// A U-Net with 8 to 128 features, down by max-pooling and up by transposed convolutions: Pose Splatter's, without the
/// dense layers at its bottom, as one node of candle's graph. Sizes must be divisible by 16.
#[derive(Debug)]
pub struct UNet {
    encoders: Vec<DoubleConv3d>,
    ups: Vec<ConvTranspose3d>,
    decoders: Vec<DoubleConv3d>,
    last: Conv3d,
    pool: MaxPool3d,
}

impl UNet {
    /// `[N, c_in, D, H, W]` to `[N, c_out, D, H, W]`, with `width` features at the top.
    ///
    /// # Errors
    /// When a parameter of `vb` has another shape.
    pub fn new([c_in, width, c_out]: [usize; 3], path: OpPath, vb: &VarBuilder) -> volkit_nn3d::Result<Self> {
        let block = DoubleConv3dConfig::new().with_bias(true).with_slope(SLOPE).with_path(path);
        let features = |level: usize| width << level;
        let mut net = Self {
            encoders: vec![DoubleConv3d::new(c_in, width, &block, &vb.pp("encoder1"))?],
            ups: Vec::new(),
            decoders: Vec::new(),
            last: Conv3d::new(width, c_out, [1; 3], Conv3dConfig::new().with_path(path), &vb.pp("final_conv"))?,
            pool: MaxPool3d::new(Pool3dConfig::new([2; 3]).with_path(path))?,
        };
        let twice = ConvTranspose3dConfig::new().with_stride([2; 3]).with_path(path);
        for level in 1..=LEVELS {
            let (above, here) = (features(level - 1), features(level));
            net.encoders.push(DoubleConv3d::new(above, here, &block, &vb.pp(format!("encoder{}", level + 1)))?);
            net.ups.push(ConvTranspose3d::new(here, above, [2; 3], twice.clone(), &vb.pp(format!("upconv{level}")))?);
            net.decoders.push(DoubleConv3d::new(here, above, &block, &vb.pp(format!("decoder{level}")))?);
        }
        Ok(net)
    }
}

impl UNet {
    fn run(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        let mut skips = vec![self.encoders[0].forward_t(x, train)?];
        for encoder in &self.encoders[1..] {
            let pooled = self.pool.forward(&skips[skips.len() - 1])?;
            skips.push(encoder.forward_t(&pooled, train)?);
        }
        let mut y = skips.remove(LEVELS);
        for level in (0..LEVELS).rev() {
            let up = self.ups[level].forward(&y)?;
            y = self.decoders[level].forward_t(&cat(&[&skips[level], &up], 1)?, train)?;
        }
        self.last.forward(&y)
    }
}

impl ModuleT for UNet {
    fn forward_t(&self, x: &Tensor, train: bool) -> Result<Tensor> {
        recorded(&[x], |x| self.run(&x[0], train))
    }
}
