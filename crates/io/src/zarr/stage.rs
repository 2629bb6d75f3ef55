//! Codecs that turn bytes into bytes. Decoding gives the size that the chunk must have or an error, whatever the
//! stream claims.

use std::cell::RefCell;
use std::io::{self, Read, Write};

use volkit_core::DType;

use super::blosc::{self, Blosc};
use crate::Endian;

/// What is wrong with the bytes of a chunk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damage(pub(crate) String);

/// Bytes that something has decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    Exactly(usize),
    AtMost(usize),
}

impl Size {
    pub(crate) fn most(self) -> usize {
        match self {
            Self::Exactly(n) | Self::AtMost(n) => n,
        }
    }
}

/// A codec from bytes to bytes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    Gzip {
        level: u32,
    },
    Zlib {
        level: u32,
    },
    Zstd {
        level: i32,
        checksum: bool,
    },
    Blosc(Blosc),
    Crc32c,
    /// Bytes of elements gathered by their place in the element.
    Shuffle {
        element_size: usize,
    },
    /// Differences of successive elements.
    Delta {
        dtype: DType,
        endian: Endian,
    },
    Lz4,
    Bz2,
}

/// Bytes that any of the compressors adds at most to what it can not compress: an eighth and a constant is far above
/// all of them.
fn expanded(n: usize) -> usize {
    n.saturating_add(n / 8).saturating_add(4096)
}

