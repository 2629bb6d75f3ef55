//! Filters of chunks, forward and backward: deflate, shuffle, Fletcher's checksum and LZF.

use libdeflater::{CompressionLvl, Compressor, DecompressionError, Decompressor};

use super::api::Hdf5Filter;
use super::lzf;

pub(super) const DEFLATE: u32 = 1;
pub(super) const SHUFFLE: u32 = 2;
const FLETCHER32: u32 = 3;
const LZF: u32 = 32000;
const CHECKSUM_BYTES: usize = 4;

/// The first filter that [`decode`] does not know.
pub(super) fn unknown(filters: &[Hdf5Filter]) -> Option<&Hdf5Filter> {
    filters.iter().find(|filter| ![DEFLATE, SHUFFLE, FLETCHER32, LZF].contains(&filter.id))
}

/// Undoes the filters of one chunk, which must give `n_bytes`. Bit `i` of `mask` says that filter `i` was left out.
///
/// # Errors
/// What is damaged.
pub(super) fn decode(
    filters: &[Hdf5Filter],
    mask: u32,
    mut bytes: Vec<u8>,
    n_bytes: usize,
    element_bytes: usize,
) -> Result<Vec<u8>, String> {
    let applied = |index: usize| index >= 32 || mask & (1 << index) == 0;
    for (index, filter) in filters.iter().enumerate().rev().filter(|(index, _)| applied(*index)) {
        // What earlier filters have put on top of the values.
        let before = filters[..index].iter().enumerate();
        let checksums = before.filter(|(i, f)| f.id == FLETCHER32 && applied(*i)).count();
        let limit = n_bytes + CHECKSUM_BYTES * checksums;
        bytes = match filter.id {
            DEFLATE => inflate(&bytes, limit)?,
            SHUFFLE => unshuffle(&bytes, filter.parameters.first().map_or(element_bytes, |&n| n as usize)),
            FLETCHER32 => without_checksum(bytes)?,
            LZF => lzf::decompress(&bytes, limit)?,
            _ => return Err(format!("filter {} is not known", filter.id)),
        };
    }
    if bytes.len() == n_bytes {
        return Ok(bytes);
    }
    Err(format!("a chunk gives {} bytes, {n_bytes} expected", bytes.len()))
}

/// Applies shuffle and deflate to one chunk.
pub(super) fn encode(bytes: &[u8], shuffle_bytes: Option<usize>, level: Option<u32>) -> Result<Vec<u8>, String> {
    let shuffled = shuffle_bytes.map(|size| shuffle(bytes, size));
    let bytes = shuffled.as_deref().unwrap_or(bytes);
    let Some(level) = level else { return Ok(bytes.to_vec()) };
    let level = CompressionLvl::new(level.min(9) as i32).map_err(|_| format!("deflate has no level {level}"))?;
    let mut compressor = Compressor::new(level);
    let mut out = vec![0; compressor.zlib_compress_bound(bytes.len())];
    let n = compressor.zlib_compress(bytes, &mut out).map_err(|error| format!("deflate: {error}"))?;
    out.truncate(n);
    Ok(out)
}

fn inflate(bytes: &[u8], limit: usize) -> Result<Vec<u8>, String> {
    const MAX_RATIO: usize = 1032;
    let likely = limit.min(bytes.len().saturating_mul(MAX_RATIO));
    let mut out: Vec<u8> = Vec::new();
    out.try_reserve_exact(likely).map_err(|_| format!("a chunk of {limit} bytes can not be held in memory"))?;
    out.resize(likely, 0);
    match Decompressor::new().zlib_decompress(bytes, &mut out) {
        Ok(n) => {
            out.truncate(n);
            Ok(out)
        }
        Err(DecompressionError::InsufficientSpace) => Err(format!("a deflated chunk gives more than {likely} bytes")),
        Err(DecompressionError::BadData) => Err("a deflated chunk is damaged or cut".to_owned()),
    }
}

/// Byte `b` of element `i` lies at `b * n + i`; bytes that are no whole element stay at the end.
fn unshuffle(bytes: &[u8], size: usize) -> Vec<u8> {
    let n = bytes.len().checked_div(size).unwrap_or(0);
    if size <= 1 || n <= 1 {
        return bytes.to_vec();
    }
    let mut out = bytes.to_vec();
    match size {
        2 => unshuffle_of::<2>(bytes, &mut out, n),
        4 => unshuffle_of::<4>(bytes, &mut out, n),
        8 => unshuffle_of::<8>(bytes, &mut out, n),
        _ => {
            for (b, plane) in bytes.chunks_exact(n).take(size).enumerate() {
                for (i, &byte) in plane.iter().enumerate() {
                    out[i * size + b] = byte;
                }
            }
        }
    }
    out
}

fn unshuffle_of<const SIZE: usize>(bytes: &[u8], out: &mut [u8], n: usize) {
    let planes: [&[u8]; SIZE] = std::array::from_fn(|b| &bytes[b * n..(b + 1) * n]);
    for (i, element) in out.as_chunks_mut::<SIZE>().0.iter_mut().take(n).enumerate() {
        *element = std::array::from_fn(|b| planes[b][i]);
    }
}

