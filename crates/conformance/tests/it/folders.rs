//! Folders that are wrong in some way are reported, not trusted.

use serde_json::json;
use volkit_conformance::{ConformanceError, Suite, SuiteOptions, run};

use crate::{run_quietly, write_index};

#[test]
fn suites_have_names() {
    for suite in Suite::ALL {
        assert_eq!(suite.name().parse::<Suite>().unwrap(), suite);
    }
    let error = "volumes".parse::<Suite>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "no suite is named 'volumes' (there are: volume, geometry, meshnet, synthseg, tiling, splat, training, nn3d)"
    );
}

#[test]
fn folders_and_indexes_that_can_not_be_read_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let error = |suite| run(suite, folder.path(), &SuiteOptions::new(), &mut |_| {}).unwrap_err();
    for suite in Suite::ALL {
        let missing = folder.path().join("missing");
        let error = run(suite, &missing, &SuiteOptions::new(), &mut |_| {}).unwrap_err();
        assert!(matches!(error, ConformanceError::NoFolder { .. }), "{error}");
    }
    for suite in Suite::ALL {
        assert!(matches!(error(suite), ConformanceError::NoIndex { .. }));
        let has_index =
            !matches!(suite, Suite::Geometry | Suite::SynthSeg | Suite::Tiling | Suite::Splat | Suite::Training);
        assert!(error(suite).to_string().contains("index.json") || !has_index);
    }
    std::fs::write(folder.path().join("index.json"), "{\"cases\": [").unwrap();
    assert!(matches!(error(Suite::MeshNet), ConformanceError::Json { .. }));
    for index in [json!({}), json!({"cases": 3}), json!([])] {
        write_index(&folder.path().join("index.json"), &index);
        assert!(matches!(error(Suite::MeshNet), ConformanceError::Index { field: "cases", .. }), "{index}");
    }
    write_index(&folder.path().join("nifti/index.json"), &json!({"entries": "none"}));
    let message = error(Suite::Volume).to_string();
    assert!(message.ends_with("nifti/index.json: entries: must be a list"), "{message}");
}

#[test]
fn entries_of_any_form_fail_and_do_not_stop_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let odd = json!([null, 3, "text", [], {}, {"files": []}, {"files": 7}, {"files": ["missing.nii"], "expect": "error"},
        {"file": "x"}, {"name": 5, "op": 1, "data": "x", "kind": [], "affine": [[1]], "shape": [-1, 2, 3]}]);
    write_index(&folder.path().join("nifti/index.json"), &json!({ "entries": odd }));
    write_index(&folder.path().join("bad/index.json"), &json!({ "entries": odd }));
    write_index(&folder.path().join("zarr/index.json"), &odd);
    let report = run_quietly(Suite::Volume, folder.path());
    assert_eq!((report.passed, report.failed, report.skipped), (0, 30, 0), "{report:#?}");

    for file in ["orientation.json", "resample.json", "percentile.json"] {
        write_index(&folder.path().join(file), &odd);
    }
    let report = run_quietly(Suite::Geometry, folder.path());
    assert_eq!((report.passed, report.failed, report.skipped), (0, 30, 0), "{report:#?}");

    write_index(&folder.path().join("index.json"), &json!({ "cases": odd }));
    let report = run_quietly(Suite::MeshNet, folder.path());
    assert_eq!((report.passed, report.failed), (0, 10), "{report:#?}");
}

#[test]
fn a_report_is_a_line_a_case_and_a_summary() {
    let folder = tempfile::tempdir().unwrap();
    let good = json!({"name": "two", "dtype": "float64", "data": [1.0, 2.0], "p": [50], "out": [1.5]});
    let bad = json!({"name": "two", "dtype": "float64", "data": [1.0, 2.0], "p": [50], "out": [1.75]});
    write_index(&folder.path().join("percentile.json"), &json!([good, bad]));
    let report = run_quietly(Suite::Geometry, folder.path());
    let lines: Vec<String> = report.cases.iter().map(ToString::to_string).collect();
    assert_eq!(lines[0], "percentile/000 two  error 0.00e0  tolerance 1.50e-12  ok");
    assert!(lines[1].starts_with("percentile/001 two  error 2.50e-1  tolerance 1.75e-12  FAIL: "), "{}", lines[1]);
    assert_eq!(report.summary(), "1 passed, 1 failed, 0 skipped");
    let value = serde_json::to_value(&report).unwrap();
    assert_eq!((&value["suite"], &value["cases"][0]["verdict"]), (&json!("geometry"), &json!("ok")));
    assert!(value["cases"][1]["verdict"]["FAIL"].is_string());
}
