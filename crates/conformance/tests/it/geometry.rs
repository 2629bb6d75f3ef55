//! The geometry suite on folders of its format.

use std::path::Path;

use serde_json::{Value, json};
use volkit_conformance::{Suite, Verdict};

use crate::{is_ok, run_quietly, why, write_index};

/// A file of f64 in C order.
fn write_npy(path: &Path, shape: &str, values: &[f64]) {
    let header = format!("{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}\n");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
    std::fs::write(path, bytes).unwrap();
}

/// A grid of 2 x 1 x 1 voxels whose first axis runs to the left, by hand.
fn orientation_case() -> Value {
    let made_up = "3e9ef6af35cb28e7ee6df4eaccf6ad2bf3e5f75b2c0f2c58e5a2a1e0c1b0c1d2";
    json!({
        "kind": "by hand",
        "affine": [[-2.0, 0, 0, 5.0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1]],
        "shape": [2, 1, 1],
        "ornt": [[0, -1], [1, 1], [2, 1]],
        "axcodes": ["L", "A", "S"],
        "voxel_sizes": [2.0, 1.0, 1.0],
        "inv_ornt_aff": [[-1, 0, 0, 1], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
        "canonical_affine": [[2.0, 0, 0, 3.0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1]],
        "canonical_shape": [2, 1, 1],
        "canonical_sha256_i32_first_axis_fastest": made_up,
        "out_grid_default": [[3, 1, 1], [[1.0, 0, 0, 3.0], [0, 1.0, 0, 0], [0, 0, 1.0, 0], [0, 0, 0, 1]]],
    })
}

#[test]
fn orientation_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let index = folder.path().join("orientation.json");
    let run = |case: &Value| {
        write_index(&index, &json!([case]));
        run_quietly(Suite::Geometry, folder.path()).cases.remove(0)
    };
    // The checksum above is made up: it alone may fail, and its message holds the right one.
    let mut case = orientation_case();
    let result = run(&case);
    assert!(why(&result).starts_with("canonical voxels is \"") && !why(&result).contains(';'), "{}", why(&result));
    let right = why(&result).split('"').nth(1).unwrap().to_owned();
    case["canonical_sha256_i32_first_axis_fastest"] = json!(right);
    assert!(is_ok(&run(&case)), "{}", why(&run(&case)));

    for (field, wrong, told) in [
        ("axcodes", json!(["R", "A", "S"]), "axcodes"),
        ("ornt", json!([[0, 1], [1, 1], [2, 1]]), "ornt[1]"),
        ("voxel_sizes", json!([2.0, 1.0, 1.001]), "voxel_sizes[2]"),
        ("canonical_shape", json!([1, 2, 1]), "canonical_shape"),
        (
            "canonical_affine",
            json!([[2, 0, 0, 3.001], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]),
            "canonical_affine[3]",
        ),
        ("out_grid_default", json!([[2, 1, 1], case["out_grid_default"][1]]), "out_grid_default size"),
        ("out_grid_default", json!([1]), "'out_grid_default'"),
        ("affine", json!([[1, 0, 0], [0, 1, 0], [0, 0, 1]]), "'affine'"),
        ("shape", json!([65536, 65536, 1]), "too many voxels"),
    ] {
        let mut wrong_case = case.clone();
        wrong_case[field] = wrong;
        let result = run(&wrong_case);
        assert!(!is_ok(&result) && why(&result).contains(told), "{field}: {}", why(&result));
    }
}

#[test]
fn resampling_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    write_npy(&folder.path().join("in.npy"), "(3, 1, 1)", &[1.0, 2.0, 4.0]);
    write_npy(&folder.path().join("out.npy"), "(3, 1, 1)", &[1.5, 3.0, -1.0]);
    let case = |changes: Value| {
        let mut case = json!({
            "name": "half a voxel on", "file": "out.npy", "input": "in.npy", "op": "affine_transform",
            "dtype": "float64", "shape": [3, 1, 1], "out_shape": [3, 1, 1], "order": 1, "mode": "constant", "cval": -1.0,
            "matrix": [[1.0, 0, 0], [0, 1.0, 0], [0, 0, 1.0]], "offset": [0.5, 0, 0],
        });
        for (key, value) in changes.as_object().unwrap() {
            case[key] = value.clone();
        }
        write_index(&folder.path().join("resample.json"), &json!([case]));
        run_quietly(Suite::Geometry, folder.path()).cases.remove(0)
    };
    let right = case(json!({}));
    assert!(is_ok(&right), "{}", why(&right));
    for (changes, told) in [
        (json!({"offset": [0.6, 0, 0]}), "the result[1] is off by"),
        (json!({"cval": 0.0}), "the result[2] is off by"),
        (json!({"out_shape": [2, 1, 1]}), "the shape is"),
        (json!({"matrix": [[1.0, 0], [0, 1.0]]}), "3 x 3"),
        (json!({"input": "nowhere.npy"}), "nowhere.npy"),
    ] {
        let wrong = case(changes.clone());
        assert!(matches!(&wrong.verdict, Verdict::Fail(_)) && why(&wrong).contains(told), "{changes}: {}", why(&wrong));
    }
    for (changes, told) in [
        (json!({"order": 4}), "not supported: order 4"),
        (json!({"mode": "sideways"}), "not supported: mode sideways"),
        (json!({"op": "swirl"}), "not supported: operation swirl"),
    ] {
        let skipped = case(changes);
        assert_eq!(skipped.verdict, Verdict::Skipped(told.to_owned()));
    }
}
