//! Malformed and hostile files: an orderly error, in little time and memory.

use std::path::Path;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use volkit_core::{Affine, Volume, VolumeSource as _};
use volkit_io::{Image, IoError, Limits, ReadOptions, WriteOptions, open, probe, read, read_with, write};

use crate::shared::{json, noise, shared};

const LONGEST: Duration = Duration::from_secs(2);

#[test]
fn listed_bad_files_do_what_is_listed() {
    let Some(folder) = shared("golden/volume/bad") else { return };
    for entry in json(&folder.join("index.json"))["entries"].as_array().unwrap() {
        let name = entry["files"][0].as_str().unwrap();
        let (path, expect) = (folder.join(name), entry["expect"].as_str().unwrap());
        let start = Instant::now();
        let result = read(&path);
        assert!(start.elapsed() < LONGEST, "{name} took {:?}", start.elapsed());
        if let Err(error) = &result {
            let message = error.to_string();
            assert!(message.starts_with(path.to_str().unwrap()), "{message}");
            println!("{}", message.strip_prefix(folder.to_str().unwrap()).unwrap());
        }
        let is_volume_format =
            !name.starts_with(['h', 'z', 'o', 'n']) || name.ends_with(".nii") || name.ends_with(".gz");
        match expect {
            "error" => assert!(result.is_err(), "{name} was read"),
            "ok" if is_volume_format => assert!(result.is_ok(), "{name}: {result:?}"),
            _ => {}
        }
    }
}

/// A valid little file to damage.
fn template(folder: &Path, name: &str) -> Vec<u8> {
    let path = folder.join(name);
    write(&path, &Image::new(noise(&[5, 4, 3], volkit_core::DType::I16, 1)), &WriteOptions::default()).unwrap();
    std::fs::read(path).unwrap()
}

fn message_of(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    std::fs::write(&path, bytes).unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert_eq!(probe(&path).map_err(|error| error.to_string()).err().unwrap_or_else(|| error.clone()), error);
    error.strip_prefix(path.parent().unwrap().to_str().unwrap()).unwrap()[1..].to_owned()
}

#[test]
fn messages_name_file_field_and_value() {
    let folder = tempfile::tempdir().unwrap();
    let good = template(folder.path(), "good.nii");
    let with = |at: usize, bytes: &[u8]| {
        let mut bad = good.clone();
        bad[at..at + bytes.len()].copy_from_slice(bytes);
        message_of(folder.path(), "scan.nii", &bad)
    };
    assert_eq!(with(40, &(-3i16).to_le_bytes()), "scan.nii: dim[0] = -3: must be 1 to 7");
    assert_eq!(with(44, &0i16.to_le_bytes()), "scan.nii: dim[2] = 0: must be at least 1");
    assert_eq!(with(44, &(-7i16).to_le_bytes()), "scan.nii: dim[2] = -7: must be at least 1");
    assert_eq!(with(70, &1i16.to_le_bytes()), "scan.nii: datatype = 1: voxels of one bit are not supported");
    assert_eq!(with(70, &99i16.to_le_bytes()), "scan.nii: datatype = 99: no such element type");
    assert_eq!(with(108, &f32::NAN.to_le_bytes()), "scan.nii: vox_offset = NaN: must be finite");
    assert_eq!(with(108, &(-1f32).to_le_bytes()), "scan.nii: vox_offset = -1: must not be negative");
    assert_eq!(with(108, &100f32.to_le_bytes()), "scan.nii: vox_offset = 100: must be at least 352 in a single file");
    assert_eq!(
        with(108, &1e9f32.to_le_bytes()),
        "scan.nii: vox_offset = 1000000000: lies past the end of the file, which has 472 bytes"
    );
    assert_eq!(
        with(116, &f32::INFINITY.to_le_bytes()),
        "scan.nii: scl_inter = inf: must be finite where scl_slope is (1)"
    );
    assert!(with(280, &f32::NAN.to_le_bytes()).starts_with("scan.nii: srow_x = [NaN, "));
    assert_eq!(
        with(344, b"ni1\0"),
        "scan.nii: magic = \"ni1\\0\": says that the voxels are in another file, but this is no .hdr"
    );
    assert!(with(344, b"xyz\0").starts_with("scan.nii: magic = \"xyz\\0\": must be"));
    assert_eq!(
        message_of(folder.path(), "cut.nii", &good[..400]),
        "cut.nii: dim = [5, 4, 3]: i16 voxel data ends after 400 bytes, 472 expected"
    );
    assert!(message_of(folder.path(), "short.nii", &good[..100]).contains("the header ends after 100 bytes"));
    assert_eq!(
        message_of(folder.path(), "empty.nii", b""),
        "empty.nii: not a volume that can be read: the file is empty"
    );
    assert!(message_of(folder.path(), "x.nii", b"NRRD0004\n").ends_with("x.nii: dimension = (none): must be there"));
}

