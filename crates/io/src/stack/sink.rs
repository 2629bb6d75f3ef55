//! A stack that is written by boxes.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use volkit_core::{BoxError, CoreError, Region, VolumeMeta, VolumeSink, Voxels, VoxelsRef};

use super::row_sink::RowFile;
use super::tiff_header;
use crate::cast::convert;
use crate::sink::{self, RawFile};
use crate::{Endian, IoError, WriteOptions};

/// Begins pictures, one a channel of the volume `[W, H]` or `[W, H, C]`: TIFF by the names `.tif` and `.tiff` (8 to 64 bits,
/// without compression), PNG by `.png` (u8, u16), BMP by `.bmp` (u8).
///
/// TIFF files take boxes in any order and can be resumed. PNG and BMP files take whole rows from top to bottom.
///
/// # Errors
/// [`IoError::Unsupported`] for an element type or size that the format can not hold, and for [`WriteOptions::partial`]
/// where files can not be resumed; [`IoError::Exists`]; [`IoError::Io`].
pub fn create_stack(
    paths: &[PathBuf],
    meta: &VolumeMeta,
    options: &WriteOptions,
) -> Result<Box<dyn VolumeSink>, IoError> {
    let Some(first) = paths.first() else {
        return Err(IoError::unsupported(Path::new(""), "a stack of no pictures"));
    };
    let meta = meta.clone().with_dtype(options.dtype.unwrap_or(meta.dtype()));
    let (&[width, height] | &[width, height, _]) = meta.shape() else {
        return Err(IoError::core(first, CoreError::Shape(meta.shape().to_vec())));
    };
    let channels = meta.shape().get(2).copied().unwrap_or(1);
    if channels != paths.len() {
        let what = format!("{} pictures for {channels} channels", paths.len());
        return Err(IoError::unsupported(first, what));
    }
    let mut pictures = Vec::with_capacity(channels);
    for path in paths {
        pictures.push(Mutex::new(PictureSink::create(path, [width, height], &meta, options)?));
    }
    Ok(Box::new(StackSink { meta, pictures, options: options.clone() }))
}

enum PictureSink {
    Tiff(Box<dyn VolumeSink>),
    Rows(RowFile),
}

impl PictureSink {
    fn create(path: &Path, size: [usize; 2], meta: &VolumeMeta, options: &WriteOptions) -> Result<Self, IoError> {
        let suffix = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if suffix != "tif" && suffix != "tiff" {
            if options.partial.is_some() {
                return Err(IoError::unsupported(path, "PNG and BMP files can not be resumed; choose .tif"));
            }
            return Ok(Self::Rows(RowFile::create(path, size, meta.dtype(), options)?));
        }
        let Some(header) = tiff_header::header(size, meta.dtype()) else {
            let what = format!("TIFF files of {} x {} {} are not written", size[0], size[1], meta.dtype());
            return Err(IoError::unsupported(path, what));
        };
        let plane = VolumeMeta::new(size, meta.dtype(), *meta.affine()).map_err(|error| IoError::core(path, error))?;
        Ok(Self::Tiff(sink::create(path, &plane, RawFile::new(path, header, Endian::Little), options)?))
    }
}

struct StackSink {
    meta: VolumeMeta,
    pictures: Vec<Mutex<PictureSink>>,
    options: WriteOptions,
}

impl VolumeSink for StackSink {
    fn meta(&self) -> &VolumeMeta {
        &self.meta
    }

    fn write_region(&self, region: &Region, values: VoxelsRef<'_>) -> Result<(), BoxError> {
        region.check_inside(self.meta.shape())?;
        if values.len() != region.len() {
            let shape = region.size().to_vec();
            return Err(CoreError::Length { shape, wanted: region.len(), got: values.len() }.into());
        }
        let (start, size) = (&region.start()[..2], &region.size()[..2]);
        let first = region.start().get(2).copied().unwrap_or(0);
        let mut stored = Voxels::zeros(self.meta.dtype(), values.len())?;
        convert(values, stored.view_mut())?;
        let len = size[0] * size[1];
        let plane = Region::new(start, size)?;
        let n = region.size().get(2).copied().unwrap_or(1);
        for i in 0..n {
            let mut picture = self.pictures[first + i].lock().unwrap_or_else(PoisonError::into_inner);
            let mut view = stored.view_mut();
            let mut values = view.slice(i * len..(i + 1) * len);
            match &mut *picture {
                PictureSink::Tiff(sink) => sink.write_region(&plane, values.view())?,
                PictureSink::Rows(file) => {
                    if size[0] != self.meta.shape()[0] || start[1] != file.n_rows {
                        let what = format!("rows from {} on come after {} rows", start[1], file.n_rows);
                        return Err(format!("{what}: PNG and BMP are written by whole rows from top to bottom").into());
                    }
                    file.append(values.bytes_mut())?;
                }
            }
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), BoxError> {
        for picture in &self.pictures {
            if let PictureSink::Tiff(sink) = &*picture.lock().unwrap_or_else(PoisonError::into_inner) {
                sink.sync()?;
            }
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        let height = self.meta.shape()[1];
        for picture in self.pictures {
            match picture.into_inner().unwrap_or_else(PoisonError::into_inner) {
                PictureSink::Tiff(sink) => sink.finish()?,
                PictureSink::Rows(mut file) => {
                    let missing = height - file.n_rows;
                    if missing > 0 {
                        let mut rows = Voxels::zeros(self.meta.dtype(), missing * self.meta.shape()[0])?;
                        file.append(rows.view_mut().bytes_mut())?;
                    }
                    file.finish(&self.options)?;
                }
            }
        }
        Ok(())
    }
}