impl Stage {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Gzip { .. } => "gzip",
            Self::Zlib { .. } => "zlib",
            Self::Zstd { .. } => "zstd",
            Self::Blosc(_) => "blosc",
            Self::Crc32c => "crc32c",
            Self::Shuffle { .. } => "shuffle",
            Self::Delta { .. } => "delta",
            Self::Lz4 => "lz4",
            Self::Bz2 => "bz2",
        }
    }

    /// Whether [`Stage::encode`] knows it.
    pub(crate) fn is_written(&self) -> bool {
        !matches!(self, Self::Delta { .. } | Self::Lz4 | Self::Bz2)
    }

    /// Whether it makes the bytes fewer.
    pub(crate) fn compresses(&self) -> bool {
        !matches!(self, Self::Crc32c | Self::Shuffle { .. } | Self::Delta { .. })
    }

    /// Size of its output for an input of that size.
    pub(crate) fn encoded_size(&self, size: Size) -> Size {
        match (self, size) {
            (Self::Shuffle { .. } | Self::Delta { .. }, size) => size,
            (Self::Crc32c, Size::Exactly(n)) => Size::Exactly(n.saturating_add(4)),
            (Self::Crc32c, Size::AtMost(n)) => Size::AtMost(n.saturating_add(4)),
            (_, size) => Size::AtMost(expanded(size.most())),
        }
    }

    pub(crate) fn encode(&self, bytes: Vec<u8>) -> Result<Vec<u8>, Damage> {
        let failed = |error: io::Error| Damage(format!("{}: {error}", self.name()));
        match self {
            Self::Gzip { level } => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(*level));
                encoder.write_all(&bytes).and_then(|()| encoder.finish()).map_err(failed)
            }
            Self::Zlib { level } => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::new(*level));
                encoder.write_all(&bytes).and_then(|()| encoder.finish()).map_err(failed)
            }
            Self::Zstd { .. } | Self::Blosc(_) => self.encode_slice(&bytes),
            Self::Crc32c => {
                let mut bytes = bytes;
                let sum = crc32c::crc32c(&bytes);
                bytes.extend_from_slice(&sum.to_le_bytes());
                Ok(bytes)
            }
            Self::Shuffle { element_size } => {
                let mut out = vec![0; bytes.len()];
                shuffle(&bytes, &mut out, *element_size, false)?;
                Ok(out)
            }
            Self::Delta { .. } | Self::Lz4 | Self::Bz2 => {
                Err(Damage(format!("the codec {} is read, not written", self.name())))
            }
        }
    }

    /// [`Stage::encode`] of bytes that stay where they are.
    pub(crate) fn encode_slice(&self, bytes: &[u8]) -> Result<Vec<u8>, Damage> {
        match self {
            Self::Zstd { level, checksum } => {
                zstd_compress(bytes, *level, *checksum).map_err(|error| Damage(format!("zstd: {error}")))
            }
            Self::Blosc(blosc) => blosc.encode(bytes),
            _ => self.encode(bytes.to_vec()),
        }
    }

    /// Decodes to a vector of that size.
    pub(crate) fn decode(&self, bytes: &[u8], size: Size) -> Result<Vec<u8>, Damage> {
        match size {
            Size::Exactly(n) => {
                let mut out = vec![0; n];
                self.decode_into(bytes, &mut out)?;
                Ok(out)
            }
            Size::AtMost(most) => self.decode_up_to(bytes, most),
        }
    }

    /// Decodes to exactly `out`.
    pub(crate) fn decode_into(&self, bytes: &[u8], out: &mut [u8]) -> Result<(), Damage> {
        match self {
            Self::Gzip { .. } => self.fill(flate2::bufread::MultiGzDecoder::new(bytes), out),
            Self::Zlib { .. } => self.fill(flate2::bufread::ZlibDecoder::new(bytes), out),
            Self::Bz2 => self.fill(bzip2::read::MultiBzDecoder::new(bytes), out),
            Self::Zstd { .. } => zstd_decompress(bytes, out),
            Self::Blosc(blosc) => {
                out.copy_from_slice(&blosc.decode(bytes, out.len())?);
                Ok(())
            }
            Self::Crc32c => {
                let body = check_crc32c(bytes)?;
                self.check_len(body.len(), out.len())?;
                out.copy_from_slice(body);
                Ok(())
            }
            Self::Shuffle { element_size } => {
                self.check_len(bytes.len(), out.len())?;
                shuffle(bytes, out, *element_size, true)
            }
            Self::Delta { dtype, endian } => {
                self.check_len(bytes.len(), out.len())?;
                out.copy_from_slice(bytes);
                undo_delta(out, *dtype, *endian);
                Ok(())
            }
            Self::Lz4 => {
                let body = lz4_body(bytes, out.len())?;
                let n = lz4_flex::block::decompress_into(body, out).map_err(|error| Damage(format!("lz4: {error}")))?;
                self.check_len(n, out.len())
            }
        }
    }

    fn decode_up_to(&self, bytes: &[u8], most: usize) -> Result<Vec<u8>, Damage> {
        match self {
            Self::Gzip { .. } => self.gather(flate2::bufread::MultiGzDecoder::new(bytes), most),
            Self::Zlib { .. } => self.gather(flate2::bufread::ZlibDecoder::new(bytes), most),
            Self::Bz2 => self.gather(bzip2::read::MultiBzDecoder::new(bytes), most),
            Self::Zstd { .. } => {
                let decoder = zstd::stream::read::Decoder::with_buffer(bytes);
                self.gather(decoder.map_err(|error| Damage(format!("zstd: {error}")))?, most)
            }
            Self::Blosc(_) => self.decode(bytes, Size::Exactly(self.claim(blosc::claimed_size(bytes), most)?)),
            Self::Lz4 => {
                let claim = bytes.first_chunk::<4>().map(|head| u32::from_le_bytes(*head) as usize);
                self.decode(bytes, Size::Exactly(self.claim(claim, most)?))
            }
            Self::Crc32c => Ok(check_crc32c(bytes)?.to_vec()),
            Self::Shuffle { .. } | Self::Delta { .. } => self.decode(bytes, Size::Exactly(bytes.len())),
        }
    }

    fn claim(&self, claim: Option<usize>, most: usize) -> Result<usize, Damage> {
        match claim {
            Some(n) if n <= most => Ok(n),
            Some(n) => Err(Damage(format!("{}: claims {n} bytes, at most {most} can be", self.name()))),
            None => Err(Damage(format!("{}: has no header", self.name()))),
        }
    }

    fn check_len(&self, got: usize, wanted: usize) -> Result<(), Damage> {
        if got == wanted {
            return Ok(());
        }
        Err(Damage(format!("{}: {got} bytes, {wanted} expected", self.name())))
    }

    fn fill(&self, mut reader: impl Read, out: &mut [u8]) -> Result<(), Damage> {
        let mut done = 0;
        while done < out.len() {
            match reader.read(&mut out[done..]).map_err(|error| Damage(format!("{}: {error}", self.name())))? {
                0 => return self.check_len(done, out.len()),
                n => done += n,
            }
        }
        // Reading on checks the sums at the end of the stream.
        match reader.read(&mut [0]).map_err(|error| Damage(format!("{}: {error}", self.name())))? {
            0 => Ok(()),
            _ => Err(Damage(format!("{}: more than the {} bytes of the chunk", self.name(), out.len()))),
        }
    }

    fn gather(&self, reader: impl Read, most: usize) -> Result<Vec<u8>, Damage> {
        let mut out = Vec::new();
        let read = reader.take(most as u64 + 1).read_to_end(&mut out);
        read.map_err(|error| Damage(format!("{}: {error}", self.name())))?;
        if out.len() > most {
            return Err(Damage(format!("{}: more than the {most} bytes that can be", self.name())));
        }
        Ok(out)
    }
}

