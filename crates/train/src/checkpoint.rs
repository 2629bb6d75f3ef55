//! Training that can be gone on with.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, SafeTensors, View, serialize};
use serde_json::{Map, Value};

use crate::{OptimizerState, Real, TrainError};

/// Version of the format.
const VERSION: u64 = 1;
/// Name of the text in the header that holds everything but the arrays.
const HEADER: &str = "volkit_checkpoint";

/// An array of a [`Checkpoint`], row-major.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CheckpointArray {
    /// Of f32.
    F32 {
        /// Lengths of its axes.
        shape: Vec<usize>,
        /// Their product of values.
        values: Vec<f32>,
    },
    /// Of f64.
    F64 {
        /// Lengths of its axes.
        shape: Vec<usize>,
        /// Their product of values.
        values: Vec<f64>,
    },
}

/// Parameters, the state of optimisers, and whatever else training needs to go on: arrays in a safetensors file, and fields
/// of any kind (epoch, step, generator of random numbers, configuration) in its header.
///
/// A file is complete or not there: it is written beside its place, flushed to the disk, and then renamed. When that fails
/// the checkpoint before stays.
///
/// ```
/// use volkit_train::{Checkpoint, CheckpointArray};
///
/// let folder = tempfile::tempdir()?;
/// let path = folder.path().join("last.safetensors");
/// let mut checkpoint = Checkpoint::new("demo");
/// checkpoint.set_field("epoch", 3);
/// checkpoint.set_array("weight", CheckpointArray::F32 { shape: vec![1, 2], values: vec![0.5, 1.0] });
/// checkpoint.write(&path)?;
/// let read = Checkpoint::read(&path, "demo")?;
/// assert_eq!((read.field("epoch"), &read), (Some(&3.into()), &checkpoint));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Checkpoint {
    kind: String,
    fields: Map<String, Value>,
    arrays: BTreeMap<String, CheckpointArray>,
}

impl Checkpoint {
    /// An empty one of that kind: the name of the model and task, so that no other model takes it.
    #[must_use]
    pub fn new(kind: impl Into<String>) -> Self {
        Self { kind: kind.into(), fields: Map::new(), arrays: BTreeMap::new() }
    }

    /// Sets a field. Numbers that must come back to the bit belong into arrays, integers excepted.
    pub fn set_field(&mut self, name: impl Into<String>, value: impl Into<Value>) {
        self.fields.insert(name.into(), value.into());
    }

