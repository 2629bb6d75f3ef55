//! An array in a folder: opened, made, read and written by boxes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Map, Value};
use volkit_core::{DType, VoxelsMut, VoxelsRef};

use super::metadata::{Metadata, ZarrVersion, write_object};
use super::spec::ZarrSpec;
use super::{read, v2, v3, write};
use crate::{IoError, Limits};

/// Locks of chunks that are changed in part.
const N_LOCKS: usize = 64;

/// An array of a Zarr store, version 2 or 3. Everything is row-major here, the last axis the fastest, `z, y, x`;
/// [`crate::open`] and [`crate::create`] give the same arrays as volumes.
///
/// Reading and writing go chunk by chunk on all threads of rayon's pool. Any number of threads may read and write at
/// once, as long as they write no element twice; any number of processes may, as long as the boxes that they write are
/// made of whole chunks ([`ZarrArray::file_chunk`]). A chunk's file is complete at every moment.
#[derive(Debug)]
pub struct ZarrArray {
    folder: PathBuf,
    pub(super) metadata: Metadata,
    keeps_fill: bool,
    pub(super) locks: [Mutex<()>; N_LOCKS],
    pub(super) bytes_read: AtomicU64,
}

impl ZarrArray {
    /// Opens an array for reading, and for writing where its codecs can be written.
    ///
    /// # Errors
    /// When the folder holds no array, or one that can not be read; the message names file, field and value.
    pub fn open(folder: impl AsRef<Path>, limits: &Limits) -> Result<Self, IoError> {
        let folder = folder.as_ref();
        let metadata = Metadata::read(folder, limits)?;
        Ok(Self::new(folder, metadata))
    }

    /// Makes an array without chunks. The folder appears with its metadata in it.
    ///
    /// # Errors
    /// [`IoError::Exists`] when there is something, [`IoError::BadHeader`] for what can not be.
    pub fn create(folder: impl AsRef<Path>, spec: &ZarrSpec) -> Result<Self, IoError> {
        let folder = folder.as_ref();
        if folder.exists() {
            return Err(IoError::Exists { path: folder.to_owned() });
        }
        let metadata = checked(folder, spec)?;
        make_folder(folder, |temporary| write_metadata(temporary, &metadata))?;
        Ok(Self::new(folder, metadata))
    }

    /// Makes an array, or opens the one that is there if it is the same: several processes that write parts of one
    /// array may all begin with this.
    ///
    /// # Errors
    /// As [`ZarrArray::create`]; [`IoError::Exists`] when the array that is there is another.
    pub fn create_or_open(folder: impl AsRef<Path>, spec: &ZarrSpec) -> Result<Self, IoError> {
        let folder = folder.as_ref();
        let metadata = checked(folder, spec)?;
        match Self::create(folder, spec) {
            // Another process may have been quicker.
            Err(error) if folder.exists() => match Metadata::read(folder, &Limits::default()) {
                Ok(found) if found == metadata => Ok(Self::new(folder, found)),
                Ok(_) => Err(IoError::Exists { path: folder.to_owned() }),
                Err(_) => Err(error),
            },
            created => created,
        }
    }

    pub(super) fn new(folder: &Path, metadata: Metadata) -> Self {
        Self {
            folder: folder.to_owned(),
            metadata,
            keeps_fill: false,
            locks: [const { Mutex::new(()) }; N_LOCKS],
            bytes_read: AtomicU64::new(0),
        }
    }

    /// The same, storing chunks that hold nothing but the fill value or not. Default: not.
    #[must_use]
    pub fn with_fill_chunks(self, keeps_fill: bool) -> Self {
        Self { keeps_fill, ..self }
    }

    pub(super) fn keeps_fill(&self) -> bool {
        self.keeps_fill
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Version of the format.
    #[must_use]
    pub fn version(&self) -> ZarrVersion {
        self.metadata.version
    }

    /// Elements along each axis.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.metadata.shape
    }

    /// Element type; `u8` for booleans.
    #[must_use]
    pub fn dtype(&self) -> DType {
        self.metadata.element.dtype
    }

    /// Whether the elements are booleans.
    #[must_use]
    pub fn is_bool(&self) -> bool {
        self.metadata.element.is_bool
    }

    /// Shape of what one file holds: what processes that write at the same time must not share.
    #[must_use]
    pub fn file_chunk(&self) -> &[usize] {
        &self.metadata.chunk
    }

    /// Shape of what is decoded as one: a chunk, or an inner chunk of a shard.
    #[must_use]
    pub fn chunk(&self) -> &[usize] {
        self.metadata.chain.readable_shards().map_or(&self.metadata.chunk, |sharding| &sharding.inner_shape)
    }

    /// Names of the axes, where they have any.
    #[must_use]
    pub fn dimension_names(&self) -> &[Option<String>] {
        &self.metadata.dimension_names
    }

    /// Attributes.
    #[must_use]
    pub fn attributes(&self) -> &Map<String, Value> {
        &self.metadata.attributes
    }

