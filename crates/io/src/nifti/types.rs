//! Codes of element types.

use volkit_core::DType;

const CODES: [(i64, DType); 16] = [
    (2, DType::U8),
    (4, DType::I16),
    (8, DType::I32),
    (16, DType::F32),
    (32, DType::Complex64),
    (64, DType::F64),
    (128, DType::Rgb24),
    (256, DType::I8),
    (512, DType::U16),
    (768, DType::U32),
    (1024, DType::I64),
    (1280, DType::U64),
    (1536, DType::F128),
    (1792, DType::Complex128),
    (2048, DType::Complex256),
    (2304, DType::Rgba32),
];

/// Codes that Analyze 7.5 knew.
const ANALYZE_CODES: [i64; 7] = [2, 4, 8, 16, 32, 64, 128];

/// The element type of a `datatype` code.
pub(crate) fn dtype_of(code: i64) -> Option<DType> {
    CODES.iter().find(|(known, _)| *known == code).map(|&(_, dtype)| dtype)
}

/// The element type of a `datatype` code of Analyze 7.5.
pub(crate) fn analyze_dtype_of(code: i64) -> Option<DType> {
    if ANALYZE_CODES.contains(&code) { dtype_of(code) } else { None }
}

/// The `datatype` code of an element type.
pub(crate) fn code_of(dtype: DType) -> Option<i64> {
    CODES.iter().find(|(_, known)| *known == dtype).map(|&(code, _)| code)
}

#[cfg(test)]
mod tests {
    use super::{analyze_dtype_of, code_of, dtype_of};
    use volkit_core::DType;

    #[test]
    fn codes_are_one_to_one() {
        for dtype in DType::ALL {
            assert_eq!(code_of(dtype).and_then(dtype_of), code_of(dtype).map(|_| dtype));
        }
        assert_eq!((code_of(DType::F16), dtype_of(0), dtype_of(1), dtype_of(255)), (None, None, None, None));
        assert_eq!((analyze_dtype_of(256), analyze_dtype_of(4)), (None, Some(DType::I16)));
    }
}
