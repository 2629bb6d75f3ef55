//! Volumes in `.npz` and `.npy` files: arrays whose index `[x, y, z]` is voxel `(x, y, z)`, without an affine.

use std::path::Path;

use volkit_core::{
    Affine, ArrayStore as _, BoxError, MemorySink, MemorySlot, Region, Volume, VolumeMeta, VolumeSink, Voxels,
    VoxelsRef,
};

use crate::decode::Decoder;
use crate::sink::{self, RawFile};
use crate::{Endian, FileSource, Format, Header, ImageInfo, IoError, ReadOptions, Scaling, Units, WriteOptions};

use super::array::{self, NpyHeader, reversed_axes};
use super::store::{self, NpzStore};
use super::zip_read;

/// Name under which volumes are kept in archives.
const VOLUME_NAME: &str = "vol_data";

/// Arrays as NumPy writes them, as volumes with the identity affine. An archive must hold an array named `vol_data`,
/// or a single one.
#[derive(Clone, Copy, Debug, Default)]
pub struct NpzFormat;

impl Format for NpzFormat {
    fn name(&self) -> &'static str {
        "npz"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".npz", ".npy"]
    }

    fn recognises(&self, _path: &Path, prefix: &[u8]) -> bool {
        prefix.starts_with(zip_read::MAGIC) || prefix.starts_with(array::MAGIC)
    }

    /// Reads the whole array.
    fn open(&self, path: &Path, options: &ReadOptions) -> Result<FileSource, IoError> {
        let store = NpzStore::open_with(path, &options.limits)?;
        let names = store.names();
        let name = match names.as_slice() {
            [] => return Err(IoError::not_this_format(path, "a zip archive without arrays")),
            [only] => only.as_str(),
            _ if names.iter().any(|name| name == VOLUME_NAME) => VOLUME_NAME,
            _ => {
                let what = format!("holds the arrays {}: none is named {VOLUME_NAME}", names.join(", "));
                return Err(IoError::unsupported(path, what));
            }
        };
        let (header, values) = store.read(name)?;
        let core = |error| IoError::core(path, error);
        let values = if header.first_axis_fastest {
            values
        } else {
            let fastest_first: Vec<usize> = header.shape.iter().rev().copied().collect();
            reversed_axes(&values, &fastest_first)
        };
        let decoder = Decoder::new(path, header.dtype, Scaling::IDENTITY, options)?;
        let values = if decoder.is_identity() {
            values
        } else {
            options.limits.check_array(path, "the volume", values.len(), decoder.value_dtype().size())?;
            let mut decoded = Voxels::zeros(decoder.value_dtype(), values.len()).map_err(core)?;
            decoder.decode(values.view(), decoded.view_mut()).map_err(core)?;
            decoded
        };
        let volume = Volume::new(header.shape, values, Affine::IDENTITY).map_err(core)?;
        let info = ImageInfo {
            format: if names == [name] && name != VOLUME_NAME { "npy" } else { "npz" },
            compressed: false,
            meta: volume.meta().clone(),
            stored: header.dtype,
            scaling: Scaling::IDENTITY,
            units: Units::default(),
            endian: header.endian,
            header: Header::None,
            warnings: Vec::new(),
        };
        Ok(FileSource::new(info, Box::new(volume)))
    }

    /// A sink for `.npz` gathers the volume in memory; one for `.npy` does not.
    fn create(
        &self,
        path: &Path,
        meta: &VolumeMeta,
        _header: &Header,
        options: &WriteOptions,
    ) -> Result<Box<dyn VolumeSink>, IoError> {
        let meta = meta.clone().with_dtype(options.dtype.unwrap_or(meta.dtype()));
        let dtype = meta.dtype();
        let header = NpyHeader {
            dtype,
            endian: Endian::Little,
            first_axis_fastest: true,
            shape: meta.shape().to_vec(),
            data_start: 0,
        };
        let before =
            header.encode().ok_or_else(|| IoError::unsupported(path, format!("NumPy has no element type {dtype}")))?;
        if path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("npy")) {
            return sink::create(path, &meta, RawFile::new(path, before, Endian::Little), options);
        }
        if !options.overwrite && path.exists() {
            return Err(IoError::Exists { path: path.to_owned() });
        }
        if options.partial.is_some() {
            return Err(IoError::unsupported(path, "an archive can not be resumed; choose .npy"));
        }
        let (memory, slot) = MemorySink::new(meta).map_err(|error| IoError::core(path, error))?;
        Ok(Box::new(NpzSink { path: path.to_owned(), memory, slot }))
    }
}

struct NpzSink {
    path: std::path::PathBuf,
    memory: MemorySink,
    slot: MemorySlot,
}

impl VolumeSink for NpzSink {
    fn meta(&self) -> &VolumeMeta {
        self.memory.meta()
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        self.memory.write_region(region, values)
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        let Self { path, memory, slot } = *self;
        Box::new(memory).finish()?;
        let volume = slot.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let volume = volume.ok_or("the memory sink gave no volume")?;
        let entry = (VOLUME_NAME, volume.shape(), volume.voxels(), true);
        Ok(store::write_entries(&path, std::iter::once(entry))?)
    }
}
