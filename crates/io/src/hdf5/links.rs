//! The links of groups: names, hard links with the place of their object, and soft links, which the pure-Rust library
//! steps over or stumbles on. Groups of both generations are read, but for those whose links lie in a fractal heap
//! (HDF5 File Format Specification 3.0, sections III.A, III.C, III.D and IV.A).

use std::collections::BTreeSet;

use super::api::Hdf5Kind;
use super::source::PositionedFile;

const UNDEFINED: u64 = u64::MAX;
/// Blocks of headers, nodes and leaves that one group may have.
const MAX_BLOCKS: usize = 1 << 16;
/// Bytes of one block: no writer makes larger ones.
const MAX_BLOCK_BYTES: u64 = 64 << 20;
const MAX_TREE_DEPTH: usize = 16;

const LINK_INFO: u16 = 0x02;
const LINK: u16 = 0x06;
const LAYOUT: u16 = 0x08;
const CONTINUATION: u16 = 0x10;
const SYMBOL_TABLE: u16 = 0x11;

/// Where a link leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// To the object whose header is there.
    Hard(u64),
    /// To a path, from the root group where it begins with `/`, else from the group of the link.
    Soft(String),
    /// To another file, or by rules of its own.
    Foreign,
}

/// An object's header as far as links go.
pub(super) struct Object {
    pub(super) kind: Hdf5Kind,
    /// None where the links can not be told here.
    pub(super) links: Option<Vec<(String, Target)>>,
}

/// Reads the header at `address` of a file whose addresses begin at `base`; none where it is not understood.
pub(super) fn read_object(file: &PositionedFile, base: u64, address: u64) -> Option<Object> {
    let mut reader = Reader { file, base, blocks: 0, seen: BTreeSet::new() };
    let messages = reader.messages(address)?;
    let has = |kind: u16| messages.iter().any(|(found, _)| *found == kind);
    if has(LAYOUT) {
        return Some(Object { kind: Hdf5Kind::DataSet, links: None });
    }
    if let Some((_, body)) = messages.iter().find(|(kind, _)| *kind == SYMBOL_TABLE) {
        let (tree, heap) = (u64_at(body, 0)?, u64_at(body, 8)?);
        return Some(Object { kind: Hdf5Kind::Group, links: reader.symbol_table(tree, heap) });
    }
    if !has(LINK_INFO) && !has(LINK) {
        return Some(Object { kind: Hdf5Kind::Other, links: None });
    }
    let in_heap = messages.iter().any(|(kind, body)| *kind == LINK_INFO && has_heap(body) != Some(false));
    let bodies = messages.iter().filter(|(kind, _)| *kind == LINK).map(|(_, body)| link(body));
    let links = if in_heap { None } else { bodies.collect() };
    Some(Object { kind: Hdf5Kind::Group, links })
}

struct Reader<'a> {
    file: &'a PositionedFile,
    base: u64,
    blocks: usize,
    /// Nodes and blocks that were read: none is read twice.
    seen: BTreeSet<u64>,
}

type Message = (u16, Vec<u8>);

impl Reader<'_> {
    fn read(&mut self, address: u64, len: u64) -> Option<Vec<u8>> {
        let start = self.base.checked_add(address)?;
        let end = start.checked_add(len)?;
        self.blocks += 1;
        if end > self.file.size() || len > MAX_BLOCK_BYTES || self.blocks > MAX_BLOCKS {
            return None;
        }
        let mut bytes = vec![0; len as usize];
        self.file.read_exact(start, &mut bytes).ok()?;
        Some(bytes)
    }

    /// All messages of a header, also those in continuation blocks.
    fn messages(&mut self, address: u64) -> Option<Vec<Message>> {
        let prefix = self.read(address, 16)?;
        let mut messages = Vec::new();
        let mut blocks = Vec::new();
        let is_new = prefix.starts_with(b"OHDR");
        let mut has_order = false;
        if is_new {
            let flags = prefix[5];
            has_order = flags & 1 << 2 != 0;
            let size_at = 6 + if flags & 1 << 5 != 0 { 16 } else { 0 } + if flags & 1 << 4 != 0 { 4 } else { 0 };
            let size_len = 1 << (flags & 3);
            let size = self.read(address.checked_add(size_at)?, size_len)?;
            let size = size.iter().rev().fold(0, |n: u64, &byte| n << 8 | u64::from(byte));
            blocks.push((address.checked_add(size_at + size_len)?, size));
        } else if prefix[0] == 1 {
            blocks.push((address.checked_add(16)?, u64::from(u32_at(&prefix, 8)?)));
        } else {
            return None;
        }
        while let Some((at, len)) = blocks.pop() {
            if !self.seen.insert(at) {
                return None;
            }
            let bytes = self.read(at, len)?;
            let mut rest = bytes.as_slice();
            let head = if !is_new {
                8
            } else if has_order {
                6
            } else {
                4
            };
            while rest.len() >= head {
                let (kind, size) = if is_new {
                    (u16::from(rest[0]), usize::from(u16_at(rest, 1)?))
                } else {
                    (u16_at(rest, 0)?, usize::from(u16_at(rest, 2)?))
                };
                let body = rest.get(head..head + size)?;
                if kind == CONTINUATION {
                    let (at, len) = (u64_at(body, 0)?, u64_at(body, 8)?);
                    // Blocks of new headers begin with a signature and end in a checksum.
                    blocks.push(if is_new { (at.checked_add(4)?, len.checked_sub(8)?) } else { (at, len) });
                } else {
                    messages.push((kind, body.to_vec()));
                }
                rest = &rest[head + size..];
            }
        }
        Some(messages)
    }

    /// The links of a group of the first generation.
    fn symbol_table(&mut self, tree: u64, heap: u64) -> Option<Vec<(String, Target)>> {
        let head = self.read(heap, 32)?;
        if !head.starts_with(b"HEAP") {
            return None;
        }
        let names = self.read(u64_at(&head, 24)?, u64_at(&head, 8)?)?;
        let mut links = Vec::new();
        self.node(tree, &names, &mut links, 0)?;
        Some(links)
    }

    fn node(&mut self, address: u64, names: &[u8], links: &mut Vec<(String, Target)>, depth: usize) -> Option<()> {
        if depth > MAX_TREE_DEPTH || !self.seen.insert(address) {
            return None;
        }
        let head = self.read(address, 24)?;
        if head.starts_with(b"SNOD") {
            return self.leaf(address, names, links);
        }
        if !head.starts_with(b"TREE") || head[4] != 0 {
            return None;
        }
        let count = u64::from(u16_at(&head, 6)?);
        let children = self.read(address.checked_add(24)?, count * 16)?;
        for child in 0..count as usize {
            self.node(u64_at(&children, 16 * child + 8)?, names, links, depth + 1)?;
        }
        Some(())
    }

    fn leaf(&mut self, address: u64, names: &[u8], links: &mut Vec<(String, Target)>) -> Option<()> {
        const ENTRY_BYTES: usize = 40;
        const SOFT: u32 = 2;
        let count = u16_at(&self.read(address, 8)?, 6)?;
        let entries = self.read(address.checked_add(8)?, u64::from(count) * ENTRY_BYTES as u64)?;
        for entry in entries.chunks_exact(ENTRY_BYTES) {
            let name = text_at(names, u64_at(entry, 0)?)?;
            let target = if u32_at(entry, 16)? == SOFT {
                Target::Soft(text_at(names, u64::from(u32_at(entry, 24)?))?)
            } else {
                Target::Hard(u64_at(entry, 8)?)
            };
            links.push((name, target));
        }
        Some(())
    }
}

