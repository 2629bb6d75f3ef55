//! Element types of Zarr arrays, and the values that stand for what was never written.

use half::{bf16, f16};
use serde_json::{Number, Value, json};
use volkit_core::DType;

use crate::Endian;

/// Element type of an array: one of ours, and whether its bytes are booleans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ElementType {
    pub(crate) dtype: DType,
    pub(crate) is_bool: bool,
}

/// Names in v3, kind and size in v2, and ours.
const NAMES: [(&str, &str, DType); 14] = [
    ("uint8", "u1", DType::U8),
    ("int8", "i1", DType::I8),
    ("uint16", "u2", DType::U16),
    ("int16", "i2", DType::I16),
    ("uint32", "u4", DType::U32),
    ("int32", "i4", DType::I32),
    ("uint64", "u8", DType::U64),
    ("int64", "i8", DType::I64),
    ("float16", "f2", DType::F16),
    ("bfloat16", "", DType::BF16),
    ("float32", "f4", DType::F32),
    ("float64", "f8", DType::F64),
    ("complex64", "c8", DType::Complex64),
    ("complex128", "c16", DType::Complex128),
];

impl ElementType {
    pub(crate) fn size(self) -> usize {
        self.dtype.size()
    }

    /// The type with that name in v3.
    pub(crate) fn from_v3(name: &str) -> Option<Self> {
        if name == "bool" {
            return Some(Self { dtype: DType::U8, is_bool: true });
        }
        let (_, _, dtype) = NAMES.into_iter().find(|(v3, _, _)| *v3 == name)?;
        Some(Self { dtype, is_bool: false })
    }

    /// The type and byte order of a NumPy type string, as v2 has it.
    pub(crate) fn from_v2(text: &str) -> Option<(Self, Endian)> {
        let endian = match text.chars().next()? {
            '<' | '|' => Endian::Little,
            '>' => Endian::Big,
            _ => return None,
        };
        let kind = text.get(1..)?;
        if kind == "b1" {
            return Some((Self { dtype: DType::U8, is_bool: true }, endian));
        }
        let (_, _, dtype) = NAMES.into_iter().find(|(_, v2, _)| !v2.is_empty() && *v2 == kind)?;
        let ordered = !text.starts_with('|') || dtype.size() == 1;
        ordered.then_some((Self { dtype, is_bool: false }, endian))
    }

    /// Its name in v3; none for types that Zarr does not have.
    pub(crate) fn v3_name(self) -> Option<&'static str> {
        if self.is_bool {
            return Some("bool");
        }
        NAMES.into_iter().find(|(_, _, dtype)| *dtype == self.dtype).map(|(v3, _, _)| v3)
    }

    /// Its NumPy type string, little-endian; none for types that v2 does not have.
    pub(crate) fn v2_name(self) -> Option<String> {
        if self.is_bool {
            return Some("|b1".to_owned());
        }
        let (_, v2, dtype) = NAMES.into_iter().find(|(_, v2, dtype)| *dtype == self.dtype && !v2.is_empty())?;
        Some(format!("{}{v2}", if dtype.size() == 1 { '|' } else { '<' }))
    }
}

/// The bytes in memory of a fill value; `lenient` takes what v2 stores write: whole numbers with a point, numbers for
/// booleans, null for zero.
///
/// # Errors
/// Why it is none of the type.
pub(crate) fn parse_fill(value: &Value, element: ElementType, lenient: bool) -> Result<Vec<u8>, String> {
    if value.is_null() && lenient {
        return Ok(vec![0; element.size()]);
    }
    if element.is_bool {
        return match value {
            Value::Bool(on) => Ok(vec![u8::from(*on)]),
            Value::Number(number) if lenient && (number.as_u64() == Some(0) || number.as_f64() == Some(0.0)) => {
                Ok(vec![0])
            }
            Value::Number(number) if lenient && number.as_u64() == Some(1) => Ok(vec![1]),
            _ => Err("must be true or false".to_owned()),
        };
    }
    let part = match element.dtype {
        DType::Complex64 => DType::F32,
        DType::Complex128 => DType::F64,
        other => return parse_number(value, other, lenient),
    };
    match value {
        Value::Array(parts) if parts.len() == 2 => {
            Ok([parse_number(&parts[0], part, lenient)?, parse_number(&parts[1], part, lenient)?].concat())
        }
        Value::Number(_) if lenient => {
            let mut bytes = parse_number(value, part, lenient)?;
            bytes.resize(element.size(), 0);
            Ok(bytes)
        }
        _ => Err("must be a pair [real, imaginary]".to_owned()),
    }
}