#[test]
fn absurd_spacing_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let good = template(folder.path(), "good.nii");
    let with = |changes: &[(usize, &[u8])]| {
        let mut bad = good.clone();
        changes.iter().for_each(|(at, bytes)| bad[*at..at + bytes.len()].copy_from_slice(bytes));
        bad
    };
    let (tiny, huge, no_form) = (1e-30f32.to_le_bytes(), 1e30f32.to_le_bytes(), [0u8; 4]);
    for spacing in [&tiny, &huge] {
        // Both form codes 0: the spacing makes the affine.
        let message = message_of(folder.path(), "scan.nii", &with(&[(80, spacing), (252, &no_form)]));
        assert!(message.starts_with("scan.nii: pixdim = [") && message.ends_with("from 1e-12 to 1e12"), "{message}");
    }
    // srow_x, srow_y and srow_z at 280, 296 and 312: the first column.
    let column = [(280, &huge[..]), (296, &no_form[..]), (312, &no_form[..])];
    let message = message_of(folder.path(), "scan.nii", &with(&column));
    assert!(message.starts_with("scan.nii: affine = [[1.00"), "{message}");
    assert!(message.contains("the step along axis 1 must be"), "{message}");
    // A spacing that is not used harms nothing, and metres for an atom are possible.
    let path = folder.path().join("unused.nii");
    std::fs::write(&path, with(&[(80, &1e-10f32.to_le_bytes()), (252, &no_form)])).unwrap();
    assert!(read(&path).is_ok());
    // MGH keeps its spacing at byte 30, big-endian.
    let mut bad = template(folder.path(), "good.mgh");
    bad[30..34].copy_from_slice(&1e30f32.to_be_bytes());
    let message = message_of(folder.path(), "scan.mgh", &bad);
    assert!(message.starts_with("scan.mgh: spacing = ["), "{message}");
}

#[test]
fn a_gzip_file_cut_in_its_first_bytes_is_called_truncated() {
    let folder = tempfile::tempdir().unwrap();
    for suffix in ["nii.gz", "mgz"] {
        let good = template(folder.path(), &format!("good.{suffix}"));
        for len in [2, 9, 20] {
            let name = format!("cut.{suffix}");
            let message = message_of(folder.path(), &name, &good[..len]);
            let (truncated, next) = (format!("{name}: the gzip stream is truncated"), len + 1);
            assert!(message.starts_with(&truncated) || message.contains("header ends after"), "{message}");
            assert!(len > 9 || message.ends_with(&format!("it ends after {len} bytes, {next} expected")), "{message}");
            assert!(!message.contains("empty"), "{message}");
        }
    }
    // A stream that is whole and holds nothing is something else.
    let empty = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default()).finish().unwrap();
    let message = message_of(folder.path(), "nothing.nii.gz", &empty);
    assert_eq!(message, "nothing.nii.gz: not a volume that can be read: a gzip file of nothing");
}

