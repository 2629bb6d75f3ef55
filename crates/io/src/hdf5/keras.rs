//! Keras weight files as stores of arrays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hdf5_pure::{File, FormatError};
use volkit_core::{Array, ArrayStore, BoxError, CoreError, DType};

use crate::keras_layers::{LAYERS_KEY, layers_text};
use crate::{Endian, IoError, KerasLayer, Limits};

use super::attributes::Attributes;
use super::contain::contained;
use super::data_set::{self, Description};
use super::names::array_names;

/// Group that holds the layers in a file of a whole model.
const MODEL_GROUP: &str = "model_weights";
pub(super) const LAYER_NAMES: &str = "layer_names";
pub(super) const WEIGHT_NAMES: &str = "weight_names";
/// Key of the text that tells what the store is; no attribute of the file.
pub(super) const FORMAT_KEY: &str = "format";
const FORMAT: &str = "keras";

/// A Keras 2 weight file (HDF5): `save_weights`, or a whole model, whose optimizer and configuration are left out.
///
/// The names of layers and weights are read when the file is opened, each array when it is asked for. Arrays keep the
/// layout of the file: a 3-D convolution kernel is `[kX, kY, kZ, C_in, C_out]`. Element types are f16, f32 and f64, in
/// either byte order; data sets may be in chunks and compressed (deflate, shuffle, LZF).
///
/// # Names
/// An array is named `<layer>/<weight>`, where `<weight>` is the last part of the name that the layer's `weight_names`
/// gives: `unet_conv_downarm_0_0/kernel:0`. If two weights of a layer end alike, all of that layer keep their whole
/// name, but for a leading `<layer>/`. Where an array lies in the file is always told by `layer_names` and
/// `weight_names`, also where they are split over several attributes.
///
/// # Metadata
/// `format` is `keras`; the texts that stand beside the layers, such as `backend` and `keras_version`, are those of the
/// file; `layers` is what
/// [`keras_layers`](crate::keras_layers) reads.
///
/// # Limits
/// Data sets are checked before they are read; those that were never written, wholly or in part, are errors. Files
/// made for HDF5 2.0 only (h5py's `libver="latest"`) are refused, as are Keras 3 files (`.weights.h5`).
pub struct KerasStore {
    path: PathBuf,
    file: File,
    file_len: u64,
    limits: Limits,
    layers: Vec<KerasLayer>,
    entries: BTreeMap<String, Entry>,
    texts: BTreeMap<String, String>,
}

/// Where an array lies, and what its header says.
struct Entry {
    data_set: String,
    shape: Vec<usize>,
    element: Option<(DType, Endian)>,
}

/// A data set of a file, for messages.
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) name: &'a str,
}

