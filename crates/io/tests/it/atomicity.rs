//! A write that fails leaves nothing, and keeps what was there.

use std::io::Write as _;

use volkit_core::{DType, Region, VolumeMeta};
use volkit_io::{Image, IoError, WriteOptions, create, read, write, write_atomically};

use crate::shared::{names_in, noise, oblique};

#[test]
fn a_failing_writer_leaves_the_old_file_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("report.csv");
    write_atomically(&path, |out| out.write_all(b"old")).unwrap();
    let full = || std::io::Error::from(std::io::ErrorKind::StorageFull);
    let error = write_atomically(&path, |out| {
        out.write_all(&[b'x'; 100_000])?;
        Err(full())
    });
    let error = error.unwrap_err();
    assert!(matches!(error, IoError::Io { op: "write", .. }), "{error}");
    assert!(error.to_string().starts_with(path.to_str().unwrap()));
    assert_eq!(std::fs::read(&path).unwrap(), b"old");
    assert_eq!(names_in(folder.path()), ["report.csv"]);
}

#[test]
fn outputs_that_can_not_be_made_are_errors_that_name_them() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new(noise(&[3, 3, 3], DType::U8, 1));
    let below_a_file = folder.path().join("file");
    std::fs::write(&below_a_file, b"").unwrap();
    for path in [folder.path().join("none/a.nii.gz"), below_a_file.join("a.nii"), below_a_file.join("a.hdr")] {
        let error = write(&path, &image, &WriteOptions::default()).unwrap_err();
        assert!(matches!(error, IoError::Io { op: "create", .. }), "{error}");
    }
    std::fs::create_dir(folder.path().join("b.nii")).unwrap();
    let error = write(folder.path().join("b.nii"), &image, &WriteOptions::default()).unwrap_err();
    assert!(matches!(error, IoError::Io { op: "write", .. }), "{error}");
    let error = write(folder.path().join("a.xyz"), &image, &WriteOptions::default()).unwrap_err().to_string();
    assert!(error.contains("known are .nii, .nii.gz, .hdr"), "{error}");
    assert_eq!(names_in(folder.path()), ["b.nii", "file"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_device_is_an_error() {
    use std::path::Path;
    if !Path::new("/dev/full").exists() {
        println!("skipped: no /dev/full");
        return;
    }
    let mut full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.json");
    let result = write_atomically(&path, |out| {
        out.write_all(b"{}")?;
        full.write_all(&[0; 4096])
    });
    assert!(result.is_err());
    assert!(names_in(folder.path()).is_empty());
}

#[test]
fn existing_files_are_kept_on_request() {
    let folder = tempfile::tempdir().unwrap();
    let image = Image::new(noise(&[2, 2, 2], DType::U8, 1));
    let keep = WriteOptions::new().with_overwrite(false);
    for name in ["a.nii", "a.img", "a.npz", "a.mgz"] {
        let path = folder.path().join(name);
        write(&path, &image, &keep).unwrap();
        let before = std::fs::read(&path).unwrap();
        let other = Image::new(noise(&[3, 2, 2], DType::U8, 2));
        assert!(matches!(write(&path, &other, &keep), Err(IoError::Exists { .. })), "{name}");
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
    let image = Image::new(noise(&[3, 2, 2], DType::U8, 2));
    write(folder.path().join("a.nii"), &image, &WriteOptions::default()).unwrap();
    assert_eq!(read(folder.path().join("a.nii")).unwrap().volume().shape(), [3, 2, 2]);
}

#[test]
fn a_sink_that_is_dropped_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let meta = VolumeMeta::new([4, 3, 2], DType::I16, oblique()).unwrap();
    for name in ["a.nii", "a.nii.gz", "a.img.gz", "a.npz"] {
        let sink = create(folder.path().join(name), &meta, None, &WriteOptions::default()).unwrap();
        let last = Region::new([0, 0, 1], [4, 3, 1]).unwrap();
        sink.write_region(&last, [0i16; 12].as_slice().into()).unwrap();
        drop(sink);
        assert!(names_in(folder.path()).is_empty(), "{name}: {:?}", names_in(folder.path()));
    }
}
