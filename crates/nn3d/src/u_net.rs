//! Networks of images.

use candle_core::{DType, Result as CandleResult, Tensor};
use candle_nn::{Module, ModuleT, VarBuilder};

use crate::setters::setters;
use crate::{
    BatchNorm, BatchNormConfig, Conv2d, Conv3dConfig, ConvTranspose2d, ConvTranspose3dConfig, Corners, Nn3dError, Op,
    OpPath, Pool3dConfig, Result, cat, checkpoint, max_pool2d, recorded, upsample_bilinear2d,
};

/// Settings of a [`UNet2d`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct UNet2dConfig {
    /// Channels of the image.
    pub channels: usize,
    /// Channels of the result.
    pub classes: usize,
    /// Features at the top, 64; they double with each level.
    pub width: usize,
    /// Times that the size is halved, 4.
    pub depth: usize,
    /// Whether the size is doubled by interpolation, or else by transposed convolutions; yes.
    pub bilinear: bool,
    /// Whether what lies within a block is computed again in the backward pass instead of being kept; no.
    pub checkpoint: bool,
    /// Settings of the norms.
    pub norm: BatchNormConfig,
    /// Kernel or composite; [`OpPath::Auto`] by default.
    pub path: OpPath,
}

impl UNet2dConfig {
    /// The usual U-Net: 64 features, four levels, bilinear.
    pub fn new(channels: usize, classes: usize) -> Self {
        Self {
            channels,
            classes,
            width: 64,
            depth: 4,
            bilinear: true,
            checkpoint: false,
            norm: BatchNormConfig::new(),
            path: OpPath::Auto,
        }
    }

    setters! {
        /// Sets the features at the top.
        with_width width: usize;
        /// Sets the times that the size is halved.
        with_depth depth: usize;
        /// Sets whether the size is doubled by interpolation.
        with_bilinear bilinear: bool;
        /// Sets whether blocks are computed again in the backward pass.
        with_checkpoint checkpoint: bool;
        /// Sets the norms.
        with_norm norm: BatchNormConfig;
        /// Sets the path.
        with_path path: OpPath;
    }

    /// Checks the fields by themselves.
    ///
    /// # Errors
    /// [`Nn3dError::Config`] for no channels, classes or features, more than 16 levels, or a width that can not be halved
    /// where that is asked for.
    pub fn validate(&self) -> Result<()> {
        let wrong = |field, value: usize, reason| {
            Err(Nn3dError::Config { op: Op::Conv3d, field, value: value.to_string(), reason })
        };
        for (field, value) in [("channels", self.channels), ("classes", self.classes), ("width", self.width)] {
            if value == 0 {
                return wrong(field, value, "must be at least 1");
            }
        }
        if self.depth > 16 {
            return wrong("depth", self.depth, "must be at most 16");
        }
        self.norm.validate()
    }

    /// Features at a level, 0 being the top.
    fn features(&self, level: usize) -> usize {
        let halved = self.bilinear && level == self.depth && level > 0;
        (self.width << level) >> usize::from(halved)
    }
}

/// Twice a convolution of 3 x 3 taps without bias, a batch norm and a rectifier; names of PyTorch's
/// `double_conv = Sequential(Conv2d, BatchNorm2d, ReLU, Conv2d, BatchNorm2d, ReLU)`.
#[derive(Clone, Debug)]
struct DoubleConv2d {
    layers: [(Conv2d, BatchNorm); 2],
}

impl DoubleConv2d {
    fn new([c_in, mid, c_out]: [usize; 3], config: &UNet2dConfig, vb: &VarBuilder) -> Result<Self> {
        let vb = vb.pp("double_conv");
        let same = Conv3dConfig::same([1, 3, 3]).with_bias(false).with_path(config.path);
        let norm = config.norm.clone().with_rectifier(Some(0.0)).with_path(config.path);
        let layer = |c_in, c_out, at: usize| -> Result<(Conv2d, BatchNorm)> {
            let conv = Conv2d::new(c_in, c_out, [3; 2], same.clone(), &vb.pp(at))?;
            Ok((conv, BatchNorm::new(c_out, norm.clone(), &vb.pp(at + 1))?))
        };
        Ok(Self { layers: [layer(c_in, mid, 0)?, layer(mid, c_out, 3)?] })
    }

