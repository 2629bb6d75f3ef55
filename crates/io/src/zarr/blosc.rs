//! Blosc: its header is checked before the C decoder sees the bytes, which trusts them.

use std::borrow::Cow;

use zarrs::array::BytesRepresentation;
use zarrs::array::codec::api::{BytesToBytesCodecTraits, CodecOptions};
use zarrs::array::codec::{BloscCodec, BloscCompressionLevel, BloscCompressor, BloscShuffleMode};

use super::stage::Damage;

/// Bytes of a blosc header.
const HEADER: usize = 16;
/// Flag: the bytes follow as they are.
const COPIED: u8 = 2;

/// How blosc compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Blosc {
    pub(crate) compressor: BloscCompressor,
    pub(crate) level: u8,
    pub(crate) shuffle: BloscShuffleMode,
    pub(crate) type_size: usize,
    pub(crate) block_size: usize,
}

impl Blosc {
    pub(crate) fn encode(self, bytes: &[u8]) -> Result<Vec<u8>, Damage> {
        let codec = self.codec()?;
        let encoded = codec.encode(Cow::Borrowed(bytes), &CodecOptions::default());
        encoded.map(Cow::into_owned).map_err(|error| Damage(format!("blosc: {error}")))
    }

    /// Inflates to exactly `n_bytes`.
    pub(crate) fn decode(self, bytes: &[u8], n_bytes: usize) -> Result<Vec<u8>, Damage> {
        check_header(bytes, n_bytes)?;
        let representation = BytesRepresentation::FixedSize(n_bytes as u64);
        let decoded = self.codec()?.decode(Cow::Borrowed(bytes), &representation, &CodecOptions::default());
        let decoded = decoded.map_err(|error| Damage(format!("blosc: {error}")))?;
        if decoded.len() != n_bytes {
            return Err(Damage(format!("blosc: {} bytes came out, {n_bytes} expected", decoded.len())));
        }
        Ok(decoded.into_owned())
    }

    fn codec(self) -> Result<BloscCodec, Damage> {
        let level =
            BloscCompressionLevel::try_from(self.level).map_err(|_| Damage("blosc: level above 9".to_owned()))?;
        let (blocks, size) = (Some(self.block_size), Some(self.type_size.max(1)));
        BloscCodec::new(self.compressor, level, blocks, self.shuffle, size)
            .map_err(|error| Damage(format!("blosc: {error}")))
    }
}

/// The size that a blosc header gives, where there is one.
pub(crate) fn claimed_size(bytes: &[u8]) -> Option<usize> {
    Some(word(bytes, 4)? as usize)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let word = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([word[0], word[1], word[2], word[3]]))
}

/// Checks every number of the header that the decoder follows: `nbytes` and `cbytes` against what is there, the table
/// of block starts against the stream.
fn check_header(bytes: &[u8], n_bytes: usize) -> Result<(), Damage> {
    let wrong = |field: &str, value: u64, why: String| Err(Damage(format!("blosc: {field} = {value}: {why}")));
    let (Some(n), Some(block), Some(compressed)) = (word(bytes, 4), word(bytes, 8), word(bytes, 12)) else {
        return Err(Damage(format!("blosc: {} bytes, a header has {HEADER}", bytes.len())));
    };
    let (flags, type_size) = (bytes[2], bytes[3]);
    if n as usize != n_bytes {
        return wrong("nbytes", n.into(), format!("the chunk has {n_bytes} bytes"));
    }
    if compressed as usize != bytes.len() {
        return wrong("cbytes", compressed.into(), format!("there are {} bytes", bytes.len()));
    }
    if type_size == 0 {
        return wrong("typesize", 0, "must be at least 1".to_owned());
    }
    if flags & COPIED != 0 {
        if compressed as usize != n_bytes + HEADER {
            return wrong("cbytes", compressed.into(), format!("copied bytes take {}", n_bytes + HEADER));
        }
        return Ok(());
    }
    if n == 0 {
        return Ok(());
    }
    if block == 0 || block > n {
        return wrong("blocksize", block.into(), format!("must be from 1 to {n}"));
    }
    let n_blocks = n_bytes.div_ceil(block as usize);
    let table_end = HEADER as u64 + 4 * n_blocks as u64;
    if table_end > bytes.len() as u64 {
        return wrong("blocksize", block.into(), format!("{n_blocks} blocks need {table_end} bytes for their table"));
    }
    for index in 0..n_blocks {
        let start = word(bytes, HEADER + 4 * index).map_or(u64::MAX, u64::from);
        // A block begins with the 4-byte length of its first stream.
        if start < table_end || start + 4 > bytes.len() as u64 {
            return wrong(&format!("start of block {index}"), start, format!("must lie from {table_end} to the end"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Blosc, HEADER};
    use zarrs::array::codec::{BloscCompressor, BloscShuffleMode};

    fn codec(compressor: BloscCompressor) -> Blosc {
        Blosc { compressor, level: 5, shuffle: BloscShuffleMode::BitShuffle, type_size: 2, block_size: 0 }
    }

    #[test]
    fn every_compressor_goes_both_ways() {
        let bytes: Vec<u8> = (0..4000_u32).flat_map(|x| ((x / 7) as u16).to_le_bytes()).collect();
        for compressor in [
            BloscCompressor::BloscLZ,
            BloscCompressor::LZ4,
            BloscCompressor::LZ4HC,
            BloscCompressor::Zlib,
            BloscCompressor::Zstd,
        ] {
            let encoded = codec(compressor).encode(&bytes).unwrap();
            assert!(encoded.len() < bytes.len());
            assert_eq!(codec(compressor).decode(&encoded, bytes.len()).unwrap(), bytes);
        }
    }

    #[test]
    fn headers_that_lie_never_reach_the_decoder() {
        let bytes: Vec<u8> = (0..4000_u32).flat_map(u32::to_le_bytes).collect();
        let lz4 = codec(BloscCompressor::LZ4);
        let good = lz4.encode(&bytes).unwrap();
        let refused = |change: &dyn Fn(&mut Vec<u8>), field: &str| {
            let mut bad = good.clone();
            change(&mut bad);
            let error = lz4.decode(&bad, bytes.len()).unwrap_err().0;
            assert!(error.starts_with(&format!("blosc: {field}")), "{error}");
        };
        refused(&|bad| bad.truncate(good.len() - 1), "cbytes");
        refused(&|bad| bad.truncate(9), "9 bytes");
        refused(&|bad| bad[4..8].copy_from_slice(&[0, 0, 0, 0x7f]), "nbytes");
        refused(&|bad| bad[8..12].fill(0), "blocksize");
        refused(&|bad| bad[8..12].copy_from_slice(&1_u32.to_le_bytes()), "blocksize");
        refused(&|bad| bad[HEADER..HEADER + 4].fill(0xff), "start of block 0");
        refused(&|bad| bad[3] = 0, "typesize");
        refused(&|bad| bad[2] |= 2, "cbytes");
    }
}
