//! `volbench`: shows that volkit gives the right answers on this machine, and makes phantoms to try it with.
#![forbid(unsafe_code)]

mod args;
mod conformance;
mod doctor;
mod isa_report;
mod machine;
mod phantom;
mod self_check;

use std::error::Error;
use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Conformance(args) => conformance::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Phantom(args) => phantom::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("volbench: {}", chain(error.as_ref()));
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
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
