//! Files of `torch.save` as stores.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use volkit_core::{Array, ArrayStore, BoxError, CoreError, Voxels};

use super::pickle::{self, Id, Pickle, TensorRecord, Value};
use crate::bytes::ByteSource;
use crate::npz::zip_read::{self, Entry};
use crate::{Endian, IoError, Limits, ReadOptions};

/// The file of the archive that says which tensors there are.
const PICKLE: &str = "data.pkl";
/// Under these keys checkpoints keep the state dict of the network, most usual first.
const STATE_DICTS: [&str; 4] = ["state_dict", "model_state_dict", "model", "net"];
/// First bytes of a pickle of protocol 2, with which files of PyTorch before 1.6 begin.
const OLD_MAGIC: &[u8] = b"\x80\x02";

/// A `.pt` or `.pth` file as PyTorch 1.6 and later saves a state dict: a zip archive with a pickle and the values. The pickle
/// is read when the file is opened, each tensor when it is asked for.
///
/// Nothing of the pickle is executed: a reader of its own knows the opcodes and the few names that tensors need, and refuses
/// all others. Tensors of a dict in a dict are named with `/` between the keys; of a checkpoint (`{"state_dict": .., "epoch":
/// ..}`, also `model_state_dict`, `model`, `net`) only the network's tensors are given. What is no tensor is left out; a file
/// of one tensor gives it as `tensor`.
pub struct TorchStore {
    path: PathBuf,
    bytes: ByteSource,
    /// Folder in the archive, with its `/`.
    prefix: String,
    entries: Vec<Entry>,
    tensors: BTreeMap<String, TensorRecord>,
    endian: Endian,
    limits: Limits,
}

impl TorchStore {
    /// Opens a file with default limits.
    ///
    /// # Errors
    /// When the file is no archive of PyTorch, or holds more than tensors, numbers, texts, lists and dicts.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IoError> {
        Self::open_with(path, &Limits::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// When the file is no archive of PyTorch, holds more than tensors, numbers, texts, lists and dicts, or exceeds the
    /// limits.
    pub fn open_with(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, IoError> {
        let path = path.as_ref();
        let bytes = ByteSource::open(path, &ReadOptions::default())?;
        let mut magic = [0; 4];
        let len = bytes.read_up_to(0, &mut magic)?;
        if bytes.is_gzip() || &magic[..len] != zip_read::MAGIC {
            let found = if magic.starts_with(OLD_MAGIC) {
                "a pickle without an archive, as PyTorch before 1.6 saved; load it and `torch.save` it anew"
            } else {
                "no archive of `torch.save`"
            };
            return Err(IoError::not_this_format(path, found));
        }
        let entries = zip_read::entries(&bytes, limits)?;
        let is_pickle = |entry: &&Entry| entry.name.rsplit('/').next() == Some(PICKLE);
        let Some(pickled) = entries.iter().find(is_pickle) else {
            return Err(IoError::not_this_format(path, "a zip archive without the file data.pkl of `torch.save`"));
        };
        limits.check_header(path, PICKLE, pickled.len)?;
        let prefix = pickled.name[..pickled.name.len() - PICKLE.len()].to_owned();
        let pickle = pickle::parse(&zip_read::read(&bytes, pickled, u64::MAX)?)
            .map_err(|why| IoError::bad_header(path, pickled.name.clone(), format!("{} bytes", pickled.len), why))?;
        let endian = match entries.iter().find(|entry| entry.name == format!("{prefix}byteorder")) {
            Some(entry) if zip_read::read(&bytes, entry, 3)? == b"big" => Endian::Big,
            _ => Endian::Little,
        };
        let tensors = tensors(&pickle);
        Ok(Self { path: path.to_owned(), bytes, prefix, entries, tensors, endian, limits: limits.clone() })
    }

    fn read(&self, name: &str) -> Result<Array, IoError> {
        let Some(tensor) = self.tensors.get(name) else {
            return Err(IoError::core(&self.path, CoreError::NoArray(name.to_owned())));
        };
        let TensorRecord { storage, shape, .. } = tensor;
        let refused =
            |value: String, why: String| IoError::bad_header(&self.path, format!("tensor '{name}'"), value, why);
        let Some(n) = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n)) else {
            return Err(refused(format!("{shape:?}"), "the shape is beyond all memory".to_owned()));
        };
        let size = storage.dtype.size();
        self.limits.check_array(&self.path, &format!("tensor '{name}'"), n, size)?;
        let elements = view(tensor).filter(|end| *end <= storage.len);
        let (Some(_), Some(bytes)) = (elements, storage.len.checked_mul(size)) else {
            let value = format!("shape {shape:?}, strides {:?}, offset {}", tensor.strides, tensor.offset);
            return Err(refused(value, format!("its storage '{}' has {} elements", storage.key, storage.len)));
        };
        let file = format!("{}data/{}", self.prefix, storage.key);
        let Some(entry) = self.entries.iter().find(|entry| entry.name == file) else {
            return Err(refused(format!("storage '{}'", storage.key), format!("the archive has no file '{file}'")));
        };
        self.limits.check_array(&self.path, &format!("'{file}'"), storage.len, size)?;
        if entry.len != bytes as u64 {
            let why = format!("'{file}' has {} bytes, {bytes} expected", entry.len);
            return Err(refused(format!("storage '{}'", storage.key), why));
        }
        let content = zip_read::read(&self.bytes, entry, u64::MAX)?;
        let mut values = Voxels::zeros(storage.dtype, n).map_err(|error| IoError::core(&self.path, error))?;
        let mut view = values.view_mut();
        gather(tensor, &content, size, view.bytes_mut());
        self.endian.swap_if_needed(storage.dtype, view.bytes_mut());
        Array::new(shape.clone(), values).map_err(|error| IoError::core(&self.path, error))
    }
}