fn parse_number(value: &Value, dtype: DType, lenient: bool) -> Result<Vec<u8>, String> {
    if dtype.is_integer() {
        let number = whole_number(value, lenient).ok_or_else(|| format!("must be a whole number of type {dtype}"))?;
        return integer_bytes(number, dtype).ok_or_else(|| format!("lies outside {dtype}"));
    }
    if let Some(bits) = value.as_str().and_then(|text| text.strip_prefix("0x")) {
        if bits.len() != 2 * dtype.size() {
            return Err(format!("must have {} hexadecimal digits", 2 * dtype.size()));
        }
        let bits = u64::from_str_radix(bits, 16).map_err(|_| "has digits that are not hexadecimal".to_owned())?;
        return Ok(low_bytes(bits, dtype.size()));
    }
    let number = match value {
        Value::Number(number) => number.as_f64().ok_or("is no number that can be read")?,
        Value::String(text) => match text.as_str() {
            "NaN" => f64::NAN,
            "Infinity" => f64::INFINITY,
            "-Infinity" => f64::NEG_INFINITY,
            _ => return Err("must be a number, \"NaN\", \"Infinity\", \"-Infinity\" or \"0x...\"".to_owned()),
        },
        _ => return Err("must be a number, \"NaN\", \"Infinity\", \"-Infinity\" or \"0x...\"".to_owned()),
    };
    Ok(match dtype {
        DType::F16 => f16::from_f64(number).to_ne_bytes().to_vec(),
        DType::BF16 => bf16::from_f64(number).to_ne_bytes().to_vec(),
        DType::F32 => (number as f32).to_ne_bytes().to_vec(),
        _ => number.to_ne_bytes().to_vec(),
    })
}

fn whole_number(value: &Value, lenient: bool) -> Option<i128> {
    let number = value.as_number()?;
    let exact = number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from));
    exact.or_else(|| number.as_f64().filter(|x| lenient && x.fract() == 0.0 && x.abs() < 1e18).map(|x| x as i128))
}

fn integer_bytes(number: i128, dtype: DType) -> Option<Vec<u8>> {
    Some(match dtype {
        DType::U8 => u8::try_from(number).ok()?.to_ne_bytes().to_vec(),
        DType::I8 => i8::try_from(number).ok()?.to_ne_bytes().to_vec(),
        DType::U16 => u16::try_from(number).ok()?.to_ne_bytes().to_vec(),
        DType::I16 => i16::try_from(number).ok()?.to_ne_bytes().to_vec(),
        DType::U32 => u32::try_from(number).ok()?.to_ne_bytes().to_vec(),
        DType::I32 => i32::try_from(number).ok()?.to_ne_bytes().to_vec(),
        DType::U64 => u64::try_from(number).ok()?.to_ne_bytes().to_vec(),
        _ => i64::try_from(number).ok()?.to_ne_bytes().to_vec(),
    })
}

fn low_bytes(bits: u64, size: usize) -> Vec<u8> {
    match size {
        2 => (bits as u16).to_ne_bytes().to_vec(),
        4 => (bits as u32).to_ne_bytes().to_vec(),
        _ => bits.to_ne_bytes().to_vec(),
    }
}

/// A fill value as it is written.
pub(crate) fn fill_json(bytes: &[u8], element: ElementType) -> Value {
    if element.is_bool {
        return Value::Bool(bytes.first().is_some_and(|byte| *byte != 0));
    }
    let half = bytes.len() / 2;
    match element.dtype {
        DType::Complex64 => json!([number_json(&bytes[..half], DType::F32), number_json(&bytes[half..], DType::F32)]),
        DType::Complex128 => json!([number_json(&bytes[..half], DType::F64), number_json(&bytes[half..], DType::F64)]),
        dtype => number_json(bytes, dtype),
    }
}

fn number_json(bytes: &[u8], dtype: DType) -> Value {
    let mut wide = [0; 8];
    let size = bytes.len().min(8);
    if cfg!(target_endian = "big") {
        wide[8 - size..].copy_from_slice(&bytes[..size]);
    } else {
        wide[..size].copy_from_slice(&bytes[..size]);
    }
    let bits = u64::from_ne_bytes(wide);
    // Shifting up and down again carries the sign of a narrow integer through all 64 bits.
    let shift = 64 - 8 * size.max(1) as u32;
    let (number, quiet) = match dtype {
        DType::I8 | DType::I16 | DType::I32 | DType::I64 => return Value::from((bits << shift) as i64 >> shift),
        DType::F16 => (f16::from_bits(bits as u16).to_f64(), u64::from(f16::NAN.to_bits())),
        DType::BF16 => (bf16::from_bits(bits as u16).to_f64(), u64::from(bf16::NAN.to_bits())),
        DType::F32 => (f64::from(f32::from_bits(bits as u32)), u64::from(f32::NAN.to_bits())),
        DType::F64 => (f64::from_bits(bits), f64::NAN.to_bits()),
        _ => return Value::from(bits),
    };
    match Number::from_f64(number) {
        Some(number) => Value::Number(number),
        None if !number.is_nan() => Value::from(if number > 0.0 { "Infinity" } else { "-Infinity" }),
        None if bits == quiet => Value::from("NaN"),
        None => Value::from(format!("0x{bits:0width$x}", width = 2 * bytes.len())),
    }
}

