//! An array that a volume is written to by boxes.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use volkit_core::{BoxError, Region, VolumeMeta, VolumeSink, Voxels, VoxelsRef};

use super::array::ZarrArray;

use super::source::{row_major_box, volume_meta};
use super::spec::ZarrSpec;
use crate::{IoError, Limits, Partial, WriteOptions};

/// A volume that is written to a Zarr array by boxes.
///
/// A new array is written under a temporary name in the same folder, or as `NAME.partial` where
/// [`WriteOptions::partial`] asks for it, and takes its name when it is finished. An array that exists already
/// ([`ZarrSink::open`]) is written where it stands: boxes that are made of whole files ([`ZarrArray::file_chunk`]) may
/// come from several processes.
#[derive(Debug)]
pub struct ZarrSink {
    array: ZarrArray,
    meta: VolumeMeta,
    place: Option<Place>,
}

/// A store that does not have its name yet.
#[derive(Debug)]
struct Place {
    temporary: PathBuf,
    target: PathBuf,
    kept: bool,
    overwrite: bool,
}

impl ZarrSink {
    /// Begins a new array; `spec` is [`ZarrSpec::for_volume`] of `meta`, with chunks and codecs as wanted.
    ///
    /// # Errors
    /// [`IoError::Exists`] when there is something and [`WriteOptions::overwrite`] is off; when the array can not be
    /// made, or a partial one that is to be resumed is not there or is another.
    pub fn create(path: impl AsRef<Path>, spec: &ZarrSpec, options: &WriteOptions) -> Result<Self, IoError> {
        let target = path.as_ref();
        if !options.overwrite && target.exists() {
            return Err(IoError::Exists { path: target.to_owned() });
        }
        let temporary = match options.partial {
            Some(_) => with_suffix(target, ".partial"),
            None => temporary_name(target),
        };
        let array = match options.partial {
            Some(Partial::Resume) => {
                let array = ZarrArray::open(&temporary, &Limits::default())?;
                let file = temporary.join(array.version().array_file());
                let wanted = spec.metadata().map_err(|(field, why)| IoError::bad_header(&file, field, "", why))?;
                if array.metadata != wanted {
                    return Err(IoError::unsupported(&temporary, "is of another volume or other options"));
                }
                array
            }
            Some(Partial::New) => {
                remove(&temporary)?;
                ZarrArray::create(&temporary, spec)?
            }
            None => ZarrArray::create(&temporary, spec)?,
        };
        let place = Place {
            temporary,
            target: target.to_owned(),
            kept: options.partial.is_some(),
            overwrite: options.overwrite,
        };
        Self::new(array, Some(place))
    }

    /// Opens an array that exists for writing where it stands. May be called any number of times, from any process.
    ///
    /// # Errors
    /// As [`ZarrArray::open`]; [`IoError::Unsupported`] for an array with a codec that is only read.
    pub fn open(path: impl AsRef<Path>, limits: &Limits) -> Result<Self, IoError> {
        Self::new(ZarrArray::open(path, limits)?, None)
    }

    /// Makes the array, or opens the same one that is there, and writes where it stands: what several processes that
    /// share the work all begin with.
    ///
    /// # Errors
    /// As [`ZarrArray::create_or_open`].
    pub fn create_or_open(path: impl AsRef<Path>, spec: &ZarrSpec) -> Result<Self, IoError> {
        Self::new(ZarrArray::create_or_open(path, spec)?, None)
    }

    fn new(array: ZarrArray, place: Option<Place>) -> Result<Self, IoError> {
        array.check_writable()?;
        let meta = volume_meta(&array)?;
        Ok(Self { array, meta, place })
    }

    /// The array that is written.
    #[must_use]
    pub fn array(&self) -> &ZarrArray {
        &self.array
    }
}

impl VolumeSink for ZarrSink {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        region.check_inside(self.meta.shape())?;
        let (start, size) = row_major_box(&self.array, region);
        if values.dtype() == self.array.dtype() {
            return Ok(self.array.write_box(&start, &size, values)?);
        }
        let mut stored = Voxels::zeros(self.array.dtype(), values.len())?;
        values.convert_into(stored.view_mut())?;
        Ok(self.array.write_box(&start, &size, stored.view())?)
    }

    fn finish(mut self: Box<Self>) -> Result<(), BoxError> {
        if let Some(place) = &self.place {
            replace(&place.temporary, &place.target, place.overwrite)?;
        }
        self.place = None;
        Ok(())
    }
}

impl Drop for ZarrSink {
    fn drop(&mut self) {
        if let Some(place) = self.place.take().filter(|place| !place.kept) {
            // Nothing can be done about a failure here; the name says what the folder is.
            let _ = fs::remove_dir_all(&place.temporary);
        }
    }
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(suffix);
    path.with_file_name(name)
}

fn temporary_name(target: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    with_suffix(target, &format!(".tmp-{}-s{}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)))
}

/// Gives a finished store its name. What stood there stays until the new one can take its place, and goes then.
pub(crate) fn replace(temporary: &Path, target: &Path, overwrite: bool) -> Result<(), IoError> {
    let renamed = |from: &Path, to: &Path| fs::rename(from, to).map_err(|error| IoError::io(target, "rename", error));
    if !target.exists() {
        return renamed(temporary, target);
    }
    if !overwrite {
        return Err(IoError::Exists { path: target.to_owned() });
    }
    let old = with_suffix(&temporary_name(target), ".old");
    renamed(target, &old)?;
    if let Err(error) = renamed(temporary, target) {
        renamed(&old, target)?;
        return Err(error);
    }
    remove(&old)
}

/// Removes a file or a folder with all it holds, if it is there.
pub(crate) fn remove(path: &Path) -> Result<(), IoError> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(IoError::io(path, "remove", error)),
        _ => Ok(()),
    }
}
