//! Public behaviour of volkit-conformance: right folders pass, wrong ones fail, broken ones are told of.
#![allow(clippy::unwrap_used)]

mod folders;
mod geometry;
mod goldens;
mod meshnet;
mod nn3d;
mod splat;
mod synthseg;
mod tiling;
mod training;
mod volume;

use std::path::Path;

use serde_json::Value;
use volkit_conformance::{CaseResult, Suite, SuiteOptions, SuiteReport, Verdict, run};

/// Runs a suite and checks that every result was told in order.
fn run_quietly(suite: Suite, folder: &Path) -> SuiteReport {
    let mut told = Vec::new();
    let report = run(suite, folder, &SuiteOptions::new().with_threads(1), &mut |case| told.push(case.clone())).unwrap();
    assert_eq!(told, report.cases);
    assert_eq!(report.passed + report.failed + report.skipped + report.differing, report.cases.len());
    report
}

/// Writes an index and the folders above it.
fn write_index(path: &Path, index: &Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, index.to_string()).unwrap();
}

fn why(case: &CaseResult) -> &str {
    match &case.verdict {
        Verdict::Ok => "ok",
        Verdict::Fail(why) | Verdict::Differs(why) | Verdict::Skipped(why) => why,
    }
}

fn is_ok(case: &CaseResult) -> bool {
    case.verdict == Verdict::Ok
}
