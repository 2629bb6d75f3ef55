//! The tiling suite on folders of its format.

use std::path::Path;

use serde_json::{Value, json};
use volkit_conformance::{CaseResult, Suite};
use volkit_core::{Array, MemoryStore};
use volkit_io::write_safetensors;

use crate::{is_ok, run_quietly, why, write_index};

/// An image 0..6 and what a mean of tiles of 4 that overlap by 2 gives of it, with one sample moved.
fn folder_with(moved_by: f32, case: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut store = MemoryStore::new();
    let values: Vec<f32> = (0..6).map(|v| v as f32).collect();
    let mut output = values.clone();
    output[3] += moved_by;
    store.insert("in", Array::new([1, 1, 6], values).unwrap());
    store.insert("out", Array::new([1, 1, 6], output).unwrap());
    store.insert("map", Array::new([4], vec![1.0f32; 4]).unwrap());
    store.insert("conv.weight", Array::new([1, 1, 3], vec![0.0f32, 1.0, 0.0]).unwrap());
    store.insert("conv.bias", Array::new([1], vec![0.0f32]).unwrap());
    write_safetensors(folder.path().join("monai.safetensors"), &store).unwrap();
    write_index(&folder.path().join("monai.json"), case);
    folder
}

fn cases(folder: &Path) -> Vec<CaseResult> {
    run_quietly(Suite::Tiling, folder).cases
}

fn sliding_window(change: &[(&str, Value)]) -> Value {
    let mut case = json!({
        "name": "tiny", "roi": [4], "overlap": 0.5, "mode": "constant", "padding_mode": "constant", "cval": 0.0,
        "sw_batch": 2, "model": "identity", "input": "in", "output": "out",
    });
    for (field, value) in change {
        case[*field] = value.clone();
    }
    json!({ "cases": [case] })
}

#[test]
fn a_run_by_hand() {
    for model in ["identity", "conv"] {
        let case = sliding_window(&[("model", json!(model))]);
        let right = cases(folder_with(0.0, &case).path()).remove(0);
        assert!(is_ok(&right) && right.name == "sliding_window/tiny", "{}", why(&right));
        let wrong = cases(folder_with(1e-3, &case).path()).remove(0);
        assert!(why(&wrong).starts_with("out[3] is off by"), "{}", why(&wrong));
    }
    for (field, value, reason) in [
        ("model", json!("unet"), "unet.weight"),
        ("overlap", json!(1.0), "overlap = 1"),
        ("padding_mode", json!("mirror"), "padding_mode mirror"),
        ("mode", json!("hat"), "mode hat is not known"),
        ("input", json!("other"), "other"),
    ] {
        let result = cases(folder_with(0.0, &sliding_window(&[(field, value)])).path()).remove(0);
        assert!(!is_ok(&result) && why(&result).contains(reason), "{field}: {}", why(&result));
    }
}

#[test]
fn maps_and_positions_by_hand() {
    let index = |starts: &[usize], locations: &[isize]| {
        let position = json!({
            "length": 10, "tile": 4, "overlap": 0.5, "monai_end_aligned": starts, "nnunet_even": [0, 2, 4, 6],
        });
        let splitter =
            json!({"length": 10, "patch": 4, "overlap": 1, "offset": -1, "padded_length": 13, "locations": locations});
        let map = json!({"patch": [4], "sigma_scale": 1e6, "tensor": "map"});
        json!({"cases": [], "importance_maps": [map], "positions": [position], "splitter": [splitter]})
    };
    let right = cases(folder_with(0.0, &index(&[0, 2, 4, 6], &[-1, 2, 5, 8])).path());
    assert_eq!(right.len(), 3);
    for case in &right {
        assert!(is_ok(case), "{}: {}", case.name, why(case));
    }
    let wrong = cases(folder_with(0.0, &index(&[0, 2, 4], &[-1, 2, 5])).path());
    assert_eq!(wrong.iter().map(is_ok).collect::<Vec<_>>(), [true, false, false]);
}
