//! The configuration of a MeshNet, as weight files carry it.

use serde::Deserialize;
use volkit_kernels::Activation;

use crate::SegError;

/// Most layers, channels and taps per axis: a damaged file must not ask for the machine's memory.
const MAX_LAYERS: usize = 256;
const MAX_CHANNELS: i64 = 4096;
const MAX_KERNEL: i64 = 31;
/// Largest dilation; larger than any axis of the grid, so that nothing sensible is refused.
const MAX_DILATION: i64 = 4096;

/// One convolution of a [`MeshNetConfig`], stride 1, zero 'same' padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MeshNetLayer {
    /// Taps per axis, odd.
    pub kernel: usize,
    /// Voxels from one tap to the next.
    pub dilation: usize,
    /// Input channels.
    pub c_in: usize,
    /// Output channels.
    pub c_out: usize,
}

impl MeshNetLayer {
    /// Shape of the weight tensor, `[C_out, C_in, k, k, k]`.
    #[must_use]
    pub fn weight_shape(&self) -> [usize; 5] {
        [self.c_out, self.c_in, self.kernel, self.kernel, self.kernel]
    }
}

/// Layers of a MeshNet and what lies between them.
///
/// In a file it is the metadata text `config`, a JSON object: `activation` (`relu`, `elu` or `gelu`), `norm` (`none`
/// or `instance`; `none` when absent) and `layers`, each with `kernel`, `dilation`, `padding`, `in` and `out`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MeshNetConfig {
    /// Applied after every layer but the last.
    pub activation: Activation,
    /// Whether each layer but the last is normalised before its activation: per channel over the whole image, with the
    /// biased variance and eps 1e-5.
    pub instance_norm: bool,
    /// The convolutions, in order. The first has one input channel, the last one output channel per class.
    pub layers: Vec<MeshNetLayer>,
}

#[derive(Deserialize)]
struct RawConfig {
    activation: String,
    norm: Option<String>,
    layers: Vec<RawLayer>,
}

#[derive(Clone, Copy, Deserialize)]
struct RawLayer {
    kernel: i64,
    dilation: i64,
    padding: i64,
    r#in: i64,
    out: i64,
}

impl MeshNetConfig {
    /// Reads the JSON text and checks that layers fit each other.
    ///
    /// # Errors
    /// [`SegError::Config`] with the field and its value.
    pub fn parse(text: &str) -> Result<Self, SegError> {
        let raw: RawConfig = serde_json::from_str(text)
            .map_err(|error| wrong("config", error.to_string(), "expected activation, norm and layers as JSON"))?;
        let activation = match raw.activation.as_str() {
            "relu" => Activation::Relu,
            "elu" => Activation::Elu,
            "gelu" => Activation::Gelu,
            other => return Err(wrong("activation", format!("'{other}'"), "known are relu, elu and gelu")),
        };
        let instance_norm = match raw.norm.as_deref() {
            None | Some("none") => false,
            Some("instance") => true,
            Some(other) => return Err(wrong("norm", format!("'{other}'"), "known are none and instance")),
        };
        if raw.layers.is_empty() || raw.layers.len() > MAX_LAYERS {
            return Err(wrong("layers", format!("{} layers", raw.layers.len()), "expected 1 to 256"));
        }
        let mut layers: Vec<MeshNetLayer> = Vec::with_capacity(raw.layers.len());
        for (index, raw) in raw.layers.iter().enumerate() {
            let wanted_in = layers.last().map_or(1, |previous| previous.c_out);
            layers.push(raw.checked(index, wanted_in)?);
        }
        let config = Self { activation, instance_norm, layers };
        if config.n_classes() < 2 {
            let field = format!("layers[{}].out", config.layers.len() - 1);
            return Err(wrong(field, config.n_classes().to_string(), "expected at least 2 classes"));
        }
        Ok(config)
    }

    /// Output channels of the last layer.
    #[must_use]
    pub fn n_classes(&self) -> usize {
        self.layers.last().map_or(0, |layer| layer.c_out)
    }

    /// Voxels on each side that a logit depends on; none where a norm makes it depend on all.
    #[must_use]
    pub fn receptive_radius(&self) -> Option<usize> {
        let radius = self.layers.iter().map(|layer| layer.kernel / 2 * layer.dilation).sum();
        (!self.instance_norm).then_some(radius)
    }

