//! The volume suite on folders of its format.

use std::path::Path;

use serde_json::{Value, json};
use volkit_conformance::{CaseResult, Suite, Verdict};
use volkit_core::{Affine, Volume};
use volkit_io::{Image, WriteOptions, write};

use crate::{is_ok, run_quietly, why, write_index};

/// Not the checksum of the scan.
const OTHER: &str = "f4bfc4c3fad6a0ae2a0a9ab2d3fb6ee2a3d1fb1d8c3a8c4b3cf3f1e02e9b7f4a";

fn write_scan(path: &Path) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let affine = Affine::from_scale([2.0, 1.0, 1.0]).with_translation([-4.0, 0.5, 0.0]);
    let volume = Volume::new([3, 1, 1], vec![1i16, 2, 3], affine).unwrap();
    write(path, &Image::new(volume), &WriteOptions::default()).unwrap();
}

fn entry() -> Value {
    json!({
        "files": ["scan.nii"], "expect": "ok", "note": "by hand", "shape": [3, 1, 1], "dtype": "<i2", "endian": "little",
        "affine": [[2.0, 0, 0, -4.0], [0, 1.0, 0, 0.5], [0, 0, 1.0, 0], [0, 0, 0, 1.0]], "zooms": [2.0, 1.0, 1.0],
        "effective_slope": 1.0, "effective_inter": 0.0, "stored_vox_offset": 352.0,
        "n": 3, "n_nan": 0, "n_inf": 0, "min_finite": 1.0, "max_finite": 3.0,
        "samples": [[[0, 0, 0], 1.0], [[2, 0, 0], 3.0]],
        "header": {"sform_code": 2, "datatype": 4, "bitpix": 16, "dim": [3, 3, 1, 1, 1, 1, 1, 1]},
        "canonical": {"axcodes": "RAS", "shape": [3, 1, 1], "dtype": "<i2",
            "affine": [[2.0, 0, 0, -4.0], [0, 1.0, 0, 0.5], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]},
    })
}

fn run_entry(folder: &Path, entry: &Value) -> CaseResult {
    write_index(&folder.join("nifti/index.json"), &json!({ "entries": [entry] }));
    run_quietly(Suite::Volume, folder).cases.remove(0)
}

#[test]
fn a_right_index_passes_and_each_wrong_number_fails() {
    let folder = tempfile::tempdir().unwrap();
    write_scan(&folder.path().join("nifti/scan.nii"));
    let right = run_entry(folder.path(), &entry());
    assert!(is_ok(&right), "{}", why(&right));
    assert_eq!(right.name, "nifti/scan.nii");

    let shifted = json!([[2.0, 0, 0, -4.1], [0, 1.0, 0, 0.5], [0, 0, 1.0, 0], [0, 0, 0, 1.0]]);
    for (field, wrong, told) in [
        ("shape", json!([3, 1]), "the shape"),
        ("dtype", json!("<u2"), "the stored type"),
        ("endian", json!("big"), "the byte order"),
        ("affine", shifted, "affine[3]"),
        ("zooms", json!([2.0, 1.0, 1.1]), "zooms[2]"),
        ("effective_slope", json!(2.0), "effective_slope"),
        ("stored_vox_offset", json!(348.0), "stored_vox_offset"),
        ("raw_le_sha256", json!(OTHER), "the checksum of stored voxels"),
        ("header", json!({"sform_code": 1}), "sform_code"),
        ("header", json!({"dim": [3, 3, 1, 2, 1, 1, 1, 1]}), "dim[3]"),
        ("header", json!({"descrip": "other"}), "descrip"),
        ("canonical", json!({"axcodes": "LAS", "shape": [3, 1, 1], "affine": entry()["affine"]}), "the axis codes"),
        ("extensions", json!([{"ecode": 6, "content_hex": "00"}]), "the number of extensions"),
        ("expect", json!("error"), "expected an error"),
        ("expect", json!("perhaps"), "which is not known"),
        ("files", json!(["missing.nii"]), "missing.nii"),
    ] {
        let mut wrong_entry = entry();
        wrong_entry[field] = wrong;
        let result = run_entry(folder.path(), &wrong_entry);
        assert!(!is_ok(&result) && why(&result).contains(told), "{field}: {}", why(&result));
    }
}

