//! TIFF pictures: strips and tiles are decoded as they are needed, and kept while a later read may need them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufReader;
use std::ops::Range;
use std::path::{Path, PathBuf};

use tiff::decoder::{Decoder, DecodingResult};
use tiff::tags::Tag;
use tiff::{ColorType, TiffError};
use volkit_core::DType;

use super::source::Picture;
use crate::{IoError, Limits};

/// Values of the tag `SampleFormat`.
const UNSIGNED: u32 = 1;
const SIGNED: u32 = 2;
const FLOAT: u32 = 3;

/// Most pages of a file that are channels.
const MAX_PAGES: usize = 4096;
/// Bits of the tag `NewSubfileType`: a smaller copy of another page, a mask of one.
const NOT_A_CHANNEL: u32 = 1 | 4;

/// A page of a file, one value a pixel.
pub(super) struct TiffPicture {
    path: PathBuf,
    decoder: Decoder<BufReader<File>>,
    size: [usize; 2],
    dtype: DType,
    /// Columns and rows of a strip or tile.
    chunk: [usize; 2],
    /// Decoded strips and tiles by number.
    chunks: BTreeMap<usize, Vec<u8>>,
}

impl TiffPicture {
    /// Opens the pages of a file in their order, without smaller copies and masks.
    pub(super) fn open_pages(path: &Path, limits: &Limits) -> Result<Vec<Self>, IoError> {
        let mut numbers = Vec::new();
        let mut decoder = Self::decoder(path, limits)?;
        for number in 0.. {
            if number == MAX_PAGES {
                return Err(IoError::unsupported(path, format!("more than {MAX_PAGES} pages")));
            }
            let kind = decoder.find_tag_unsigned::<u32>(Tag::NewSubfileType).map_err(|error| failed(path, error))?;
            if kind.unwrap_or(0) & NOT_A_CHANNEL == 0 {
                numbers.push(number);
            }
            if !decoder.more_images() {
                break;
            }
            decoder.next_image().map_err(|error| failed(path, error))?;
        }
        if numbers.is_empty() {
            // All that there is is a small copy.
            numbers.push(0);
        }
        numbers.into_iter().map(|number| Self::open(path, number, limits)).collect()
    }

    fn decoder(path: &Path, limits: &Limits) -> Result<Decoder<BufReader<File>>, IoError> {
        let file = File::open(path).map_err(|error| IoError::io(path, "open", error))?;
        let bytes = usize::try_from(limits.volume_bytes).unwrap_or(usize::MAX);
        let mut tiff_limits = tiff::decoder::Limits::default();
        tiff_limits.decoding_buffer_size = bytes;
        tiff_limits.intermediate_buffer_size = bytes;
        let decoder = Decoder::new(BufReader::new(file)).map_err(|error| failed(path, error))?;
        Ok(decoder.with_limits(tiff_limits))
    }

    fn open(path: &Path, page: usize, limits: &Limits) -> Result<Self, IoError> {
        let failed = |error| failed(path, error);
        let mut decoder = Self::decoder(path, limits)?;
        decoder.seek_to_image(page).map_err(failed)?;
        let (width, height) = decoder.dimensions().map_err(failed)?;
        let colour = decoder.colortype().map_err(failed)?;
        let ColorType::Gray(bits) = colour else {
            return Err(IoError::unsupported(path, format!("{colour:?} pixels; one grey value a pixel is expected")));
        };
        let format = decoder.find_tag_unsigned::<u32>(Tag::SampleFormat).map_err(failed)?.unwrap_or(UNSIGNED);
        let dtype = match (format, bits) {
            (UNSIGNED, 8) => DType::U8,
            (UNSIGNED, 16) => DType::U16,
            (UNSIGNED, 32) => DType::U32,
            (SIGNED, 8) => DType::I8,
            (SIGNED, 16) => DType::I16,
            (SIGNED, 32) => DType::I32,
            (FLOAT, 32) => DType::F32,
            (FLOAT, 64) => DType::F64,
            _ => return Err(IoError::unsupported(path, format!("SampleFormat {format} of {bits} bits"))),
        };
        let size = [width as usize, height as usize];
        let (columns, rows) = decoder.chunk_dimensions();
        let chunk = [columns as usize, rows as usize].map(|n| n.max(1));
        Ok(Self { path: path.to_owned(), decoder, size, dtype, chunk, chunks: BTreeMap::new() })
    }

