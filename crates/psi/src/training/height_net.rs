//! Networks of images with heights as their output, to be trained.

use candle_core::{DType, Device, Module as _, ModuleT as _, Result, Tensor};
use candle_nn::VarBuilder;
use volkit_core::{Array, MemoryStore};
use volkit_nn3d::{SimpleUNet2d, UNet2d, UNet2dConfig};
use volkit_train::Parameters;

use crate::PsiError;

/// What a network sees of the greys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NetInput {
    /// `(I - A) / M` of each image: the fringes as cosines.
    #[default]
    Fringes,
    /// Cosine and sine of the synthetic phases of the closed form's chain of beats, coarsest first: what a network must find
    /// out about the instrument, given to it.
    Beats,
}

/// Which network a [`HeightNet`] is.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum NetKind {
    /// The chain of 3 x 3 convolutions with so many channels in its hidden layers; published: 32, 64, 32.
    Chain {
        /// Channels.
        hidden: Vec<usize>,
    },
    /// The 2-D U-Net; its channels and classes are set by the [`HeightNet`].
    UNet(UNet2dConfig),
}

/// What a [`HeightNet`] is made of.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HeightNetConfig {
    /// Channels of the input.
    pub channels: usize,
    /// Which network. Default: the published chain.
    pub kind: NetKind,
    /// Heights in um that outputs of -1 and 1 stand for. Default: -10 and 40.
    pub height_range_um: [f64; 2],
    /// Whether parts of the network are computed again in the backward pass instead of being kept (a chain: segments of
    /// two convolutions, a U-Net: its blocks). Default: no.
    pub checkpoint: bool,
}

impl HeightNetConfig {
    /// The published chain for an input of so many channels.
    #[must_use]
    pub fn new(channels: usize) -> Self {
        let kind = NetKind::Chain { hidden: vec![32, 64, 32] };
        Self { channels, kind, height_range_um: [-10.0, 40.0], checkpoint: false }
    }

    /// With another network.
    #[must_use]
    pub fn with_kind(self, kind: NetKind) -> Self {
        Self { kind, ..self }
    }

    /// With another range of heights in um.
    #[must_use]
    pub fn with_height_range_um(self, height_range_um: [f64; 2]) -> Self {
        Self { height_range_um, ..self }
    }

    /// With parts computed again in the backward pass, or without.
    #[must_use]
    pub fn with_checkpoint(self, checkpoint: bool) -> Self {
        Self { checkpoint, ..self }
    }
}

/// A network of images in training whose output is scaled to heights in um, `[N, C, H, W]` to `[N, 1, H, W]`.
///
/// Its parameters have the names and initial values of PyTorch's; its last layer and its heights are f32 whatever the other
/// layers work in: 16 bits would round 40 um to 0.03.
#[derive(Clone, Debug)]
pub struct HeightNet {
    body: Body,
    /// Middle and half width of the heights.
    middle: f64,
    half: f64,
}

#[derive(Clone, Debug)]
enum Body {
    Chain(SimpleUNet2d),
    UNet(Box<UNet2d>),
}

impl HeightNet {
    /// A network with the parameters of a [`VarBuilder`].
    ///
    /// # Errors
    /// [`PsiError::Option`] for a range that is empty; [`PsiError::Nn3d`] for channels or sizes that are refused.
    pub fn new(config: &HeightNetConfig, vb: &VarBuilder) -> std::result::Result<Self, PsiError> {
        let [low, high] = config.height_range_um;
        if !(low.is_finite() && high.is_finite() && low < high) {
            let why = "expected two finite numbers, the first below the second".to_owned();
            return Err(PsiError::Option { name: "height_range_um", value: format!("[{low}, {high}]"), why });
        }
        let body = match &config.kind {
            NetKind::Chain { hidden } => {
                let channels: Vec<usize> =
                    [config.channels].into_iter().chain(hidden.iter().copied()).chain([1]).collect();
                let segment = config.checkpoint.then_some(2);
                Body::Chain(SimpleUNet2d::new(&channels, vb)?.with_segment(segment))
            }
            NetKind::UNet(net) => {
                let mut net = net.clone().with_checkpoint(config.checkpoint);
                (net.channels, net.classes) = (config.channels, 1);
                Body::UNet(Box::new(UNet2d::new(&net, vb)?))
            }
        };
        Ok(Self { body, middle: low + (high - low) / 2.0, half: (high - low) / 2.0 })
    }

    /// Heights in um of an input `[N, C, H, W]`; with `train` norms take the statistics of the batch and move their averages.
    ///
    /// # Errors
    /// For an input of another rank, number of channels, or a size that a U-Net can not halve.
    pub fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor> {
        let x = match &self.body {
            Body::Chain(net) => net.forward(input)?,
            Body::UNet(net) => net.forward_t(input, train)?,
        };
        x.to_dtype(DType::F32)?.affine(self.half, self.middle)
    }

    /// Heights in um, row by row, of an input `[C, H, W]`, for use after training.
    ///
    /// # Errors
    /// [`PsiError::Candle`] for an input of another length.
    pub fn predict(&self, input: &[f32], [height, width]: [usize; 2]) -> std::result::Result<Vec<f32>, PsiError> {
        let channels = input.len() / (height * width).max(1);
        let input = Tensor::from_slice(input, (1, channels, height, width), &Device::Cpu)?;
        Ok(self.forward(&input, false)?.detach().flatten_all()?.to_vec1()?)
    }

    /// The weights for [`crate::SimpleUNet::from_store`] or, of a U-Net, [`crate::UNetPredictor::from_store`], with the scale of
    /// the heights in the last layer: its output is in um. Its input is what this network's is.
    ///
    /// # Errors
    /// [`PsiError::Train`] when values can not be read, [`PsiError::Core`].
    pub fn to_store(&self, parameters: &Parameters) -> std::result::Result<MemoryStore, PsiError> {
        let mut store = MemoryStore::new();
        let names = parameters.names();
        let layer = |name: &str| name.split('.').next().and_then(|layer| layer.parse::<usize>().ok()).unwrap_or(0);
        let last = names.iter().map(|name| layer(name)).max().unwrap_or(0);
        let is_last = |name: &str| match &self.body {
            Body::Chain(_) => layer(name) == last,
            Body::UNet(_) => name.starts_with("outc."),
        };
        for name in &names {
            let mut values = parameters.values(name)?;
            if is_last(name) {
                let offset = if name.ends_with(".bias") { self.middle } else { 0.0 };
                values.iter_mut().for_each(|x| *x = (f64::from(*x) * self.half + offset) as f32);
            }
            let shape = parameters.var(name).map(|var| var.dims().to_vec()).unwrap_or_default();
            store.insert(name.clone(), Array::new(shape, values)?);
        }
        Ok(store)
    }
}
