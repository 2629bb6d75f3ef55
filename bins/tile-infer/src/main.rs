//! `tile-infer`: runs a model over an image of any size.
#![forbid(unsafe_code)]

mod args;
mod files;
mod journal;
mod model;
#[cfg(feature = "onnx")]
mod onnx;
mod output;
mod run;

use std::process::ExitCode;

use clap::Parser as _;
use volkit_bench::Display;
use volkit_core::{BoxError, error_line};

use crate::args::Args;

fn main() -> ExitCode {
    let args = Args::parse();
    match print(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tile-infer: {}", error_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn print(args: &Args) -> Result<(), BoxError> {
    let display = Display::new(args.quiet)?.counting("tiles");
    let outcome = run::run(args, &display);
    display.finish();
    let report = outcome?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else if args.estimate || !args.quiet {
        println!("{}", report.lines());
    }
    Ok(())
}
