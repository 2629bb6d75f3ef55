//! What an array says of itself, the same for both versions.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::chain::{Block, Chain};
use super::element::ElementType;
use super::keys::KeyEncoding;
use super::{v2, v3};
use crate::{IoError, Limits};

/// Bytes of one decoded chunk beyond which an array is refused.
const MOST_CHUNK_BYTES: u64 = 2 << 30;

/// Version of the Zarr format.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZarrVersion {
    /// `.zarray`, `.zgroup`, `.zattrs`.
    V2,
    /// `zarr.json`.
    #[default]
    V3,
}

impl ZarrVersion {
    /// The file of an array's metadata.
    pub(crate) fn array_file(self) -> &'static str {
        if self == Self::V2 { ".zarray" } else { "zarr.json" }
    }

    /// Name for messages.
    pub(crate) fn name(self) -> &'static str {
        if self == Self::V2 { "Zarr v2" } else { "Zarr v3" }
    }
}

/// An array's metadata, checked.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Metadata {
    pub(crate) version: ZarrVersion,
    /// Row-major, as everything here.
    pub(crate) shape: Vec<usize>,
    pub(crate) chunk: Vec<usize>,
    pub(crate) element: ElementType,
    /// Bytes in memory of the fill value.
    pub(crate) fill: Vec<u8>,
    pub(crate) keys: KeyEncoding,
    pub(crate) chain: Chain,
    pub(crate) attributes: Map<String, Value>,
    pub(crate) dimension_names: Vec<Option<String>>,
}

impl Metadata {
    /// Reads the metadata of the array in a folder.
    pub(crate) fn read(folder: &Path, limits: &Limits) -> Result<Self, IoError> {
        let metadata = match version_of(folder) {
            Some((ZarrVersion::V3, _)) => v3::read(&folder.join("zarr.json"), limits)?,
            Some((ZarrVersion::V2, true)) => v2::read(folder, limits)?,
            Some((ZarrVersion::V2, false)) => {
                return Err(IoError::not_this_format(folder, "a Zarr v2 group, not an array"));
            }
            None => return Err(not_a_store(folder)),
        };
        metadata.check(&folder.join(metadata.version.array_file()), limits)?;
        Ok(metadata)
    }

    /// A chunk.
    pub(crate) fn block(&self) -> Block<'_> {
        Block { shape: &self.chunk, dtype: self.element.dtype, fill: &self.fill }
    }

    pub(crate) fn check(&self, path: &Path, limits: &Limits) -> Result<(), IoError> {
        let (n, chunk) = (self.shape.len(), &self.chunk);
        if chunk.len() != n {
            let why = format!("has {} axes, the shape {:?} has {n}", chunk.len(), self.shape);
            return Err(IoError::bad_header(path, "chunk shape", format!("{chunk:?}"), why));
        }
        if chunk.contains(&0) {
            return Err(IoError::bad_header(path, "chunk shape", format!("{chunk:?}"), "must be 1 or more everywhere"));
        }
        let size = chunk.iter().fold(self.element.size() as u128, |size, &n| size.saturating_mul(n as u128));
        let limit = MOST_CHUNK_BYTES.min(limits.volume_bytes);
        if size > u128::from(limit) {
            return Err(IoError::TooLarge { path: path.to_owned(), what: "one chunk".to_owned(), needed: size, limit });
        }
        let voxels = self.shape.iter().try_fold(1_usize, |product, &n| product.checked_mul(n.max(1)));
        if voxels.is_none_or(|n| n >= 1 << 60) {
            let why = "must be below 2^60 elements";
            return Err(IoError::bad_header(path, "shape", format!("{:?}", self.shape), why));
        }
        Ok(())
    }
}

/// Version of the store in a folder, and whether it is an array (of v3: perhaps).
pub(crate) fn version_of(folder: &Path) -> Option<(ZarrVersion, bool)> {
    let has = |name: &str| folder.join(name).is_file();
    if has("zarr.json") {
        Some((ZarrVersion::V3, true))
    } else if has(".zarray") {
        Some((ZarrVersion::V2, true))
    } else if has(".zgroup") {
        Some((ZarrVersion::V2, false))
    } else {
        None
    }
}

