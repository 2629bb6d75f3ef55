//! Element types as the pure-Rust library describes them.

use hdf5_pure::{AttrValue, Dataset, Datatype, DatatypeByteOrder, FloatingPointLayout};
use volkit_core::{Array, DType, Voxels};

use super::api::Hdf5Value;
use crate::Endian;

pub(super) const IEEE754_BINARY16: FloatingPointLayout = FloatingPointLayout {
    bit_offset: 0,
    bit_precision: 16,
    exponent_location: 10,
    exponent_size: 5,
    mantissa_location: 0,
    mantissa_size: 10,
    exponent_bias: 15,
};

/// An element type that has values here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Element {
    pub(super) dtype: DType,
    pub(super) endian: Endian,
    pub(super) is_bool: bool,
}

/// The element type of numbers; none for anything else.
pub(super) fn element(datatype: &Datatype) -> Option<Element> {
    let plain = |dtype, endian| Some(Element { dtype, endian, is_bool: false });
    match datatype {
        Datatype::FixedPoint { size, byte_order, layout } => {
            let whole = layout.bit_offset == 0 && u64::from(layout.bit_precision) == u64::from(*size) * 8;
            let dtype = match (size, layout.signed) {
                (1, false) => DType::U8,
                (1, true) => DType::I8,
                (2, false) => DType::U16,
                (2, true) => DType::I16,
                (4, false) => DType::U32,
                (4, true) => DType::I32,
                (8, false) => DType::U64,
                (8, true) => DType::I64,
                _ => return None,
            };
            plain(dtype, endian(byte_order).filter(|_| whole)?)
        }
        Datatype::FloatingPoint { size, byte_order, layout } => {
            let known = [
                (IEEE754_BINARY16, DType::F16),
                (FloatingPointLayout::IEEE754_BINARY32, DType::F32),
                (FloatingPointLayout::IEEE754_BINARY64, DType::F64),
            ];
            let found = known.iter().find(|(known, dtype)| known == layout && *size as usize == dtype.size());
            plain(found?.1, endian(byte_order)?)
        }
        Datatype::Enumeration { base_type, members, .. } => {
            let base = element(base_type)?;
            let mut names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
            names.sort_unstable();
            let is_bool = base.dtype.size() == 1 && names == ["FALSE", "TRUE"];
            let dtype = if is_bool { DType::U8 } else { base.dtype };
            Some(Element { dtype, is_bool, ..base })
        }
        Datatype::Compound { size, members } => {
            let [re, im] = members.as_slice() else { return None };
            let (a, b) = (element(&re.datatype)?, element(&im.datatype)?);
            let names = [("r", "i"), ("re", "im"), ("real", "imag")].contains(&(re.name.as_str(), im.name.as_str()));
            let dense = re.byte_offset == 0
                && im.byte_offset as usize == a.dtype.size()
                && *size as usize == 2 * a.dtype.size();
            let dtype = match a.dtype {
                DType::F32 => DType::Complex64,
                DType::F64 => DType::Complex128,
                _ => return None,
            };
            if a == b && names && dense { plain(dtype, a.endian) } else { None }
        }
        _ => None,
    }
}

/// Bytes of the fill value that a data set declares. A message that can not be read counts as none: it makes no value
/// wrong, for those that need it are refused when they are read.
pub(super) fn declared_fill(data_set: &Dataset, element: Element) -> Option<Vec<u8>> {
    macro_rules! declared {
        ($kind:ty) => {
            data_set.fill_value::<$kind>().ok()?.map(|value| value.to_ne_bytes().to_vec())
        };
    }
    match element.dtype {
        DType::U8 => declared!(u8),
        DType::I8 => declared!(i8),
        DType::U16 => declared!(u16),
        DType::I16 => declared!(i16),
        DType::U32 => declared!(u32),
        DType::I32 => declared!(i32),
        DType::U64 => declared!(u64),
        DType::I64 => declared!(i64),
        DType::F32 => declared!(f32),
        DType::F64 => declared!(f64),
        _ => None,
    }
}

fn endian(order: &DatatypeByteOrder) -> Option<Endian> {
    match order {
        DatatypeByteOrder::LittleEndian => Some(Endian::Little),
        DatatypeByteOrder::BigEndian => Some(Endian::Big),
        DatatypeByteOrder::Vax => None,
    }
}

/// The value of an attribute.
pub(super) fn value(value: &AttrValue) -> Hdf5Value {
    if let Some(text) = value.as_str() {
        return Hdf5Value::Text(text.trim_end_matches('\0').to_owned());
    }
    if let Some(texts) = value.as_strings() {
        return Hdf5Value::Texts(texts.iter().map(|text| text.trim_end_matches('\0').to_owned()).collect());
    }
    let one = |values: Voxels| (Vec::new(), values);
    let many = |values: Voxels| (vec![values.len()], values);
    let (shape, values) = match value {
        AttrValue::F32(v) => one(vec![*v].into()),
        AttrValue::F64(v) => one(vec![*v].into()),
        AttrValue::I8(v) => one(vec![*v].into()),
        AttrValue::I16(v) => one(vec![*v].into()),
        AttrValue::I32(v) => one(vec![*v].into()),
        AttrValue::I64(v) => one(vec![*v].into()),
        AttrValue::U8(v) => one(vec![*v].into()),
        AttrValue::U16(v) => one(vec![*v].into()),
        AttrValue::U32(v) => one(vec![*v].into()),
        AttrValue::U64(v) => one(vec![*v].into()),
        AttrValue::F32Array(v) => many(v.clone().into()),
        AttrValue::F64Array(v) => many(v.clone().into()),
        AttrValue::I8Array(v) => many(v.clone().into()),
        AttrValue::I16Array(v) => many(v.clone().into()),
        AttrValue::I32Array(v) => many(v.clone().into()),
        AttrValue::I64Array(v) => many(v.clone().into()),
        AttrValue::U8Array(v) => many(v.clone().into()),
        AttrValue::U16Array(v) => many(v.clone().into()),
        AttrValue::U32Array(v) => many(v.clone().into()),
        AttrValue::U64Array(v) => many(v.clone().into()),
        other => return Hdf5Value::Other(other.type_name().to_owned()),
    };
    Array::new(shape, values).map_or_else(|error| Hdf5Value::Other(error.to_string()), Hdf5Value::Numbers)
}