    fn forward(&self, x: &Tensor, train: bool) -> CandleResult<Tensor> {
        let mut x = x.clone();
        for (conv, norm) in &self.layers {
            x = norm.forward_t(&conv.forward(&x)?, train)?;
        }
        Ok(x)
    }
}

/// What takes features to the size of the level above.
#[derive(Clone, Debug)]
enum Up {
    Bilinear,
    Transposed(ConvTranspose2d),
}

/// A level on the way up.
#[derive(Clone, Debug)]
struct Decoder {
    up: Up,
    conv: DoubleConv2d,
}

impl Decoder {
    /// Features of the level below and those that the way down had left.
    fn forward(&self, below: &Tensor, skip: &Tensor, train: bool) -> CandleResult<Tensor> {
        let (_, _, height, width) = skip.dims4()?;
        let mut up = match &self.up {
            Up::Bilinear => {
                let (_, _, h, w) = below.dims4()?;
                upsample_bilinear2d(below, [2 * h, 2 * w], Corners::Centres)?
            }
            Up::Transposed(conv) => conv.forward(below)?,
        };
        for (axis, wanted) in [(2, height), (3, width)] {
            let missing = wanted - up.dim(axis)?;
            if missing > 0 {
                up = up.pad_with_zeros(axis, missing / 2, missing - missing / 2)?;
            }
        }
        self.conv.forward(&cat(&[skip, &up], 1)?, train)
    }
}

/// The U-Net of images (Ronneberger et al., 2015, with batch norms and zero padding): `[N, channels, H, W]` to
/// `[N, classes, H, W]` for every size of at least `2^depth` along both axes.
///
/// Parameters have the names of the usual PyTorch code: `inc.double_conv.0.weight`,
/// `down1.maxpool_conv.1.double_conv.0.weight`, `up1.conv.double_conv.0.weight`, `up1.up.weight` where it is transposed,
/// `outc.conv.weight`. The last convolution is in f32 whatever the precision of the others. All is one node of candle's graph
/// ([`recorded`]).
#[derive(Clone, Debug)]
pub struct UNet2d {
    encoders: Vec<DoubleConv2d>,
    decoders: Vec<Decoder>,
    last: Conv2d,
    config: UNet2dConfig,
}

