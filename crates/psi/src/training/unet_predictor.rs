//! The 2-D U-Net as a model of images.

use std::collections::HashMap;
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use candle_nn::{ModuleT as _, VarBuilder};
use volkit_core::{ArrayStore, Batch, BoxError, OutputSpec, Predictor, PredictorSpec, Scale};
use volkit_nn3d::{UNet2d, UNet2dConfig};

use crate::PsiError;
use crate::state_dict::tensor;

const FIRST: &str = "inc.double_conv.0.weight";
const LAST: &str = "outc.conv.weight";

/// A trained [`UNet2d`] that runs over images `[B, C, H, W]`, one after the other, on all cores that candle uses.
///
/// Its up-sampling aligns the corners of what it is given, so the grid of its coarse levels depends on the size of the whole
/// image: results of tiles are an approximation, whatever their overlap. Cloning shares the weights.
#[derive(Clone, Debug)]
pub struct UNetPredictor {
    net: Arc<UNet2d>,
    spec: PredictorSpec,
    weight_bytes: u64,
}

impl UNetPredictor {
    /// Whether a store holds such a network, by two of its names.
    #[must_use]
    pub fn recognises(store: &dyn ArrayStore) -> bool {
        let names = store.names();
        [FIRST, LAST].iter().all(|wanted| names.iter().any(|name| name == wanted))
    }

    /// Reads a network under the names of the usual PyTorch code ([`UNet2d`]); width, depth and the way of up-sampling follow
    /// from them.
    ///
    /// # Errors
    /// [`PsiError::UnknownModel`] for a store without these names or with others, [`PsiError::Tensor`] for values that are
    /// none, [`PsiError::Nn3d`] where a tensor is missing or has another shape.
    pub fn from_store(store: &dyn ArrayStore) -> Result<Self, PsiError> {
        let config = config_of(store)?;
        let (mut tensors, mut weight_bytes) = (HashMap::new(), 0);
        for name in store.names().iter().filter(|name| !is_counter(name)) {
            let shape = shape_of(store, name)?;
            let values = tensor(store, name, &shape)?;
            weight_bytes += size_of_val(values.as_slice()) as u64;
            tensors.insert(name.clone(), Tensor::from_vec(values, shape, &Device::Cpu)?);
        }
        let net = UNet2d::new(&config, &VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu))?;
        let outputs = vec![OutputSpec { name: "output".to_owned(), channels: config.classes, scale: Scale::ONE }];
        let (input_channels, n_spatial_axes) = (config.channels, 2);
        let spec = PredictorSpec { input_channels, n_spatial_axes, outputs, multiple_of: 1, receptive_radius: None };
        Ok(Self { net: Arc::new(net), spec, weight_bytes })
    }

    /// Settings of the network.
    #[must_use]
    pub fn config(&self) -> &UNet2dConfig {
        self.net.config()
    }

    /// Bytes of weights.
    #[must_use]
    pub fn weight_bytes(&self) -> u64 {
        self.weight_bytes
    }

    fn run(&self, image: &[f32], [height, width]: [usize; 2]) -> Result<Vec<f32>, PsiError> {
        let input = Tensor::from_slice(image, (1, self.spec.input_channels, height, width), &Device::Cpu)?;
        Ok(self.net.forward_t(&input, false)?.flatten_all()?.to_vec1()?)
    }
}

impl Predictor for UNetPredictor {
    fn spec(&self) -> &PredictorSpec {
        &self.spec
    }

    fn predict(&mut self, input: &Batch) -> Result<Vec<Batch>, BoxError> {
        let channels = self.spec.input_channels;
        let &[n, c, height, width] = input.shape() else {
            return Err(PsiError::Image { got: input.shape().to_vec(), channels }.into());
        };
        if c != channels {
            return Err(PsiError::Image { got: input.shape().to_vec(), channels }.into());
        }
        let mut values = Vec::new();
        for image in input.values().chunks_exact((c * height * width).max(1)) {
            values.extend(self.run(image, [height, width])?);
        }
        Ok(vec![Batch::new([n, self.spec.outputs[0].channels, height, width], values)?])
    }
}

/// PyTorch counts the batches of a norm; nothing depends on it.
fn is_counter(name: &str) -> bool {
    name.ends_with(".num_batches_tracked")
}

fn shape_of(store: &dyn ArrayStore, name: &str) -> Result<Vec<usize>, PsiError> {
    let array = store.get(name).map_err(|source| PsiError::ReadTensor { tensor: name.to_owned(), source })?;
    Ok(array.shape().to_vec())
}

/// The network that the names and the shapes of a store say.
fn config_of(store: &dyn ArrayStore) -> Result<UNet2dConfig, PsiError> {
    if !UNetPredictor::recognises(store) {
        return Err(PsiError::UnknownModel { found: format!("no tensors '{FIRST}' and '{LAST}'") });
    }
    let channels = |name: &str, axis: usize| -> Result<usize, PsiError> {
        let shape = shape_of(store, name)?;
        shape.get(axis).copied().ok_or_else(|| PsiError::Tensor {
            tensor: name.to_owned(),
            field: "shape",
            value: format!("{shape:?}"),
            wanted: "[C_out, C_in, k, k]".to_owned(),
        })
    };
    let names = store.names();
    let down = |level: usize| format!("down{level}.maxpool_conv.1.double_conv.");
    let depth = (1..).take_while(|&level| names.iter().any(|name| name.starts_with(&down(level)))).count();
    let known = |name: &&String| {
        let levels = 1..=depth;
        ["inc.double_conv.", "outc.conv."].iter().any(|part| name.starts_with(part))
            || levels.clone().any(|level| name.starts_with(&down(level)))
            || levels.into_iter().any(|level| {
                ["conv.double_conv.", "up."].iter().any(|part| name.starts_with(&format!("up{level}.{part}")))
            })
    };
    if let Some(other) = names.iter().find(|name| !known(name)) {
        return Err(PsiError::UnknownModel { found: format!("tensor '{other}'") });
    }
    let bilinear = !names.iter().any(|name| name == "up1.up.weight");
    Ok(UNet2dConfig::new(channels(FIRST, 1)?, channels(LAST, 0)?)
        .with_width(channels(FIRST, 0)?)
        .with_depth(depth)
        .with_bilinear(bilinear))
}
