//! NRRD files made by hand.

use std::io::Write as _;
use std::path::Path;

use volkit_core::{Region, read_vec};
use volkit_io::{IoError, ReadOptions, Values, open, probe, read, read_with};

const FIELDS: &str = "NRRD0005\ntype: short\ndimension: 3\nspace: LPS\nsizes: 3 2 2\n\
    space directions: (1,0,0) (0,2,0) (0,0,3)\nspace origin: (1,2,3)\nendian: big\n";

fn values() -> Vec<i16> {
    (0..12).map(|n| n * 300 - 1000).collect()
}

fn big_endian() -> Vec<u8> {
    values().iter().flat_map(|value| value.to_be_bytes()).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn file(folder: &Path, name: &str, fields: &str, data: &[u8]) -> std::path::PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, [format!("{FIELDS}{fields}\n").as_bytes(), data].concat()).unwrap();
    path
}

#[test]
fn attached_and_detached_raw_and_gzip() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("v.raw"), [b"skipped!".as_slice(), &big_endian()].concat()).unwrap();
    std::fs::write(folder.join("v.raw.gz"), gzip(&big_endian())).unwrap();
    for path in [
        file(folder, "a.nrrd", "encoding: raw\n", &big_endian()),
        file(folder, "b.nrrd", "encoding: gzip\n", &gzip(&big_endian())),
        file(folder, "c.nrrd", "encoding: raw\nbyte skip: 8\n", &[b"skipped!".as_slice(), &big_endian()].concat()),
        file(folder, "d.nhdr", "encoding: raw\nbyte skip: -1\ndata file: v.raw\n", b""),
        file(folder, "e.nhdr", "encoding: gz\ndata file: v.raw.gz\n", b""),
    ] {
        let image = read(&path).unwrap();
        let volume = image.volume();
        assert_eq!(volume.voxels().as_slice::<i16>(), Some(&values()[..]), "{}", path.display());
        assert_eq!((volume.shape(), volume.meta().spacing()), (&[3, 2, 2][..], &[1.0, 2.0, 3.0][..]));
        let rows = [[-1.0, 0.0, 0.0, -1.0], [0.0, -2.0, 0.0, -2.0], [0.0, 0.0, 3.0, 3.0]];
        assert_eq!(*volume.affine().rows(), rows);
        assert_eq!(probe(&path).unwrap().format, "NRRD");
        let source = open(&path, &ReadOptions::default()).unwrap();
        volkit_core::conformance::check_source(&source, volume).unwrap();
        let slab: Vec<f32> = read_vec(&source, &Region::new([1, 0, 1], [1, 2, 1]).unwrap()).unwrap();
        assert_eq!(slab, [1100.0, 2000.0]);
        let floats = read_with(&path, &ReadOptions::new().with_values(Values::F32)).unwrap();
        assert_eq!(floats.volume().to_real::<f32>().unwrap()[11], 2300.0);
    }
}

#[test]
fn what_can_not_be_read_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    std::fs::write(folder.join("v.raw"), big_endian()).unwrap();
    let refusal = |path: &Path| read(path).unwrap_err().to_string();
    for (fields, data, told) in [
        ("encoding: ascii\n", &b"1 2 3"[..], "encoding = ascii"),
        ("encoding: raw\n", &big_endian()[..23], "sizes = [3, 2, 2]"),
        ("encoding: gzip\n", &gzip(&big_endian()[..20])[..], "sizes = [3, 2, 2]"),
        ("encoding: gzip\n", &big_endian()[..], "gzip header"),
        ("encoding: raw\ndata file: ../v.raw\n", b"", "data file = ../v.raw"),
        ("encoding: raw\ndata file: LIST\n", b"", "data file = LIST"),
        ("encoding: raw\ndata file: v%03d.raw 1 4 1\n", b"", "data file = v%03d.raw"),
        ("encoding: gzip\ndata file: v.raw\n", b"", "is not compressed"),
    ] {
        let path = file(folder, "bad.nrrd", fields, data);
        let message = refusal(&path);
        assert!(message.contains("bad.nrrd") && message.contains(told), "{message}");
    }
    let path = file(folder, "bad.nhdr", "encoding: raw\ndata file: missing.raw\n", b"");
    assert!(matches!(read(&path), Err(IoError::MissingFile { .. })));
}