impl UNet2d {
    /// Takes the parameters from `vb`; new variables get PyTorch's default initialisation.
    ///
    /// # Errors
    /// [`Nn3dError`] if a setting is refused or a parameter has another shape.
    pub fn new(config: &UNet2dConfig, vb: &VarBuilder) -> Result<Self> {
        config.validate()?;
        let top = config.features(0);
        let mut encoders = vec![DoubleConv2d::new([config.channels, top, top], config, &vb.pp("inc"))?];
        let mut decoders = Vec::new();
        for level in 1..=config.depth {
            let (above, here) = (config.features(level - 1), config.features(level));
            let vb = vb.pp(format!("down{level}.maxpool_conv.1"));
            encoders.push(DoubleConv2d::new([above, here, here], config, &vb)?);
        }
        let mut below = config.features(config.depth);
        for number in 1..=config.depth {
            let level = config.depth - number;
            let (skip, vb) = (config.features(level), vb.pp(format!("up{number}")));
            let (up, joined) = if config.bilinear {
                (Up::Bilinear, skip + below)
            } else {
                let twice = ConvTranspose3dConfig::new().with_stride([1, 2, 2]).with_path(config.path);
                (Up::Transposed(ConvTranspose2d::new(below, below / 2, [2; 2], twice, &vb.pp("up"))?), skip + below / 2)
            };
            // The level above gets half of what it joins to its own features, the top excepted.
            let out = if config.bilinear && level > 0 { skip / 2 } else { skip };
            let mid = if config.bilinear { joined / 2 } else { out };
            decoders.push(Decoder { up, conv: DoubleConv2d::new([joined, mid, out], config, &vb.pp("conv"))? });
            below = out;
        }
        let wide = vb.pp("outc.conv").to_dtype(DType::F32);
        let last = Conv2d::new(below, config.classes, [1; 2], Conv3dConfig::new().with_path(config.path), &wide)?;
        Ok(Self { encoders, decoders, last, config: config.clone() })
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &UNet2dConfig {
        &self.config
    }

    fn run(&self, x: &Tensor, train: bool) -> CandleResult<Tensor> {
        let again = self.config.checkpoint && train;
        let halve = Pool3dConfig::new([1, 2, 2]).with_path(self.config.path);
        let mut skips: Vec<Tensor> = Vec::new();
        for encoder in &self.encoders {
            let pooled = skips.last().map(|above| max_pool2d(above, &halve)).transpose()?;
            let x = pooled.as_ref().unwrap_or(x);
            let features = if again {
                let encoder = encoder.clone();
                checkpoint(&[x], move |x| encoder.forward(&x[0], train))?
            } else {
                encoder.forward(x, train)?
            };
            skips.push(features);
        }
        let mut below = skips.remove(skips.len() - 1);
        for (decoder, skip) in self.decoders.iter().zip(skips.iter().rev()) {
            below = if again {
                let decoder = decoder.clone();
                checkpoint(&[&below, skip], move |x| decoder.forward(&x[0], &x[1], train))?
            } else {
                decoder.forward(&below, skip, train)?
            };
        }
        self.last.forward(&below)
    }
}

impl ModuleT for UNet2d {
    fn forward_t(&self, x: &Tensor, train: bool) -> CandleResult<Tensor> {
        let least = 1 << self.config.depth;
        match *x.dims() {
            [n, c, h, w] if n > 0 && c == self.config.channels && h >= least && w >= least => {}
            _ => {
                let wanted = "[N, channels, H, W] of at least 2^depth along both axes";
                return Err(Nn3dError::Rank { op: Op::Conv3d, wanted, got: x.dims().to_vec() }.into());
            }
        }
        recorded(&[x], |x| self.run(&x[0], train))
    }
}

/// A chain of convolutions of 3 x 3 taps with rectifiers between them: `[N, C_0, H, W]` to `[N, C_last, H, W]`. The network of
/// that name in benchmarks has 16, 32, 64, 32 and 1 channels; it has no skips, the name is that of the published code.
///
/// Parameters are `0.weight`, `0.bias`, `2.weight` .. as in PyTorch's `Sequential(Conv2d, ReLU, Conv2d, ..)`. The last
/// convolution is in f32 whatever the precision of the others.
#[derive(Clone, Debug)]
pub struct SimpleUNet2d {
    convs: Vec<Conv2d>,
    /// Convolutions of a segment that is computed again in the backward pass, if any is.
    segment: Option<usize>,
}

impl SimpleUNet2d {
    /// Channels of the published network, input first.
    pub const CHANNELS: [usize; 5] = [16, 32, 64, 32, 1];

    /// Takes the parameters from `vb`; new variables get PyTorch's default initialisation.
    ///
    /// # Errors
    /// [`Nn3dError`] for fewer than two numbers of channels, one of them zero, or a parameter of another shape.
    pub fn new(channels: &[usize], vb: &VarBuilder) -> Result<Self> {
        if channels.len() < 2 {
            let value = format!("{channels:?}");
            let reason = "must be those of an input and at least one convolution";
            return Err(Nn3dError::Config { op: Op::Conv3d, field: "channels", value, reason });
        }
        let last = channels.len() - 2;
        let conv = |(i, pair): (usize, &[usize])| {
            let (vb, same) = (vb.pp(2 * i), Conv3dConfig::same([1, 3, 3]));
            let (vb, config) =
                if i == last { (vb.to_dtype(DType::F32), same) } else { (vb, same.with_rectifier(Some(0.0))) };
            Conv2d::new(pair[0], pair[1], [3; 2], config, &vb)
        };
        let convs = channels.windows(2).enumerate().map(conv).collect::<Result<_>>()?;
        Ok(Self { convs, segment: None })
    }

    /// The same with segments of so many convolutions that are computed again in the backward pass.
    #[must_use]
    pub fn with_segment(self, segment: Option<usize>) -> Self {
        Self { segment, ..self }
    }
}

impl Module for SimpleUNet2d {
    fn forward(&self, x: &Tensor) -> CandleResult<Tensor> {
        let through = |convs: &[Conv2d], x: &Tensor| convs.iter().try_fold(x.clone(), |x, conv| conv.forward(&x));
        recorded(&[x], |x| {
            let Some(length) = self.segment else { return through(&self.convs, &x[0]) };
            self.convs.chunks(length.max(1)).try_fold(x[0].clone(), |x, convs| {
                let convs = convs.to_vec();
                checkpoint(&[&x], move |x| convs.iter().try_fold(x[0].clone(), |x, conv| conv.forward(&x)))
            })
        })
    }
}
