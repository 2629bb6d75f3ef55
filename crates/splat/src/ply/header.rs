//! The header of a PLY file.

use std::io::{BufRead, Read as _};

/// Most bytes of a header, and of a line of it.
const MOST_HEADER: usize = 1 << 16;
const MOST_LINE: u64 = 1 << 10;

/// What is wrong with a file: the part of it, and why.
pub(super) type Wrong = (String, String);

/// The type of a property.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Type {
    I8,
    U8,
    I16,
    U16,
    I32,
    U32,
    F32,
    F64,
}

impl Type {
    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "char" | "int8" => Self::I8,
            "uchar" | "uint8" => Self::U8,
            "short" | "int16" => Self::I16,
            "ushort" | "uint16" => Self::U16,
            "int" | "int32" => Self::I32,
            "uint" | "uint32" => Self::U32,
            "float" | "float32" => Self::F32,
            "double" | "float64" => Self::F64,
            _ => return None,
        })
    }

    pub(super) fn bytes(self) -> usize {
        match self {
            Self::I8 | Self::U8 => 1,
            Self::I16 | Self::U16 => 2,
            Self::I32 | Self::U32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The number at the start of `bytes`, which are at least as many as the type has.
    pub(super) fn read(self, bytes: &[u8]) -> f32 {
        fn first<const N: usize>(bytes: &[u8]) -> [u8; N] {
            std::array::from_fn(|i| bytes[i])
        }
        match self {
            Self::I8 => f32::from(bytes[0] as i8),
            Self::U8 => f32::from(bytes[0]),
            Self::I16 => f32::from(i16::from_le_bytes(first(bytes))),
            Self::U16 => f32::from(u16::from_le_bytes(first(bytes))),
            Self::I32 => i32::from_le_bytes(first(bytes)) as f32,
            Self::U32 => u32::from_le_bytes(first(bytes)) as f32,
            Self::F32 => f32::from_le_bytes(first(bytes)),
            Self::F64 => f64::from_le_bytes(first(bytes)) as f32,
        }
    }
}

/// The element `vertex`.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) count: usize,
    /// Name, type and offset of each property.
    properties: Vec<(String, Type, usize)>,
    /// Bytes of a vertex.
    pub(super) stride: usize,
}

impl Header {
    /// Type and offset of a property.
    pub(super) fn find(&self, name: &str) -> Option<(Type, usize)> {
        self.properties.iter().find(|(n, ..)| n == name).map(|(_, kind, offset)| (*kind, *offset))
    }

    pub(super) fn require(&self, name: &str) -> Result<(Type, usize), Wrong> {
        self.find(name).ok_or_else(|| wrong(format!("property {name}"), "missing"))
    }

    /// Properties whose name begins with `prefix`.
    pub(super) fn count_of(&self, prefix: &str) -> usize {
        self.properties.iter().filter(|(name, ..)| name.starts_with(prefix)).count()
    }

    pub(super) fn read(input: &mut impl BufRead) -> Result<Self, Wrong> {
        if line(input)?.as_deref() != Some("ply") {
            return Err(wrong("first line", "no PLY file"));
        }
        let mut header: Option<Self> = None;
        let (mut is_vertex, mut has_format, mut total) = (false, false, 0);
        loop {
            let Some(line) = line(input)? else { return Err(wrong("header", "ends before end_header")) };
            total += line.len();
            if total > MOST_HEADER {
                return Err(wrong("header", "longer than 65536 bytes"));
            }
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words[..] {
                ["comment" | "obj_info", ..] | [] => {}
                ["format", "binary_little_endian", "1.0"] => has_format = true,
                ["format", ..] => {
                    return Err(wrong("format", format!("'{line}', only binary_little_endian 1.0 is read")));
                }
                ["element", "vertex", count] if header.is_none() => {
                    let count = count.parse().map_err(|_| wrong("element vertex", format!("count {count}")))?;
                    header = Some(Self { count, properties: Vec::new(), stride: 0 });
                    is_vertex = true;
                }
                ["element", name, _] => {
                    // What follows the vertices is not read; what comes before them would have to be skipped.
                    if header.is_none() {
                        return Err(wrong(format!("element {name}"), "comes before the vertices"));
                    }
                    is_vertex = false;
                }
                ["property", ..] if !is_vertex => {}
                ["property", kind, name] => {
                    let Some(header) = &mut header else { continue };
                    let Some(kind) = Type::from_name(kind) else {
                        return Err(wrong(format!("property {name}"), format!("type {kind}")));
                    };
                    if header.find(name).is_some() {
                        return Err(wrong(format!("property {name}"), "named twice"));
                    }
                    header.properties.push((name.to_owned(), kind, header.stride));
                    header.stride += kind.bytes();
                }
                ["end_header"] => break,
                _ => return Err(wrong("header", format!("line '{line}'"))),
            }
        }
        if !has_format {
            return Err(wrong("format", "missing"));
        }
        header.ok_or_else(|| wrong("element vertex", "missing"))
    }
}

pub(super) fn wrong(what: impl Into<String>, why: impl Into<String>) -> Wrong {
    (what.into(), why.into())
}

/// The next line without its end; none at the end of the file.
fn line(input: &mut impl BufRead) -> Result<Option<String>, Wrong> {
    let mut bytes = Vec::new();
    let n = input.take(MOST_LINE).read_until(b'\n', &mut bytes).map_err(|error| wrong("header", error.to_string()))?;
    if n == 0 {
        return Ok(None);
    }
    if bytes.pop() != Some(b'\n') {
        return Err(wrong("header", "a line without an end, or longer than 1024 bytes"));
    }
    if bytes.last() == Some(&b'\r') {
        bytes.pop();
    }
    String::from_utf8(bytes).map(Some).map_err(|_| wrong("header", "not text"))
}
