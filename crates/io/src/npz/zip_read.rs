//! The part of the zip format that NumPy uses: stored and deflated entries, found through the central directory.

use std::path::Path;

use flate2::{Decompress, FlushDecompress, Status};

use crate::bytes::ByteSource;
use crate::{IoError, Limits};

/// First bytes of an archive that is not empty.
pub(crate) const MAGIC: &[u8] = b"PK\x03\x04";
const END_MAGIC: [u8; 4] = *b"PK\x05\x06";
const END64_LOCATOR_MAGIC: [u8; 4] = *b"PK\x06\x07";
const END64_MAGIC: [u8; 4] = *b"PK\x06\x06";
const ENTRY_MAGIC: [u8; 4] = *b"PK\x01\x02";
const END_BYTES: usize = 22;
const LOCATOR_BYTES: usize = 20;
const END64_BYTES: usize = 56;
const ENTRY_BYTES: usize = 46;
const LOCAL_BYTES: u64 = 30;
const MAX_COMMENT_BYTES: u64 = 65_535;
const STORED: u16 = 0;
const DEFLATED: u16 = 8;
const ENCRYPTED: u16 = 1;
const IN_ZIP64: u64 = 0xffff_ffff;
const INPUT_BYTES: usize = 256 << 10;

/// An entry of the central directory.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Bytes of the content.
    pub(crate) len: u64,
    compressed_len: u64,
    method: u16,
    crc: u32,
    header_at: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    bytes.get(at..at + 2).map_or(0, |b| u16::from_le_bytes([b[0], b[1]]))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

/// The entries of an archive.
pub(crate) fn entries(bytes: &ByteSource, limits: &Limits) -> Result<Vec<Entry>, IoError> {
    let path = bytes.path();
    let file_len = bytes.max_len();
    let tail_start = file_len.saturating_sub(END_BYTES as u64 + MAX_COMMENT_BYTES);
    let mut tail = vec![0; (file_len - tail_start) as usize];
    bytes.read_at("the zip directory", tail_start, &mut tail)?;
    let end_at = tail.windows(END_MAGIC.len()).rposition(|window| window == END_MAGIC);
    let Some(end_at) = end_at.filter(|at| tail.len() - at >= END_BYTES) else {
        return Err(IoError::Truncated {
            path: path.to_owned(),
            what: "the zip archive (its directory is missing)".to_owned(),
            expected: file_len + END_BYTES as u64,
            found: file_len,
        });
    };
    let end = &tail[end_at..];
    let (mut size, mut start) = (u64::from(u32_at(end, 12)), u64::from(u32_at(end, 16)));
    let locator = end_at.checked_sub(LOCATOR_BYTES).map(|at| &tail[at..end_at]);
    if let Some(locator) = locator.filter(|locator| locator.starts_with(&END64_LOCATOR_MAGIC)) {
        let mut end64 = [0; END64_BYTES];
        bytes.read_at("the zip64 directory", u64_at(locator, 8), &mut end64)?;
        if !end64.starts_with(&END64_MAGIC) {
            return Err(IoError::damaged(path, "zip64 directory"));
        }
        (size, start) = (u64_at(&end64, 40), u64_at(&end64, 48));
    }
    limits.check_header(path, "the zip directory", size)?;
    if start.checked_add(size).is_none_or(|end| end > file_len) {
        return Err(IoError::damaged(path, format!("zip directory of {size} bytes at {start}")));
    }
    let mut directory = vec![0; size as usize];
    bytes.read_at("the zip directory", start, &mut directory)?;
    parse_directory(path, &directory)
}

fn parse_directory(path: &Path, mut directory: &[u8]) -> Result<Vec<Entry>, IoError> {
    let mut entries = Vec::new();
    while directory.len() >= ENTRY_BYTES && directory.starts_with(&ENTRY_MAGIC) {
        let lens = [28, 30, 32].map(|at| usize::from(u16_at(directory, at)));
        let total = ENTRY_BYTES + lens.iter().sum::<usize>();
        if directory.len() < total {
            return Err(IoError::damaged(path, "zip directory: an entry runs past the end"));
        }
        let name = String::from_utf8_lossy(&directory[ENTRY_BYTES..ENTRY_BYTES + lens[0]]).into_owned();
        if u16_at(directory, 8) & ENCRYPTED != 0 {
            return Err(IoError::unsupported(path, format!("entry '{name}' is encrypted")));
        }
        let extra = &directory[ENTRY_BYTES + lens[0]..ENTRY_BYTES + lens[0] + lens[1]];
        let mut wide = zip64_fields(extra);
        let mut widened = |narrow: u32| match u64::from(narrow) {
            IN_ZIP64 => wide.next().unwrap_or(IN_ZIP64),
            narrow => narrow,
        };
        // The order of the fields in the zip64 record is: size, compressed size, offset.
        let len = widened(u32_at(directory, 24));
        let compressed_len = widened(u32_at(directory, 20));
        let header_at = widened(u32_at(directory, 42));
        let (method, crc) = (u16_at(directory, 10), u32_at(directory, 16));
        entries.push(Entry { name, len, compressed_len, method, crc, header_at });
        directory = &directory[total..];
    }
    if !directory.is_empty() && !directory.starts_with(b"PK") {
        return Err(IoError::damaged(path, format!("zip directory after {} entries", entries.len())));
    }
    Ok(entries)
}