    /// Decodes a strip or tile, where it is not there already.
    fn decode(&mut self, index: usize) -> Result<(), IoError> {
        if self.chunks.contains_key(&index) {
            return Ok(());
        }
        let number = u32::try_from(index).map_err(|_| IoError::damaged(&self.path, format!("strip {index}")))?;
        let result = self.decoder.read_chunk(number).map_err(|error| failed(&self.path, error))?;
        let bytes: Vec<u8> = match &result {
            DecodingResult::U8(values) => values.clone(),
            DecodingResult::U16(values) => bytemuck::cast_slice(values).to_vec(),
            DecodingResult::U32(values) => bytemuck::cast_slice(values).to_vec(),
            DecodingResult::I8(values) => bytemuck::cast_slice(values).to_vec(),
            DecodingResult::I16(values) => bytemuck::cast_slice(values).to_vec(),
            DecodingResult::I32(values) => bytemuck::cast_slice(values).to_vec(),
            DecodingResult::F32(values) => bytemuck::cast_slice(values).to_vec(),
            DecodingResult::F64(values) => bytemuck::cast_slice(values).to_vec(),
            _ => return Err(IoError::unsupported(&self.path, format!("the element type of strip {index}"))),
        };
        let (columns, rows) = self.decoder.chunk_data_dimensions(number);
        if bytes.len() != columns as usize * rows as usize * self.dtype.size() {
            return Err(IoError::damaged(&self.path, format!("strip {index} has {} bytes", bytes.len())));
        }
        self.chunks.insert(index, bytes);
        Ok(())
    }
}

fn failed(path: &Path, error: TiffError) -> IoError {
    match error {
        TiffError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            IoError::damaged(path, "the file ends inside the picture")
        }
        TiffError::IoError(error) => IoError::io(path, "read", error),
        TiffError::UnsupportedError(error) => IoError::unsupported(path, error.to_string()),
        error => IoError::damaged(path, error.to_string()),
    }
}

impl Picture for TiffPicture {
    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn dtype(&self) -> DType {
        self.dtype
    }

    fn read(&mut self, rows: Range<usize>, columns: Range<usize>, out: &mut [u8]) -> Result<(), IoError> {
        let ([width, _], [chunk_width, chunk_height]) = (self.size, self.chunk);
        let across = width.div_ceil(chunk_width);
        // Tiles of an image come row after row: what lies above is not needed again.
        self.chunks = self.chunks.split_off(&(rows.start / chunk_height * across));
        let size = self.dtype.size();
        for chunk_y in rows.start / chunk_height..rows.end.div_ceil(chunk_height) {
            for chunk_x in columns.start / chunk_width..columns.end.div_ceil(chunk_width) {
                let index = chunk_y * across + chunk_x;
                self.decode(index)?;
                let Some(chunk) = self.chunks.get(&index) else { continue };
                let (x0, y0) = (chunk_x * chunk_width, chunk_y * chunk_height);
                let stored_width = chunk_width.min(width - x0);
                let xs = columns.start.max(x0)..columns.end.min(x0 + stored_width);
                for y in rows.start.max(y0)..rows.end.min(y0 + chunk_height) {
                    let from = ((y - y0) * stored_width + xs.start - x0) * size;
                    let to = ((y - rows.start) * columns.len() + xs.start - columns.start) * size;
                    let len = xs.len() * size;
                    out[to..to + len].copy_from_slice(&chunk[from..from + len]);
                }
            }
        }
        Ok(())
    }
}
