//! The benchmark network: a chain of 3 x 3 convolutions with `ReLU` between them.

use volkit_core::{Array, ArrayStore, MemoryStore, natural_order};
use volkit_kernels::{Activation, Conv3d, ConvOptions, ConvShape, Graph, GraphBuilder, Mode};

use crate::PsiError;
use crate::graph_predictor::{GraphPredictor, RowAxis};
use crate::state_dict::tensor;

/// Taps of a kernel along each axis.
const TAPS: usize = 3;

/// A chain of 3 x 3 convolutions with bias and zero 'same' padding, `ReLU` after all but the last.
///
/// The network of that name has 16 -> 32 -> 64 -> 32 -> 1 channels, 41 889 parameters and a receptive radius of 4; any
/// chain of at least one convolution is read. (It has no skip connections; the name is that of the published code.)
#[derive(Clone, Debug)]
pub struct SimpleUNet {
    channels: Vec<usize>,
    graph: Graph,
    row_axis: RowAxis,
}

impl SimpleUNet {
    /// Channels of the published network, input first.
    pub const CHANNELS: [usize; 5] = [16, 32, 64, 32, 1];

    /// Reads a network from tensors `NAME.weight` `[C_out, C_in, 3, 3]` and `NAME.bias` `[C_out]`, as PyTorch's
    /// `state_dict` names them, in the natural order of their names (`conv2` before `conv10`).
    ///
    /// `options` choose instruction set and mode; with [`Mode::Exact`] a tile gives the same bits as the whole image.
    ///
    /// # Errors
    /// [`PsiError::UnknownModel`] for a store without such tensors or with others, [`PsiError::Tensor`] for one that does
    /// not fit, [`PsiError::Kernel`].
    pub fn from_store<'a>(store: &dyn ArrayStore, options: impl Into<ConvOptions<'a>>) -> Result<Self, PsiError> {
        let options = options.into();
        let names = layer_names(store)?;
        // Rows as depth planes stream through small rings; Winograd's algorithms need both axes of a plane.
        let row_axis = if options.mode == Mode::Exact { RowAxis::Depth } else { RowAxis::Height };
        let mut builder = GraphBuilder::new(options.isa);
        let mut channels: Vec<usize> = Vec::with_capacity(names.len() + 1);
        let mut last = None;
        for (i, name) in names.iter().enumerate() {
            let layer = Layer::read(store, name, channels.last().copied())?;
            if i == 0 {
                channels.push(layer.c_in);
                last = Some(builder.input(layer.c_in)?);
            }
            channels.push(layer.c_out);
            let activation = if i + 1 == names.len() { Activation::Identity } else { Activation::Relu };
            let shape = ConvShape::new(layer.c_in, layer.c_out, row_axis.kernel(TAPS));
            let conv = Conv3d::new(shape, &layer.weight, Some(&layer.bias), activation.into(), options)?;
            last = last.map(|source| builder.conv(conv, &[source.into()])).transpose()?;
        }
        if let Some(last) = last {
            builder.output(last)?;
        }
        Ok(Self { channels, graph: builder.build()?, row_axis })
    }

    /// Weights as PyTorch begins with, uniform in `+-1 / sqrt(9 C_in)`, from a seed: for tests and measurements. Names are
    /// `0.weight`, `0.bias`, `2.weight`, .. as those of a `Sequential` with a `ReLU` between its convolutions.
    ///
    /// # Errors
    /// [`PsiError::Core`] for sizes that no memory holds.
    pub fn initial_weights(channels: &[usize], seed: u64) -> Result<MemoryStore, PsiError> {
        let mut store = MemoryStore::new();
        let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut uniform = |n: usize, bound: f32| -> Vec<f32> {
            let next = |_| {
                // Knuth's MMIX generator; the high bits are the good ones.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                ((state >> 40) as f32 / (1u64 << 23) as f32 - 1.0) * bound
            };
            (0..n).map(next).collect()
        };
        for (i, pair) in channels.windows(2).enumerate() {
            let [c_in, c_out] = [pair[0], pair[1]];
            let bound = 1.0 / ((TAPS * TAPS * c_in) as f32).sqrt();
            let weight = Array::new([c_out, c_in, TAPS, TAPS], uniform(c_out * c_in * TAPS * TAPS, bound))?;
            store.insert(format!("{}.weight", 2 * i), weight);
            store.insert(format!("{}.bias", 2 * i), Array::new([c_out], uniform(c_out, bound))?);
        }
        Ok(store)
    }

    /// Channels, input first.
    #[must_use]
    pub fn channels(&self) -> &[usize] {
        &self.channels
    }

    /// Samples on each side that an output depends on: one per convolution.
    #[must_use]
    pub fn receptive_radius(&self) -> usize {
        (self.channels.len() - 1) * (TAPS / 2)
    }

    /// The network as a model of images `[B, C, H, W]`. Models of one network share its weights.
    #[must_use]
    pub fn predictor(&self) -> GraphPredictor {
        let radius = Some(vec![self.receptive_radius(); 2]);
        GraphPredictor::new(self.graph.clone(), self.row_axis, self.channels[0], radius)
    }
}

/// One convolution.
struct Layer {
    c_in: usize,
    c_out: usize,
    weight: Vec<f32>,
    bias: Vec<f32>,
}

impl Layer {
    fn read(store: &dyn ArrayStore, name: &str, before: Option<usize>) -> Result<Self, PsiError> {
        let weight_name = format!("{name}.weight");
        let found = store
            .get(&weight_name)
            .map_err(|source| PsiError::ReadTensor { tensor: weight_name.clone(), source })?
            .shape()
            .to_vec();
        let wrong = |wanted: String| {
            let value = format!("{found:?}");
            Err(PsiError::Tensor { tensor: weight_name.clone(), field: "shape", value, wanted })
        };
        let &[c_out, c_in, TAPS, TAPS] = found.as_slice() else {
            return wrong(format!("[C_out, C_in, {TAPS}, {TAPS}]"));
        };
        if c_out == 0 || c_in == 0 || before.is_some_and(|before| before != c_in) {
            let c_in = before.map_or_else(|| "C_in".to_owned(), |n| n.to_string());
            return wrong(format!("[C_out, {c_in}, {TAPS}, {TAPS}] with at least one channel"));
        }
        let weight = tensor(store, &weight_name, &found)?;
        let bias = tensor(store, &format!("{name}.bias"), &[c_out])?;
        Ok(Self { c_in, c_out, weight, bias })
    }
}

/// The layers of a store that holds convolutions and nothing else.
fn layer_names(store: &dyn ArrayStore) -> Result<Vec<String>, PsiError> {
    let names = store.names();
    let unknown = |found: String| Err(PsiError::UnknownModel { found });
    let mut layers = Vec::new();
    for name in &names {
        match (name.strip_suffix(".weight"), name.strip_suffix(".bias")) {
            (Some(layer), _) if names.binary_search(&format!("{layer}.bias")).is_ok() => layers.push(layer.to_owned()),
            (_, Some(layer)) if names.binary_search(&format!("{layer}.weight")).is_ok() => {}
            _ => return unknown(format!("tensor '{name}'")),
        }
    }
    if layers.is_empty() {
        return unknown("no tensor".to_owned());
    }
    layers.sort_by(|a, b| natural_order(a, b));
    Ok(layers)
}
