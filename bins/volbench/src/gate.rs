//! `volbench gate` and `volbench report`.

use std::path::Path;
use std::process::ExitCode;

use volkit_bench::BenchReport;
use volkit_core::BoxError;

use crate::bench_args::{GateArgs, ReportArgs};
use crate::json_out::{is_alone, write_json};

pub(crate) fn run(args: &GateArgs) -> Result<ExitCode, BoxError> {
    let now = read(&args.now)?;
    let base = if args.base.is_dir() {
        read(&args.base.join(now.machine.kind()).with_extension("json"))?
    } else {
        read(&args.base)?
    };
    let gate = volkit_bench::gate(&base, &now)?;
    if !is_alone(args.json.as_deref()) {
        print!("{gate}");
    }
    if let Some(path) = &args.json {
        write_json(path, &gate)?;
    }
    Ok(if gate.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(crate) fn report(args: &ReportArgs) -> Result<ExitCode, BoxError> {
    print!("{}", read(&args.now)?.to_markdown());
    Ok(ExitCode::SUCCESS)
}

fn read(path: &Path) -> Result<BenchReport, BoxError> {
    let in_file = |error: &dyn std::error::Error| format!("{}: {error}", path.display());
    let text = std::fs::read_to_string(path).map_err(|error| in_file(&error))?;
    Ok(BenchReport::from_json(&text).map_err(|error| in_file(&error))?)
}
