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

/// Keeps the memory of tensors between steps; the system's allocator gives it back, and pages are cleared anew.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
