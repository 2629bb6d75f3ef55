//! Stores of named arrays.

use volkit_core::{Array, ArrayStore, DType, MemoryStore, Voxels, conformance::check_store};
use volkit_io::{Limits, NpzStore, SafetensorsStore, write_npz, write_safetensors};

use crate::shared::{noise, shared};

/// Every element type but those of `without`, in odd shapes.
fn store(without: &[DType]) -> MemoryStore {
    let mut store = MemoryStore::new();
    for dtype in DType::ALL.into_iter().filter(|dtype| !without.contains(dtype)) {
        let values = noise(&[3, 1, 5], dtype, 9).into_voxels();
        store.insert(format!("layer/{dtype}"), Array::new([3, 1, 5], values).unwrap());
    }
    store.insert("scalar", Array::new([], vec![2.5f32]).unwrap());
    store.insert("empty", Array::new([0, 4], Vec::<i64>::new()).unwrap());
    store
}

fn check(got: &dyn ArrayStore, expected: &MemoryStore) {
    check_store(got).unwrap();
    assert_eq!(got.names(), expected.names());
    for name in expected.names() {
        let (got, expected) = (got.get(&name).unwrap(), expected.get(&name).unwrap());
        assert_eq!(got.shape(), expected.shape());
        assert!(got.values().view().bytes() == expected.values().view().bytes(), "{name}");
    }
}

#[test]
fn safetensors_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let mut store = store(&[DType::F128, DType::Complex128, DType::Complex256, DType::Rgb24, DType::Rgba32]);
    store.set_metadata("format", "pt");
    store.set_metadata("note", "quotes \" and ü");
    write_safetensors(&path, &store).unwrap();
    let got = SafetensorsStore::open(&path).unwrap();
    check(&got, &store);
    assert_eq!(got.metadata("note").as_deref(), Some("quotes \" and ü"));
    assert_eq!(got.all_metadata(), *store.all_metadata());
    assert_eq!(got.shape("layer/f16"), Some((&[3, 1, 5][..], Some(DType::F16))));
    // The reader of the safetensors crate takes the file too.
    let bytes = std::fs::read(&path).unwrap();
    let theirs = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(theirs.len(), store.names().len());
    assert_eq!(theirs.tensor("scalar").unwrap().data(), 2.5f32.to_le_bytes());
}

#[test]
fn files_that_are_no_safetensors_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("w.h5");
    let mut hdf5 = b"\x89HDF\r\n\x1a\n".to_vec();
    hdf5.extend([0; 100]);
    std::fs::write(&path, hdf5).unwrap();
    let message = SafetensorsStore::open(&path).unwrap_err().to_string();
    assert!(message.contains("w.h5: ") && message.contains("an HDF5 file where safetensors is expected"), "{message}");
    // Cut in the arrays.
    let path = folder.path().join("cut.safetensors");
    let mut store = MemoryStore::new();
    store.insert("a", Array::new([8], vec![1.0f32; 8]).unwrap());
    write_safetensors(&path, &store).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 3]).unwrap();
    let message = SafetensorsStore::open(&path).unwrap_err().to_string();
    let (found, expected) = (bytes.len() - 3, bytes.len());
    assert!(
        message.ends_with(&format!("the data of the arrays ends after {found} bytes, {expected} expected")),
        "{message}"
    );
}

#[test]
fn safetensors_refuses_what_it_has_no_name_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let mut store = MemoryStore::new();
    store.insert("colour", Array::new([1], Voxels::Rgb24(vec![[1, 2, 3]])).unwrap());
    let error = write_safetensors(&path, &store).unwrap_err().to_string();
    assert!(error.ends_with("array 'colour': safetensors has no element type rgb24"), "{error}");
    assert!(!path.exists());
}

#[test]
fn damaged_safetensors_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let mut store = MemoryStore::new();
    store.insert("w", Array::new([2, 2], vec![1.0f32, 2.0, 3.0, 4.0]).unwrap());
    write_safetensors(&path, &store).unwrap();
    let good = std::fs::read(&path).unwrap();
    let message = |bytes: &[u8]| {
        std::fs::write(&path, bytes).unwrap();
        SafetensorsStore::open(&path).unwrap_err().to_string()
    };
    assert!(message(&good[..good.len() - 1]).contains("the arrays ends after"));
    assert!(message(&[0xff; 20]).contains("no safetensors file: header length 18446744073709551615"));
    assert!(message(&[]).contains("the header length ends after 0 bytes"));
    let mut other = good.clone();
    other[12] = b'!';
    assert!(message(&other).contains("safetensors header = "));
    std::fs::write(&path, &good).unwrap();
    let small = Limits::default().with_volume_bytes(8);
    let error = SafetensorsStore::open_with(&path, &small).unwrap().get("w").unwrap_err().to_string();
    assert!(error.ends_with("array 'w' needs 16 bytes, the limit is 8"), "{error}");
    assert!(SafetensorsStore::open_with(&path, &Limits::default().with_header_bytes(4)).is_err());
    assert!(SafetensorsStore::open(&path).unwrap().get("v").is_err());
}

#[test]
fn npz_round_trip() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let store = store(&[DType::BF16, DType::F128, DType::Complex256, DType::Rgb24, DType::Rgba32]);
    write_npz(&path, &store).unwrap();
    check(&NpzStore::open(&path).unwrap(), &store);
    let small = Limits::default().with_volume_bytes(10);
    assert!(NpzStore::open_with(&path, &small).unwrap().get("layer/u8").is_err());
}

#[test]
fn fortran_order_becomes_row_major() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let volume = volkit_core::Volume::new([2, 3], vec![0u8, 1, 2, 3, 4, 5], volkit_core::Affine::IDENTITY).unwrap();
    volkit_io::write(&path, &volkit_io::Image::new(volume), &volkit_io::WriteOptions::default()).unwrap();
    let store = NpzStore::open(&path).unwrap();
    assert_eq!(store.names(), ["arr_0"]);
    let array = store.get("arr_0").unwrap();
    assert_eq!((array.shape(), array.values()), (&[2, 3][..], &Voxels::U8(vec![0, 2, 4, 1, 3, 5])));
}

#[test]
fn archives_without_a_volume_say_what_they_hold() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npz");
    let mut store = MemoryStore::new();
    store.insert("a", Array::new([1], vec![1u8]).unwrap());
    store.insert("b", Array::new([1], vec![1u8]).unwrap());
    write_npz(&path, &store).unwrap();
    let error = volkit_io::read(&path).unwrap_err().to_string();
    assert!(error.ends_with("holds the arrays a, b: none is named vol_data"), "{error}");
    store.insert("vol_data", Array::new([2, 1], vec![3u8, 4]).unwrap());
    write_npz(&path, &store).unwrap();
    assert_eq!(volkit_io::read(&path).unwrap().volume().as_slice::<u8>(), Some(&[3, 4][..]));
}

#[test]
fn golden_stores_open() {
    let Some(folder) = shared("golden/nn3d") else { return };
    let store = SafetensorsStore::open(folder.join("cases.safetensors")).unwrap();
    check_store(&store).unwrap();
    assert!(!store.names().is_empty());
}
