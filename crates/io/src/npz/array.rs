//! The `.npy` format: a header in Python's notation, then the elements.

use std::path::Path;

use volkit_core::{DType, Element, Voxels, with_voxels};

use crate::{Endian, IoError, Limits};

/// First bytes of every `.npy` file.
pub(crate) const MAGIC: &[u8] = b"\x93NUMPY";
/// Magic and version, before the length of the header.
const VERSION_END: usize = 8;
/// Headers are padded so that the elements begin at a multiple of this.
const ALIGNMENT: usize = 64;

const TYPES: [(&str, DType); 15] = [
    ("b1", DType::U8),
    ("u1", DType::U8),
    ("i1", DType::I8),
    ("u2", DType::U16),
    ("i2", DType::I16),
    ("u4", DType::U32),
    ("i4", DType::I32),
    ("u8", DType::U64),
    ("i8", DType::I64),
    ("f2", DType::F16),
    ("f4", DType::F32),
    ("f8", DType::F64),
    ("c8", DType::Complex64),
    ("c16", DType::Complex128),
    ("B1", DType::U8),
];

/// What the header of an array says.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NpyHeader {
    pub(crate) dtype: DType,
    pub(crate) endian: Endian,
    /// Whether the first axis varies fastest.
    pub(crate) first_axis_fastest: bool,
    pub(crate) shape: Vec<usize>,
    /// Where the elements begin.
    pub(crate) data_start: usize,
}

impl NpyHeader {
    /// Parses the header at the beginning of `bytes`; `name` is that of the array, for messages.
    pub(crate) fn parse(path: &Path, name: &str, bytes: &[u8]) -> Result<Self, IoError> {
        let cut = || IoError::Truncated {
            path: path.to_owned(),
            what: "the header of an array".to_owned(),
            expected: bytes.len() as u64 + 1,
            found: bytes.len() as u64,
        };
        if !bytes.starts_with(MAGIC) {
            return Err(IoError::not_this_format(path, format!("entry '{name}' is no .npy array")));
        }
        let length_bytes = match bytes.get(MAGIC.len()).ok_or_else(cut)? {
            1 => 2,
            2 | 3 => 4,
            version => {
                return Err(IoError::bad_header(path, format!("{name}: npy version"), version, "must be 1 to 3"));
            }
        };
        let text_start = VERSION_END + length_bytes;
        let length = bytes.get(VERSION_END..text_start).ok_or_else(cut)?;
        let length = length.iter().rev().fold(0usize, |length, &byte| length << 8 | usize::from(byte));
        let data_start = text_start + length;
        let text = bytes.get(text_start..data_start).ok_or_else(cut)?;
        let text = String::from_utf8_lossy(text);
        let bad = |field: &str, why: &str| IoError::bad_header(path, format!("{name}: {field}"), text.trim(), why);
        let descr = value_of(&text, "descr").and_then(quoted);
        let descr = descr.ok_or_else(|| bad("descr", "must be the name of one element type"))?;
        let (endian, code) = match descr.split_at_checked(1) {
            Some((">", code)) => (Endian::Big, code),
            Some(("<", code)) => (Endian::Little, code),
            Some(("|" | "=", code)) => (Endian::NATIVE, code),
            _ => (Endian::NATIVE, descr),
        };
        let Some(&(_, dtype)) = TYPES.iter().find(|(known, _)| *known == code) else {
            return Err(IoError::unsupported(
                path,
                format!("array '{name}' has element type '{descr}', which is not supported"),
            ));
        };
        let order = value_of(&text, "fortran_order").unwrap_or_default();
        let first_axis_fastest = match (order.starts_with("True"), order.starts_with("False")) {
            (true, _) => true,
            (_, true) => false,
            _ => return Err(bad("fortran_order", "must be True or False")),
        };
        let shape = value_of(&text, "shape").and_then(tuple);
        let shape = shape.ok_or_else(|| bad("shape", "must be a tuple of sizes"))?;
        Ok(Self { dtype, endian, first_axis_fastest, shape, data_start })
    }

