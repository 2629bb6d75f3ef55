//! Pictures that are written from top to bottom: PNG and BMP.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Encoder, StreamWriter};
use volkit_core::DType;

use super::bmp;
use crate::atomic::TemporaryFile;
use crate::{Endian, IoError, WriteOptions};

/// A picture, half written.
pub(super) struct RowFile {
    path: PathBuf,
    file: TemporaryFile,
    format: Format,
    dtype: DType,
    width: usize,
    /// Rows that are written.
    pub(super) n_rows: usize,
}

enum Format {
    Png(Box<StreamWriter<'static, BufWriter<File>>>),
    Bmp(BufWriter<File>),
}

impl RowFile {
    pub(super) fn create(path: &Path, size: [usize; 2], dtype: DType, options: &WriteOptions) -> Result<Self, IoError> {
        let is_bmp = path.extension().is_some_and(|suffix| suffix.eq_ignore_ascii_case("bmp"));
        let unsupported = |what: String| IoError::unsupported(path, what);
        let depth = match dtype {
            DType::U8 => BitDepth::Eight,
            DType::U16 if !is_bmp => BitDepth::Sixteen,
            _ => return Err(unsupported(format!("the picture can not hold {dtype}; TIFF (.tif) does"))),
        };
        let header = if is_bmp { bmp::header(size) } else { Some(Vec::new()) };
        let header =
            header.ok_or_else(|| unsupported(format!("{} x {} pixels are too many for BMP", size[0], size[1])))?;
        let (Ok(width), Ok(height)) = (u32::try_from(size[0]), u32::try_from(size[1])) else {
            return Err(unsupported(format!("{} x {} pixels are too many", size[0], size[1])));
        };
        let file = TemporaryFile::create(path, options.overwrite)?;
        let failed = |error| IoError::io(path, "write", error);
        let mut out = BufWriter::new(file.file().try_clone().map_err(failed)?);
        let format = if is_bmp {
            out.write_all(&header).map_err(failed)?;
            Format::Bmp(out)
        } else {
            let mut encoder = Encoder::new(out, width, height);
            encoder.set_color(ColorType::Grayscale);
            encoder.set_depth(depth);
            let writer = encoder.write_header().and_then(png::Writer::into_stream_writer);
            Format::Png(Box::new(writer.map_err(|error| failed(error.into()))?))
        };
        Ok(Self { path: path.to_owned(), file, format, dtype, width: size[0], n_rows: 0 })
    }

    /// Appends whole rows, in this machine's byte order.
    pub(super) fn append(&mut self, bytes: &mut [u8]) -> Result<(), IoError> {
        let row_bytes = self.width * self.dtype.size();
        self.n_rows += bytes.len() / row_bytes.max(1);
        let written = match &mut self.format {
            Format::Png(out) => {
                Endian::Big.swap_if_needed(self.dtype, bytes);
                out.write_all(bytes)
            }
            Format::Bmp(out) => {
                let padding = row_bytes.next_multiple_of(bmp::ROW_ALIGNMENT as usize) - row_bytes;
                let mut rows = bytes.chunks_exact(row_bytes.max(1));
                rows.try_for_each(|row| out.write_all(row).and_then(|()| out.write_all(&[0; 3][..padding])))
            }
        };
        written.map_err(|error| IoError::io(&self.path, "write", error))
    }

    /// Gives the file its name.
    pub(super) fn finish(self, options: &WriteOptions) -> Result<(), IoError> {
        let finished = match self.format {
            Format::Png(out) => out.finish().map_err(Into::into),
            Format::Bmp(mut out) => out.flush(),
        };
        finished.map_err(|error| IoError::io(&self.path, "write", error))?;
        self.file.rename(options.fsync)
    }
}
