//! `sharding_indexed`: many small chunks in one file, with an index at its start or end.

use std::ops::Range;

use rayon::prelude::*;

use super::chain::{Block, Chain};
use super::element::{fill_with, is_filled};
use super::stage::{Damage, Size, Stage};
use crate::Endian;
use crate::boxes::{Parts, Place, copy_bytes};

/// Both numbers of the entry of an inner chunk that is not stored.
const EMPTY: u64 = u64::MAX;
/// Bytes of an entry.
const ENTRY: usize = 16;

/// How a chunk is cut into inner chunks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Sharding {
    /// Shape of an inner chunk; divides that of the chunk.
    pub(crate) inner_shape: Vec<usize>,
    pub(crate) inner: Chain,
    /// Byte order and codecs of the index; all of fixed size.
    pub(crate) index_endian: Endian,
    pub(crate) index_stages: Vec<Stage>,
    pub(crate) index_at_start: bool,
}

/// Where the inner chunks of a shard lie; none for those that hold the fill value.
pub(crate) type Index = Vec<Option<Range<u64>>>;

impl Sharding {
    /// Inner chunks in a chunk of that shape.
    pub(crate) fn n_inner(&self, shape: &[usize]) -> usize {
        shape.iter().zip(&self.inner_shape).map(|(n, inner)| n / inner).product()
    }

    /// Bytes of the index.
    pub(crate) fn index_len(&self, n_inner: usize) -> usize {
        let raw = Size::Exactly(n_inner.saturating_mul(ENTRY));
        self.index_stages.iter().fold(raw, |size, stage| stage.encoded_size(size)).most()
    }

    /// Most bytes of a shard without gaps.
    pub(crate) fn encoded_size(&self, n_bytes: usize, n_elements: usize) -> usize {
        let inner_len = self.inner_shape.iter().product::<usize>().max(1);
        let n_inner = n_elements / inner_len;
        let inner = self.inner.encoded_size(n_bytes / n_inner.max(1), inner_len).most();
        inner.saturating_mul(n_inner).saturating_add(self.index_len(n_inner))
    }

    /// Where the index lies in a shard of `len` bytes.
    pub(crate) fn index_range(&self, len: u64, n_inner: usize) -> Result<Range<u64>, Damage> {
        let index_len = self.index_len(n_inner) as u64;
        if len < index_len {
            return Err(Damage(format!("sharding_indexed: {len} bytes, the index alone takes {index_len}")));
        }
        Ok(if self.index_at_start { 0..index_len } else { len - index_len..len })
    }

    /// Reads the index of a shard of `len` bytes.
    pub(crate) fn parse_index(&self, bytes: &[u8], len: u64, n_inner: usize) -> Result<Index, Damage> {
        let chain = Chain {
            order: None,
            body: super::chain::Body::Bytes(self.index_endian),
            stages: self.index_stages.clone(),
        };
        let mut raw = vec![0; n_inner * ENTRY];
        let block = Block { shape: &[2 * n_inner], dtype: volkit_core::DType::U64, fill: &[0; 8] };
        chain.decode_into(bytes, block, &mut raw).map_err(|Damage(why)| Damage(format!("shard index: {why}")))?;
        let (numbers, _) = raw.as_chunks::<8>();
        let entry = |(i, pair): (usize, &[[u8; 8]])| {
            let (offset, size) = (u64::from_ne_bytes(pair[0]), u64::from_ne_bytes(pair[1]));
            if (offset, size) == (EMPTY, EMPTY) {
                return Ok(None);
            }
            match offset.checked_add(size) {
                Some(end) if end <= len => Ok(Some(offset..end)),
                _ => Err(Damage(format!(
                    "shard index: entry {i} = ({offset}, {size}) lies outside the {len} bytes of the shard"
                ))),
            }
        };
        numbers.chunks_exact(2).enumerate().map(entry).collect()
    }

    pub(crate) fn decode_into(&self, shard: &[u8], block: Block<'_>, out: &mut [u8]) -> Result<(), Damage> {
        let n_inner = self.n_inner(block.shape);
        let place = self.index_range(shard.len() as u64, n_inner)?;
        let index = &shard[place.start as usize..place.end as usize];
        let index = self.parse_index(index, shard.len() as u64, n_inner)?;
        let inner = Block { shape: &self.inner_shape, ..block };
        let mut values = vec![0; inner.n_bytes()];
        let origin = vec![0; block.shape.len()];
        for (part, range) in Parts::new(&origin, block.shape, &self.inner_shape).zip(index) {
            match range {
                Some(range) => {
                    let bytes = &shard[range.start as usize..range.end as usize];
                    self.inner.decode_into(bytes, inner, &mut values)?;
                }
                None => fill_with(&mut values, block.fill),
            }
            let from = Place { shape: &self.inner_shape, start: &part.in_chunk };
            let to = Place { shape: block.shape, start: &part.in_box };
            copy_bytes(&part.size, block.dtype.size(), (&values, from), (out, to));
        }
        Ok(())
    }