/// Whether the links lie in a heap, by the message that says so.
fn has_heap(body: &[u8]) -> Option<bool> {
    let at = if body.get(1)? & 1 != 0 { 10 } else { 2 };
    Some(u64_at(body, at)? != UNDEFINED)
}

/// A link message.
fn link(body: &[u8]) -> Option<(String, Target)> {
    let flags = *body.get(1)?;
    let mut at = 2;
    let mut kind = 0;
    if flags & 1 << 3 != 0 {
        kind = *body.get(at)?;
        at += 1;
    }
    at += if flags & 1 << 2 != 0 { 8 } else { 0 };
    at += usize::from(flags & 1 << 4 != 0);
    let len_bytes = body.get(at..at + (1 << (flags & 3)))?;
    let len = len_bytes.iter().rev().fold(0, |n: u64, &byte| n << 8 | u64::from(byte));
    at += len_bytes.len();
    let end = at.checked_add(usize::try_from(len).ok()?)?;
    let name = String::from_utf8(body.get(at..end)?.to_vec()).ok()?;
    let target = match kind {
        0 => Target::Hard(u64_at(body, end)?),
        1 => {
            let len = usize::from(u16_at(body, end)?);
            Target::Soft(String::from_utf8(body.get(end + 2..end + 2 + len)?.to_vec()).ok()?)
        }
        _ => Target::Foreign,
    };
    Some((name, target))
}

fn text_at(bytes: &[u8], at: u64) -> Option<String> {
    let rest = bytes.get(usize::try_from(at).ok()?..)?;
    let len = rest.iter().position(|&byte| byte == 0)?;
    String::from_utf8(rest[..len].to_vec()).ok()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use super::{Target, link, read_object};
    use crate::hdf5::source::PositionedFile;

    #[test]
    fn link_messages() {
        // Version 1, name of one byte: hard.
        let mut hard = vec![1, 0, 1, b'a'];
        hard.extend_from_slice(&77u64.to_le_bytes());
        assert_eq!(link(&hard), Some(("a".into(), Target::Hard(77))));
        // With type, creation order and character set: soft.
        let mut soft = vec![1, 0b1_1100, 1];
        soft.extend_from_slice(&[0; 8]);
        soft.extend_from_slice(&[1, 2, b'b', b'c', 2, 0, b'/', b'a']);
        assert_eq!(link(&soft), Some(("bc".into(), Target::Soft("/a".into()))));
        assert_eq!(link(&[1, 1 << 3, 64, 1, b'x']), Some(("x".into(), Target::Foreign)));
        assert_eq!(link(&[1, 0, 200, b'x']), None);
    }

    #[test]
    fn a_header_that_goes_on_in_itself_ends() {
        // A header of version 1 with one message: a continuation that is the header's own block.
        let mut bytes = vec![1, 0, 1, 0, 1, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0];
        bytes.extend_from_slice(&[0x10, 0, 16, 0, 0, 0, 0, 0]);
        bytes.extend_from_slice(&16u64.to_le_bytes());
        bytes.extend_from_slice(&24u64.to_le_bytes());
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x");
        std::fs::write(&path, &bytes).unwrap();
        let file = PositionedFile::open(&path).unwrap();
        assert!(read_object(&file, 0, 0).is_none());
        assert!(read_object(&file, 0, 1 << 40).is_none());
    }
}
