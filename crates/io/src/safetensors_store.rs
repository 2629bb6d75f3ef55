//! Safetensors files as stores of arrays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use safetensors::Dtype;
use safetensors::tensor::Metadata;
use volkit_core::{Array, ArrayStore, BoxError, CoreError, DType, MemoryStore, Voxels, VoxelsRef};

use crate::bytes::ByteSource;
use crate::weights::HDF5_MAGIC;
use crate::{Endian, IoError, Limits, ReadOptions, write_atomically};

/// Bytes of the length in front of the header.
const LENGTH_BYTES: u64 = 8;
/// Key of the texts in the header.
const METADATA_KEY: &str = "__metadata__";
/// The arrays begin at a multiple of this.
const ALIGNMENT: usize = 8;

const TYPES: [(Dtype, DType, &str); 14] = [
    (Dtype::BOOL, DType::U8, "BOOL"),
    (Dtype::U8, DType::U8, "U8"),
    (Dtype::I8, DType::I8, "I8"),
    (Dtype::U16, DType::U16, "U16"),
    (Dtype::I16, DType::I16, "I16"),
    (Dtype::U32, DType::U32, "U32"),
    (Dtype::I32, DType::I32, "I32"),
    (Dtype::U64, DType::U64, "U64"),
    (Dtype::I64, DType::I64, "I64"),
    (Dtype::F16, DType::F16, "F16"),
    (Dtype::BF16, DType::BF16, "BF16"),
    (Dtype::F32, DType::F32, "F32"),
    (Dtype::F64, DType::F64, "F64"),
    (Dtype::C64, DType::Complex64, "C64"),
];

/// A safetensors file: the header is read when it is opened, each array when it is asked for.
pub struct SafetensorsStore {
    path: PathBuf,
    bytes: ByteSource,
    metadata: Metadata,
    data_start: u64,
    limits: Limits,
}