    pub(crate) fn encode(&self, values: &[u8], block: Block<'_>) -> Result<Vec<u8>, Damage> {
        let inner = Block { shape: &self.inner_shape, ..block };
        let origin = vec![0; block.shape.len()];
        let parts: Vec<_> = Parts::new(&origin, block.shape, &self.inner_shape).collect();
        let encoded = parts.par_iter().map_init(
            || vec![0; inner.n_bytes()],
            |chunk, part| {
                let from = Place { shape: block.shape, start: &part.in_box };
                let to = Place { shape: &self.inner_shape, start: &part.in_chunk };
                copy_bytes(&part.size, block.dtype.size(), (values, from), (chunk, to));
                if is_filled(chunk, block.fill) { Ok(None) } else { self.inner.encode(chunk, inner).map(Some) }
            },
        );
        let encoded: Vec<Option<Vec<u8>>> = encoded.collect::<Result<_, Damage>>()?;
        let index_len = self.index_len(parts.len());
        let mut offset = if self.index_at_start { index_len as u64 } else { 0 };
        let mut index = Vec::with_capacity(parts.len() * ENTRY);
        for chunk in &encoded {
            let entry = chunk.as_ref().map_or((EMPTY, EMPTY), |bytes| (offset, bytes.len() as u64));
            offset += chunk.as_ref().map_or(0, |bytes| bytes.len() as u64);
            for number in [entry.0, entry.1] {
                match self.index_endian {
                    Endian::Little => index.extend_from_slice(&number.to_le_bytes()),
                    Endian::Big => index.extend_from_slice(&number.to_be_bytes()),
                }
            }
        }
        let index = self.index_stages.iter().try_fold(index, |bytes, stage| stage.encode(bytes))?;
        let body = encoded.into_iter().flatten();
        Ok(if self.index_at_start {
            std::iter::once(index).chain(body).flatten().collect()
        } else {
            body.chain(std::iter::once(index)).flatten().collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::Sharding;
    use crate::Endian;
    use crate::zarr::chain::{Block, Body, Chain};
    use crate::zarr::stage::Stage;
    use volkit_core::DType;

    fn sharding(index_at_start: bool) -> Sharding {
        Sharding {
            inner_shape: vec![1, 2],
            inner: Chain { order: None, body: Body::Bytes(Endian::Little), stages: Vec::new() },
            index_endian: Endian::Little,
            index_stages: vec![Stage::Crc32c],
            index_at_start,
        }
    }

    const SHAPE: [usize; 2] = [2, 4];

    fn block<'a>() -> Block<'a> {
        Block { shape: &SHAPE, dtype: DType::U8, fill: &[9] }
    }

    #[test]
    fn inner_chunks_that_hold_the_fill_value_are_not_stored() {
        for at_start in [false, true] {
            let values = [1, 2, 9, 9, 3, 4, 5, 6];
            let shard = sharding(at_start).encode(&values, block()).unwrap();
            assert_eq!(shard.len(), 6 + 4 * 16 + 4);
            let body = if at_start { &shard[68..] } else { &shard[..6] };
            assert_eq!(body, [1, 2, 3, 4, 5, 6]);
            let mut out = [0; 8];
            sharding(at_start).decode_into(&shard, block(), &mut out).unwrap();
            assert_eq!(out, values);
        }
    }

    #[test]
    fn an_index_that_lies_is_damage() {
        let sharding = sharding(false);
        let shard = sharding.encode(&[1, 2, 3, 4, 5, 6, 7, 8], block()).unwrap();
        let decode = |shard: &[u8]| sharding.decode_into(shard, block(), &mut [0; 8]).unwrap_err().0;
        assert!(decode(&shard[..20]).contains("index alone takes 68"));
        let mut flipped = shard.clone();
        flipped[10] ^= 1;
        assert!(decode(&flipped).contains("crc32c: stored"));
        // An offset of 2^62 under a right checksum.
        let mut far = shard[8..72].to_vec();
        far[..8].copy_from_slice(&(1_u64 << 62).to_le_bytes());
        let far = [&shard[..8], &Stage::Crc32c.encode(far).unwrap()].concat();
        assert!(decode(&far).contains("entry 0 = (4611686018427387904, 2) lies outside the 76 bytes"));
        let mut wrap = shard[8..72].to_vec();
        wrap[..16].copy_from_slice(&[&(u64::MAX - 1).to_le_bytes()[..], &8_u64.to_le_bytes()].concat());
        let wrap = [&shard[..8], &Stage::Crc32c.encode(wrap).unwrap()].concat();
        assert!(decode(&wrap).contains("lies outside"));
    }
}
