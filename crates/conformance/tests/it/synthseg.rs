//! The suite `synthseg`: the folder of the published program, and what happens when it is not right.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use volkit_conformance::{CaseResult, Suite, SuiteOptions, SuiteReport, Verdict, run};

use crate::{why, write_index};

fn golden() -> Option<PathBuf> {
    let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared");
    let shared = std::env::var_os("VOLKIT_SHARED").map_or_else(beside, PathBuf::from);
    let folder = shared.join("golden/synthseg");
    if !folder.is_dir() {
        println!("skipped: {} is not there (VOLKIT_SHARED names another place)", folder.display());
        return None;
    }
    // Relative to where the tests run, which a copy of the index elsewhere must not depend on.
    Some(folder.canonicalize().unwrap())
}

fn suite(folder: &Path, compat: bool) -> SuiteReport {
    let options = SuiteOptions::new().with_compat(compat);
    run(Suite::SynthSeg, folder, &options, &mut |case| println!("{case}")).unwrap()
}

fn failures(report: &SuiteReport) -> Vec<&CaseResult> {
    report.cases.iter().filter(|case| matches!(case.verdict, Verdict::Fail(_))).collect()
}

/// A folder with some files of the golden one (links) and an index of our own.
fn partial(from: &Path, links: &[&str], index: &str, value: &Value) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for link in links {
        let to = folder.path().join(link);
        if from.join(link).is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            for file in std::fs::read_dir(from.join(link)).unwrap() {
                let file = file.unwrap();
                std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
            }
        } else {
            std::fs::copy(from.join(link), to).unwrap();
        }
    }
    write_index(&folder.path().join(index), value);
    folder
}

fn index(from: &Path, name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(from.join(name)).unwrap()).unwrap()
}

#[test]
fn preparation_and_layers_pass() {
    let Some(golden) = golden() else { return };
    let cases = index(&golden, "preprocess.json");
    let n = cases.as_object().unwrap().len();
    let links = ["inputs", "weights", "preprocess.safetensors", "unet_layers.safetensors"];
    let folder = partial(&golden, &links, "preprocess.json", &cases);
    let report = suite(folder.path(), true);
    assert!(failures(&report).is_empty(), "{:#?}", failures(&report));
    assert_eq!((report.passed, report.differing), (n + 19, 0), "{}", report.summary());
    let report = suite(folder.path(), false);
    assert!(failures(&report).is_empty(), "{:#?}", failures(&report));
    // Few slices, and many volumes.
    assert_eq!((report.passed, report.differing), (n + 17, 2), "{}", report.summary());
    assert!(report.summary().ends_with(", 2 differ as documented"), "{}", report.summary());

    // What is wrong in the index is seen.
    let mut wrong = json!({"scaled_i16": cases["scaled_i16"]});
    wrong["scaled_i16"]["pad_idx"][0] = json!(13);
    wrong["scaled_i16"]["mean"] = json!(0.2319);
    write_index(&folder.path().join("preprocess.json"), &wrong);
    let told = suite(folder.path(), false).cases.remove(0);
    assert!(why(&told).contains("pad_idx is [12, ") && why(&told).contains("the mean is off by"), "{}", why(&told));
    // A scan that must be refused and is not, in `compat` only.
    let accepted =
        json!({"scaled_i16": {"file": "scaled_i16.nii.gz", "options": {}, "error": "could not be broadcast"}});
    write_index(&folder.path().join("preprocess.json"), &accepted);
    assert!(why(&suite(folder.path(), true).cases[0]).contains("must be refused"));
    assert!(matches!(suite(folder.path(), false).cases[0].verdict, Verdict::Fail(_)));
}

