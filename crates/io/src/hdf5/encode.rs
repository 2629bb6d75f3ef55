//! The bytes of HDF5 structures that the pure-Rust writer makes: superblock version 2, object headers version 2, chunk
//! index by a B-tree version 1 (HDF5 File Format Specification 3.0; readable since HDF5 1.8).

use volkit_core::DType;

use super::api::{Hdf5Layout, Hdf5Value};
use crate::Endian;

/// An address of nothing.
pub(super) const UNDEFINED: u64 = u64::MAX;
pub(super) const SUPERBLOCK_BYTES: u64 = 48;
/// Children of a node of a chunk index: twice the rank 32 that readers assume where no superblock extension says else.
const NODE_CHILDREN: usize = 64;
/// Bytes of a message, whose size is a 16-bit number.
const MAX_MESSAGE_BYTES: usize = u16::MAX as usize;

const DATASPACE: u8 = 0x01;
const LINK_INFO: u8 = 0x02;
const DATATYPE: u8 = 0x03;
const FILL_VALUE: u8 = 0x05;
const LINK: u8 = 0x06;
const LAYOUT: u8 = 0x08;
const GROUP_INFO: u8 = 0x0a;
const FILTERS: u8 = 0x0b;
const ATTRIBUTE: u8 = 0x0c;

/// Messages of an object header, in order.
#[derive(Default)]
pub(super) struct Messages {
    bytes: Vec<u8>,
}

impl Messages {
    fn push(&mut self, kind: u8, body: &[u8]) -> Result<(), String> {
        let size = u16::try_from(body.len()).map_err(|_| format!("takes more than {MAX_MESSAGE_BYTES} bytes"))?;
        self.bytes.push(kind);
        self.bytes.extend_from_slice(&size.to_le_bytes());
        self.bytes.push(0);
        self.bytes.extend_from_slice(body);
        Ok(())
    }

    /// What a group begins with: its links follow in the same header.
    pub(super) fn group(&mut self) -> Result<(), String> {
        let mut info = vec![0, 0];
        info.extend_from_slice(&UNDEFINED.to_le_bytes());
        info.extend_from_slice(&UNDEFINED.to_le_bytes());
        self.push(LINK_INFO, &info)?;
        self.push(GROUP_INFO, &[0, 0])
    }

    /// A hard link.
    pub(super) fn link(&mut self, name: &str, address: u64) -> Result<(), String> {
        const TWO_BYTE_LENGTH: u8 = 1;
        const HAS_CHARSET: u8 = 1 << 4;
        const UTF8: u8 = 1;
        let len = u16::try_from(name.len()).map_err(|_| "the name is too long".to_owned())?;
        let mut body = vec![1, TWO_BYTE_LENGTH | HAS_CHARSET, UTF8];
        body.extend_from_slice(&len.to_le_bytes());
        body.extend_from_slice(name.as_bytes());
        body.extend_from_slice(&address.to_le_bytes());
        self.push(LINK, &body)
    }

    /// What a data set is and where its values are: `address` is that of the chunk index, or of the dense array.
    pub(super) fn data_set(
        &mut self,
        shape: &[usize],
        dtype: DType,
        layout: &Hdf5Layout,
        address: u64,
    ) -> Result<(), String> {
        self.push(DATASPACE, &dataspace(shape))?;
        let datatype = datatype(dtype).ok_or_else(|| format!("element type {dtype} has no counterpart in HDF5"))?;
        self.push(DATATYPE, &datatype)?;
        self.push(FILL_VALUE, &fill_value(layout.fill.as_deref(), layout.chunk.is_some()))?;
        let mut body = vec![3];
        match &layout.chunk {
            Some(chunk) => {
                body.extend_from_slice(&[2, (chunk.len() + 1) as u8]);
                body.extend_from_slice(&address.to_le_bytes());
                for size in chunk.iter().chain([&dtype.size()]) {
                    let size = u32::try_from(*size).map_err(|_| format!("a chunk of {size} along an axis"))?;
                    body.extend_from_slice(&size.to_le_bytes());
                }
            }
            None => {
                let n_bytes = shape.iter().product::<usize>() * dtype.size();
                body.push(1);
                body.extend_from_slice(&address.to_le_bytes());
                body.extend_from_slice(&(n_bytes as u64).to_le_bytes());
            }
        }
        self.push(LAYOUT, &body)?;
        let filters = filters(layout, dtype);
        if filters.is_empty() { Ok(()) } else { self.push(FILTERS, &filters) }
    }

