//! `synthseg`: brain segmentation from the command line.
#![forbid(unsafe_code)]

mod args;
mod model;
mod naming;
mod outputs;
mod progress;
mod run;
mod tables;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser as _;

use crate::args::{Args, Mode};
use crate::progress::Display;

fn main() -> ExitCode {
    let args = Args::parse();
    // The only values there are: a build with more matches here.
    let Mode::Exact = args.mode;
    let display = match Display::new(args.quiet) {
        Ok(display) => Arc::new(display),
        Err(error) => {
            eprintln!("error: {}", run::one_line(&error));
            return ExitCode::FAILURE;
        }
    };
    let outcome = run::run(&args, &display);
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
            eprintln!("error: {}", run::one_line(&error));
            ExitCode::FAILURE
        }
    }
}
