//! `volbench doctor`.

use std::path::Path;

use serde_json::Value;

use crate::{volbench, volbench_with};

#[test]
fn every_available_instruction_set_agrees_with_the_portable_code() {
    let run = volbench(Path::new("."), &["doctor", "--json"]);
    assert_eq!(run.code, 0, "{}{}", run.out, run.err);
    let report: Value = serde_json::from_str(&run.out).unwrap();
    let sets = report["instruction_sets"].as_array().unwrap();
    assert_eq!(sets.len(), 4);
    assert_eq!(sets.iter().filter(|set| set["chosen"] == true).count(), 1);
    for set in sets {
        let available = set["available"].as_bool().unwrap();
        assert_eq!(available, set["self_check"].is_object(), "{set}");
        assert!(!set["why"].as_str().unwrap().is_empty());
        if available {
            assert_eq!(set["self_check"]["largest_difference"].as_f64(), Some(0.0), "{set}");
        }
    }
    assert!(report["machine"]["cores"].as_u64().unwrap() >= 1);
    let devices = report["devices"].as_array().unwrap();
    assert_eq!(devices.iter().filter(|device| device["is_chosen"] == true).count(), 1);
    for device in devices {
        assert!(device["why"].as_str().is_some_and(|why| !why.is_empty()), "{device}");
        // What is not part of the build can not be usable; what was checked agrees with the kernels.
        assert!(device["is_built"] == true || device["is_usable"] == false, "{device}");
        assert!(device["largest_difference"].as_f64().is_none_or(|off| off < 1e-4), "{device}");
    }
    let cpu = devices.last().unwrap();
    assert_eq!((cpu["name"].as_str(), cpu["is_usable"].as_bool()), (Some("cpu"), Some(true)));
}

#[test]
fn text_and_the_choice_by_variable() {
    let run = volbench_with(Path::new("."), &["doctor"], &[("VOLKIT_ISA", Path::new("scalar"))]);
    assert_eq!(run.code, 0, "{}", run.err);
    if !cfg!(feature = "cuda") {
        let line = "cuda:0        not available: not part of this build (feature cuda)";
        assert!(run.out.lines().any(|found| found == line), "{}", run.out);
    }
    for line in [
        "scalar        chosen: named by VOLKIT_ISA; self-check ok, largest difference to portable code 0e0",
        "NIfTI: built in",
        "HDF5 weights: built in",
        "all checks passed",
    ] {
        assert!(run.out.lines().any(|found| found == line), "'{line}' is not in\n{}", run.out);
    }
}
