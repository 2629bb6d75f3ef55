//! `volbench conformance`: lines, exit codes, wrong folders.

use std::path::Path;

use serde_json::Value;

use crate::{volbench, volbench_with};

const RIGHT: &str = r#"[{"name": "two", "dtype": "float64", "data": [1, 2], "p": [50], "out": [1.5]}]"#;
const WRONG: &str = r#"[{"name": "two", "dtype": "float64", "data": [1, 2], "p": [50], "out": [1.25]}]"#;

fn golden(folder: &Path, index: &str) {
    std::fs::create_dir_all(folder).unwrap();
    std::fs::write(folder.join("percentile.json"), index).unwrap();
}

#[test]
fn a_line_a_case_a_summary_and_the_exit_status() {
    let folder = tempfile::tempdir().unwrap();
    golden(folder.path(), RIGHT);
    let run = volbench(folder.path(), &["conformance", "geometry", "."]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert_eq!(run.out.lines().last(), Some("1 passed, 0 failed, 0 skipped"));
    assert_eq!(run.out.lines().count(), 2);
    golden(folder.path(), WRONG);
    let run = volbench(folder.path(), &["conformance", "geometry", ".", "--threads", "1"]);
    assert_eq!(run.code, 1);
    assert!(run.out.contains("FAIL") && run.out.ends_with("0 passed, 1 failed, 0 skipped\n"), "{}", run.out);
}

#[test]
fn json_to_a_file_or_alone() {
    let folder = tempfile::tempdir().unwrap();
    golden(folder.path(), WRONG);
    let run = volbench(folder.path(), &["conformance", "geometry", ".", "--json", "report.json"]);
    assert!(run.code == 1 && run.out.ends_with("0 passed, 1 failed, 0 skipped\n"));
    let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let report: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((report["failed"].as_u64(), report["cases"][0]["error"].as_f64()), (Some(1), Some(0.25)));
    let run = volbench(folder.path(), &["conformance", "geometry", ".", "--json", "-"]);
    assert_eq!(serde_json::from_str::<Value>(&run.out).unwrap(), report);
    let run = volbench(folder.path(), &["conformance", "geometry", ".", "--json", "no/such/report.json"]);
    assert!(run.code == 1 && run.err.starts_with("volbench: no/such/report.json: "), "{}", run.err);
}

#[test]
fn the_default_folder_is_found() {
    let top = tempfile::tempdir().unwrap();
    let (here, shared) = (top.path().join("repository/crates/x"), top.path().join("shared"));
    std::fs::create_dir_all(&here).unwrap();
    let args = ["conformance", "geometry"];
    let run = volbench(&here, &args);
    assert!(run.code == 1 && run.err.contains("VOLKIT_SHARED is not set"), "{}", run.err);
    golden(&shared.join("golden/volume/geometry"), RIGHT);
    assert_eq!(volbench(&here, &args).code, 0);
    // The variable wins.
    let other = top.path().join("other");
    golden(&other.join("golden/volume/geometry"), WRONG);
    assert_eq!(volbench_with(&here, &args, &[("VOLKIT_SHARED", &other)]).code, 1);
}

#[test]
fn folders_that_can_not_be_run() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("empty")).unwrap();
    for (args, code, told) in [
        (&["conformance", "geometry", "none"][..], 1, "none: no such folder"),
        (&["conformance", "volume", "empty"], 1, "empty: holds none of nifti/index.json"),
        (&["conformance", "meshnet", "empty"], 1, "empty: holds none of index.json"),
        (&["conformance", "synthseg", "empty", "--compat"], 1, "empty: holds none of preprocess.json"),
        (&["conformance", "synthseg", "empty", "--mode", "loose"], 2, "exact, strict, fast-math"),
        (&["conformance", "volumes"], 2, "volumes"),
        (&["conformance"], 2, "SUITE"),
    ] {
        let run = volbench(folder.path(), args);
        assert_eq!(run.code, code, "{args:?}: {}", run.err);
        assert!(run.err.contains(told), "{args:?}: {}", run.err);
    }
}

#[test]
fn devices_and_paths_that_can_not_be_had_are_told() {
    let folder = tempfile::tempdir().unwrap();
    golden(folder.path(), RIGHT);
    let run = |args: &[&str]| volbench(folder.path(), &[&["conformance", "geometry", "."], args].concat());
    assert_eq!(run(&["--device", "cpu", "--path", "auto"]).code, 0);
    let refused = run(&["--device", "cuda:3"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("device cuda:3: the suite geometry has one path, on the CPU"), "{}", refused.err);
    let refused = run(&["--device", "tpu"]);
    assert!(
        refused.code == 2 && refused.err.contains("expected auto, cpu, cuda, cuda:N, metal or metal:N"),
        "{}",
        refused.err
    );
    let refused = run(&["--path", "gpu"]);
    assert!(refused.code == 2 && refused.err.contains("expected auto, kernel or composite"), "{}", refused.err);
    std::fs::write(folder.path().join("index.json"), r#"{"cases": []}"#).unwrap();
    let refused = volbench(folder.path(), &["conformance", "nn3d", ".", "--device", "metal:7"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("device metal:7: "), "{}", refused.err);
    let refused = volbench(folder.path(), &["conformance", "nn3d", ".", "--device", "cuda", "--path", "kernel"]);
    assert!(refused.err.contains("kernels run on the CPU only"), "{}", refused.err);
}