    /// An attribute.
    pub(super) fn attribute(&mut self, name: &str, value: &Hdf5Value) -> Result<(), String> {
        let AttributeParts { datatype, dataspace, values } = attribute_parts(value)?;
        const UTF8: u8 = 1;
        let mut body = vec![3, 0];
        let name_len = name.len() + 1;
        for len in [name_len, datatype.len(), dataspace.len()] {
            let len = u16::try_from(len).map_err(|_| format!("attribute '{name}' has too long a name"))?;
            body.extend_from_slice(&len.to_le_bytes());
        }
        body.push(UTF8);
        body.extend_from_slice(name.as_bytes());
        body.push(0);
        for part in [datatype, dataspace, values] {
            body.extend_from_slice(&part);
        }
        self.push(ATTRIBUTE, &body).map_err(|why| format!("attribute '{name}' {why}"))
    }

    /// The object header.
    pub(super) fn into_header(self) -> Vec<u8> {
        const FOUR_BYTE_SIZE: u8 = 2;
        let mut out = b"OHDR".to_vec();
        out.extend_from_slice(&[2, FOUR_BYTE_SIZE]);
        out.extend_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        out.extend_from_slice(&self.bytes);
        out.extend_from_slice(&lookup3(&out).to_le_bytes());
        out
    }
}

/// The superblock of a file that ends at `end`.
pub(super) fn superblock(end: u64, root: u64) -> Vec<u8> {
    let mut out = b"\x89HDF\r\n\x1a\n".to_vec();
    out.extend_from_slice(&[2, 8, 8, 0]);
    for address in [0, UNDEFINED, end, root] {
        out.extend_from_slice(&address.to_le_bytes());
    }
    out.extend_from_slice(&lookup3(&out).to_le_bytes());
    out
}

/// Checks what [`Messages::attribute`] would refuse.
pub(super) fn check_attribute(name: &str, value: &Hdf5Value) -> Result<(), String> {
    Messages::default().attribute(name, value)
}

/// Whether HDF5 has that element type.
pub(super) fn has_type(dtype: DType) -> bool {
    datatype(dtype).is_some()
}

fn dataspace(shape: &[usize]) -> Vec<u8> {
    let mut out = vec![2, shape.len() as u8, 0, u8::from(!shape.is_empty())];
    for &size in shape {
        out.extend_from_slice(&(size as u64).to_le_bytes());
    }
    out
}

fn datatype(dtype: DType) -> Option<Vec<u8>> {
    const SIGNED: u8 = 1 << 3;
    Some(match dtype {
        DType::U8 | DType::U16 | DType::U32 | DType::U64 => integer(dtype.size(), 0),
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => integer(dtype.size(), SIGNED),
        DType::F16 => float([2, 10, 5], 15),
        DType::F32 => float([4, 23, 8], 127),
        DType::F64 => float([8, 52, 11], 1023),
        DType::Complex64 => complex(&datatype(DType::F32)?, 8),
        DType::Complex128 => complex(&datatype(DType::F64)?, 16),
        _ => return None,
    })
}

fn integer(size: usize, sign: u8) -> Vec<u8> {
    let mut out = vec![0x10, sign, 0, 0];
    out.extend_from_slice(&(size as u32).to_le_bytes());
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&(8 * size as u16).to_le_bytes());
    out
}

/// An IEEE float of `size` bytes with that many bits of mantissa and exponent.
fn float([size, mantissa, exponent]: [u8; 3], bias: u32) -> Vec<u8> {
    const IMPLIED_ONE: u8 = 2 << 4;
    let bits = 8 * size;
    let mut out = vec![0x11, IMPLIED_ONE, bits - 1, 0];
    out.extend_from_slice(&u32::from(size).to_le_bytes());
    out.extend_from_slice(&[0, 0, bits, 0, mantissa, exponent, 0, mantissa]);
    out.extend_from_slice(&bias.to_le_bytes());
    out
}

