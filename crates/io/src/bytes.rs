//! Bytes of a file at any position, whether the file is compressed or not.

use std::fs::File;
use std::io::{Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rayon::prelude::*;

use crate::gzip::{self, GzReader};
use crate::{IoError, ReadOptions};

/// What is kept of the beginning of a compressed file, so that headers can be read in any order.
const HEAD_BYTES: usize = 4096;
const SKIP_BYTES: usize = 256 << 10;
/// Reads from this length on are shared out, in parts of that one.
const SHARED_BYTES: usize = 4 << 20;
const PART_BYTES: usize = 1 << 20;
/// Expansion that is taken on trust when memory is asked for before a stream is inflated.
pub(crate) const LIKELY_RATIO: u64 = 256;

/// A file that can be read at any position, from any thread. The content decides whether it is compressed.
pub(crate) struct ByteSource {
    path: PathBuf,
    kind: Kind,
}

enum Kind {
    Plain { file: File, len: u64 },
    Memory(&'static [u8]),
    Gzip { cursor: Box<Mutex<GzCursor>>, compressed_len: u64 },
}

impl ByteSource {
    pub(crate) fn open(path: &Path, options: &ReadOptions) -> Result<Self, IoError> {
        let file = File::open(path).map_err(|error| IoError::io(path, "open", error))?;
        let metadata = file.metadata().map_err(|error| IoError::io(path, "open", error))?;
        if metadata.is_dir() {
            return Err(IoError::not_this_format(path, "a folder"));
        }
        let len = metadata.len();
        let mut magic = [0; 2];
        let is_gzip = read_up_to(&file, 0, &mut magic).map_err(|error| IoError::io(path, "read", error))? == 2
            && magic == gzip::MAGIC;
        let kind = if is_gzip {
            let cursor = GzCursor::new(path, file, options)?;
            Kind::Gzip { cursor: Box::new(Mutex::new(cursor)), compressed_len: len }
        } else {
            Kind::Plain { file, len }
        };
        Ok(Self { path: path.to_owned(), kind })
    }

    /// Bytes that are part of the program, as those of a file of that name.
    pub(crate) fn memory(name: &str, bytes: &'static [u8]) -> Self {
        Self { path: PathBuf::from(name), kind: Kind::Memory(bytes) }
    }

    /// An open file of that length, whatever its first bytes look like.
    #[cfg(feature = "hdf5")]
    pub(crate) fn plain(path: &Path, file: File, len: u64) -> Self {
        Self { path: path.to_owned(), kind: Kind::Plain { file, len } }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn is_gzip(&self) -> bool {
        matches!(self.kind, Kind::Gzip { .. })
    }

    /// Bytes of the content: exact for plain files, what a compressed file can expand to at most for others.
    pub(crate) fn max_len(&self) -> u64 {
        match &self.kind {
            Kind::Plain { len, .. } => *len,
            Kind::Memory(bytes) => bytes.len() as u64,
            Kind::Gzip { compressed_len, .. } => compressed_len.saturating_mul(gzip::MAX_RATIO),
        }
    }

    /// Fills `out` from `offset`.
    pub(crate) fn read_at(&self, what: &str, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let found = self.read_up_to(offset, out)?;
        if found < out.len() {
            let (expected, found) = (offset + out.len() as u64, offset + found as u64);
            return Err(IoError::Truncated { path: self.path.clone(), what: what.to_owned(), expected, found });
        }
        Ok(())
    }

    /// Fills `out` from `offset` as far as the content goes.
    pub(crate) fn read_up_to(&self, offset: u64, out: &mut [u8]) -> Result<usize, IoError> {
        match &self.kind {
            Kind::Plain { file, .. } => {
                read_shared(file, offset, out).map_err(|error| IoError::io(&self.path, "read", error))
            }
            Kind::Memory(bytes) => {
                let rest = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..)).unwrap_or_default();
                let n = rest.len().min(out.len());
                out[..n].copy_from_slice(&rest[..n]);
                Ok(n)
            }
            Kind::Gzip { cursor, .. } => lock(cursor).read_up_to(offset, out),
        }
    }

    /// The bytes from `offset` to the end, at most `limit`, and whether there are more.
    pub(crate) fn read_rest(&self, offset: u64, limit: u64) -> Result<(Vec<u8>, bool), IoError> {
        let mut rest = Vec::new();
        let mut block = vec![0; 64 << 10];
        loop {
            let count = self.read_up_to(offset + rest.len() as u64, &mut block)?;
            let free = limit - rest.len() as u64;
            if count as u64 > free {
                rest.extend_from_slice(&block[..free as usize]);
                return Ok((rest, true));
            }
            rest.extend_from_slice(&block[..count]);
            if count < block.len() {
                return Ok((rest, false));
            }
        }
    }

    /// Names the bytes that hold the voxels: what may be kept in memory when reads go backwards. With `verify`, the
    /// checksum is verified when their last byte is read.
    pub(crate) fn set_voxel_bytes(&self, range: Range<u64>, verify: bool) {
        if let Kind::Gzip { cursor, .. } = &self.kind {
            let mut cursor = lock(cursor);
            (cursor.voxel_bytes, cursor.verify) = (range, verify);
        }
    }

    /// Verifies the checksum of a compressed stream that has been read to the last byte of interest.
    pub(crate) fn finish(&self) -> Result<(), IoError> {
        match &self.kind {
            Kind::Plain { .. } | Kind::Memory(_) => Ok(()),
            Kind::Gzip { cursor, .. } => {
                let mut cursor = lock(cursor);
                let strict = cursor.strict;
                if cursor.tail.is_some() { Ok(()) } else { cursor.reader.finish(strict) }
            }
        }
    }

    /// The compressed file in memory, to be inflated at once, which is faster than piece by piece; `least` is what it must
    /// hold. None where that can not be: a file that is not compressed, too large to be held beside the result, or too
    /// small for so much content.
    pub(crate) fn packed(&self, least: usize) -> Option<Packed> {
        const MAX_PACKED_BYTES: u64 = 28 << 20;
        const SIZE_BYTES: usize = 4;
        let Kind::Gzip { compressed_len, .. } = &self.kind else { return None };
        if *compressed_len > MAX_PACKED_BYTES || least as u64 / LIKELY_RATIO > *compressed_len {
            return None;
        }
        let bytes = std::fs::read(&self.path).ok()?;
        let len = u32::from_le_bytes(*bytes.last_chunk::<SIZE_BYTES>()?) as usize;
        (len >= least).then_some(Packed { bytes, len })
    }

    /// Keeps the last bytes of a stream that has been inflated at once, checksum and all: reads from there need not
    /// inflate it again.
    pub(crate) fn set_tail(&self, start: u64, tail: Vec<u8>) {
        if let Kind::Gzip { cursor, .. } = &self.kind {
            lock(cursor).tail = Some((start, tail));
        }
    }

    /// The error of a compressed file that is cut before any of its content can be told; none for other files.
    pub(crate) fn cut_at_its_start(&self) -> Option<IoError> {
        let Kind::Gzip { cursor, compressed_len } = &self.kind else { return None };
        let cursor = lock(cursor);
        cursor.reader.is_cut().then(|| gzip::cut(&self.path, *compressed_len))
    }

    /// What reading has noticed since the last call.
    pub(crate) fn take_warnings(&self) -> Vec<String> {
        match &self.kind {
            Kind::Plain { .. } | Kind::Memory(_) => Vec::new(),
            Kind::Gzip { cursor, .. } => lock(cursor).reader.take_warnings(),
        }
    }
}

fn lock(cursor: &Mutex<GzCursor>) -> MutexGuard<'_, GzCursor> {
    cursor.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A compressed file in memory.
pub(crate) struct Packed {
    bytes: Vec<u8>,
    /// Length of the content, as the file tells it.
    pub(crate) len: usize,
}

impl Packed {
    /// Inflates all of it into `out`, of length [`Packed::len`], and verifies the checksum. False for several members, and
    /// for damage (which reading piece by piece names).
    pub(crate) fn inflate(&self, out: &mut [u8]) -> bool {
        libdeflater::Decompressor::new().gzip_decompress(&self.bytes, out) == Ok(out.len())
    }
}

/// A compressed file read forward; a step back starts from its beginning, or from a copy in memory.
struct GzCursor {
    path: PathBuf,
    reader: GzReader<File>,
    position: u64,
    head: Vec<u8>,
    voxel_bytes: Range<u64>,
    verify: bool,
    cached: Option<Vec<u8>>,
    cache_limit: u64,
    strict: bool,
    /// The end of the content, from that position, where it is known.
    tail: Option<(u64, Vec<u8>)>,
}

impl GzCursor {
    fn new(path: &Path, file: File, options: &ReadOptions) -> Result<Self, IoError> {
        let mut cursor = Self {
            path: path.to_owned(),
            reader: GzReader::new(path, rewound(path, file)?),
            position: 0,
            head: Vec::new(),
            voxel_bytes: 0..0,
            verify: false,
            cached: None,
            cache_limit: options.gzip_cache_bytes,
            strict: options.strict_gzip,
            tail: None,
        };
        let mut head = vec![0; HEAD_BYTES];
        let len = cursor.reader.read(&mut head)?;
        head.truncate(len);
        (cursor.head, cursor.position) = (head, len as u64);
        Ok(cursor)
    }

    fn read_up_to(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, IoError> {
        if let Some((start, tail)) = &self.tail
            && let Some(skipped) = offset.checked_sub(*start)
        {
            let rest = tail.get(usize::try_from(skipped).unwrap_or(usize::MAX)..).unwrap_or_default();
            let count = rest.len().min(out.len());
            out[..count].copy_from_slice(&rest[..count]);
            return Ok(count);
        }
        let count = self.read_some(offset, out)?;
        if self.verify && offset + count as u64 == self.voxel_bytes.end && self.cached.is_none() {
            self.reader.finish(self.strict)?;
            // `finish` may have inflated bytes past the voxels: the next read starts again.
            (self.position, self.verify) = (u64::MAX, false);
        }
        Ok(count)
    }

    fn read_some(&mut self, offset: u64, out: &mut [u8]) -> Result<usize, IoError> {
        let mut filled = 0;
        if offset < self.head.len() as u64 {
            let head = &self.head[offset as usize..];
            filled = head.len().min(out.len());
            out[..filled].copy_from_slice(&head[..filled]);
        }
        if filled == out.len() {
            return Ok(filled);
        }
        let offset = offset + filled as u64;
        if offset < self.position {
            if self.cached.is_none() && self.fits_cache() {
                self.fill_cache()?;
            }
            if let Some(cached) = self.cached_bytes(offset, out.len() - filled) {
                out[filled..].copy_from_slice(cached);
                return Ok(out.len());
            }
            self.rewind()?;
        } else if let Some(cached) = self.cached_bytes(offset, out.len() - filled) {
            out[filled..].copy_from_slice(cached);
            return Ok(out.len());
        }
        self.skip_to(offset)?;
        if self.position < offset {
            return Ok(filled);
        }
        let count = self.reader.read(&mut out[filled..])?;
        self.position += count as u64;
        Ok(filled + count)
    }

    fn fits_cache(&self) -> bool {
        let len = self.voxel_bytes.end - self.voxel_bytes.start;
        len > 0 && len <= self.cache_limit
    }

    fn cached_bytes(&self, offset: u64, len: usize) -> Option<&[u8]> {
        let start = usize::try_from(offset.checked_sub(self.voxel_bytes.start)?).ok()?;
        self.cached.as_ref()?.get(start..start.checked_add(len)?)
    }

    fn fill_cache(&mut self) -> Result<(), IoError> {
        self.rewind()?;
        self.skip_to(self.voxel_bytes.start)?;
        let wanted = (self.voxel_bytes.end - self.voxel_bytes.start) as usize;
        let mut cached = Vec::new();
        let mut from_head = self.head.get(self.voxel_bytes.start as usize..).unwrap_or_default().to_vec();
        from_head.truncate(wanted);
        cached.append(&mut from_head);
        // The head has been inflated with the rewind; the rest follows in blocks, so that a header that lies costs
        // no more than the stream holds.
        while cached.len() < wanted {
            let start = cached.len();
            cached.resize(wanted.min(start + (16 << 20)), 0);
            let count = self.reader.read(&mut cached[start..])?;
            self.position += count as u64;
            if start + count < cached.len() {
                cached.truncate(start + count);
                break;
            }
        }
        if self.verify && cached.len() == wanted {
            self.reader.finish(self.strict)?;
            self.verify = false;
        }
        self.position = u64::MAX;
        self.cached = Some(cached);
        Ok(())
    }

    /// Back to the first byte after the head.
    fn rewind(&mut self) -> Result<(), IoError> {
        let file = File::open(&self.path).map_err(|error| IoError::io(&self.path, "open", error))?;
        self.reader = GzReader::new(&self.path, file);
        let mut head = vec![0; self.head.len()];
        self.position = self.reader.read(&mut head)? as u64;
        Ok(())
    }

    /// Inflates and drops what lies before `offset`.
    fn skip_to(&mut self, offset: u64) -> Result<(), IoError> {
        if self.position >= offset {
            return Ok(());
        }
        let mut scratch = vec![0; SKIP_BYTES.min((offset - self.position) as usize)];
        while self.position < offset {
            let len = (offset - self.position).min(scratch.len() as u64) as usize;
            let count = self.reader.read(&mut scratch[..len])?;
            self.position += count as u64;
            if count < len {
                break;
            }
        }
        Ok(())
    }
}

fn rewound(path: &Path, mut file: File) -> Result<File, IoError> {
    file.seek(SeekFrom::Start(0)).map_err(|error| IoError::io(path, "read", error))?;
    Ok(file)
}

#[cfg(unix)]
fn read_some_at(file: &File, offset: u64, out: &mut [u8]) -> std::io::Result<usize> {
    std::os::unix::fs::FileExt::read_at(file, out, offset)
}

#[cfg(windows)]
fn read_some_at(file: &File, offset: u64, out: &mut [u8]) -> std::io::Result<usize> {
    std::os::windows::fs::FileExt::seek_read(file, out, offset)
}

/// [`read_up_to`], shared out among the threads where there is much to read: half of the time of a read into fresh memory
/// goes into making its pages.
fn read_shared(file: &File, offset: u64, out: &mut [u8]) -> std::io::Result<usize> {
    if out.len() < SHARED_BYTES {
        return read_up_to(file, offset, out);
    }
    let part = |(i, part): (usize, &mut [u8])| {
        let count = read_up_to(file, offset.saturating_add((i * PART_BYTES) as u64), part)?;
        Ok((count, count == part.len()))
    };
    let counts: Vec<(usize, bool)> =
        out.par_chunks_mut(PART_BYTES).enumerate().map(part).collect::<std::io::Result<_>>()?;
    let n_whole = counts.iter().take_while(|(_, is_whole)| *is_whole).count();
    Ok(counts.iter().take(n_whole + 1).map(|(count, _)| count).sum())
}

pub(crate) fn read_up_to(file: &File, offset: u64, out: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < out.len() {
        match read_some_at(file, offset.saturating_add(filled as u64), &mut out[filled..]) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_reads_are_those_of_one_thread() {
        let path = std::env::temp_dir().join(format!("volkit-bytes-{}", std::process::id()));
        let bytes: Vec<u8> = (0..SHARED_BYTES + 3 * PART_BYTES + 77).map(|i| (i * 7 + i / 251) as u8).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = File::open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        for (offset, len) in
            [(0, bytes.len()), (5, SHARED_BYTES + 1), (100, bytes.len()), (bytes.len() - 9, SHARED_BYTES)]
        {
            let mut out = vec![0; len];
            let found = read_shared(&file, offset as u64, &mut out).unwrap();
            let expected = &bytes[offset..(offset + len).min(bytes.len())];
            assert_eq!(found, expected.len());
            assert!(out[..found] == *expected, "{len} bytes from {offset}");
        }
        assert_eq!(read_shared(&file, bytes.len() as u64 + 1, &mut vec![0; SHARED_BYTES]).unwrap(), 0);
    }
}
