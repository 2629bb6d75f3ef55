//! Stores of arrays as Keras weight files.

use std::collections::BTreeMap;
use std::path::Path;

use volkit_core::{ArrayStore as _, MemoryStore};

use super::api::{Hdf5Backend, Hdf5Layout, Hdf5Value, Hdf5Writer};
use super::keras::{FORMAT_KEY, LAYER_NAMES, WEIGHT_NAMES};
use super::pure_writer::create_hdf5;
use crate::keras_layers::LAYERS_KEY;
use crate::{IoError, KerasLayer, WriteOptions, keras_layers};

/// What stands in the file where the store does not say it. Keras takes a file without a version for one of Keras 1 and
/// turns its kernels around.
const DEFAULT_TEXTS: [(&str, &str); 2] = [("backend", "tensorflow"), ("keras_version", "2.3.1")];

/// Writes arrays as a weight file of Keras 2, as its `save_weights` does: a group for each layer, `layer_names` at the
/// root, `weight_names` at each group. [`KerasStore`](crate::KerasStore) and Keras read it.
///
/// The layers are those that [`keras_layers`] finds in the store's metadata; otherwise an array `conv/kernel:0` belongs to
/// a layer `conv`, and layers and their arrays come in the order of the store's names. The other texts of the metadata
/// become attributes of the root. Of `options`, `overwrite` and
/// `fsync` count.
///
/// # Errors
/// [`IoError::DataSet`] for an array that belongs to no layer, has no counterpart in HDF5, or that is missing,
/// and when the file can not be written; then nothing stands under `path` that did not stand there before.
pub fn write_keras(path: impl AsRef<Path>, store: &MemoryStore, options: &WriteOptions) -> Result<(), IoError> {
    let path = path.as_ref();
    let layers = keras_layers(store).unwrap_or_else(|| layers_by_name(store));
    let stray = store.names().into_iter().find(|name| !layers.iter().any(|layer| layer.weights.contains(name)));
    if let Some(name) = stray {
        let why = "belongs to no layer: names are 'LAYER/WEIGHT', or the metadata tells the layers";
        return Err(IoError::DataSet { path: path.to_owned(), name, source: why.into() });
    }
    let writer = create_hdf5(path, Hdf5Backend::Pure, options)?;
    let defaults = DEFAULT_TEXTS.map(|(key, text)| (key.to_owned(), text.to_owned()));
    let mut texts = BTreeMap::from(defaults);
    texts.extend(store.all_metadata().clone());
    for (key, text) in texts.into_iter().filter(|(key, _)| key != LAYERS_KEY && key != FORMAT_KEY) {
        writer.set_attribute("/", &key, &Hdf5Value::Text(text))?;
    }
    let names: Vec<String> = layers.iter().map(|layer| layer.name.clone()).collect();
    writer.set_attribute("/", LAYER_NAMES, &Hdf5Value::Texts(names))?;
    layers.iter().try_for_each(|layer| write_layer(path, writer.as_ref(), store, layer))?;
    writer.finish()
}

fn write_layer(path: &Path, writer: &dyn Hdf5Writer, store: &MemoryStore, layer: &KerasLayer) -> Result<(), IoError> {
    let name = &layer.name;
    writer.create_group(name)?;
    // Weights stand in the group under the layer's name once more.
    let weights: Vec<String> = layer.weights.iter().map(|weight| in_layer(name, weight)).collect();
    writer.set_attribute(name, WEIGHT_NAMES, &Hdf5Value::Texts(weights.clone()))?;
    if !weights.is_empty() {
        writer.create_group(&format!("{name}/{name}"))?;
    }
    for (key, weight) in layer.weights.iter().zip(&weights) {
        let data_set = format!("{name}/{weight}");
        let failed = |source| IoError::DataSet { path: path.to_owned(), name: data_set.clone(), source };
        let array = store.get(key).map_err(failed)?;
        let shape = array.shape();
        writer.create_data_set(&data_set, shape, array.values().dtype(), &Hdf5Layout::dense())?;
        writer.write_box(&data_set, &vec![0; shape.len()], shape, array.values().view())?;
    }
    Ok(())
}

/// `layer/weight`, whether or not the array is named so.
fn in_layer(layer: &str, array: &str) -> String {
    let weight = array.strip_prefix(layer).and_then(|rest| rest.strip_prefix('/')).unwrap_or(array);
    format!("{layer}/{}", weight.replace('/', "_"))
}

/// Layers by what stands before the last `/` of each name.
fn layers_by_name(store: &MemoryStore) -> Vec<KerasLayer> {
    let mut layers: Vec<KerasLayer> = Vec::new();
    for array in store.names() {
        let Some((name, _)) = array.rsplit_once('/') else { continue };
        match layers.iter_mut().find(|layer| layer.name == name) {
            Some(layer) => layer.weights.push(array),
            None => layers.push(KerasLayer::new(name.to_owned(), vec![array])),
        }
    }
    layers
}
