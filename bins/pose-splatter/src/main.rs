//! `pose-splatter`: from multi-view videos of an animal to a trained model and animated 3-D Gaussians.
#![forbid(unsafe_code)]

mod args;
mod evaluate;
mod page;
mod picture;
mod prepare;
mod project;
mod render;
mod run;
mod stamp;
mod synth;
mod synth_files;
mod train;
mod truth;
mod videos;

use std::process::ExitCode;

use clap::Parser as _;
use volkit_bench::Display;
use volkit_core::{BoxError, error_line};

use crate::args::{Args, Command, Step};

fn main() -> ExitCode {
    let args = Args::parse();
    match work(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("pose-splatter: {}", error_line(error.as_ref()));
            ExitCode::FAILURE
        }
    }
}

fn work(args: &Args) -> Result<(), BoxError> {
    let display = Display::new(args.quiet)?.counting("items");
    let steps = |from: Step, to: Step| (Some(from), Some(to));
    let (config, (from, to)) = match &args.command {
        Command::Synth(synth) => {
            let outcome = synth::run(synth, args.threads, &display);
            display.finish();
            let config = outcome?;
            if !args.quiet {
                println!("{}", config.display());
            }
            return Ok(());
        }
        Command::Run { config, from, to } => (config, (*from, *to)),
        Command::Prepare { config } => (config, steps(Step::World, Step::Crop)),
        Command::Train { config } => (config, steps(Step::Train, Step::Train)),
        Command::Evaluate { config } => (config, steps(Step::Evaluate, Step::Evaluate)),
        Command::Render { config } => (config, steps(Step::Render, Step::Render)),
        Command::Export { config } => (config, steps(Step::Export, Step::Export)),
    };
    let outcome = run::run(config, [from, to], args.threads, &display);
    display.finish();
    let report = outcome?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else if !args.quiet {
        println!("{}", report.lines());
    }
    Ok(())
}
