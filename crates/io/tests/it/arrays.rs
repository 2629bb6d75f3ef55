//! Row-major arrays by boxes, and files that are written by more than one process.

use volkit_core::conformance::{check_sink, check_source};
use volkit_core::{Affine, DType, Region, Volume, VolumeMeta, read_all};
use volkit_io::{Endian, IoError, Partial, ReadOptions, WriteOptions};

/// The array `[2, 3, 4]` with the values 0 .. 23, as a volume.
fn counting() -> Volume {
    Volume::new([4, 3, 2], (0..24).map(|v| v as f32).collect::<Vec<_>>(), Affine::IDENTITY).unwrap()
}

#[test]
fn arrays_keep_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    let volume = counting();
    let sink = volkit_io::create_array(&path, volume.meta(), &WriteOptions::new()).unwrap();
    check_sink(sink, &volume).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    let header = String::from_utf8_lossy(&bytes[..128]);
    assert!(header.contains("'fortran_order': False, 'shape': (2, 3, 4)"), "{header}");
    let data: Vec<f32> =
        bytes[bytes.len() - 96..].chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    assert_eq!(data, (0..24).map(|v| v as f32).collect::<Vec<_>>());
    let source = volkit_io::open_array(&path, &ReadOptions::default()).unwrap();
    check_source(source.as_ref(), &volume).unwrap();
    let raw = folder.path().join("a.raw");
    let sink = volkit_io::create_raw(&raw, volume.meta(), &WriteOptions::new().with_dtype(DType::U8)).unwrap();
    check_sink(sink, &volume).unwrap();
    assert_eq!(std::fs::read(&raw).unwrap(), (0..24).collect::<Vec<u8>>());
    let meta = VolumeMeta::new([4, 2, 2], DType::U8, Affine::IDENTITY).unwrap();
    let source = volkit_io::open_raw(&raw, &meta, 8, &ReadOptions::default()).unwrap();
    assert_eq!(read_all(source.as_ref()).unwrap().as_slice::<u8>().unwrap(), (8..24).collect::<Vec<u8>>());
    assert_eq!(Endian::NATIVE, Endian::Little);
}

#[test]
fn files_that_are_no_row_major_arrays() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let open = |name: &str| volkit_io::open_array(path(name), &ReadOptions::default()).err().unwrap();
    let whole = volkit_io::create(path("f.npy"), counting().meta(), None, &WriteOptions::new()).unwrap();
    check_sink(whole, &counting()).unwrap();
    assert!(open("f.npy").to_string().contains("fortran_order is True"));
    std::fs::write(path("t.npy"), "text").unwrap();
    assert!(matches!(open("t.npy"), IoError::NotThisFormat { .. }));
    assert!(matches!(open("missing.npy"), IoError::MissingFile { .. }));
    let sink = volkit_io::create_array(path("c.npy"), counting().meta(), &WriteOptions::new()).unwrap();
    check_sink(sink, &counting()).unwrap();
    let bytes = std::fs::read(path("c.npy")).unwrap();
    std::fs::write(path("c.npy"), &bytes[..bytes.len() - 1]).unwrap();
    assert!(matches!(open("c.npy"), IoError::Truncated { .. }));
    let meta = VolumeMeta::new([5], DType::U8, Affine::IDENTITY).unwrap();
    assert!(matches!(
        volkit_io::open_raw(path("t.npy"), &meta, 0, &ReadOptions::default()),
        Err(IoError::Truncated { .. })
    ));
}

#[test]
fn partial_files_stay_and_are_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let (path, partial) = (folder.path().join("a.npy"), folder.path().join("a.npy.partial"));
    let volume = counting();
    let create =
        |partial, meta: &VolumeMeta| volkit_io::create_array(&path, meta, &WriteOptions::new().with_partial(partial));
    assert!(matches!(create(Partial::Resume, volume.meta()), Err(IoError::MissingFile { .. })));
    let plane = |c: usize| {
        (Region::new([0, 0, c], [4, 3, 1]).unwrap(), (0..12).map(|v| (12 * c + v) as f32).collect::<Vec<_>>())
    };
    let sink = create(Partial::New, volume.meta()).unwrap();
    let (region, values) = plane(0);
    sink.write_region(&region, values.as_slice().into()).unwrap();
    sink.sync().unwrap();
    drop(sink);
    assert!(partial.exists() && !path.exists());
    let other = VolumeMeta::new([3, 4, 2], DType::F32, Affine::IDENTITY).unwrap();
    let error = create(Partial::Resume, &other).err().unwrap().to_string();
    assert!(error.contains("a part of another volume"), "{error}");
    let sink = create(Partial::Resume, volume.meta()).unwrap();
    let (region, values) = plane(1);
    sink.write_region(&region, values.as_slice().into()).unwrap();
    sink.finish().unwrap();
    assert!(!partial.exists());
    let source = volkit_io::open_array(&path, &ReadOptions::default()).unwrap();
    check_source(source.as_ref(), &volume).unwrap();
    for name in ["a.nii.gz", "a.npz"] {
        let options = WriteOptions::new().with_partial(Partial::New);
        let error = volkit_io::create(folder.path().join(name), volume.meta(), None, &options).err().unwrap();
        assert!(error.to_string().contains("can not be resumed"), "{error}");
    }
}
