//! `unet-train`: trains networks from the command line.
#![forbid(unsafe_code)]

mod args;
mod config_file;
mod psi;
mod synthseg;

use std::process::ExitCode;

use clap::Parser as _;
use volkit_core::error_line;

use crate::args::{Args, Field};

fn main() -> ExitCode {
    let outcome = match Args::parse().field {
        Field::Psi(args) => psi::run(&args),
        Field::Synthseg(args) => synthseg::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("unet-train: {}", error_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}