thread_local! {
    // Making a context costs more than a small chunk does.
    static COMPRESSOR: RefCell<Option<(i32, bool, zstd::bulk::Compressor<'static>)>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

fn zstd_compress(bytes: &[u8], level: i32, checksum: bool) -> io::Result<Vec<u8>> {
    COMPRESSOR.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(l, c, _)| (*l, *c) != (level, checksum)) {
            let mut compressor = zstd::bulk::Compressor::new(level)?;
            compressor.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(checksum))?;
            *slot = Some((level, checksum, compressor));
        }
        let (_, _, compressor) = slot.as_mut().ok_or_else(|| io::Error::other("no context"))?;
        compressor.compress(bytes)
    })
}

fn zstd_decompress(bytes: &[u8], out: &mut [u8]) -> Result<(), Damage> {
    let wanted = out.len();
    let decompressed = DECOMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = Some(zstd::bulk::Decompressor::new()?);
        }
        let decompressor = slot.as_mut().ok_or_else(|| io::Error::other("no context"))?;
        decompressor.decompress_to_buffer(bytes, out)
    });
    match decompressed {
        Ok(n) if n == wanted => Ok(()),
        Ok(n) => Err(Damage(format!("zstd: {n} bytes, {wanted} expected"))),
        Err(error) => Err(Damage(format!("zstd: {error} ({wanted} bytes expected)"))),
    }
}

fn check_crc32c(bytes: &[u8]) -> Result<&[u8], Damage> {
    let Some((body, sum)) = bytes.split_last_chunk::<4>() else {
        return Err(Damage(format!("crc32c: {} bytes hold no checksum", bytes.len())));
    };
    let (stored, computed) = (u32::from_le_bytes(*sum), crc32c::crc32c(body));
    if stored != computed {
        return Err(Damage(format!("crc32c: stored {stored:#010x}, computed {computed:#010x}")));
    }
    Ok(body)
}

/// The block behind the 4-byte size that NumPy's codec library writes.
fn lz4_body(bytes: &[u8], wanted: usize) -> Result<&[u8], Damage> {
    match bytes.split_first_chunk::<4>() {
        Some((head, body)) if u32::from_le_bytes(*head) as usize == wanted => Ok(body),
        Some((head, _)) => Err(Damage(format!("lz4: claims {} bytes, {wanted} expected", u32::from_le_bytes(*head)))),
        None => Err(Damage("lz4: has no header".to_owned())),
    }
}

fn shuffle(from: &[u8], to: &mut [u8], element_size: usize, inverse: bool) -> Result<(), Damage> {
    if element_size <= 1 {
        to.copy_from_slice(from);
        return Ok(());
    }
    let n = from.len() / element_size;
    if n * element_size != from.len() {
        return Err(Damage(format!("shuffle: {} bytes are no elements of {element_size}", from.len())));
    }
    for byte in 0..element_size {
        for index in 0..n {
            let (element, plane) = (index * element_size + byte, byte * n + index);
            if inverse {
                to[element] = from[plane];
            } else {
                to[plane] = from[element];
            }
        }
    }
    Ok(())
}

/// Turns differences into running sums, which wrap as NumPy's do.
fn undo_delta(bytes: &mut [u8], dtype: DType, endian: Endian) {
    macro_rules! sums {
        ($ty:ty, $add:expr) => {{
            let mut sum = <$ty>::default();
            let (elements, _) = bytes.as_chunks_mut::<{ size_of::<$ty>() }>();
            for element in elements {
                let little = endian == Endian::Little;
                let step = if little { <$ty>::from_le_bytes(*element) } else { <$ty>::from_be_bytes(*element) };
                sum = $add(sum, step);
                *element = if little { sum.to_le_bytes() } else { sum.to_be_bytes() };
            }
        }};
    }
    match dtype {
        DType::U8 | DType::I8 => sums!(u8, u8::wrapping_add),
        DType::U16 | DType::I16 => sums!(u16, u16::wrapping_add),
        DType::U32 | DType::I32 => sums!(u32, u32::wrapping_add),
        DType::U64 | DType::I64 => sums!(u64, u64::wrapping_add),
        DType::F32 => sums!(f32, |a: f32, b: f32| a + b),
        _ => sums!(f64, |a: f64, b: f64| a + b),
    }
}

#[cfg(test)]
mod tests;
