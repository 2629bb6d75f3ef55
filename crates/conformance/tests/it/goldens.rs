//! The folders of independent programs' results, where they are at hand.

use std::path::{Path, PathBuf};

use serde_json::Value;
use volkit_conformance::{Suite, Verdict};

use crate::{run_quietly, write_index};

fn golden(suite: Suite) -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("VOLKIT_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("golden").join(suite.default_folder());
    if folder.is_dir() {
        return Some(folder);
    }
    println!("skipped: {} is not there (VOLKIT_SHARED names another place)", folder.display());
    None
}

fn passes(suite: Suite, folder: &Path, at_least: usize) {
    let report = run_quietly(suite, folder);
    let failures: Vec<_> = report.cases.iter().filter(|case| matches!(case.verdict, Verdict::Fail(_))).collect();
    assert!(failures.is_empty(), "{failures:#?}");
    assert!(report.passed >= at_least, "{}", report.summary());
}

#[test]
fn volume_files() {
    if let Some(folder) = golden(Suite::Volume) {
        passes(Suite::Volume, &folder, 400);
    }
}

#[test]
fn geometry() {
    if let Some(folder) = golden(Suite::Geometry) {
        passes(Suite::Geometry, &folder, 240);
    }
}

#[test]
fn tiling() {
    if let Some(folder) = golden(Suite::Tiling) {
        passes(Suite::Tiling, &folder, 61);
    }
}

#[test]
fn splat() {
    if let Some(folder) = golden(Suite::Splat) {
        passes(Suite::Splat, &folder, 12);
    }
}

#[test]
fn training() {
    if let Some(folder) = golden(Suite::Training) {
        passes(Suite::Training, &folder, if cfg!(feature = "candle") { 34 } else { 30 });
    }
}

#[cfg(feature = "candle")]
#[test]
fn nn3d() {
    if let Some(folder) = golden(Suite::Nn3d) {
        passes(Suite::Nn3d, &folder, 58);
    }
}

/// The crops alone: a whole head takes a minute.
#[test]
fn meshnet_crops() {
    let Some(folder) = golden(Suite::MeshNet) else { return };
    let text = std::fs::read_to_string(folder.join("index.json")).unwrap();
    let mut index: Value = serde_json::from_str(&text).unwrap();
    for case in index["cases"].as_array_mut().unwrap() {
        case.as_object_mut().unwrap().remove("labels");
        for file in ["weights", "crop"] {
            case[file] = Value::from(folder.join(case[file].as_str().unwrap()).display().to_string());
        }
    }
    let crops = tempfile::tempdir().unwrap();
    write_index(&crops.path().join("index.json"), &index);
    passes(Suite::MeshNet, crops.path(), 1);
}

/// Everything that has a composite path, on it.
#[cfg(feature = "candle")]
#[test]
fn layers_and_splats_by_candles_operations_alone() {
    for (suite, at_least) in [(Suite::Nn3d, 32), (Suite::Splat, 12)] {
        if let Some(folder) = golden(suite) {
            let options = volkit_conformance::SuiteOptions::new().with_path(volkit_seg::NetPath::Composite);
            let report = volkit_conformance::run(suite, &folder, &options, &mut |_| {}).unwrap();
            let failures: Vec<_> = report.cases.iter().filter(|c| matches!(c.verdict, Verdict::Fail(_))).collect();
            assert!(failures.is_empty(), "{failures:#?}");
            assert!(report.passed >= at_least, "{}", report.summary());
            assert!(report.cases.iter().all(|case| !case.name.ends_with("/kernel")), "{report:#?}");
        }
    }
}
