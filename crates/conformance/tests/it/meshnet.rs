//! The MeshNet suite on folders of its format.

use std::path::Path;

use serde_json::{Value, json};
use volkit_conformance::{Suite, Verdict};
use volkit_core::{Affine, Array, MemoryStore, Volume};
use volkit_io::{Image, WriteOptions, write, write_safetensors};

use crate::{is_ok, run_quietly, why, write_index};

/// One 1 x 1 x 1 layer with two classes: logits 0 and x - 0.5.
fn write_network(path: &Path) {
    let mut store = MemoryStore::new();
    store.insert("layers.0.weight", Array::new([2, 1, 1, 1, 1], vec![0.0f32, 1.0]).unwrap());
    store.insert("layers.0.bias", Array::new([2], vec![0.0f32, -0.5]).unwrap());
    let layer = json!({"kernel": 1, "dilation": 1, "padding": 0, "in": 1, "out": 2});
    let config = json!({"architecture": "meshnet", "activation": "relu", "norm": "none", "layers": [layer]});
    store.set_metadata("config", config.to_string());
    write_safetensors(path, &store).unwrap();
}

/// A crop of 4 x 2 x 2 voxels, last axis fastest, and the logits of its two middle ones, with one of them moved.
fn write_crop(path: &Path, moved_by: f32) {
    let input: Vec<f32> = (0..16).map(|v| v as f32 / 16.0).collect();
    // The middle [2, 2, 2]: x = 1 and 2.
    let middle: Vec<f32> = input[4..12].to_vec();
    let mut logits: Vec<f32> = vec![0.0; 8];
    logits.extend(middle.iter().map(|x| x - 0.5));
    logits[9] += moved_by;
    let mut store = MemoryStore::new();
    store.insert("input", Array::new([1, 1, 4, 2, 2], input).unwrap());
    store.insert("logits_center", Array::new([1, 2, 2, 2, 2], logits).unwrap());
    write_safetensors(path, &store).unwrap();
}

fn run_case(folder: &Path, case: &Value) -> Vec<volkit_conformance::CaseResult> {
    write_index(&folder.join("index.json"), &json!({ "cases": [case] }));
    run_quietly(Suite::MeshNet, folder).cases
}

#[test]
fn a_crop_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_network(&path.join("net.safetensors"));
    write_crop(&path.join("right.safetensors"), 0.0);
    write_crop(&path.join("wrong.safetensors"), 1e-3);
    let case = |crop: &str| json!({"name": "tiny", "weights": "net.safetensors", "crop": crop});
    let right = run_case(path, &case("right.safetensors")).remove(0);
    assert!(is_ok(&right), "{}", why(&right));
    assert_eq!(right.name, "tiny/crop");
    let wrong = run_case(path, &case("wrong.safetensors")).remove(0);
    assert!(why(&wrong).starts_with("logits[9] is off by"), "{}", why(&wrong));
    let mut loose = case("wrong.safetensors");
    loose["crop_atol"] = json!(0.01);
    assert!(is_ok(&run_case(path, &loose)[0]));
    for crop in ["net.safetensors", "missing.safetensors", "index.json"] {
        let result = run_case(path, &case(crop)).remove(0);
        assert!(matches!(result.verdict, Verdict::Fail(_)), "{crop}");
    }
}

#[test]
fn heads_differ_only_in_near_ties() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    write_network(&path.join("net.safetensors"));
    // A conformed head whose left half is 0 and right half 200: normalised to 0 and 1.
    let size = [256, 256, 256];
    let rows = [[-1.0, 0.0, 0.0, 127.5], [0.0, 0.0, 1.0, -127.5], [0.0, -1.0, 0.0, 127.5]];
    let half = |value: u8| (0..256 * 256 * 256).map(|v| if v % 256 < 128 { 0 } else { value }).collect::<Vec<u8>>();
    let save = |name: &str, voxels: Vec<u8>| {
        let volume = Volume::new(size, voxels, Affine::from_rows(rows)).unwrap();
        write(path.join(name), &Image::new(volume), &WriteOptions::default().with_gzip_level(1)).unwrap();
    };
    save("head.nii.gz", half(200));
    save("right.nii.gz", half(1));
    let mut wrong = half(1);
    wrong[77] = 1;
    save("wrong.nii.gz", wrong);
    let case = |labels: &str| json!({"name": "half", "weights": "net.safetensors", "input": "head.nii.gz", "labels": labels, "near_ties": 0});
    let right = run_case(path, &case("right.nii.gz")).remove(0);
    assert!(is_ok(&right), "{}", why(&right));
    assert!(right.note.starts_with("0 of 16777216 voxels differ"), "{}", right.note);
    let wrong = run_case(path, &case("wrong.nii.gz")).remove(0);
    assert!(why(&wrong).contains("1 voxels differ that are no near ties"), "{}", why(&wrong));
}
