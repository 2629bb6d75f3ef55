//! `volconv`: converts, describes and compares volumes.
#![forbid(unsafe_code)]

mod args;
mod convert;
mod convert_store;
mod diff;
mod diff_tables;
mod diff_volumes;
mod info;
mod info_text;
mod table;
mod weights;

use std::process::ExitCode;

use clap::Parser as _;
use volkit_core::error_line;

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
            eprintln!("volconv: {}", error_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
