//! Projects of the published program.

use std::fs;

use serde_json::json;
use volkit_core::{Array, ArrayStore as _, DType, MemoryStore};
use volkit_io::write_safetensors;
use volkit_pose::{ModelConfig, PoseModel};

use crate::program::{configure, folder, run};

const CONFIG: &str = "out/config.json";

/// A checkpoint with the names of the published one, for the crop of the preset `tiny`.
fn checkpoint() -> MemoryStore {
    let ours = PoseModel::new(ModelConfig::new([32, 16, 32])).unwrap().to_store(DType::F32).unwrap();
    let mut store = MemoryStore::new();
    for name in ours.names() {
        let published = name.replace("unet.", "final_unet.");
        store.insert(published, ours.get(&name).unwrap());
    }
    store.insert("scale", Array::new([1], vec![-5.5f32]).unwrap());
    store
}

#[test]
fn a_published_checkpoint_is_evaluated_and_rendered() {
    let folder = folder();
    run(&folder, "synth out --preset tiny --quiet").succeeded().unwrap();
    configure(&folder, CONFIG, &[("compat", "reference".into()), ("model_fn", "checkpoint.safetensors".into())]);
    let missing = run(&folder, &format!("run {CONFIG} --quiet"));
    assert!(missing.code == Some(1) && missing.stderr.contains("checkpoint.safetensors"), "{}", missing.stderr);
    write_safetensors(folder.path("out/project/checkpoint.safetensors"), &checkpoint()).unwrap();
    let report = run(&folder, &format!("run {CONFIG} --to evaluate")).succeeded().unwrap();
    assert!(report.stdout.contains("a checkpoint of the published program"), "{}", report.stdout);
    let world: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(folder.path("out/project/world.json")).unwrap()).unwrap();
    assert_eq!(world["per_published"], 1.0, "the published frame");
    run(&folder, &format!("render {CONFIG} --view 0 --out seen --quiet")).succeeded().unwrap();
    assert!(folder.path("seen/0000.png").exists());

    // Another crop than that of the checkpoint, and none.
    configure(&folder, CONFIG, &[("volume_idx", json!([[0, 32], [0, 32], [0, 32]]))]);
    let other = run(&folder, &format!("run {CONFIG} --quiet"));
    assert!(other.code == Some(1) && other.stderr.contains("mlp_1.0.weight"), "{}", other.stderr);
    configure(&folder, CONFIG, &[("volume_idx", serde_json::Value::Null)]);
    let none = run(&folder, &format!("run {CONFIG} --quiet"));
    assert!(none.code == Some(1) && none.stderr.contains("volume_idx"), "{}", none.stderr);
}