    /// Number of elements; `None` when it can not be counted.
    pub(crate) fn n_elements(&self) -> Option<usize> {
        self.shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n))
    }

    /// Checks the array against the limits and the bytes that are there; gives the number of elements.
    pub(crate) fn check(&self, path: &Path, name: &str, available: u64, limits: &Limits) -> Result<usize, IoError> {
        let n = self.n_elements().unwrap_or(usize::MAX);
        let needed = limits.check_array(path, &format!("array '{name}'"), n, self.dtype.size())?;
        let (expected, found) = (needed + self.data_start as u64, available);
        if expected > found {
            return Err(IoError::Truncated { path: path.to_owned(), what: "an array".to_owned(), expected, found });
        }
        Ok(n)
    }

    /// The bytes of a header, padded as the format wants.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let code = TYPES[1..].iter().find(|(_, dtype)| *dtype == self.dtype)?.0;
        let endian = match (self.dtype.size(), self.endian) {
            (1, _) => '|',
            (_, Endian::Little) => '<',
            (_, Endian::Big) => '>',
        };
        let mut shape: String = self.shape.iter().map(|n| format!("{n}, ")).collect();
        if self.shape.len() > 1 {
            shape.truncate(shape.len() - 2);
        }
        let order = if self.first_axis_fastest { "True" } else { "False" };
        let mut text =
            format!("{{'descr': '{endian}{code}', 'fortran_order': {order}, 'shape': ({}), }}", shape.trim_end());
        let unpadded = VERSION_END + 2 + text.len() + 1;
        text.extend(std::iter::repeat_n(' ', unpadded.next_multiple_of(ALIGNMENT) - unpadded));
        text.push('\n');
        let length = u16::try_from(text.len()).ok()?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend([1, 0]);
        bytes.extend(length.to_le_bytes());
        bytes.extend(text.as_bytes());
        Some(bytes)
    }
}

/// What follows `'key':`.
fn value_of<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let after_key = ['\'', '"'].iter().find_map(|quote| text.split_once(&format!("{quote}{key}{quote}")))?.1;
    Some(after_key.trim_start().strip_prefix(':')?.trim_start())
}

fn quoted(value: &str) -> Option<&str> {
    let quote = value.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    value[1..].split_once(quote).map(|(text, _)| text)
}

fn tuple(value: &str) -> Option<Vec<usize>> {
    let (inside, _) = value.strip_prefix('(')?.split_once(')')?;
    let numbers = inside.split(',').map(str::trim).filter(|number| !number.is_empty());
    numbers.map(|number| number.trim_end_matches('L').parse().ok()).collect()
}

/// The elements with their axes in the opposite order of memory: `shape` names the fastest axis first, the result has
/// the last of them fastest.
pub(crate) fn reversed_axes(values: &Voxels, shape: &[usize]) -> Voxels {
    with_voxels!(Voxels, values, values => reversed(values, shape).into())
}

fn reversed<T: Element>(values: &[T], shape: &[usize]) -> Vec<T> {
    let mut out = Vec::with_capacity(values.len());
    let strides: Vec<usize> = shape.iter().scan(1, |stride, &n| Some(std::mem::replace(stride, *stride * n))).collect();
    let mut index = vec![0; shape.len()];
    let mut offset = 0;
    for _ in 0..values.len() {
        out.push(values[offset]);
        // Count up with the last axis fastest.
        for axis in (0..shape.len()).rev() {
            index[axis] += 1;
            offset += strides[axis];
            if index[axis] < shape[axis] {
                break;
            }
            offset -= strides[axis] * shape[axis];
            index[axis] = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{NpyHeader, reversed_axes};
    use crate::Endian;
    use std::path::Path;
    use volkit_core::{DType, Voxels};

    #[test]
    fn headers_survive_and_end_where_elements_are_aligned() {
        for shape in [vec![], vec![3], vec![2, 0], vec![2, 3, 4]] {
            let dtype = DType::I16;
            let header = NpyHeader { dtype, endian: Endian::Big, first_axis_fastest: true, shape, data_start: 0 };
            let bytes = header.encode().unwrap();
            assert_eq!(bytes.len() % 64, 0);
            let back = NpyHeader::parse(Path::new("a.npy"), "a", &bytes).unwrap();
            assert_eq!(back, NpyHeader { data_start: bytes.len(), ..header });
        }
    }

    #[test]
    fn odd_headers_are_named() {
        let parse = |text: &str| {
            let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
            bytes.extend((text.len() as u16).to_le_bytes());
            bytes.extend(text.as_bytes());
            NpyHeader::parse(Path::new("a.npz"), "x", &bytes).map_err(|error| error.to_string())
        };
        let old = parse("{\"descr\": \"<i4\", 'fortran_order': False, 'shape': (2L, 3L)}").unwrap();
        assert_eq!((old.shape, old.dtype), (vec![2, 3], DType::I32));
        assert!(parse("{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': ()}").unwrap_err().contains("descr"));
        assert!(parse("{'descr': '<U4', 'fortran_order': False, 'shape': ()}").unwrap_err().contains("'<U4'"));
        assert!(parse("{'descr': '<i4', 'fortran_order': 1, 'shape': ()}").unwrap_err().contains("fortran_order"));
        assert!(parse("{'descr': '<i4', 'fortran_order': True, 'shape': (-1,)}").unwrap_err().contains("shape"));
    }

    #[test]
    fn axes_turn_round_and_back() {
        let values = Voxels::U8((0..6).collect());
        let turned = reversed_axes(&values, &[2, 3]);
        assert_eq!(turned, Voxels::U8(vec![0, 2, 4, 1, 3, 5]));
        assert_eq!(reversed_axes(&turned, &[3, 2]), values);
    }
}
