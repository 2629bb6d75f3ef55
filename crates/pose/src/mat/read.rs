//! The elements of a MATLAB file of version 5 ("MAT-File Format", The `MathWorks`, chapter 1).

use std::collections::BTreeMap;
use std::io::Read as _;

use super::MatValue;
use crate::PoseError;

/// Text, place of other data, version, and the letters that tell the order of bytes.
const HEADER: usize = 128;
/// Most bytes that a variable may inflate to.
const MOST_BYTES: u64 = 1 << 29;
/// How deep cells and structs may lie in each other.
const MOST_DEPTH: usize = 16;

const MATRIX: u32 = 14;
const COMPRESSED: u32 = 15;

/// What is wrong, before the file is named.
struct Fault(&'static str, String);

type Parsed<T> = Result<T, Fault>;

/// All variables of a file, by name; `what` names it in errors.
///
/// # Errors
/// [`PoseError::Input`] for a file of another form, version 7.3 (which is HDF5) and truncated ones;
/// [`PoseError::Read`] for one that does not inflate.
pub fn read_mat(bytes: &[u8], what: &str) -> Result<BTreeMap<String, MatValue>, PoseError> {
    let refuse = |Fault(field, value)| PoseError::input(what, field, value, "a MATLAB file of version 5 to 7");
    let Some(header) = bytes.get(..HEADER) else {
        return Err(refuse(Fault("length", bytes.len().to_string())));
    };
    let is_little = match &header[126..] {
        b"IM" => true,
        b"MI" => false,
        other => return Err(refuse(Fault("order of bytes", format!("{other:?}")))),
    };
    let version = if is_little { header[125] } else { header[124] };
    if version != 1 {
        let why = "version 5 to 7; one of version 7.3 is saved anew in MATLAB with save(..., '-v7')";
        return Err(PoseError::input(what, "version", version, why));
    }
    let mut variables = BTreeMap::new();
    let mut rest = Bytes { bytes: &bytes[HEADER..], is_little };
    while !rest.bytes.is_empty() {
        let (kind, body) = rest.element().map_err(refuse)?;
        let mut insert = |body: &[u8]| {
            let mut body = Bytes { bytes: body, is_little };
            let (name, value) = body.matrix(0).map_err(refuse)?;
            variables.insert(name, value);
            Ok::<_, PoseError>(())
        };
        match kind {
            MATRIX => insert(body)?,
            COMPRESSED => {
                let inflated = inflated(body).map_err(|error| PoseError::read(what, error))?;
                let (kind, body) = Bytes { bytes: &inflated, is_little }.element().map_err(refuse)?;
                if kind == MATRIX {
                    insert(body)?;
                }
            }
            _ => {}
        }
    }
    Ok(variables)
}

fn inflated(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let n = flate2::read::ZlibDecoder::new(body).take(MOST_BYTES).read_to_end(&mut bytes)?;
    if n as u64 == MOST_BYTES { Err(std::io::Error::other("a variable of more than 512 MiB")) } else { Ok(bytes) }
}

/// What is left of a file or of an element.
#[derive(Clone, Copy)]
struct Bytes<'a> {
    bytes: &'a [u8],
    is_little: bool,
}

impl<'a> Bytes<'a> {
    fn take(&mut self, n: usize) -> Parsed<&'a [u8]> {
        let fault = || Fault("length", format!("{} bytes where {n} are wanted", self.bytes.len()));
        let (taken, rest) = self.bytes.split_at_checked(n).ok_or_else(fault)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn word(&mut self) -> Parsed<u32> {
        let bytes = self.take(4)?.try_into().unwrap_or([0; 4]);
        Ok(if self.is_little { u32::from_le_bytes(bytes) } else { u32::from_be_bytes(bytes) })
    }

