//! BMP pictures: rows of a file without compression are read where they lie.

use std::ops::Range;
use std::path::Path;

use volkit_core::DType;

use super::source::Picture;
use crate::bytes::ByteSource;
use crate::{IoError, ReadOptions};

/// File header and the fields of BITMAPINFOHEADER.
const HEADER_BYTES: usize = 54;
const FILE_HEADER_BYTES: u64 = 14;
const INFO_HEADER_BYTES: u32 = 40;
const PALETTE_COLOURS: u32 = 256;
/// Rows of pixels begin at multiples of this.
pub(super) const ROW_ALIGNMENT: u64 = 4;

/// An 8-bit BMP with a palette of greys, or one of 24 or 32 bits whose colours are all greys.
pub(super) struct BmpPicture {
    bytes: ByteSource,
    size: [usize; 2],
    pixel_bytes: usize,
    row_bytes: u64,
    data_start: u64,
    is_bottom_up: bool,
    /// Grey of each index; none where pixels hold colours.
    greys: Option<Vec<u8>>,
    row: Vec<u8>,
}

impl BmpPicture {
    pub(super) fn open(path: &Path) -> Result<Self, IoError> {
        let bytes = ByteSource::open(path, &ReadOptions::default())?;
        let mut header = [0; HEADER_BYTES];
        bytes.read_at("the BMP header", 0, &mut header)?;
        let number = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        let bad = |field: &str, value: i64, why: &str| Err(IoError::bad_header(path, field, value, why));
        let (info_bytes, width, height) = (number(14), number(18) as i32, number(22) as i32);
        let bits = u16::from_le_bytes([header[28], header[29]]);
        if info_bytes < INFO_HEADER_BYTES {
            return bad("biSize", i64::from(info_bytes), "headers of 40 bytes and more are read");
        }
        if width <= 0 || height == 0 || height == i32::MIN {
            return bad("biWidth, biHeight", i64::from(width.min(height)), "a picture has at least one pixel");
        }
        if number(30) != 0 {
            return bad("biCompression", i64::from(number(30)), "only pictures without compression (0) are read");
        }
        let (8 | 24 | 32) = bits else {
            return bad("biBitCount", i64::from(bits), "8, 24 and 32 bits are read");
        };
        let pixel_bytes = usize::from(bits / 8);
        let greys = if bits == 8 { Some(greys(&bytes, info_bytes, number(46))?) } else { None };
        let size = [width as usize, height.unsigned_abs() as usize];
        let row_bytes = (size[0] as u64 * pixel_bytes as u64).next_multiple_of(ROW_ALIGNMENT);
        let (data_start, found) = (u64::from(number(10)), bytes.max_len());
        let expected = data_start + row_bytes * size[1] as u64;
        if expected > found {
            return Err(IoError::Truncated { path: path.to_owned(), what: "the pixels".to_owned(), expected, found });
        }
        let is_bottom_up = height > 0;
        Ok(Self { bytes, size, pixel_bytes, row_bytes, data_start, is_bottom_up, greys, row: Vec::new() })
    }
}

/// The grey of each index of the palette.
fn greys(bytes: &ByteSource, info_bytes: u32, n_colours: u32) -> Result<Vec<u8>, IoError> {
    let n_colours = if n_colours == 0 { PALETTE_COLOURS } else { n_colours.min(PALETTE_COLOURS) };
    let mut palette = vec![0; 4 * n_colours as usize];
    bytes.read_at("the palette", FILE_HEADER_BYTES + u64::from(info_bytes), &mut palette)?;
    let mut greys = vec![0; PALETTE_COLOURS as usize];
    for (i, (grey, colour)) in greys.iter_mut().zip(palette.chunks_exact(4)).enumerate() {
        if colour[0] != colour[1] || colour[1] != colour[2] {
            let why = "a colour; one grey value a pixel is expected";
            return Err(IoError::bad_header(bytes.path(), format!("palette[{i}]"), format!("{:?}", &colour[..3]), why));
        }
        *grey = colour[0];
    }
    Ok(greys)
}

impl Picture for BmpPicture {
    fn size(&self) -> [usize; 2] {
        self.size
    }

    fn dtype(&self) -> DType {
        DType::U8
    }

    fn read(&mut self, rows: Range<usize>, columns: Range<usize>, out: &mut [u8]) -> Result<(), IoError> {
        let width = columns.len();
        self.row.resize(width * self.pixel_bytes, 0);
        for (y, out) in rows.zip(out.chunks_exact_mut(width.max(1))) {
            let stored = if self.is_bottom_up { self.size[1] - 1 - y } else { y };
            let at = self.data_start + stored as u64 * self.row_bytes + (columns.start * self.pixel_bytes) as u64;
            self.bytes.read_at("the pixels", at, &mut self.row)?;
            let Some(greys) = &self.greys else {
                for (x, (value, colour)) in out.iter_mut().zip(self.row.chunks_exact(self.pixel_bytes)).enumerate() {
                    if colour[0] != colour[1] || colour[1] != colour[2] {
                        let at = format!("pixel ({}, {y})", columns.start + x);
                        let why = "a colour; one grey value a pixel is expected";
                        let value = format!("{:?}", &colour[..3]);
                        return Err(IoError::bad_header(self.bytes.path(), at, value, why));
                    }
                    *value = colour[0];
                }
                continue;
            };
            out.iter_mut().zip(&self.row).for_each(|(value, &index)| *value = greys[usize::from(index)]);
        }
        Ok(())
    }
}

/// Everything before the pixels of an 8-bit picture of greys, whose rows go from top to bottom; none for sizes that BMP can
/// not hold.
pub(super) fn header([width, height]: [usize; 2]) -> Option<Vec<u8>> {
    let data_start = HEADER_BYTES as u32 + 4 * PALETTE_COLOURS;
    let (columns, rows) = (i32::try_from(width).ok()?, i32::try_from(height).ok()?);
    let bytes = (width as u64).next_multiple_of(ROW_ALIGNMENT) * height as u64;
    let file_bytes = u32::try_from(bytes + u64::from(data_start)).ok()?;
    let mut header = b"BM".to_vec();
    for value in [file_bytes, 0, data_start, INFO_HEADER_BYTES] {
        header.extend(value.to_le_bytes());
    }
    header.extend(columns.to_le_bytes());
    header.extend((-rows).to_le_bytes());
    // One plane of 8 bits, without compression.
    header.extend([1, 0, 8, 0]);
    for value in [0, file_bytes - data_start, 0, 0, PALETTE_COLOURS, 0] {
        header.extend(value.to_le_bytes());
    }
    header.extend((0..=u8::MAX).flat_map(|grey| [grey, grey, grey, 0]));
    Some(header)
}
