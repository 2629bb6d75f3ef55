//! The nn3d suite on folders of its format.

use serde_json::json;
use volkit_conformance::{Suite, SuiteReport, Verdict};
use volkit_core::{Array, MemoryStore};
use volkit_io::write_safetensors;

use crate::{is_ok, run_quietly, why, write_index};

/// A rectifier of four values with one value of its gradient moved, and an op that nobody knows.
fn report(moved_by: f32) -> SuiteReport {
    let folder = tempfile::tempdir().unwrap();
    let mut store = MemoryStore::new();
    for (name, values) in [
        ("x", [-1.0, 2.0, -3.0, 4.0]),
        ("y", [-0.5, 2.0, -1.5, 4.0]),
        ("g", [1.0, 1.0, 2.0, 2.0]),
        ("dx", [0.5, 1.0 + moved_by, 1.0, 2.0]),
    ] {
        store.insert(name, Array::new(vec![1, 1, 1, 2, 2], values.to_vec()).unwrap());
    }
    write_safetensors(folder.path().join("cases.safetensors"), &store).unwrap();
    let case = |op: &str| {
        json!({"name": op, "op": op, "config": {"negative_slope": 0.5}, "inputs": {"x": "x"}, "output": "y",
            "grad_output": "g", "grads": {"x": "dx"}})
    };
    let index = json!({"tensors": "cases.safetensors", "cases": [case("leaky_relu"), case("other"), 7]});
    write_index(&folder.path().join("index.json"), &index);
    run_quietly(Suite::Nn3d, folder.path())
}

#[cfg(feature = "candle")]
#[test]
fn a_layer_and_its_gradient() {
    let right = report(0.0);
    for (case, name) in right.cases.iter().zip(["leaky_relu/kernel", "leaky_relu/composite"]) {
        assert!(is_ok(case) && case.name == name, "{}: {}", case.name, why(case));
    }
    assert!(why(&right.cases[2]).contains("no op is called 'other'"), "{}", why(&right.cases[2]));
    assert!(right.cases[3..].iter().all(|case| matches!(case.verdict, Verdict::Fail(_))), "{right:#?}");
    assert!(why(&report(1e-3).cases[0]).starts_with("the gradient of x is off by"));
}

#[cfg(not(feature = "candle"))]
#[test]
fn without_candle_every_case_is_skipped() {
    let report = report(0.0);
    assert_eq!((report.passed, report.failed, report.skipped), (0, 0, 3));
    assert!(!is_ok(&report.cases[0]) && why(&report.cases[0]).contains("`candle`"));
    assert!(report.cases.iter().all(|case| matches!(case.verdict, Verdict::Skipped(_))));
}