/// The 64-bit numbers of the zip64 record among the extra fields.
fn zip64_fields(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    const ZIP64: u16 = 1;
    let mut fields = Vec::new();
    while extra.len() >= 4 {
        let (id, len) = (u16_at(extra, 0), usize::from(u16_at(extra, 2)));
        let content = extra.get(4..4 + len).unwrap_or_default();
        if id == ZIP64 {
            fields = content.chunks_exact(8).map(|chunk| u64_at(chunk, 0)).collect();
        }
        extra = extra.get(4 + len..).unwrap_or_default();
    }
    fields.into_iter()
}

/// The first `limit` bytes of an entry's content, or all of it with its checksum verified.
pub(crate) fn read(bytes: &ByteSource, entry: &Entry, limit: u64) -> Result<Vec<u8>, IoError> {
    let path = bytes.path();
    let mut local = [0; LOCAL_BYTES as usize];
    bytes.read_at("a zip entry", entry.header_at, &mut local)?;
    if !local.starts_with(MAGIC) {
        return Err(IoError::damaged(path, format!("zip entry '{}' at {}", entry.name, entry.header_at)));
    }
    let names_len = u64::from(u16_at(&local, 26)) + u64::from(u16_at(&local, 28));
    let start = entry.header_at.saturating_add(LOCAL_BYTES + names_len);
    if start.checked_add(entry.compressed_len).is_none_or(|end| end > bytes.max_len()) {
        let expected = start.saturating_add(entry.compressed_len);
        return Err(IoError::Truncated {
            path: path.to_owned(),
            what: "a zip entry".to_owned(),
            expected,
            found: bytes.max_len(),
        });
    }
    let wanted = entry.len.min(limit);
    let content = match entry.method {
        STORED => {
            let mut content = vec![0; wanted.min(entry.compressed_len) as usize];
            bytes.read_at("a zip entry", start, &mut content)?;
            content
        }
        DEFLATED => inflate(bytes, entry, start, wanted)?,
        method => {
            let what = format!("entry '{}' uses zip method {method}; only stored and deflated are read", entry.name);
            return Err(IoError::unsupported(path, what));
        }
    };
    if (content.len() as u64) < wanted {
        return Err(IoError::damaged(path, format!("entry '{}' is shorter than its directory says", entry.name)));
    }
    if wanted == entry.len && crc32fast::hash(&content) != entry.crc {
        return Err(IoError::damaged(path, format!("CRC-32 of entry '{}'", entry.name)));
    }
    Ok(content)
}

/// Inflates up to `wanted` bytes; memory grows with what the stream really holds.
fn inflate(bytes: &ByteSource, entry: &Entry, start: u64, wanted: u64) -> Result<Vec<u8>, IoError> {
    let mut inflate = Decompress::new(false);
    let mut input = vec![0; INPUT_BYTES];
    let mut content = Vec::new();
    let mut at = 0;
    while (content.len() as u64) < wanted {
        let len = (entry.compressed_len - at).min(INPUT_BYTES as u64) as usize;
        bytes.read_at("a zip entry", start + at, &mut input[..len])?;
        let filled = content.len();
        let block = (wanted - filled as u64).min(16 << 20) as usize;
        content.resize(filled + block, 0);
        let (total_in, total_out) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(&input[..len], &mut content[filled..], FlushDecompress::None)
            .map_err(|error| IoError::damaged(bytes.path(), format!("entry '{}': {error}", entry.name)))?;
        let produced = (inflate.total_out() - total_out) as usize;
        let consumed = inflate.total_in() - total_in;
        content.truncate(filled + produced);
        at += consumed;
        if status == Status::StreamEnd || (produced == 0 && consumed == 0) {
            break;
        }
    }
    Ok(content)
}
