//! `tile-infer`: runs a model over an image of any size.
#![forbid(unsafe_code)]

mod args;
mod files;
mod journal;
mod progress;
mod run;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;
use volkit_core::BoxError;

use crate::args::Args;
use crate::progress::Display;

fn main() -> ExitCode {
    let args = Args::parse();
    match print(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tile-infer: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn print(args: &Args) -> Result<(), BoxError> {
    let display = Display::new(args.quiet)?;
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

/// An error and its causes on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
