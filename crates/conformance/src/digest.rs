//! Checksums of voxels, as the golden folders define them.

use volkit_core::{BoxError, DType, Voxels, VoxelsRef};
use volkit_io::sha256;

/// SHA-256 of the elements as little-endian bytes, in lower-case hex.
pub(crate) fn sha256_le(voxels: VoxelsRef<'_>) -> String {
    let size = voxels.dtype().swap_size();
    // 128-bit floats keep little-endian bytes in memory everywhere.
    let is_little = cfg!(target_endian = "little") || matches!(voxels.dtype(), DType::F128 | DType::Complex256);
    if is_little || size == 1 {
        return sha256(voxels.bytes());
    }
    sha256(&voxels.bytes().chunks_exact(size).flat_map(|part| part.iter().rev().copied()).collect::<Vec<u8>>())
}

/// Values as f64: one a real voxel, real and imaginary part of a complex one.
pub(crate) fn values_f64(voxels: &Voxels) -> Result<Vec<f64>, BoxError> {
    Ok(match voxels {
        Voxels::Complex64(values) => values.iter().flat_map(|z| [f64::from(z.re), f64::from(z.im)]).collect(),
        Voxels::Complex128(values) => values.iter().flat_map(|z| [z.re, z.im]).collect(),
        Voxels::Complex256(values) => {
            values.iter().flat_map(|[re, im]| sum_of_parts(re.to_f64(), im.to_f64())).collect()
        }
        other => other.view().to_real()?,
    })
}

/// `re + i * im` as arithmetic gives it, where `i * im` has the real part `0 * im`: a NaN or an infinity in the
/// imaginary part makes the real part NaN. The expected values of the 256-bit type were put together that way.
fn sum_of_parts(re: f64, im: f64) -> [f64; 2] {
    [re + 0.0 * im, im]
}

/// SHA-256 of numbers as little-endian f64, every NaN the default quiet one.
pub(crate) fn sha256_f64(values: &[f64]) -> String {
    let bytes = |x: &f64| if x.is_nan() { 0x7FF8_0000_0000_0000u64.to_le_bytes() } else { x.to_le_bytes() };
    sha256(&values.iter().flat_map(bytes).collect::<Vec<u8>>())
}

/// The element type that NumPy calls so (`<i2`, `|u1`, `>f4`), or one of the names of the golden folders.
pub(crate) fn dtype(name: &str) -> Option<DType> {
    Some(match name.trim_start_matches(['<', '>', '|', '=']) {
        "u1" | "b1" | "uint8" | "bool" => DType::U8,
        "i1" | "int8" => DType::I8,
        "u2" | "uint16" => DType::U16,
        "i2" | "int16" => DType::I16,
        "u4" | "uint32" => DType::U32,
        "i4" | "int32" => DType::I32,
        "u8" | "uint64" => DType::U64,
        "i8" | "int64" => DType::I64,
        "f2" | "float16" => DType::F16,
        "f4" | "float32" => DType::F32,
        "f8" | "float64" => DType::F64,
        "float128" => DType::F128,
        "c8" | "complex64" => DType::Complex64,
        "c16" | "complex128" => DType::Complex128,
        "complex256" => DType::Complex256,
        "rgb24" => DType::Rgb24,
        "rgba32" => DType::Rgba32,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::{dtype, sha256_f64, sha256_le, sum_of_parts};
    use volkit_core::{DType, Voxels};

    #[test]
    fn known_checksums() {
        // SHA-256 of "abc" and of no bytes (FIPS 180-4).
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256_le(Voxels::U8(b"abc".to_vec()).view()), abc);
        let none = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(sha256_f64(&[]), none);
        // Two little-endian 16-bit words and the same four bytes.
        let words = sha256_le(Voxels::U16(vec![0x6261, 0x6463]).view());
        assert_eq!(words, sha256_le(Voxels::U8(b"abcd".to_vec()).view()));
    }

    #[test]
    fn every_nan_is_the_same() {
        let other = f64::from_bits(0xFFF0_0000_0000_0001);
        assert_eq!(sha256_f64(&[1.0, other]), sha256_f64(&[1.0, f64::NAN]));
    }

    #[test]
    fn parts_of_complex_numbers() {
        assert_eq!(sum_of_parts(-1.5, 2.0), [-1.5, 2.0]);
        assert!(sum_of_parts(1.0, f64::INFINITY)[0].is_nan() && sum_of_parts(1.0, f64::NAN)[0].is_nan());
        assert_eq!(sum_of_parts(f64::INFINITY, 1.0), [f64::INFINITY, 1.0]);
    }

    #[test]
    fn names_of_numpy() {
        assert_eq!((dtype("<i2"), dtype(">f8"), dtype("|u1")), (Some(DType::I16), Some(DType::F64), Some(DType::U8)));
        assert_eq!(dtype("<U5"), None);
    }
}
