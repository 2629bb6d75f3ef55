//! The codecs of an array in their order: turned axes, bytes in an order or a shard of chunks, then bytes to bytes.

use std::borrow::Cow;

use super::sharding::Sharding;
use super::stage::{Damage, Size, Stage};
use super::transpose::transpose;
use crate::Endian;
use volkit_core::DType;

/// What a chunk is, whatever its codecs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Block<'a> {
    /// Shape, row-major.
    pub(crate) shape: &'a [usize],
    pub(crate) dtype: DType,
    /// Bytes of the fill value in memory.
    pub(crate) fill: &'a [u8],
}

impl Block<'_> {
    pub(crate) fn n_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }
}

/// How elements become bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Body {
    /// One after the other.
    Bytes(Endian),
    /// As smaller chunks with an index.
    Shards(Box<Sharding>),
}

/// The codecs of an array.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Chain {
    /// Axis `i` of what is encoded is axis `order[i]` of the chunk.
    pub(crate) order: Option<Vec<usize>>,
    pub(crate) body: Body,
    pub(crate) stages: Vec<Stage>,
}

impl Chain {
    /// Most bytes that an encoded chunk can have.
    pub(crate) fn encoded_size(&self, n_bytes: usize, n_elements: usize) -> Size {
        let body = self.body_size(n_bytes, n_elements);
        self.stages.iter().fold(body, |size, stage| stage.encoded_size(size))
    }

    fn body_size(&self, n_bytes: usize, n_elements: usize) -> Size {
        match &self.body {
            Body::Bytes(_) => Size::Exactly(n_bytes),
            Body::Shards(sharding) => Size::AtMost(sharding.encoded_size(n_bytes, n_elements)),
        }
    }