pub(crate) fn not_a_store(folder: &Path) -> IoError {
    if !folder.exists() {
        return IoError::MissingFile { path: folder.to_owned(), why: None };
    }
    IoError::not_this_format(folder, "a folder with none of zarr.json, .zarray, .zgroup")
}

/// Reads a JSON object.
pub(crate) fn read_object(path: &Path, limits: &Limits) -> Result<Map<String, Value>, IoError> {
    let length = std::fs::metadata(path).map_err(|error| IoError::io(path, "read", error))?.len();
    limits.check_header(path, "the metadata", length)?;
    let bytes = std::fs::read(path).map_err(|error| IoError::io(path, "read", error))?;
    if bytes.is_empty() {
        return Err(IoError::bad_header(path, "JSON", "\"\"", "the file is empty"));
    }
    match serde_json::from_slice(&bytes) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(IoError::bad_header(path, "JSON", "no object", "must be an object")),
        Err(error) => Err(IoError::bad_header(path, "JSON", "not readable", error.to_string())),
    }
}

/// Writes a JSON object, complete or not at all.
pub(crate) fn write_object(path: &Path, object: &Map<String, Value>) -> Result<(), IoError> {
    crate::write_atomically(path, |out| Ok(serde_json::to_writer_pretty(out, object)?))
}

/// Fields of a JSON object, with errors that name file, field and value.
#[derive(Clone, Copy)]
pub(crate) struct Fields<'a> {
    pub(crate) path: &'a Path,
    pub(crate) object: &'a Map<String, Value>,
    /// What comes before a field's name in messages: `codecs[1].configuration.`.
    pub(crate) prefix: &'a str,
}

impl<'a> Fields<'a> {
    pub(crate) fn bad(&self, field: &str, why: impl Into<String>) -> IoError {
        let value = self.object.get(field).map_or_else(|| "nothing".to_owned(), |value| shorten(&value.to_string()));
        IoError::bad_header(self.path, format!("{}{field}", self.prefix), value, why)
    }

    pub(crate) fn get(&self, field: &str) -> Result<&'a Value, IoError> {
        self.object.get(field).ok_or_else(|| self.bad(field, "must be there"))
    }

    pub(crate) fn text(&self, field: &str) -> Result<&'a str, IoError> {
        self.get(field)?.as_str().ok_or_else(|| self.bad(field, "must be a string"))
    }

    pub(crate) fn text_or(&self, field: &str, default: &'a str) -> Result<&'a str, IoError> {
        if self.object.contains_key(field) { self.text(field) } else { Ok(default) }
    }

    pub(crate) fn array(&self, field: &str) -> Result<&'a [Value], IoError> {
        self.get(field)?.as_array().map(Vec::as_slice).ok_or_else(|| self.bad(field, "must be a list"))
    }

    pub(crate) fn child(&self, field: &str) -> Result<&'a Map<String, Value>, IoError> {
        self.get(field)?.as_object().ok_or_else(|| self.bad(field, "must be an object"))
    }

    /// A list of whole numbers that are `least` or more.
    pub(crate) fn sizes(&self, field: &str, least: u64) -> Result<Vec<usize>, IoError> {
        let size = |value: &Value| value.as_u64().filter(|n| *n >= least).and_then(|n| usize::try_from(n).ok());
        let sizes: Option<Vec<usize>> = self.array(field)?.iter().map(size).collect();
        sizes.ok_or_else(|| self.bad(field, format!("must be whole numbers of {least} or more")))
    }

    pub(crate) fn integer_or(
        &self,
        field: &str,
        default: i64,
        range: std::ops::RangeInclusive<i64>,
    ) -> Result<i64, IoError> {
        let Some(value) = self.object.get(field).filter(|value| !value.is_null()) else {
            return Ok(default);
        };
        let number = value.as_i64().filter(|number| range.contains(number));
        number
            .ok_or_else(|| self.bad(field, format!("must be a whole number from {} to {}", range.start(), range.end())))
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

/// A path inside a store, checked to stay there.
pub(crate) fn inner_path(folder: &Path, path: &str) -> Option<PathBuf> {
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let wild = |part: &&str| matches!(*part, "." | "..") || part.contains(['\\', '\0']);
    if path.starts_with('/') || parts.iter().any(wild) {
        return None;
    }
    Some(parts.iter().fold(folder.to_owned(), |folder, part| folder.join(part)))
}