    /// A field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&Value> {
        self.fields.get(name)
    }

    /// Sets an array.
    pub fn set_array(&mut self, name: impl Into<String>, array: CheckpointArray) {
        self.arrays.insert(name.into(), array);
    }

    /// An array.
    #[must_use]
    pub fn array(&self, name: &str) -> Option<&CheckpointArray> {
        self.arrays.get(name)
    }

    /// Names of all arrays, sorted.
    pub fn array_names(&self) -> impl Iterator<Item = &str> {
        self.arrays.keys().map(String::as_str)
    }

    /// Sets the state of an optimiser, as arrays `NAME.ARRAY.NUMBER` and a field.
    pub fn set_optimizer<T: Real>(&mut self, name: &str, state: &OptimizerState<T>) {
        self.set_field(format!("{name}.steps"), state.steps);
        for (array, index, values) in &state.arrays {
            let array = (format!("{name}.{array}.{index}"), T::into_array(values.clone(), vec![values.len()]));
            self.arrays.insert(array.0, array.1);
        }
        for (number, value) in &state.numbers {
            let array = CheckpointArray::F64 { shape: Vec::new(), values: vec![*value] };
            self.arrays.insert(format!("{name}.{number}"), array);
        }
    }

    /// The state of an optimiser that was set under that name.
    ///
    /// # Errors
    /// [`TrainError::State`] when there is none, or its arrays are of another type of number.
    pub fn optimizer<T: Real>(&self, name: &str) -> Result<OptimizerState<T>, TrainError> {
        let steps = self.field(&format!("{name}.steps")).and_then(Value::as_u64);
        let wrong = |name: &str, why: &str| TrainError::State { name: name.to_owned(), why: why.to_owned() };
        let steps = steps.ok_or_else(|| wrong(name, "is not in the checkpoint"))?;
        let mut state = OptimizerState { steps, arrays: Vec::new(), numbers: Vec::new() };
        for (full, array) in &self.arrays {
            let Some(rest) = full.strip_prefix(name).and_then(|rest| rest.strip_prefix('.')) else { continue };
            match (rest.rsplit_once('.'), array) {
                (Some((part, index)), array) => {
                    let index = index.parse().map_err(|_| wrong(full, "has no number"))?;
                    let values = T::from_array(array).ok_or_else(|| wrong(full, "holds numbers of another type"))?;
                    state.arrays.push((part.to_owned(), index, values.to_vec()));
                }
                (None, CheckpointArray::F64 { values, .. }) if values.len() == 1 => {
                    state.numbers.push((rest.to_owned(), values[0]));
                }
                (None, _) => return Err(wrong(full, "is not one number")),
            }
        }
        Ok(state)
    }

    /// Writes the file; one that is there is replaced.
    ///
    /// # Errors
    /// [`TrainError::Io`]; what was there before stays.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let mut header = self.fields.clone();
        header.insert("version".into(), VERSION.into());
        header.insert("kind".into(), self.kind.clone().into());
        let header = HashMap::from([(HEADER.to_owned(), Value::Object(header).to_string())]);
        let bytes = serialize(self.arrays.iter(), Some(header)).map_err(|error| damaged(path, error.to_string()))?;
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let partial = parent.join(format!(".{name}.{}.part", std::process::id()));
        let written = (|| {
            let mut file = File::create(&partial)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            std::fs::rename(&partial, path)?;
            // The name must last as well, where folders can be flushed.
            let _ = File::open(parent).and_then(|folder| folder.sync_all());
            Ok(())
        })();
        written.map_err(|source| {
            let _ = std::fs::remove_file(&partial);
            TrainError::Io { path: path.to_owned(), action: "write", source }
        })
    }

    /// Reads a file of a kind.
    ///
    /// # Errors
    /// [`TrainError::Io`]; [`TrainError::Checkpoint`] for a file that is damaged, none of ours, of a newer version or of
    /// another kind.
    pub fn read(path: &Path, kind: &str) -> Result<Self, TrainError> {
        let bytes =
            std::fs::read(path).map_err(|source| TrainError::Io { path: path.to_owned(), action: "read", source })?;
        let (_, metadata) = SafeTensors::read_metadata(&bytes).map_err(|error| damaged(path, error.to_string()))?;
        let header = metadata.metadata().as_ref().and_then(|texts| texts.get(HEADER));
        let header = header.ok_or_else(|| damaged(path, "is no checkpoint of volkit".into()))?;
        let Ok(Value::Object(mut fields)) = serde_json::from_str(header) else {
            return Err(damaged(path, format!("header: '{header}' is no object")));
        };
        match fields.remove("version") {
            Some(version) if version.as_u64().is_some_and(|version| version <= VERSION) => {}
            version => return Err(damaged(path, format!("version = {}, expected {VERSION}", shown(version)))),
        }
        match fields.remove("kind") {
            Some(Value::String(found)) if found == kind => {}
            found => return Err(damaged(path, format!("a checkpoint of {}, expected \"{kind}\"", shown(found)))),
        }
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| damaged(path, error.to_string()))?;
        let mut arrays = BTreeMap::new();
        for (name, tensor) in tensors.iter() {
            let (shape, data) = (tensor.shape().to_vec(), tensor.data());
            let array = match tensor.dtype() {
                Dtype::F32 => CheckpointArray::F32 { shape, values: numbers(data, f32::from_le_bytes) },
                Dtype::F64 => CheckpointArray::F64 { shape, values: numbers(data, f64::from_le_bytes) },
                other => return Err(damaged(path, format!("array '{name}': type {other:?}, expected F32 or F64"))),
            };
            arrays.insert(name.to_owned(), array);
        }
        Ok(Self { kind: kind.to_owned(), fields, arrays })
    }
}

fn shown(value: Option<Value>) -> String {
    value.map_or_else(|| "nothing".to_owned(), |value| value.to_string())
}

fn damaged(path: &Path, why: String) -> TrainError {
    TrainError::Checkpoint { path: PathBuf::from(path), why }
}

fn numbers<T, const N: usize>(bytes: &[u8], number: fn([u8; N]) -> T) -> Vec<T> {
    bytes.as_chunks().0.iter().map(|chunk| number(*chunk)).collect()
}

impl View for &CheckpointArray {
    fn dtype(&self) -> Dtype {
        match self {
            CheckpointArray::F32 { .. } => Dtype::F32,
            CheckpointArray::F64 { .. } => Dtype::F64,
        }
    }

    fn shape(&self) -> &[usize] {
        match self {
            CheckpointArray::F32 { shape, .. } | CheckpointArray::F64 { shape, .. } => shape,
        }
    }

    fn data(&self) -> Cow<'_, [u8]> {
        match self {
            CheckpointArray::F32 { values, .. } => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
            CheckpointArray::F64 { values, .. } => values.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    }

    fn data_len(&self) -> usize {
        match self {
            CheckpointArray::F32 { values, .. } => size_of_val(values.as_slice()),
            CheckpointArray::F64 { values, .. } => size_of_val(values.as_slice()),
        }
    }
}