impl KerasStore {
    /// Opens a file with default limits.
    ///
    /// # Errors
    /// As [`KerasStore::open_with`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IoError> {
        Self::open_with(path, &Limits::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// [`IoError::NotThisFormat`] for what is no HDF5 file or has no `layer_names`; [`IoError::DataSet`] for a layer or
    /// weight that the file names but lacks, for a name twice, and for damage.
    pub fn open_with(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, IoError> {
        let path = path.as_ref();
        contained(path, "", || Self::open_file(path, limits))
    }

    fn open_file(path: &Path, limits: &Limits) -> Result<Self, IoError> {
        let file_len = std::fs::metadata(path).map_err(|error| IoError::io(path, "open", error))?.len();
        let file = File::open_streaming(path).map_err(|error| not_opened(path, error))?;
        let (prefix, attributes) = find_layers(path, &file)?;
        let mut texts: BTreeMap<String, String> = attributes.texts().collect();
        texts.insert(FORMAT_KEY.to_owned(), FORMAT.to_owned());
        let names = attributes.list(LAYER_NAMES).map_err(|why| failed(path, &prefix, why))?;
        let mut store = Self {
            path: path.to_owned(),
            file,
            file_len,
            limits: limits.clone(),
            layers: Vec::with_capacity(names.len()),
            entries: BTreeMap::new(),
            texts,
        };
        for name in names {
            store.add_layer(&prefix, name)?;
        }
        store.texts.insert(LAYERS_KEY.to_owned(), layers_text(&store.layers));
        Ok(store)
    }

    /// The layers in the order of the network, also those without weights.
    #[must_use]
    pub fn layers(&self) -> &[KerasLayer] {
        &self.layers
    }

    /// Shape and element type of an array, without reading it; no type where it is none that can be read.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<(&[usize], Option<DType>)> {
        let entry = self.entries.get(name)?;
        Some((&entry.shape, entry.element.map(|(dtype, _)| dtype)))
    }

    /// All texts of the store.
    #[must_use]
    pub fn all_metadata(&self) -> &BTreeMap<String, String> {
        &self.texts
    }

    fn add_layer(&mut self, prefix: &str, layer: String) -> Result<(), IoError> {
        let group_path = format!("{prefix}{layer}");
        if layer.is_empty() {
            return Err(failed(&self.path, &group_path, format!("'{LAYER_NAMES}' has an empty name")));
        }
        if self.layers.iter().any(|known| known.name == layer) {
            return Err(failed(&self.path, &group_path, format!("'{LAYER_NAMES}' names this layer twice")));
        }
        let in_group = |error: hdf5_pure::Error| failed(&self.path, &group_path, error);
        let group = self.file.group(&group_path).map_err(in_group)?;
        let weights = Attributes::of(&group).map_err(in_group)?.list(WEIGHT_NAMES);
        let weights = weights.map_err(|why| failed(&self.path, &group_path, why))?;
        let names = array_names(&layer, &weights);
        for (name, weight) in names.iter().zip(&weights) {
            let data_set = format!("{group_path}/{weight}");
            let found = self.file.dataset(&data_set).map_err(|error| failed(&self.path, &data_set, error))?;
            let place = Place { path: &self.path, name: &data_set };
            let Description { shape, element } = data_set::describe(&place, &found)?;
            let entry = Entry { data_set, shape, element };
            if let Some(other) = self.entries.insert(name.clone(), entry) {
                let why = format!("two arrays would be named '{name}'");
                return Err(failed(&self.path, &other.data_set, why));
            }
        }
        self.layers.push(KerasLayer::new(layer, names));
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Array, IoError> {
        let Some(entry) = self.entries.get(name) else {
            return Err(IoError::core(&self.path, CoreError::NoArray(name.to_owned())));
        };
        let place = Place { path: &self.path, name: &entry.data_set };
        let data_set =
            self.file.dataset(&entry.data_set).map_err(|error| failed(&self.path, &entry.data_set, error))?;
        contained(&self.path, &entry.data_set, || data_set::read(&place, &data_set, self.file_len, &self.limits))
    }
}

/// The group of the layers as the beginning of their paths, and its attributes.
fn find_layers(path: &Path, file: &File) -> Result<(String, Attributes), IoError> {
    let root = Attributes::of(&file.root()).map_err(|error| failed(path, "/", error))?;
    if root.has_list(LAYER_NAMES) {
        return Ok((String::new(), root));
    }
    let groups = file.root().groups().map_err(|error| failed(path, "/", error))?;
    if groups.iter().any(|name| name == MODEL_GROUP) {
        let model = file.group(MODEL_GROUP).and_then(|group| Attributes::of(&group));
        let model = model.map_err(|error| failed(path, MODEL_GROUP, error))?;
        if model.has_list(LAYER_NAMES) {
            return Ok((format!("{MODEL_GROUP}/"), model));
        }
    }
    let found = format!(
        "an HDF5 file, but no weights of Keras 2: there is no attribute '{LAYER_NAMES}', neither at its root nor in a \
         group '{MODEL_GROUP}'"
    );
    Err(IoError::not_this_format(path, found))
}

fn not_opened(path: &Path, error: hdf5_pure::Error) -> IoError {
    match error {
        hdf5_pure::Error::Io(error) => IoError::io(path, "open", error),
        hdf5_pure::Error::Format(FormatError::SignatureNotFound) => IoError::not_this_format(path, "no HDF5 file"),
        error => failed(path, "/", error),
    }
}

fn failed(path: &Path, name: &str, source: impl Into<BoxError>) -> IoError {
    IoError::DataSet { path: path.to_owned(), name: name.to_owned(), source: source.into() }
}

impl std::fmt::Debug for KerasStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KerasStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ArrayStore for KerasStore {
    fn names(&self) -> Vec<String> {
        self.entries.keys().cloned().collect()
    }

    fn get(&self, name: &str) -> Result<Array, BoxError> {
        Ok(self.read(name)?)
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.texts.get(key).cloned()
    }
}