    /// Most channels between layers.
    #[must_use]
    pub fn width(&self) -> usize {
        let hidden = self.layers.split_last().map_or(&[][..], |(_, hidden)| hidden);
        hidden.iter().map(|layer| layer.c_out).max().unwrap_or(1)
    }
}

impl RawLayer {
    fn checked(self, index: usize, wanted_in: usize) -> Result<MeshNetLayer, SegError> {
        let field = |name: &str| format!("layers[{index}].{name}");
        let ranges = [
            ("kernel", self.kernel, MAX_KERNEL),
            ("dilation", self.dilation, MAX_DILATION),
            ("in", self.r#in, MAX_CHANNELS),
            ("out", self.out, MAX_CHANNELS),
        ];
        for (name, value, most) in ranges {
            if !(1..=most).contains(&value) {
                return Err(wrong(field(name), value.to_string(), format!("expected 1 to {most}")));
            }
        }
        if self.kernel % 2 == 0 {
            return Err(wrong(field("kernel"), self.kernel.to_string(), "expected an odd number"));
        }
        let same = self.dilation * (self.kernel / 2);
        if self.padding != same {
            let why = format!("expected {same}, dilation {} x (kernel {} / 2)", self.dilation, self.kernel);
            return Err(wrong(field("padding"), self.padding.to_string(), why));
        }
        if self.r#in != wanted_in as i64 {
            let before = if index == 0 { "the image" } else { "the layer before" };
            let why = format!("expected {wanted_in}, the channels of {before}");
            return Err(wrong(field("in"), self.r#in.to_string(), why));
        }
        Ok(MeshNetLayer {
            kernel: self.kernel as usize,
            dilation: self.dilation as usize,
            c_in: self.r#in as usize,
            c_out: self.out as usize,
        })
    }
}

pub(super) fn wrong(field: impl Into<String>, value: impl Into<String>, why: impl Into<String>) -> SegError {
    SegError::Config { field: field.into(), value: value.into(), why: why.into() }
}

#[cfg(test)]
mod tests {
    use super::MeshNetConfig;
    use volkit_kernels::Activation;

    fn config(change: impl Fn(String) -> String) -> Result<MeshNetConfig, String> {
        let text = r#"{"activation":"elu","layers":[
            {"kernel":3,"dilation":2,"padding":2,"in":1,"out":5},{"kernel":1,"dilation":1,"padding":0,"in":5,"out":3}]}"#;
        MeshNetConfig::parse(&change(text.to_owned())).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_layers() {
        let config = config(|text| text).unwrap();
        assert_eq!((config.activation, config.instance_norm), (Activation::Elu, false));
        assert_eq!((config.n_classes(), config.width()), (3, 5));
        assert_eq!(config.layers[0].weight_shape(), [5, 1, 3, 3, 3]);
    }

    #[test]
    fn each_mistake_names_its_field_and_value() {
        for (from, to, message) in [
            ("\"elu\"", "\"tanh\"", "activation = 'tanh': known are relu, elu and gelu"),
            ("\"elu\"", "\"elu\",\"norm\":\"batch\"", "norm = 'batch': known are none and instance"),
            ("\"padding\":2", "\"padding\":1", "layers[0].padding = 1: expected 2, dilation 2 x (kernel 3 / 2)"),
            ("\"kernel\":3", "\"kernel\":4", "layers[0].kernel = 4: expected an odd number"),
            ("\"dilation\":2", "\"dilation\":-2", "layers[0].dilation = -2: expected 1 to 4096"),
            ("\"in\":5", "\"in\":6", "layers[1].in = 6: expected 5, the channels of the layer before"),
            ("\"in\":1", "\"in\":2", "layers[0].in = 2: expected 1, the channels of the image"),
            ("\"out\":3", "\"out\":1", "layers[1].out = 1: expected at least 2 classes"),
            ("\"out\":5", "\"out\":99999999", "layers[0].out = 99999999: expected 1 to 4096"),
        ] {
            let error = config(|text| text.replacen(from, to, 1)).unwrap_err();
            assert_eq!(error, format!("weights: config: {message}"));
        }
        assert!(config(|_| "{".into()).unwrap_err().starts_with("weights: config: config = EOF"));
        assert!(config(|text| text.replace("activation", "act")).unwrap_err().contains("missing field `activation`"));
    }
}
