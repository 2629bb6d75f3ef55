//! What an array to be written is.

use serde_json::{Map, Value};
use volkit_core::DType;
use zarrs::array::codec::{BloscCompressor, BloscShuffleMode};

use super::blosc::Blosc;
use super::chain::{Body, Chain};
use super::element::{ElementType, parse_fill};
use super::keys::KeyEncoding;
use super::metadata::{Metadata, ZarrVersion};
use super::sharding::Sharding;
use super::stage::Stage;
use crate::Endian;

/// Compressor inside blosc.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloscCodec {
    /// Blosc's own.
    BloscLz,
    /// LZ4.
    Lz4,
    /// LZ4, slower and smaller.
    Lz4Hc,
    /// zlib.
    Zlib,
    /// Zstandard.
    Zstd,
}

/// How blosc gathers bytes or bits of elements before it compresses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BloscShuffle {
    /// Not.
    None,
    /// Bytes by their place in the element.
    Byte,
    /// Bits by their place in the element.
    Bit,
}

/// How chunks are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ZarrCodec {
    /// Not.
    None,
    /// gzip, level 0 to 9.
    Gzip {
        /// 0 to 9.
        level: u32,
    },
    /// Zstandard.
    Zstd {
        /// Up to 22; 0 is Zstandard's default, 3.
        level: i32,
        /// Whether a checksum is stored and checked.
        checksum: bool,
    },
    /// Blosc.
    Blosc {
        /// The compressor.
        codec: BloscCodec,
        /// 0 to 9.
        level: u8,
        /// What comes before it.
        shuffle: BloscShuffle,
    },
}

/// Zstandard at level 1: about three times as fast to write as its own default, level 3, and a few percent larger.
impl Default for ZarrCodec {
    fn default() -> Self {
        Self::Zstd { level: 1, checksum: false }
    }
}

/// An array to be written. All lists are row-major: the last axis is the fastest, `z, y, x`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ZarrSpec {
    /// Elements along each axis; no axis at all for a single number.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
    /// Whether `u8` elements are booleans. Default: no.
    pub is_bool: bool,
    /// Shape of a chunk. Default: [`default_chunk`].
    pub chunk: Vec<usize>,
    /// Shape of a file of many chunks (version 3): a multiple of the chunk along each axis. Default: none.
    pub shard: Option<Vec<usize>>,
    /// Default: Zstandard, level 3.
    pub codec: ZarrCodec,
    /// Version of the format. Default: 3.
    pub version: ZarrVersion,
    /// Value of what is never written, as JSON. Default: 0.
    pub fill: Value,
    /// `/` or `.` between the indices of a chunk. Default: `/`.
    pub separator: char,
    /// Names of the axes (version 3). Default: none.
    pub dimension_names: Vec<Option<String>>,
    /// Attributes. Default: none.
    pub attributes: Map<String, Value>,
}

impl ZarrSpec {
    /// An array of that shape and element type; everything else as the fields say.
    #[must_use]
    pub fn new(shape: impl Into<Vec<usize>>, dtype: DType) -> Self {
        let shape = shape.into();
        Self {
            chunk: default_chunk(&shape, dtype.size()),
            dimension_names: vec![None; shape.len()],
            shape,
            dtype,
            is_bool: false,
            shard: None,
            codec: ZarrCodec::default(),
            version: ZarrVersion::V3,
            fill: if dtype.is_complex() { serde_json::json!([0.0, 0.0]) } else { Value::from(0) },
            separator: '/',
            attributes: Map::new(),
        }
    }

    /// The same in chunks of that shape.
    #[must_use]
    pub fn with_chunk(self, chunk: impl Into<Vec<usize>>) -> Self {
        Self { chunk: chunk.into(), ..self }
    }

    /// The same in files of that shape, each holding many chunks.
    #[must_use]
    pub fn with_shard(self, shard: impl Into<Vec<usize>>) -> Self {
        Self { shard: Some(shard.into()), ..self }
    }

    /// The same with another codec.
    #[must_use]
    pub fn with_codec(self, codec: ZarrCodec) -> Self {
        Self { codec, ..self }
    }

    /// The same in another version of the format.
    #[must_use]
    pub fn with_version(self, version: ZarrVersion) -> Self {
        Self { version, ..self }
    }

    /// The same with another fill value: a number, a boolean, `"NaN"`, a pair for complex numbers.
    #[must_use]
    pub fn with_fill(self, fill: impl Into<Value>) -> Self {
        Self { fill: fill.into(), ..self }
    }

    /// The same with attributes.
    #[must_use]
    pub fn with_attributes(self, attributes: Map<String, Value>) -> Self {
        Self { attributes, ..self }
    }