fn shuffle(bytes: &[u8], size: usize) -> Vec<u8> {
    let n = bytes.len().checked_div(size).unwrap_or(0);
    let mut out = bytes.to_vec();
    if size <= 1 || n <= 1 {
        return out;
    }
    for (b, plane) in out.chunks_exact_mut(n).take(size).enumerate() {
        for (byte, element) in plane.iter_mut().zip(bytes.chunks_exact(size)) {
            *byte = element[b];
        }
    }
    out
}

fn without_checksum(mut bytes: Vec<u8>) -> Result<Vec<u8>, String> {
    let n = bytes.len().checked_sub(CHECKSUM_BYTES).ok_or("a chunk is too short for its checksum")?;
    let stored = u32::from_le_bytes([bytes[n], bytes[n + 1], bytes[n + 2], bytes[n + 3]]);
    bytes.truncate(n);
    let sum = fletcher32(&bytes);
    // Files of HDF5 before 1.6.3 on little-endian machines hold the bytes of each half the other way round.
    let old = (sum & 0x00ff_00ff) << 8 | (sum & 0xff00_ff00) >> 8;
    if stored == sum || stored == old {
        return Ok(bytes);
    }
    Err(format!("the Fletcher-32 checksum of a chunk is {sum:08x}, {stored:08x} stored"))
}

/// Fletcher's checksum over big-endian 16-bit words, as HDF5 computes it; a last odd byte counts as the high one.
fn fletcher32(bytes: &[u8]) -> u32 {
    /// Words that 32 bits can add up before they must be folded.
    const BLOCK_WORDS: usize = 360;
    let fold = |sum: u32| (sum & 0xffff) + (sum >> 16);
    let (mut a, mut b) = (0u32, 0u32);
    let (words, odd) = bytes.as_chunks::<2>();
    for block in words.chunks(BLOCK_WORDS) {
        for &word in block {
            a += u32::from(u16::from_be_bytes(word));
            b += a;
        }
        (a, b) = (fold(a), fold(b));
    }
    if let [byte] = odd {
        a += u32::from(*byte) << 8;
        b += a;
        (a, b) = (fold(a), fold(b));
    }
    (a, b) = (fold(a), fold(b));
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::{DEFLATE, FLETCHER32, Hdf5Filter, SHUFFLE, decode, encode, fletcher32, shuffle, unshuffle};
    use proptest::prelude::*;

    fn filter(id: u32) -> Hdf5Filter {
        Hdf5Filter { id, parameters: Vec::new() }
    }

    #[test]
    fn shuffle_by_hand() {
        assert_eq!(shuffle(&[1, 2, 3, 4, 5, 6, 7], 2), [1, 3, 5, 2, 4, 6, 7]);
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6, 7], 2), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(unshuffle(&[1, 2], 0), [1, 2]);
    }

    #[test]
    fn fletcher_by_hand() {
        // Words 0x0102, 0x0304, 0x0500: a = 0x0906, b = 0x0102 + 0x0406 + 0x0906.
        assert_eq!(fletcher32(&[1, 2, 3, 4, 5]), 0x0e0e_0906);
        assert_eq!(fletcher32(&[]), 0);
    }

    #[test]
    fn chunks_of_another_size_are_damage() {
        let bytes = encode(&[7; 100], None, Some(4)).unwrap();
        assert_eq!(decode(&[filter(DEFLATE)], 0, bytes.clone(), 100, 1).unwrap(), [7; 100]);
        assert!(decode(&[filter(DEFLATE)], 0, bytes.clone(), 99, 1).unwrap_err().contains("more than 99"));
        assert!(decode(&[filter(DEFLATE)], 0, bytes.clone(), 101, 1).unwrap_err().contains("100 bytes, 101"));
        assert!(decode(&[filter(DEFLATE)], 0, bytes[..bytes.len() - 5].to_vec(), 100, 1).is_err());
        assert!(decode(&[filter(DEFLATE)], 1, vec![7; 100], 100, 1).is_ok(), "a filter that was left out");
        assert!(decode(&[filter(FLETCHER32)], 0, vec![0; 3], 3, 1).unwrap_err().contains("too short"));
        assert!(decode(&[filter(FLETCHER32)], 0, vec![1, 2, 3, 4, 5, 6], 2, 1).unwrap_err().contains("checksum"));
    }

    proptest! {
        #[test]
        fn encode_then_decode(bytes in prop::collection::vec(any::<u8>(), 0..600), size in 1usize..9, level in 0u32..10) {
            let mut filters = vec![Hdf5Filter { id: SHUFFLE, parameters: vec![size as u32] }, filter(DEFLATE)];
            let stored = encode(&bytes, Some(size), Some(level)).unwrap();
            prop_assert_eq!(&decode(&filters, 0, stored, bytes.len(), size).unwrap(), &bytes);
            filters.pop();
            let stored = encode(&bytes, Some(size), None).unwrap();
            prop_assert_eq!(&decode(&filters, 0, stored, bytes.len(), size).unwrap(), &bytes);
        }
    }
}