    /// The first codec that is read but not written.
    pub(crate) fn read_only_codec(&self) -> Option<&'static str> {
        let own = self.stages.iter().find(|stage| !stage.is_written()).map(Stage::name);
        own.or_else(|| match &self.body {
            Body::Bytes(_) => None,
            Body::Shards(sharding) => sharding.inner.read_only_codec(),
        })
    }

    pub(crate) fn compresses(&self) -> bool {
        let inner = matches!(&self.body, Body::Shards(sharding) if sharding.inner.compresses());
        inner || self.stages.iter().any(Stage::compresses)
    }

    /// The sharding whose inner chunks can be read one by one.
    pub(crate) fn readable_shards(&self) -> Option<&Sharding> {
        match &self.body {
            Body::Shards(sharding) if self.order.is_none() && self.stages.is_empty() => Some(sharding),
            _ => None,
        }
    }

    /// Decodes a chunk: row-major, in the byte order of memory.
    pub(crate) fn decode_into(&self, encoded: &[u8], block: Block<'_>, out: &mut [u8]) -> Result<(), Damage> {
        let Some(order) = &self.order else {
            return self.decode_body(encoded, block, out);
        };
        let turned: Vec<usize> = order.iter().map(|&axis| block.shape[axis]).collect();
        let mut values = vec![0; out.len()];
        self.decode_body(encoded, Block { shape: &turned, ..block }, &mut values)?;
        transpose(&values, out, (block.shape, order), block.dtype.size(), true);
        Ok(())
    }

    fn decode_body(&self, encoded: &[u8], block: Block<'_>, out: &mut [u8]) -> Result<(), Damage> {
        match &self.body {
            Body::Bytes(endian) => {
                self.undo_stages_into(encoded, out)?;
                endian.swap_if_needed(block.dtype, out);
                Ok(())
            }
            Body::Shards(sharding) => {
                let size = self.body_size(out.len(), out.len() / block.dtype.size());
                let shard = self.undo_stages(encoded, size, 0)?;
                sharding.decode_into(&shard, block, out)
            }
        }
    }

    fn undo_stages_into(&self, encoded: &[u8], out: &mut [u8]) -> Result<(), Damage> {
        let Some(first) = self.stages.first() else {
            if encoded.len() != out.len() {
                return Err(Damage(format!("{} bytes, {} expected", encoded.len(), out.len())));
            }
            out.copy_from_slice(encoded);
            return Ok(());
        };
        let bytes = self.undo_stages(encoded, Size::Exactly(out.len()), 1)?;
        first.decode_into(&bytes, out)
    }

    /// Undoes the stages from the last to stage `down_to`; `size` is what entered the first.
    fn undo_stages<'a>(&self, encoded: &'a [u8], size: Size, down_to: usize) -> Result<Cow<'a, [u8]>, Damage> {
        let mut sizes = vec![size];
        for stage in &self.stages {
            sizes.push(stage.encoded_size(sizes[sizes.len() - 1]));
        }
        let mut bytes = Cow::Borrowed(encoded);
        for (stage, size) in self.stages.iter().zip(sizes).skip(down_to).rev() {
            bytes = Cow::Owned(stage.decode(&bytes, size)?);
        }
        Ok(bytes)
    }

    /// Encodes a chunk.
    pub(crate) fn encode(&self, values: &[u8], block: Block<'_>) -> Result<Vec<u8>, Damage> {
        let (values, shape) = match &self.order {
            Some(order) => {
                let mut turned = vec![0; values.len()];
                transpose(values, &mut turned, (block.shape, order), block.dtype.size(), false);
                (Cow::Owned(turned), order.iter().map(|&axis| block.shape[axis]).collect())
            }
            None => (Cow::Borrowed(values), block.shape.to_vec()),
        };
        if let (Body::Bytes(endian), [Stage::Zstd { .. } | Stage::Blosc(_), ..]) = (&self.body, self.stages.as_slice())
            && *endian == Endian::in_memory(block.dtype)
        {
            // The most usual chain need not copy the chunk before it is compressed.
            let first = self.stages[0].encode_slice(&values)?;
            return self.stages[1..].iter().try_fold(first, |bytes, stage| stage.encode(bytes));
        }
        let bytes = match &self.body {
            Body::Bytes(endian) => {
                let mut bytes = values.into_owned();
                endian.swap_if_needed(block.dtype, &mut bytes);
                bytes
            }
            Body::Shards(sharding) => sharding.encode(&values, Block { shape: &shape, ..block })?,
        };
        self.stages.iter().try_fold(bytes, |bytes, stage| stage.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::{Block, Body, Chain};
    use crate::Endian;
    use crate::zarr::stage::Stage;
    use volkit_core::DType;

    fn check(chain: &Chain, shape: &[usize]) -> Vec<u8> {
        let n: usize = shape.iter().product();
        let values: Vec<u8> = (0..n as u16).flat_map(u16::to_ne_bytes).collect();
        let block = Block { shape, dtype: DType::U16, fill: &[0, 0] };
        let encoded = chain.encode(&values, block).unwrap();
        assert!(encoded.len() <= chain.encoded_size(values.len(), n).most());
        let mut out = vec![9; values.len()];
        chain.decode_into(&encoded, block, &mut out).unwrap();
        assert_eq!(out, values);
        encoded
    }

    #[test]
    fn turned_axes_and_byte_order() {
        let chain = Chain { order: Some(vec![1, 0]), body: Body::Bytes(Endian::Big), stages: Vec::new() };
        assert_eq!(check(&chain, &[2, 3]), [0, 0, 0, 3, 0, 1, 0, 4, 0, 2, 0, 5]);
        let plain = Chain { order: None, body: Body::Bytes(Endian::Little), stages: Vec::new() };
        assert_eq!(check(&plain, &[2]), [0, 0, 1, 0]);
        assert_eq!(check(&plain, &[]), [0, 0]);
    }

    #[test]
    fn several_stages() {
        let stages = vec![Stage::Shuffle { element_size: 2 }, Stage::Zstd { level: 1, checksum: false }, Stage::Crc32c];
        let chain = Chain { order: Some(vec![2, 0, 1]), body: Body::Bytes(Endian::Little), stages };
        let mut encoded = check(&chain, &[4, 3, 5]);
        let block = Block { shape: &[4, 3, 5], dtype: DType::U16, fill: &[0, 0] };
        encoded[3] ^= 1;
        assert!(chain.decode_into(&encoded, block, &mut [0; 120]).unwrap_err().0.starts_with("crc32c"));
        assert!(chain.compresses() && chain.read_only_codec().is_none());
        let chain = Chain { stages: vec![Stage::Lz4], ..chain };
        assert_eq!(chain.read_only_codec(), Some("lz4"));
    }
}
