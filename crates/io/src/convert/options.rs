//! What a conversion is told, and what it tells.

use volkit_core::DType;

use crate::{Hdf5Backend, Limits, ZarrCodec, ZarrVersion};

/// Largest chunk that is chosen for an image.
const FRAME_BYTES: usize = 4 << 20;
/// A last axis of at most this length holds the channels of an image.
const MOST_CHANNELS: usize = 4;

/// How the chunks of the arrays are chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ChunkRule {
    /// One image a chunk for `u8` data sets of four axes or more, else the chunks of the data set.
    #[default]
    Auto,
    /// The chunks of the data set; where it has none, [`crate::default_chunk`].
    Keep,
    /// One image a chunk: all axes before the image 1; an image above 4 MiB is cut into rows of equal height.
    Frame,
    /// These lengths, last axis fastest, for data sets of so many axes; 0 takes the whole axis. Others as
    /// [`ChunkRule::Keep`].
    Shape(Vec<usize>),
}

impl ChunkRule {
    /// The chunk for a data set.
    pub(super) fn chunk(&self, shape: &[usize], dtype: DType, own: Option<&[usize]>) -> Vec<usize> {
        let keep = || match own {
            Some(own) => own.to_vec(),
            None => crate::default_chunk(shape, dtype.size()),
        };
        let chunk = match self {
            Self::Auto if shape.len() >= 4 && dtype == DType::U8 => frame(shape, dtype.size()),
            Self::Frame if shape.len() >= 2 => frame(shape, dtype.size()),
            Self::Shape(chunk) if chunk.len() == shape.len() => {
                chunk.iter().zip(shape).map(|(&chunk, &n)| if chunk == 0 { n } else { chunk }).collect()
            }
            _ => keep(),
        };
        // A chunk longer than its axis would only be padded.
        chunk.iter().zip(shape).map(|(&chunk, &n)| chunk.min(n).max(1)).collect()
    }
}

fn frame(shape: &[usize], element: usize) -> Vec<usize> {
    let n_image = if shape.len() > 2 && shape[shape.len() - 1] <= MOST_CHANNELS { 3 } else { 2 };
    let first = shape.len() - n_image;
    let mut chunk: Vec<usize> = (0..shape.len()).map(|axis| if axis < first { 1 } else { shape[axis] }).collect();
    let row = chunk[first + 1..].iter().product::<usize>() * element;
    let n_pieces = (row * chunk[first]).div_ceil(FRAME_BYTES).max(1);
    chunk[first] = chunk[first].div_ceil(n_pieces).max(1);
    chunk
}

/// How an HDF5 file becomes a Zarr store.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConvertOptions {
    /// Chunks of the arrays.
    pub chunks: ChunkRule,
    /// How chunks are compressed. Default: blosc with LZ4, level 5, bits shuffled.
    pub codec: ZarrCodec,
    /// Version of the store. Default: 3.
    pub version: ZarrVersion,
    /// Whether a store that is there and was made from something else is replaced. Default: no.
    pub overwrite: bool,
    /// Whether every chunk is read back and compared with the source. Default: no.
    pub verify: bool,
    /// The library that reads the source.
    pub backend: Hdf5Backend,
    /// Bounds on memory.
    pub limits: Limits,
}

impl ConvertOptions {
    /// The defaults.
    #[must_use]
    pub fn new() -> Self {
        Self {
            chunks: ChunkRule::Auto,
            codec: ZarrCodec::Blosc { codec: crate::BloscCodec::Lz4, level: 5, shuffle: crate::BloscShuffle::Bit },
            version: ZarrVersion::V3,
            overwrite: false,
            verify: false,
            backend: Hdf5Backend::Auto,
            limits: Limits::default(),
        }
    }

    /// The same with other chunks.
    #[must_use]
    pub fn with_chunks(self, chunks: ChunkRule) -> Self {
        Self { chunks, ..self }
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

    /// The same, replacing a store that is there or not.
    #[must_use]
    pub fn with_overwrite(self, overwrite: bool) -> Self {
        Self { overwrite, ..self }
    }

    /// The same, comparing every chunk or not.
    #[must_use]
    pub fn with_verify(self, verify: bool) -> Self {
        Self { verify, ..self }
    }

    /// What of the options decides on the bytes of the store.
    pub(super) fn text(&self) -> String {
        format!("chunks {:?}; codec {:?}; {}", self.chunks, self.codec, self.version.name())
    }
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// An array of a conversion.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConvertedArray {
    /// Path in the file and in the store.
    pub path: String,
    /// Shape, last axis fastest.
    pub shape: Vec<usize>,
    /// Element type.
    pub dtype: DType,
    /// Shape of a chunk.
    pub chunk: Vec<usize>,
    /// Boxes (whole chunks) that this run has converted; those that an earlier run had finished are not counted.
    pub converted: usize,
    /// Boxes that the conversion has in all.
    pub boxes: usize,
    /// CRC-32 of the checksums of all boxes, where they were compared and are equal.
    pub checksum: Option<u32>,
}

/// What a conversion did.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct ConvertReport {
    /// Whether the store was there, made from this file with these options; then nothing was done.
    pub up_to_date: bool,
    /// Whether an interrupted conversion was gone on with.
    pub resumed: bool,
    /// The arrays; empty when nothing was done and nothing was to be compared.
    pub arrays: Vec<ConvertedArray>,
    /// What could not be converted, by name.
    pub warnings: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::ChunkRule;
    use volkit_core::DType;

    #[test]
    fn chunks_for_the_way_they_are_read() {
        let auto = |shape: &[usize], dtype, own| ChunkRule::Auto.chunk(shape, dtype, own);
        assert_eq!(auto(&[100, 6, 1152, 1024, 3], DType::U8, Some(&[13, 1, 144, 128, 1])), [1, 1, 1152, 1024, 3]);
        // 12 MiB an image: three pieces of a third of its rows.
        assert_eq!(ChunkRule::Frame.chunk(&[5, 2048, 2048, 3], DType::U8, None), [1, 683, 2048, 3]);
        assert_eq!(auto(&[10, 20, 30], DType::F32, Some(&[5, 20, 40])), [5, 20, 30]);
        assert_eq!(auto(&[7], DType::F64, None), [7]);
        let shape = ChunkRule::Shape(vec![2, 0, 9]);
        assert_eq!(shape.chunk(&[4, 5, 6], DType::U16, None), [2, 5, 6]);
        assert_eq!(shape.chunk(&[4, 5], DType::U16, Some(&[2, 2])), [2, 2]);
        assert_eq!(ChunkRule::Keep.chunk(&[0, 3], DType::U16, Some(&[1, 3])), [1, 3]);
        assert_eq!(ChunkRule::Frame.chunk(&[], DType::U16, None), Vec::<usize>::new());
    }
}