/// A compound of two floats named `r` and `i`, as h5py has it.
fn complex(part: &[u8], size: u32) -> Vec<u8> {
    let mut out = vec![0x36, 2, 0, 0];
    out.extend_from_slice(&size.to_le_bytes());
    for (name, offset) in [(b'r', 0), (b'i', size as u8 / 2)] {
        out.extend_from_slice(&[name, 0, offset]);
        out.extend_from_slice(part);
    }
    out
}

/// Texts of one length, filled up with zeros, in UTF-8.
fn text(size: usize) -> Vec<u8> {
    const NULL_PADDED_UTF8: u8 = 0x11;
    let mut out = vec![0x13, NULL_PADDED_UTF8, 0, 0];
    out.extend_from_slice(&(size as u32).to_le_bytes());
    out
}

fn fill_value(fill: Option<&[u8]>, in_chunks: bool) -> Vec<u8> {
    const IF_SET: u8 = 2 << 2;
    const DEFINED: u8 = 1 << 5;
    const LATE: u8 = 2;
    const INCREMENTAL: u8 = 3;
    let when = if in_chunks { INCREMENTAL } else { LATE };
    let Some(fill) = fill else { return vec![3, when | IF_SET] };
    let mut out = vec![3, when | IF_SET | DEFINED];
    out.extend_from_slice(&(fill.len() as u32).to_le_bytes());
    out.extend_from_slice(fill);
    out
}

fn filters(layout: &Hdf5Layout, dtype: DType) -> Vec<u8> {
    const OPTIONAL: u16 = 1;
    let shuffle = layout.shuffle.then_some((super::pipeline::SHUFFLE, dtype.size() as u32));
    let deflate = layout.deflate.map(|level| (super::pipeline::DEFLATE, level));
    let both: Vec<_> = shuffle.into_iter().chain(deflate).collect();
    if both.is_empty() || layout.chunk.is_none() {
        return Vec::new();
    }
    let mut out = vec![2, both.len() as u8];
    for (id, parameter) in both {
        for number in [id as u16, OPTIONAL, 1] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.extend_from_slice(&parameter.to_le_bytes());
    }
    out
}

/// The messages of an attribute.
struct AttributeParts {
    datatype: Vec<u8>,
    dataspace: Vec<u8>,
    values: Vec<u8>,
}

fn attribute_parts(value: &Hdf5Value) -> Result<AttributeParts, String> {
    let texts = |texts: &[&str], shape: &[usize]| {
        let size = texts.iter().map(|text| text.len()).max().unwrap_or(0).max(1);
        let mut values = Vec::with_capacity(size * texts.len());
        for (index, text) in texts.iter().enumerate() {
            values.extend_from_slice(text.as_bytes());
            values.resize((index + 1) * size, 0);
        }
        AttributeParts { datatype: text(size), dataspace: dataspace(shape), values }
    };
    match value {
        Hdf5Value::Text(text) => Ok(texts(&[text], &[])),
        Hdf5Value::Texts(list) => {
            let list: Vec<&str> = list.iter().map(String::as_str).collect();
            Ok(texts(&list, &[list.len()]))
        }
        Hdf5Value::Numbers(array) => {
            let dtype = array.values().dtype();
            let datatype = datatype(dtype).ok_or_else(|| format!("element type {dtype} has no counterpart in HDF5"))?;
            let mut values = array.values().view().bytes().to_vec();
            Endian::Little.swap_if_needed(dtype, &mut values);
            Ok(AttributeParts { datatype, dataspace: dataspace(array.shape()), values })
        }
        Hdf5Value::Other(name) => Err(format!("a value of type {name} can not be written")),
    }
}

/// A chunk in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct StoredChunk {
    pub(super) address: u64,
    pub(super) n_bytes: u32,
}

