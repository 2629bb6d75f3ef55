//! The layers of a Keras network, as stores of its weights tell them.

use serde_json::{Value, json};
use volkit_core::ArrayStore;

/// Key of the text in which a store of Keras weights tells its layers.
pub(crate) const LAYERS_KEY: &str = "layers";

/// A layer of a Keras network and the arrays that hold its weights.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KerasLayer {
    /// Name of the layer.
    pub name: String,
    /// Names of its arrays in the store, in the order of the layer: kernel then bias for a convolution; gamma, beta,
    /// moving mean and moving variance for batch normalization; none for a layer without weights.
    pub weights: Vec<String>,
}

impl KerasLayer {
    /// A layer with these arrays.
    #[must_use]
    pub fn new(name: impl Into<String>, weights: Vec<String>) -> Self {
        Self { name: name.into(), weights }
    }
}

/// The layers of the network whose weights a store holds, in the order of the network.
///
/// They stand in the metadata under `layers`: `KerasStore` (feature `hdf5`) gives that text, and a safetensors file that
/// was made from one keeps it, so that a network need not know which of the two it reads. None where a store says
/// nothing of layers, or nothing that can be understood.
///
/// ```
/// use volkit_core::MemoryStore;
/// use volkit_io::keras_layers;
///
/// let mut store = MemoryStore::new();
/// store.set_metadata("layers", r#"[{"name":"conv","weights":["conv/kernel:0","conv/bias:0"]}]"#);
/// let layers = keras_layers(&store).unwrap_or_default();
/// assert_eq!((layers[0].name.as_str(), layers[0].weights.len()), ("conv", 2));
/// ```
#[must_use]
pub fn keras_layers(store: &dyn ArrayStore) -> Option<Vec<KerasLayer>> {
    let text: Value = serde_json::from_str(&store.metadata(LAYERS_KEY)?).ok()?;
    text.as_array()?.iter().map(layer).collect()
}

fn layer(value: &Value) -> Option<KerasLayer> {
    let weights = value["weights"].as_array()?.iter();
    let weights = weights.map(|name| name.as_str().map(str::to_owned)).collect::<Option<_>>()?;
    Some(KerasLayer::new(value["name"].as_str()?, weights))
}

/// The text that [`keras_layers`] understands.
#[cfg_attr(not(feature = "hdf5"), allow(dead_code))]
pub(crate) fn layers_text(layers: &[KerasLayer]) -> String {
    let layers = layers.iter().map(|layer| json!({ "name": layer.name, "weights": layer.weights }));
    Value::Array(layers.collect()).to_string()
}

#[cfg(test)]
mod tests {
    use super::{KerasLayer, keras_layers, layers_text};
    use volkit_core::MemoryStore;

    #[test]
    fn text_and_back() {
        let layers = vec![
            KerasLayer::new("input", Vec::new()),
            KerasLayer::new("a \"b\"", vec!["a \"b\"/kernel:0".to_owned(), "x".to_owned()]),
        ];
        let mut store = MemoryStore::new();
        assert_eq!(keras_layers(&store), None);
        store.set_metadata("layers", layers_text(&layers));
        assert_eq!(keras_layers(&store), Some(layers));
        for odd in ["", "7", "[1]", r#"[{"name":"a"}]"#, r#"[{"name":"a","weights":[1]}]"#] {
            store.set_metadata("layers", odd);
            assert_eq!(keras_layers(&store), None, "{odd}");
        }
    }
}