impl std::fmt::Debug for TorchStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TorchStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ArrayStore for TorchStore {
    fn names(&self) -> Vec<String> {
        self.tensors.keys().cloned().collect()
    }

    fn get(&self, name: &str) -> Result<Array, BoxError> {
        Ok(self.read(name)?)
    }
}

/// The tensors of a pickle, or those of its state dict where it is a checkpoint.
fn tensors(pickle: &Pickle) -> BTreeMap<String, TensorRecord> {
    let entry = |dict: Id, key: &str| match &pickle.values[dict] {
        Value::Dict(entries) => {
            let found =
                entries.iter().find(|(name, _)| matches!(&pickle.values[*name], Value::Text(text) if text == key));
            found.map(|&(_, value)| value).filter(|&value| matches!(pickle.values[value], Value::Dict(_)))
        }
        _ => None,
    };
    let mut tensors = BTreeMap::new();
    let top = STATE_DICTS.iter().find_map(|key| entry(pickle.top, key)).unwrap_or(pickle.top);
    if let Value::Tensor(tensor) = &pickle.values[top] {
        tensors.insert("tensor".to_owned(), (**tensor).clone());
    }
    let Value::Dict(entries) = &pickle.values[top] else { return tensors };
    for (key, value) in entries {
        let Value::Text(key) = &pickle.values[*key] else { continue };
        match &pickle.values[*value] {
            Value::Tensor(tensor) => drop(tensors.insert(key.clone(), (**tensor).clone())),
            // One level: a dict may hold itself.
            Value::Dict(inner) => {
                for (name, value) in inner {
                    if let (Value::Text(name), Value::Tensor(tensor)) = (&pickle.values[*name], &pickle.values[*value])
                    {
                        tensors.insert(format!("{key}/{name}"), (**tensor).clone());
                    }
                }
            }
            _ => {}
        }
    }
    tensors
}

/// One past the last element of the storage that a tensor has; 0 for a tensor of nothing.
fn view(tensor: &TensorRecord) -> Option<usize> {
    if tensor.shape.contains(&0) {
        return Some(0);
    }
    let steps = tensor.shape.iter().zip(&tensor.strides);
    steps.fold(tensor.offset.checked_add(1), |end, (n, stride)| end?.checked_add((n - 1).checked_mul(*stride)?))
}

/// Copies a view of `content`, elements of `size` bytes, in row-major order.
fn gather(tensor: &TensorRecord, content: &[u8], size: usize, out: &mut [u8]) {
    let mut index = vec![0; tensor.shape.len()];
    let mut at = tensor.offset;
    for element in out.chunks_exact_mut(size) {
        element.copy_from_slice(&content[at * size..(at + 1) * size]);
        for axis in (0..index.len()).rev() {
            index[axis] += 1;
            at += tensor.strides[axis];
            if index[axis] < tensor.shape[axis] {
                break;
            }
            at -= index[axis] * tensor.strides[axis];
            index[axis] = 0;
        }
    }
}
