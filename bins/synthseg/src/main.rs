//! `synthseg`: brain segmentation from the command line.
#![forbid(unsafe_code)]

mod args;
mod demo;
mod device;
mod load;
mod memory;
mod model;
mod model_files;
mod naming;
mod outputs;
mod record;
mod report;
mod run;
mod tables;
mod write;

use std::process::ExitCode;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{CommandFactory as _, Parser as _};
use volkit_bench::Display;
use volkit_core::error_line;

use crate::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    if let Some(why) = args.contradiction() {
        Args::command().error(ErrorKind::ArgumentConflict, why).exit();
    }
    let display = match Display::new(args.quiet) {
        Ok(display) => Arc::new(display),
        Err(error) => {
            eprintln!("error: {}", error_line(&error));
            return ExitCode::FAILURE;
        }
    };
    let outcome = demo::expanded(args).and_then(|args| run::run(&args, &display));
    display.finish();
    match outcome {
        Ok(outcome) if outcome.failed.is_empty() => ExitCode::SUCCESS,
        Ok(outcome) => {
            if outcome.n_scans > 1 {
                eprintln!("{} of {} scans failed:", outcome.failed.len(), outcome.n_scans);
                for error in outcome.failed {
                    eprintln!("  {error}");
                }
            }
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {}", error_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
