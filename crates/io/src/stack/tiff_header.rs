//! What stands before the pixels of the TIFF files that are written: one strip, without compression.

use volkit_core::DType;

const SHORT: u16 = 3;
const LONG: u16 = 4;
/// Header, number of entries, ten entries of 12 bytes, end of the list.
const DATA_START: u32 = 8 + 2 + 12 * N_ENTRIES as u32 + 4;
const N_ENTRIES: u16 = 10;

/// A little-endian header for greys; none for sizes and element types that it can not hold.
pub(super) fn header([width, height]: [usize; 2], dtype: DType) -> Option<Vec<u8>> {
    let format: u32 = match dtype {
        DType::U8 | DType::U16 | DType::U32 => 1,
        DType::I8 | DType::I16 | DType::I32 => 2,
        DType::F32 | DType::F64 => 3,
        _ => return None,
    };
    let bytes = (width as u64).checked_mul(height as u64)?.checked_mul(dtype.size() as u64)?;
    // Offsets have 32 bits.
    let bytes = u32::try_from(bytes).ok().filter(|bytes| bytes.checked_add(DATA_START).is_some())?;
    let (width, height) = (u32::try_from(width).ok()?, u32::try_from(height).ok()?);
    let mut header = b"II*\0\x08\0\0\0".to_vec();
    header.extend(N_ENTRIES.to_le_bytes());
    let entries: [(u16, u16, u32); N_ENTRIES as usize] = [
        (256, LONG, width),
        (257, LONG, height),
        (258, SHORT, 8 * dtype.size() as u32),
        // No compression; black is 0.
        (259, SHORT, 1),
        (262, SHORT, 1),
        (273, LONG, DATA_START),
        (277, SHORT, 1),
        (278, LONG, height),
        (279, LONG, bytes),
        (339, SHORT, format),
    ];
    for (tag, kind, value) in entries {
        header.extend(tag.to_le_bytes());
        header.extend(kind.to_le_bytes());
        header.extend(1u32.to_le_bytes());
        header.extend(value.to_le_bytes());
    }
    header.extend(0u32.to_le_bytes());
    Some(header)
}
