//! The 3-D U-Net of the published model, with a fully connected code in its middle.

use candle_core::Tensor;
use candle_nn::{Linear, Module as _, ModuleT as _, VarBuilder, linear};
use volkit_nn3d::{
    Conv3d, Conv3dConfig, ConvTranspose3d, ConvTranspose3dConfig, DoubleConv3d, DoubleConv3dConfig, Pool3dConfig,
    max_pool3d, relu,
};

use crate::PoseError;

/// Slope of the rectifier for negative values, as published.
const SLOPE: f64 = 0.1;
/// How often the volume is halved.
const HALVINGS: usize = 4;

/// Sizes of a [`UNet3d`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UNet3dConfig {
    /// Channels in and out.
    pub channels: [usize; 2],
    /// Points along each axis, multiples of 16.
    pub dims: [usize; 3],
    /// Channels of the finest level; they double with each halving (default 8, as published).
    pub width: usize,
    /// Numbers of the code in the middle (default 512, as published).
    pub code: usize,
}

impl UNet3dConfig {
    /// The published widths.
    #[must_use]
    pub fn new(channels: [usize; 2], dims: [usize; 3]) -> Self {
        Self { channels, dims, width: 8, code: 512 }
    }

    /// The same with other widths.
    #[must_use]
    pub fn with_widths(self, width: usize, code: usize) -> Self {
        Self { width, code, ..self }
    }
}

/// A U-Net of five levels, `[1, C_in, n0, n1, n2]` to `[1, C_out, n0, n1, n2]`. Each level is a block of two convolutions of
/// 3 x 3 x 3 with batch norm and a leaky rectifier; between the levels max-pooling and transposed convolutions of 2 x 2 x 2;
/// in the middle the whole volume goes through a code of 512 numbers.
///
/// Parameters have the names of the published checkpoint: `encoder1..5`, `mlp_1`, `mlp_2`, `upconv4..1`, `decoder4..1`,
/// `final_conv`.
#[derive(Clone, Debug)]
pub struct UNet3d {
    encoders: Vec<DoubleConv3d>,
    mlp: [Linear; 3],
    /// From the coarsest level to the finest.
    ups: Vec<(ConvTranspose3d, DoubleConv3d)>,
    last: Conv3d,
}

impl UNet3d {
    /// Takes the parameters from `vb`.
    ///
    /// # Errors
    /// [`PoseError::Parameter`] for edges that are no multiples of 16 or a volume of one code voxel, which batch norm can
    /// not be trained on; those of the layers.
    pub fn new(config: &UNet3dConfig, vb: &VarBuilder) -> Result<Self, PoseError> {
        let UNet3dConfig { channels: [c_in, c_out], dims, width, code } = *config;
        let side = 1 << HALVINGS;
        let coarse: usize = dims.iter().map(|n| n / side).product();
        if dims.iter().any(|n| *n == 0 || n % side != 0) || coarse < 2 {
            let why = "multiples of 16, together more than 16 x 16 x 16";
            return Err(PoseError::parameter("dims", format!("{dims:?}"), why));
        }
        let block = |i, o, name: String| {
            let config = DoubleConv3dConfig::new().with_bias(true).with_slope(SLOPE);
            DoubleConv3d::new(i, o, &config, &vb.pp(name))
        };
        let of_level = |level: usize| width << level;
        let mut encoders = vec![block(c_in, width, "encoder1".to_owned())?];
        for level in 1..=HALVINGS {
            encoders.push(block(of_level(level - 1), of_level(level), format!("encoder{}", level + 1))?);
        }
        let flat = of_level(HALVINGS) * coarse;
        let mlp = [
            linear(flat, code, vb.pp("mlp_1.0"))?,
            linear(code, code, vb.pp("mlp_1.2"))?,
            linear(code, flat, vb.pp("mlp_2"))?,
        ];
        let mut ups = Vec::new();
        for level in (0..HALVINGS).rev() {
            let (wide, narrow) = (of_level(level + 1), of_level(level));
            let double = ConvTranspose3dConfig::new().with_stride([2; 3]);
            let up = ConvTranspose3d::new(wide, narrow, [2; 3], double, &vb.pp(format!("upconv{}", level + 1)))?;
            ups.push((up, block(wide, narrow, format!("decoder{}", level + 1))?));
        }
        let last = Conv3d::new(width, c_out, [1; 3], Conv3dConfig::new(), &vb.pp("final_conv"))?;
        Ok(Self { encoders, mlp, ups, last })
    }

    /// Runs the network; `train` takes the statistics of this volume for the norms and updates the running ones.
    ///
    /// # Errors
    /// Those of the layers, for an input of another shape.
    pub fn forward(&self, x: &Tensor, train: bool) -> Result<Tensor, PoseError> {
        let halve = Pool3dConfig::new([2; 3]);
        let mut skips = vec![self.encoders[0].forward_t(x, train)?];
        for encoder in &self.encoders[1..] {
            let coarse = max_pool3d(&skips[skips.len() - 1], &halve)?;
            skips.push(encoder.forward_t(&coarse, train)?);
        }
        let Some(bottom) = skips.pop() else { return Ok(x.clone()) };
        let code = self.mlp[1].forward(&relu(&self.mlp[0].forward(&bottom.flatten_from(1)?)?)?)?;
        let mut y = self.mlp[2].forward(&code)?.reshape(bottom.shape())?;
        for (up, block) in &self.ups {
            let Some(skip) = skips.pop() else { break };
            y = block.forward_t(&Tensor::cat(&[&skip, &up.forward(&y)?], 1)?, train)?;
        }
        Ok(self.last.forward(&y)?)
    }
}
