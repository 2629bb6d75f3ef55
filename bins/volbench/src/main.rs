//! `volbench`: shows that volkit gives the right answers on this machine and how fast, and makes phantoms to try it with.
#![forbid(unsafe_code)]

mod args;
mod bench_args;
mod bench_run;
mod compare;
mod conformance;
mod device_report;
mod doctor;
mod gate;
mod isa_report;
mod json_out;
mod machine;
mod phantom;
mod self_check;
mod suite;

use std::process::ExitCode;

use clap::Parser as _;
use volkit_core::error_line;

use crate::args::{Args, Command};

fn main() -> ExitCode {
    let done = match Args::parse().command {
        Command::Compare(args) => compare::run(&args),
        Command::Conformance(args) => conformance::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Gate(args) => gate::run(&args),
        Command::Phantom(args) => phantom::run(&args),
        Command::Report(args) => gate::report(&args),
        Command::Run(args) => bench_run::run(&args),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("volbench: {}", error_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