#[test]
fn values_are_compared_to_the_last_bit() {
    let folder = tempfile::tempdir().unwrap();
    write_scan(&folder.path().join("nifti/scan.nii"));
    // The message about a wrong checksum holds the right one.
    let with = |checksum: &str, changes: Value| {
        let mut entry = entry();
        entry["value_le_sha256"] = json!(checksum);
        for (key, value) in changes.as_object().unwrap() {
            entry[key] = value.clone();
        }
        run_entry(folder.path(), &entry)
    };
    let message = why(&with("00", json!({}))).to_owned();
    assert!(message.starts_with("the checksum of values is \"") && !message.contains(';'), "{message}");
    let right = message.split('"').nth(1).unwrap();
    assert!(is_ok(&with(right, json!({"sum_finite": 6.0, "wsum": 14.0, "samples_all": [1.0, 2.0, 3.0]}))));
    for (changes, told) in [
        (json!({"sum_finite": 6.000_001}), "sum_finite"),
        (json!({"wsum": 13.0}), "wsum"),
        (json!({"n": 4}), "the number of voxels"),
        (json!({"n_nan": 1}), "n_nan"),
        (json!({"samples": [[[1, 0, 0], 2.000_000_000_000_001]]}), "the value at [1,0,0]"),
        (json!({"samples": [[[3, 0, 0], 2.0]]}), "a sample [[3,0,0],2.0]"),
        (json!({"samples_all": [1.0, 2.0, 3.0, 4.0]}), "values has 3 numbers"),
        (json!({"samples_all": [1.0, 2.5]}), "values[1] is off by"),
    ] {
        let wrong = with(right, changes);
        assert!(!is_ok(&wrong) && why(&wrong).contains(told), "{told}: {}", why(&wrong));
    }
}

#[test]
fn bad_files_must_be_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    write_scan(&folder.path().join("bad/scan.nii"));
    let whole = std::fs::read(folder.path().join("bad/scan.nii")).unwrap();
    std::fs::write(folder.path().join("bad/cut.nii"), &whole[..355]).unwrap();
    let entries = json!({"entries": [
        {"files": ["cut.nii"], "expect": "error"},
        {"files": ["cut.nii"], "expect": "no_panic"},
        {"files": ["cut.nii"], "expect": "ok"},
        {"files": ["scan.nii"], "expect": "ok"},
        {"files": ["scan.nii"], "expect": "error"},
        {"files": ["missing.nii"], "expect": "error"},
        {"files": ["x.h5"], "expect": "error"},
        {"files": ["x.zarr"], "expect": "error"},
    ]});
    write_index(&folder.path().join("bad/index.json"), &entries);
    let verdicts: Vec<&str> = run_quietly(Suite::Volume, folder.path())
        .cases
        .iter()
        .map(|case| match case.verdict {
            Verdict::Ok => "ok",
            Verdict::Fail(_) => "FAIL",
            Verdict::Skipped(_) => "skipped",
            Verdict::Differs(_) => "differs",
        })
        .collect();
    assert_eq!(verdicts, ["ok", "ok", "FAIL", "ok", "FAIL", "FAIL", "FAIL", "FAIL"]);
}

#[test]
fn hdf5_data_sets_are_compared_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    write_index(&folder.path().join("hdf5/index.json"), &json!([{"file": "missing.h5"}]));
    write_index(&folder.path().join("zarr/index.json"), &json!([{"store": "b"}, {"store": "c"}]));
    let report = run_quietly(Suite::Volume, folder.path());
    let lines: Vec<String> = report.cases.iter().map(ToString::to_string).collect();
    assert!(lines[0].starts_with("hdf5/missing.h5  FAIL: ") && lines[0].contains("no such file"), "{}", lines[0]);
    let last = lines.last().unwrap();
    assert!(last.starts_with("zarr/c  FAIL: ") && last.contains("no such file"), "{last}");
}
