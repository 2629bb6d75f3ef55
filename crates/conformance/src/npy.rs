//! Reading the `.npy` files of golden folders.
//!
//! Format: NumPy enhancement proposal 1. Magic `\x93NUMPY`, version, header length, a Python dictionary with `descr`,
//! `fortran_order` and `shape`, then the elements.

use std::path::Path;

use volkit_core::BoxError;

/// Longest header that is read.
const MAX_HEADER_BYTES: usize = 1 << 16;

/// An array of real numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct NpyArray {
    pub(crate) shape: Vec<usize>,
    /// First axis fastest, whatever the order in the file.
    pub(crate) values: Vec<f64>,
}

/// Reads a file of f32 or f64.
pub(crate) fn read(path: &Path) -> Result<NpyArray, BoxError> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&bytes).map_err(|why| format!("{}: {why}", path.display()).into())
}

fn parse(bytes: &[u8]) -> Result<NpyArray, String> {
    let (header, data) = split(bytes).ok_or("not a .npy file, or its header is cut")?;
    let descr = quoted(after(header, "descr")?).ok_or("the header's descr is no text")?;
    let fortran_order = after(header, "fortran_order")?.starts_with("True");
    let shape = shape(after(header, "shape")?).ok_or("the header's shape is no tuple of counts")?;
    let n_values = shape.iter().try_fold(1usize, |product, &n| product.checked_mul(n));
    let size = match descr {
        "<f4" | ">f4" => 4,
        "<f8" | ">f8" => 8,
        other => return Err(format!("descr = {other} is not supported: f4 or f8")),
    };
    let wanted = n_values.and_then(|n| n.checked_mul(size)).ok_or("the header's shape is too large")?;
    if data.len() != wanted {
        return Err(format!("holds {} bytes of data, its shape {shape:?} needs {wanted}", data.len()));
    }
    let values: Vec<f64> = data.chunks_exact(size).map(|raw| element(raw, descr.starts_with('>'))).collect();
    let values = if fortran_order { values } else { first_axis_fastest(&values, &shape) };
    Ok(NpyArray { shape, values })
}

/// Header text and data.
fn split(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let rest = bytes.strip_prefix(b"\x93NUMPY")?;
    let (len, rest) = match rest.first_chunk::<2>()? {
        [1, _] => (usize::from(u16::from_le_bytes([*rest.get(2)?, *rest.get(3)?])), rest.get(4..)?),
        _ => (u32::from_le_bytes(rest.get(2..6)?.try_into().ok()?) as usize, rest.get(6..)?),
    };
    if len > MAX_HEADER_BYTES || len > rest.len() {
        return None;
    }
    let (header, data) = rest.split_at(len);
    Some((std::str::from_utf8(header).ok()?, data))
}

/// What follows a key of the dictionary.
fn after<'a>(header: &'a str, key: &str) -> Result<&'a str, String> {
    let (_, rest) = header.split_once(&format!("'{key}':")).ok_or_else(|| format!("the header has no {key}"))?;
    Ok(rest.trim_start())
}

fn quoted(text: &str) -> Option<&str> {
    text.strip_prefix('\'')?.split_once('\'').map(|(inside, _)| inside)
}

fn shape(text: &str) -> Option<Vec<usize>> {
    let (inside, _) = text.strip_prefix('(')?.split_once(')')?;
    inside.split(',').map(str::trim).filter(|part| !part.is_empty()).map(|part| part.parse().ok()).collect()
}

fn element(raw: &[u8], big_endian: bool) -> f64 {
    let mut bytes = [0; 8];
    let n = raw.len();
    bytes[..n].copy_from_slice(raw);
    if big_endian {
        bytes[..n].reverse();
    }
    let bits = u64::from_le_bytes(bytes);
    if n == 4 { f64::from(f32::from_bits(bits as u32)) } else { f64::from_bits(bits) }
}

fn first_axis_fastest(values: &[f64], shape: &[usize]) -> Vec<f64> {
    let mut out = Vec::with_capacity(values.len());
    let mut index = vec![0; shape.len()];
    for _ in 0..values.len() {
        out.push(values[index.iter().zip(shape).fold(0, |offset, (i, n)| offset * n + i)]);
        for (i, n) in index.iter_mut().zip(shape) {
            *i += 1;
            if *i < *n {
                break;
            }
            *i = 0;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::parse;

    fn file(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn both_orders_and_types() {
        let data: Vec<u8> = (0..6).flat_map(|i| f64::from(i).to_le_bytes()).collect();
        let c_order = parse(&file("{'descr': '<f8', 'fortran_order': False, 'shape': (2, 3), }\n", &data)).unwrap();
        assert_eq!((c_order.shape, c_order.values), (vec![2, 3], vec![0.0, 3.0, 1.0, 4.0, 2.0, 5.0]));
        let f_order = parse(&file("{'descr': '<f8', 'fortran_order': True, 'shape': (2, 3), }\n", &data)).unwrap();
        assert_eq!(f_order.values, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]);
        let big: Vec<u8> = [1.5f32, -2.0].iter().flat_map(|x| x.to_be_bytes()).collect();
        let big = parse(&file("{'descr': '>f4', 'fortran_order': False, 'shape': (2,), }\n", &big)).unwrap();
        assert_eq!((big.shape, big.values), (vec![2], vec![1.5, -2.0]));
    }

    #[test]
    fn damaged_files_are_errors() {
        let good = file("{'descr': '<f8', 'fortran_order': False, 'shape': (1,), }\n", &[0; 8]);
        for len in 0..good.len() {
            assert!(parse(&good[..len]).is_err(), "cut to {len} bytes");
        }
        for header in [
            "{'descr': '<i4', 'fortran_order': False, 'shape': (1,), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': (18446744073709551615, 2), }",
            "{'descr': '<f8', 'fortran_order': False, 'shape': 3, }",
            "{'descr': 7, 'fortran_order': False, 'shape': (1,), }",
            "{}",
        ] {
            assert!(parse(&file(header, &[0; 8])).is_err(), "{header}");
        }
    }
}
