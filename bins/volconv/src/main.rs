//! `volconv`: converts, describes and compares volumes.
#![forbid(unsafe_code)]

mod args;
mod convert;
mod diff;
mod diff_tables;
mod diff_volumes;
mod info;
mod info_text;
mod table;
mod weights;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Convert(args) => convert::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Weights(args) => weights::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("volconv: {}", chain(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes on one line.
fn chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        // Some messages carry their cause already.
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