#[test]
fn post_processing_passes_and_parcels_differ_as_documented() {
    let Some(golden) = golden() else { return };
    let cases = index(&golden, "postprocess.json");
    let mut links = vec!["postprocess_input_u8.nii.gz", "postprocess_posteriors.safetensors"];
    links.extend(["postprocess_default_seg.nii.gz", "postprocess_default_rot_seg.nii.gz"]);
    links.extend(["postprocess_fast_seg.nii.gz", "postprocess_parc_seg.nii.gz"]);
    let folder = partial(&golden, &links, "postprocess.json", &cases);
    let report = suite(folder.path(), true);
    assert!(failures(&report).is_empty() && report.passed == 14, "{:#?}", failures(&report));
    let report = suite(folder.path(), false);
    assert!(failures(&report).is_empty(), "{:#?}", failures(&report));
    assert_eq!((report.passed, report.differing), (10, 4), "{}", report.summary());
    // A difference that is not the documented one fails: one parcel off by a thousandth.
    let mut wrong = json!({"pad_idx": cases["pad_idx"], "parc": cases["parc"]});
    let parcel = wrong["parc"]["volumes_reference"][40].as_f64().unwrap();
    wrong["parc"]["volumes_reference"][40] = json!(parcel * 1.001);
    write_index(&folder.path().join("postprocess.json"), &wrong);
    let report = suite(folder.path(), false);
    let printed = report.cases.iter().find(|case| case.name == "postprocess/parc/printed").unwrap();
    assert!(why(printed).starts_with("parcels[7] is off by"), "{}", why(printed));
}

#[test]
fn small_runs_pass_and_wrong_ones_fail() {
    let Some(golden) = golden() else { return };
    let all = index(&golden, "runs.json");
    let names = ["flipped_crop32", "iso_fast_crop64", "iso_fast_parc_crop64"];
    let some: serde_json::Map<String, Value> =
        names.into_iter().map(|name| (name.to_owned(), all[name].clone())).collect();
    let folder = partial(&golden, &["inputs", "weights", "runs"], "runs.json", &Value::Object(some));
    let report = suite(folder.path(), true);
    assert!(failures(&report).is_empty() && report.differing == 0, "{:#?}", failures(&report));
    let report = suite(folder.path(), false);
    assert!(failures(&report).is_empty(), "{:#?}", failures(&report));
    // Labels, posteriors, volumes, table and networks of the run whose smoothing the published program leaves out.
    assert_eq!(report.differing, 5, "{}", report.summary());
    // The labels of another run in the place of those of this one.
    let copy = |name: &str, to: &str| {
        std::fs::copy(golden.join("runs").join(name), folder.path().join("runs").join(to)).unwrap();
    };
    copy("rot_crop64_seg.nii.gz", "flipped_crop32_seg.nii.gz");
    let only = json!({"flipped_crop32": all["flipped_crop32"]});
    write_index(&folder.path().join("runs.json"), &only);
    let report = suite(folder.path(), false);
    assert!(failures(&report).iter().any(|case| case.name == "runs/flipped_crop32/labels"), "{}", report.summary());
}

#[test]
#[ignore = "two minutes: every run, with the quality network"]
fn everything_passes() {
    let Some(golden) = golden() else { return };
    for compat in [true, false] {
        let report = suite(&golden, compat);
        assert!(failures(&report).is_empty(), "{:#?}", failures(&report));
        assert!(compat == (report.differing == 0) && report.passed > 100, "{}", report.summary());
    }
}

#[test]
fn the_full_network_asks_for_its_weights() {
    let folder = tempfile::tempdir().unwrap();
    write_index(&folder.path().join("full/head.json"), &json!({"weights": "make.py OUT.h5"}));
    let report = suite(folder.path(), false);
    assert_eq!(
        report.cases[0].verdict,
        Verdict::Skipped("needs the weights of 'make.py OUT.h5', given with --model".into())
    );
    let options = SuiteOptions::new().with_model(Some(folder.path().join("none.h5")));
    let report = run(Suite::SynthSeg, folder.path(), &options, &mut |_| {}).unwrap();
    assert!(why(&report.cases[0]).contains("none.h5"), "{}", why(&report.cases[0]));
}
