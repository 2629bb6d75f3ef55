//! `volbench conformance`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use volkit_conformance::{Suite, SuiteOptions};
use volkit_core::BoxError;

use crate::args::ConformanceArgs;
use crate::json_out::{is_alone, write_json};

/// Names the folder that golden folders and models lie in.
const SHARED_VARIABLE: &str = "VOLKIT_SHARED";

pub(crate) fn run(args: &ConformanceArgs) -> Result<ExitCode, BoxError> {
    let suite: Suite = args.suite.parse()?;
    let folder = match &args.folder {
        Some(folder) => folder.clone(),
        None => default_folder(suite)?,
    };
    let json_only = is_alone(args.json.as_deref());
    let options = SuiteOptions::new()
        .with_threads(args.threads)
        .with_compat(args.compat)
        .with_mode(args.mode)
        .with_path(args.path)
        .with_device(args.device)
        .with_model(args.model.clone());
    let report = volkit_conformance::run(suite, &folder, &options, &mut |case| {
        if !json_only {
            // Whoever reads the lines may have had enough; the exit status still tells.
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{case}").and_then(|()| out.flush());
        }
    })?;
    if let Some(path) = &args.json {
        write_json(path, &report)?;
    }
    if !json_only {
        let _ = writeln!(std::io::stdout(), "{}", report.summary());
    }
    Ok(if report.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn default_folder(suite: Suite) -> Result<PathBuf, BoxError> {
    let below = Path::new("golden").join(suite.default_folder());
    if let Some(shared) = std::env::var_os(SHARED_VARIABLE) {
        return Ok(Path::new(&shared).join(below));
    }
    let here = std::env::current_dir()?;
    // The repository is the nearest folder above that has a `shared` beside it.
    let found = here.ancestors().skip(1).map(|above| above.join("shared").join(&below)).find(|folder| folder.is_dir());
    found.ok_or_else(|| {
        format!(
            "no folder given, {SHARED_VARIABLE} is not set, and no shared/{} lies beside this directory or one above",
            below.display()
        )
        .into()
    })
}
