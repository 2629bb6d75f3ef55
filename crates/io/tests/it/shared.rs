//! Files that several tests need, and the folder of expected results beside the repository.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use volkit_core::{Affine, DType, Volume, VoxelsRef};
use volkit_io::Endian;

/// Element types of numbers that HDF5 and both versions of Zarr hold.
#[cfg(any(feature = "hdf5", feature = "zarr"))]
pub(crate) const NUMBERS: [DType; 13] = [
    DType::U8,
    DType::I8,
    DType::U16,
    DType::I16,
    DType::U32,
    DType::I32,
    DType::U64,
    DType::I64,
    DType::F16,
    DType::F32,
    DType::F64,
    DType::Complex64,
    DType::Complex128,
];

/// The shared folder, or a line that says what was skipped.
pub(crate) fn shared(part: &str) -> Option<PathBuf> {
    let root = std::env::var_os("VOLKIT_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    let path = root.join(part);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

pub(crate) fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// SHA-256 of the elements in little-endian order.
pub(crate) fn sha256(values: VoxelsRef<'_>) -> String {
    assert_eq!(Endian::NATIVE, Endian::Little, "the checksums are of little-endian elements");
    let digest = Sha256::digest(values.bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An oblique affine with unequal spacing and no shear.
pub(crate) fn oblique() -> Affine {
    let (c, s) = (0.8, 0.6);
    Affine::from_rows([[-1.5 * c, 2.0 * s, 0.0, 30.5], [1.5 * s, 2.0 * c, 0.0, -22.25], [0.0, 0.0, 2.5, 11.0]])
}

/// A volume of any element type whose bytes are a fixed pseudo-random sequence; floats are finite.
pub(crate) fn noise(shape: &[usize], dtype: DType, seed: u64) -> Volume {
    let n: usize = shape.iter().product();
    let mut voxels = volkit_core::Voxels::zeros(dtype, n).unwrap();
    let mut state = seed.wrapping_mul(2).wrapping_add(1);
    for byte in voxels.view_mut().bytes_mut() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *byte = (state >> 56) as u8;
    }
    // Exponents of all ones are infinities and NaNs, which do not compare equal.
    if !dtype.is_integer() && dtype.swap_size() > 1 {
        let size = dtype.swap_size();
        for number in voxels.view_mut().bytes_mut().chunks_exact_mut(size) {
            number[size - 1] &= 0xbf;
        }
    }
    Volume::new(shape, voxels, oblique()).unwrap()
}

/// Values as bits, so that -0 and NaN count.
pub(crate) fn bytes_of(volume: &Volume) -> &[u8] {
    volume.voxels().view().bytes()
}

/// Files in a folder.
pub(crate) fn names_in(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