#[test]
fn missing_files_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("none.nii.gz");
    assert!(matches!(read(&missing), Err(IoError::MissingFile { path, .. }) if path == missing));
    write(
        folder.path().join("a.img"),
        &Image::new(noise(&[2, 2, 2], volkit_core::DType::U8, 1)),
        &WriteOptions::default(),
    )
    .unwrap();
    std::fs::remove_file(folder.path().join("a.hdr")).unwrap();
    let error = read(folder.path().join("a.img")).unwrap_err().to_string();
    assert!(error.contains("a.hdr: no such file (the header of "), "{error}");
    assert!(
        read(folder.path()).unwrap_err().to_string().ends_with("a folder with none of zarr.json, .zarray, .zgroup")
    );
}

#[test]
fn damaged_gzip_is_an_error_and_cut_gzip_one_in_strict_mode() {
    let folder = tempfile::tempdir().unwrap();
    let good = template(folder.path(), "good.nii.gz");
    let path = folder.path().join("bad.nii.gz");
    let strict = ReadOptions::new().with_strict_gzip(true);
    for (at, what) in [(good.len() - 8, "gzip CRC-32"), (good.len() - 2, "gzip length")] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains(what));
        // The damage shows when the header is read, as the file is so small that its end comes with it.
        assert!(open(&path, &ReadOptions::default()).unwrap_err().to_string().contains(what));
    }
    std::fs::write(&path, &good[..good.len() - 5]).unwrap();
    assert_eq!(read(&path).unwrap().warnings(), ["the gzip stream is cut: its end or checksum is missing"]);
    assert!(read_with(&path, &strict).is_err());
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(matches!(read(&path), Err(IoError::Truncated { .. })));
    let mut followed = good.clone();
    followed.extend_from_slice(b"rubbish");
    std::fs::write(&path, &followed).unwrap();
    assert_eq!(read_with(&path, &strict).unwrap().warnings(), ["bytes after the last gzip member are ignored"]);
    assert!(read(folder.path().join("good.nii.gz")).unwrap().warnings().is_empty());
}

#[test]
fn a_header_that_lies_is_refused_before_memory_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a.nii", "a.nii.gz"] {
        let options = WriteOptions::default();
        let path = folder.path().join(name);
        let image = Image::new(Volume::new([100, 100, 100], vec![0u8; 1_000_000], Affine::IDENTITY).unwrap());
        write(&path, &image, &options).unwrap();
        let small = ReadOptions::new().with_limits(Limits::default().with_volume_bytes(999_999));
        let error = read_with(&path, &small).unwrap_err();
        assert!(matches!(error, IoError::TooLarge { needed: 1_000_000, limit: 999_999, .. }), "{error}");
        // Opening costs nothing and needs no limit.
        assert_eq!(open(&path, &small).unwrap().meta().n_voxels(), 1_000_000);
    }
}

#[test]
fn rgb_and_complex_as_real_numbers_say_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.nii");
    for (dtype, advice) in [(volkit_core::DType::Rgb24, "luma"), (volkit_core::DType::Complex64, "magnitude")] {
        write(&path, &Image::new(noise(&[3, 2], dtype, 5)), &WriteOptions::default()).unwrap();
        let options = ReadOptions::new().with_values(volkit_io::Values::F32);
        let error = read_with(&path, &options).unwrap_err().to_string();
        assert!(error.contains(advice), "{error}");
        let source = open(&path, &ReadOptions::default()).unwrap();
        let region = volkit_core::Region::whole(&[3, 2]);
        let error = volkit_core::read_vec::<f32>(&source, &region).unwrap_err().to_string();
        assert!(error.contains("choose a"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn flipped_bytes_never_panic(
        name in prop::sample::select(vec!["a.nii", "a.nii.gz", "a.mgh", "a.mgz", "a.npz", "a.npy"]),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut bytes = template(folder.path(), name);
        for (at, byte) in changes {
            let at = at.index(bytes.len().min(400));
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let path = folder.path().join(name);
        std::fs::write(&path, &bytes).unwrap();
        let options = ReadOptions::new().with_limits(Limits::default().with_volume_bytes(64 << 20));
        let start = Instant::now();
        if let Err(error) = read_with(&path, &options) {
            prop_assert!(error.to_string().starts_with(folder.path().to_str().unwrap()), "{}", error);
        }
        prop_assert!(start.elapsed() < LONGEST);
    }
}