impl SafetensorsStore {
    /// Opens a file with default limits.
    ///
    /// # Errors
    /// When the header is no safetensors header or does not fit the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IoError> {
        Self::open_with(path, &Limits::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// When the header is no safetensors header, does not fit the file or exceeds the limits.
    pub fn open_with(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, IoError> {
        let path = path.as_ref();
        Self::of_bytes(path, ByteSource::open(path, &ReadOptions::default())?, limits)
    }

    /// A file that is part of the program, under a name for messages.
    ///
    /// # Errors
    /// When the header is no safetensors header or does not fit the bytes.
    pub fn embedded(name: &str, bytes: &'static [u8]) -> Result<Self, IoError> {
        Self::of_bytes(Path::new(name), ByteSource::memory(name, bytes), &Limits::default())
    }

    fn of_bytes(path: &Path, bytes: ByteSource, limits: &Limits) -> Result<Self, IoError> {
        if bytes.is_gzip() {
            return Err(IoError::not_this_format(path, "a gzip file where safetensors is expected"));
        }
        let mut length = [0; LENGTH_BYTES as usize];
        bytes.read_at("the header length", 0, &mut length)?;
        if length == HDF5_MAGIC {
            let found = "an HDF5 file where safetensors is expected (Keras weights are turned into safetensors by \
                         `volconv weights`)";
            return Err(IoError::not_this_format(path, found));
        }
        let length = u64::from_le_bytes(length);
        let file_len = bytes.max_len();
        if length > file_len - LENGTH_BYTES {
            let found = format!("no safetensors file: header length {length} in a file of {file_len} bytes");
            return Err(IoError::not_this_format(path, found));
        }
        limits.check_header(path, "the safetensors header", length)?;
        let mut header = vec![0; length as usize];
        bytes.read_at("the safetensors header", LENGTH_BYTES, &mut header)?;
        let metadata: Metadata = serde_json::from_slice(&header).map_err(|error| {
            IoError::bad_header(path, "safetensors header", format!("{length} bytes"), error.to_string())
        })?;
        let data_start = LENGTH_BYTES + length;
        let expected = data_start.saturating_add(metadata.data_len() as u64);
        if expected > file_len {
            let path = path.to_owned();
            return Err(IoError::Truncated {
                path,
                what: "the data of the arrays".to_owned(),
                expected,
                found: file_len,
            });
        }
        Ok(Self { path: path.to_owned(), bytes, metadata, data_start, limits: limits.clone() })
    }

    /// Shape and element type of an array, without reading it.
    #[must_use]
    pub fn shape(&self, name: &str) -> Option<(&[usize], Option<DType>)> {
        let info = self.metadata.info(name)?;
        Some((&info.shape, dtype_of(info.dtype)))
    }

    /// All texts of the header.
    #[must_use]
    pub fn all_metadata(&self) -> BTreeMap<String, String> {
        self.metadata.metadata().iter().flatten().map(|(key, text)| (key.clone(), text.clone())).collect()
    }

    fn read(&self, name: &str) -> Result<Array, IoError> {
        let Some(info) = self.metadata.info(name) else {
            return Err(IoError::core(&self.path, CoreError::NoArray(name.to_owned())));
        };
        let Some(dtype) = dtype_of(info.dtype) else {
            let what = format!("array '{name}' has element type {:?}, which is not supported", info.dtype);
            return Err(IoError::unsupported(&self.path, what));
        };
        let n = info.shape.iter().product();
        self.limits.check_array(&self.path, &format!("array '{name}'"), n, dtype.size())?;
        let mut values = Voxels::zeros(dtype, n).map_err(|error| IoError::core(&self.path, error))?;
        let mut view = values.view_mut();
        let bytes = view.bytes_mut();
        self.bytes.read_at("an array", self.data_start + info.data_offsets.0 as u64, bytes)?;
        Endian::Little.swap_if_needed(dtype, bytes);
        Array::new(info.shape.clone(), values).map_err(|error| IoError::core(&self.path, error))
    }
}

impl std::fmt::Debug for SafetensorsStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SafetensorsStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ArrayStore for SafetensorsStore {
    fn names(&self) -> Vec<String> {
        let mut names = self.metadata.offset_keys();
        names.sort();
        names
    }

    fn get(&self, name: &str) -> Result<Array, BoxError> {
        Ok(self.read(name)?)
    }

    fn metadata(&self, key: &str) -> Option<String> {
        self.metadata.metadata().as_ref()?.get(key).cloned()
    }
}

fn dtype_of(dtype: Dtype) -> Option<DType> {
    TYPES.iter().find(|(theirs, ..)| *theirs == dtype).map(|&(_, ours, _)| ours)
}

/// Writes the arrays and texts of a store as a safetensors file: widest element types first, then by name, so that
/// equal stores give equal bytes.
///
/// # Errors
/// [`IoError::Unsupported`] for element types that safetensors has no name for; [`IoError::Io`].
pub fn write_safetensors(path: impl AsRef<Path>, store: &MemoryStore) -> Result<(), IoError> {
    let path = path.as_ref();
    let mut arrays: Vec<(&String, &Array)> = store.arrays().iter().collect();
    arrays.sort_by_key(|(_, array)| std::cmp::Reverse(array.values().dtype().swap_size()));
    let mut header = serde_json::Map::new();
    if !store.all_metadata().is_empty() {
        let texts = store.all_metadata().iter().map(|(key, text)| (key.clone(), text.as_str().into())).collect();
        header.insert(METADATA_KEY.to_owned(), serde_json::Value::Object(texts));
    }
    let mut offset = 0;
    for (name, array) in &arrays {
        let dtype = array.values().dtype();
        let Some((_, _, code)) = TYPES[1..].iter().find(|(_, ours, _)| *ours == dtype) else {
            let what = format!("array '{name}': safetensors has no element type {dtype}");
            return Err(IoError::unsupported(path, what));
        };
        if name.as_str() == METADATA_KEY {
            return Err(IoError::unsupported(path, format!("an array can not be named '{METADATA_KEY}'")));
        }
        let end = offset + array.values().view().bytes().len();
        let info = serde_json::json!({ "dtype": code, "shape": array.shape(), "data_offsets": [offset, end] });
        header.insert((*name).clone(), info);
        offset = end;
    }
    let mut header = serde_json::Value::Object(header).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    write_atomically(path, |out| {
        out.write_all(&(header.len() as u64).to_le_bytes())?;
        out.write_all(&header)?;
        arrays.iter().try_for_each(|(_, array)| write_little_endian(out, array.values().view()))
    })
}

/// Writes elements in little-endian order.
pub(crate) fn write_little_endian(out: &mut dyn std::io::Write, values: VoxelsRef<'_>) -> std::io::Result<()> {
    const BLOCK_BYTES: usize = 96 << 10;
    let dtype = values.dtype();
    if Endian::in_memory(dtype) == Endian::Little || dtype.swap_size() == 1 {
        return out.write_all(values.bytes());
    }
    // A multiple of every element size.
    for block in values.bytes().chunks(BLOCK_BYTES) {
        let mut block = block.to_vec();
        Endian::Little.swap_if_needed(dtype, &mut block);
        out.write_all(&block)?;
    }
    Ok(())
}