/// Writes the fill value over all of `out`.
pub(crate) fn fill_with(out: &mut [u8], fill: &[u8]) {
    match fill {
        [byte, rest @ ..] if rest.iter().all(|other| other == byte) => out.fill(*byte),
        _ => out.chunks_exact_mut(fill.len()).for_each(|element| element.copy_from_slice(fill)),
    }
}

/// Whether every element is the fill value, bit for bit.
pub(crate) fn is_filled(values: &[u8], fill: &[u8]) -> bool {
    let n = fill.len();
    // A slice is all the same when it equals itself moved on by one element.
    values.is_empty() || (values[..n] == *fill && values[n..] == values[..values.len() - n])
}

#[cfg(test)]
mod tests {
    use super::{ElementType, fill_json, fill_with, is_filled, parse_fill};
    use crate::Endian;
    use serde_json::{Value, json};
    use volkit_core::DType;

    fn element(name: &str) -> ElementType {
        ElementType::from_v3(name).unwrap()
    }

    #[test]
    fn names_go_both_ways() {
        for (text, dtype, endian) in
            [("<u2", DType::U16, Endian::Little), (">f4", DType::F32, Endian::Big), ("|i1", DType::I8, Endian::Little)]
        {
            let (element, order) = ElementType::from_v2(text).unwrap();
            assert_eq!((element.dtype, order), (dtype, endian));
            assert_eq!(element.v2_name().unwrap().replace('<', ">"), text.replace('<', ">"));
        }
        for bad in ["u2", "<V4", "|u2", "<U3", "", "<M8[ns]", "=u2"] {
            assert_eq!(ElementType::from_v2(bad), None, "{bad}");
        }
        assert_eq!(element("bfloat16").v2_name(), None);
        assert_eq!(element("bool").v2_name().unwrap(), "|b1");
        assert_eq!(element("complex64").v3_name(), Some("complex64"));
    }

    #[test]
    fn fill_values_keep_their_bits() {
        let cases: [(&str, Value); 10] = [
            ("uint8", json!(255)),
            ("int16", json!(-3)),
            ("uint64", json!(u64::MAX)),
            ("int64", json!(i64::MIN)),
            ("float32", json!("NaN")),
            ("float32", json!("0x7fc00001")),
            ("float64", json!("-Infinity")),
            ("float16", json!(1.5)),
            ("complex64", json!([1.0, "NaN"])),
            ("bool", json!(true)),
        ];
        for (name, value) in cases {
            let bytes = parse_fill(&value, element(name), false).unwrap();
            assert_eq!(bytes.len(), element(name).size());
            assert_eq!(fill_json(&bytes, element(name)), value, "{name}");
        }
        assert_eq!(parse_fill(&json!("0x7fc00001"), element("float32"), false).unwrap(), 0x7fc0_0001_u32.to_ne_bytes());
    }

    #[test]
    fn what_is_no_fill_value_is_refused() {
        for (name, value) in [
            ("uint8", json!(256)),
            ("uint8", json!(-1)),
            ("uint8", json!(1.5)),
            ("uint16", json!("abc")),
            ("float32", json!("0x7fc0")),
            ("float32", json!("0xzzzzzzzz")),
            ("float32", json!(null)),
            ("complex64", json!([1.0])),
            ("bool", json!(1)),
        ] {
            assert!(parse_fill(&value, element(name), false).is_err(), "{name} {value}");
        }
        assert_eq!(parse_fill(&json!(null), element("uint16"), true).unwrap(), [0, 0]);
        assert_eq!(parse_fill(&json!(2.0), element("uint8"), true).unwrap(), [2]);
        assert_eq!(parse_fill(&json!(0), element("bool"), true).unwrap(), [0]);
        assert!(parse_fill(&json!("abc"), element("uint16"), true).is_err());
    }

    #[test]
    fn filled_or_not() {
        let mut values = vec![0; 12];
        fill_with(&mut values, &[1, 2, 3, 4]);
        assert_eq!(values, [1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4]);
        assert!(is_filled(&values, &[1, 2, 3, 4]));
        values[11] = 5;
        assert!(!is_filled(&values, &[1, 2, 3, 4]));
        assert!(is_filled(&[], &[0, 0]));
        assert!(!is_filled(&[1, 1], &[0]));
    }
}