/// The nodes of a chunk index that begins at `address`, and the address of its root. `chunks` are the grid indices of
/// the chunks in row-major order.
pub(super) fn chunk_index(address: u64, chunk: &[usize], chunks: &[(&Vec<usize>, StoredChunk)]) -> (Vec<u8>, u64) {
    let key = |grid: &[usize], n_bytes: u32| -> Vec<u8> {
        let mut key = n_bytes.to_le_bytes().to_vec();
        key.extend_from_slice(&[0; 4]);
        for (index, size) in grid.iter().zip(chunk) {
            key.extend_from_slice(&((index * size) as u64).to_le_bytes());
        }
        key.extend_from_slice(&[0; 8]);
        key
    };
    // Behind every chunk: the next along the first axis.
    let end = chunks.last().map_or_else(Vec::new, |(grid, _)| {
        let mut past = vec![0; grid.len()];
        past[0] = grid[0] + 1;
        key(&past, 0)
    });
    let mut children: Vec<(Vec<u8>, u64)> =
        chunks.iter().map(|(grid, stored)| (key(grid, stored.n_bytes), stored.address)).collect();
    let node_bytes = 24 + NODE_CHILDREN * 8 + (NODE_CHILDREN + 1) * end.len();
    let (mut out, mut level) = (Vec::new(), 0u8);
    loop {
        let first = address + out.len() as u64;
        let n_nodes = children.len().div_ceil(NODE_CHILDREN);
        let at = |node: usize| first + (node * node_bytes) as u64;
        let mut parents = Vec::with_capacity(n_nodes);
        for (number, members) in children.chunks(NODE_CHILDREN).enumerate() {
            let start = out.len();
            out.extend_from_slice(b"TREE");
            out.extend_from_slice(&[1, level]);
            out.extend_from_slice(&(members.len() as u16).to_le_bytes());
            let left = if number == 0 { UNDEFINED } else { at(number - 1) };
            let right = if number + 1 == n_nodes { UNDEFINED } else { at(number + 1) };
            out.extend_from_slice(&left.to_le_bytes());
            out.extend_from_slice(&right.to_le_bytes());
            for (key, child) in members {
                out.extend_from_slice(key);
                out.extend_from_slice(&child.to_le_bytes());
            }
            out.extend_from_slice(children.get((number + 1) * NODE_CHILDREN).map_or(&end, |(key, _)| key));
            out.resize(start + node_bytes, 0);
            parents.push((members[0].0.clone(), at(number)));
        }
        if n_nodes <= 1 {
            return (out, first);
        }
        (children, level) = (parents, level + 1);
    }
}

/// Jenkins's `lookup3` with start value 0: the checksum of HDF5's metadata.
fn lookup3(bytes: &[u8]) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(bytes.len() as u32);
    let (mut a, mut b, mut c) = (start, start, start);
    let word = |bytes: &[u8], at: usize| {
        let four: [u8; 4] = std::array::from_fn(|i| bytes.get(at + i).copied().unwrap_or(0));
        u32::from_le_bytes(four)
    };
    let mut rest = bytes;
    while rest.len() > 12 {
        a = a.wrapping_add(word(rest, 0));
        b = b.wrapping_add(word(rest, 4));
        c = c.wrapping_add(word(rest, 8));
        for (x, y, z, turn) in [(0, 2, 1, 4), (1, 0, 2, 6), (2, 1, 0, 8), (0, 2, 1, 16), (1, 0, 2, 19), (2, 1, 0, 4)] {
            let mut s = [a, b, c];
            s[x] = s[x].wrapping_sub(s[y]) ^ s[y].rotate_left(turn);
            s[y] = s[y].wrapping_add(s[z]);
            [a, b, c] = s;
        }
        rest = &rest[12..];
    }
    if rest.is_empty() {
        return c;
    }
    a = a.wrapping_add(word(rest, 0));
    b = b.wrapping_add(word(rest, 4));
    c = c.wrapping_add(word(rest, 8));
    for (x, y, turn) in [(2, 1, 14), (0, 2, 11), (1, 0, 25), (2, 1, 16), (0, 2, 4), (1, 0, 14), (2, 1, 24)] {
        let mut s = [a, b, c];
        s[x] = (s[x] ^ s[y]).wrapping_sub(s[y].rotate_left(turn));
        [a, b, c] = s;
    }
    c
}

#[cfg(test)]
mod tests {
    use super::lookup3;

    #[test]
    fn checksums_of_the_published_examples() {
        // From the comments of lookup3.c: an empty key, and a sentence of 30 bytes.
        assert_eq!(lookup3(b""), 0xdead_beef);
        assert_eq!(lookup3(b"Four score and seven years ago"), 0x1777_0551);
    }
}
