//! Archives of arrays as stores.

use std::path::{Path, PathBuf};

use volkit_core::{Array, ArrayStore, BoxError, CoreError, MemoryStore, Voxels};

use crate::bytes::ByteSource;
use crate::{Endian, IoError, Limits, ReadOptions, write_atomically};

use super::array::{self, NpyHeader, reversed_axes};
use super::zip_read::{self, Entry};
use super::zip_write::ZipWriter;

/// Name of the array of an `.npy` file, as NumPy names arrays that have none.
const ONLY_ARRAY: &str = "arr_0";
const SUFFIX: &str = ".npy";
/// Bytes in which the header of an array must end.
const MAX_NPY_HEADER_BYTES: u64 = 1 << 20;
const GZIP_LEVEL: u32 = 6;

/// An `.npz` archive, or a single `.npy` file, whose array is named `arr_0`.
pub struct NpzStore {
    path: PathBuf,
    bytes: ByteSource,
    /// Sorted by name; no entry for a single `.npy`.
    entries: Vec<Entry>,
    is_archive: bool,
    limits: Limits,
}

impl NpzStore {
    /// Opens a file with default limits.
    ///
    /// # Errors
    /// When the file is neither an archive nor an array.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, IoError> {
        Self::open_with(path, &Limits::default())
    }

    /// Opens a file.
    ///
    /// # Errors
    /// When the file is neither an archive nor an array, or its directory exceeds the limits.
    pub fn open_with(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, IoError> {
        let path = path.as_ref();
        let bytes = ByteSource::open(path, &ReadOptions::default())?;
        let mut magic = [0; 6];
        let len = bytes.read_up_to(0, &mut magic)?;
        let is_archive = magic.starts_with(zip_read::MAGIC);
        if bytes.is_gzip() || (!is_archive && &magic[..len] != array::MAGIC) {
            return Err(IoError::not_this_format(path, "neither a .npz archive nor a .npy array"));
        }
        let mut entries = if is_archive { zip_read::entries(&bytes, limits)? } else { Vec::new() };
        entries.retain(|entry| entry.name.ends_with(SUFFIX));
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(Self { path: path.to_owned(), bytes, entries, is_archive, limits: limits.clone() })
    }

    /// Header and elements in the order of the file.
    pub(super) fn read(&self, name: &str) -> Result<(NpyHeader, Voxels), IoError> {
        let missing = || IoError::core(&self.path, CoreError::NoArray(name.to_owned()));
        if !self.is_archive {
            if name != ONLY_ARRAY {
                return Err(missing());
            }
            let mut head = vec![0; MAX_NPY_HEADER_BYTES.min(self.bytes.max_len()) as usize];
            self.bytes.read_at("the array", 0, &mut head)?;
            let header = NpyHeader::parse(&self.path, name, &head)?;
            let n = header.check(&self.path, name, self.bytes.max_len(), &self.limits)?;
            let mut values = self.zeros(&header, n)?;
            let mut view = values.view_mut();
            let bytes = view.bytes_mut();
            self.bytes.read_at("the array", header.data_start as u64, bytes)?;
            header.endian.swap_if_needed(header.dtype, bytes);
            return Ok((header, values));
        }
        let entry = self.entries.iter().find(|entry| entry.name.strip_suffix(SUFFIX) == Some(name));
        let entry = entry.ok_or_else(missing)?;
        let head = zip_read::read(&self.bytes, entry, MAX_NPY_HEADER_BYTES)?;
        let header = NpyHeader::parse(&self.path, name, &head)?;
        let n = header.check(&self.path, name, entry.len, &self.limits)?;
        self.limits.check_array(&self.path, &format!("entry '{}'", entry.name), entry.len as usize, 1)?;
        let content = zip_read::read(&self.bytes, entry, u64::MAX)?;
        let mut values = self.zeros(&header, n)?;
        let mut view = values.view_mut();
        let bytes = view.bytes_mut();
        let end = header.data_start + bytes.len();
        bytes.copy_from_slice(content.get(header.data_start..end).unwrap_or_default());
        header.endian.swap_if_needed(header.dtype, bytes);
        Ok((header, values))
    }

    fn zeros(&self, header: &NpyHeader, n: usize) -> Result<Voxels, IoError> {
        Voxels::zeros(header.dtype, n).map_err(|error| IoError::core(&self.path, error))
    }
}

impl std::fmt::Debug for NpzStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NpzStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl ArrayStore for NpzStore {
    fn names(&self) -> Vec<String> {
        if !self.is_archive {
            return vec![ONLY_ARRAY.to_owned()];
        }
        let mut names: Vec<String> =
            self.entries.iter().filter_map(|entry| entry.name.strip_suffix(SUFFIX)).map(str::to_owned).collect();
        names.sort();
        names
    }

    fn get(&self, name: &str) -> Result<Array, BoxError> {
        let (header, values) = self.read(name)?;
        // Arrays of a store have their last axis fastest.
        let values = if header.first_axis_fastest { reversed_axes(&values, &header.shape) } else { values };
        Ok(Array::new(header.shape, values)?)
    }
}

/// Writes the arrays of a store as a compressed `.npz` archive; texts have no place in it and are left out. Equal
/// stores give equal bytes.
///
/// # Errors
/// [`IoError::Unsupported`] for element types that NumPy has no name for; [`IoError::Io`].
pub fn write_npz(path: impl AsRef<Path>, store: &MemoryStore) -> Result<(), IoError> {
    let arrays = store.arrays().iter();
    write_entries(path.as_ref(), arrays.map(|(name, array)| (name.as_str(), array.shape(), array.values(), false)))
}

/// Writes arrays (name, shape, elements, whether the first axis is fastest) as an archive.
pub(super) fn write_entries<'a>(
    path: &Path,
    arrays: impl Iterator<Item = (&'a str, &'a [usize], &'a Voxels, bool)>,
) -> Result<(), IoError> {
    let mut encoded = Vec::new();
    for (name, shape, values, first_axis_fastest) in arrays {
        let header = encode_header(path, name, shape, values, first_axis_fastest)?;
        encoded.push((format!("{name}{SUFFIX}"), header, values));
    }
    write_atomically(path, |out| {
        let mut zip = ZipWriter::new(out);
        for (name, header, values) in &encoded {
            let mut bytes = Vec::new();
            let in_memory = values.view().bytes();
            let content = if Endian::in_memory(values.dtype()) == Endian::Little {
                in_memory
            } else {
                crate::safetensors_store::write_little_endian(&mut bytes, values.view())?;
                &bytes
            };
            zip.add(name, &[header, content], GZIP_LEVEL)?;
        }
        zip.finish()
    })
}

fn encode_header(
    path: &Path,
    name: &str,
    shape: &[usize],
    values: &Voxels,
    first_axis_fastest: bool,
) -> Result<Vec<u8>, IoError> {
    let dtype = values.dtype();
    let header = NpyHeader { dtype, endian: Endian::Little, first_axis_fastest, shape: shape.to_vec(), data_start: 0 };
    header
        .encode()
        .ok_or_else(|| IoError::unsupported(path, format!("array '{name}': NumPy has no element type {dtype}")))
}
