//! `volconv diff`: what kind of files, and what follows for the exit status.

use std::fmt::Display;
use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;
use volkit_core::BoxError;

use crate::args::DiffArgs;
use crate::{diff_tables, diff_volumes};

pub(crate) fn run(args: &DiffArgs) -> Result<ExitCode, BoxError> {
    match (is_table(&args.a), is_table(&args.b)) {
        (true, true) => show(&diff_tables::compare_files(args)?, args),
        (false, false) => show(&diff_volumes::compare_files(args)?, args),
        _ => {
            Err(format!("{} and {}: a table and a volume can not be compared", args.a.display(), args.b.display())
                .into())
        }
    }
}

/// A comparison that may find that two things are not the same.
pub(crate) trait Verdict: Display + Serialize {
    /// Whether they differ by no more than is allowed.
    fn is_same(&self) -> bool;
}

fn show<T: Verdict>(report: &T, args: &DiffArgs) -> Result<ExitCode, BoxError> {
    if args.json {
        println!("{}", serde_json::to_string_pretty(report)?);
    } else {
        print!("{report}");
        println!("{}", if report.is_same() { "same" } else { "different" });
    }
    Ok(if report.is_same() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn is_table(path: &Path) -> bool {
    let suffix = path.extension().map(|suffix| suffix.to_string_lossy().to_ascii_lowercase());
    matches!(suffix.as_deref(), Some("csv" | "tsv"))
}