    /// What the specification says of an array, or why it can not be.
    pub(crate) fn metadata(&self) -> Result<Metadata, (&'static str, String)> {
        let element = ElementType { dtype: self.dtype, is_bool: self.is_bool };
        let named = if self.version == ZarrVersion::V2 { element.v2_name() } else { element.v3_name().map(Into::into) };
        if named.is_none() || (self.is_bool && self.dtype != DType::U8) {
            return Err(("dtype", format!("{} has no elements of type {}", self.version.name(), self.dtype)));
        }
        let n = self.shape.len();
        if self.chunk.len() != n || self.chunk.contains(&0) {
            return Err(("chunk", format!("must be {n} numbers of 1 or more, got {:?}", self.chunk)));
        }
        if !matches!(self.separator, '/' | '.') {
            return Err(("separator", format!("must be \"/\" or \".\", got {:?}", self.separator)));
        }
        let fill = parse_fill(&self.fill, element, false).map_err(|why| ("fill", format!("{}: {why}", self.fill)))?;
        let own = Chain { order: None, body: Body::Bytes(Endian::Little), stages: self.stages(element)? };
        let (chunk, chain) = match &self.shard {
            None => (self.chunk.clone(), own),
            Some(_) if self.version == ZarrVersion::V2 => return Err(("shard", "version 2 has no shards".to_owned())),
            Some(shard) => {
                let fits = shard.len() == n && shard.iter().zip(&self.chunk).all(|(s, c)| *s > 0 && s % c == 0);
                if !fits {
                    return Err(("shard", format!("must be a multiple of the chunk {:?}, got {shard:?}", self.chunk)));
                }
                let sharding = Sharding {
                    inner_shape: self.chunk.clone(),
                    inner: own,
                    index_endian: Endian::Little,
                    index_stages: vec![Stage::Crc32c],
                    index_at_start: false,
                };
                let body = Body::Shards(Box::new(sharding));
                (shard.clone(), Chain { order: None, body, stages: Vec::new() })
            }
        };
        if self.dimension_names.len() != n {
            return Err(("dimension_names", format!("must be {n}, got {}", self.dimension_names.len())));
        }
        Ok(Metadata {
            version: self.version,
            shape: self.shape.clone(),
            chunk,
            element,
            fill,
            keys: KeyEncoding { prefixed: self.version == ZarrVersion::V3, separator: self.separator },
            chain,
            attributes: self.attributes.clone(),
            // Version 2 has no place for them.
            dimension_names: if self.version == ZarrVersion::V3 { self.dimension_names.clone() } else { vec![None; n] },
        })
    }

    fn stages(&self, element: ElementType) -> Result<Vec<Stage>, (&'static str, String)> {
        Ok(match self.codec {
            ZarrCodec::None => Vec::new(),
            ZarrCodec::Gzip { level } if level > 9 => return Err(("codec", format!("gzip has no level {level}"))),
            ZarrCodec::Gzip { level } => vec![Stage::Gzip { level }],
            ZarrCodec::Zstd { level, .. } if level > 22 => return Err(("codec", format!("zstd has no level {level}"))),
            ZarrCodec::Zstd { level, checksum } => vec![Stage::Zstd { level, checksum }],
            ZarrCodec::Blosc { level, .. } if level > 9 => {
                return Err(("codec", format!("blosc has no level {level}")));
            }
            ZarrCodec::Blosc { codec, level, shuffle } => vec![Stage::Blosc(Blosc {
                compressor: match codec {
                    BloscCodec::BloscLz => BloscCompressor::BloscLZ,
                    BloscCodec::Lz4 => BloscCompressor::LZ4,
                    BloscCodec::Lz4Hc => BloscCompressor::LZ4HC,
                    BloscCodec::Zlib => BloscCompressor::Zlib,
                    BloscCodec::Zstd => BloscCompressor::Zstd,
                },
                level,
                shuffle: match shuffle {
                    BloscShuffle::None => BloscShuffleMode::NoShuffle,
                    BloscShuffle::Byte => BloscShuffleMode::Shuffle,
                    BloscShuffle::Bit => BloscShuffleMode::BitShuffle,
                },
                type_size: element.size(),
                block_size: 0,
            })],
        })
    }
}

/// Chunks of about a mebibyte: all axes are halved in turn, the longest first and of equal ones the slowest, until they
/// fit.
#[must_use]
pub fn default_chunk(shape: &[usize], element_size: usize) -> Vec<usize> {
    const MOST_BYTES: usize = 1 << 20;
    let mut chunk: Vec<usize> = shape.iter().map(|&n| n.max(1)).collect();
    let bytes = |chunk: &[usize]| chunk.iter().fold(element_size, |product, &n| product.saturating_mul(n));
    while bytes(&chunk) > MOST_BYTES {
        let Some(longest) = chunk.iter_mut().rev().max_by_key(|n| **n).filter(|n| **n > 1) else {
            break;
        };
        // Powers of two divide most images and each other.
        *longest = longest.next_power_of_two() / 2;
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::{ZarrCodec, ZarrSpec, default_chunk};
    use crate::ZarrVersion;
    use volkit_core::DType;

    #[test]
    fn chunks_that_fit() {
        assert_eq!(default_chunk(&[512, 512, 512], 2), [64, 64, 128]);
        assert_eq!(default_chunk(&[10, 20], 4), [10, 20]);
        assert_eq!(default_chunk(&[0, 3], 4), [1, 3]);
        assert!(default_chunk(&[], 4).is_empty());
    }

    #[test]
    fn what_can_not_be_written_is_named() {
        let spec = || ZarrSpec::new([4, 6], DType::U16);
        let field = |spec: ZarrSpec| spec.metadata().unwrap_err().0;
        assert!(spec().metadata().is_ok());
        assert_eq!(field(spec().with_chunk([4])), "chunk");
        assert_eq!(field(spec().with_chunk([4, 0])), "chunk");
        assert_eq!(field(spec().with_chunk([2, 2]).with_shard([4, 5])), "shard");
        assert_eq!(field(spec().with_version(ZarrVersion::V2).with_shard([4, 6])), "shard");
        assert_eq!(field(spec().with_fill(-1)), "fill");
        assert_eq!(field(spec().with_codec(ZarrCodec::Gzip { level: 10 })), "codec");
        assert_eq!(field(ZarrSpec::new([2], DType::Rgb24)), "dtype");
    }
}
