//! Zarr stores among the formats.

use std::path::Path;

use volkit_core::{VolumeMeta, VolumeSink};

use super::array::ZarrArray;
use super::group::{is_array, list_zarr};
use super::metadata::inner_path;
use super::metadata::version_of;
use super::ome::OmeImage;
use super::sink::ZarrSink;
use super::source::ZarrSource;
use super::spec::ZarrSpec;
use crate::{Endian, FileSource, Format, Header, ImageInfo, IoError, ReadOptions, Scaling, Units, WriteOptions};

/// Zarr: folders that hold an array of version 2 or 3.
#[derive(Clone, Copy, Debug)]
pub struct ZarrFormat;

impl Format for ZarrFormat {
    fn name(&self) -> &'static str {
        "Zarr"
    }

    fn suffixes(&self) -> &'static [&'static str] {
        &[".zarr"]
    }

    fn recognises(&self, path: &Path, _prefix: &[u8]) -> bool {
        path.is_dir() && version_of(path).is_some()
    }

    fn open(&self, path: &Path, options: &ReadOptions) -> Result<FileSource, IoError> {
        let (source, image, warnings) = open_volume(path, options)?;
        let array = source.array();
        let info = ImageInfo {
            format: match &image {
                Some(image) if image.version.starts_with("0.5") => "OME-Zarr 0.5",
                Some(_) => "OME-Zarr 0.4",
                None => array.version().name(),
            },
            compressed: array.is_compressed(),
            meta: volkit_core::VolumeSource::meta(&source).clone(),
            stored: array.dtype(),
            scaling: Scaling::IDENTITY,
            units: image.map_or_else(Units::default, |image| image.units()),
            endian: Endian::Little,
            header: Header::None,
            warnings,
        };
        Ok(FileSource::new(info, Box::new(source)))
    }

    /// Version 3, [`WriteOptions::chunk`] or chunks of about a mebibyte, Zstandard level 3; [`ZarrSink`] writes others.
    fn create(
        &self,
        path: &Path,
        meta: &VolumeMeta,
        _header: &Header,
        options: &WriteOptions,
    ) -> Result<Box<dyn VolumeSink>, IoError> {
        let meta = meta.clone().with_dtype(options.dtype.unwrap_or(meta.dtype()));
        let mut spec = ZarrSpec::for_volume(&meta);
        if let Some(chunk) = &options.chunk {
            spec = spec.with_chunk(chunk.iter().rev().copied().collect::<Vec<_>>());
        }
        Ok(Box::new(ZarrSink::create(path, &spec, options)?))
    }
}

/// The volume that a path means: an array; of a group the one that [`ReadOptions::data_set`] names, else the finest
/// level of its first image, else its only array.
fn open_volume(path: &Path, options: &ReadOptions) -> Result<(ZarrSource, Option<OmeImage>, Vec<String>), IoError> {
    let of_array = |array: ZarrArray, warnings| Ok((ZarrSource::new(array, options)?, None, warnings));
    if is_array(path) {
        return of_array(ZarrArray::open(path, &options.limits)?, Vec::new());
    }
    let image = OmeImage::read(path, &options.limits)?.into_iter().next();
    if let Some(name) = &options.data_set {
        let number = image.as_ref().and_then(|image| image.levels.iter().position(|level| level.path == *name));
        if let (Some(image), Some(number)) = (&image, number) {
            return Ok((image.open_level(number, options)?, Some(image.clone()), Vec::new()));
        }
        let inner = inner_path(path, name);
        let inner = inner.ok_or_else(|| IoError::unsupported(path, format!("'{name}' lies outside the store")))?;
        return of_array(ZarrArray::open(inner, &options.limits)?, Vec::new());
    }
    if let Some(image) = image {
        return Ok((image.open_level(0, options)?, Some(image), Vec::new()));
    }
    let (entries, warnings) = list_zarr(path, &options.limits)?;
    let arrays: Vec<&str> = entries.iter().filter(|entry| entry.is_array).map(|entry| entry.path.as_str()).collect();
    match arrays[..] {
        [only] => of_array(ZarrArray::open(path.join(only), &options.limits)?, warnings),
        [] => Err(IoError::not_this_format(path, "a Zarr group without arrays")),
        _ => {
            let shown: Vec<&str> = arrays.iter().take(20).copied().collect();
            let what = format!("a group of {} arrays: name one of {}", arrays.len(), shown.join(", "));
            Err(IoError::unsupported(path, what))
        }
    }
}