    /// Type and data of the next element; up to four bytes are in the tag itself.
    fn element(&mut self) -> Parsed<(u32, &'a [u8])> {
        let word = self.word()?;
        if word >> 16 != 0 {
            let (kind, n) = (word & 0xffff, (word >> 16) as usize);
            let data = self.take(4)?;
            return data
                .get(..n)
                .map(|data| (kind, data))
                .ok_or_else(|| Fault("size of a small element", n.to_string()));
        }
        let n = self.word()? as usize;
        let data = self.take(n)?;
        if word != COMPRESSED {
            // Padded to eight bytes; the last element of a file may lack it.
            let padding = (n.next_multiple_of(8) - n).min(self.bytes.len());
            self.take(padding)?;
        }
        Ok((word, data))
    }

    /// The numbers of an element.
    fn numbers(&mut self) -> Parsed<Vec<f64>> {
        let (kind, data) = self.element()?;
        macro_rules! all {
            ($number:ty) => {
                data.chunks_exact(size_of::<$number>())
                    .map(|bytes| {
                        let bytes = bytes.try_into().unwrap_or_default();
                        (if self.is_little { <$number>::from_le_bytes(bytes) } else { <$number>::from_be_bytes(bytes) })
                            as f64
                    })
                    .collect()
            };
        }
        Ok(match kind {
            1 => all!(i8),
            2 => all!(u8),
            3 => all!(i16),
            4 => all!(u16),
            5 => all!(i32),
            6 => all!(u32),
            7 => all!(f32),
            9 => all!(f64),
            12 => all!(i64),
            13 => all!(u64),
            other => return Err(Fault("type of numbers", other.to_string())),
        })
    }

    /// Name and value of a matrix, whose tag has been read.
    fn matrix(&mut self, depth: usize) -> Parsed<(String, MatValue)> {
        if self.bytes.is_empty() {
            return Ok((String::new(), MatValue::Numbers { dims: vec![0, 0], values: Vec::new() }));
        }
        if depth > MOST_DEPTH {
            return Err(Fault("depth", depth.to_string()));
        }
        let flags = self.numbers()?;
        let flags = flags.first().map_or(0, |flags| *flags as u32);
        let dims: Vec<usize> = self.numbers()?.into_iter().map(|n| n.max(0.0) as usize).collect();
        let name = text(self.element()?.1);
        let n = dims.iter().try_fold(1usize, |n, m| n.checked_mul(*m));
        // Each cell, and each field of a struct, has a tag of eight bytes.
        let n = n.ok_or_else(|| Fault("dimensions", format!("{dims:?}")))?;
        let is_complex = flags & 0x0800 != 0;
        let value = match flags & 0xff {
            1 => MatValue::Cell((0..n).map(|_| self.part(depth)).collect::<Parsed<_>>()?),
            2 => self.elements(n, depth)?,
            6..=15 if !is_complex => {
                let values = self.numbers()?;
                if values.len() != n {
                    return Err(Fault("numbers", format!("{} for {dims:?}", values.len())));
                }
                MatValue::Numbers { dims, values }
            }
            _ => MatValue::Other,
        };
        Ok((name, value))
    }

    /// A matrix inside of another.
    fn part(&mut self, depth: usize) -> Parsed<MatValue> {
        let (kind, body) = self.element()?;
        if kind != MATRIX {
            return Err(Fault("type of a part", kind.to_string()));
        }
        Ok(Bytes { bytes: body, ..*self }.matrix(depth + 1)?.1)
    }

    /// The elements of a struct array.
    fn elements(&mut self, n: usize, depth: usize) -> Parsed<MatValue> {
        let width = self.numbers()?.first().map_or(0, |width| *width as usize);
        let names: Vec<String> = self.element()?.1.chunks(width.max(1)).map(text).collect();
        if n > 0 && names.is_empty() {
            return Ok(MatValue::Struct(Vec::new()));
        }
        let mut elements = Vec::new();
        for _ in 0..n {
            let fields = names.iter().map(|name| Ok((name.clone(), self.part(depth)?)));
            elements.push(fields.collect::<Parsed<_>>()?);
        }
        Ok(MatValue::Struct(elements))
    }
}

/// Letters up to the first zero.
fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    String::from_utf8_lossy(&bytes[..end]).into_owned()
}