    /// Whether chunks are compressed.
    #[must_use]
    pub fn is_compressed(&self) -> bool {
        self.metadata.chain.compresses()
    }

    /// Number of files that a full array has.
    #[must_use]
    pub fn n_files(&self) -> usize {
        let counts = self.shape().iter().zip(self.file_chunk()).map(|(n, chunk)| n.div_ceil(*chunk));
        counts.product()
    }

    /// Bytes of chunks that have been read from files so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// Reads the box `[start, start + size)` into `out`, row-major.
    ///
    /// # Errors
    /// When the box does not lie inside, `out` has another length or element type, or a chunk can not be read.
    pub fn read_box(&self, start: &[usize], size: &[usize], mut out: VoxelsMut<'_>) -> Result<(), IoError> {
        self.check_box(start, size, (out.dtype(), out.len()))?;
        read::read_box(self, start, size, out.bytes_mut())
    }

    /// Writes the box `[start, start + size)`, row-major. Chunks that it covers whole are written without being read.
    ///
    /// # Errors
    /// When the box does not lie inside, `values` has another length or element type, the array has a codec that is
    /// only read, or writing fails.
    pub fn write_box(&self, start: &[usize], size: &[usize], values: VoxelsRef<'_>) -> Result<(), IoError> {
        self.check_box(start, size, (values.dtype(), values.len()))?;
        self.check_writable()?;
        write::write_box(self, start, size, values.bytes())
    }

    /// # Errors
    /// [`IoError::Unsupported`] with the name of the first codec that is read but not written.
    pub(crate) fn check_writable(&self) -> Result<(), IoError> {
        match self.metadata.chain.read_only_codec() {
            Some(codec) => {
                let what = format!("the codec {codec} is read, not written");
                Err(IoError::unsupported(&self.folder, what))
            }
            None => Ok(()),
        }
    }

    fn check_box(&self, start: &[usize], size: &[usize], (dtype, len): (DType, usize)) -> Result<(), IoError> {
        let shape = self.shape();
        let core = |error| IoError::core(&self.folder, error);
        let region = volkit_core::Region::new(start, size).map_err(core)?;
        region.check_inside(shape).map_err(core)?;
        if dtype != self.dtype() {
            return Err(core(volkit_core::CoreError::DType { from: self.dtype(), to: dtype }));
        }
        if len != region.len() {
            return Err(core(volkit_core::CoreError::Length { shape: size.to_vec(), wanted: region.len(), got: len }));
        }
        Ok(())
    }

    /// Replaces the attributes.
    ///
    /// # Errors
    /// When the metadata can not be written; the old ones stand then.
    pub fn set_attributes(&mut self, attributes: Map<String, Value>) -> Result<(), IoError> {
        let metadata = Metadata { attributes, ..self.metadata.clone() };
        if metadata.version == ZarrVersion::V3 {
            // Members that this library does not know are kept.
            let path = self.folder.join("zarr.json");
            let mut object = super::metadata::read_object(&path, &Limits::default())?;
            object.insert("attributes".to_owned(), Value::Object(metadata.attributes.clone()));
            write_object(&path, &object)?;
        } else {
            write_object(&self.folder.join(".zattrs"), &metadata.attributes)?;
        }
        self.metadata = metadata;
        Ok(())
    }
}

fn checked(folder: &Path, spec: &ZarrSpec) -> Result<Metadata, IoError> {
    let file = folder.join(spec.version.array_file());
    let refused = |(field, why): (&str, String)| IoError::bad_header(&file, field, "the specification", why);
    let metadata = spec.metadata().map_err(refused)?;
    metadata.check(&file, &Limits::default())?;
    Ok(metadata)
}

/// Writes the metadata of an array into a folder.
pub(super) fn write_metadata(folder: &Path, metadata: &Metadata) -> Result<(), IoError> {
    match metadata.version {
        ZarrVersion::V3 => write_object(&folder.join("zarr.json"), &v3::to_json(metadata)),
        ZarrVersion::V2 => {
            if !metadata.attributes.is_empty() {
                write_object(&folder.join(".zattrs"), &metadata.attributes)?;
            }
            write_object(&folder.join(".zarray"), &v2::to_json(metadata))
        }
    }
}

/// Makes a folder that appears under its name when `fill` has succeeded.
pub(super) fn make_folder(folder: &Path, fill: impl FnOnce(&Path) -> Result<(), IoError>) -> Result<(), IoError> {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(format!(".tmp-{}-{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    let temporary = folder.with_file_name(name);
    fs::create_dir_all(&temporary).map_err(|error| IoError::io(folder, "create", error))?;
    let made = fill(&temporary)
        .and_then(|()| fs::rename(&temporary, folder).map_err(|error| IoError::io(folder, "rename", error)));
    if made.is_err() {
        let _ = fs::remove_dir_all(&temporary);
    }
    made
}
