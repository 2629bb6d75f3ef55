//! PNG pictures: a stream of rows, read from the top; rows that a later tile needs again are kept.

use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};

use png::{BitDepth, ColorType, Decoder, DecodingError, Reader, Transformations};
use volkit_core::DType;

use super::source::Picture;
use crate::{Endian, IoError, Limits};

/// A picture of greys. Memory: the rows from the first of the last read on. A read of earlier rows begins anew.
pub(super) struct PngPicture {
    path: PathBuf,
    limits: Limits,
    reader: Reader<BufReader<File>>,
    size: [usize; 2],
    dtype: DType,
    /// Rows that are kept.
    kept: Range<usize>,
    bytes: Vec<u8>,
}

impl PngPicture {
    pub(super) fn open(path: &Path, limits: &Limits) -> Result<Self, IoError> {
        let reader = begin(path, limits)?;
        let info = reader.info();
        let size = [info.width as usize, info.height as usize];
        let refused = |what: &str| Err(IoError::unsupported(path, what));
        if info.color_type != ColorType::Grayscale {
            return refused("a picture of colours; one grey value a pixel is expected");
        }
        if info.interlaced {
            return refused("an interlaced PNG, which can not be read by rows; save it without");
        }
        let dtype = if info.bit_depth == BitDepth::Sixteen { DType::U16 } else { DType::U8 };
        let (path, limits) = (path.to_owned(), limits.clone());
        Ok(Self { path, limits, reader, size, dtype, kept: 0..0, bytes: Vec::new() })
    }

    /// Keeps the rows that are asked for and forgets those before them.
    fn keep(&mut self, rows: &Range<usize>) -> Result<(), IoError> {
        let row_bytes = self.size[0] * self.dtype.size();
        if rows.start < self.kept.start {
            self.reader = begin(&self.path, &self.limits)?;
            self.kept = 0..0;
            self.bytes.clear();
        }
        let forgotten = rows.start.min(self.kept.end) - self.kept.start;
        self.bytes.drain(..forgotten * row_bytes);
        self.kept.start += forgotten;
        while self.kept.end < rows.end {
            let row = self.reader.next_row().map_err(|error| failed(&self.path, error))?;
            let Some(row) = row.filter(|row| row.data().len() == row_bytes) else {
                return Err(IoError::damaged(&self.path, format!("row {}", self.kept.end)));
            };
            if self.kept.end < rows.start {
                self.kept.start += 1;
            } else {
                self.bytes.extend_from_slice(row.data());
            }
            self.kept.end += 1;
        }
        Ok(())
    }
}

fn begin(path: &Path, limits: &Limits) -> Result<Reader<BufReader<File>>, IoError> {
    let file = File::open(path).map_err(|error| IoError::io(path, "open", error))?;
    let bytes = usize::try_from(limits.volume_bytes).unwrap_or(usize::MAX);
    let mut decoder = Decoder::new_with_limits(BufReader::new(file), png::Limits { bytes });
    // Pictures of 1, 2 and 4 bits become 8 bits.
    decoder.set_transformations(Transformations::EXPAND);
    decoder.read_info().map_err(|error| failed(path, error))
}

fn failed(path: &Path, error: DecodingError) -> IoError {
    match error {
        DecodingError::IoError(error) => IoError::io(path, "read", error),
        DecodingError::LimitsExceeded => IoError::unsupported(path, "the picture exceeds the limits on memory"),
        error => IoError::damaged(path, error.to_string()),
    }
}

impl Picture for PngPicture {
    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn read(&mut self, rows: Range<usize>, columns: Range<usize>, out: &mut [u8]) -> Result<(), IoError> {
        self.keep(&rows)?;
        let (size, width) = (self.dtype.size(), self.size[0]);
        for (i, out) in out.chunks_exact_mut((columns.len() * size).max(1)).enumerate() {
            let start = ((rows.start - self.kept.start + i) * width + columns.start) * size;
            out.copy_from_slice(&self.bytes[start..start + columns.len() * size]);
        }
        Endian::Big.swap_if_needed(self.dtype, out);
        Ok(())
    }
}
